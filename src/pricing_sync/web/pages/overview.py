"""The first page: whether prices are fresh, what changed, what waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from fastapi import Request, Response

from pricing_sync.app import PricingSync
from pricing_sync.changes.held import HeldChange
from pricing_sync.scheduling.provider_states import ProviderFacts
from pricing_sync.serving.held_order import by_blast_radius
from pricing_sync.web.auth import Scope
from pricing_sync.web.pages.health import ProviderRow, headline, rank
from pricing_sync.web.pages.rendering import render
from pricing_sync.web.routes import Pricing, Routes

routes = Routes("pages")

#: So many are shown here; the rest is on a page of its own.
_MOST_CHANGES, _MOST_HELD, _MOST_UNPRICED = 12, 6, 6
_LATELY = timedelta(days=30)


@routes.get("/", Scope.READ)
def overview(pricing: Pricing, request: Request) -> Response:
    """Every provider, what waits for a decision, and what moved last."""
    now = datetime.now(UTC)
    status, rows = pricing.status(), provider_rows(pricing, now)
    counts = Counter(row.health for row in rows)
    waiting = pricing.held()
    weights = pricing.usage.blast_radius(waiting)
    unpriced = pricing.usage.unpriced()
    return render(
        request,
        "overview.html",
        status=status,
        rows=rows,
        counts=counts,
        headline=headline(counts),
        held=_by_reading(by_blast_radius(waiting, weights))[:_MOST_HELD],
        held_count=len(waiting),
        changes=pricing.changes(now - _LATELY, limit=_MOST_CHANGES),
        unpriced=unpriced[:_MOST_UNPRICED],
        unpriced_count=len(unpriced),
        scheduled=pricing.scheduled(within=_LATELY)[:_MOST_CHANGES],
        ending=pricing.ending()[:_MOST_CHANGES],
    )


def _by_reading(items: Sequence[HeldChange]) -> list[list[HeldChange]]:
    """The changes of each reading, in the order of their first ones."""
    found: dict[str, list[HeldChange]] = {}
    for item in items:
        found.setdefault(item.reading_id, []).append(item)
    return list(found.values())


def provider_rows(pricing: PricingSync, now: datetime) -> Sequence[ProviderRow]:
    """The scheduled providers and those of the ledger, those with something wrong first."""
    facts, settings = ProviderFacts.of(pricing.store), pricing.settings
    names = {*settings.providers, *facts.providers()}
    states = (facts.state(name, settings, pricing.access) for name in names)
    return sorted((ProviderRow.of(state, settings, now) for state in states), key=rank)
