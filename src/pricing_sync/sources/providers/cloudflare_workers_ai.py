"""Cloudflare Workers AI: a list of units and prices for each model, in numbers of US dollars.

Billing is in neurons. 10,000 neurons a day are free: this is an allowance of the account and makes
no model free. Until 2026-05-15 the prices were rounded, so all of them moved by a percent on that
day. A model past its planned end stays listed and sold until it is removed. Read 2026-05-07.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from msgspec import Raw, Struct, field

from pricing_sync.prices.rates import Listing, Meter, Notice, Per, Rate, Unpriced, Why
from pricing_sync.sources.listings import NOT_PUBLISHED, Amount, Fields, as_listing, joined, rates
from pricing_sync.sources.notices import notice_of
from pricing_sync.sources.objects import may_hold_price, nested
from pricing_sync.sources.provider import Key, Pin, Provider
from pricing_sync.sources.rows import Page, read_rows
from pricing_sync.sources.strict_json import (
    ABSENT,
    BadAmount,
    Incomplete,
    Malformed,
    envelope,
    shorten,
)

# The price of another way to call a speech model. A usage of seconds does not say which one it was.
_WEBSOCKET = "per audio minute (websocket)"
UNITS: Fields = {
    "per M input tokens": Amount(Meter.INPUT, Per.MILLION),
    "per M output tokens": Amount(Meter.OUTPUT, Per.MILLION),
    "per M cached input tokens": Amount(Meter.CACHE_READ, Per.MILLION),
    "per audio minute": Amount(Meter.SECOND, Per.MINUTE),
    "per 1k characters": Amount(Meter.CHARACTER, Per.THOUSAND),
    # In 2026-05 the pricing page stated $2.509 per image, which is the price of a million.
    "per inference request": Amount(Meter.REQUEST, Per.ONE),
    # No meter counts these.
    "per step": None,
    "per 512 by 512 tile": None,
    _WEBSOCKET: None,
}
PER_PAGE = 100


class _Price(Struct):
    unit: str
    price: Raw
    currency: str


class _Property(Struct):
    property_id: str
    value: Raw = ABSENT


class Row(Struct):
    # The field `id` is an internal catalogue id, which no request uses.
    id: str = field(name="name")
    properties: list[_Property] | None = None


class _Problem(Struct):
    message: str = ""


class _Info(Struct):
    page: int | None = None
    per_page: int | None = None


class _Answer(Struct):
    success: bool
    result: list[Raw] | None = None
    errors: list[_Problem] | None = None
    # Its `total_count` is not the number of models: 245 in a list of 91 rows (2026-05-07).
    result_info: _Info | None = None


def _answer(body: bytes) -> tuple[list[Raw], _Info]:
    answer = envelope(body, _Answer)
    if not answer.success or answer.result is None:
        messages = "; ".join(problem.message for problem in answer.errors or ())
        raise Malformed("body", messages or "no success, and no reason")
    return answer.result, answer.result_info or _Info()


def read(body: bytes) -> Page:
    """One page of models."""
    return read_rows(_answer(body)[0], Row, listing, notice=notice)


def notice(row: Row) -> Notice | None:
    """When the model ends. Some are still listed a year after that day (2026-05)."""
    days = (p.value for p in row.properties or () if p.property_id == "planned_deprecation_date")
    return notice_of(ends_on=next(days, ABSENT))


def listing(row: Row, ignored: Counter[str]) -> Listing:
    """The listing of one model. A zero means that the price is not set yet."""
    for item in row.properties or ():
        if item.property_id != "price" and may_hold_price(item.property_id, item.value):
            ignored[f"properties.{shorten(item.property_id.encode())}"] += 1
    prices = [
        price
        for item in row.properties or ()
        if item.property_id == "price"
        for price in nested(item.value, list[_Price], "price", ignored) or ()
    ]
    if not prices:
        return NOT_PUBLISHED
    base = _rates(prices, ignored)
    # A card without the units that no meter counts would bill only a part of the price.
    uncounted = [price.unit for price in prices if UNITS[price.unit] is None]
    if uncounted == [_WEBSOCKET] and base.get(Meter.SECOND):
        ignored[f"price.{_WEBSOCKET}"] += 1
    elif uncounted:
        return Unpriced(Why.NOT_PER_TOKEN, f"priced {', '.join(uncounted)}")
    zero = Unpriced(Why.NOT_PUBLISHED, "listed at zero, with nothing that says it is free")
    return as_listing(base, zero)


def _rates(prices: list[_Price], ignored: Counter[str]) -> dict[Meter, Rate]:
    for price in prices:
        if price.unit not in UNITS or price.currency != "USD":
            raise BadAmount(f"price: {price.currency!r} {price.unit!r} is not known")
    return joined(*(rates({one.unit: one.price}, UNITS, ignored, "price") for one in prices))


def _following(body: bytes, count: int) -> Mapping[str, str] | None:
    """The page after a full one; a page that is not full is the last."""
    rows, info = _answer(body)
    if info.page not in (None, count):
        raise Incomplete("result_info", f"page {info.page}, where page {count} was asked for")
    return {"page": str(count + 1)} if len(rows) >= (info.per_page or PER_PAGE) else None


PROVIDER = Provider(
    id="cloudflare-workers-ai",
    name="Cloudflare Workers AI",
    url=(
        "https://api.cloudflare.com/client/v4/accounts/{CLOUDFLARE_ACCOUNT_ID}/ai/models/search"
        f"?per_page={PER_PAGE}&page=1"
    ),
    decode=read,
    following=_following,
    key=Key(("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY")),
    pin=Pin("@cf/openai/gpt-oss-120b", Meter.INPUT, rate="0.35", read_on="2026-05-07"),
    page="https://developers.cloudflare.com/workers-ai/platform/pricing/",
    variables=("CLOUDFLARE_ACCOUNT_ID",),
)
