"""How a provider is: whether its prices are fresh."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pricing_sync.json_views.providers import ProviderState
from pricing_sync.settings import Settings
from pricing_sync.timetable import Plan, stale_at

#: A reading takes a while.
_LEEWAY = timedelta(minutes=1)


class Health(StrEnum):
    """How a provider is, the worst first."""

    FAILING = "failing"
    STALE = "stale"
    NEVER = "never read"
    SKIPPED = "skipped"
    FRESH = "fresh"
    UNSCHEDULED = "not scheduled"


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """A provider, with how it is."""

    state: ProviderState
    health: Health

    @classmethod
    def of(cls, state: ProviderState, settings: Settings, now: datetime) -> ProviderRow:
        return cls(state, _health(state, settings.plan(state.provider), now))


def rank(row: ProviderRow) -> tuple[int, str]:
    """The order in which providers are shown."""
    return list(Health).index(row.health), row.state.provider


def _health(state: ProviderState, plan: Plan, now: datetime) -> Health:
    if not state.is_scheduled:
        return Health.UNSCHEDULED
    if state.skipped:
        return Health.SKIPPED
    if state.last_error is not None:
        return Health.FAILING
    if state.last_success is None:
        return Health.NEVER
    stale_from = stale_at(plan, state.provider, state.last_success) + _LEEWAY
    return Health.STALE if now > stale_from else Health.FRESH
