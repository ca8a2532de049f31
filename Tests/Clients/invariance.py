"""One row, one answer, over HTTP: 64 requests alone, then all at once, half of them streamed, with clients that hang up
among them. Every answer must be the same bytes; afterwards nothing runs and the server still answers.

    python3 invariance.py PORT
"""
import concurrent.futures
import http.client
import json
import random
import sys

port = int(sys.argv[1])
rng = random.Random(20)
opening = ["Once upon a time", "Lily had a red ball.", "Tom and the dog", "\u00e9t\u00e9 \U0001F600 and", "One day, a big"]


def request():
    fields = {
        "prompt": rng.choice(opening) + " " + " ".join(rng.choice(opening) for _ in range(rng.randrange(8))),
        "max_tokens": rng.randrange(1, 100), "seed": rng.randrange(1 << 40), "return_token_ids": True,
        "temperature": rng.choice([0, 0.7, 1, 1.9]), "stop": rng.sample([" the", "ly", ". ", "\n", "xyz"], 2),
    }
    if rng.random() < 0.5:
        fields |= {"top_k": rng.randrange(1, 60), "top_p": 0.9}
    return fields


def connect(fields):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", "/v1/completions", json.dumps(fields), {"Content-Type": "application/json"})
    return connection


def plain(fields):
    response = connect(fields).getresponse()
    answer = json.loads(response.read())
    assert response.status == 200, answer
    choice = answer["choices"][0]
    return choice["text"], choice["token_ids"], choice["finish_reason"], choice["stop_reason"]


def streamed(fields):
    text, ids, ending = "", [], None
    for line in connect(fields | {"stream": True}).getresponse().read().split(b"\n\n"):
        if not line.startswith(b"data: {"):
            continue
        choice = json.loads(line[6:])["choices"][0]
        text += choice["text"]
        ids += choice.get("token_ids") or []
        ending = (choice["finish_reason"], choice["stop_reason"])
    return (text, ids) + ending


def hang_up(fields):
    connection = connect(fields | {"stream": True, "max_tokens": 200, "stop": []})
    connection.getresponse().read(40)
    connection.close()


requests = [request() for _ in range(64)]
alone = [plain(fields) for fields in requests]
with concurrent.futures.ThreadPoolExecutor(48) as pool:
    order = list(range(64))
    rng.shuffle(order)
    quitters = [pool.submit(hang_up, requests[i]) for i in order[:16]]
    answers = {i: pool.submit(plain if i % 2 else streamed, requests[i]) for i in order}
    different = [i for i in order if answers[i].result() != alone[i]]
    for quitter in quitters:
        quitter.result()
for i in different[:3]:
    print("differs:", requests[i], alone[i], answers[i].result())
assert plain(requests[0]) == alone[0]
print(f"invariance: {64 - len(different)} passed, {len(different)} failed")
sys.exit(1 if different else 0)
