"""Metrics: the values match the facts, in every process and at any time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as open_metrics_families,
)
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import DuplicateTimeseries

from pricing_sync.app import PricingSync
from pricing_sync.changes.run import Run
from pricing_sync.observe.metrics import PricingMetrics
from pricing_sync.prices.rates import Meter, Rate
from pricing_sync.store import Store, open_store
from pricing_sync.store.queue import MODELS
from pricing_sync.sync.recorded import RecordedAnswer
from pricing_sync.timetable import Plan

from built import catalogue, openrouter, priced
from counting import counted
from databases import database_url
from fault_server import FaultServer, response
from invented_readings import reading
from scheduled import run_schedule_once, two_providers

DAY = datetime(2026, 7, 17, tzinfo=UTC)
OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(database_url(tmp_path), create=True) as opened:
        yield opened


def metrics(store: Store, *providers: str) -> PricingMetrics:
    return PricingMetrics(store, providers, is_running=lambda: False)


def values(collector: PricingMetrics) -> dict[str, float]:
    """Every sample by its name and the values of its labels, in the order of their names:
    `pricing_models openrouter priced`."""
    text = collector.render("")[0].decode()
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def store_lines(collector: PricingMetrics) -> list[str]:
    """The lines that are the same in every process and at any time."""
    varying = ("pricing_process_", "pricing_book_", "pricing_unpriced_", "pricing_data_age_")
    lines = collector.render("")[0].decode().splitlines()
    return [line for line in lines if not line.startswith(("#", *varying))]


def metric(samples: dict[str, float], name: str) -> dict[str, float]:
    """The samples of one metric."""
    return {key: value for key, value in samples.items() if f"{key} ".startswith(f"{name} ")}


def app_with_runs(folder: Path) -> PricingSync:
    """An open app after a scheduled run, in which nearai refused, and a manual run per provider.

    OpenRouter lists 20 models and one without a price. In its second answer one price has grown
    a hundredfold.
    """

    async def live() -> PricingSync:
        models = {f"maker/model-{n}": priced() for n in range(20)}
        models["maker/auto"] = priced("-1", "-1")
        dearer = models | {"maker/model-0": priced("0.00025")}
        answers = (response(200, openrouter(models)), response(200, openrouter(dearer)))
        async with FaultServer(*answers) as one, FaultServer(response(401)) as other:
            app = two_providers(folder, {"openrouter": one, "nearai": other}).open()
            await run_schedule_once(app)
            await app.sync(["openrouter"])
            await app.sync(["nearai"])
            return app

    return asyncio.run(live())


def test_the_counters_match_the_runs(tmp_path: Path) -> None:
    """Scheduled runs by outcome; models and failures of all runs."""
    with app_with_runs(tmp_path) as app:
        samples = values(metrics(app.store, "openrouter", "nearai"))
    assert {
        "pricing_scheduled_sync_runs_total success": 0,
        "pricing_scheduled_sync_runs_total partial": 1,
        "pricing_scheduled_sync_runs_total failed": 0,
        "pricing_scheduled_sync_runs_total skipped": 0,
    } == metric(samples, "pricing_scheduled_sync_runs_total")
    assert {
        "pricing_models_synced_total openrouter updated": 21,
        "pricing_models_synced_total openrouter skipped": 0,
        "pricing_models_synced_total openrouter unchanged": 20,
        "pricing_models_synced_total openrouter held": 1,
        "pricing_models_synced_total nearai updated": 0,
        "pricing_models_synced_total nearai skipped": 0,
        "pricing_models_synced_total nearai unchanged": 0,
        "pricing_models_synced_total nearai held": 0,
    } == metric(samples, "pricing_models_synced_total")
    assert {"pricing_reading_failures_total refused nearai": 2} == metric(
        samples, "pricing_reading_failures_total"
    )


def test_the_histogram_counts_scheduled_runs_only(tmp_path: Path) -> None:
    """One run: every bucket from its duration on counts it, and the sum is its duration."""
    name = "pricing_scheduled_sync_duration_seconds"
    with app_with_runs(tmp_path) as app:
        samples = values(metrics(app.store))
        (took,) = [
            run.duration_seconds or 0
            for run, _ in app.store.runs(10)
            if run.started_by == "schedule"
        ]
    assert took == samples[f"{name}_sum"]
    assert (1, 1) == (samples[f"{name}_count"], samples[f"{name}_bucket +Inf"])
    assert {0.1: took <= 0.1, 1.0: took <= 1, 900.0: True} == {
        bound: bool(samples[f"{name}_bucket {bound}"]) for bound in (0.1, 1.0, 900.0)
    }


def test_the_gauges_match_the_database(tmp_path: Path) -> None:
    """Models, held changes, due times, and failures in a row."""
    with app_with_runs(tmp_path) as app:
        samples = values(metrics(app.store, "openrouter", "nearai"))
        (held,) = app.store.review.held()
        read_at = app.store.latest_successes()["openrouter"]
        dues = app.store.queue.due_times()
        scraped_at = datetime.now(UTC)
    assert {
        "pricing_models openrouter priced": 20,
        "pricing_models openrouter unpriced": 1,
        "pricing_models openrouter unreadable": 0,
        "pricing_models openrouter missing": 0,
    } == metric(samples, "pricing_models")
    assert {"pricing_held_changes openrouter": 1, "pricing_held_changes nearai": 0} == metric(
        samples, "pricing_held_changes"
    )
    assert {
        "pricing_oldest_held_change_timestamp_seconds openrouter": held.since.timestamp()
    } == metric(samples, "pricing_oldest_held_change_timestamp_seconds")
    assert {"pricing_last_sync_timestamp openrouter": read_at.timestamp()} == metric(
        samples, "pricing_last_sync_timestamp"
    )
    age = samples["pricing_data_age_seconds openrouter"]
    assert 0 <= age <= (scraped_at - read_at).total_seconds()
    assert {
        "pricing_reading_failures_in_a_row openrouter": 0,
        "pricing_reading_failures_in_a_row nearai": 2,
    } == metric(samples, "pricing_reading_failures_in_a_row")
    assert dues["nearai"].retry_at is not None
    assert {
        "pricing_next_sync_timestamp_seconds openrouter": dues["openrouter"].due_at.timestamp(),
        "pricing_next_sync_timestamp_seconds nearai": dues["nearai"].retry_at.timestamp(),
    } == metric(samples, "pricing_next_sync_timestamp_seconds")


def test_a_provider_is_stale_at_its_own_third_slot(tmp_path: Path) -> None:
    """By its own plan. A provider that was never read, or is not scheduled, has no such time."""
    plans = {"openrouter": Plan(cron="0 3 * * 1"), "nearai": Plan()}
    with app_with_runs(tmp_path) as app:
        collector = PricingMetrics(
            app.store, ["openrouter", "nearai"], is_running=lambda: False, plan=plans.__getitem__
        )
        samples = values(collector)
        read_at = app.store.latest_successes()["openrouter"]
    (at,) = metric(samples, "pricing_stale_timestamp_seconds").values()
    stale_at = datetime.fromtimestamp(at, UTC)
    assert (0, 3, 0) == (stale_at.weekday(), stale_at.hour, stale_at.minute)
    assert timedelta(days=14) < stale_at - read_at <= timedelta(days=21)
    assert "pricing_stale_timestamp_seconds openrouter" in samples


def test_the_revision_of_the_ledger_is_that_of_its_book(tmp_path: Path) -> None:
    """A process with another one in its book is behind."""
    with app_with_runs(tmp_path) as app:
        assert int(app.book().revision) == values(metrics(app.store))["pricing_ledger_revision"]


def test_a_book_that_cannot_be_renewed_has_an_age(store: Store) -> None:
    """It is zero as soon as the book is renewed."""
    since = [datetime.now(UTC) - timedelta(minutes=5)]
    collector = PricingMetrics(
        store, [], is_running=lambda: False, stale_since=lambda: since[0] if since else None
    )
    assert 300 <= values(collector)["pricing_book_stale_seconds"] < 400
    since.clear()
    assert 0 == values(collector)["pricing_book_stale_seconds"]


def test_exchange_rates_have_an_age_where_they_are_used(store: Store) -> None:
    """Counted from their day on; without any it is infinite, so that an alert fires."""
    name = "pricing_exchange_rates_age_seconds"
    used = PricingMetrics(store, [], is_running=lambda: False, exchanges=True)
    assert math.inf == values(used)[name]
    now = datetime.now(UTC)
    store.exchange_rates.add({now.date() - timedelta(days=3): {"USD": Decimal("1.1")}}, now)
    assert timedelta(days=3) <= timedelta(seconds=values(used)[name]) < timedelta(days=4, hours=1)
    assert name not in values(metrics(store))


def test_the_price_keys_that_are_not_read_are_counted(tmp_path: Path) -> None:
    """Those of the newest answer, also if it was the same as the one before."""
    rows = {"maker/a": priced(video="1"), "maker/b": priced(video="2", smell="3")}
    answers = [RecordedAnswer(openrouter(rows), DAY + timedelta(days=day)) for day in (0, 1)]
    name = "pricing_unread_price_keys openrouter"
    with two_providers(tmp_path) as app:
        asyncio.run(app.replay("openrouter", answers))
        assert 2 == values(metrics(app.store, "openrouter"))[name]
        assert {"openrouter": {"pricing.video": 2, "pricing.smell": 1}} == app.store.unread_keys()
        last = RecordedAnswer(catalogue(2), DAY + timedelta(days=2))
        asyncio.run(app.replay("openrouter", [last]))
        assert 0 == values(metrics(app.store, "openrouter"))[name]


def test_the_metrics_survive_a_restart(tmp_path: Path) -> None:
    """The lines are the same after the database was opened again."""
    with app_with_runs(tmp_path) as app:
        before = store_lines(metrics(app.store, "openrouter", "nearai"))
    assert 'pricing_scheduled_sync_runs_total{status="partial"} 1.0' in before
    with two_providers(tmp_path) as again:
        assert before == store_lines(metrics(again.store, "openrouter", "nearai"))


def test_processes_of_one_database_agree(tmp_path: Path) -> None:
    """A process that has read nothing gives the same lines as the one that has."""
    with app_with_runs(tmp_path) as app, two_providers(tmp_path) as other:
        lines = store_lines(metrics(app.store, "openrouter", "nearai"))
        assert lines == store_lines(metrics(other.store, "openrouter", "nearai"))


def test_an_empty_database_has_counters_at_zero_and_no_times(store: Store) -> None:
    """Rates can be computed from the first event on, and no data looks fresh."""
    samples = values(metrics(store, "openrouter"))
    assert {0.0} == set(metric(samples, "pricing_scheduled_sync_runs_total").values())
    assert 4 == len(metric(samples, "pricing_models_synced_total"))
    assert 0 == samples["pricing_scheduled_sync_duration_seconds_count"]
    assert 0 == samples["pricing_held_changes openrouter"]
    assert 0 == samples["pricing_scheduler_up"]
    for name in ("pricing_last_sync_timestamp", "pricing_data_age_seconds", "pricing_models"):
        assert {} == metric(samples, name)


def test_only_scheduled_providers_have_an_age(tmp_path: Path) -> None:
    """No alert should fire for a provider that is no longer read."""
    with app_with_runs(tmp_path) as app:
        samples = values(metrics(app.store, "nearai"))
    assert {} == metric(samples, "pricing_data_age_seconds")
    assert "pricing_last_sync_timestamp openrouter" in samples


def test_the_scheduler_is_up_while_its_lease_lasts(store: Store) -> None:
    """It is down after the leader has released or lost its lease."""
    now, minute = datetime.now(UTC), timedelta(minutes=1)
    store.queue.acquire_leadership("one", now, now + minute)
    assert 1 == values(metrics(store))["pricing_scheduler_up"]
    store.queue.release_leadership("one", now)
    assert 0 == values(metrics(store))["pricing_scheduler_up"]
    store.queue.acquire_leadership("two", now - 2 * minute, now - minute)
    assert 0 == values(metrics(store))["pricing_scheduler_up"]


def test_a_process_has_its_own_metrics(store: Store) -> None:
    """Book revision, look-ups without a price, and whether it runs readings, at each scrape."""
    running, unpriced, revisions = [True], {"unknown": 2}, [17]
    collector = PricingMetrics(
        store,
        [],
        is_running=lambda: running[0],
        unpriced=lambda: unpriced,
        book_revision=lambda: revisions[0] if revisions else None,
    )
    samples = values(collector)
    assert 1 == samples["pricing_process_runs_readings"]
    assert 2 == samples["pricing_unpriced_lookups_total unknown"]
    assert 17 == samples["pricing_book_revision"]
    running[0] = False
    unpriced["unknown"] = 3
    revisions.clear()
    samples = values(collector)
    assert 0 == samples["pricing_process_runs_readings"]
    assert 3 == samples["pricing_unpriced_lookups_total unknown"]
    assert "pricing_book_revision" not in samples


@pytest.mark.parametrize("most", range(7))
def test_a_database_error_does_not_fail_the_scrape(store: Store, most: int) -> None:
    """Whichever statement fails, the scrape reports it and gives no values of the database."""
    collector = metrics(store, "openrouter")
    with counted(store, most):
        samples = values(collector)
    assert 0 == samples["pricing_store_up"]
    assert {
        "pricing_info 0.1.0",
        "pricing_process_runs_readings",
        "pricing_book_stale_seconds",
        "pricing_store_up",
    } == samples.keys()
    assert 1 == values(collector)["pricing_store_up"]


def test_a_closed_database_does_not_fail_the_scrape(store: Store) -> None:
    """For example while a host's app shuts down."""
    store.close()
    assert 0 == values(metrics(store))["pricing_store_up"]


