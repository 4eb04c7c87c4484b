"""Metrics for Prometheus, read from the database at each scrape.

No state is kept between scrapes: values survive a restart, and every process of a database gives
the same ones. Only the metrics whose help text names "this process" differ between processes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from pricing_sync.changes.run import Outcome
from pricing_sync.errors import StoreError
from pricing_sync.prices.age import age, age_seconds
from pricing_sync.prices.reconciliation import drifts
from pricing_sync.prices.statements import PriceState
from pricing_sync.store import Store
from pricing_sync.store.deliveries import EndpointStatus
from pricing_sync.store.peers import CatalogRead
from pricing_sync.store.pushes import PushStatus
from pricing_sync.store.queue import (
    BUCKETS,
    DURATION_BUCKET,
    DURATION_SUM,
    FAILURES,
    MODELS,
    REVISION,
    RUNS,
    Labels,
    Leader,
)
from pricing_sync.store.review import HeldCount
from pricing_sync.store.store import ModelCounts
from pricing_sync.timetable import Due, Plan, stale_at
from pricing_sync.version import VERSION

#: Each provider costs several time series, and the database may name any number of providers.
_MOST_PROVIDERS = 200
_MODEL_STATUSES = ("updated", "skipped", "unchanged", "held")
_MODEL_STATES = ("priced", "unpriced", "unreadable", "missing")


@dataclass(frozen=True, slots=True)
class _Facts:
    """The facts in the database at one scrape."""

    counters: Mapping[str, Mapping[Labels, int]] = field(default_factory=dict)
    successes: Mapping[str, datetime] = field(default_factory=dict)
    dues: Mapping[str, Due] = field(default_factory=dict)
    models: Mapping[str, ModelCounts] = field(default_factory=dict)
    held: Mapping[str, HeldCount] = field(default_factory=dict)
    unread: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    leader: Leader | None = None
    #: How many overrides end within 30 days, by provider.
    overrides_ending: Mapping[str, int] = field(default_factory=dict)
    #: The last good reads of the reference catalogs.
    catalogs: Mapping[str, CatalogRead] = field(default_factory=dict)
    #: How many prices are scheduled, by provider.
    scheduled: Mapping[str, int] = field(default_factory=dict)
    #: How many models have requests without a price in the last 7 days, by provider.
    unpriced: Mapping[str, int] = field(default_factory=dict)
    #: By provider, model and currency: our cost of the last day and the reported one.
    reported: Mapping[tuple[str, str, str], tuple[Decimal, Decimal]] = field(default_factory=dict)
    pushes: Sequence[PushStatus] = ()
    #: The day of the newest exchange rates.
    exchange_day: date | None = None
    webhooks: Sequence[EndpointStatus] = ()

    @classmethod
    def of(cls, store: Store, *, exchanges: bool) -> _Facts:
        queue, now = store.queue, datetime.now(UTC)
        return cls(
            queue.counters(),
            store.latest_successes(),
            queue.due_times(),
            store.model_counts(),
            store.review.held_counts(),
            store.unread_keys(),
            queue.leader(),
            Counter(override.provider for override in store.overrides_ending(at=now)),
            store.peers.last_good_reads(),
            Counter(entry.provider for entry in store.scheduled.changes(now)),
            store.usage.unpriced_models(now - timedelta(days=7)),
            store.usage.reported_costs(now - timedelta(days=1)),
            exchange_day=store.exchange_rates.newest_day() if exchanges else None,
        )

    def providers(self) -> set[str]:
        counted = {
            dict(labels)["provider"]
            for name in (MODELS, FAILURES)
            for labels in self.counters.get(name, ())
        }
        return counted.union(
            *(self.successes, self.dues, self.models, self.held, self.overrides_ending),
            *(self.unpriced, {provider for provider, _, _ in self.reported}),
        )


class PricingMetrics(Collector):
    """The metrics of one database and of this process.

    `render` gives only these metrics; a host can register this collector in its own registry.

    Args:
        providers: The scheduled providers.
        is_running: Whether this process runs readings.
        unpriced: The look-ups in this process that found no price, by reason.
        plan: When a provider is read; None if that is not known.
        book_revision: The ledger revision of this process's price book; None before the first.
        stale_since: Since when that book cannot be renewed; None if it can.
        book_unconfirmed: How many seconds ago that book was known to be the newest.
        left_out: How much the exports of this process leave out, by format and part.
        most_drift: The share of our cost by which a reported one may differ from it.
        pushes: The nodes that prices are pushed to.
        exchanges: Whether exchange rates are in use.
        webhooks: The endpoints that events are sent to.
    """

    def __init__(
        self,
        store: Store,
        providers: Sequence[str],
        *,
        is_running: Callable[[], bool],
        unpriced: Callable[[], Mapping[str, int]] = dict,
        plan: Callable[[str], Plan] | None = None,
        book_revision: Callable[[], int | None] = lambda: None,
        stale_since: Callable[[], datetime | None] = lambda: None,
        book_unconfirmed: Callable[[], float | None] = lambda: None,
        left_out: Callable[[], Mapping[str, Mapping[str, int]]] = dict,
        most_drift: Fraction = Fraction(0),
        pushes: Callable[[], Sequence[PushStatus]] = tuple,
        exchanges: bool = False,
        webhooks: Callable[[], Sequence[EndpointStatus]] = tuple,
    ) -> None:
        self._most_drift = most_drift
        self._store, self._providers = store, tuple(providers)
        self._is_running, self._unpriced = is_running, unpriced
        self._book_revision, self._left_out = book_revision, left_out
        self._plan, self._stale_since = plan, stale_since
        self._book_unconfirmed = book_unconfirmed
        self._pushes, self._exchanges = pushes, exchanges
        self._webhooks = webhooks
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def render(self, accept: str) -> tuple[bytes, str]:
        """The metrics in the format of an `Accept` header, and their content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def collect(self) -> Iterator[Metric]:
        """Every family. If the database cannot be read, the scrape succeeds and reports it."""
        yield from self._of_process()
        try:
            facts = replace(
                _Facts.of(self._store, exchanges=self._exchanges),
                pushes=self._pushes(),
                webhooks=self._webhooks(),
            )
        except StoreError:
            yield _store_up(0)
            return
        yield _store_up(1)
        yield from self._of_store(facts)

    def describe(self) -> Iterator[Metric]:
        """The families without the database, for a registry that looks for duplicate names."""
        yield from self._of_process()
        yield _store_up(0)
        yield from self._of_store(_Facts())

    def _of_process(self) -> Iterator[Metric]:
        yield InfoMetricFamily("pricing", "The program.", {"version": VERSION})
        yield GaugeMetricFamily(
            "pricing_process_runs_readings",
            "Whether this process runs readings.",
            int(self._is_running()),
        )
        # A copy: other threads may count during the scrape.
        unpriced = dict(self._unpriced())
        yield _counter(
            "pricing_unpriced_lookups",
            "Look-ups in this process that found no price.",
            ("reason",),
            {(reason,): count for reason, count in unpriced.items()},
        )
        revision = self._book_revision()
        yield _gauge(
            "pricing_book_revision",
            "The ledger revision of this process's price book; it grows with each reading.",
            (),
            {} if revision is None else {(): revision},
        )
        stale_since = self._stale_since()
        yield GaugeMetricFamily(
            "pricing_book_stale_seconds",
            "For how long this process has not been able to renew its price book; 0 if it can.",
            age_seconds(stale_since, datetime.now(UTC)) or 0,
        )
        unconfirmed = self._book_unconfirmed()
        yield _gauge(
            "pricing_book_unconfirmed_seconds",
            "How long ago this process's price book was known to be the newest.",
            (),
            {} if unconfirmed is None else {(): unconfirmed},
        )
        yield _gauge(
            "pricing_export_left_out",
            "What the newest export of this process leaves out because its format cannot say it.",
            ("format", "part"),
            {
                (name, part): count
                for name, counts in {**self._left_out()}.items()
                for part, count in counts.items()
            },
        )

    def _of_store(self, facts: _Facts) -> Iterator[Metric]:
        now = datetime.now(UTC)
        known = [*dict.fromkeys(self._providers), *sorted(facts.providers() - {*self._providers})]
        shown = known[:_MOST_PROVIDERS]
        yield GaugeMetricFamily(
            "pricing_labels_dropped",
            f"Providers beyond the first {_MOST_PROVIDERS}, which have no metrics.",
            len(known) - len(shown),
        )
        yield from _runs(facts, now)
        yield from _syncs(facts, shown)
        yield from _due(facts, shown)
        yield from _ages(facts, self._providers[:_MOST_PROVIDERS], now)
        yield _stale(facts, self._providers[:_MOST_PROVIDERS], now, self._plan)
        yield from _models(facts, shown)
        yield from _states(facts, shown)
        yield from _ending(facts, shown)
        yield from _held(facts, shown)
        yield _by_provider(
            "pricing_unread_price_keys",
            "Keys of the provider's newest answer that may hold a price and are not read.",
            {name: len(facts.unread.get(name, ())) for name in facts.successes},
            shown,
        )
        yield _by_provider(
            "pricing_overrides_ending",
            "Overrides that end in the next 30 days, one for each meter.",
            dict.fromkeys(shown, 0) | dict(facts.overrides_ending),
            shown,
        )
        yield _by_provider(
            "pricing_scheduled_prices",
            "Prices that the provider's list states for later.",
            dict.fromkeys(shown, 0) | dict(facts.scheduled),
            shown,
        )
        yield from _usage(facts, shown, self._most_drift)
        yield from _catalogs(facts, now)
        yield from _pushes(facts, now)
        revision = facts.counters.get(REVISION, {}).get(())
        yield _gauge(
            "pricing_ledger_revision",
            "The revision of the ledger; it grows with each reading.",
            (),
            {} if revision is None else {(): revision},
        )
        yield _gauge(
            "pricing_exchange_rates_age_seconds",
            "Time since the day of the newest exchange rates; infinite if there are none.",
            (),
            {(): _days_age_seconds(facts.exchange_day, now)} if self._exchanges else {},
        )
        yield from _webhooks(facts, now)


