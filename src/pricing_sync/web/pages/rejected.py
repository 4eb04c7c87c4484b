"""What people have refused, to be taken back."""

from __future__ import annotations

from fastapi import Request, Response

from pricing_sync.changes.held import State
from pricing_sync.web.auth import Scope
from pricing_sync.web.pages.rendering import render
from pricing_sync.web.request_types import ProviderFilter
from pricing_sync.web.routes import Pricing, Routes

routes = Routes("pages")

#: The newest are shown.
_SHOWN = 100


@routes.get("/rejected", Scope.READ)
def rejected(pricing: Pricing, request: Request, provider: ProviderFilter = None) -> Response:
    """The rejected changes, the last decision first, each with a form to reconsider it."""
    found = pricing.store.review.held(provider or None, state=State.REJECTED)
    found.sort(key=lambda item: item.decided_at or item.since, reverse=True)
    return render(request, "rejected.html", items=found[:_SHOWN], count=len(found))
