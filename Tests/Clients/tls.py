"""A server of our program through TLS, by Python's ssl, openssl and sslyze: what is refused at the start, answers and streams,
certificates swapped under load, handshakes that break or stall, certificates of clients, and the ends of connections.

    tls.py BINARY [--broken 2000] [--swaps 20]

sslyze is used where this Python has it (`pip install sslyze`), the vectors where ../shared has them; otherwise a line says
that they were left out.
"""
import argparse
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

from wire import Bars, Server, memory_mib

here = pathlib.Path(__file__).resolve().parent
parser = argparse.ArgumentParser()
parser.add_argument("binary")
parser.add_argument("--broken", type=int, default=2000)
parser.add_argument("--swaps", type=int, default=20)
options = parser.parse_args()
folder = pathlib.Path(tempfile.mkdtemp())
bars = Bars("tls")
STREAM = {"prompt": "Once upon a time", "max_tokens": 300, "seed": 1, "stream": True, "ignore_eos": True}


def trust(version=None, identity=None):
    """A client's context that believes our authority only."""
    context = ssl.create_default_context(cafile=folder / "authority.pem")
    if version:
        context.minimum_version = context.maximum_version = version
    if identity:
        context.load_cert_chain(folder / f"{identity}.pem", folder / f"{identity}.key")
    return context


def connect(port, context=None, receive_buffer=None):
    plain = socket.socket()
    if receive_buffer:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    plain.settimeout(30)
    plain.connect(("127.0.0.1", port))
    # A missing close_notify must raise.
    return (context or trust()).wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)


def head(method, path, body=b"", close=False):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}",
             "Content-Type: application/json"] + ["Connection: close"] * close
    return "\r\n".join([*lines, "", ""]).encode() + body


def ask(client, path="/health", body=None, close=False):
    """One request; the status and the body."""
    client.sendall(head("POST" if body else "GET", path, body or b"", close))
    answer = http.client.HTTPResponse(client)
    answer.begin()
    return answer.status, answer.read()


def serve(*more, name="server"):
    return Server(options.binary, "--tls-certificate", folder / f"{name}.pem", "--tls-key", folder / f"{name}.key", *more)


def text_of(body):
    events = [json.loads(line[6:]) for line in body.decode().split("\n\n") if line.startswith("data: {")]
    return "".join(event["choices"][0]["text"] for event in events if event["choices"])


def starts_that_fail():
    for certificate, key, word in [
            ("missing.pem", "server.key", "No such file"), ("server.pem", "renewed.key", "does not belong"),
            ("server.pem", "encrypted.key", "is encrypted"), ("weak.pem", "weak.key", "too small"),
            ("server.key", "server.key", "no certificate"), ("server.pem", "server.pem", "no usable private key")]:
        run = subprocess.run(
            [options.binary, "serve", "--port", "0", "--tls-certificate", folder / certificate, "--tls-key", folder / key],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        lines = run.stderr.splitlines()
        bars(run.returncode == 2 and len(lines) == 1 and word in lines[0], f"refused at the start: {lines}")


def answers(server, plain):
    client = socket.create_connection(("127.0.0.1", plain.port))
    body = json.dumps(STREAM).encode()
    expected = text_of(ask(client, "/v1/completions", body)[1])
    client.close()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with connect(server.port, trust(version)) as client:
            got = text_of(ask(client, "/v1/completions", body)[1])
            name = client.version()
            bars(got == expected and len(got) > 300, f"{name}: a stream of {len(got)} characters as in clear text")
            status, _ = ask(client, close=True)
            bars(status == 200 and client.recv(1) == b"", f"{name}: the last answer's end is announced")
    with connect(server.port, receive_buffer=1) as client:
        client.sendall(head("POST", "/v1/completions", body, close=True))
        whole = b""
        while byte := client.recv(1 if len(whole) < 20_000 else 65536):
            whole += byte
            if len(whole) % 2000 == 0:
                time.sleep(0.02)
    start = whole.index(b"\r\n\r\n") + 4
    data, place = b"", start
    while size := int(whole[place:whole.index(b"\r\n", place)], 16):
        place = whole.index(b"\r\n", place) + 2
        data, place = data + whole[place:place + size], place + size + 2
    bars(text_of(data) == expected, f"read byte by byte through the smallest window: the same, {len(whole)} bytes")


def openssl_client(server):
    if not shutil.which("openssl"):
        return print("tls: s_client skipped, there is no openssl")
    for version, request in (("-tls1_2", "R\n"), ("-tls1_3", "k\n")):
        run = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", version, "-alpn", "h2,http/1.1", "-CAfile",
             folder / "authority.pem", "-verify_return_error"],
            input=request, capture_output=True, text=True, timeout=60)
        text = run.stdout + run.stderr
        bars("Verify return code: 0" in text and "ALPN protocol: http/1.1" in text, f"s_client {version}: verified, http/1.1")
        if version == "-tls1_2":
            bars("no renegotiation" in text, "s_client's renegotiation is refused")


