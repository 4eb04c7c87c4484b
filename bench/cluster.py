"""Many providers through 1, 2 and 4 workers on one PostgreSQL: do more workers read more?

Every provider has a list of its own, over loopback HTTP, and all are queued at once. The workers
are processes. What is measured: the time until all are read, and the most memory that a worker had.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from rich.console import Console
from rich.table import Table

from pricing_sync.app import PricingSync
from pricing_sync.settings import Settings
from pricing_sync.sources.formats import openrouter
from pricing_sync.sources.provider import Provider
from pricing_sync.sync.access import ProviderAccess

from databases import server

_PATH = "/list/"
#: How many lists have other models: of 1,000 providers, 20 sell the same ones.
_FAMILIES = 50


def _body(provider: int, models: int) -> bytes:
    """A list of models with plausible prices, about 130 bytes each. Some others sell them too."""
    rows = [
        {
            "id": f"maker/model-{provider % _FAMILIES}-{n}",
            "pricing": {
                "prompt": f"0.0000{n % 900 + 100:04}",
                "completion": f"0.0000{3 * (n % 900 + 100):04}",
            },
        }
        for n in range(models)
    ]
    return json.dumps({"data": rows}).encode()


def _serve(models: int) -> None:
    """Serve the list of any provider until this process is killed; prints the port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = _body(int(self.path.removeprefix(_PATH)), models)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        _say(http.server_port)
        http.serve_forever()


def _say(what: object) -> None:
    """Tell the process that started this one."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def _app(url: str, port: int, providers: int, *, is_worker: bool) -> PricingSync:
    listed = [
        Provider(
            id=f"seller-{n}",
            name=f"Seller {n}",
            url=f"http://127.0.0.1:{port}{_PATH}{n}",
            decode=openrouter.read,
        )
        for n in range(providers)
    ]
    settings = Settings(
        database=url,
        engine="procrastinate",
        enabled=False,
        reference_hours=0,
        attempts=1,
    )
    return PricingSync(
        settings, access=ProviderAccess(settings, extra_providers=listed), is_worker=is_worker
    )


async def _work(app: PricingSync) -> None:
    """Read until SIGTERM, then print the most memory in MiB."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with app.lifespan():
        await stopping.wait()
    _say(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


@contextmanager
def _program(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, __file__, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _read_all(app: PricingSync, providers: int, workers: int, limit: float) -> tuple[float, int]:
    """Seconds until a run of all providers has ended, and how many readings were good.

    There is no service: it would read a book of all these models again and again meanwhile.
    """
    with app:
        while len(app.store.queue.workers()) < workers:
            time.sleep(0.1)
        begun = time.perf_counter()
        run, _ = asyncio.run(app.trigger([f"seller-{n}" for n in range(providers)]))
        while time.perf_counter() - begun < limit:
            run, readings = app.store.run(run.id)
            if run.finished_at is not None:
                break
            time.sleep(0.2)
        return time.perf_counter() - begun, sum(not one.is_failed for one in readings)


def cluster_table(
    providers: int, models: int, workers: tuple[int, ...], limit: float = 1800
) -> Table:
    """A line for each number of workers."""
    title = f"{providers:,} providers x {models:,} models"
    table = Table(title, "seconds", "readings/s", "read", "MiB of each worker", box=None)
    with _program("--serve", "--models", models) as http:
        assert http.stdout is not None
        port = int(http.stdout.readline())
        for count in workers:
            running = server()
            url = running.url(running.create())
            app = _app(url, port, providers, is_worker=False)
            with app:
                app.store.migrate_transport()
            started = [
                subprocess.Popen(
                    [
                        *(sys.executable, __file__, "--work", url, "--port", str(port)),
                        *("--providers", str(providers)),
                    ],
                    stdout=subprocess.PIPE,
                    text=True,
                )
                for _ in range(count)
            ]
            try:
                seconds, good = _read_all(app, providers, count, limit)
            finally:
                for process in started:
                    process.terminate()
                peaks = [process.communicate()[0].strip() for process in started]
            mib = ", ".join(f"{float(peak):.0f}" for peak in peaks if peak)
            rate = f"{good / seconds:.1f}"
            table.add_row(f"{count} workers", f"{seconds:.1f}", rate, f"{good}", mib)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--providers", type=int, default=1000)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--workers", default="1,2,4")
    parser.add_argument("--limit", type=float, default=1800, help="seconds for each line")
    # What the processes are that it starts.
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        _serve(arguments.models)
    elif arguments.work:
        asyncio.run(
            _work(_app(arguments.work, arguments.port, arguments.providers, is_worker=True))
        )
    else:
        workers = tuple(map(int, arguments.workers.split(",")))
        table = cluster_table(arguments.providers, arguments.models, workers, arguments.limit)
        Console(width=110, markup=False).print(table)


if __name__ == "__main__":
    main()
