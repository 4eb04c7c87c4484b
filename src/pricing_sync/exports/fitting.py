"""Reduces a card to what a format can say, by who would lose if a part of it were left out.

- A currency that the format does not have, a fee for each request, or no rate for a meter that the
  format always states: the model is left out.
- A condition that holds without being asked for (long context, hours) and that makes the model
  dearer: the model is left out, because the seller would lose on each such request. One that only
  makes it cheaper is left out: the price that stays is the one without the discount.
- A service tier or region, which a request names: its rates are left out, and the others stay true.
- A meter: its rate is left out, and the others stay true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pricing_sync.exports.document import Part, Source, card_of
from pricing_sync.prices.book import Price
from pricing_sync.prices.inheritance import substitute
from pricing_sync.prices.rates import ConditionalRates, Meter, RateCard, Rates, When

_TOKENS = frozenset({Meter.INPUT, Meter.OUTPUT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What a format can say of a card."""

    meters: frozenset[Meter]
    #: Whether it can say one condition.
    says: Callable[[When], bool]
    #: The meters without which it can say nothing: it would state zero for them.
    needs: frozenset[Meter] = _TOKENS
    #: None: any.
    currency: str | None = "USD"
    #: Whether hours may stand beside other conditions in a card.
    mixes_hours: bool = False


def never(_: When) -> bool:
    """The `says` of formats without conditions."""
    return False


def fit(source: Source, price: Price, abilities: Abilities) -> RateCard | None:
    """The part of the card that the format can say; None if it can say nothing of the model.

    What is left out is added to the report of *source*.
    """
    card = card_of(price)
    why = _unsayable(card, abilities)
    lost = list(_lost_entries(card, abilities))
    if why is None:
        why = next(
            (_name(e.when) + " is dearer" for e in lost if _is_dearer(e, card, abilities)), None
        )
    kept = [entry for entry in card.conditional_rates if entry not in lost]
    rates = _of_meters(card.rates, abilities)
    entries = tuple(
        ConditionalRates(entry.when, _of_meters(entry.rates, abilities))
        for entry in kept
        if not entry.rates or _of_meters(entry.rates, abilities)
    )
    if why is None:
        why = _missing(rates, entries, abilities)
    if why is not None:
        source.leave_out(price, Part.MODEL, why)
        return None
    for name in dict.fromkeys(_name(entry.when) for entry in lost):
        source.leave_out(price, Part.CONDITION, name)
    meters = dict.fromkeys(meter for _, meter, _ in card.every_rate())
    for meter in meters:
        if meter not in abilities.meters:
            source.leave_out(price, Part.METER, meter.value)
    return RateCard(rates, entries, card.currency)


def _unsayable(card: RateCard, abilities: Abilities) -> str | None:
    if abilities.currency not in (None, card.currency):
        return f"the currency is {card.currency}"
    fees = [rate for _, meter, rate in card.every_rate() if meter is Meter.REQUEST]
    if Meter.REQUEST not in abilities.meters and any(fees):
        return "each request costs a fee"
    return None


def _missing(
    rates: Rates, entries: tuple[ConditionalRates, ...], abilities: Abilities
) -> str | None:
    missing = abilities.needs - rates.keys()
    if missing:
        return f"no rate for {' and '.join(sorted(missing))}"
    return None if rates or any(entry.rates for entry in entries) else "no meter of the format"


def _of_meters(rates: Rates, abilities: Abilities) -> Rates:
    return {meter: rate for meter, rate in rates.items() if meter in abilities.meters}


def _lost_entries(card: RateCard, abilities: Abilities) -> Iterator[ConditionalRates]:
    """The entries that cannot be said. A service tier is left out as a whole."""
    entries = card.conditional_rates
    timed = [entry for entry in entries if _is_timed(entry.when)]
    hours_alone = len(timed) == len(entries) and all(e.rates == timed[0].rates for e in timed)

    def is_said(entry: ConditionalRates) -> bool:
        mixed = _is_timed(entry.when) and not (abilities.mixes_hours or hours_alone)
        return abilities.says(entry.when) and not mixed

    lost_tiers = {e.when.service_tier for e in entries if not is_said(e)} - {None}
    for entry in entries:
        if not is_said(entry) or entry.when.service_tier in lost_tiers:
            yield entry


def _is_timed(when: When) -> bool:
    return when.hours is not None or when.weekdays is not None


def _is_dearer(entry: ConditionalRates, card: RateCard, abilities: Abilities) -> bool:
    """Whether requests that meet the condition unasked cost more than the card's base rates."""
    if entry.when.service_tier is not None or entry.when.region is not None:
        return False
    for meter, rate in _of_meters(entry.rates, abilities).items():
        base = card.rates.get(meter)
        found = substitute(meter, card.rates) if base is None else None
        standard = found.rate if found else base
        if standard is None or rate > standard:
            return True
    return False


def _name(when: When) -> str:
    """`long context from 200001, service tier flex`."""
    parts = []
    if when.min_input_tokens is not None:
        parts.append(f"long context from {when.min_input_tokens}")
    if when.service_tier is not None:
        parts.append(f"service tier {when.service_tier}")
    if when.hours is not None:
        start, end = (f"{minute // 60:02}:{minute % 60:02}" for minute in when.hours)
        parts.append(f"hours {start}-{end} {when.time_zone}")
    if when.weekdays is not None:
        parts.append(f"weekdays {' '.join(map(str, sorted(when.weekdays)))} {when.time_zone}")
    if when.region is not None:
        parts.append(f"region {when.region}")
    return ", ".join(parts) or "no condition"
