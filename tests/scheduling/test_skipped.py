"""A provider whose variables are not set: skipped, which is neither read nor failed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.changes.run import Outcome, Run, Status, run_summary
from pricing_sync.demo.faults import Fault
from pricing_sync.demo.server import DemoServer
from pricing_sync.settings import Settings
from pricing_sync.sources.providers import built_in
from pricing_sync.store.queue import FAILURES, RUNS
from pricing_sync.sync.access import ProviderAccess

from service import KEYS, RecordingListener, settings_of, until

#: Every built-in provider that cannot be asked without a variable.
NEED_VARIABLES = [
    name
    for name, provider in built_in().items()
    if provider.variables or (provider.key is not None and provider.key.required)
]
WHY = "novita: key: NOVITA_API_KEY is not set"


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer() as running:
        yield running


def app(
    settings: Settings, *listeners: RecordingListener, environment: Mapping[str, str] | None = None
) -> PricingSync:
    """An app with these variables, by default with none."""
    access = ProviderAccess(settings, environment=environment or {})
    return PricingSync(settings, access=access, listeners=listeners)


def run_now(pricing: PricingSync, *providers: str) -> tuple[Run, dict[str, Status]]:
    found = asyncio.run(pricing.sync(providers))
    run, readings = pricing.store.run(found.id)
    return run, {reading.provider: reading.status for reading in readings}


def test_a_scheduled_run_of_a_new_install_is_a_success(
    tmp_path: Path, server: DemoServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The provider without its key is skipped: no failure is counted, and no retry is planned. The
    log says so once, and the status does."""
    recorder = RecordingListener()
    settings = settings_of(tmp_path, server, first_delay_seconds=0, interval_hours=1 / 3600)

    async def work() -> None:
        pricing = app(settings, recorder)
        async with pricing.lifespan():
            await until(lambda: len(recorder.runs) == 2, 12)
            status = pricing.status()
            assert {"novita": WHY} == status["skipped"]
            assert (0, False) == tuple(
                status["next_syncs"]["novita"][key] for key in ("failures", "is_retry")
            )
            assert ["openrouter"] == list(status["last_syncs"])
            counters = pricing.store.queue.counters()
            assert {(("status", "success"),): 2} == counters[RUNS]
            assert FAILURES not in counters

    with caplog.at_level(logging.INFO, "pricing_sync"):
        asyncio.run(work())
    assert [Outcome.SUCCESS] * 2 == [run.outcome for run in recorder.runs]
    assert [] == recorder.errors
    assert {"read", "unchanged", "skipped"} == {reading.state for reading in recorder.readings}
    said = [record for record in caplog.records if "NOVITA_API_KEY" in record.getMessage()]
    assert [(logging.INFO, "novita: skipped: key: NOVITA_API_KEY is not set")] == [
        (record.levelno, record.getMessage()) for record in said
    ]
    runs = [record.getMessage() for record in caplog.records if "success in" in record.getMessage()]
    assert all("1 of 2 providers read, 1 skipped" in line for line in runs), runs


@pytest.mark.parametrize("name", NEED_VARIABLES)
def test_every_provider_that_needs_a_variable_is_skipped_without_it(
    tmp_path: Path, server: DemoServer, name: str
) -> None:
    """Nobody is asked. With the variables it is read."""
    settings = settings_of(tmp_path, server, (name,))
    with app(settings) as pricing:
        run, states = run_now(pricing, name)
        assert (Outcome.SKIPPED, {name: Status.SKIPPED}) == (run.outcome, states)
        assert ({}, {}, None) == (
            pricing.store.latest_successes(),
            pricing.store.failing(),
            pricing.store.last_reading(name),
        )
        assert () == server.requests
    with app(settings, environment=KEYS) as pricing:
        run, states = run_now(pricing, name)
        assert (Outcome.SUCCESS, {name: Status.READ}) == (run.outcome, states)
        assert {} == pricing.status()["skipped"]


@pytest.mark.parametrize("outcome", [Outcome.SUCCESS, Outcome.FAILED])
def test_the_outcome_follows_from_the_providers_that_were_asked(
    tmp_path: Path, server: DemoServer, outcome: Outcome
) -> None:
    """A skipped one makes a run neither partial nor a success."""
    if outcome is Outcome.FAILED:
        server.fault("openrouter", Fault("server_error"))
    with app(settings_of(tmp_path, server)) as pricing:
        run, states = run_now(pricing, "openrouter", "novita")
        assert (outcome, Status.SKIPPED) == (run.outcome, states["novita"])
        summary = run_summary(*pricing.store.run(run.id))
        assert ("skipped", [], WHY) == tuple(
            summary["results"]["novita"][key] for key in ("status", "errors", "reason")
        )
        assert int(outcome is Outcome.FAILED) == summary["total_errors"]


def test_a_key_that_is_taken_away_leaves_the_last_success(
    tmp_path: Path, server: DemoServer
) -> None:
    """The prices stay, with their age. The next reading with the key goes on from there."""
    settings = settings_of(tmp_path, server, ("novita",))
    with app(settings, environment=KEYS) as pricing:
        run_now(pricing, "novita")
        before, last = pricing.store.latest_successes(), pricing.store.last_reading("novita")
    with app(settings) as pricing:
        run_now(pricing, "novita")
        assert before == pricing.store.latest_successes()
        assert last == pricing.store.last_reading("novita")
        assert {"novita": WHY} == pricing.status()["skipped"]
    with app(settings, environment=KEYS) as pricing:
        assert {"novita": Status.UNCHANGED} == run_now(pricing, "novita")[1]


def test_a_key_that_is_set_is_used_right_after_the_restart(
    tmp_path: Path, server: DemoServer
) -> None:
    """A skipped reading asked nobody, so it does not delay the first reading."""
    settings = settings_of(tmp_path, server, ("novita",), first_delay_seconds=0)
    with app(settings) as pricing:
        run_now(pricing, "novita")
    recorder = RecordingListener()

    async def work() -> None:
        async with app(settings, recorder, environment=KEYS).lifespan():
            await until(lambda: recorder.runs)

    asyncio.run(work())
    assert [Status.READ] == [reading.status for reading in recorder.readings]
