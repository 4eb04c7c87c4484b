"""How a provider is: whether its prices are fresh."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pricing_sync.json_views.providers import ProviderState
from pricing_sync.settings import Settings
from pricing_sync.timetable import Plan, next_due

#: After so many of its intervals without a success, a provider's prices are stale.
STALE_INTERVALS = 3


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
    due = state.last_success
    for _ in range(STALE_INTERVALS):
        due = next_due(plan, state.provider, due, state.last_success)
    return Health.STALE if now > due + timedelta(minutes=1) else Health.FRESH