def test_overrides_that_end_soon_are_counted(tmp_path: Path) -> None:
    """In the next 30 days, one for each meter."""
    with two_providers(tmp_path) as app:
        asyncio.run(app.replay("openrouter", [RecordedAnswer(catalogue(1), DAY)]))
        rates = {Meter.INPUT: Rate(1), Meter.OUTPUT: Rate(1)}
        for days in (29, 31):
            app.set_override(
                *("openrouter", "maker/model-0", rates),
                author="me",
                reason="test",
                until=datetime.now(UTC) + timedelta(days),
            )
        samples = values(metrics(app.store, "openrouter", "nearai"))
    assert {"pricing_overrides_ending openrouter": 2, "pricing_overrides_ending nearai": 0} == (
        metric(samples, "pricing_overrides_ending")
    )


@pytest.mark.parametrize("count", [1, 300])
def test_a_scrape_takes_twelve_statements(tmp_path: Path, count: int) -> None:
    """The number of models does not matter."""
    with two_providers(tmp_path) as app:
        asyncio.run(app.replay("openrouter", [RecordedAnswer(catalogue(count), DAY)]))
        with counted(app.store) as counter:
            samples = values(metrics(app.store, "openrouter", "nearai"))
    assert count == samples["pricing_models openrouter priced"]
    assert 12 == counter.statements


