#!/usr/bin/env bash
# Drives a running server from outside: the vectors of ../shared, the openai package, lm-evaluation-harness, and clients that
# mix every way of decoding. Loopback only; what it starts, it stops.
set -euo pipefail
cd "$(dirname "$0")/../.."

swift build -c release --product needletail --explicit-target-dependency-import-check error
binary="$(swift build -c release --show-bin-path)/needletail"
folder="$(mktemp -d)"
server=
stop_server() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    [ -z "$server" ] || wait "$server" 2>/dev/null || true
    server=
}
trap 'stop_server; rm -rf "$folder"' EXIT

# Starts a server with these options and leaves its port in $port.
start_server() {
    "$binary" serve --port 0 "$@" 2>"$folder/log" &
    server=$!
    for _ in $(seq 100); do
        grep -q 'ready in' "$folder/log" && break
        sleep 0.1
    done
    grep 'ready in' "$folder/log" || { cat "$folder/log"; exit 1; }
    port="$(sed -n 's/.*ready in.*127\.0\.0\.1:\([0-9]*\).*/\1/p' "$folder/log")"
}

start_server
# "auth" vectors need a key: keys.py runs them, tls.py those of TLS.
tools=../shared/vectors/tools
for split in 0 1 rand; do
    python3 "$tools/run_http.py" --port "$port" --model story --level must,should,policy \
        $([ "$split" = 0 ] || echo --split "$split")
done
python3 "$tools/run_completions.py" --port "$port" --model story
python3 Tests/Clients/bad_values.py "$port"
python3 Tests/Clients/invariance.py "$port"
python3 Tests/Clients/mixed_requests.py "$port"

# The machine's own packages are seen, so that torch and transformers are not fetched again; where it has none, the
# comparison with them is left out, since they alone are gigabytes.
python3 -m venv --system-site-packages "$folder/venv"
"$folder/venv/bin/pip" install --quiet openai
"$folder/venv/bin/python" Tests/Clients/openai_client.py "http://127.0.0.1:$port/v1"
stop_server

"$folder/venv/bin/pip" install --quiet prometheus-client
"$folder/venv/bin/python" Tests/Clients/metrics.py "$binary"
python3 Tests/Clients/tls.py "$binary" --broken 300 --swaps 5
"$folder/venv/bin/python" Tests/Clients/keys.py "$binary" --reloads 5

# So little room that sequences are put off and computed again.
start_server --kv-cache-mib 9 --max-running 20 --max-batch-tokens 48 --threads 1
python3 Tests/Clients/mixed_requests.py "$port"
stop_server

# The scheduler, without what only a machine that does nothing else can tell: interference.py and prefix_cache.py measure.
python3 Tests/Clients/one_answer.py "$binary" --quick
start_server
python3 Tests/Clients/hang_ups.py "$port" --clients 600
stop_server
python3 Tests/Clients/make_model.py ../shared/data/stories260K/hf "$folder/model"
start_server --model "$folder/model" --max-running 4
python3 Tests/Clients/priorities.py "$port" --rounds 2
stop_server
start_server --model "$folder/model" --max-running 16 --max-waiting 32
python3 Tests/Clients/overload.py "$port" --pid "$server" --seconds 10 --capacity-seconds 8 --single 5 \
    --no-time-bars
stop_server

if ! "$folder/venv/bin/python" -c 'import torch, transformers' 2>/dev/null; then
    echo "lm-eval: skipped, the reference needs torch and transformers"
    exit
fi
"$folder/venv/bin/pip" install --quiet 'lm_eval[api]==0.4.13' accelerate 2>"$folder/pip" || { cat "$folder/pip"; exit 1; }
# The reference adds floats; what fewer bits cost is another measure (bench perplexity).
for model in stories260K tinystories-656k; do
    start_server --model "../shared/data/$model/hf" --compute f32 --kv-cache-type f32
    "$folder/venv/bin/python" Tests/Clients/lm_eval_check.py "http://127.0.0.1:$port" "../shared/data/$model/hf" \
        2>"$folder/errors" || { cat "$folder/errors"; exit 1; }
    stop_server
done
