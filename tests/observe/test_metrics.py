"""Metrics: what Prometheus is told is what happened, whoever is asked, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as open_metrics_families,
)
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import DuplicateTimeseries

from pricing_sync.app import PricingSync
from pricing_sync.changes.run import Reading, Run, Status
from pricing_sync.observe.metrics import PricingMetrics
from pricing_sync.store import Store, open_store
from pricing_sync.store.queue import MODELS
from pricing_sync.sync.recorded import RecordedAnswer

from built import catalogue, openrouter, priced
from counting import counted
from fault_server import FaultServer, response
from scheduled import by_the_schedule, two_providers

DAY = datetime(2026, 7, 17, tzinfo=UTC)
OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'prices.db'}", create=True) as opened:
        yield opened


def metrics(store: Store, *providers: str) -> PricingMetrics:
    return PricingMetrics(store, providers, is_running=lambda: False)


def values(of: PricingMetrics) -> dict[str, float]:
    """Every sample by its name and the values of its labels, in the order of their names:
    `pricing_models openrouter priced`."""
    text = of.render("")[0].decode()
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of_the_store(of: PricingMetrics) -> list[str]:
    """The lines that every process should tell alike, at any time."""
    own = ("pricing_process_", "pricing_book_", "pricing_unpriced_", "pricing_data_age_")
    lines = of.render("")[0].decode().splitlines()
    return [line for line in lines if not line.startswith(("#", *own))]


def part(told: dict[str, float], name: str) -> dict[str, float]:
    return {key: value for key, value in told.items() if f"{key} ".startswith(f"{name} ")}


def some_days(folder: Path) -> PricingSync:
    """An open app that has been through a run of the schedule in which nearai refused, and one by
    hand of each provider: 20 models, one of them then a hundred times dearer, and one that nobody
    can price."""

    async def live() -> PricingSync:
        models = {f"maker/model-{n}": priced() for n in range(20)}
        models["maker/auto"] = priced("-1", "-1")
        dearer = models | {"maker/model-0": priced("0.00025")}
        answers = (response(200, openrouter(models)), response(200, openrouter(dearer)))
        async with FaultServer(*answers) as one, FaultServer(response(401)) as other:
            app = two_providers(folder, {"openrouter": one, "nearai": other}).open()
            await by_the_schedule(app)
            await app.sync(["openrouter"])
            await app.sync(["nearai"])
            return app

    return asyncio.run(live())


def test_what_is_counted_is_what_happened(tmp_path: Path) -> None:
    """Runs of the schedule by their outcome; models and failures of every run."""
    with some_days(tmp_path) as app:
        told = values(metrics(app.store, "openrouter", "nearai"))
    assert {
        "pricing_scheduled_sync_runs_total success": 0,
        "pricing_scheduled_sync_runs_total partial": 1,
        "pricing_scheduled_sync_runs_total failed": 0,
    } == part(told, "pricing_scheduled_sync_runs_total")
    assert {
        "pricing_models_synced_total openrouter updated": 21,
        "pricing_models_synced_total openrouter skipped": 0,
        "pricing_models_synced_total openrouter unchanged": 20,
        "pricing_models_synced_total openrouter held": 1,
        "pricing_models_synced_total nearai updated": 0,
        "pricing_models_synced_total nearai skipped": 0,
        "pricing_models_synced_total nearai unchanged": 0,
        "pricing_models_synced_total nearai held": 0,
    } == part(told, "pricing_models_synced_total")
    assert {"pricing_reading_failures_total refused nearai": 2} == part(
        told, "pricing_reading_failures_total"
    )


def test_the_histogram_is_of_the_runs_of_the_schedule(tmp_path: Path) -> None:
    """One run: it is in every bucket from its own duration on, and the sum is its duration."""
    name = "pricing_scheduled_sync_duration_seconds"
    with some_days(tmp_path) as app:
        told = values(metrics(app.store))
        (took,) = [
            run.duration_seconds or 0
            for run, _ in app.store.runs(10)
            if run.started_by == "schedule"
        ]
    assert took == told[f"{name}_sum"]
    assert (1, 1) == (told[f"{name}_count"], told[f"{name}_bucket +Inf"])
    assert {0.1: took <= 0.1, 1.0: took <= 1, 900.0: True} == {
        bound: bool(told[f"{name}_bucket {bound}"]) for bound in (0.1, 1.0, 900.0)
    }


def test_the_state_is_the_state_of_the_database(tmp_path: Path) -> None:
    """What is there, what waits, and how a provider that fails stands."""
    with some_days(tmp_path) as app:
        told = values(metrics(app.store, "openrouter", "nearai"))
        (held,) = app.store.review.held()
        read_at = app.store.latest_successes()["openrouter"]
        dues = app.store.queue.due_times()
        was = datetime.now(UTC)
    assert {
        "pricing_models openrouter priced": 20,
        "pricing_models openrouter unpriced": 1,
        "pricing_models openrouter unreadable": 0,
        "pricing_models openrouter missing": 0,
    } == part(told, "pricing_models")
    assert {"pricing_held_changes openrouter": 1, "pricing_held_changes nearai": 0} == part(
        told, "pricing_held_changes"
    )
    assert {
        "pricing_oldest_held_change_timestamp_seconds openrouter": held.since.timestamp()
    } == part(told, "pricing_oldest_held_change_timestamp_seconds")
    assert {"pricing_last_sync_timestamp openrouter": read_at.timestamp()} == part(
        told, "pricing_last_sync_timestamp"
    )
    age = told["pricing_data_age_seconds openrouter"]
    assert 0 <= age <= (was - read_at).total_seconds()
    assert {
        "pricing_reading_failures_in_a_row openrouter": 0,
        "pricing_reading_failures_in_a_row nearai": 2,
    } == part(told, "pricing_reading_failures_in_a_row")
    assert dues["nearai"].retry_at is not None
    assert {
        "pricing_next_sync_timestamp_seconds openrouter": dues["openrouter"].due_at.timestamp(),
        "pricing_next_sync_timestamp_seconds nearai": dues["nearai"].retry_at.timestamp(),
    } == part(told, "pricing_next_sync_timestamp_seconds")


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    """The same is told after the database was opened again."""
    with some_days(tmp_path) as app:
        before = of_the_store(metrics(app.store, "openrouter", "nearai"))
    assert 'pricing_scheduled_sync_runs_total{status="partial"} 1.0' in before
    with two_providers(tmp_path) as again:
        assert before == of_the_store(metrics(again.store, "openrouter", "nearai"))


def test_processes_of_one_database_agree(tmp_path: Path) -> None:
    """One that has read nothing tells the same as the one that has."""
    with some_days(tmp_path) as app, two_providers(tmp_path) as other:
        told = of_the_store(metrics(app.store, "openrouter", "nearai"))
        assert told == of_the_store(metrics(other.store, "openrouter", "nearai"))


def test_an_empty_database_has_counters_at_zero_and_no_times(store: Store) -> None:
    """Rates can be worked out from the first event on, and nothing looks as if it were fresh."""
    told = values(metrics(store, "openrouter"))
    assert {0.0} == set(part(told, "pricing_scheduled_sync_runs_total").values())
    assert 4 == len(part(told, "pricing_models_synced_total"))
    assert 0 == told["pricing_scheduled_sync_duration_seconds_count"]
    assert 0 == told["pricing_held_changes openrouter"]
    assert 0 == told["pricing_scheduler_up"]
    for name in ("pricing_last_sync_timestamp", "pricing_data_age_seconds", "pricing_models"):
        assert {} == part(told, name)


def test_the_age_is_told_of_scheduled_providers_alone(tmp_path: Path) -> None:
    """Nobody wants to be woken for a provider that is no longer read."""
    with some_days(tmp_path) as app:
        told = values(metrics(app.store, "nearai"))
    assert {} == part(told, "pricing_data_age_seconds")
    assert "pricing_last_sync_timestamp openrouter" in told


def test_the_scheduler_is_up_while_its_lease_lasts(store: Store) -> None:
    """A process that died, or resigned, schedules no more."""
    now, minute = datetime.now(UTC), timedelta(minutes=1)
    store.queue.acquire_leadership("one", now, now + minute)
    assert 1 == values(metrics(store))["pricing_scheduler_up"]
    store.queue.release_leadership("one", now)
    assert 0 == values(metrics(store))["pricing_scheduler_up"]
    store.queue.acquire_leadership("two", now - 2 * minute, now - minute)
    assert 0 == values(metrics(store))["pricing_scheduler_up"]


def test_a_process_tells_of_itself(store: Store) -> None:
    """What it answers from, what it could not answer, and whether it takes readings; read anew
    each time."""
    running, unpriced, revisions = [True], {"unknown": 2}, [17]
    of = PricingMetrics(
        store,
        [],
        is_running=lambda: running[0],
        unpriced=lambda: unpriced,
        book_revision=lambda: revisions[0] if revisions else None,
    )
    told = values(of)
    assert 1 == told["pricing_process_runs_readings"]
    assert 2 == told["pricing_unpriced_lookups_total unknown"]
    assert 17 == told["pricing_book_revision"]
    running[0] = False
    unpriced["unknown"] = 3
    revisions.clear()
    told = values(of)
    assert 0 == told["pricing_process_runs_readings"]
    assert 3 == told["pricing_unpriced_lookups_total unknown"]
    assert "pricing_book_revision" not in told


@pytest.mark.parametrize("most", range(6))
def test_a_database_that_fails_is_no_failed_scrape(store: Store, most: int) -> None:
    """Whichever statement it fails at: that is told, and nothing of what is in it."""
    of = metrics(store, "openrouter")
    with counted(store, most):
        told = values(of)
    assert 0 == told["pricing_store_up"]
    assert {
        "pricing_info 0.1.0",
        "pricing_process_runs_readings",
        "pricing_store_up",
    } == told.keys()
    assert 1 == values(of)["pricing_store_up"]


def test_a_closed_database_is_no_failed_scrape(store: Store) -> None:
    """As while a host's app shuts down."""
    store.close()
    assert 0 == values(metrics(store))["pricing_store_up"]


