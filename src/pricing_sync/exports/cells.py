"""A card as complete sets of rates, for formats whose rates do not inherit as ours do.

The rates of each cell are those that `cost` charges: a meter without a rate of its own has the rate
that stands in for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pricing_sync.errors import NoPrice
from pricing_sync.prices.cost import cost, effective_rates
from pricing_sync.prices.inheritance import replace_rates, substitute
from pricing_sync.prices.rates import Meter, Rate, RateCard, Rates, When
from pricing_sync.prices.usage import PARENTS, Usage

# No hours are left in a card when this instant is used.
_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)


class Cell(NamedTuple):
    """The rates of all requests that meet a condition. The first cell has none: the base."""

    when: When
    rates: dict[Meter, Rate]


def cells(card: RateCard, spelled_out: Iterable[Meter] = ()) -> list[Cell]:
    """The cells of a card whose hours, if it has any, are its only conditions.

    They are the base, longer contexts, and each service tier with its longer contexts. The meters
    *spelled_out* are stated even where another's rate stands in, if they are sold at all.
    """
    wanted = [m for m in spelled_out if m not in card.rates and _is_sold(m, card)]
    base = _with_stand_ins(card.rates, wanted)
    if any(entry.when.hours or entry.when.weekdays for entry in card.conditional_rates):
        return [Cell(When(), base), *_timed_cells(card, wanted)]
    found = [Cell(When(), base)]
    named = [*dict.fromkeys([*(meter for _, meter, _ in card.every_rate()), *wanted])]
    thresholds = sorted({e.when.min_input_tokens or 0 for e in card.conditional_rates} | {0})
    for tier in dict.fromkeys([None, *(e.when.service_tier for e in card.conditional_rates)]):
        for tokens in thresholds:
            when = When(service_tier=tier, min_input_tokens=tokens or None)
            rates = _rates(card, when, named) if when != When() else {}
            if rates:
                found.append(Cell(when, rates))
    return found


def _is_sold(meter: Meter, card: RateCard) -> bool:
    """Whether a part is sold: the card names what it is a part of, or what stands in for it."""
    needs = Meter.INPUT_AUDIO if meter is Meter.CACHE_READ_AUDIO else PARENTS[meter]
    return any(meter is needs for _, meter, _ in card.every_rate())


def _with_stand_ins(rates: Rates, wanted: Iterable[Meter]) -> dict[Meter, Rate]:
    """The rates, and those that stand in for the *wanted* meters."""
    return {**rates} | {m: found.rate for m in wanted if (found := substitute(m, rates))}


def _timed_cells(card: RateCard, wanted: Iterable[Meter]) -> list[Cell]:
    found = []
    for entry in card.conditional_rates:
        rates = dict(card.rates)
        replace_rates(rates, entry.rates)
        found.append(Cell(entry.when, _with_stand_ins(rates, wanted)))
    return found


def _rates(card: RateCard, when: When, named: Iterable[Meter]) -> dict[Meter, Rate]:
    tokens = when.min_input_tokens or 0
    try:
        found = effective_rates(
            card, input_tokens=tokens, at=_ANY_TIME, service_tier=when.service_tier
        )
    except NoPrice:
        return {}
    for meter in named:
        if meter not in found and (rate := _charged(card, meter, when)) is not None:
            found[meter] = rate
    return found


def _charged(card: RateCard, meter: Meter, when: When) -> Rate | None:
    """What one unit of a part costs, by whichever rate stands in; None if it has no price."""
    used: dict[str, Any] = {meter.value: 1}
    while meter in PARENTS:
        meter = PARENTS[meter]
        used[meter.value] = 1
    part = next(iter(used))
    used["input"] = max(used.get("input", 0), when.min_input_tokens or 0)
    try:
        items = cost(card, Usage(**used, service_tier=when.service_tier), _ANY_TIME).items
    except NoPrice:
        return None
    item = next(item for item in items if item.meter == part)
    return item.rate
