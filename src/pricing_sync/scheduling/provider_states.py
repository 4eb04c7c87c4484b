"""The state of each provider: its readings, its schedule, and whether it can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pricing_sync.changes.run import Reading
from pricing_sync.errors import UnknownName
from pricing_sync.json_views.providers import LastError, ModelCounts, Plan, ProviderState
from pricing_sync.prices.age import age_seconds
from pricing_sync.settings import Settings
from pricing_sync.settings.values import show_duration
from pricing_sync.store import Store
from pricing_sync.store import store as stored
from pricing_sync.store.review import HeldCount
from pricing_sync.sync.access import ProviderAccess
from pricing_sync.timetable import Due
from pricing_sync.timetable import Plan as Timetable


@dataclass(frozen=True, slots=True)
class ProviderFacts:
    """What the database has about all providers; without one, nothing."""

    counts: Mapping[str, stored.ModelCounts] = field(default_factory=dict)
    held: Mapping[str, HeldCount] = field(default_factory=dict)
    successes: Mapping[str, datetime] = field(default_factory=dict)
    failing: Mapping[str, Reading] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    dues: Mapping[str, Due] = field(default_factory=dict)
    overridden: tuple[str, ...] = ()

    @classmethod
    def of(cls, store: Store) -> ProviderFacts:
        return cls(
            store.model_counts(),
            store.review.held_counts(),
            store.latest_successes(),
            store.failing(),
            store.skipped(),
            store.queue.due_times(),
            tuple(store.overridden_providers()),
        )

    def providers(self) -> set[str]:
        """The providers that the database has."""
        return {*self.counts, *self.successes, *self.failing, *self.overridden}

    def state(self, name: str, settings: Settings, access: ProviderAccess) -> ProviderState:
        """The state of one provider, known or not."""
        counts, held = self.counts.get(name), self.held.get(name)
        success, due, failed = (
            self.successes.get(name),
            self.dues.get(name),
            self.failing.get(name),
        )
        return ProviderState(
            **_access(name, access),
            provider=name,
            is_scheduled=name in settings.providers,
            models=ModelCounts.model_validate(counts) if counts else _no_models(),
            last_success=success,
            age_seconds=age_seconds(success, datetime.now(UTC)),
            next_due=due.at if due else None,
            is_retry=due is not None and due.at == due.retry_at,
            failures=due.failures if due else 0,
            last_error=_error(failed) if failed else None,
            skipped=self.skipped.get(name),
            held=held.count if held else 0,
            oldest_held=held.oldest if held else None,
            plan=_plan(settings.plan(name)),
        )


def _no_models() -> ModelCounts:
    return ModelCounts(priced=0, unpriced=0, unreadable=0, missing=0)


def _error(reading: Reading) -> LastError:
    return LastError(
        at=reading.finished_at,
        kind=reading.error_kind,
        message=reading.error,
        run_id=reading.run_id,
    )


def _plan(plan: Timetable) -> Plan:
    return Plan(
        every=None if plan.cron else show_duration(plan.every),
        cron=plan.cron,
        window=str(plan.window) if plan.window else None,
        time_zone=plan.time_zone,
        dry_run=plan.dry_run,
    )


def _access(name: str, access: ProviderAccess) -> dict[str, Any]:
    """The provider's name and source, and whether its key is set; never the key itself."""
    try:
        provider = access.provider(name)
    except UnknownName:
        # The ledger keeps the cards of a provider whose plug-in was removed.
        return {"name": name, "source": None, "key_set": None, "missing_variables": []}
    has_key = access.credentials(provider).key is not None
    return {
        "name": provider.name,
        "source": provider.source.value,
        "key_set": has_key if provider.key else None,
        "missing_variables": access.missing_variables(provider),
    }
