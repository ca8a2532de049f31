#!/usr/bin/env bash
# Drives a running server from outside: the vectors of ../shared and the openai package. Loopback only; what it starts, it stops.
set -euo pipefail
cd "$(dirname "$0")/../.."

swift build -c release --product needletail --explicit-target-dependency-import-check error
binary="$(swift build -c release --show-bin-path)/needletail"
folder="$(mktemp -d)"
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT

"$binary" serve --port 0 2>"$folder/log" &
server=$!
for _ in $(seq 100); do
    grep -q 'ready in' "$folder/log" && break
    sleep 0.1
done
grep 'ready in' "$folder/log" || { cat "$folder/log"; exit 1; }
port="$(sed -n 's/.*ready in.*127\.0\.0\.1:\([0-9]*\).*/\1/p' "$folder/log")"

# "auth" and "tls" vectors need a key and a certificate: another issue's.
tools=../shared/vectors/tools
for split in 0 1 rand; do
    python3 "$tools/run_http.py" --port "$port" --model story --level must,should,policy \
        $([ "$split" = 0 ] || echo --split "$split")
done
python3 Tests/Clients/completion_vectors.py "$port"

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openai
"$folder/venv/bin/python" Tests/Clients/openai_client.py "http://127.0.0.1:$port/v1"
python3 Tests/Clients/invariance.py "$port"
