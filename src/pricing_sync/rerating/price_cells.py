"""The prices of a span of time as cells, within which every request is charged the same.

A cell is a span of time and a range of input tokens. What it charges is worked out by the code of
`cost` itself for one request of the cell, so bulk pricing has no rules of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import gcd
from typing import NamedTuple, TypeAlias

from pricing_sync.errors import NoPrice, SettingsError
from pricing_sync.prices.book import PriceBook
from pricing_sync.prices.cost import request_charges
from pricing_sync.prices.inheritance import Charges
from pricing_sync.prices.overrides import apply_overrides, counting
from pricing_sync.prices.rates import RateCard, Unpriced
from pricing_sync.prices.statements import MeterOverride

#: Since 1972 every offset from UTC has been a multiple of a quarter of an hour. So the conditions
#: of a card begin and end to hold at such instants, if its hours do.
_QUARTER_MINUTES = 15
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: A person's rates that are tried instead of those of the book, by provider and model.
Instead: TypeAlias = Mapping[tuple[str, str], Sequence[MeterOverride]]


class Traffic(NamedTuple):
    """Requests that differ in their quantities and instants only."""

    provider: str
    model: str
    #: Empty if there is none, as the region.
    service_tier: str
    region: str
    #: The instants of the first and of the last of them.
    first: datetime
    last: datetime


class Cell(NamedTuple):
    """What is charged for some of the requests, or the reason why they have no price."""

    #: All its requests are from this instant on, and before the next cell begins.
    since: datetime
    #: All its requests have at least this many input tokens, and fewer than the next such cell.
    min_input: int
    #: From when on the price counts; None without a price.
    price_since: datetime | None
    currency: str | None
    charges: Charges | None
    #: As `cost` says it; None if there are charges.
    reason: str | None


class _Period(NamedTuple):
    since: datetime
    until: datetime | None
    price_since: datetime | None
    #: The card, or the reason why there is none.
    listing: RateCard | str


_Answer: TypeAlias = Charges | str


def cells(book: PriceBook, traffic: Traffic, instead: Instead) -> Iterator[Cell]:
    """The cells of all requests of the traffic, in the order of time.

    Raises:
        SettingsError: a rate that is tried is in another currency than the card.
    """
    for period in _periods(book, traffic, instead):
        if isinstance(period.listing, str):
            yield Cell(period.since, 0, None, None, None, period.listing)
        else:
            yield from _cells_of_card(period.listing, period, traffic)


def _cells_of_card(card: RateCard, period: _Period, traffic: Traffic) -> Iterator[Cell]:
    lows = _lows(card)
    for since, answers in _spans(card, lows, period, traffic):
        for low, answer in zip(lows, answers, strict=True):
            charges, reason = (None, answer) if isinstance(answer, str) else (answer, None)
            yield Cell(since, low, period.price_since, card.currency, charges, reason)


def _lows(card: RateCard) -> list[int]:
    """The smallest input of each range of input tokens that the card tells apart."""
    thresholds = {entry.when.min_input_tokens or 0 for entry in card.conditional_rates}
    return sorted({0} | thresholds)


def _periods(book: PriceBook, traffic: Traffic, instead: Instead) -> Iterator[_Period]:
    provider, model = traffic.provider, traffic.model
    found = [*book.periods(provider, model, traffic.first, traffic.last)]
    ends = [since for since, _ in found[1:]]
    unknown = book.reason_without_price(provider, model) or "not in the price book"
    for (since, price), until in zip(found, [*ends, None], strict=True):
        listing: RateCard | Unpriced | None = price.listing if price else None
        if tried := instead.get((provider, model)):
            listing = _with_rates(listing, tried)
        if isinstance(listing, RateCard):
            yield _Period(since, until, price.since if price else None, listing)
        else:
            reason = f"unpriced: {price.reason}" if price else unknown
            yield _Period(since, until, None, reason)


def _with_rates(listing: RateCard | Unpriced | None, tried: Sequence[MeterOverride]) -> RateCard:
    counts = counting(listing, tried)
    if len(counts) < len(tried):
        one = next(rate for rate in tried if rate not in counts)
        raise SettingsError(
            f"{one.provider}: {one.model}: {one.meter}: the rate to try is not in the currency of"
            " the card, or is given twice"
        )
    return apply_overrides(listing, counts)


def _spans(
    card: RateCard, lows: Sequence[int], period: _Period, traffic: Traffic
) -> Iterator[tuple[datetime, list[_Answer]]]:
    """When a period begins to charge something else, and what, for each low input."""
    last: list[_Answer] = []
    for instant in _instants(card, period, traffic.last):
        answers = [_answer(card, low, instant, traffic) for low in lows]
        if not last or not _is_same(answers, last):
            yield instant, answers
        last = answers


def _is_same(answers: Sequence[_Answer], others: Sequence[_Answer]) -> bool:
    """Charges are compared as objects: they are worked out only as far as they were asked for."""
    return all(
        one == other if isinstance(one, str) else one is other
        for one, other in zip(answers, others, strict=True)
    )


def _answer(card: RateCard, input_tokens: int, at: datetime, traffic: Traffic) -> _Answer:
    try:
        return request_charges(
            card, input_tokens, at, traffic.service_tier or None, traffic.region or None
        )
    except NoPrice as error:
        return str(error)


def _instants(card: RateCard, period: _Period, last: datetime) -> Iterator[datetime]:
    """The instants of a period at which what the card charges may change."""
    yield period.since
    step = _step(card)
    if step is None:
        return
    end = last if period.until is None else min(last, period.until)
    instant = _EPOCH + ((period.since - _EPOCH) // step + 1) * step
    while instant <= end:
        yield instant
        instant += step


def _step(card: RateCard) -> timedelta | None:
    """How far the instants are apart at which a condition may change; None if time has no part."""
    minutes = 0
    for when in (entry.when for entry in card.conditional_rates):
        if when.hours is not None or when.weekdays is not None:
            minutes = gcd(minutes, _QUARTER_MINUTES, *(when.hours or ()))
    return timedelta(minutes=minutes) if minutes else None
