"""What each engine promises: the same tests for all of them, with real parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.changes.run import Outcome, Reading
from pricing_sync.demo.faults import Fault
from pricing_sync.demo.server import DemoServer
from pricing_sync.scheduling.engine import Engine
from pricing_sync.settings import Settings
from pricing_sync.sync.access import ProviderAccess

from databases import console
from service import KEYS, RecordingListener, settings_of, until


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer() as running:
        yield running


@pytest.fixture(params=["local", "procrastinate"])
def engine_name(request: pytest.FixtureRequest, database_kind: str) -> str:
    """Each engine on each database that it can have."""
    if request.param == "procrastinate" and database_kind != "postgres":
        pytest.skip("procrastinate needs PostgreSQL")
    return str(request.param)


class Cluster:
    """A service that queues, and who reads for it: the same object, or a worker."""

    def __init__(self, settings: Settings) -> None:
        self.listener = RecordingListener()
        access = ProviderAccess(settings, environment=KEYS)
        self.worker = PricingSync(
            settings, access=access, listeners=[self.listener], is_worker=True
        )
        self.service = (
            self.worker if settings.engine == "local" else PricingSync(settings, access=access)
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[PricingSync]:
        async with self.worker.lifespan():
            if self.service is self.worker:
                yield self.service
            else:
                async with self.service.lifespan():
                    yield self.service

    @property
    def engine(self) -> Engine:
        """The engine of who reads."""
        found = self.worker._parts.runs._engine
        assert found is not None
        return found


@pytest.fixture
def cluster(tmp_path: Path, server: DemoServer, engine_name: str) -> Cluster:
    return Cluster(settings_of(tmp_path, server, engine=engine_name, stop_seconds=1))


def test_a_run_that_is_woken_is_read_and_the_listeners_hear_of_it(
    cluster: Cluster, server: DemoServer
) -> None:
    """Each provider once, and the caller can wait for it."""

    async def work() -> None:
        async with cluster.running() as service:
            run, merged = await service.trigger()
            ended, readings = await service.wait(run.id, 20)
            assert (False, Outcome.SUCCESS, 2) == (merged, ended.outcome, len(readings))
            await until(lambda: cluster.listener.runs)
            assert 28 <= len(service.prices())

    asyncio.run(work())
    read = sorted(reading.provider for reading in cluster.listener.readings)
    assert (["novita", "openrouter"], []) == (read, cluster.listener.errors)
    assert 2 == len({request.path for request in server.requests})


def test_a_second_trigger_of_a_provider_that_is_being_read_is_read_after_it(
    cluster: Cluster, server: DemoServer
) -> None:
    """Both callers get a run that ends; the provider is never read twice at once."""
    server.fault("openrouter", Fault("latency", seconds=0.5))

    async def work() -> None:
        async with cluster.running() as service:
            first, _ = await service.trigger(["openrouter"])
            await until(lambda: server.requests)
            second, merged = await service.trigger(["openrouter"])
            third, is_shared = await service.trigger(["openrouter"])
            assert (False, True, second.id) == (merged, is_shared, third.id)
            for run_id in (first.id, second.id):
                ended, readings = await service.wait(run_id, 20)
                assert (Outcome.SUCCESS, 1) == (ended.outcome, len(readings))

    asyncio.run(work())
    first, second = cluster.listener.readings
    assert first.finished_at <= second.started_at
    assert [] == cluster.listener.errors


def test_a_cancelled_run_ends_at_whoever_reads_it(cluster: Cluster, server: DemoServer) -> None:
    """The request to the provider is not waited for."""
    server.fault("openrouter", Fault("hang"))

    async def work() -> None:
        async with cluster.running() as service:
            run, _ = await service.trigger(["openrouter"])
            await until(lambda: server.requests)
            await service.cancel(run.id)
            ended, (reading,) = await service.wait(run.id, 10)
            assert (Outcome.FAILED, "cancelled") == (ended.outcome, reading.error_kind)

    asyncio.run(work())


def test_a_stop_waits_for_a_reading_and_then_cancels_it(
    cluster: Cluster, server: DemoServer
) -> None:
    """What ends in time is stored, what does not is stored as cancelled. Nothing stays open."""
    server.fault("openrouter", Fault("latency", seconds=0.4))
    server.fault("novita", Fault("hang"))

    async def work() -> None:
        async with cluster.running() as service:
            run, _ = await service.trigger()
            await until(lambda: len(server.requests) == 2)
            assert cluster.engine.is_running
            engine = cluster.engine
        assert not engine.is_running
        with service:
            ended, readings = service.store.run(run.id)
            states = {reading.provider: reading.state for reading in readings}
            assert {"openrouter": "read", "novita": "cancelled"} == states
            assert (Outcome.PARTIAL, []) == (ended.outcome, service.store.queue.active())

    asyncio.run(work())


def test_stopping_twice_is_harmless_and_leaves_no_task_behind(cluster: Cluster) -> None:
    """As in a host that does not know whether it has stopped."""

    async def work() -> None:
        before = asyncio.all_tasks()
        async with cluster.running():
            engine = cluster.engine
            await asyncio.gather(engine.stop(0), engine.stop(0))
        await engine.stop(0)
        assert before == asyncio.all_tasks()

    asyncio.run(work())


def test_what_was_queued_while_nobody_read_is_read_after_the_start(cluster: Cluster) -> None:
    """The queue is in the database. An engine that was told nothing finds it there."""

    async def work() -> None:
        with cluster.service as service:
            run, _ = await service.trigger(["openrouter"])
        async with cluster.running() as service:
            ended, _ = await service.wait(run.id, 20)
            assert Outcome.SUCCESS is ended.outcome

    asyncio.run(work())
    assert [] == cluster.listener.errors


def test_each_due_slot_is_one_run(tmp_path: Path, server: DemoServer, engine_name: str) -> None:
    """First after the delay, then every two seconds, one run for both providers."""
    settings = settings_of(
        tmp_path,
        server,
        engine=engine_name,
        first_delay_seconds=0.5,
        interval_hours=2 / 3600,
        lease_seconds=3,
    )
    cluster = Cluster(settings)

    async def work() -> None:
        async with cluster.running() as service:
            await until(lambda: len(cluster.listener.runs) == 3, 30)
            assert service.status()["running"]

    asyncio.run(work())
    assert {"schedule"} == {run.started_by for run in cluster.listener.runs}
    starts = [run.started_at for run in cluster.listener.runs]
    assert (3, []) == (len(set(starts)), cluster.listener.errors)


#: From the most important one on.
_ORDER = ("chutes", "nearai", "novita", "deepinfra", "together", "openrouter")


def test_the_more_important_is_read_first(
    tmp_path: Path, server: DemoServer, engine_name: str
) -> None:
    """All are queued before two start to read, one provider each, the least important first.

    Two at once may pass each other by one place. Nobody is left out.
    """
    tables = {name: {"priority": -place} for place, name in enumerate(_ORDER)}
    settings = settings_of(tmp_path, server, _ORDER, engine=engine_name, at_once=1, tables=tables)
    one, other = Cluster(settings), Cluster(settings)

    async def queue(service: PricingSync) -> None:
        for name in reversed(_ORDER):
            await service.trigger([name])

    async def work() -> None:
        async with AsyncExitStack() as stack:
            if engine_name == "local":
                with one.service as service:
                    await queue(service)
            else:
                await stack.enter_async_context(one.service.lifespan())
                await queue(one.service)
                with console(tmp_path) as database:
                    jobs = "SELECT COUNT(*) FROM procrastinate_jobs"
                    await until(lambda: database.execute(jobs) == [(len(_ORDER),)])
            for reader in (one, other):
                await stack.enter_async_context(reader.worker.lifespan())
            await until(lambda: len(read()) == len(_ORDER), 30)

    def read() -> list[Reading]:
        return [*one.listener.readings, *other.listener.readings]

    asyncio.run(work())
    places = [each.provider for each in sorted(read(), key=lambda each: each.started_at)]
    assert sorted(_ORDER) == sorted(places)
    assert 1 >= max(abs(_ORDER.index(name) - place) for place, name in enumerate(places)), places
    assert [] == [*one.listener.errors, *other.listener.errors]
