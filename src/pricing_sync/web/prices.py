"""Prices: those that count now, those of another time, and how they came about."""

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
from pricing_sync.web.request_types import Cursor, Instant, OfModel, OfProvider
from pricing_sync.web.routes import Pricing, Routes
from pricing_sync.web.schemas import CurrentPrice, History, Prices

routes = Routes("prices")

_At: TypeAlias = Annotated[Instant | None, Query(description="As it was at this instant.")]
_KnownAt: TypeAlias = Annotated[
    Instant | None, Query(description="By what was known at this instant.")
]
#: A model with its price, or with why none has ever counted.
_Entry: TypeAlias = Price | tuple[ModelState, str]


@dataclass(frozen=True, slots=True)
class _Freshness:
    """What the database says beside the prices."""

    #: When each provider was last read.
    reads: Mapping[str, datetime] = field(default_factory=dict)
    #: The models without a price in force, and why. Known of now only.
    cardless: Sequence[tuple[ModelState, str]] = ()


@routes.get("/v1/prices", Scope.READ, response_model=Prices)
def list_prices(
    pricing: Pricing,
    provider: OfProvider = None,
    model: OfModel = None,
    at: _At = None,
    known_at: _KnownAt = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """The prices by provider and model, the currency per million units."""
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
        bool, Query(alias="all", description="Also what was once believed.")
    ] = False,
) -> dict[str, Any]:
    """Every card that a model ever had, oldest first."""
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
    """The price of one model. `rates` is null, and `reason` says why, where there is none."""
    found, freshness = _found(pricing, provider, model, at, known_at)
    if not found:
        raise UnknownName(f"{provider}: {model}: not in the ledger")
    told = _price_json(found[0], freshness, datetime.now(UTC))
    return told | {"stale_since": instant_json(pricing.stale_since)}


def _found(
    pricing: PricingSync,
    provider: str | None,
    model: str | None,
    at: datetime | None,
    known_at: datetime | None,
) -> tuple[list[_Entry], _Freshness]:
    """What there is, sorted by provider and model."""
    if at is not None or known_at is not None:
        past: list[_Entry] = [*pricing.prices(provider, model, at=at, known_at=known_at)]
        return past, _Freshness(pricing.store.latest_successes())
    found: list[_Entry] = [*prices_now(pricing, provider, model)]
    freshness = _read_freshness(pricing, provider, model)
    priced = {_key(entry) for entry in found}
    # A person may have priced what the provider says nothing readable of.
    found += [entry for entry in freshness.cardless if _key(entry) not in priced]
    return sorted(found, key=_key), freshness


def _read_freshness(pricing: PricingSync, provider: str | None, model: str | None) -> _Freshness:
    """Nothing while the database cannot be read: the last prices are served without it."""
    try:
        return _Freshness(
            pricing.store.latest_successes(), pricing.models_without_card(provider, model)
        )
    except StoreError:
        return _Freshness()


def _key(entry: _Entry) -> tuple[str, str]:
    of = entry if isinstance(entry, Price) else entry[0]
    return of.provider, of.model


def _read_cursor(cursor: str | None) -> tuple[str, str]:
    provider, _, model = (cursor or "").partition("/")
    return provider, model


def _price_json(entry: _Entry, freshness: _Freshness, now: datetime) -> dict[str, Any]:
    """A price, and how old the knowledge is that it comes from."""
    record = price_json(entry) if isinstance(entry, Price) else cardless_json(*entry)
    read_at = freshness.reads.get(record["provider"])
    return record | {"read_at": instant_json(read_at), "age_seconds": age_seconds(read_at, now)}
