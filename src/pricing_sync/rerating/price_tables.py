"""What is charged, as the tables that each row of usage is joined to, each by a unique key.

`models` has the models, tiers and regions. `buckets` has parts of their time: in each of them a few
instants and a few ranges of input tokens that a row is compared with. They give the id of a row in
`cells`, which has what is charged. `exchange` has an exchange rate for each currency and day.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple, TypeAlias

from pricing_sync.errors import NoPrice
from pricing_sync.prices.book import PriceBook
from pricing_sync.prices.card_json import write_instant
from pricing_sync.prices.exchange import ExchangeRates
from pricing_sync.prices.rates import Meter
from pricing_sync.rerating.price_cells import Cell, Instead, Traffic, cells
from pricing_sync.serving.duck import create_table

DAY_MICROS = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: A model with more spans than this is joined day by day, so that no row is compared with many.
_MOST_SPANS = 16
#: Beyond any instant, any count and any span.
_END = 2**62

#: The exchange rates of some currencies between two instants.
FindRates: TypeAlias = Callable[[Sequence[str], datetime, datetime], ExchangeRates]


@dataclass(frozen=True, kw_only=True)
class Prices:
    """By which prices usage is priced."""

    #: The prices of the time from an instant on.
    book_since: Callable[[datetime], PriceBook]
    #: The id of a provider by any of its names.
    provider_id: Callable[[str], str]
    exchange_rates: FindRates
    #: Also in this currency.
    currency: str | None = None
    instead: Instead = field(default_factory=dict)


class Shape(NamedTuple):
    """How many columns `buckets` has to compare a row with."""

    #: The most instants at which cells begin within a bucket.
    edges: int
    #: The most ranges of input tokens, without the first, which begins at zero.
    lows: int


def create_price_tables(
    connection: Any, used: Sequence[Traffic], meters: Sequence[Meter], prices: Prices, since: str
) -> Shape:
    """The prices of this usage. The type *since* is what `price_since` is written as."""
    rows = _Rows(meters)
    if used:
        book = prices.book_since(min(traffic.first for traffic in used))
        for traffic in used:
            rows.add(traffic, [*_cells(book, traffic, prices)])
    shape = Shape(
        max((len(bucket.edges) for bucket in rows.buckets), default=0),
        max((len(bucket.lows) for bucket in rows.buckets), default=0),
    )
    create_table(connection, "models", _MODEL_COLUMNS, rows.models)
    create_table(
        connection, "buckets", _bucket_columns(shape), [_padded(b, shape) for b in rows.buckets]
    )
    rates = {f"rate_{meter}": "BIGINT" for meter in meters}
    create_table(connection, "cells", {**_CELL_COLUMNS, "price_since": since, **rates}, rows.cells)
    exchange = [*_exchange(rows.currencies, used, prices)]
    create_table(connection, "exchange", _EXCHANGE_COLUMNS, exchange)
    return shape


_MODEL_COLUMNS = {
    "id": "BIGINT",
    **dict.fromkeys(("provider", "model", "service_tier", "region"), "VARCHAR"),
    "width": "BIGINT",
}
_CELL_COLUMNS = {
    "id": "BIGINT",
    "first_low": "BIGINT",
    "price_since": "VARCHAR",
    "price_currency": "VARCHAR",
    "of_tier": "BOOLEAN",
    "no_price": "VARCHAR",
}
_EXCHANGE_COLUMNS = {
    "price_currency": "VARCHAR",
    "day": "BIGINT",
    "numerator": "HUGEINT",
    "denominator": "HUGEINT",
    "exchange": "VARCHAR",
}


def _cells(book: PriceBook, traffic: Traffic, prices: Prices) -> Iterator[Cell]:
    if not traffic.provider or not traffic.model:
        missing = "provider" if not traffic.provider else "model"
        yield Cell(traffic.first, 0, None, None, None, f"the row has no {missing}")
    else:
        named = traffic._replace(provider=prices.provider_id(traffic.provider))
        yield from cells(book, named, prices.instead)


class _Bucket(NamedTuple):
    """A part of the time of a model, and the cells in it."""

    model_id: int
    number: int
    #: The id of the first of its cells.
    first_cell: int
    #: The instants in it at which other cells begin, ascending.
    edges: Sequence[int]
    #: The least input of each range of input tokens but the first, ascending.
    lows: Sequence[int]


class _Rows:
    """The rows of the tables."""

    def __init__(self, meters: Sequence[Meter]) -> None:
        self._meters = meters
        self.models: list[tuple[Any, ...]] = []
        self.buckets: list[_Bucket] = []
        self.cells: list[tuple[Any, ...]] = []
        self.currencies: set[str] = set()

    def add(self, traffic: Traffic, found: Sequence[Cell]) -> None:
        """The model, and a cell for each of its spans and each range of input of any of them."""
        first_cell = len(self.cells)
        lows = sorted({cell.min_input for cell in found})
        self.currencies.update(cell.currency for cell in found if cell.currency)
        begins = []
        for begin, span in groupby(found, key=lambda cell: cell.since):
            begins.append(_micros(begin))
            self._add_span({cell.min_input: cell for cell in span}, lows)
        width = DAY_MICROS if len(begins) > _MOST_SPANS else _END
        key = (traffic.provider, traffic.model, traffic.service_tier, traffic.region)
        for number in range(begins[0] // width, _micros(traffic.last) // width + 1):
            inside = [at for at in begins[1:] if number * width < at < (number + 1) * width]
            before = bisect_right(begins, max(number * width, begins[0])) - 1
            first = first_cell + before * len(lows)
            self.buckets.append(_Bucket(len(self.models), number, first, inside, lows[1:]))
        self.models.append((len(self.models), *key, width))

    def _add_span(self, span: dict[int, Cell], lows: Sequence[int]) -> None:
        first_low = min((low for low in span if low), default=None)
        cell = span[0]
        for low in lows:
            cell = span.get(low, cell)
            self.cells.append((len(self.cells), first_low, *self._charged(cell)))

    def _charged(self, cell: Cell) -> Iterator[Any]:
        yield None if cell.price_since is None else write_instant(cell.price_since)
        yield cell.currency
        yield cell.charges is not None and cell.charges.of_tier
        yield cell.reason
        for meter in self._meters:
            charge = None if cell.charges is None else cell.charges[meter]
            yield None if charge is None else int(charge.rate)


def _micros(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND


def _bucket_columns(shape: Shape) -> dict[str, str]:
    names = ["model_id", "number", "first_cell", "ranges"]
    names += [f"edge_{n}" for n in range(shape.edges)]
    names += [f"low_{n}" for n in range(shape.lows)]
    return dict.fromkeys(names, "BIGINT")


def _padded(bucket: _Bucket, shape: Shape) -> list[int]:
    """A row of `buckets`, as long as the longest."""
    edges = [*bucket.edges, *[_END] * (shape.edges - len(bucket.edges))]
    lows = [*bucket.lows, *[_END] * (shape.lows - len(bucket.lows))]
    return [bucket.model_id, bucket.number, bucket.first_cell, len(bucket.lows) + 1, *edges, *lows]


def _exchange(
    currencies: set[str], used: Sequence[Traffic], prices: Prices
) -> Iterator[tuple[Any, ...]]:
    """A rate, or the reason why there is none, for each currency and each day of the usage."""
    if prices.currency is None or not currencies:
        return
    first = min(traffic.first for traffic in used)
    last = max(traffic.last for traffic in used)
    known = prices.exchange_rates([prices.currency, *currencies], first, last)
    for currency in sorted(currencies):
        for day in range(_micros(first) // DAY_MICROS, _micros(last) // DAY_MICROS + 1):
            try:
                rate = known.find(currency, prices.currency, _EPOCH + timedelta(days=day))
            except NoPrice as error:
                yield currency, day, None, None, str(error)
            else:
                yield currency, day, rate.value.numerator, rate.value.denominator, str(rate)
