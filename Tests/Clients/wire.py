"""HTTP/1.1 to a server on this machine over raw asyncio connections: as little work for each byte as Python allows, with
the time at which each piece arrived. Starting and ending servers, and the few statistics that the scripts share.
"""
import asyncio
import json
import math
import os
import re
import subprocess
import tempfile
import time

HEAD_END = b"\r\n\r\n"
LAST_CHUNK = b"\r\n0\r\n\r\n"


class Answer:
    """What came back for one request, with the time of each piece (`time.perf_counter`)."""

    def __init__(self):
        self.sent = self.ended = 0.0
        self.status, self.headers, self.is_chunked = 0, {}, False
        self.pieces = []
        # Bytes of the body that are missing, where their number is known.
        self.missing = None

    def _read_head(self, data):
        lines = data.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        self.is_chunked = self.headers.get("transfer-encoding") == "chunked"
        self.missing = None if self.is_chunked else int(self.headers.get("content-length", 0))

    def timed_lines(self):
        """The lines of a chunked body, each with the time of the piece that ended it."""
        data, ends = self._dechunked()
        place, piece = 0, 0
        while (end := data.find(b"\n", place)) >= 0:
            while piece + 1 < len(ends) and ends[piece][0] <= end:
                piece += 1
            yield ends[piece][1], data[place:end]
            place = end + 1

    def _dechunked(self):
        """The body, and for each piece the offset in it where the piece's data ends, with its time."""
        raw = b"".join(data for _, data in self.pieces)
        body, spans, place = [], [], 0
        while (line_end := raw.find(b"\r\n", place)) >= 0:
            size = int(raw[place:line_end].split(b";")[0], 16)
            body.append(raw[line_end + 2:line_end + 2 + size])
            spans.append((line_end + 2, len(body[-1])))
            place = line_end + 2 + size + 2
            if size == 0:
                break
        ends, raw_end, done, whole = [], 0, 0, 0
        for when, data in self.pieces:
            raw_end += len(data)
            while done < len(spans) and sum(spans[done]) <= raw_end:
                whole += spans[done][1]
                done += 1
            part = max(0, min(spans[done][1], raw_end - spans[done][0])) if done < len(spans) else 0
            ends.append((whole + part, when))
        return b"".join(body), ends

    @property
    def body(self):
        return self._dechunked()[0] if self.is_chunked else b"".join(data for _, data in self.pieces)

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def events(self):
        """The objects of a stream with their times; `[DONE]` is left out."""
        return [(when, json.loads(line[6:])) for when, line in self.timed_lines() if line.startswith(b"data: {")]

    @property
    def is_done(self):
        return self.is_chunked and self.body.rstrip().endswith(b"data: [DONE]")

    def token_times(self):
        """When each piece of text of a stream came."""
        return [when for when, event in self.events if event.get("choices") and event["choices"][0]["text"]]

    def first_token_seconds(self):
        """From sending to the first event with a choice; of a request for one token, to its only one."""
        return next(when for when, event in self.events if event.get("choices")) - self.sent


class Connection(asyncio.Protocol):
    """One connection that is kept; one request at a time."""

    def __init__(self, port):
        self.port, self.transport = port, None
        self.answer, self.head, self.done = None, b"", None
        # Called with each answer at its first byte of a body.
        self.when_begun = None

    async def open(self):
        self.transport, _ = await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self.port)
        return self

    def begin(self, method, path, fields=None, headers=()):
        """Sends a request and returns what becomes its answer."""
        body = b"" if fields is None else fields if isinstance(fields, bytes) else json.dumps(fields).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json",
                 f"Content-Length: {len(body)}", *headers, "", ""]
        self.answer, self.head = Answer(), b""
        self.done = asyncio.get_running_loop().create_future()
        self.answer.sent = time.perf_counter()
        self.transport.write("\r\n".join(lines).encode() + body)
        return self.done

    async def call(self, method, path, fields=None, headers=()):
        if self.transport is None or self.transport.is_closing():
            await self.open()
        return await self.begin(method, path, fields, headers)

    async def complete(self, fields, headers=()):
        return await self.call("POST", "/v1/completions", fields, headers)

    def hang_up(self):
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, data):
        now = time.perf_counter()
        answer = self.answer
        if answer is None or self.done.done():
            return self.transport.abort()
        if answer.status == 0:
            self.head += data
            end = self.head.find(HEAD_END)
            if end < 0:
                return
            answer._read_head(self.head[:end])
            data = self.head[end + 4:]
            if self.when_begun is not None:
                self.when_begun(answer)
        if data:
            answer.pieces.append((now, data))
        self._end_if_whole(answer, data, now)

    def _end_if_whole(self, answer, data, now):
        if answer.is_chunked:
            tail = data[-7:]
            if len(tail) < 7 and len(answer.pieces) > 1:
                tail = b"".join(piece for _, piece in answer.pieces[-7:])[-7:]
            whole = tail.endswith(LAST_CHUNK)
        else:
            answer.missing -= len(data)
            whole = answer.missing <= 0
        if whole:
            answer.ended = now
            if answer.headers.get("connection", "").lower() == "close":
                self.transport.close()
            self.done.set_result(answer)

    def connection_lost(self, error):
        if self.done is not None and not self.done.done():
            self.done.set_exception(ConnectionResetError(f"lost within an answer: {error}"))
            # Nobody may be waiting any more.
            self.done.exception()