def test_both_formats_have_the_same_samples(tmp_path: Path) -> None:
    """The Prometheus text, and OpenMetrics on request, each read by its own parser."""
    with app_with_runs(tmp_path) as app:
        collector = metrics(app.store, "openrouter", "nearai")
        text, plain = collector.render("text/plain;version=0.0.4")
        strict, open_metrics = collector.render(OPEN_METRICS)
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

    samples = read(text_string_to_metric_families(text.decode()))
    assert len(samples) > 40
    assert samples == read(open_metrics_families(strict.decode()))  # type: ignore[no-untyped-call]


def test_the_names_and_types_of_all_metrics(tmp_path: Path) -> None:
    """Our alerts and dashboards, and those of others, depend on them."""
    with app_with_runs(tmp_path) as app:
        families = text_string_to_metric_families(metrics(app.store).render("")[0].decode())
    assert {
        "pricing_info": "gauge",
        "pricing_process_runs_readings": "gauge",
        "pricing_unpriced_lookups": "counter",
        "pricing_book_revision": "gauge",
        "pricing_book_stale_seconds": "gauge",
        "pricing_ledger_revision": "gauge",
        "pricing_stale_timestamp_seconds": "gauge",
        "pricing_exchange_rates_age_seconds": "gauge",
        "pricing_book_unconfirmed_seconds": "gauge",
        "pricing_export_left_out": "gauge",
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
        "pricing_prices": "gauge",
        "pricing_models_ending": "gauge",
        "pricing_held_changes": "gauge",
        "pricing_unread_price_keys": "gauge",
        "pricing_catalog_age_seconds": "gauge",
        "pricing_catalog_unread_price_keys": "gauge",
        "pricing_oldest_held_change_timestamp_seconds": "gauge",
        "pricing_overrides_ending": "gauge",
        "pricing_scheduled_prices": "gauge",
        "pricing_unpriced_models": "gauge",
        "pricing_drifting_models": "gauge",
        "pricing_push_behind": "gauge",
        "pricing_push_behind_seconds": "gauge",
        "pricing_push_failures_in_a_row": "gauge",
        "pricing_webhook_pending": "gauge",
        "pricing_webhook_oldest_pending_seconds": "gauge",
        "pricing_webhook_dead_letters": "gauge",
        "pricing_webhook_disabled": "gauge",
        "pricing_webhook_attempts": "counter",
    } == {family.name: family.type for family in families}


