"""Prices: current, at another time, and their history."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

from fastapi import Query, Response

from pricing_sync.app import PricingSync
from pricing_sync.errors import UnknownName
from pricing_sync.json_views.base import View
from pricing_sync.json_views.changes import AppliedChange
from pricing_sync.json_views.prices import Card, PriceShape
from pricing_sync.prices.book import Price, PriceBook
from pricing_sync.prices.statements import ModelState
from pricing_sync.sources.providers import CATALOG
from pricing_sync.web.auth import Scope
from pricing_sync.web.current_prices import prices_now, without_price_now
from pricing_sync.web.pagination import page
from pricing_sync.web.request_types import Cursor, Instant, ModelFilter, ProviderFilter
from pricing_sync.web.routes import Pricing, Routes
from pricing_sync.web.schemas import CurrentPrice, History, Prices, ScheduledPrices

routes = Routes("prices")

_At: TypeAlias = Annotated[
    Instant | None, Query(description="The prices in force at this instant.")
]
_KnownAt: TypeAlias = Annotated[
    Instant | None, Query(description="The prices as known at this instant.")
]
#: A price, or a model without one.
_Entry: TypeAlias = Price | ModelState


@routes.get("/v1/prices", Scope.READ, response_model=Prices)
def list_prices(
    pricing: Pricing,
    provider: ProviderFilter = None,
    model: ModelFilter = None,
    at: _At = None,
    known_at: _KnownAt = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Cursor = None,
) -> Response:
    """The prices, sorted by provider and model, in the currency per million units."""
    after, now = _read_cursor(cursor), datetime.now(UTC)
    found: list[_Entry]
    if at is None and known_at is None:
        found = [entry for entry in _found_now(pricing, provider, model) if _key(entry) > after]
    else:
        found = [
            *pricing.prices(provider, model, at=at, known_at=known_at, after=after, limit=limit + 1)
        ]
    shown = page(
        found,
        limit,
        lambda entry: "/".join(_key(entry)),
        lambda entry: PriceShape.of(entry, now),
    )
    return _written(Prices(**shown, stale_since=pricing.stale_since))


@routes.get("/v1/scheduled", Scope.READ, response_model=ScheduledPrices)
def list_scheduled(
    pricing: Pricing, provider: ProviderFilter = None, model: ModelFilter = None
) -> dict[str, Any]:
    """What sources publish for later, the next one first. It holds from `at` on by itself."""
    return {"items": map(AppliedChange.of, pricing.scheduled(provider, model))}


@routes.get("/v1/prices/{provider}/{model:path}/history", Scope.READ, response_model=History)
def price_history(
    pricing: Pricing,
    provider: str,
    model: str,
    *,
    everything: Annotated[
        bool, Query(alias="all", description="Include superseded cards.")
    ] = False,
) -> dict[str, Any]:
    """Every card of a model, oldest first."""
    provider, model = _by_id(provider, model)
    found = pricing.history(provider, model, everything=everything)
    return {
        "provider": provider,
        "model": model,
        "resolved_to": next((card.model for card in found if card.model != model), None),
        "items": [Card.of_statement(statement) for statement in found],
    }


def price_in_memory(pricing: PricingSync, provider: str, model: str) -> Response | None:
    """The response of `get_price` for now, unless the database is to be queried for it.

    FastAPI takes six times as long for the parameters and the thread as for the answer.
    """
    book = pricing.checked_book
    found = None if book is None else _find_now(book, *_by_id(provider, model))
    if found is None:
        return None
    return _written(_price(pricing, found))


@routes.get(
    "/v1/prices/{provider}/{model:path}",
    Scope.READ,
    response_model=CurrentPrice,
    direct=price_in_memory,
)
def get_price(
    pricing: Pricing, provider: str, model: str, at: _At = None, known_at: _KnownAt = None
) -> Response:
    """The price of one model. Without a price, `rates` is null and `reason` explains it."""
    provider, model = _by_id(provider, model)
    found: _Entry | None
    if at is None and known_at is None:
        found = _find_now(pricing.book(), provider, model)
    else:
        found = next(iter(pricing.prices(provider, model, at=at, known_at=known_at)), None)
    if found is None:
        reason = pricing.book().reason_without_price(provider, model)
        now = f"; now {reason}" if reason else ""
        raise UnknownName(f"{provider}: {model}: not in the ledger{now}")
    return _written(_price(pricing, found))


def _written(view: View) -> Response:
    """The view as a response: FastAPI would check it once more, in a thread of its own."""
    return Response(view.model_dump_json(), media_type="application/json")


def _find_now(book: PriceBook, provider: str, model: str) -> _Entry | None:
    return book.find(provider, model) or book.without_price(provider, model)


def _price(pricing: PricingSync, entry: _Entry) -> CurrentPrice:
    return CurrentPrice.of(entry, datetime.now(UTC), stale_since=pricing.stale_since)


def _by_id(provider: str, model: str) -> tuple[str, str]:
    """The provider and the model of a path; of `models.dev/ID/MODEL` the provider is ID."""
    if f"{provider}/" != CATALOG:
        return provider, model
    provider, _, model = model.partition("/")
    return provider, model


def _found_now(pricing: PricingSync, provider: str | None, model: str | None) -> list[_Entry]:
    """The matching entries of now, sorted by provider and model. They are in memory."""
    found: list[_Entry] = [*prices_now(pricing, provider, model)]
    found += without_price_now(pricing, provider, model)
    return sorted(found, key=_key)


def _key(entry: _Entry) -> tuple[str, str]:
    return entry.provider, entry.model


def _read_cursor(cursor: str | None) -> tuple[str, str]:
    provider, _, model = (cursor or "").partition("/")
    return provider, model