@pytest.mark.parametrize("count", [1, 300])
def test_a_scrape_takes_six_statements(tmp_path: Path, count: int) -> None:
    """However many models there are."""
    with two_providers(tmp_path) as app:
        asyncio.run(app.replay("openrouter", [RecordedAnswer(catalogue(count), DAY)]))
        with counted(app.store) as counter:
            told = values(metrics(app.store, "openrouter", "nearai"))
    assert count == told["pricing_models openrouter priced"]
    assert 6 == counter.statements


def test_both_formats_tell_the_same(tmp_path: Path) -> None:
    """The text of old, and OpenMetrics for who asks for it, each as its own parser reads it."""
    with some_days(tmp_path) as app:
        of = metrics(app.store, "openrouter", "nearai")
        text, plain = of.render("text/plain;version=0.0.4")
        strict, open_metrics = of.render(OPEN_METRICS)
    assert "text/plain; version=0.0.4; charset=utf-8" == plain
    assert open_metrics.startswith("application/openmetrics-text; version=1.0.0")
    assert strict.endswith(b"# EOF\n")

    def read(families: object) -> dict[str, float]:
        return {
            f"{sample.name}{sorted(sample.labels.items())}": sample.value
            for family in families  # type: ignore[attr-defined]
            for sample in family.samples
            if sample.name != "pricing_data_age_seconds"
        }

    told = read(text_string_to_metric_families(text.decode()))
    assert len(told) > 40
    assert told == read(open_metrics_families(strict.decode()))  # type: ignore[no-untyped-call]