def test_a_host_can_register_the_metrics_in_its_own_registry(store: Store) -> None:
    """Duplicate names are refused, and this does not need the database."""
    store.close()
    registry = CollectorRegistry(auto_describe=True)
    registry.register(metrics(store))
    assert b"pricing_store_up 0.0" in generate_latest(registry)
    with pytest.raises(DuplicateTimeseries):
        registry.register(metrics(store))


def test_no_model_is_a_label(tmp_path: Path) -> None:
    """There are thousands of models, and a provider could invent more."""
    with app_with_runs(tmp_path) as app:
        assert b"maker/" not in metrics(app.store, "openrouter").render("")[0]


def test_labels_are_bounded(store: Store) -> None:
    """Scheduled providers come first; the others fill the rest."""
    store.queue.increment(
        {(MODELS, (("provider", f"seen-{n:03}"), ("status", "updated"))): 1 for n in range(195)}
    )
    collector = metrics(store, *(f"scheduled-{n}" for n in range(10)))
    samples = values(collector)
    shown = {key.split()[1] for key in metric(samples, "pricing_models_synced_total")}
    assert 200 == len(shown)
    assert {"scheduled-0", "scheduled-9", "seen-000", "seen-189"} <= shown
    assert 5 == samples["pricing_labels_dropped"]


@pytest.mark.parametrize("provider", ['a"b', "a\\b", "a\nb", "a}b", "é\u202e"])
def test_a_strange_name_breaks_no_line(store: Store, provider: str) -> None:
    """Each label is read back unchanged."""
    run = Run("run", "test", DAY, None, None, False, (provider,))
    store.queue.insert_run(run)
    store.add_reading(reading(DAY, provider))
    assert DAY.timestamp() == values(metrics(store))[f"pricing_last_sync_timestamp {provider}"]


def test_an_age_by_a_clock_that_was_ahead_is_unknown(store: Store) -> None:
    """The last reading seems to be from tomorrow."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    store.queue.insert_run(Run("run", "test", DAY, None, None, False, ("xai",)))
    store.add_reading(reading(DAY, "xai", finished_at=tomorrow))
    assert "pricing_data_age_seconds xai" not in values(metrics(store, "xai"))
