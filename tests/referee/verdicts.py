"""The outcome of each comparison: which class it belongs to, counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from pricing_sync.errors import NoPrice
from pricing_sync.prices.cost import cost
from pricing_sync.prices.rates import RateCard
from pricing_sync.prices.usage import Usage

EQUAL = "equal"
ROUNDED = "equal but for digits past 10⁻¹⁵ per unit"
BOTH_REFUSE = "both refuse"
THEY_REFUSE = "they refuse, we price"
#: Anthropic's rule is 2 times input (`prices/inheritance.py`), 1.6 times a five-minute write.
HOUR_WRITES = "theirs: one-hour writes without a rate are billed as five-minute ones"
#: The class of a difference that no rule explains. One such case makes the referee fail.
UNEXPLAINED = "UNEXPLAINED"


@dataclass(slots=True)
class Verdicts:
    """The classes of one peer's cases, each with its number and its first examples."""

    peer: str
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    #: How many models there are, and how many of them the sample leaves out.
    models: int = 0
    left_out: int = 0

    def add(self, verdict: str, example: str) -> None:
        """Count a case."""
        self.counts[verdict] += 1
        shown = self.examples.setdefault(verdict, [])
        if len(shown) < (20 if verdict.startswith(UNEXPLAINED) else 1):
            shown.append(example)

    def lines(self) -> list[str]:
        """The table, largest class first, then the cases that no rule explains."""
        total = sum(self.counts.values())
        found = [f"{self.peer}: {total:,} cases"]
        if self.left_out:
            found.append(f"{self.left_out:>10,}  of {self.models:,} models are left out (--every)")
        for verdict, count in self.counts.most_common():
            found.append(f"{count:>10,}  {verdict}")
            if verdict not in (EQUAL, ROUNDED, BOTH_REFUSE):
                found += [f"{'':12}{example}" for example in self.examples[verdict]]
        return found

    @property
    def unexplained(self) -> int:
        """How many cases differ for no reason that is listed."""
        return sum(n for verdict, n in self.counts.items() if verdict.startswith(UNEXPLAINED))


def our_total(card: RateCard, usage: Usage, at: datetime) -> Decimal | NoPrice:
    """The total of `cost`, or why there is none."""
    try:
        return cost(card, usage, at).total
    except NoPrice as error:
        return error


def units(usage: Usage) -> int:
    """How many units are billed: each may be rounded by half of 10⁻¹⁵."""
    return sum(quantity for _, quantity in usage.parts)
