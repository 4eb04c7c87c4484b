"""The service inside a host's app: stalls, latency, triggers, start, memory, idle processor time.

The host is a FastAPI app under uvicorn in a process of its own (`host.py`). So are the provider
that it reads and the client that loads it; this file is their program too. They end when their
standard input does, so none outlives this process, however that ends.
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

#: Makes an OpenRouter list of so many models; the second number is another for other prices.
Catalogue = Callable[[int, int], bytes]
Sample = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table. The floor and the target are those that were set beforehand."""

    what: str
    here: str
    floor: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure."""

    readings: int = 5
    starts: int = 5
    idle_seconds: float = 25
    triggers: int = 200
    turns: int = 3
    #: Models: few and many.
    sizes: tuple[int, int] = (400, 11_000)


QUICK = Effort(readings=1, starts=1, idle_seconds=4, triggers=30, turns=1)


def service(catalogue: Catalogue, folder: Path, effort: Effort) -> Iterator[Line]:
    """Everything there is to measure, each line as it is known."""
    few, many = (
        _bodies(folder / str(size), catalogue, size, effort.readings) for size in effort.sizes
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


def _bodies(folder: Path, catalogue: Catalogue, size: int, readings: int) -> Path:
    """Lists of *size* models with other prices each time, as a provider sends them."""
    folder.mkdir()
    for number in range(readings + 1):
        packed = gzip.compress(catalogue(size, number), 6)
        (folder / f"{number:03}.json.gz").write_bytes(packed)
    return folder


# Other processes


class Child:
    """Another process. It answers a line with a line of JSON."""

    def __init__(self, program: str, *arguments: str) -> None:
        # A session of its own: what interrupts this process ends the child by its input.
        self._process = subprocess.Popen(
            [sys.executable, str(_FOLDER / program), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started: dict[str, Any] = self.hear()

    def tell(self, word: str) -> None:
        to = cast(TextIO, self._process.stdin)
        to.write(f"{word}\n")
        to.flush()

    def hear(self) -> Any:
        line = cast(TextIO, self._process.stdout).readline()
        if not line:
            raise SystemExit(f"{self._process.args!r} ended with {self._process.wait()}")
        return json.loads(line)

    def ask(self, word: str) -> Any:
        self.tell(word)
        return self.hear()

    def end(self) -> None:
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
        running.end()


@contextmanager
def provider(bodies: Path) -> Iterator[str]:
    """A provider that answers with each of the bodies in turn; its URL."""
    with child("service.py", "provider", str(bodies)) as running:
        yield f"http://127.0.0.1:{running.started['port']}"


@contextmanager
def host(
    kind: str, database: Path, url: str, providers: Sequence[str] = ("openrouter",)
) -> Iterator[Child]:
    """A host's app: a `guest` is in it from the start, or it is `bare`. Nothing is due in it."""
    settings = {
        "database": f"sqlite:///{database}",
        "providers": providers,
        "provider": {name: {"base_url": url} for name in providers},
        "first_delay_seconds": 3600,
        "admin_token": _TOKEN,
    }
    with child("host.py", kind, json.dumps(settings)) as running:
        yield running


class Client:
    """Talks to a host over one connection."""

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
        """Ask for a run, and do not wait for it."""
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
            running.ask("watch")
            began = time.monotonic()
            runs.end_of(client.trigger()["run_id"])
            seconds.append(time.monotonic() - began)
            during.append(running.ask("stall"))
            running.ask("watch")
            time.sleep(seconds[-1])
            idle.append(running.ask("stall"))
    floor, target = ("0.8 ms", "≤ 3 ms") if size == 400 else ("5.7 ms", "≤ 8 ms")
    yield Line(
        f"longest stall of the host in a reading, {size:,} models",
        _stalled(during),
        floor,
        target,
    )
    yield Line(
        f"  the same host for as long ({statistics.median(seconds):.2f} s), idle", _stalled(idle)
    )


def _stalled(stalls: Sequence[tuple[float, float]]) -> str:
    late, busy = zip(*stalls, strict=True)
    return f"{_middle(late)} ms, of own work {_middle(busy)}"