def _usage(facts: _Facts, shown: Sequence[str], most_drift: Fraction) -> Iterator[Metric]:
    yield _by_provider(
        "pricing_unpriced_models",
        "Models with recorded requests without a price in the last 7 days.",
        dict.fromkeys(shown, 0) | dict(facts.unpriced),
        shown,
    )
    reported = Counter(provider for provider, _, _ in facts.reported)
    drifting = Counter(
        provider
        for (provider, _, _), (ours, theirs) in facts.reported.items()
        if drifts(theirs, ours, most_drift)
    )
    yield _by_provider(
        "pricing_drifting_models",
        "Models whose reported costs of the last day differ too much from ours.",
        {provider: drifting[provider] for provider in reported},
        shown,
    )


def _catalogs(facts: _Facts, now: datetime) -> Iterator[Metric]:
    ages = {name: age_seconds(read.at, now) for name, read in facts.catalogs.items()}
    yield _gauge(
        "pricing_catalog_age_seconds",
        "Time since the last good read of a reference catalog.",
        ("catalog",),
        {(name,): seconds for name, seconds in ages.items() if seconds is not None},
    )
    yield _gauge(
        "pricing_catalog_unread_price_keys",
        "Price keys of a reference catalog that no meter or condition can express.",
        ("catalog",),
        {(name,): len(read.ignored) for name, read in facts.catalogs.items()},
    )


