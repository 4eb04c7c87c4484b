"""Puts faults into the cards of a provider, and counts those that the gate holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from pricing_sync.changes.diff import Change, Kind
from pricing_sync.gate import (
    Context,
    Thresholds,
    judge,
)
from pricing_sync.gate.fates import Fate, fate_of
from pricing_sync.gate.lost_rates import has_parts, lost_rates
from pricing_sync.gate.moves import CORE
from pricing_sync.prices.rates import ConditionalRates, Meter, Rate, RateCard, Rates

Fault = Callable[[RateCard], RateCard | None]


def _times(numerator: int, denominator: int = 1, meters: Sequence[Meter] = tuple(Meter)) -> Fault:
    return partial(_map_rates, partial(_scale, numerator, denominator, frozenset(meters)))


def _scale(numerator: int, denominator: int, meters: frozenset[Meter], rates: Rates) -> Rates:
    return {
        meter: Rate(rate * numerator // denominator) if meter in meters else rate
        for meter, rate in rates.items()
    }


def _swap(rates: Rates) -> Rates:
    into, out = (rates.get(meter) for meter in CORE)
    swapped = dict(rates)
    if into is not None and out is not None:
        swapped |= {Meter.INPUT: out, Meter.OUTPUT: into}
    return swapped


def _map_rates(change: Callable[[Rates], Rates], card: RateCard) -> RateCard | None:
    """The card with *change* applied to all its rates; None when the card stays the same."""
    try:
        faulty = replace(
            card,
            rates=change(card.rates),
            conditional_rates=tuple(
                ConditionalRates(o.when, change(o.rates)) for o in card.conditional_rates
            ),
        )
    except ValueError:  # too large for a rate: the decoder refuses it before the gate
        return None
    return faulty if faulty != card else None


def _lose_parts(card: RateCard) -> RateCard | None:
    """The card with input and output only; None when it has none, or is billed the same without."""
    core = {meter: rate for meter, rate in card.rates.items() if meter in CORE}
    left = replace(card, rates=core, conditional_rates=()) if core else card
    return left if lost_rates(card, left) else None


#: Faults in one card, by name.
FAULTS: Mapping[str, Fault] = {
    "x1e3": _times(1_000),
    "x1e6": _times(1_000_000),
    "x100": _times(100),
    "/1e3": _times(1, 1_000),
    "/1e6": _times(1, 1_000_000),
    "/100": _times(1, 100),
    "swapped": partial(_map_rates, _swap),
    "zero": _times(0),
    "output zero": _times(0, 1, [Meter.OUTPUT]),
    "cache x1e3": _times(1_000, 1, [Meter.CACHE_READ]),
    "x10": _times(10),
    "/10": _times(1, 10),
    "x7.2": _times(72, 10),
    "/7.2": _times(10, 72),
    "cache /10": _times(1, 10, [Meter.CACHE_READ]),
}
#: Faults that only a card can have that was complete before.
LOSSES: Mapping[str, Fault] = {"meters lost": _lose_parts}
#: Faults in all cards of a provider at once, by name.
SWEEPING_FAULTS: Mapping[str, Fault] = {
    "all x0.5": _times(1, 2),
    "all x2": _times(2),
    "all x4": _times(4),
    "all cache /10": _times(1, 10, [Meter.CACHE_READ]),
    "all meters lost": _lose_parts,
}
#: No fault: a maker cuts one model by 80 %, and a list of 345 models has it in five rows.
FAMILY_CUT = "families, no fault"
_FAMILY_ROWS = ("", "-pro", "~latest", ":batch", "-2026-07-01")
_FAMILY_LIST = 345


@dataclass(frozen=True, slots=True)
class Caught:
    """The number of injected faults, and how many of them were held."""

    injected: int = 0
    held: int = 0
    #: The number of held faults that would be released after the waiting time.
    released: int = 0

    def __add__(self, other: Caught) -> Caught:
        return Caught(
            self.injected + other.injected, self.held + other.held, self.released + other.released
        )

    @property
    def share_held(self) -> float:
        """The share of faults that are held and never released, of 1."""
        return (self.held - self.released) / self.injected if self.injected else 1.0

    @property
    def share_held_a_day(self) -> float:
        """The share of faults that are held at first, of 1."""
        return self.held / self.injected if self.injected else 1.0


def inject(
    cards: Mapping[str, RateCard],
    context: Context,
    thresholds: Thresholds | None = None,
    *,
    as_new: bool = False,
) -> dict[str, Caught]:
    """The number of faults that are caught in the cards of one provider, by fault.

    *as_new*: each model is a new model that has the fault from the start.
    """
    t, kind = thresholds or Thresholds(), Kind.ADDED if as_new else Kind.CHANGED
    context = replace(context, with_parts=sum(has_parts(card) for card in cards.values()))
    found: dict[str, Caught] = {}
    for name, fault in (FAULTS if as_new else {**FAULTS, **LOSSES}).items():
        each = (_inject({model: card}, fault, context, t, kind) for model, card in cards.items())
        found[name] = sum(each, Caught())
    for name, fault in SWEEPING_FAULTS.items() if not as_new else ():
        found[name] = _inject(cards, fault, context, t, kind)
    if not as_new:
        wide = replace(context, priced=_FAMILY_LIST)
        each = (_cut_family(model, card, wide, t) for model, card in cards.items())
        found[FAMILY_CUT] = sum(each, Caught())
    return found


def _cut_family(model: str, card: RateCard, context: Context, t: Thresholds) -> Caught:
    rows = {f"{model}{row}": card for row in _FAMILY_ROWS}
    return _inject(rows, _times(1, 5), context, t, Kind.CHANGED)


def _inject(
    cards: Mapping[str, RateCard], fault: Fault, context: Context, t: Thresholds, kind: Kind
) -> Caught:
    changes = [
        Change(model, kind, None if kind is Kind.ADDED else card, faulty)
        for model, card in cards.items()
        if (faulty := fault(card)) is not None
    ]
    verdicts = judge(changes, context, t)
    held = sum(verdict.holds for verdict in verdicts.values())
    fates = [fate_of(change, verdicts[change.model], held, context, t) for change in changes]
    return Caught(len(changes), held, fates.count(Fate.WITHIN_24_H))