def swaps(server, pair):
    """New connections without a break while certificates change under them; a stream from before goes on."""
    failures, names, stop = [], {}, threading.Event()

    def load():
        context = trust()
        while not stop.is_set():
            try:
                with connect(server.port, context) as client:
                    subject = dict(entry[0] for entry in client.getpeercert()["subject"])["commonName"]
                    if ask(client)[0] == 200:
                        names[subject] = names.get(subject, 0) + 1
            except OSError as error:
                failures.append(repr(error))

    old = connect(server.port)
    ask(old)
    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(options.swaps):
        for ending in ("pem", "key"):
            shutil.copy(folder / f"{('renewed', 'server')[number % 2]}.{ending}", f"{pair}.{ending}")
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
    stop.set()
    for thread in threads:
        thread.join()
    bars(not failures and len(names) == 2, f"{options.swaps} swaps under load: handshakes {names}, failed {failures[:3]}")
    bars(ask(old)[0] == 200 and server.text().count("certificate read anew") == options.swaps,
         "a connection from before them all goes on")
    shutil.copy(folder / "rsa.key", f"{pair}.key")
    server.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    with connect(server.port) as client:
        bars(ask(client)[0] == 200 and server.text().count("certificate not read anew") == 1,
             "a key of another certificate changes nothing; one line says so")


def broken_handshakes(server):
    generator = random.Random(5)
    hello, replies = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        trust().wrap_bio(replies, hello, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        greeting = hello.read()

    def some(count):
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", server.port))
            cut = generator.randrange(1, len(greeting))
            changed = bytearray(greeting)
            changed[generator.randrange(len(changed))] ^= 1 << generator.randrange(8)
            try:
                client.sendall(generator.choice([
                    generator.randbytes(300), greeting[:cut], bytes(changed), greeting + generator.randbytes(50)]))
                # To the end, so that no two of them overlap: memory tells of leaks then, not of a peak.
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):
                    pass
            except OSError:
                pass
            client.close()

    some(options.broken // 2)
    before = memory_mib(server.process.pid)
    some(options.broken // 2)
    with connect(server.port) as client:
        good = ask(client)[0] == 200
    grown = memory_mib(server.process.pid) - before
    bars(good and grown < 2, f"after {options.broken} broken handshakes a good one; memory grew by {grown:.2f} MiB in the second half")


def stalled_handshakes(server):
    begun = time.monotonic()
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(300)]
    for client in silent[:150]:
        client.sendall(b"\x16\x03\x01\x02")
    slowest = 0
    for _ in range(20):
        start = time.monotonic()
        with connect(server.port) as client:
            ask(client)
        slowest = max(slowest, time.monotonic() - start)
        time.sleep(0.05)
    for client in silent:
        client.settimeout(20)
        client.recv(1)
        client.close()
    took = time.monotonic() - begun
    bars(8 < took < 13, f"300 handshakes that stall end after {took:.1f} s; beside them /health took {slowest * 1000:.0f} ms at most")


def client_certificates():
    with serve("--tls-client-ca", folder / "authority.pem") as server:
        for identity in ("client", None, "stranger", "late"):
            try:
                with connect(server.port, trust(identity=identity)) as client:
                    outcome = ask(client)[0]
            except ssl.SSLError as error:
                outcome = error.reason
            bars((outcome == 200) == (identity == "client"), f"certificate of a client: {identity}: {outcome}")


def ends():
    with serve() as server:
        idle, busy = connect(server.port), connect(server.port)
        ask(idle)
        busy.sendall(head("POST", "/v1/completions", json.dumps(STREAM).encode()))
        data = busy.recv(100)
        server.process.send_signal(signal.SIGTERM)
        bars(idle.recv(1) == b"", "draining: an idle connection ends with close_notify")
        while more := busy.recv(65536):
            data += more
        bars(b"data: [DONE]" in data and data.endswith(b"0\r\n\r\n"), "draining: a stream ends whole, with close_notify")
        bars(server.process.wait(20) == 0, "the server ended with status 0")


def scanner(server):
    if subprocess.run([sys.executable, "-c", "import sslyze"], capture_output=True).returncode:
        return print("tls: sslyze skipped, this Python has none")
    run = subprocess.run(
        [sys.executable, "-m", "sslyze", "--mozilla_config=intermediate", f"--certinfo_ca_file={folder / 'authority.pem'}",
         f"127.0.0.1:{server.port}"], capture_output=True, text=True, timeout=300)
    complaints = [line.strip() for line in run.stdout.splitlines() if line.startswith("        * ")]
    # Nothing but that the authority is private, if anything.
    bars("COMPLIANCE" in run.stdout and all("certificate_path_validation" in line for line in complaints),
         f"sslyze, Mozilla's intermediate: complaints {complaints}, {run.stdout.split()[-2:]}")


def vectors(server):
    runner = here.parents[1].parent / "shared/vectors/tools/run_http.py"
    if not runner.exists():
        return print("tls: vectors skipped, there is no ../shared")
    run = subprocess.run(
        [sys.executable, runner, "--port", str(server.port), "--model", "story", "--level", "must,should,policy", "--tls"],
        capture_output=True, text=True)
    bars(run.returncode == 0, f"vectors through TLS: {run.stdout.splitlines()[-1:]}")


try:
    subprocess.run(["bash", here.parent / "Fixtures/make_certificates.sh", folder, "90"], check=True)
    starts_that_fail()
    for ending in ("pem", "key"):
        shutil.copy(folder / f"server.{ending}", folder / f"pair.{ending}")
    with serve(name="pair") as server, Server(options.binary) as plain:
        plain.process.send_signal(signal.SIGHUP)
        answers(server, plain)
        bars("no certificate to read anew" in plain.text(), "SIGHUP without TLS is noted and nothing else")
        openssl_client(server)
        scanner(server)
        vectors(server)
        broken_handshakes(server)
        stalled_handshakes(server)
        swaps(server, folder / "pair")
    client_certificates()
    ends()
finally:
    shutil.rmtree(folder)
sys.exit(bars.exit_status)
