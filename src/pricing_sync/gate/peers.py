"""Prices of the same model elsewhere. Peers can hold and release; alone they never approve.

The caller matches the models: by exact or declared ids, never by similarity.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median_low
from typing import TypeAlias

from pricing_sync.gate.thresholds import Thresholds
from pricing_sync.prices.rates import Meter, Rate, RateCard


@dataclass(frozen=True, slots=True)
class Quote:
    """A price of the same model elsewhere."""

    #: The seller that the price comes from. Many catalogs may repeat its price.
    lineage: str
    #: The ledger or the catalog that the price was read from.
    source: str
    card: RateCard


@dataclass(frozen=True, slots=True)
class Spread:
    """The rates of *count* lineages for one meter, in dollars."""

    count: int
    median: Rate
    low: Rate
    high: Rate

    def __str__(self) -> str:
        return f"{self.count} peers, {self.low} … {self.median} … {self.high}"


#: By meter.
Peers: TypeAlias = Mapping[Meter, Spread]


def peers(quotes: Iterable[Quote], thresholds: Thresholds | None = None) -> Peers:
    """The spread of *quotes* by meter. Each lineage counts once, at its median.

    A quote in another currency than dollars, or with any rate out of bounds, is ignored: the
    catalogs contain unit errors too (16 chat rows of LiteLLM in one snapshot).
    """
    t = thresholds or Thresholds()
    quoted: dict[Meter, dict[str, list[Rate]]] = {}
    for quote in quotes:
        if _is_plausible(quote.card, t):
            for meter, rate in quote.card.rates.items():
                quoted.setdefault(meter, {}).setdefault(quote.lineage, []).append(rate)
    return {meter: _spread(by_lineage) for meter, by_lineage in quoted.items()}


def _is_plausible(card: RateCard, t: Thresholds) -> bool:
    return card.currency == "USD" and all(
        low <= rate <= high
        for meter, rate in card.rates.items()
        for low, high in (t.bounds[meter],)
    )


def _spread(by_lineage: Mapping[str, list[Rate]]) -> Spread:
    rates = [median_low(rates) for rates in by_lineage.values()]
    return Spread(len(rates), median_low(rates), min(rates), max(rates))
