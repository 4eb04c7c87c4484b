"""The service inside a host's app: stalls, latency, triggers, start, memory, idle processor time.

The host is a FastAPI app under uvicorn in a separate process (`host.py`). The provider that it
reads and the client that loads it are separate processes too; this file is also their program. They
exit at the end of their standard input, so they never outlive this process.
"""

from __future__ import annotations

import gzip
import http.client
import json
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, pairwise
from pathlib import Path
from threading import Thread
from typing import Any, TextIO, cast

from pricing_sync.changes.run import Outcome, Run
from pricing_sync.store import Store, connect

_FOLDER = Path(__file__).parent
_PROVIDERS = ("openrouter", "featherless", "nearai", "alibaba-cloud")
_TOKEN = "a-token-of-the-benchmark"
_NOWHERE = "http://127.0.0.1:9"
_POLL_SECONDS = 0.02
_REQUESTS_PER_SECOND = 200
_TRIGGERS_PER_SECOND = 5

#: Makes an OpenRouter list, from the number of models and a number that changes the prices.
MakeList = Callable[[int, int], bytes]
#: When a request ended (seconds, wall clock), and how long it took (milliseconds).
Sample = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table. The floor and the target were set before the measurements."""

    label: str
    measured: str
    floor: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure."""

    readings: int = 5
    starts: int = 5
    idle_seconds: float = 25
    triggers: int = 200
    serve_seconds: float = 3
    rounds: int = 3
    #: Models: few and many.
    sizes: tuple[int, int] = (400, 11_000)


QUICK = Effort(readings=1, starts=1, idle_seconds=4, triggers=30, serve_seconds=1, rounds=1)


def service(make_list: MakeList, folder: Path, effort: Effort) -> Iterator[Line]:
    """Every measurement; each line is yielded when it is ready."""
    few, many = (
        _bodies(folder / str(size), make_list, size, effort.readings) for size in effort.sizes
    )
    with provider(few) as url:
        yield from _stalls(folder, url, effort, effort.sizes[0])
        yield from _triggers(folder, url, effort)
    with provider(many) as url:
        yield from _stalls(folder, url, effort, effort.sizes[1])
        yield from _latency(folder, url, effort)
        yield from _back_to_back(folder, url, effort.sizes[1])
    yield from _starts(folder, effort)
    yield from _memory(folder, effort)
    yield from _idle(folder, effort)


def _bodies(folder: Path, make_list: MakeList, size: int, readings: int) -> Path:
    """A folder of compressed lists of *size* models, each list with other prices."""
    folder.mkdir()
    for number in range(readings + 1):
        compressed = gzip.compress(make_list(size, number), 6)
        (folder / f"{number:03}.json.gz").write_bytes(compressed)
    return folder


# Other processes


