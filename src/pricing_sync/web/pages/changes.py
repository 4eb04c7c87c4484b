"""What providers changed, day by day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Annotated, Literal, TypeAlias

from fastapi import Query, Request, Response

from pricing_sync.prices.rates import RateCard
from pricing_sync.store.changes import LedgerChange
from pricing_sync.web.auth import Scope
from pricing_sync.web.pages.rendering import render
from pricing_sync.web.request_types import ModelFilter, ProviderFilter
from pricing_sync.web.routes import Pricing, Routes

routes = Routes("pages")

Direction: TypeAlias = Literal["", "up", "down", "other"]
#: Of a filtered list, so many changes are looked through for one page of those that fit.
_LOOKED_THROUGH = 400
_SHOWN = 100
_DAYS = (1, 7, 30, 90, 365)


@routes.get("/changes", Scope.READ)
def changes(
    pricing: Pricing,
    request: Request,
    provider: ProviderFilter = None,
    model: ModelFilter = None,
    direction: Direction = "",
    at_least: Annotated[str, Query(max_length=10, pattern=r"^[0-9]{0,4}(\.[0-9]{0,3})?$")] = "",
    days: Annotated[int, Query(ge=1, le=3660)] = 30,
    added: bool = False,  # noqa: FBT001, FBT002  FastAPI reads it from the query
) -> Response:
    """The changes of the last days, newest first."""
    share = float(at_least or 0) / 100
    limit = _LOOKED_THROUGH if direction or share else _SHOWN
    found = pricing.changes(
        datetime.now(UTC) - timedelta(days=days),
        provider=provider or None,
        model=model or None,
        include_added=added,
        limit=limit + 1,
    )
    fits = _filter(direction, share)
    fitting = [entry for entry in found[:limit] if fits(entry)]
    by_day = groupby(fitting[:_SHOWN], key=lambda entry: entry.at.astimezone(UTC).date())
    return render(
        request,
        "changes.html",
        days_of=[(day, list(entries)) for day, entries in by_day],
        count=len(fitting),
        shown=min(len(fitting), _SHOWN),
        is_cut=len(found) > limit,
        providers=_provider_names(pricing.settings.providers, found),
        spans=sorted({*_DAYS, days}),
        wanted={
            "provider": provider or "",
            "model": model or "",
            "direction": direction,
            "at_least": at_least,
            "days": days,
            "added": added,
        },
    )


def _provider_names(scheduled: Sequence[str], found: Sequence[LedgerChange]) -> list[str]:
    return sorted({*scheduled, *(entry.provider for entry in found)})


def _filter(direction: Direction, share: float) -> Callable[[LedgerChange], bool]:
    """Whether one rate of a change moved that way, by at least that share of the old one."""

    def fits(entry: LedgerChange) -> bool:
        factors = _factors(entry)
        if direction == "other":
            return not factors
        if not direction and not share:
            return True
        return any(
            abs(factor - 1) >= share
            and (direction != "up" or factor > 1)
            and (direction != "down" or factor < 1)
            for factor in factors
        )

    return fits


def _factors(entry: LedgerChange) -> list[float]:
    """By what each base rate was multiplied. Only for filters: no amount is computed by it."""
    old, new = entry.change.old, entry.change.new
    if not (isinstance(old, RateCard) and isinstance(new, RateCard)):
        return []
    return [
        new.rates[meter] / rate
        for meter, rate in old.rates.items()
        if rate and meter in new.rates and new.rates[meter] != rate
    ]
