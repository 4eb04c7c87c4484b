"""`pricing-sync serve`, asked over kept-alive connections, beside a bare FastAPI route.

This file is also the program of the clients, which run in a process of their own.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import selectors
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from pricing_sync.app import PricingSync
from pricing_sync.settings import Settings
from pricing_sync.sync.recorded import RecordedAnswer

from service import Effort, Line, MakeList

_TOKEN = "a-token-of-the-benchmark"
_MODEL = "maker-1/model-1"
_CLIENTS = (1, 8)
SERVE = ("pricing_sync", "serve", "--port", "0")
_BARE = (
    "uvicorn",
    "--app-dir",
    str(Path(__file__).parent),
    "--port",
    "0",
    "--no-access-log",
    "bare:app",
)
_RUNNING = re.compile(r"running on http://127\.0\.0\.1:(\d+)")


@dataclass(frozen=True, slots=True)
class Rate:
    """What one route gave to so many clients at once."""

    per_second: float
    p50_ms: float
    p99_ms: float

    def __str__(self) -> str:
        return f"{self.per_second:,.0f}/s, {self.p50_ms:.2f} / {self.p99_ms:.2f} ms"


def serving(make_list: MakeList, folder: Path, effort: Effort) -> Iterator[Line]:
    """Every route, with one client and with eight: responses a second, p50 and p99."""
    models = effort.sizes[0]
    database, at = folder / "serve.db", datetime.now(UTC)
    with PricingSync(Settings(database=f"sqlite:///{database}")) as app:
        asyncio.run(app.replay("openrouter", [RecordedAnswer(make_list(models, 0), at)]))
    routes = {
        "/health": "/health",
        "one price": f"/v1/prices/openrouter/{_MODEL}",
        "one price at an instant": f"/v1/prices/openrouter/{_MODEL}?at={at:%Y-%m-%dT%H:%M:%S.%fZ}",
        "100 prices": "/v1/prices?limit=100",
        f"all {models} models": "/v1/models",
        "/metrics": "/metrics",
    }
    with server(_BARE) as bare_port, server(SERVE, environment(database)) as port:
        for clients in _CLIENTS:
            at_once = f"{clients} clients" if clients > 1 else "1 client"
            floor = _median(bare_port, "/ping", clients, effort)
            yield Line(f"bare FastAPI route, {at_once}: rate, p50 / p99", str(floor))
            for label, path in routes.items():
                rate = _median(port, path, clients, effort)
                ratio = f"{rate.p50_ms / floor.p50_ms:.1f}x"
                target = "≤ 1.5x" if label == "one price" else ""
                yield Line(f"  serve, {label}", f"{rate}: {ratio}", "", target)


def _median(port: int, path: str, clients: int, effort: Effort) -> Rate:
    """The run with the median p50."""
    rates = [ask(port, path, clients, effort.serve_seconds) for _ in range(effort.rounds)]
    return sorted(rates, key=lambda rate: rate.p50_ms)[len(rates) // 2]


def ask(port: int, path: str, clients: int, seconds: float, encoding: str = "identity") -> Rate:
    """What a route gives to clients in a process of their own."""
    command = [sys.executable, __file__, str(port), path, str(clients), str(seconds), encoding]
    return Rate(**json.loads(subprocess.check_output(command)))


def fetch(port: int, path: str) -> int:
    """The length of one response."""
    address = f"http://127.0.0.1:{port}{path}"
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {_TOKEN}"})
    with urllib.request.urlopen(request) as response:
        return len(response.read())


def environment(database: Path) -> dict[str, str]:
    """The settings of a `serve` over *database* with nothing due."""
    return {
        "ADMIN_TOKEN": _TOKEN,
        "PRICING_SYNC_DATABASE": f"sqlite:///{database}",
        "PRICING_SYNC_PROVIDERS": "openrouter",
        "PRICING_SYNC_FIRST_DELAY_SECONDS": "3600",
        "PRICING_SYNC_REFERENCE_HOURS": "0",
    }


@contextmanager
def server(arguments: Sequence[str], environment: Mapping[str, str] = {}) -> Iterator[int]:
    """The port of a server in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", *arguments],
        env=os.environ | environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            lines = iter(process.stderr.readline, "")
            port = next((int(found[1]) for line in lines if (found := _RUNNING.search(line))), None)
            if port is None:
                raise SystemExit(f"{arguments[0]} did not start")
            _wait_until_listening(port)
            yield port
        finally:
            process.terminate()


def _wait_until_listening(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nothing listens on port {port}")


# The clients


@dataclass
class _Client:
    """A kept-alive connection, and the response that arrives on it."""

    connection: socket.socket
    asked_at: float = 0.0
    received: bytes = b""

    def ask(self, request: bytes) -> None:
        self.received, self.asked_at = b"", time.perf_counter()
        self.connection.sendall(request)

    def receive(self) -> bool:
        """Take what has arrived; whether the response is complete."""
        self.received += self.connection.recv(2**20)
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator:
            return False
        if not head.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(head.decode())
        length = re.search(rb"(?i)^content-length: (\d+)", head, re.MULTILINE)
        return length is not None and len(body) == int(length[1])


def load(port: int, path: str, clients: int, seconds: float, encoding: str) -> Rate:
    """Each client asks again as soon as it has its response."""
    request = (
        f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {_TOKEN}\r\n"
        f"Accept-Encoding: {encoding}\r\n\r\n"
    ).encode()
    selector = selectors.DefaultSelector()
    for _ in range(clients):
        client = _Client(socket.create_connection(("127.0.0.1", port)))
        selector.register(client.connection, selectors.EVENT_READ, client)
        client.ask(request)
    durations: list[float] = []
    started = time.perf_counter()
    while (now := time.perf_counter()) < started + seconds:
        for key, _ in selector.select(1):
            client = cast(_Client, key.data)
            if client.receive():
                durations.append((time.perf_counter() - client.asked_at) * 1000)
                client.ask(request)
    percentiles = statistics.quantiles(durations, n=100, method="inclusive")
    return Rate(len(durations) / (now - started), percentiles[49], percentiles[98])


if __name__ == "__main__":
    measured = load(
        int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), sys.argv[5]
    )
    print(json.dumps(asdict(measured)))  # noqa: T201  the parent process reads it
