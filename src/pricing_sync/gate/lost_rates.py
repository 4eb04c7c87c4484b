"""What a bill pays for a meter that only one of two cards names.

A meter without a rate of its own is billed at the rate of its parent. So a rate that goes, or one
that comes, moves the bill as a changed rate does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from pricing_sync.errors import NoPrice
from pricing_sync.gate.moves import CORE, Move
from pricing_sync.gate.thresholds import Thresholds
from pricing_sync.prices.cost import cost
from pricing_sync.prices.rates import ConditionalRates, Meter, Rate, RateCard, Rates, When
from pricing_sync.prices.usage import PARENTS, Usage

#: A Monday at midnight. Only conditions on hours and weekdays depend on the instant.
_MONDAY = datetime(2026, 1, 5)  # noqa: DTZ001  in the time zone of the condition


@dataclass(frozen=True, slots=True)
class LostRate:
    """A rate that the old card names and the new one does not, and what is billed instead."""

    #: None for the base rate.
    when: When | None
    meter: Meter
    old: Rate
    #: None when the meter, or the service tier, has no price any more.
    billed: Rate | None

    def exceeds(self, factor: float) -> bool:
        """Whether the bill rises or falls by more than *factor*."""
        if not self.old or not self.billed:
            return self.billed is not None
        return Move(self.when, self.meter, self.old, self.billed).exceeds(factor, factor)

    def __str__(self) -> str:
        where = "" if self.when is None else " (under a condition)"
        instead = "no price" if self.billed is None else f"billed at {self.billed}"
        return f"{self.old} to none, {instead}{where}"


def lost_rates(old: RateCard, new: RateCard) -> list[LostRate]:
    """The rates that went and that change the bill.

    Base rates of input and output are left out: without them a card has no price at all.
    """
    if old.currency != new.currency or _names_no_less(new, old):
        return []
    kept = {(when, meter) for when, meter, _ in new.every_rate()}
    return [
        lost
        for when, meter, rate in old.every_rate()
        if (when, meter) not in kept and (when is not None or meter not in CORE)
        for lost in (LostRate(when, meter, rate, billed(new, when, meter)),)
        if lost.billed != billed(old, when, meter)
    ]


def new_rates(old: RateCard, new: RateCard) -> Iterator[Move]:
    """The rates that came, each with the rate that would be billed without it.

    That is the rate of the parent, or the base rate. How far those moved is another question.
    """
    if _names_no_less(old, new):
        return
    known = {(when, meter) for when, meter, _ in old.every_rate()}
    for when, meter, rate in new.every_rate():
        if (when, meter) not in known and billed(old, when, meter) is not None:
            before = billed(_without(new, when, meter), when, meter)
            if before is not None:
                yield Move(when, meter, before, rate)


def _names_no_less(one: RateCard, other: RateCard) -> bool:
    """Whether it is plain that one card names every rate that another one has."""
    return not other.conditional_rates and other.rates.keys() <= one.rates.keys()


def _without(card: RateCard, when: When | None, meter: Meter) -> RateCard:
    """The card without one rate."""

    def others(of: When | None, rates: Rates) -> Rates:
        return {known: rate for known, rate in rates.items() if (of, known) != (when, meter)}

    left = tuple(ConditionalRates(c.when, others(c.when, c.rates)) for c in card.conditional_rates)
    # A card names at least one rate. A rate without another one has nothing to be compared with.
    rates = others(None, card.rates)
    return RateCard(rates, left, card.currency) if rates else card


def billed(card: RateCard, when: When | None, meter: Meter) -> Rate | None:
    """The rate that *card* bills for *meter* under a condition; None when it has no price."""
    condition = when or When()
    # As many units as the condition needs, all of them of this meter: its parents cost nothing.
    quantity = max(condition.min_input_tokens or 0, 1)
    used = {Meter.INPUT: condition.min_input_tokens or 0, meter: quantity}
    parent = PARENTS.get(meter)
    while parent is not None:
        used[parent] = quantity
        parent = PARENTS.get(parent)
    base = RateCard(card.rates, (), card.currency) if when is None and card.rates else card
    usage = Usage(
        **{name.value: number for name, number in used.items()},
        service_tier=condition.service_tier,
        region=condition.region,
    )
    try:
        items = cost(base, usage, _instant(condition)).items
    except (NoPrice, ValueError, OSError, LookupError):
        return None
    return next((item.rate for item in items if item.meter is meter), None)


def _instant(when: When) -> datetime:
    """An instant at which the hours and weekdays of a condition hold."""
    start = when.hours[0] % 1440 if when.hours else 0
    day = min(when.weekdays, default=1) if when.weekdays else 1
    local = _MONDAY + timedelta(days=day - 1, minutes=start)
    return local.replace(tzinfo=UTC if when.time_zone == "UTC" else ZoneInfo(when.time_zone))


def has_parts(card: RateCard) -> bool:
    """Whether the card names a rate besides its base rates of input and output."""
    return bool(card.conditional_rates) or not card.rates.keys() <= set(CORE)


def stays(old: RateCard, new: RateCard, t: Thresholds) -> bool:
    """Whether input and output stay as they were: then only the lost rate is different."""
    core = ((old.rates.get(meter), new.rates.get(meter)) for meter in CORE)
    return not any(
        not before or abs(after - before) >= t.notice_share * before
        for before, after in core
        if after is not None and after != before
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """How many models lost a rate in one reading: rows of the list, and families of them."""

    rows: int = 0
    #: Those of cards that stay the same otherwise.
    alone_rows: int = 0
    alone_families: int = 0
    #: All models that had a price above zero, and those that had a rate to lose.
    priced: int = 0
    with_parts: int | None = None

    def is_mass(self, t: Thresholds) -> bool:
        """Whether more models lost a rate than sellers drop on one day."""
        few = self.alone_rows >= t.same_factor_few_models
        share = t.wide_mass_share * self.priced
        if self.with_parts is not None:
            share = min(share, t.mass_share * self.with_parts)
        return (
            self.alone_families >= t.gone_models
            or (few and self.alone_rows >= share)
            or (self.rows >= t.gone_models and self.rows >= t.gone_share * self.priced)
        )

    def __str__(self) -> str:
        return f"{self.rows} of {self.priced} models lost a rate"


def survey_losses(
    lost: Mapping[str, bool], families: Mapping[str, str], priced: int, with_parts: int | None
) -> Losses:
    """The losses of a reading: by model that lost a rate, whether its card stays otherwise."""
    alone = [model for model, is_alone in lost.items() if is_alone]
    return Losses(
        rows=len(lost),
        alone_rows=len(alone),
        alone_families=len({families[model] for model in alone}),
        priced=priced,
        with_parts=with_parts,
    )
