"""Featherless: thousands of open-weight models, with prices since the summer of 2026.

These are the prices of metered use; a flat plan does not bill tokens. One object has each price
twice, as a string per token and as a number per million. Without pages, the list is 50 MB. A client
with the user agent of a script gets 404 "Gone.", which is not a list. Read 2026-09.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from msgspec import Raw, Struct

from pricing_sync.prices.rates import Listing, Meter, Per
from pricing_sync.sources.listings import Amount
from pricing_sync.sources.price_table import PriceTable
from pricing_sync.sources.provider import Key, Pin, Provider
from pricing_sync.sources.rows import DataList, Page, PricedRow, read_rows
from pricing_sync.sources.strict_json import ABSENT, Incomplete, envelope

PRICES = PriceTable(
    fields={
        "prompt": Amount(Meter.INPUT, Per.ONE),
        "completion": Amount(Meter.OUTPUT, Per.ONE),
        # The same two prices again. If they differ, one unit is not the one used here, and the row
        # is refused.
        "input": Amount(Meter.INPUT, Per.MILLION),
        "output": Amount(Meter.OUTPUT, Per.MILLION),
        "image": Amount(Meter.IMAGE, Per.ONE),
        "request": Amount(Meter.REQUEST, Per.ONE),
    },
)


class Row(PricedRow):
    # A limit of a flat plan, not money.
    concurrency_cost: Raw = ABSENT


class _Pagination(Struct):
    current_page: int
    total_pages: int
    total_items: int


class _List(DataList):
    pagination: _Pagination


def read(body: bytes) -> Page:
    """One page. `pagination` is required: only it shows whether the list is whole."""
    answer = envelope(body, _List)
    return read_rows(answer.data, Row, listing, answer.pagination.total_items)


def listing(row: Row, ignored: Counter[str]) -> Listing:
    """The listing of one model. A zero is not a price."""
    return PRICES.listing(row.pricing, ignored)


def _following(body: bytes, count: int) -> Mapping[str, str] | None:
    answer = envelope(body, _List)
    current, last = answer.pagination.current_page, answer.pagination.total_pages
    if current != count:
        raise Incomplete("pagination", f"page {current}, where page {count} was asked for")
    if current >= last:
        return None
    if not answer.data:
        raise Incomplete("data", f"page {current} of {last} is empty")
    return {"page": str(current + 1)}


PROVIDER = Provider(
    id="featherless",
    name="Featherless",
    url="https://api.featherless.ai/v1/models?per_page=1000&page=1&status=active",
    decode=read,
    following=_following,
    key=Key(
        ("FEATHERLESS_API_KEY", "FEATHERLESS_AI_API_KEY", "FEATHERLESSAI_API_KEY"), required=False
    ),
    pin=Pin("moonshotai/Kimi-K3", Meter.INPUT, rate="3", read_on="2026-09-26"),
    page="https://featherless.ai/docs/api-reference-models",
)
