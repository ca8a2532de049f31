"""A server with keys, from outside: the vectors that need a key, the openai client, limits, keys read anew under load, what the
command makes, and where a key must not stand.

    keys.py BINARY [--reloads 20]

The openai package and ../shared are used where they are; otherwise a line says that they were left out.
"""
import argparse
import atexit
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from wire import Bars, Server

here = pathlib.Path(__file__).resolve().parent
parser = argparse.ArgumentParser()
parser.add_argument("binary")
parser.add_argument("--reloads", type=int, default=20)
options = parser.parse_args()
folder = pathlib.Path(tempfile.mkdtemp())
bars = Bars("keys")
path = folder / "keys"


def check(text, holds, *details):
    bars(holds, " ".join(str(part) for part in (text, *details)))



def make(name, *settings):
    """A key, and its line for the file."""
    made = subprocess.run([options.binary, "key", "new", name, *settings], capture_output=True, text=True, check=True)
    return re.search(r"nt-[A-Za-z0-9_-]{43}", made.stderr).group(), made.stdout


def write(*lines):
    path.write_text("".join(lines))
    path.chmod(0o600)


def ask(port, key, body=None, target="/v1/completions", method=None):
    """Status, fields and the object of an answer."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    fields = {"Content-Type": "application/json"}
    if key:
        fields["Authorization"] = f"Bearer {key}"
    client.request(method or ("POST" if body else "GET"), target, json.dumps(body) if body else None, fields)
    answer = client.getresponse()
    data = answer.read()
    client.close()
    return answer.status, dict(answer.getheaders()), data


def stream(port, key, tokens=400):
    """A stream that has begun."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    body = {"prompt": "Once", "max_tokens": tokens, "stream": True, "ignore_eos": True}
    client.request("POST", "/v1/completions", json.dumps(body),
                   {"Content-Type": "application/json", "Authorization": f"Bearer {key}"})
    answer = client.getresponse()
    answer.read(1)
    return client, answer


def refused(*arguments):
    run = subprocess.run([options.binary, *map(str, arguments)], capture_output=True, text=True, timeout=60)
    return run.returncode, run.stderr.strip()


ONE = {"prompt": "Once", "max_tokens": 1}
alice, alice_line = make("alice")
bob, bob_line = make("bob", "requests-per-minute=5", "max-tokens=50", "concurrent=1")
meter, meter_line = make("meter", "tokens-per-minute=600")
ops, ops_line = make("ops", "role=admin")

# What cannot start says why, in one line.
write("")
check("an empty file of keys", refused("serve", "--port", 0, "--api-keys", path)[0] == 2)
write(alice_line, "bob sha256:12\n")
code, line = refused("serve", "--port", 0, "--api-keys", path)
check("a broken file of keys", code == 2 and "line 2" in line and "\n" not in line, line)
code, line = refused("serve", "--port", 0, "--host", "0.0.0.0")
check("an open address without keys", code == 2 and "--allow-remote-without-keys" in line, line)

write(alice_line, bob_line, meter_line, ops_line)
server = Server(options.binary, "--api-keys", path)
server.__enter__()
atexit.register(server.__exit__)
port = server.port
tools = here.parent.parent.parent / "shared" / "vectors" / "tools"
if tools.exists():
    for program in (["run_http.py", "--level", "must,should,policy"], ["run_completions.py"]):
        run = subprocess.run([sys.executable, tools / program[0], "--port", str(port), "--model", "story", "--key", alice,
                              *program[1:]], capture_output=True, text=True)
        check(f"vectors of {program[0]}", run.returncode == 0, (run.stdout.strip().splitlines() or [""])[-1])
        if run.returncode:
            print(run.stdout)
else:
    print("vectors: left out, ../shared is not there")

check("without a key", ask(port, None, ONE)[0] == 401 and ask(port, None)[1].get("WWW-Authenticate") == "Bearer")
check("health is open", ask(port, None, target="/health")[0] == 200)
guesses = ["/metrics", "/admin", "/v1", "/v1/chat/completions", "/debug", "/docs", "/openapi.json", "/invocations", "/pause"]
check("paths that are not there", all(ask(port, None, target=path)[0] == 401 for path in guesses))

