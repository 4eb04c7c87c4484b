"""Readings in the background: the embedded service, with the real clock."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.changes.run import Outcome, Reading, Run
from pricing_sync.demo.faults import Fault
from pricing_sync.demo.server import DemoServer
from pricing_sync.errors import SettingsError, StoreError, UnknownName
from pricing_sync.observe.listener import Listener
from pricing_sync.settings import ProviderSettings
from pricing_sync.sync.recorded import RecordedAnswer

from built import catalogue
from databases import console
from fault_server import FaultServer, response
from service import TWO, RecordingListener, service, settings_of, until


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer() as running:
        yield running


def within(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """Run *work* and fail if it takes longer."""

    async def timed() -> None:
        async with asyncio.timeout(seconds):
            await work()

    asyncio.run(timed())


# The schedule


def test_the_first_reading_comes_after_the_delay_and_the_next_on_time(
    tmp_path: Path, server: DemoServer
) -> None:
    """After half a second, then every two."""
    recorder = RecordingListener()
    settings = settings_of(tmp_path, server, first_delay_seconds=0.5, interval_hours=2 / 3600)

    async def work() -> None:
        async with service(settings, recorder).lifespan():
            await until(lambda: len(recorder.runs) == 3, 12)

    within(15, work)
    now = time.time()
    starts = [run.started_at.timestamp() for run in recorder.runs]
    assert now - starts[0] < 15
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    # One poll every second: a slot is served up to a second late.
    assert all(0.9 <= gap <= 5 for gap in gaps), gaps
    assert {"schedule"} == {run.started_by for run in recorder.runs}


def test_nothing_is_scheduled_when_the_settings_disable_it(
    tmp_path: Path, server: DemoServer
) -> None:
    """Triggered runs are read all the same."""
    recorder = RecordingListener()
    settings = settings_of(tmp_path, server, enabled=False, first_delay_seconds=0)

    async def work() -> None:
        pricing = service(settings, recorder)
        async with pricing.lifespan():
            assert pricing.status()["running"] is False
            run, _ = await pricing.trigger()
            await pricing.wait(run.id, 10)
            await asyncio.sleep(1.2)

    within(20, work)
    assert (["library"], []) == ([run.started_by for run in recorder.runs], recorder.errors)


def test_starting_does_not_delay_the_host(tmp_path: Path, server: DemoServer) -> None:
    """The lifespan is entered before the first request to a provider."""
    server.fault("openrouter", Fault("hang"))
    settings = settings_of(tmp_path, server, first_delay_seconds=0, stop_seconds=0)

    async def work() -> None:
        async with service(settings).lifespan():
            assert () == server.requests

    within(10, work)


def test_it_can_be_started_again_after_it_was_stopped(tmp_path: Path, server: DemoServer) -> None:
    """As in the tests of a host."""
    pricing = service(settings_of(tmp_path, server))

    async def once() -> None:
        async with pricing.lifespan():
            run, _ = await pricing.trigger(["openrouter"])
            ended, _ = await pricing.wait(run.id, 10)
            assert Outcome.SUCCESS is ended.outcome

    for _ in range(3):
        within(10, once)
    with pytest.raises(RuntimeError, match="not open"):
        pricing.prices()


def test_a_stop_before_the_start_and_a_second_stop_are_harmless(
    tmp_path: Path, server: DemoServer
) -> None:
    """A host can stop without knowing whether the start succeeded."""

    async def work() -> None:
        pricing = service(settings_of(tmp_path, server))
        await pricing.stop()
        with pricing:
            pricing.start()
            pricing.start()
            await asyncio.gather(pricing.stop(), pricing.stop())
            await pricing.stop()
            assert not pricing.is_running

    within(10, work)


def test_starting_and_stopping_leaves_no_task_behind(tmp_path: Path, server: DemoServer) -> None:
    """Twenty times, stopped at different moments of a reading."""

    async def work() -> None:
        before = asyncio.all_tasks()
        for number in range(20):
            pricing = service(settings_of(tmp_path, server, stop_seconds=0))
            async with pricing.lifespan():
                await pricing.trigger([TWO[number % 2]])
                await asyncio.sleep(0.005 * number)
        assert before == asyncio.all_tasks()

    within(60, work)
    with console(tmp_path) as database:
        unfinished = "SELECT COUNT(*) FROM pricing_queue WHERE state = 'reading'"
        assert [(0,)] == database.execute(unfinished)


# Stopping


def test_a_reading_in_progress_can_finish_within_the_grace_period(
    tmp_path: Path, server: DemoServer
) -> None:
    """A reading that ends within the limit counts."""
    server.fault("openrouter", Fault("latency", seconds=0.5))
    recorder = RecordingListener()
    pricing = service(settings_of(tmp_path, server, stop_seconds=10), recorder)

    async def work() -> None:
        async with pricing.lifespan():
            await pricing.trigger(["openrouter"])
            await until(lambda: len(server.requests) == 1)

    within(10, work)
    assert [("read", None)] == [(reading.state, reading.error) for reading in recorder.readings]


@pytest.mark.parametrize("kind", ["hang", "drip", "latency"])
def test_a_reading_that_does_not_end_is_cancelled_and_recorded_as_such(
    tmp_path: Path, server: DemoServer, kind: str
) -> None:
    """While it waits for the headers or the body: the stop lasts no longer than allowed."""
    server.fault("openrouter", Fault(kind, seconds=60 if kind == "latency" else 0.5))  # type: ignore[arg-type]
    recorder = RecordingListener()
    pricing = service(settings_of(tmp_path, server, stop_seconds=0.3), recorder)
    seconds = 0.0

    async def work() -> None:
        nonlocal seconds
        async with pricing.lifespan():
            run, _ = await pricing.trigger(["openrouter"])
            await until(lambda: len(server.requests) == 1)
            started = time.monotonic()
        seconds = time.monotonic() - started
        with pricing:
            ended, (reading,) = pricing.store.run(run.id)
            assert (Outcome.FAILED, "cancelled") == (ended.outcome, reading.error_kind)
            assert [] == pricing.prices()

    within(10, work)
    assert 0.3 <= seconds < 5
    assert ["cancelled"] == [reading.state for reading in recorder.readings]
    assert [Outcome.FAILED] == [run.outcome for run in recorder.runs]


def test_a_stop_while_a_worker_processes_a_large_answer(tmp_path: Path) -> None:
    """The worker is killed, and its unfinished transaction does not count."""

    async def work() -> None:
        body = catalogue(30_000)
        async with FaultServer(response(200, body)) as provider:
            settings = settings_of(tmp_path, None, ["openrouter"], stop_seconds=0).model_copy(
                update={"provider": {"openrouter": ProviderSettings(base_url=provider.url)}}
            )
            pricing = service(settings)
            async with pricing.lifespan():
                run, _ = await pricing.trigger()
                await provider.request_received.wait()
                await asyncio.sleep(0.6)
            with pricing:
                ended, (reading,) = pricing.store.run(run.id)
                priced = len(pricing.prices())
                expected = {"cancelled": 0, "read": 30_000}[reading.state]
                assert (expected, True) == (priced, ended.finished_at is not None)

    within(60, work)


def test_a_stop_while_another_process_has_the_database_locked(
    tmp_path: Path, server: DemoServer
) -> None:
    """The reading waits for the lock like any writer, and then is stored or cancelled."""
    server.fault("openrouter", Fault("latency", seconds=0.3))
    pricing = service(settings_of(tmp_path, server, stop_seconds=0.2))

    async def work() -> None:
        async with pricing.lifespan():
            run, _ = await pricing.trigger(["openrouter"])
            await until(lambda: server.requests)
            with console(tmp_path) as other:
                other.lock()
                await asyncio.sleep(0.5)
                stopping = asyncio.create_task(pricing.stop())
                await asyncio.sleep(1)
                other.execute("ROLLBACK")
            await stopping
            ended, (reading,) = pricing.store.run(run.id)
            assert ended.finished_at is not None
            expected = {"cancelled": 0, "read": 28}[reading.state]
            assert expected == len(pricing.prices())

    within(40, work)


# Triggers


def test_ten_triggers_back_to_back_are_two_runs_at_most(tmp_path: Path, server: DemoServer) -> None:
    """All ten callers get a run that ends."""
    server.fault("openrouter", Fault("latency", seconds=0.3))
    recorder = RecordingListener()
    pricing = service(settings_of(tmp_path, server), recorder)

    async def work() -> None:
        async with pricing.lifespan():
            runs = []
            for _ in range(10):
                run, _ = await pricing.trigger()
                runs.append(run.id)
                await asyncio.sleep(0.02)
            ended = [(await pricing.wait(run_id, 20))[0].outcome for run_id in runs]
        assert [Outcome.SUCCESS] * 10 == ended
        assert 2 == len(set(runs)) == len(recorder.runs)

    within(30, work)


def test_a_wait_ends_when_its_time_is_up(tmp_path: Path, server: DemoServer) -> None:
    """It returns the run as it is then."""
    server.fault("openrouter", Fault("latency", seconds=1))
    pricing = service(settings_of(tmp_path, server))

    async def work() -> None:
        async with pricing.lifespan():
            run, _ = await pricing.trigger(["openrouter", "novita"])
            started = time.monotonic()
            waited, _ = await pricing.wait(run.id, 0.2)
            assert (None, True) == (waited.finished_at, time.monotonic() - started < 1)
            ended, readings = await pricing.wait(run.id, 10)
            assert (Outcome.SUCCESS, 2) == (ended.outcome, len(readings))
            with pytest.raises(UnknownName, match="no such run"):
                await pricing.wait("nothing", 1)

    within(20, work)


def test_a_cancelled_run_ends_within_seconds(tmp_path: Path, server: DemoServer) -> None:
    """The reading in progress is cancelled, the queued one is never started."""
    for provider in TWO:
        server.fault(provider, Fault("hang"))
    recorder = RecordingListener()
    pricing = service(settings_of(tmp_path, server, at_once=1), recorder)

    async def work() -> None:
        async with pricing.lifespan():
            run, _ = await pricing.trigger()
            await until(lambda: server.requests)
            await pricing.cancel(run.id)
            ended, readings = await pricing.wait(run.id, 5)
            assert Outcome.FAILED is ended.outcome
            assert ["cancelled"] * 2 == [reading.state for reading in readings]

    within(20, work)
    assert 1 == len(server.requests)
    assert (2, 1) == (len(recorder.readings), len(recorder.runs))


def test_a_provider_that_hangs_delays_no_other(tmp_path: Path, server: DemoServer) -> None:
    """The others of its run are read at once."""
    server.fault("openrouter", Fault("hang"))
    recorder = RecordingListener()
    pricing = service(settings_of(tmp_path, server, deadline_seconds=1), recorder)

    async def work() -> None:
        async with pricing.lifespan():
            run, _ = await pricing.trigger()
            ended, _ = await pricing.wait(run.id, 10)
            assert Outcome.PARTIAL is ended.outcome

    within(20, work)
    assert ["novita", "openrouter"] == [reading.provider for reading in recorder.readings]


def test_a_command_next_to_a_service_runs_its_own_readings(
    tmp_path: Path, server: DemoServer
) -> None:
    """The service leads but does not claim them; the command waits for the service's reading."""
    recorder = RecordingListener()
    service_side = service(settings_of(tmp_path, server), recorder)
    command = service(settings_of(tmp_path, server))

    async def work() -> None:
        async with service_side.lifespan():
            with command:
                server.fault("openrouter", Fault("latency", seconds=0.5, times=1))
                await service_side.trigger(["openrouter"])
                await until(lambda: server.requests)
                finished = await command.sync(TWO, started_by="cli")
        assert ["openrouter", "novita"] == [
            results.reading.provider for results in finished.results
        ]
        assert Outcome.SUCCESS is finished.outcome

    within(20, work)
    first, *_ = recorder.readings
    assert ("openrouter", "read") == (first.provider, first.state)


