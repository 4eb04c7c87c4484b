"""What an export is made of, and what comes out: bytes, and what the format could not say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from pricing_sync.prices.book import Price
from pricing_sync.prices.rates import RateCard


class Part(StrEnum):
    """Which part of a price is left out."""

    #: The whole model: the format would state a wrong price for it.
    MODEL = "model"
    #: The rates of a condition, such as a service tier.
    CONDITION = "condition"
    #: The rate of a meter.
    METER = "meter"


class LeftOut(NamedTuple):
    """Something that the format cannot say: of which model, and why."""

    provider: str
    model: str
    part: Part
    why: str


@dataclass(frozen=True, slots=True)
class Export:
    """A document in another tool's format."""

    body: bytes
    #: How many models have a price of ours in it.
    models: int
    left_out: tuple[LeftOut, ...]

    def counts(self) -> Mapping[Part, int]:
        """How much is left out, by part."""
        return Counter(entry.part for entry in self.left_out)


@dataclass(slots=True)
class Source:
    """The prices to write, and the report of what is left out of them."""

    prices: Sequence[Price]
    #: The other tool's own document, where the format is written over one.
    upstream: bytes | None = None
    #: Whether all prices are of one provider, so that a model is named without it.
    is_of_one_provider: bool = False
    left_out: list[LeftOut] = field(default_factory=list)

    def name(self, price: Price) -> str:
        """The name of a model in a format that has no providers."""
        return price.model if self.is_of_one_provider else f"{price.provider}/{price.model}"

    def leave_out(self, price: Price, part: Part, why: str) -> None:
        """Add an entry to the report."""
        self.left_out.append(LeftOut(price.provider, price.model, part, why))

    def export(self, body: bytes, models: int) -> Export:
        """The finished document."""
        return Export(body, models, tuple(self.left_out))


def card_of(price: Price) -> RateCard:
    """The card of a price that has one.

    Raises:
        TypeError: it has none.
    """
    if not isinstance(price.listing, RateCard):
        raise TypeError(f"{price.provider}: {price.model} has no card")
    return price.listing