class Child:
    """Another process, which answers each command line with a line of JSON."""

    def __init__(self, program: str, *arguments: str) -> None:
        # In its own session, Ctrl-C does not reach the child; it exits at the end of its input.
        self._process = subprocess.Popen(
            [sys.executable, str(_FOLDER / program), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started: dict[str, Any] = self.receive()

    def send(self, command: str) -> None:
        stdin = cast(TextIO, self._process.stdin)
        stdin.write(f"{command}\n")
        stdin.flush()

    def receive(self) -> Any:
        line = cast(TextIO, self._process.stdout).readline()
        if not line:
            raise SystemExit(f"{self._process.args!r} exited with {self._process.wait()}")
        return json.loads(line)

    def call(self, command: str) -> Any:
        self.send(command)
        return self.receive()

    def stop(self) -> None:
        cast(TextIO, self._process.stdin).close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        cast(TextIO, self._process.stdout).close()


@contextmanager
def child(program: str, *arguments: str) -> Iterator[Child]:
    running = Child(program, *arguments)
    try:
        yield running
    finally:
        running.stop()


@contextmanager
def provider(bodies: Path) -> Iterator[str]:
    """The URL of a provider that answers with each of the bodies in turn."""
    with child("service.py", "provider", str(bodies)) as running:
        yield f"http://127.0.0.1:{running.started['port']}"


@contextmanager
def host(
    kind: str, database: Path, url: str, providers: Sequence[str] = ("openrouter",)
) -> Iterator[Child]:
    """A host's app; pricing-sync is `embedded` from the start, or it is `bare`. Nothing is due."""
    settings = {
        "database": f"sqlite:///{database}",
        "providers": providers,
        "provider": {name: {"base_url": url} for name in providers},
        "first_delay_seconds": 3600,
        "reference_hours": 0,
        "admin_token": _TOKEN,
    }
    with child("host.py", kind, json.dumps(settings)) as running:
        yield running


class Client:
    """A client of a host that uses one connection."""

    def __init__(self, running: Child) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", running.started["port"])

    def request(self, method: str, path: str, **headers: str) -> bytes:
        self._connection.request(method, path, headers=headers)
        response = self._connection.getresponse()
        body = response.read()
        if response.status not in (200, 202):
            raise SystemExit(f"{path}: {response.status} {body!r}")
        return body

    def trigger(self) -> dict[str, Any]:
        """Trigger a run without waiting for it."""
        body = self.request(
            "POST",
            "/admin/pricing/sync/trigger",
            Authorization=f"Bearer {_TOKEN}",
            Prefer="respond-async",
        )
        answer: dict[str, Any] = json.loads(body)
        return answer

    def close(self) -> None:
        self._connection.close()


# During a reading


def _stalls(folder: Path, url: str, effort: Effort, size: int) -> Iterator[Line]:
    during, idle, seconds = [], [], []
    with watched(folder / f"stalls-{size}.db", url) as (running, client, runs):
        for _ in range(effort.readings):
            running.call("watch")
            started = time.monotonic()
            runs.wait(client.trigger()["run_id"])
            seconds.append(time.monotonic() - started)
            during.append(running.call("stall"))
            running.call("watch")
            time.sleep(seconds[-1])
            idle.append(running.call("stall"))
    floor, target = ("0.8 ms", "≤ 3 ms") if size == 400 else ("5.7 ms", "≤ 8 ms")
    yield Line(
        f"longest stall of the host in a reading, {size:,} models",
        _stall_text(during),
        floor,
        target,
    )
    yield Line(
        f"  the same host for as long ({statistics.median(seconds):.2f} s), idle", _stall_text(idle)
    )


def _stall_text(stalls: Sequence[tuple[float, float]]) -> str:
    late, busy = zip(*stalls, strict=True)
    return f"{_median(late)} ms, {_median(busy)} ms by the host itself"


def _latency(folder: Path, url: str, effort: Effort) -> Iterator[Line]:
    """Alternates idle and reading, so that other load on the machine affects both."""
    idle, during = [], []
    with (
        watched(folder / "latency.db", url) as (running, client, runs),
        child("service.py", "client", str(running.started["port"])) as load,
    ):
        for _ in range(effort.readings):
            load.send("go")
            time.sleep(2)
            triggered = time.time()
            run = runs.wait(client.trigger()["run_id"])
            load.send("stop")
            samples: list[Sample] = load.receive()
            finished = triggered + (run.duration_seconds or 0)
            # The first requests are slower because the connection is new.
            idle.append(_p99([ms for at, ms in samples[20:] if at < triggered]))
            during.append(_p99([ms for at, ms in samples if triggered <= at < finished]))
    ratio = statistics.median(b / a for a, b in zip(idle, during, strict=True))
    yield Line(
        f"p99 of the host's own route in a reading, {effort.sizes[1]:,} models, against idle",
        f"{_median(during)} / {_median(idle)} ms: {ratio:.2f}",
        "",
        "≤ 1.1",
    )


def _triggers(folder: Path, url: str, effort: Effort) -> Iterator[Line]:
    durations: list[float] = []
    merged, last = 0, ""
    with watched(folder / "triggers.db", url) as (_, client, runs):
        due = time.perf_counter()
        for _ in range(effort.triggers):
            due += 1 / _TRIGGERS_PER_SECOND
            time.sleep(max(due - time.perf_counter(), 0))
            started = time.perf_counter()
            answer = client.trigger()
            durations.append((time.perf_counter() - started) * 1000)
            merged += answer["merged"]
            last = answer["run_id"]
        runs.wait(last)
    yield Line(
        f"trigger, respond-async, {effort.triggers} at {_TRIGGERS_PER_SECOND}/s: p50 / p99",
        f"{_median(durations)} / {_p99(durations):.1f} ms, {effort.triggers - merged} runs",
        "",
        "p99 < 20 ms",
    )


def _back_to_back(folder: Path, url: str, size: int) -> Iterator[Line]:
    with watched(folder / "back-to-back.db", url) as (_, client, runs):
        triggered, durations = [], []
        for _ in range(10):
            started = time.perf_counter()
            triggered.append(client.trigger()["run_id"])
            durations.append((time.perf_counter() - started) * 1000)
        ended = [runs.wait(run_id) for run_id in dict.fromkeys(triggered)]
    yield Line(
        f"10 triggers back to back, {size:,} models",
        f"{len(triggered)} answered, {len(ended)} runs, longest {max(durations):.0f} ms",
        "",
        "10, ≤ 2 runs",
    )


@contextmanager
def watched(database: Path, url: str) -> Iterator[tuple[Child, Client, Runs]]:
    """A host that has read its provider once, a client of the host, and its runs."""
    with host("embedded", database, url) as running, connect(f"sqlite:///{database}") as store:
        runs = Runs(store)
        with closing(Client(running)) as client:
            runs.wait(client.trigger()["run_id"])
            yield running, client, runs


class Runs:
    """Polls the database for the end of runs; polling the host would disturb the measurement."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def wait(self, run_id: str) -> Run:
        """Wait for the run to finish; it must succeed."""
        while (run := self._store.queue.run(run_id)).finished_at is None:
            time.sleep(_POLL_SECONDS)
        if run.outcome is not Outcome.SUCCESS:
            raise SystemExit(f"run {run_id}: {self._store.run(run_id)[1]}")
        return run


# Outside of readings


def _starts(folder: Path, effort: Effort) -> Iterator[Line]:
    """The first start creates the database; the later ones open it."""
    start_times = []
    for _ in range(1 + effort.starts):
        with host("embedded", folder / "starts.db", _NOWHERE, _PROVIDERS) as running:
            start_times.append(running.started)
    first, later = start_times[0], start_times[1:]
    starts = _median([one["start_ms"] for one in later], 2)
    lifespans = _median([one["lifespan_ms"] for one in later])
    yield Line("scheduler: duration of `start`", f"{starts} ms", "0.1 ms", "< 1 ms")
    yield Line("  time that the lifespan adds to the host's start", f"{lifespans} ms")
    yield Line("  the same when it creates the database", f"{first['lifespan_ms']:.1f} ms")


def _memory(folder: Path, effort: Effort) -> Iterator[Line]:
    """Private memory of a running app while pricing-sync is added, step by step."""
    with_httpx, without = [], []
    for number in range(effort.rounds):
        without.append(_steps(folder / f"memory-{number}.db", ("import", "include", "enter")))
        steps = ("import httpx", "import", "include", "enter")
        with_httpx.append(_steps(folder / f"memory-httpx-{number}.db", steps))
    imported, included, entered = map(_mebibytes, zip(*without, strict=True))
    _, imported_with_httpx, _, _ = map(_mebibytes, zip(*with_httpx, strict=True))
    yield Line("  memory that the scheduler adds", entered, "1.9 MiB", "≤ 2 MiB")
    yield Line("  memory that the routes add", included)
    yield Line("  memory that the imports add", imported)
    yield Line("    when the host already imports httpx", imported_with_httpx)


def _steps(database: Path, steps: Sequence[str]) -> list[int]:
    """The memory that each step adds, in KiB."""
    with host("bare", database, _NOWHERE, _PROVIDERS) as running:
        with closing(Client(running)) as client:
            client.request("GET", "/ping")
        levels = [running.call("memory")]
        for step in steps:
            running.call(step)
            if step == "enter":
                time.sleep(2.5)
            levels.append(running.call("memory"))
    return [after - before for before, after in pairwise(levels)]


def _idle(folder: Path, effort: Effort) -> Iterator[Line]:
    """Idle hosts at the same time: one alone, four on one database, one without pricing-sync."""
    with ExitStack() as stack:
        bare = stack.enter_context(host("bare", folder / "unused.db", _NOWHERE))
        alone = stack.enter_context(host("embedded", folder / "alone.db", _NOWHERE, _PROVIDERS))
        four = [
            stack.enter_context(host("embedded", folder / "shared.db", _NOWHERE, _PROVIDERS))
            for _ in range(4)
        ]
        running = [bare, alone, *four]
        time.sleep(2)
        started, before = time.monotonic(), [one.call("processor") for one in running]
        time.sleep(effort.idle_seconds)
        after, seconds = [one.call("processor") for one in running], time.monotonic() - started
    shares = [(b - a) / seconds * 100 for a, b in zip(before, after, strict=True)]
    without, leading, *others = shares
    # The first of the four to start is their leader.
    following = statistics.median(others[1:])
    yield Line(
        f"  processor while idle, leading ({effort.idle_seconds:g} s)",
        f"+{leading - without:.3f} % on {without:.3f} %",
        "",
        "< 0.1 %",
    )
    yield Line(
        "  the same, following in one of four processes",
        f"+{following - without:.3f} % on {without:.3f} %",
        "",
        "< 0.1 %",
    )


def _median(values: Sequence[float], digits: int = 1) -> str:
    return f"{statistics.median(values):.{digits}f}"


def _p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def _mebibytes(kib: Sequence[int]) -> str:
    return f"{statistics.median(kib) / 1024:.1f} MiB"


# The programs of the other processes


def serve(bodies: Path) -> None:
    """Answer every request with the next of the bodies."""
    compressed = [path.read_bytes() for path in sorted(bodies.iterdir())]
    number = count()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = compressed[next(number) % len(compressed)]
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    _print_json({"port": server.server_port})
    sys.stdin.read()


def load(port: int) -> None:
    """Request the trivial route at a fixed rate, from one line of input to the next."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    _print_json({})
    while sys.stdin.readline():
        samples: list[Sample] = []
        due = time.perf_counter()
        while True:
            wait = due - time.perf_counter()
            if select.select([sys.stdin], [], [], max(wait, 0))[0]:
                break
            # A request that was due before the last response arrived has waited since it was due.
            started = due if wait < 0 else time.perf_counter()
            connection.request("GET", "/ping")
            connection.getresponse().read()
            samples.append((time.time(), (time.perf_counter() - started) * 1000))
            due += 1 / _REQUESTS_PER_SECOND
        sys.stdin.readline()
        _print_json(samples)


def _print_json(answer: Any) -> None:
    print(json.dumps(answer), flush=True)  # noqa: T201  the parent process reads it


if __name__ == "__main__":
    if sys.argv[1] == "provider":
        serve(Path(sys.argv[2]))
    else:
        load(int(sys.argv[2]))