def _latency(folder: Path, url: str, effort: Effort) -> Iterator[Line]:
    """Idle and reading by turns, so that what else the machine does meets both."""
    idle, during = [], []
    with (
        watched(folder / "latency.db", url) as (running, client, runs),
        child("service.py", "client", str(running.started["port"])) as load,
    ):
        for _ in range(effort.readings):
            load.tell("go")
            time.sleep(2)
            asked = time.time()
            run = runs.end_of(client.trigger()["run_id"])
            load.tell("stop")
            samples: list[Sample] = load.hear()
            finished = asked + (run.duration_seconds or 0)
            # The first are of a connection that is new.
            idle.append(_p99([ms for at, ms in samples[20:] if at < asked]))
            during.append(_p99([ms for at, ms in samples if asked <= at < finished]))
    ratio = statistics.median(b / a for a, b in zip(idle, during, strict=True))
    yield Line(
        f"p99 of the host's own route in a reading, {effort.sizes[1]:,} models, against idle",
        f"{_middle(during)} / {_middle(idle)} ms: {ratio:.2f}",
        "",
        "≤ 1.1",
    )


def _triggers(folder: Path, url: str, effort: Effort) -> Iterator[Line]:
    taken: list[float] = []
    merged, last = 0, ""
    with watched(folder / "triggers.db", url) as (_, client, runs):
        due = time.perf_counter()
        for _ in range(effort.triggers):
            due += 1 / _TRIGGERS_PER_SECOND
            time.sleep(max(due - time.perf_counter(), 0))
            began = time.perf_counter()
            answer = client.trigger()
            taken.append((time.perf_counter() - began) * 1000)
            merged += answer["merged"]
            last = answer["run_id"]
        runs.end_of(last)
    yield Line(
        f"trigger, respond-async, {effort.triggers} at {_TRIGGERS_PER_SECOND}/s: p50 / p99",
        f"{_middle(taken)} / {_p99(taken):.1f} ms, {effort.triggers - merged} runs",
        "",
        "p99 < 20 ms",
    )


def _back_to_back(folder: Path, url: str, size: int) -> Iterator[Line]:
    with watched(folder / "back-to-back.db", url) as (_, client, runs):
        asked, taken = [], []
        for _ in range(10):
            began = time.perf_counter()
            asked.append(client.trigger()["run_id"])
            taken.append((time.perf_counter() - began) * 1000)
        ended = [runs.end_of(run_id) for run_id in dict.fromkeys(asked)]
    yield Line(
        f"10 triggers back to back, {size:,} models",
        f"{len(asked)} answered, {len(ended)} runs, longest {max(taken):.0f} ms",
        "",
        "10, ≤ 2 runs",
    )


@contextmanager
def watched(database: Path, url: str) -> Iterator[tuple[Child, Client, Runs]]:
    """A host that has read its provider once, a client of it, and its runs in the database."""
    with host("guest", database, url) as running, connect(f"sqlite:///{database}") as store:
        runs = Runs(store)
        with closing(Client(running)) as client:
            runs.end_of(client.trigger()["run_id"])
            yield running, client, runs


