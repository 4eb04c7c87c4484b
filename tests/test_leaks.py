"""A process that reads for months needs no more of anything than on its first day."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

from pricing_sync.app import PricingSync
from pricing_sync.demo.faults import Fault
from pricing_sync.demo.server import DemoServer
from pricing_sync.prices.usage import Usage
from pricing_sync.store.sqlite import SqliteConnection

from service import service, settings_of

RUNS, WARM_UP = 500, 100
MOST_THREADS = 10
#: A run that leaks leaves dozens of objects, or the bytes of a price list with its cards.
MOST_OBJECTS, MOST_BYTES = 3 * (RUNS - WARM_UP), 10_000 * (RUNS - WARM_UP)


class Held(NamedTuple):
    """What this process holds."""

    files: int
    tasks: int
    threads: int
    objects: int
    memory_bytes: int

    @classmethod
    def now(cls) -> Held:
        gc.collect()
        resident_pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            files=len(list(Path("/proc/self/fd").iterdir())),
            tasks=len(asyncio.all_tasks()),
            threads=threading.active_count(),
            objects=len(gc.get_objects()),
            memory_bytes=resident_pages * os.sysconf("SC_PAGE_SIZE"),
        )


def test_five_hundred_runs_leave_nothing_behind(tmp_path: Path) -> None:
    """Runs that change prices, change none, and fail: files, tasks and memory are flat.

    In a process of its own: what other tests have left in this one would be measured too.
    """
    printed = subprocess.run(
        [sys.executable, __file__, tmp_path],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    warm, last = (Held(*held) for held in json.loads(printed))
    assert (warm.files, warm.tasks) == (last.files, last.tasks)
    # The pool of threads may grow to its size.
    assert last.threads - warm.threads < MOST_THREADS
    assert last.objects - warm.objects < MOST_OBJECTS
    assert last.memory_bytes - warm.memory_bytes < MOST_BYTES


async def _read(pricing: PricingSync, server: DemoServer) -> tuple[Held, Held]:
    """What is held after the warm-up and after the last run."""
    warm = None
    async with pricing.lifespan():
        for number in range(RUNS):
            if number == WARM_UP:
                warm = await _at_rest()
            await _run(pricing, server, number)
        assert warm is not None
        return warm, await _at_rest()


async def _at_rest() -> Held:
    """What is held when the connections of the last run are closed."""
    await asyncio.sleep(0.5)
    return Held.now()


async def _run(pricing: PricingSync, server: DemoServer, number: int) -> None:
    if number % 3 == 0:
        server.set_rate("openrouter", "openai/gpt-4o", "input", f"2.{50 + number % 7}")
    if number % 10 == 0:
        server.fault("novita", Fault("truncated", times=1))
    run, _ = await pricing.trigger(started_by="test")
    server._requests.clear()
    ended, _ = await pricing.wait(run.id, 120)
    assert ended.outcome is not None
    pricing.cost("openrouter", "openai/gpt-4o", Usage(input=1000))


if __name__ == "__main__":
    logging.disable()
    SqliteConnection.synchronous = "OFF"
    with DemoServer() as running:
        both = asyncio.run(_read(service(settings_of(Path(sys.argv[1]), running)), running))
    sys.stdout.write(json.dumps(both))