async def call(port, method, path, fields=None, headers=()):
    """One request over a connection of its own."""
    connection = await Connection(port).open()
    try:
        return await connection.call(method, path, fields, headers)
    finally:
        connection.hang_up()


async def load(port):
    """What the server holds."""
    return (await call(port, "GET", "/load")).json


async def emptied(port, within):
    """What the server holds once nothing runs and waits and every block is free, or after so many seconds; and how long
    that took."""
    start = time.perf_counter()
    while True:
        state = await load(port)
        seconds = time.perf_counter() - start
        is_empty = not state["server_load"] and state["free_kv_blocks"] == state["total_kv_blocks"]
        if is_empty or seconds > within:
            return is_empty, seconds, state
        await asyncio.sleep(0.02)


class Server:
    """A server that this script started, for `with`; what it logs is in `log`."""

    def __init__(self, binary, *options):
        self.options = [str(option) for option in options]
        self.arguments = [binary, "serve", "--port", "0", *self.options]
        self.process, self.port, self.log = None, None, None

    def __enter__(self):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 60
        while self.port is None:
            text = self.text()
            if found := re.search(r"ready in.*127\.0\.0\.1:(\d+)", text):
                self.port = int(found[1])
            elif self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise SystemExit(f"FAIL {' '.join(self.arguments)}: not ready\n{text}")
            else:
                time.sleep(0.02)
        return self

    def text(self):
        return os.pread(self.log.fileno(), 1 << 20, 0).decode(errors="replace")

    def last_words(self):
        """Why it ended, where it crashed."""
        text = self.text()
        place = min([place for word in ("Fatal error", "Crash", "*** ") if (place := text.find(word)) >= 0], default=-2000)
        return text[place:][:3000]

    def __exit__(self, *_):
        """- Returns: its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.status = self.process.returncode


def memory_mib(pid):
    """What a process has of its own, in memory or swapped out."""
    with open(f"/proc/{pid}/status") as file:
        kilobytes = dict(line.split(":", 1) for line in file)
    return sum(int(kilobytes[name].split()[0]) for name in ("RssAnon", "VmSwap")) / 1024


class Processors:
    """Who takes the processors' time beside a server and this script: what a figure of time is worth."""

    def __init__(self, pid):
        self.pid = pid
        self.begin = self._seconds()

    def _seconds(self):
        """What all took, what the server did, what it and this script did, and when."""
        tick = os.sysconf("SC_CLK_TCK")
        with open("/proc/stat") as file:
            # Idle and waiting for disks are not work; time of guests is counted twice.
            fields = [int(field) for field in file.readline().split()[1:9]]
        with open(f"/proc/{self.pid}/stat") as file:
            server = sum(map(int, file.read().rpartition(")")[2].split()[11:13]))
        return (sum(fields) - fields[3] - fields[4]) / tick, server / tick, server / tick + sum(os.times()[:2]), time.perf_counter()

    def taken(self):
        """Since this was made: the part that others took of all, and the server's seconds."""
        busy, server, ours, elapsed = (now - before for before, now in zip(self.begin, self._seconds()))
        return max(0.0, (busy - ours) / (elapsed * os.cpu_count())), server


def percentile(values, fraction):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * fraction))] if values else math.nan


def median(values):
    return percentile(values, 0.5)


def rank_test(one, other):
    """The two-sided p-value of the Mann-Whitney test that both come from one distribution, by the normal approximation,
    with ties: small where one's values tend to be larger."""
    both = sorted([(value, 0) for value in one] + [(value, 1) for value in other])
    ranks, ties, place = [0.0, 0.0], 0, 0
    while place < len(both):
        end = place
        while end < len(both) and both[end][0] == both[place][0]:
            end += 1
        for _, side in both[place:end]:
            ranks[side] += (place + 1 + end) / 2
        ties += (end - place) ** 3 - (end - place)
        place = end
    n, m, total = len(one), len(other), len(both)
    u = ranks[0] - n * (n + 1) / 2
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance == 0:
        return 1.0
    z = max(0.0, abs(u - n * m / 2) - 0.5) / math.sqrt(variance)
    return math.erfc(z / math.sqrt(2))


class Bars:
    """What was found, a line for each bar; `exit_status` is 1 where one was not held."""

    def __init__(self, name):
        self.name, self.exit_status = name, 0

    def __call__(self, holds, text):
        print(f"{'ok  ' if holds else 'FAIL'} {self.name}: {text}", flush=True)
        if not holds:
            self.exit_status = 1
