"""The search over all models, from any page."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Annotated

from fastapi import Query, Request, Response

from pricing_sync.app import PricingSync
from pricing_sync.prices.book import Price
from pricing_sync.prices.statements import ModelState
from pricing_sync.web.auth import Scope
from pricing_sync.web.pages.rendering import render
from pricing_sync.web.routes import Pricing, Routes

routes = Routes("pages")

_MOST = 100


@routes.get("/search", Scope.READ)
def search(
    pricing: Pricing, request: Request, q: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """The models whose id, with the provider's before it, has every word of *q*."""
    found = list(islice(_found(pricing, q.lower().split()), _MOST + 1)) if q.strip() else []
    return render(request, "search.html", q=q, found=found[:_MOST], is_cut=len(found) > _MOST)


def _found(pricing: PricingSync, words: list[str]) -> Iterator[Price | ModelState]:
    book = pricing.book()
    for entry in (*book, *book.models_without_price()):
        name = f"{entry.provider} {entry.model}".lower()
        if all(word in name for word in words):
            yield entry
