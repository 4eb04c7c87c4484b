"""Chutes: numbers of US dollars per million, in fields that elsewhere hold prices per token.

Until some time in 2025 one `price` covered input and output tokens, in dollars and in TAO, which
is another currency. Read 2026-10.
"""

from __future__ import annotations

from collections import Counter

from msgspec import Raw

from pricing_sync.prices.rates import Listing, Meter, Per, Unpriced, Why
from pricing_sync.sources.listings import Amount
from pricing_sync.sources.price_table import PriceTable
from pricing_sync.sources.provider import Key, Pin, Provider
from pricing_sync.sources.rows import Page, PricedRow, read_data
from pricing_sync.sources.strict_json import ABSENT, BadAmount, number

PRICES = PriceTable(
    fields={
        "prompt": Amount(Meter.INPUT, Per.MILLION),
        "completion": Amount(Meter.OUTPUT, Per.MILLION),
        "input_cache_read": Amount(Meter.CACHE_READ, Per.MILLION),
    },
    # Zero is listed during a trial and is not a price.
    all_zero=Unpriced(Why.NOT_PUBLISHED, "listed at zero: free or on trial"),
)


class Row(PricedRow):
    price: dict[str, Raw] | None = None


def read(body: bytes) -> Page:
    """The whole list."""
    return read_data(body, Row, listing)


def listing(row: Row, ignored: Counter[str]) -> Listing:
    """The listing of one model."""
    if not row.pricing:
        return _blended(row)
    for key in PRICES.fields:
        if bytes(row.pricing.get(key, ABSENT)).startswith(b'"'):
            raise BadAmount(f"pricing.{key}: a string, as prices per token are elsewhere")
    return PRICES.listing(row.pricing, ignored)


def _blended(row: Row) -> Unpriced:
    """No rates: the older `price` does not state whether it is for input or output."""
    usd = number((row.price or {}).get("usd", ABSENT), "price.usd")
    if usd == 0:
        return PRICES.all_zero
    why = "" if usd is None else "one blended price, of no meter in particular"
    return Unpriced(Why.NOT_PUBLISHED, why)


PROVIDER = Provider(
    id="chutes",
    name="Chutes",
    url="https://llm.chutes.ai/v1/models",
    decode=read,
    key=Key(("CHUTES_API_KEY",), required=False),
    pin=Pin("deepseek-ai/DeepSeek-V3.2-TEE", Meter.INPUT, rate="0.28", read_on="2026-05-14"),
    page="https://chutes.ai/pricing",
)
