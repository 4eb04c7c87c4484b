"""What is old and no longer needed is deleted; the ledger, and what is still needed, is not."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.changes.events import EventKind
from pricing_sync.changes.held import State
from pricing_sync.changes.run import Run, Status
from pricing_sync.demo.server import DemoServer
from pricing_sync.errors import StoreBusy
from pricing_sync.settings import Settings
from pricing_sync.store import Store, open_store
from pricing_sync.store.ids import new_id
from pricing_sync.sync.recorded import RecordedAnswer

from built import catalogue
from databases import database_url
from invented_readings import reading as reading_at
from service import TWO, RecordingListener, service, settings_of, until

NOW = datetime(2026, 7, 17, 12, tzinfo=UTC)
BEFORE = NOW - timedelta(days=400)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(database_url(tmp_path), create=True) as opened:
        yield opened


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def add_run(store: Store, days: float, *readings: dict[str, Any], finished: bool = True) -> str:
    """A run of that many days ago, with a reading for each of *readings*."""
    at = days_ago(days)
    names = tuple(reading["provider"] for reading in readings)
    run = Run(new_id(at), "schedule", at, None, None, False, names)
    with store.transaction():
        store.queue.insert_run(run)
        for number, different in enumerate(readings):
            usual = {"id": f"{run.id}-{number}", "run_id": run.id}
            store.add_reading(reading_at(at, **usual | different))
        if finished:
            assert store.queue.finish_run_if_done(run.id, at)
    return run.id


def prune(store: Store) -> int:
    return sum(store.pruning.batches(before=BEFORE, evidence_before=days_ago(90)))


def left(store: Store) -> dict[str, list[str]]:
    """The ids of the runs that are left, oldest first, with the providers of their readings."""
    return {
        run.id: [reading.provider for reading in readings]
        for run, readings in reversed(store.runs(1000))
    }


ACME, OTHER = {"provider": "acme"}, {"provider": "other"}


def test_old_runs_go_with_their_readings(store: Store) -> None:
    """Those of the last days stay."""
    add_run(store, 500, ACME, OTHER)
    add_run(store, 401, ACME, OTHER)
    kept = add_run(store, 399, ACME, OTHER)
    assert 8 == prune(store)  # with the events of the runs
    assert {kept: ["acme", "other"]} == left(store)
    assert 0 == prune(store)


def test_the_newest_success_of_a_provider_stays(store: Store) -> None:
    """Otherwise its next reading would be its first, and its prices would have no age."""
    add_run(store, 600, ACME, OTHER)
    last = add_run(store, 500, ACME, {**OTHER, "dry_run": True})
    add_run(store, 450, {**ACME, "status": Status.FAILED, "error_kind": "decode", "error": "x"})
    failed = add_run(store, 420, {**ACME, "status": Status.FAILED, "error_kind": "decode"})
    add_run(store, 410, {**ACME, "status": Status.FAILED, "error_kind": "cancelled"})
    expected = store.latest_successes(), store.failing(), store.last_reading("acme")
    prune(store)
    assert expected == (store.latest_successes(), store.failing(), store.last_reading("acme"))
    assert {"acme": days_ago(500), "other": days_ago(600)} == store.latest_successes()
    assert [last, failed] == [run for run in left(store) if run in (last, failed)]
    assert days_ago(420) == store.failing()["acme"].at


def test_a_provider_that_fails_for_years_does_not_fill_the_database(store: Store) -> None:
    """Its newest failure says why."""
    failure = {**ACME, "status": Status.FAILED, "error_kind": "decode", "error": "x"}
    runs = [add_run(store, 500 - number, failure) for number in range(60)]
    prune(store)
    assert [runs[-1]] == list(left(store))


def test_a_run_without_an_end_stays(store: Store) -> None:
    """It may be read still."""
    kept = add_run(store, 500, ACME, finished=False)
    add_run(store, 1, ACME)
    prune(store)
    assert kept in left(store)


def test_many_runs_go_in_several_transactions(store: Store) -> None:
    """None of them is long, and all that is old goes."""
    for number in range(230):
        add_run(store, 1000 - number, ACME)
    add_run(store, 1, ACME)
    steps = list(store.pruning.batches(before=BEFORE, evidence_before=BEFORE))
    assert 230 + 230 + 230 == sum(steps)  # events, readings, runs
    assert 5 == sum(0 < step <= 100 for step in steps)
    assert 1 == len(left(store))


def test_evidence_goes_by_its_last_use(store: Store) -> None:
    """By a setting of its own: the bytes need the most room."""
    for name in "abcdefg":
        store.keep_evidence(name, zlib.compress(b"bytes"), 5, days_ago(100))
    store.use_evidence("a", days_ago(80))
    prune(store)
    assert [b"bytes", None, None] == [store.evidence(name) for name in "abg"]


def test_events_go_with_their_deliveries(store: Store) -> None:
    """Whether they were sent or not; one that was replayed lately stays."""
    for name in ("old", "replayed", "new"):
        at = days_ago(10) if name == "new" else days_ago(500)
        store.outbox.add(name, EventKind.PRICE_CHANGED, at, {})
    store.deliveries.note_endpoints({"billing": ""}, days_ago(600))
    assert 3 == store.deliveries.queue_events(lambda _: ["billing"], days_ago(500))
    store.deliveries.replay("billing", "replayed", days_ago(1))
    prune(store)
    found = store._connection.fetch_all("SELECT id FROM pricing_outbox ORDER BY id", {})
    assert [("new",), ("replayed",)] == found


def test_decided_changes_go_and_rejected_ones_stay(tmp_path: Path) -> None:
    """A rejection is why the same change is not held again. What waits is not touched."""
    day = datetime(2024, 1, 1, tzinfo=UTC)
    with PricingSync(Settings(database=database_url(tmp_path))) as app:
        for number, prompt in enumerate(("0.0000025", "0.0025")):
            recorded = RecordedAnswer(catalogue(3, prompt), day + timedelta(days=number))
            asyncio.run(app.replay("openrouter", [recorded]))
        review, decided = app.store.review, day + timedelta(days=2)
        accepted, rejected, waiting = review.held("openrouter")
        for state, item in ((State.ACCEPTED, accepted), (State.REJECTED, rejected)):
            pins = [item]
            review.decide(state, pins, author="ann", reason="test", now=decided)
        ledger = app.history("openrouter", accepted.change.model, everything=True)
        prune(app.store)
        assert [rejected.id] == [x.id for x in review.held("openrouter", state=State.REJECTED)]
        assert [waiting] == review.held("openrouter")
        assert [] == review.held("openrouter", state=State.ACCEPTED)
        assert ledger == app.history("openrouter", accepted.change.model, everything=True)


def test_one_process_prunes_in_a_day(store: Store) -> None:
    """Also after a clock that was ahead was set back."""
    assert store.pruning.acquire(NOW)
    # A process that looked at its clock a moment before, and was slower.
    assert not store.pruning.acquire(NOW - timedelta(milliseconds=5))
    assert not store.pruning.acquire(NOW + timedelta(hours=23))
    assert store.pruning.acquire(NOW + timedelta(days=1))
    assert store.pruning.acquire(NOW - timedelta(days=30))


def test_a_run_without_a_service_prunes(tmp_path: Path) -> None:
    """As `pricing-sync sync` from cron. Once a day, however many runs there are."""
    with PricingSync(Settings(database=database_url(tmp_path))) as app:
        old = days_ago(100)
        app.store.keep_evidence("old", zlib.compress(b"bytes"), 5, old)
        asyncio.run(app.replay("openrouter", [RecordedAnswer(catalogue(1))]))
        assert app.store.evidence("old") is None
        app.store.keep_evidence("old", zlib.compress(b"bytes"), 5, old)
        asyncio.run(app.replay("openrouter", [RecordedAnswer(catalogue(2))]))
        assert app.store.evidence("old") is not None


@pytest.mark.parametrize("enabled", [True, False])
def test_a_service_prunes(tmp_path: Path, *, enabled: bool) -> None:
    """With a schedule, or only by triggers."""
    with DemoServer() as server:
        settings = settings_of(tmp_path, server, TWO, enabled=enabled, first_delay_seconds=0)
        app = service(settings)

        async def work() -> None:
            async with app.lifespan():
                await until(lambda: app.store._fetch("evidence", digest="old") == [], 60)

        with app:
            app.store.keep_evidence("old", zlib.compress(b"bytes"), 5, days_ago(100))
        asyncio.run(work())


def test_an_error_while_pruning_fails_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prices are stored already; the listeners are notified."""

    def busy(*_: object, **__: object) -> None:
        raise StoreBusy("database: locked")

    monkeypatch.setattr("pricing_sync.store.pruning.Pruning.batches", busy)
    listener = RecordingListener()
    settings = Settings(database=database_url(tmp_path))
    with PricingSync(settings, listeners=[listener]) as app:
        result = asyncio.run(app.replay("openrouter", [RecordedAnswer(catalogue(1))]))
        assert result.results[0].error is None
    assert ["pruning"] == [where for where, _ in listener.errors]
