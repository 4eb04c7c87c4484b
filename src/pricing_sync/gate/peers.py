"""What others charge for the same model. Peers hold and release; alone they never approve.

Who is the same model is the caller's business: exact or declared ids, never likeness.
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
    """One price of the model elsewhere."""

    #: Whose word it is in the end: the seller, however many catalogs repeat it.
    lineage: str
    #: Where it was read.
    source: str
    card: RateCard


@dataclass(frozen=True, slots=True)
class Spread:
    """What *count* lineages charge for one meter, in dollars."""

    count: int
    median: Rate
    low: Rate
    high: Rate

    def __str__(self) -> str:
        return f"{self.count} peers, {self.low} … {self.median} … {self.high}"


#: By meter.
Peers: TypeAlias = Mapping[Meter, Spread]


def peers(quotes: Iterable[Quote], thresholds: Thresholds | None = None) -> Peers:
    """The spread of what *quotes* say, each lineage counted once and at its median.

    A quote in another currency than dollars, or with any rate out of bounds, is not believed at
    all: the catalogs carry unit errors themselves (16 chat rows of LiteLLM in one snapshot).
    """
    t = thresholds or Thresholds()
    told: dict[Meter, dict[str, list[Rate]]] = {}
    for quote in quotes:
        if _is_believed(quote.card, t):
            for meter, rate in quote.card.rates.items():
                told.setdefault(meter, {}).setdefault(quote.lineage, []).append(rate)
    return {meter: _spread(by_lineage) for meter, by_lineage in told.items()}


def _is_believed(card: RateCard, t: Thresholds) -> bool:
    return card.currency == "USD" and all(
        low <= rate <= high
        for meter, rate in card.rates.items()
        for low, high in (t.bounds[meter],)
    )


def _spread(by_lineage: Mapping[str, list[Rate]]) -> Spread:
    rates = [median_low(rates) for rates in by_lineage.values()]
    return Spread(len(rates), median_low(rates), min(rates), max(rates))