def _pushes(facts: _Facts, now: datetime) -> Iterator[Metric]:
    states = {one.target: one.state for one in facts.pushes}
    yield _gauge(
        "pricing_push_behind",
        "Whether a node that prices are pushed to is not known to have those in force.",
        ("target",),
        {(one.target,): int(one.is_behind) for one in facts.pushes},
    )
    yield _gauge(
        "pricing_push_behind_seconds",
        "For how long the node is known not to have the prices in force.",
        ("target",),
        {(name,): age_seconds(state.behind_since, now) or 0 for name, state in states.items()},
    )
    yield _gauge(
        "pricing_push_failures_in_a_row",
        "Failed pushes to the node since its last success.",
        ("target",),
        {(name,): state.failures for name, state in states.items()},
    )


def _webhooks(facts: _Facts, now: datetime) -> Iterator[Metric]:
    counts = {one.name: one.counts for one in facts.webhooks}
    states = {one.name: one.state for one in facts.webhooks}
    yield _gauge(
        "pricing_webhook_pending",
        "Events that wait to be sent to an endpoint.",
        ("endpoint",),
        {(name,): count.waiting for name, count in counts.items()},
    )
    yield _gauge(
        "pricing_webhook_oldest_pending_seconds",
        "For how long the oldest of them waits; 0 if none does.",
        ("endpoint",),
        {(name,): age_seconds(count.oldest, now) or 0 for name, count in counts.items()},
    )
    yield _gauge(
        "pricing_webhook_dead_letters",
        "Events that an endpoint did not take for a day.",
        ("endpoint",),
        {(name,): count.dead for name, count in counts.items()},
    )
    yield _gauge(
        "pricing_webhook_disabled",
        "Whether an endpoint has said that it is gone, and is sent nothing.",
        ("endpoint",),
        {(name,): int(state.disabled_at is not None) for name, state in states.items()},
    )
    yield _counter(
        "pricing_webhook_attempts",
        "Attempts to send an event to an endpoint.",
        ("endpoint", "result"),
        {
            (name, result): count
            for name, state in states.items()
            for result, count in (("delivered", state.delivered), ("failed", state.failed))
        },
    )