def test_the_names_are_these(tmp_path: Path) -> None:
    """Alerts and dashboards, ours and others', are written against them."""
    with some_days(tmp_path) as app:
        families = text_string_to_metric_families(metrics(app.store).render("")[0].decode())
    assert {
        "pricing_info": "gauge",
        "pricing_process_runs_readings": "gauge",
        "pricing_unpriced_lookups": "counter",
        "pricing_book_revision": "gauge",
        "pricing_store_up": "gauge",
        "pricing_labels_dropped": "gauge",
        "pricing_scheduled_sync_runs": "counter",
        "pricing_scheduled_sync_duration_seconds": "histogram",
        "pricing_scheduler_up": "gauge",
        "pricing_last_sync_timestamp": "gauge",
        "pricing_models_synced": "counter",
        "pricing_reading_failures": "counter",
        "pricing_reading_failures_in_a_row": "gauge",
        "pricing_next_sync_timestamp_seconds": "gauge",
        "pricing_data_age_seconds": "gauge",
        "pricing_models": "gauge",
        "pricing_held_changes": "gauge",
        "pricing_oldest_held_change_timestamp_seconds": "gauge",
    } == {family.name: family.type for family in families}


def test_a_host_registers_them_with_its_own(store: Store) -> None:
    """Names that are taken twice are refused, and the database is not needed for that."""
    store.close()
    registry = CollectorRegistry(auto_describe=True)
    registry.register(metrics(store))
    assert b"pricing_store_up 0.0" in generate_latest(registry)
    with pytest.raises(DuplicateTimeseries):
        registry.register(metrics(store))


