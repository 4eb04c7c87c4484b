"""What the gate knows of a reading and of one card, and what it says of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pricing_sync.changes.held import HeldChange
from pricing_sync.gate.lost_rates import LostRate, billed
from pricing_sync.gate.moves import CORE, Move, is_free
from pricing_sync.gate.peers import Peers
from pricing_sync.gate.rules import RULES, Rule
from pricing_sync.gate.thresholds import Bounds, Thresholds
from pricing_sync.prices.rates import Meter, Rate, RateCard, When


@dataclass(frozen=True, slots=True)
class Anchors:
    """The cards in force 7 days ago, or the later ones that a person accepted."""

    days_7: Mapping[str, RateCard] = field(default_factory=dict)
    #: The cards of the last 7 days that had been in force for a day, by model.
    recent: Mapping[str, Sequence[RateCard]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """A move that a person approved in advance, with its exact rates. It passes once."""

    model: str
    meter: Meter
    #: None for a rate that does not exist yet.
    old: Rate | None
    new: Rate
    not_before: datetime
    when: When | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the gate knows about the provider of one reading, besides the changes."""

    provider: str
    at: datetime
    #: The number of models listed before the reading, and of those with a price above zero.
    listed: int
    priced: int
    #: The number of models that had a rate besides input and output; None when it is not known.
    with_parts: int | None = None
    #: Whether nothing of this provider is stored yet. Then only peers are left to compare with.
    first_reading: bool = False
    #: Whether the source is trusted for new models without peers: the provider's own list.
    trusted: bool = True
    #: The declared currency of the provider; None when none is declared.
    currency: str | None = None
    anchors: Anchors = field(default_factory=Anchors)
    #: By model of this provider, without the prices of the provider itself.
    peers: Mapping[str, Peers] = field(default_factory=dict)
    #: Whether the catalogs are too old to have the newest models. Their prices still show the unit
    #: of a list; that they lack a model shows nothing.
    catalogs_are_old: bool = False
    #: The stored cards of the other rows of the same model, by model: see `families.root`.
    siblings: Mapping[str, Sequence[RateCard]] = field(default_factory=dict)
    #: The models whose price may be zero.
    free: frozenset[str] = frozenset()
    announced: tuple[Announced, ...] = ()
    #: The cards that a person read from the provider's page, by model.
    curated: Mapping[str, RateCard] = field(default_factory=dict)
    #: The models whose change waits already and is the same. They are no evidence about the changes
    #: that are new in this reading.
    waiting: Mapping[str, HeldChange] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule that a change breaks, with the meter and a detail."""

    rule: Rule
    #: None when the rule applies to the whole card or the whole reading.
    meter: Meter | None = None
    detail: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.rule, self.meter, self.detail) if part)

    @classmethod
    def of(cls, text: str) -> Reason:
        """The reason that `str` wrote."""
        rule, *rest = text.split(": ", 2)
        meter = Meter(rest[0]) if rest and rest[0] in set(Meter) else None
        return cls(Rule(rule), meter, ": ".join(rest[1:] if meter else rest))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a change is held, and why."""

    reasons: tuple[Reason, ...] = ()
    #: The announcements that match the change or a part of it. They are consumed.
    used: tuple[Announced, ...] = ()

    @property
    def holds(self) -> bool:
        return bool(self.reasons)

    @property
    def is_soft(self) -> bool:
        """Whether the change is held and can release itself: see `may_release`."""
        return self.holds and not any(RULES[reason.rule].hard for reason in self.reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One new card, and all that its rules need."""

    model: str
    #: None when there is no old price to compare with: the model is new, had no price, was free,
    #: or had a price in another currency.
    old: RateCard | None
    new: RateCard
    #: The moves that were not announced.
    moves: Sequence[Move]
    #: The rates that went, and whether the rest of the card stays.
    lost: Sequence[LostRate]
    stays: bool
    peers: Peers
    context: Context
    t: Thresholds

    @property
    def is_new(self) -> bool:
        return self.old is None

    @property
    def siblings(self) -> Sequence[RateCard]:
        """The other rows of the same model that have an input above zero."""
        return [
            card
            for card in self.context.siblings.get(self.model, ())
            if card.currency == self.new.currency and card.rates.get(Meter.INPUT)
        ]

    def is_return(self, when: When | None, meter: Meter) -> bool:
        """Whether the new card has the rate, or the lack of it, of a card of the last days."""
        return any(
            card.currency == self.new.currency
            and billed(card, when, meter) == billed(self.new, when, meter)
            for card in self.context.anchors.recent.get(self.model, ())
        )

    @property
    def has_peers(self) -> bool:
        """Whether input or output can be compared with peers."""
        return any(self.log10_to_peers(meter) is not None for meter in CORE)

    @property
    def may_be_zero(self) -> bool:
        return self.model in self.context.free

    @property
    def is_declared_free(self) -> bool:
        """Whether the card is all zeros, and may be."""
        return self.may_be_zero and is_free(self.new)

    @property
    def units_per_dollar(self) -> int:
        """The approximate units of the card's currency per dollar.

        1 for a currency without bounds: its card is held anyway.
        """
        return self.t.units_per_dollar.get(self.new.currency, 1)

    def is_outside(self, bounds: Bounds, meter: Meter, rate: Rate) -> bool:
        if meter not in bounds or not rate:
            return False
        low, high = bounds[meter]
        return not low <= rate <= high * self.units_per_dollar

    def log10_to_peers(self, meter: Meter) -> float | None:
        """The logarithm of the base rate over the peers' median; None when either is missing."""
        rate, spread = self.new.rates.get(meter), self.peers.get(meter)
        if not rate or spread is None:
            return None
        return math.log10(rate) - math.log10(spread.median * self.units_per_dollar)