def test_recorded_answers_wait_for_a_reading_of_the_provider_to_end(
    tmp_path: Path, server: DemoServer
) -> None:
    """No other process reads them, and all of them are one run."""
    service_side = service(settings_of(tmp_path, server))
    command = service(settings_of(tmp_path, server))
    server.fault("openrouter", Fault("latency", seconds=0.5, times=1))

    async def work() -> None:
        async with service_side.lifespan():
            await service_side.trigger(["openrouter"])
            await until(lambda: server.requests)
            with command:
                answers = [RecordedAnswer(catalogue(3)), RecordedAnswer(catalogue(4))]
                finished = await command.replay("openrouter", answers)
        assert [3, 4] == [results.reading.listings["priced"] for results in finished.results]

    within(20, work)
    assert 1 == len(server.requests)


# Failures


class _FailingListener(Listener):
    def on_reading(self, reading: Reading, error: Exception | None) -> None:
        raise ZeroDivisionError(f"{reading.provider}, {error}")


def test_a_listener_that_fails_stops_neither_the_others_nor_the_service(
    tmp_path: Path, server: DemoServer
) -> None:
    """Its error is reported under its class name."""
    recorder = RecordingListener()
    pricing = service(settings_of(tmp_path, server), _FailingListener(), recorder)

    async def work() -> None:
        async with pricing.lifespan():
            for _ in range(2):
                run, _ = await pricing.trigger(["openrouter"])
                await pricing.wait(run.id, 10)
            await until(lambda: len(recorder.readings) == 2)

    within(20, work)
    assert {("_FailingListener", ZeroDivisionError)} == {
        (name, type(e)) for name, e in recorder.errors
    }