def test_no_model_is_a_label(tmp_path: Path) -> None:
    """There are thousands, and a provider could invent more."""
    with some_days(tmp_path) as app:
        assert b"maker/" not in metrics(app.store, "openrouter").render("")[0]


def test_labels_are_bounded(store: Store) -> None:
    """The scheduled providers come first; of the others as many as there is room for."""
    store.queue.increment(
        {(MODELS, (("provider", f"seen-{n:03}"), ("status", "updated"))): 1 for n in range(195)}
    )
    of = metrics(store, *(f"scheduled-{n}" for n in range(10)))
    told = values(of)
    shown = {key.split()[1] for key in part(told, "pricing_models_synced_total")}
    assert 200 == len(shown)
    assert {"scheduled-0", "scheduled-9", "seen-000", "seen-189"} <= shown
    assert 5 == told["pricing_labels_dropped"]


@pytest.mark.parametrize("provider", ['a"b', "a\\b", "a\nb", "a}b", "é\u202e"])
def test_a_strange_name_breaks_no_line(store: Store, provider: str) -> None:
    """Each label comes back as it went in."""
    run = Run("run", "test", DAY, None, None, False, (provider,))
    store.queue.insert_run(run)
    reading = Reading(
        id="reading",
        run_id="run",
        provider=provider,
        at=DAY,
        started_at=DAY,
        finished_at=DAY,
        status=Status.READ,
    )
    store.add_reading(reading)
    assert DAY.timestamp() == values(metrics(store))[f"pricing_last_sync_timestamp {provider}"]


def test_a_clock_that_went_back_makes_no_age_below_zero(store: Store) -> None:
    """The last reading seems to be of tomorrow."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    store.queue.insert_run(Run("run", "test", DAY, None, None, False, ("xai",)))
    store.add_reading(
        Reading(
            id="reading",
            run_id="run",
            provider="xai",
            at=DAY,
            started_at=DAY,
            finished_at=tomorrow,
            status=Status.READ,
        )
    )
    assert 0 == values(metrics(store, "xai"))["pricing_data_age_seconds xai"]