class Runs:
    """Looks for the end of runs in the database: who would ask the host would be measured too."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def end_of(self, run_id: str) -> Run:
        """The run when it has ended. It must have succeeded."""
        while (run := self._store.queue.run(run_id)).finished_at is None:
            time.sleep(_POLL_SECONDS)
        if run.outcome is not Outcome.SUCCESS:
            raise SystemExit(f"run {run_id}: {self._store.run(run_id)[1]}")
        return run


# Outside of readings


def _starts(folder: Path, effort: Effort) -> Iterator[Line]:
    """The first start makes the database; the others find it."""
    entered = []
    for _ in range(1 + effort.starts):
        with host("guest", folder / "starts.db", _NOWHERE, _PROVIDERS) as running:
            entered.append(running.started)
    first, again = entered[0], entered[1:]
    starts = _middle([one["start_ms"] for one in again], 2)
    lifespans = _middle([one["lifespan_ms"] for one in again])
    yield Line("scheduler: time that `start` takes", f"{starts} ms", "0.1 ms", "< 1 ms")
    yield Line("  what the lifespan adds to the host's start", f"{lifespans} ms")
    yield Line("  the same with a database to be made", f"{first['lifespan_ms']:.1f} ms")


def _memory(folder: Path, effort: Effort) -> Iterator[Line]:
    """Private memory of a running app as it takes the guest in, step by step."""
    with_httpx, without = [], []
    for turn in range(effort.turns):
        without.append(_steps(folder / f"memory-{turn}.db", ("import", "include", "enter")))
        steps = ("import httpx", "import", "include", "enter")
        with_httpx.append(_steps(folder / f"memory-httpx-{turn}.db", steps))
    imported, included, entered = map(_mebibytes, zip(*without, strict=True))
    _, imported_beside, _, _ = map(_mebibytes, zip(*with_httpx, strict=True))
    yield Line("  memory that the scheduler adds", entered, "1.9 MiB", "≤ 2 MiB")
    yield Line("  memory that the routes add", included)
    yield Line("  memory that importing it all adds", imported)
    yield Line("    where the host has httpx already", imported_beside)


def _steps(database: Path, steps: Sequence[str]) -> list[int]:
    """How much each of the steps adds, in KiB."""
    with host("bare", database, _NOWHERE, _PROVIDERS) as running:
        with closing(Client(running)) as client:
            client.request("GET", "/ping")
        levels = [running.ask("memory")]
        for step in steps:
            running.ask(step)
            if step == "enter":
                time.sleep(2.5)
            levels.append(running.ask("memory"))
    return [after - before for before, after in pairwise(levels)]


def _idle(folder: Path, effort: Effort) -> Iterator[Line]:
    """Hosts with nothing to do, side by side: alone, one of four, and without pricing-sync."""
    with ExitStack() as stack:
        bare = stack.enter_context(host("bare", folder / "unused.db", _NOWHERE))
        alone = stack.enter_context(host("guest", folder / "alone.db", _NOWHERE, _PROVIDERS))
        four = [
            stack.enter_context(host("guest", folder / "shared.db", _NOWHERE, _PROVIDERS))
            for _ in range(4)
        ]
        running = [bare, alone, *four]
        time.sleep(2)
        began, before = time.monotonic(), [one.ask("processor") for one in running]
        time.sleep(effort.idle_seconds)
        after, seconds = [one.ask("processor") for one in running], time.monotonic() - began
    shares = [(b - a) / seconds * 100 for a, b in zip(before, after, strict=True)]
    without, leading, *others = shares
    # Who started first leads the four.
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


def _middle(values: Sequence[float], digits: int = 1) -> str:
    return f"{statistics.median(values):.{digits}f}"


def _p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def _mebibytes(kib: Sequence[int]) -> str:
    return f"{statistics.median(kib) / 1024:.1f} MiB"


# What the other processes do


def serve(bodies: Path) -> None:
    """Answer every question with the next of the bodies."""
    packed = [path.read_bytes() for path in sorted(bodies.iterdir())]
    number = count()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = packed[next(number) % len(packed)]
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
    _say({"port": server.server_port})
    sys.stdin.read()


def load(port: int) -> None:
    """From one word to the next, ask for the trivial route so many times a second."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    _say({})
    while sys.stdin.readline():
        samples: list[Sample] = []
        due = time.perf_counter()
        while True:
            wait = due - time.perf_counter()
            if select.select([sys.stdin], [], [], max(wait, 0))[0]:
                break
            # What was due before the last answer came has waited since then.
            began = due if wait < 0 else time.perf_counter()
            connection.request("GET", "/ping")
            connection.getresponse().read()
            samples.append((time.time(), (time.perf_counter() - began) * 1000))
            due += 1 / _REQUESTS_PER_SECOND
        sys.stdin.readline()
        _say(samples)


def _say(answer: Any) -> None:
    print(json.dumps(answer), flush=True)  # noqa: T201  whoever started it listens


if __name__ == "__main__":
    if sys.argv[1] == "provider":
        serve(Path(sys.argv[2]))
    else:
        load(int(sys.argv[2]))