def test_a_database_that_goes_away_and_comes_back(tmp_path: Path, server: DemoServer) -> None:
    """The error is reported once, nothing is lost, and the next poll works."""
    recorder = RecordingListener()
    settings = settings_of(tmp_path, server, first_delay_seconds=0, lease_seconds=1)
    pricing = service(settings, recorder)

    async def work() -> None:
        async with pricing.lifespan():
            await until(lambda: len(recorder.runs) == 1)
            before = [price.listing for price in pricing.prices()]
            with console(tmp_path) as other:
                other.execute("ALTER TABLE pricing_leases RENAME TO pricing_away")
                await until(lambda: recorder.errors)
                await asyncio.sleep(2.2)
                other.execute("ALTER TABLE pricing_away RENAME TO pricing_leases")
            assert [StoreError] == [type(error) for _, error in recorder.errors]
            run, _ = await pricing.trigger()
            ended, _ = await pricing.wait(run.id, 15)
            after = [price.listing for price in pricing.prices()]
            assert (Outcome.SUCCESS, before) == (ended.outcome, after)

    within(40, work)


def test_a_bug_in_one_provider_does_not_affect_the_others(
    tmp_path: Path, server: DemoServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The reading fails with a traceback in the log and without the secret in its message."""
    recorder = RecordingListener()
    pricing = service(settings_of(tmp_path, server), recorder)
    real = pricing.access.credentials

    def broken(provider: object) -> object:
        if getattr(provider, "id", "") == "openrouter":
            raise ZeroDivisionError("a secret perhaps")
        return real(provider)  # type: ignore[arg-type]

    pricing.access.credentials = broken  # type: ignore[assignment, method-assign]

    async def work() -> None:
        async with pricing.lifespan():
            run, _ = await pricing.trigger()
            ended, readings = await pricing.wait(run.id, 10)
            failed = {reading.provider: reading.error for reading in readings}
            why = "openrouter: reading: failed unexpectedly: ZeroDivisionError"
            assert {"openrouter": why, "novita": None} == failed
            assert Outcome.PARTIAL is ended.outcome

    with caplog.at_level(logging.ERROR):
        within(20, work)
    assert "ZeroDivisionError" in caplog.text


def test_a_database_that_cannot_be_opened_fails_at_the_start(tmp_path: Path) -> None:
    """The host gets the error when it starts, not hours later."""

    async def work() -> None:
        with pytest.raises(SettingsError, match="sqlite:///"):
            async with PricingSync(settings_of(tmp_path, None, database="mysql://x")).lifespan():
                pass

    within(5, work)


def test_an_unknown_provider_fails_at_the_start(tmp_path: Path) -> None:
    """Otherwise the schedule would silently lack a provider."""
    pricing = PricingSync(settings_of(tmp_path, None, ["opnrouter"]))

    async def work() -> None:
        with pytest.raises(SettingsError, match="PRICING_SYNC_PROVIDERS: opnrouter"):
            async with pricing.lifespan():
                pass

    within(5, work)
    with pytest.raises(RuntimeError, match="not open"):
        pricing.prices()


def test_a_listener_is_notified_once_of_a_run(tmp_path: Path, server: DemoServer) -> None:
    """With all readings of the run."""
    events: list[tuple[Run, int]] = []

    class RunListener(Listener):
        def on_run(self, run: Run, readings: object) -> None:
            events.append((run, len(readings)))  # type: ignore[arg-type]

    pricing = service(settings_of(tmp_path, server), RunListener())

    async def work() -> None:
        async with pricing.lifespan():
            run, _ = await pricing.trigger()
            await pricing.wait(run.id, 10)
            await until(lambda: events)

    within(20, work)
    assert [2] == [count for _, count in events]