def _runs(facts: _Facts, now: datetime) -> Iterator[Metric]:
    runs = facts.counters.get(RUNS, {})
    yield _counter(
        "pricing_scheduled_sync_runs",
        "Scheduled runs that have ended.",
        ("status",),
        {(status.value,): runs.get((("status", status.value),), 0) for status in Outcome},
    )
    buckets = facts.counters.get(DURATION_BUCKET, {})
    yield HistogramMetricFamily(
        "pricing_scheduled_sync_duration_seconds",
        "Duration of scheduled runs, from their request to their end.",
        [
            # OpenMetrics requires "1.0", not "1".
            *((str(float(bound)), buckets.get((("le", f"{bound:g}"),), 0)) for bound in BUCKETS),
            ("+Inf", buckets.get((("le", "+Inf"),), 0)),
        ],
        facts.counters.get(DURATION_SUM, {}).get((), 0) / 1_000_000,
    )
    leader = facts.leader
    yield GaugeMetricFamily(
        "pricing_scheduler_up",
        "Whether the scheduler runs in any process.",
        int(leader is not None and leader.until > now),
    )


def _syncs(facts: _Facts, shown: Sequence[str]) -> Iterator[Metric]:
    yield _by_provider(
        "pricing_last_sync_timestamp",
        "When the provider was last read successfully, as a Unix time.",
        {name: at.timestamp() for name, at in facts.successes.items()},
        shown,
    )
    models, failures = facts.counters.get(MODELS, {}), facts.counters.get(FAILURES, {})
    yield _counter(
        "pricing_models_synced",
        "Models in successful readings, by result.",
        ("provider", "status"),
        {
            (name, status): models.get((("provider", name), ("status", status)), 0)
            for name in shown
            for status in _MODEL_STATUSES
        },
    )
    kinds = [(dict(labels), count) for labels, count in failures.items()]
    yield _counter(
        "pricing_reading_failures",
        "Failed readings, by kind of failure.",
        ("provider", "kind"),
        {
            (labels["provider"], labels["kind"]): count
            for labels, count in kinds
            if labels["provider"] in shown
        },
    )


