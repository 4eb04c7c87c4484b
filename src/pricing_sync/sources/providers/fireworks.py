"""Fireworks: a row for each way a model is served, with prices by the name of a SKU.

A model's `standard` and `priority` rows share an id and make one card. A `fast` row is requested by
another name and is a separate model. `/inference/v1/models` has no prices. Read 2026-10-08.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from msgspec import Raw, Struct, field

from pricing_sync.prices.model_ids import is_model_id
from pricing_sync.prices.rates import (
    ConditionalRates,
    Listing,
    Meter,
    Per,
    Rate,
    RateCard,
    Unpriced,
    Unreadable,
    When,
)
from pricing_sync.sources.listings import NOT_PUBLISHED, Amount, Fields, as_listing, joined, rates
from pricing_sync.sources.objects import nested
from pricing_sync.sources.provider import Key, Pin, Provider
from pricing_sync.sources.rows import DataList, Page, guard, parse
from pricing_sync.sources.strict_json import ABSENT, BadAmount, envelope

UNIT = "1M tokens"
SKUS: Fields = {
    "LLM input tokens (uncached)": Amount(Meter.INPUT, Per.MILLION),
    "LLM input tokens (cached)": Amount(Meter.CACHE_READ, Per.MILLION),
    "LLM output tokens": Amount(Meter.OUTPUT, Per.MILLION),
    "Embedding input tokens": Amount(Meter.INPUT, Per.MILLION),
}


class _Item(Struct):
    sku: str
    amount: Raw
    unit: str


class Row(Struct):
    id: str
    serverless_mode: str | None = None
    usage_identifier: str | None = None
    pricing: Raw = ABSENT


class _List(DataList):
    # Both spellings have been seen.
    next_page: str | None = field(name="nextPageToken", default=None)
    next_page_snake: str | None = field(name="next_page_token", default=None)


def read(body: bytes) -> Page:
    """One page, each row under the model name that a request uses."""
    page = Page([])
    for model, row in parse(envelope(body, _List).data, Row, page.ignored):
        if isinstance(row, Unreadable):
            page.rows.append((model, row))
        else:
            page.rows.append((_request_name(row), guard(listing, row, page.ignored)))
    return page


def _request_name(row: Row) -> str | None:
    """The model name that a request uses for this row; None if it is missing or not a model id."""
    if row.serverless_mode in (None, "standard", "priority"):
        return row.id
    name = row.usage_identifier
    return name if name is not None and is_model_id(name) else None


def listing(row: Row, ignored: Counter[str]) -> Listing:
    """The listing of one row: base rates, or for `priority` the rates of that tier alone."""
    if row.serverless_mode not in (None, "standard", "priority", "fast"):
        raise BadAmount(f"{row.id}: serverless_mode {row.serverless_mode!r} is not known")
    if _request_name(row) is None:
        raise BadAmount(f"{row.id}: fast, without the usage_identifier that it is called by")
    items = nested(row.pricing, list[_Item], "pricing", ignored)
    if not items:
        return NOT_PUBLISHED
    if row.serverless_mode is None:
        raise BadAmount(f"{row.id}: priced, without a serverless_mode to say for what")
    found = as_listing(_rates(items, ignored))
    if row.serverless_mode != "priority":
        return found
    if isinstance(found, Unpriced):
        return replace(found, at_zero=found.at_zero and _priority(found.at_zero))
    return _priority(found) if isinstance(found, RateCard) else found


def _priority(card: RateCard) -> RateCard:
    return RateCard({}, (ConditionalRates(When(service_tier="priority"), card.rates),))


def _rates(items: list[_Item], ignored: Counter[str]) -> dict[Meter, Rate]:
    """The rates of one row.

    Raises:
        BadAmount: a SKU or a unit is unknown, and may be the larger part of the bill; or one meter
            has two prices.
    """
    for item in items:
        if item.sku not in SKUS or item.unit != UNIT:
            raise BadAmount(f"pricing: {item.sku!r} per {item.unit!r} is not known")
    return joined(*(rates({item.sku: item.amount}, SKUS, ignored) for item in items))


def _joined(first: Listing, second: Listing) -> Listing:
    """The listing of a model with two rows: base rates and a tier's rates make one card."""
    for listing in (first, second):
        if isinstance(listing, Unreadable):
            return listing
    if first == second:
        return first
    if isinstance(first, RateCard) and isinstance(second, RateCard):
        base, tier = (first, second) if first.rates else (second, first)
        if not tier.rates and not base.conditional_rates:
            return RateCard(base.rates, tier.conditional_rates)
    return Unreadable("listed twice, with different prices")


def _following(body: bytes, _count: int) -> Mapping[str, str] | None:
    answer = envelope(body, _List)
    token = answer.next_page or answer.next_page_snake
    return {"pageToken": token} if token else None


PROVIDER = Provider(
    id="fireworks",
    name="Fireworks AI",
    url="https://api.fireworks.ai/v1/serverless/models",
    decode=read,
    following=_following,
    join=_joined,
    key=Key(("FIREWORKS_API_KEY",)),
    pin=Pin("accounts/fireworks/models/kimi-k3", Meter.INPUT, rate="3", read_on="2026-10-04"),
    page="https://docs.fireworks.ai/serverless/pricing",
)
