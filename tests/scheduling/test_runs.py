"""Runs that one program starts, side by side and one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pricing_sync.changes.run import Outcome
from pricing_sync.demo.faults import Fault
from pricing_sync.demo.server import DemoServer

from service import TWO, service, settings_of


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer() as running:
        yield running


def test_two_runs_at_once_do_not_disturb_each_other(tmp_path: Path, server: DemoServer) -> None:
    """The first to finish closes only its own client."""
    server.fault("novita", Fault("latency", seconds=0.5, times=1))

    async def work() -> list[Outcome]:
        with service(settings_of(tmp_path, server)) as app:
            quick, slow = app.sync(["openrouter"]), app.sync(["novita"])
            return [result.outcome for result in await asyncio.gather(quick, slow)]

    assert [Outcome.SUCCESS, Outcome.SUCCESS] == asyncio.run(work())


def test_two_threads_can_run_at_once(tmp_path: Path, server: DemoServer) -> None:
    """Each in an event loop of its own, as the handlers of a WSGI app do."""
    server.fault("novita", Fault("latency", seconds=0.5, times=1))
    with service(settings_of(tmp_path, server)) as app, ThreadPoolExecutor() as threads:
        runs = [threads.submit(asyncio.run, app.sync([name])) for name in TWO]
        assert [Outcome.SUCCESS, Outcome.SUCCESS] == [run.result().outcome for run in runs]


def test_a_run_in_a_program_with_a_service_leaves_the_client_open(
    tmp_path: Path, server: DemoServer
) -> None:
    """The service reads with the same client before and after it."""

    async def work() -> list[Outcome | None]:
        pricing = service(settings_of(tmp_path, server))
        async with pricing.lifespan():
            outcomes: list[Outcome | None] = [(await pricing.sync(["openrouter"])).outcome]
            run, _ = await pricing.trigger(["novita"])
            outcomes.append((await pricing.wait(run.id, 10))[0].outcome)
        return outcomes

    assert [Outcome.SUCCESS, Outcome.SUCCESS] == asyncio.run(work())


def test_an_app_can_be_used_in_one_event_loop_after_another(
    tmp_path: Path, server: DemoServer
) -> None:
    """By itself, in a lifespan, started and stopped, and by itself again."""
    app = service(settings_of(tmp_path, server))

    async def in_lifespan() -> None:
        async with app.lifespan():
            run, _ = await app.trigger(TWO)
            assert Outcome.SUCCESS is (await app.wait(run.id, 10))[0].outcome

    async def started_and_stopped() -> None:
        app.start()
        run, _ = await app.trigger(TWO)
        assert Outcome.SUCCESS is (await app.wait(run.id, 10))[0].outcome
        await app.stop()
        await app.stop()

    for _ in range(2):
        asyncio.run(in_lifespan())
        with app:
            asyncio.run(started_and_stopped())
            for _ in range(2):
                assert Outcome.SUCCESS is asyncio.run(app.sync(TWO)).outcome