# Limits.
statuses = [ask(port, bob, ONE) for _ in range(6)]
check("requests a minute", [status for status, _, _ in statuses] == [200] * 5 + [429])
check("Retry-After", 0 < int(statuses[-1][1]["Retry-After"]) <= 12, statuses[-1][1]["Retry-After"])
check("other keys go on", ask(port, alice, ONE)[0] == 200)
status, _, body = ask(port, meter, {"prompt": "Once", "max_tokens": 1000})
check("more than a minute's tokens", status == 400 and json.loads(body)["error"]["param"] == "max_tokens")
used = [ask(port, meter, {"prompt": "Once", "max_tokens": 250, "ignore_eos": True})[0] for _ in range(3)]
check("tokens a minute", used == [200, 200, 429], used)

# What one key computed is not there for another.
long = {"prompt": "Once upon a time there was a little dog. " * 12, "max_tokens": 1}
cached = [json.loads(ask(port, key, long)[2])["usage"]["prompt_tokens_details"]["cached_tokens"] for key in (alice, ops, alice)]
check("prefixes of other keys", cached[:2] == [0, 0] and cached[2] > 0, cached)

# Requests at once: a stream holds its place until it is hung up on.
write(alice_line, bob_line.replace("requests-per-minute=5", "requests-per-minute=1000").replace("max-tokens=50", ""),
      ops_line)
os.kill(server.process.pid, signal.SIGHUP)
deadline = time.time() + 10
while ask(port, meter, ONE)[0] != 401 and time.time() < deadline:
    time.sleep(0.05)
check("a key that is gone", ask(port, meter, ONE)[0] == 401)
held, answer = stream(port, bob)
check("a second request at once", ask(port, bob, ONE)[0] == 429)
answer.close()
held.close()
deadline = time.time() + 10
while (freed := ask(port, bob, ONE)[0]) == 429 and time.time() < deadline:
    time.sleep(0.05)
check("the place of who hung up", freed == 200)

# Ids are each key's own.
named = {"prompt": "Once", "max_tokens": 450, "ignore_eos": True, "request_id": "mine", "n": 8}
done = []
thread = threading.Thread(target=lambda: done.append(ask(port, alice, named)))
thread.start()
target = "/v1/completions/cmpl-mine/cancel"
others, mine = [], 404
while thread.is_alive() and mine != 200:
    others.append(ask(port, bob, target=target, method="POST")[0])
    mine = ask(port, alice, target=target, method="POST")[0]
thread.join()
check("another key's completion", mine == 200 and set(others) == {404} and done[0][0] == 200, (mine, set(others)))

# Keys swapped under load: who holds a key throughout is never refused, a broken file changes nothing.
stop, seen = threading.Event(), []


def load():
    while not stop.is_set():
        seen.append(ask(port, alice, ONE)[0])


workers = [threading.Thread(target=load) for _ in range(4)]
for worker in workers:
    worker.start()
swaps = []
for number in range(options.reloads):
    new, new_line = make("guest")
    write(alice_line, new_line)
    os.kill(server.process.pid, signal.SIGHUP)
    deadline = time.time() + 10
    while (status := ask(port, new, ONE)[0]) != 200 and time.time() < deadline:
        time.sleep(0.01)
    swaps.append(status)
    write("broken\n")
    os.kill(server.process.pid, signal.SIGHUP)
    time.sleep(0.05)
    swaps.append(ask(port, new, ONE)[0])
stop.set()
for worker in workers:
    worker.join()
check("keys swapped under load", set(swaps) == {200} and set(seen) == {200}, f"{len(seen)} answers beside {options.reloads} swaps")

try:
    import openai
except ImportError:
    print("openai: left out, the package is not there")
else:
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=alice)
    check("the openai client", bool(client.completions.create(model="story", prompt="Once", max_tokens=5).choices[0].text))
    try:
        openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="nt-wrong").models.list()
        check("the openai client with a wrong key", False)
    except openai.AuthenticationError as error:
        check("the openai client with a wrong key", error.code == "invalid_api_key")

command = pathlib.Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
log = server.text()
secrets = [key for key in (alice, bob, meter, ops) if key in log or key.encode() in command]
check("no key in the log or the command line", not secrets)
check("a broken file is told of in the log", "keys not read anew, the old ones stay" in log)
check("the log names the key", "key=alice" in log)
shutil.rmtree(folder)
sys.exit(bars.exit_status)