def _due(facts: _Facts, shown: Sequence[str]) -> Iterator[Metric]:
    yield _by_provider(
        "pricing_reading_failures_in_a_row",
        "Failed readings of the provider since its last success.",
        {name: due.failures for name, due in facts.dues.items()},
        shown,
    )
    yield _by_provider(
        "pricing_next_sync_timestamp_seconds",
        "When the provider is read next, which may be a retry.",
        {name: due.at.timestamp() for name, due in facts.dues.items()},
        shown,
    )


def _ages(facts: _Facts, scheduled: Sequence[str], now: datetime) -> Iterator[Metric]:
    yield _by_provider(
        "pricing_data_age_seconds",
        "How long ago a scheduled provider was last read successfully.",
        {
            name: old.total_seconds()
            for name, at in facts.successes.items()
            if (old := age(at, now)) is not None
        },
        scheduled,
    )


def _stale(
    facts: _Facts,
    scheduled: Sequence[str],
    now: datetime,
    plan: Callable[[str], Plan] | None,
) -> Metric:
    return _by_provider(
        "pricing_stale_timestamp_seconds",
        "When the provider's prices count as stale: three of its slots after the last success.",
        {
            name: stale_at(plan(name), name, facts.successes[name]).timestamp()
            for name in scheduled
            if plan is not None and age(facts.successes.get(name), now) is not None
        },
        scheduled,
    )


def _days_age_seconds(day: date | None, now: datetime) -> float:
    if day is None:
        return math.inf
    return (now - datetime.combine(day, time(), UTC)).total_seconds()


def _models(facts: _Facts, shown: Sequence[str]) -> Iterator[Metric]:
    yield _gauge(
        "pricing_models",
        "Models of the provider, by state. A model may be in several states.",
        ("provider", "state"),
        {
            (name, state): getattr(facts.models[name], state)
            for name in shown
            if name in facts.models
            for state in _MODEL_STATES
        },
    )


def _states(facts: _Facts, shown: Sequence[str]) -> Iterator[Metric]:
    yield _gauge(
        "pricing_prices",
        "Models of the provider, by what its last successful reading says of their price.",
        ("provider", "state"),
        {
            (name, state.value): facts.models[name].states.get(state, 0)
            for name in shown
            if name in facts.models
            for state in PriceState
        },
    )


def _ending(facts: _Facts, shown: Sequence[str]) -> Iterator[Metric]:
    yield _by_provider(
        "pricing_models_ending",
        "Models that end within 30 days, as the provider's list says.",
        dict.fromkeys(shown, 0) | {name: counts.ending for name, counts in facts.models.items()},
        shown,
    )


def _held(facts: _Facts, shown: Sequence[str]) -> Iterator[Metric]:
    yield _by_provider(
        "pricing_held_changes",
        "Held changes that wait for a person.",
        dict.fromkeys(shown, 0) | {name: held.count for name, held in facts.held.items()},
        shown,
    )
    yield _by_provider(
        "pricing_oldest_held_change_timestamp_seconds",
        "Since when a change of a model of the provider waits without a break: the oldest.",
        {name: held.oldest.timestamp() for name, held in facts.held.items()},
        shown,
    )


def _store_up(value: int) -> Metric:
    return GaugeMetricFamily("pricing_store_up", "Whether the database can be read.", value)


def _by_provider(
    name: str, text: str, values: Mapping[str, float], shown: Iterable[str]
) -> GaugeMetricFamily:
    """A gauge of the shown providers that have a value."""
    known = {one: values[one] for one in shown if one in values}
    return _gauge(name, text, ("provider",), {(one,): value for one, value in known.items()})


def _gauge(
    name: str, text: str, labels: Sequence[str], values: Mapping[tuple[str, ...], float]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for label_values, value in values.items():
        family.add_metric(label_values, value)
    return family


def _counter(
    name: str, text: str, labels: Sequence[str], values: Mapping[tuple[str, ...], float]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for label_values, value in values.items():
        family.add_metric(label_values, value)
    return family
