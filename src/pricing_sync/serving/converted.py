"""Prices in another currency, for the formats of tools that have only one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pricing_sync.errors import NoPrice
from pricing_sync.exports.document import LeftOut, Part
from pricing_sync.prices.book import Price
from pricing_sync.prices.exchange import ExchangeRate
from pricing_sync.prices.rates import RateCard
from pricing_sync.store.exchange_rates import ExchangeRateTable


@dataclass(frozen=True, slots=True)
class Converted:
    """Prices in one currency, by the rates of one instant."""

    prices: Sequence[Price]
    #: The rates by which cards were converted, with their days.
    rates: tuple[ExchangeRate, ...] = ()
    #: The models whose cards could not be converted, and why.
    left_out: tuple[LeftOut, ...] = ()


def converted(
    prices: Iterable[Price], currency: str, table: ExchangeRateTable, at: datetime
) -> Converted:
    """These prices with every card in *currency*, by the rates that count at an instant."""
    prices = list(prices)
    cards = [price.listing for price in prices if isinstance(price.listing, RateCard)]
    others = sorted({card.currency for card in cards} - {currency})
    known = table.between([currency, *others], at, at)
    found: dict[str, ExchangeRate | str] = {}
    for other in others:
        try:
            found[other] = known.find(other, currency, at)
        except NoPrice as error:
            found[other] = str(error)
    kept, left_out = [], []
    for price in prices:
        rate = found.get(price.listing.currency) if isinstance(price.listing, RateCard) else None
        try:
            kept.append(price if rate is None else _convert(price, rate))
        except ValueError as error:
            left_out.append(LeftOut(price.provider, price.model, Part.MODEL, str(error)))
    rates = tuple(rate for rate in found.values() if isinstance(rate, ExchangeRate))
    return Converted(kept, rates, tuple(left_out))


def _convert(price: Price, rate: ExchangeRate | str) -> Price:
    """The price with its card converted.

    Raises:
        ValueError: there is no rate, or a rate of the card would round to zero.
    """
    if isinstance(rate, str) or not isinstance(price.listing, RateCard):
        raise ValueError(rate)  # noqa: TRY004  the text says why there is no rate
    return replace(price, listing=rate.convert_card(price.listing))
