"""A fault of ours in something that runs in the background ends neither it nor anything else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from clockwork import Clockwork, clockwork
from pricing_sync.background import Guard
from pricing_sync.changes.run import Outcome
from pricing_sync.demo.server import DemoServer
from pricing_sync.errors import StoreError
from pricing_sync.observe.listener import Listener, report_error
from pricing_sync.scheduling import catalog_reads, pruning, runs
from pricing_sync.scheduling.readings import Readings
from pricing_sync.scheduling.scheduler import Scheduler
from pricing_sync.store.queue import Claim

from service import RecordingListener, service, settings_of, until


class Fault:
    """Takes the place of a function, and fails each time, with another text."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *_: Any, **__: Any) -> Any:
        self.calls += 1
        raise ZeroDivisionError(f"number {self.calls}")


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer() as running:
        yield running


@pytest.fixture
def fault() -> Fault:
    return Fault()


def kinds(recorder: RecordingListener) -> list[tuple[str, str]]:
    return [(where, type(error).__name__) for where, error in recorder.errors]


def test_what_fails_again_and_again_is_reported_once() -> None:
    """An error of ours by its text, another one by its type; and anew after a success."""
    reported: list[tuple[str, str]] = []
    guard = Guard(lambda where, error: reported.append((where, str(error))))

    async def work() -> None:
        def fail(error: Exception | None) -> Callable[[], Any]:
            async def run() -> int:
                if error:
                    raise error
                return 3

            return run

        for error in (StoreError("a"), StoreError("a"), StoreError("b"), ValueError("c")):
            assert await guard.run("one", fail(error)()) is None
        assert await guard.run("one", fail(ValueError("d"))()) is None
        assert await guard.run("two", fail(ValueError("e"))()) is None
        assert 3 == await guard.run("one", fail(None)())
        assert await guard.run("one", fail(ValueError("f"))()) is None

    asyncio.run(work())
    expected = [("one", "a"), ("one", "b"), ("one", "c"), ("two", "e"), ("one", "f")]
    assert expected == reported


def test_a_listener_that_fails_keeps_no_error_from_the_others() -> None:
    """Neither does it fail what reports."""

    class Failing(Listener):
        def on_error(self, where: str, error: Exception) -> None:
            raise RuntimeError(where) from error

    recorder = RecordingListener()
    report_error([Failing(), recorder], "tick", ValueError("a fault"))
    assert [("tick", "ValueError")] == kinds(recorder)


def test_the_engine_goes_on_after_a_fault_in_a_tick(
    tmp_path: Path, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is reported once, not each second."""
    monkeypatch.setattr("pricing_sync.scheduling.local_engine._TICK_SECONDS", 0.02)
    recorder = RecordingListener()
    pricing = service(settings_of(tmp_path, None), recorder)

    async def work() -> None:
        async with pricing.lifespan():
            with monkeypatch.context() as broken:
                broken.setattr(Scheduler, "is_idle", fault)
                await until(lambda: fault.calls > 3)
            await until(lambda: pricing.store.queue.leader() is not None)

    asyncio.run(work())
    assert [("tick", "ZeroDivisionError")] == kinds(recorder)


def test_each_part_of_the_maintenance_is_done_whatever_fails(
    tmp_path: Path, server: DemoServer, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exchange rates, the catalogs, for which readings wait, and the pruning, which is last."""
    monkeypatch.setattr(runs, "is_due", fault)
    monkeypatch.setattr(catalog_reads, "run_in_worker", fault)
    pruned: list[str] = []

    async def prune(*_: object) -> None:
        pruned.append("today")

    monkeypatch.setattr(runs, "prune_if_due", prune)
    recorder = RecordingListener()
    settings = settings_of(
        tmp_path,
        server,
        ("openrouter",),
        first_delay_seconds=0,
        reference_hours=24,
        exchange_rates=True,
    )

    async def work() -> None:
        async with service(settings, recorder).lifespan():
            await until(lambda: pruned and recorder.readings)

    asyncio.run(work())
    expected = {(name, "ZeroDivisionError") for name in ("exchange rates", "catalogs")}
    assert (expected, 2) == ({*kinds(recorder)}, len(recorder.errors))
    assert [None] == [reading.error for reading in recorder.readings]


def test_a_fault_in_the_pruning_fails_no_run(
    tmp_path: Path, server: DemoServer, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command has read by then."""
    monkeypatch.setattr(pruning, "timedelta", fault)
    recorder = RecordingListener()
    with service(settings_of(tmp_path, server), recorder) as pricing:
        result = asyncio.run(pricing.sync(["openrouter"]))
    assert Outcome.SUCCESS is result.outcome
    assert [("pruning", "ZeroDivisionError")] == kinds(recorder)


def test_the_retries_of_a_host_without_its_database_go_on(
    tmp_path: Path, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status names the fault; its text may hold a secret."""
    monkeypatch.setattr("pricing_sync.app.RETRY_SECONDS", 0.02)
    recorder = RecordingListener()
    pricing = service(settings_of(tmp_path, None), recorder)
    pricing._on_error = "serve_without"

    def away(*_: object, **__: object) -> None:
        raise StoreError("away")

    async def work() -> None:
        with monkeypatch.context() as broken:
            broken.setattr("pricing_sync.app.open_store", away)
            async with pricing.lifespan():
                broken.setattr("pricing_sync.app.open_store", fault)
                await until(lambda: fault.calls > 3)
                problem = pricing.status()["problem"]
                assert "failed unexpectedly: ZeroDivisionError" == problem
                broken.undo()
                await until(lambda: pricing.is_running)

    asyncio.run(work())
    assert [("database", "StoreError"), ("database", "ZeroDivisionError")] == kinds(recorder)


def test_a_reading_that_is_cancelled_twice_is_stored_as_cancelled(tmp_path: Path) -> None:
    """The second time comes while no thread is free to store it."""
    busy = Event()

    async def hang(_: Claim) -> Any:
        await asyncio.Event().wait()

    async def work(clock: Clockwork) -> None:
        asyncio.get_running_loop().set_default_executor(threads)
        clock.scheduler.trigger(["openrouter"], started_by="test", now=clock.now)
        (claim,) = clock.scheduler.claim(clock.now, most=1, runs=None)
        readings = Readings(clock.scheduler, clock.store, hang, lease_seconds=15)
        task = readings.start(claim, lambda _: None)
        threads.submit(busy.wait)
        for _ in range(3):  # as each tick does, while the store knows no end
            await asyncio.sleep(0)
            readings.cancel(readings.claims)
        await asyncio.sleep(0)
        busy.set()
        await asyncio.wait([task])
        (_, (reading,)) = clock.store.runs(1)[0]
        assert "cancelled" == reading.error_kind

    with ThreadPoolExecutor(1) as threads, clockwork(tmp_path) as clock:
        asyncio.run(work(clock))
