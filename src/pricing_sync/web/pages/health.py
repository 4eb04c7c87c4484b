"""How a provider is: whether its prices are fresh."""

from __future__ import annotations

from collections.abc import Mapping
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


def headline(counts: Mapping[Health, int]) -> str:
    """The worst that is true of the scheduled providers; prices are fresh if all of theirs are."""
    wrong = counts.get(Health.FAILING, 0) + counts.get(Health.STALE, 0)
    if wrong:
        return f"{wrong} provider{' needs' if wrong == 1 else 's need'} a look"
    for health, said in ((Health.NEVER, "never read"), (Health.SKIPPED, "skipped")):
        if count := counts.get(health, 0):
            return f"{count} provider{' was' if count == 1 else 's were'} {said}"
    return "Prices are fresh" if counts.get(Health.FRESH) else "No provider is read on schedule"
