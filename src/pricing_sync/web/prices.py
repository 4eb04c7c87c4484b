"""Prices: current, at another time, and their history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

from fastapi import Query

from pricing_sync.app import PricingSync
from pricing_sync.errors import StoreError, UnknownName
from pricing_sync.json_views import cardless_json, instant_json, price_json, statement_json
from pricing_sync.prices.book import Price
from pricing_sync.prices.statements import ModelState
from pricing_sync.web.auth import Scope
from pricing_sync.web.current_prices import age_seconds, prices_now
from pricing_sync.web.pagination import page
from pricing_sync.web.request_types import Cursor, Instant, ModelFilter, ProviderFilter
from pricing_sync.web.routes import Pricing, Routes
from pricing_sync.web.schemas import CurrentPrice, History, Prices

routes = Routes("prices")

_At: TypeAlias = Annotated[
    Instant | None, Query(description="The prices in force at this instant.")
]
_KnownAt: TypeAlias = Annotated[
    Instant | None, Query(description="The prices as known at this instant.")
]
#: A price, or a listed model without a card in force, with the reason.
_Entry: TypeAlias = Price | tuple[ModelState, str]


@dataclass(frozen=True, slots=True)
class _Freshness:
    """The facts that only the database has; the prices are in memory."""

    #: When each provider was last read.
    successes: Mapping[str, datetime] = field(default_factory=dict)
    #: The listed models without a card in force, and why. Only for current prices.
    cardless: Sequence[tuple[ModelState, str]] = ()


@routes.get("/v1/prices", Scope.READ, response_model=Prices)
def list_prices(
    pricing: Pricing,
    provider: ProviderFilter = None,
    model: ModelFilter = None,
    at: _At = None,
    known_at: _KnownAt = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """The prices, sorted by provider and model, in the currency per million units."""
    entries, freshness = _found(pricing, provider, model, at, known_at)
    after, now = _read_cursor(cursor), datetime.now(UTC)
    found = [entry for entry in entries if _key(entry) > after]
    shown = page(
        found,
        limit,
        lambda entry: "/".join(_key(entry)),
        lambda entry: _price_json(entry, freshness, now),
    )
    return shown | {"stale_since": instant_json(pricing.stale_since)}


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
    found = pricing.history(provider, model, everything=everything)
    return {
        "provider": provider,
        "model": model,
        "items": [statement_json(statement) for statement in found],
    }


@routes.get("/v1/prices/{provider}/{model:path}", Scope.READ, response_model=CurrentPrice)
def get_price(
    pricing: Pricing, provider: str, model: str, at: _At = None, known_at: _KnownAt = None
) -> dict[str, Any]:
    """The price of one model. Without a price, `rates` is null and `reason` explains it."""
    found, freshness = _found(pricing, provider, model, at, known_at)
    if not found:
        raise UnknownName(f"{provider}: {model}: not in the ledger")
    record = _price_json(found[0], freshness, datetime.now(UTC))
    return record | {"stale_since": instant_json(pricing.stale_since)}


def _found(
    pricing: PricingSync,
    provider: str | None,
    model: str | None,
    at: datetime | None,
    known_at: datetime | None,
) -> tuple[list[_Entry], _Freshness]:
    """The matching entries, sorted by provider and model."""
    if at is not None or known_at is not None:
        past: list[_Entry] = [*pricing.prices(provider, model, at=at, known_at=known_at)]
        return past, _Freshness(pricing.store.latest_successes())
    found: list[_Entry] = [*prices_now(pricing, provider, model)]
    freshness = _read_freshness(pricing, provider, model)
    priced = {_key(entry) for entry in found}
    # A model whose listing cannot be read may have a person's override.
    found += [entry for entry in freshness.cardless if _key(entry) not in priced]
    return sorted(found, key=_key), freshness


def _read_freshness(pricing: PricingSync, provider: str | None, model: str | None) -> _Freshness:
    """The freshness; empty while the database cannot be read, so that prices are still served."""
    try:
        return _Freshness(
            pricing.store.latest_successes(), pricing.models_without_card(provider, model)
        )
    except StoreError:
        return _Freshness()


def _key(entry: _Entry) -> tuple[str, str]:
    item = entry if isinstance(entry, Price) else entry[0]
    return item.provider, item.model


def _read_cursor(cursor: str | None) -> tuple[str, str]:
    provider, _, model = (cursor or "").partition("/")
    return provider, model


def _price_json(entry: _Entry, freshness: _Freshness, now: datetime) -> dict[str, Any]:
    """An entry as JSON, with when its provider was last read."""
    record = price_json(entry) if isinstance(entry, Price) else cardless_json(*entry)
    read_at = freshness.successes.get(record["provider"])
    return record | {"read_at": instant_json(read_at), "age_seconds": age_seconds(read_at, now)}
