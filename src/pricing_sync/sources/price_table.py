"""A list of prices as a table: where its rows are, and the meter and the unit of each price.

It is for lists with one row for each model, and one object of prices in the row:

    {"data": [{"id": "maker/model", "pricing": {"prompt": "0.000001", "completion": "0.000002"}}]}

A provider whose list has more to it decodes its rows with a function of its own, as all other
modules of `providers` do. That function may leave the prices to a table: see `PriceTable.listing`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import cast

from msgspec import Raw, defstruct, field

from pricing_sync.prices.rates import Listing, Meter, Unpriced
from pricing_sync.sources.listings import NOT_FREE, NOT_PUBLISHED, Fields, as_listing, rates
from pricing_sync.sources.rows import DataList, Page, PricedRow, read_rows
from pricing_sync.sources.strict_json import envelope

__all__ = ["PriceTable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTable:
    """How to read one provider's list."""

    #: The meter and the unit of each key among the prices. None marks a known key that is no rate.
    fields: Fields
    #: The key of the list of rows.
    rows: str = "data"
    #: The keys of a row that hold the model's id and its prices.
    id: str = "id"
    prices: str = "pricing"
    #: What a model is without prices, and what one is whose prices are all zero.
    no_prices: Unpriced = NOT_PUBLISHED
    all_zero: Unpriced = NOT_FREE
    #: The meters whose zero the provider documents as "no price of its own".
    unset: frozenset[Meter] = frozenset()
    #: Whether a zero gives way to the price of another field of the same meter.
    zero_yields: bool = False

    def read(self, body: bytes) -> Page:
        """The whole list. A bad amount makes only its row unreadable.

        Raises:
            Malformed: it is not JSON, or has no list of rows.
        """
        raws = envelope(body, _list(self.rows)).data
        row_kind = _row(self.id, self.prices)
        return read_rows(raws, row_kind, lambda row, ignored: self.listing(row.pricing, ignored))

    def listing(self, prices: Mapping[str, Raw] | None, ignored: Counter[str]) -> Listing:
        """The listing of a row with these prices, if it has any.

        Raises:
            BadAmount: one of them is not a rate, or two state different rates of one meter.
        """
        if not prices:
            return self.no_prices
        published = rates(prices, self.fields, ignored, self.prices, zero_yields=self.zero_yields)
        return as_listing(published, self.all_zero, unset=self.unset)


@cache
def _list(rows_key: str) -> type[DataList]:
    """A `DataList` with another key in JSON."""
    fields = [("data", list[Raw], field(name=rows_key))]
    return cast(type[DataList], defstruct("List", fields, bases=(DataList,)))


@cache
def _row(id_key: str, prices_key: str) -> type[PricedRow]:
    """A `PricedRow` with other keys in JSON."""
    fields = [
        ("id", str, field(name=id_key)),
        ("pricing", dict[str, Raw] | None, field(name=prices_key, default=None)),
    ]
    return cast(type[PricedRow], defstruct("Row", fields, bases=(PricedRow,)))
