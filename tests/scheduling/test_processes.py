"""Several processes on one database: one leads, and the claims of a dead process expire."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pricing_sync.demo.faults import Fault
from pricing_sync.demo.server import DemoServer
from pricing_sync.store import Store, open_store

from databases import database_url

_TESTS = str(Path(__file__).parents[1])

# Ticks with a simulated clock: all processes have the same second, and race in it.
_TICKING = """
import sys
from datetime import datetime, timedelta
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from pricing_sync.store import open_store
from service import settings_of
from scheduling.test_scheduler import Clockwork

settings = settings_of(
    Path(), None, first_delay_seconds=1, interval_hours=1 / 3600, database=sys.argv[2]
)
with open_store(settings.database) as store:
    clock = Clockwork(settings, store, datetime.fromisoformat(sys.argv[3]))
    print("ready", flush=True)
    for _ in sys.stdin:
        clock.pass_time(timedelta(seconds=1))
        print(len(clock.read), flush=True)
"""

# An embedded service; prints every quarter of a second whether it leads, until it is killed.
_SERVING = """
import asyncio, json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from pricing_sync.settings import ProviderSettings
from service import service, settings_of

async def main():
    settings = settings_of(
        Path(), None, ["openrouter"], database=sys.argv[2],
        first_delay_seconds=0, interval_hours=1 / 3600, lease_seconds=1.5, stop_seconds=1,
    ).model_copy(update={"provider": {"openrouter": ProviderSettings(base_url=sys.argv[3])}})
    pricing = service(settings)
    async with pricing.lifespan():
        while True:
            leader = pricing.status()["leader"]
            print(json.dumps(bool(leader and leader["is_this_process"])), flush=True)
            await asyncio.sleep(0.25)

asyncio.run(main())
"""


@contextmanager
def process(program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", program, _TESTS, *arguments]
    running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with running:
        try:
            yield running
        finally:
            running.kill()


@contextmanager
def opened(folder: Path) -> Iterator[Store]:
    with open_store(database_url(folder), create=True) as store:
        yield store


def lines(running: subprocess.Popen[str], count: int) -> list[str]:
    assert running.stdout is not None
    return [running.stdout.readline() for _ in range(count)]


def test_four_processes_make_one_run_of_each_slot(tmp_path: Path) -> None:
    """Fifty ticks of four schedulers at once: one leads, and no slot is read twice."""
    with opened(tmp_path), ExitStack() as stack:
        at = datetime(2026, 3, 1, tzinfo=UTC).isoformat()
        program = _TICKING, database_url(tmp_path), at
        four = [stack.enter_context(process(*program)) for _ in range(4)]
        assert [["ready\n"]] * 4 == [lines(one, 1) for one in four]
        read = 0
        for _ in range(50):
            for one in four:
                assert one.stdin is not None
                one.stdin.write("tick\n")
                one.stdin.flush()
            read = sum(int(lines(one, 1)[0]) for one in four)
    with opened(tmp_path) as store:
        runs = store.runs(1000)
        # A run that one process starts in the last tick may be too late for the others to claim.
        assert 49 <= len(runs) <= 50
        assert {1} == set(Counter(run.started_at for run, _ in runs).values())
        assert read == sum(len(readings) for _, readings in runs)
        assert [] == [run for run, _ in runs[2:] if run.finished_at is None]
        leader = store.queue.leader()
        assert leader is not None
        assert 1 == leader.term


def test_when_the_leader_is_killed_another_takes_over(tmp_path: Path) -> None:
    """After its lease at most; its readings do not stay in progress."""
    with opened(tmp_path), DemoServer() as server, ExitStack() as stack:
        url = server.base_url("openrouter")
        program = _SERVING, database_url(tmp_path), url
        four = [stack.enter_context(process(*program)) for _ in range(4)]
        _find_leader(four)
        server.fault("openrouter", Fault("hang"))
        leader = _find_leader(four)
        _wait_until_reading(tmp_path)
        leader.send_signal(signal.SIGKILL)
        leader.wait()
        server.clear("openrouter")
        with opened(tmp_path) as store:
            before = store.queue.leader()
            rest = [one for one in four if one is not leader]
            assert _find_leader(rest) in rest
            after = store.queue.leader()
            assert before is not None
            assert after is not None
            # Not before the end of the lease, which was 1.5 seconds when it was last renewed.
            assert before.owner != after.owner
            assert before.until <= after.since
            _until_read_again(store)
            stuck = [run for run, _ in store.runs(1000)[5:] if run.finished_at is None]
            assert [] == stuck
            kinds = {reading.error_kind for _, found in store.runs(1000) for reading in found}
            assert kinds <= {None, "abandoned"}
            assert "abandoned" in kinds
            starts = [reading.started_at for _, found in store.runs(1000) for reading in found]
            assert len(starts) == len(set(starts))


def _find_leader(processes: list[subprocess.Popen[str]]) -> subprocess.Popen[str]:
    """The process that leads; waits until there is one."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for one in processes:
            if json.loads(lines(one, 1)[0]):
                return one
    pytest.fail("no process leads")


def _wait_until_reading(folder: Path) -> None:
    with opened(folder) as store:
        deadline = time.monotonic() + 120
        while not [item for item in store.queue.active() if item.state == "reading"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        # Longer than a reading that does not hang.
        time.sleep(0.3)


def _until_read_again(store: Store) -> None:
    """Wait until a provider was read after a reading was abandoned."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = [reading for _, readings in store.runs(50) for reading in readings]
        if found and not found[0].is_failed and any(reading.is_failed for reading in found):
            return
        time.sleep(0.1)
    pytest.fail("nothing was read again")


def test_a_frozen_process_that_wakes_does_not_store_what_it_read(tmp_path: Path) -> None:
    """It is stopped during a reading for longer than its lease. Its claim has expired."""
    with opened(tmp_path) as store, DemoServer() as server:
        url = server.base_url("openrouter")
        with process(_SERVING, database_url(tmp_path), url) as frozen:
            server.fault("openrouter", Fault("latency", seconds=0.6))
            _wait_until_reading(tmp_path)
            os.kill(frozen.pid, signal.SIGSTOP)
            (reading,) = [item for item in store.queue.active() if item.state == "reading"]
            with process(_SERVING, database_url(tmp_path), url):
                deadline = time.monotonic() + 120
                while store.queue.run(reading.run_id).finished_at is None:
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
                os.kill(frozen.pid, signal.SIGCONT)
                time.sleep(1.5)
        _, (ended,) = store.run(reading.run_id)
        assert "abandoned" == ended.error_kind
