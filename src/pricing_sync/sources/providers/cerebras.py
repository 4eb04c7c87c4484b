"""Cerebras: a short public list, with strings of US dollars per token.

The unit depends on the query parameter `format`: `huggingface` has numbers per million under
`input` and `output`. The list that requires a key has no prices. Neither can be mistaken for this
list. None of the lists has cached input, or the enterprise and code plans. Read 2026-08.
"""

from __future__ import annotations

from collections import Counter

from msgspec import Raw

from pricing_sync.prices.rates import Listing, Meter, Per
from pricing_sync.sources.listings import Amount
from pricing_sync.sources.notices import notice_of
from pricing_sync.sources.price_table import PriceTable
from pricing_sync.sources.provider import Pin, Provider
from pricing_sync.sources.rows import Page, PricedRow, read_data, refuse_priceless
from pricing_sync.sources.strict_json import ABSENT, BadAmount

PRICES = PriceTable(
    fields={
        "prompt": Amount(Meter.INPUT, Per.ONE),
        "completion": Amount(Meter.OUTPUT, Per.ONE),
        # Only in the `openrouter` format, where zero is the default and means "not offered".
        "input_cache_read": Amount(Meter.CACHE_READ, Per.ONE),
        "input_cache_write": Amount(Meter.CACHE_WRITE, Per.ONE),
        "request": Amount(Meter.REQUEST, Per.ONE),
    },
    unset=frozenset({Meter.CACHE_READ, Meter.CACHE_WRITE}),
)


class Row(PricedRow):
    # Models marked so are still sold at the listed price.
    deprecated: Raw = ABSENT


def read(body: bytes) -> Page:
    """The whole list. One without any price is the list that requires a key, and is refused."""
    page = read_data(body, Row, listing, notice=lambda row: notice_of(deprecated=row.deprecated))
    return refuse_priceless(page, "no model has a price")


def listing(row: Row, ignored: Counter[str]) -> Listing:
    """The listing of one model. A zero is not a price."""
    for key in ("prompt", "completion"):
        if row.pricing and not bytes(row.pricing.get(key, ABSENT)).startswith(b'"'):
            raise BadAmount(f"pricing.{key}: missing, or not a string as prices per token are")
    return PRICES.listing(row.pricing, ignored)


PROVIDER = Provider(
    id="cerebras",
    name="Cerebras",
    url="https://api.cerebras.ai/public/v1/models",
    decode=read,
    pin=Pin("gpt-oss-120b", Meter.INPUT, rate="0.35", read_on="2026-08-21"),
    page="https://www.cerebras.ai/pricing",
)
