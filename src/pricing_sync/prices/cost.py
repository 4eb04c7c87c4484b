"""The cost of a usage by a rate card: exact, itemised, each token charged once.

Sums are whole numbers of 10⁻¹⁵ of the currency, and become a Decimal at the very end. An unknown
rate is an error, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pricing_sync.errors import NoPrice
from pricing_sync.prices.inheritance import TierRates, replace_rates, substitute
from pricing_sync.prices.instants import refuse_naive
from pricing_sync.prices.rates import STANDARD_TIERS, Meter, Rate, RateCard, Rates, When
from pricing_sync.prices.usage import Usage

_STANDARD = STANDARD_TIERS | {None}


class Item(NamedTuple):
    """The cost of one meter's quantity without its subset meters."""

    meter: Meter
    quantity: int
    #: What is charged: `times` the rate of `rate_meter`.
    rate: Rate
    #: The meter that has the rate in the card: `meter` itself, or the one that stands in for it.
    rate_meter: Meter
    times: int = 1
    #: Whether it is the standard rate, because the service tier names none.
    is_standard: bool = False

    @property
    def is_own(self) -> bool:
        """Whether the card names this rate for this meter and service tier."""
        return self.rate_meter == self.meter and not self.is_standard

    @property
    def amount(self) -> Decimal:
        """In the card's currency, exact."""
        return Decimal(f"{self.quantity * self.rate}E-15")


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a usage: the exact total and its items."""

    total: Decimal
    currency: str
    items: tuple[Item, ...]


def cost(card: RateCard, usage: Usage, at: datetime) -> Cost:
    """The cost of *usage* at the rates of *card* at the instant *at*.

    Raises:
        NoPrice: the card has no rate for a meter that was used, or none for the service tier.
        ValueError: *at* has no time zone.
    """
    refuse_naive(at)
    tier: TierRates | None = None
    rates: Rates = card.rates
    if card.conditional_rates or usage.service_tier not in _STANDARD:
        rates, tier = _request_rates(card, usage.input, at, usage.service_tier, usage.region)
    femtos = 0
    items = []
    for meter, quantity in usage.parts:
        rate = rates.get(meter)
        if rate is not None:
            item = Item(meter, quantity, rate, meter)
        else:
            item = _item_without_rate(meter, quantity, rates, tier)
        femtos += quantity * item.rate
        items.append(item)
    return Cost(Decimal(f"{femtos}E-15"), card.currency, tuple(items))


def _item_without_rate(meter: Meter, quantity: int, rates: Rates, tier: TierRates | None) -> Item:
    """The item of a meter for which the card or the tier names no rate."""
    found = tier.find(meter) if tier else substitute(meter, rates)
    if found is None:
        of_tier = " in this service tier" if tier else ""
        raise NoPrice(f"{meter}: {quantity} used, and the card names no rate for it{of_tier}")
    return Item(meter, quantity, found.rate, found.meter, found.times, found.is_standard)


def effective_rates(
    card: RateCard,
    *,
    input_tokens: int,
    at: datetime,
    service_tier: str | None = None,
    region: str | None = None,
) -> dict[Meter, Rate]:
    """The card's rates for one request. Of conditional rates that match, later ones win per meter.

    In a service tier they are the rates that it names, and those that stand in for the others.

    Raises:
        NoPrice: no matching conditional rates name the tier. The standard price does not apply.
        ValueError: *at* has no time zone.
    """
    refuse_naive(at)
    rates, tier = _request_rates(card, input_tokens, at, service_tier, region)
    if tier is None:
        return rates
    found = {meter: tier.find(meter) for meter in {**tier.standard, **tier.named}}
    return {meter: rate.rate for meter, rate in found.items() if rate is not None}


def _request_rates(
    card: RateCard, input_tokens: int, at: datetime, service_tier: str | None, region: str | None
) -> tuple[dict[Meter, Rate], TierRates | None]:
    """The rates that the card names for one request, and those of its service tier, if any."""
    tier = None if service_tier in _STANDARD else service_tier
    standard = dict(card.rates)
    named: dict[Meter, Rate] = {}
    tier_is_named = False
    for conditional in card.conditional_rates:
        when = conditional.when
        if not _matches(when, input_tokens, at, tier, region):
            continue
        if when.service_tier is None:
            replace_rates(standard, conditional.rates)
            for meter in conditional.rates:
                named.pop(meter, None)
        else:
            replace_rates(named, conditional.rates)
            tier_is_named = True
    if tier is None:
        return standard, None
    if not tier_is_named:
        raise NoPrice(f"service tier {tier}: the card names no rates for it")
    return named, TierRates(named, standard)


def _matches(
    when: When, input_tokens: int, at: datetime, tier: str | None, region: str | None
) -> bool:
    if when.min_input_tokens is not None and input_tokens < when.min_input_tokens:
        return False
    if when.service_tier is not None and when.service_tier != tier:
        return False
    if when.region is not None and when.region != region:
        return False
    if when.hours is None and when.weekdays is None:
        return True
    # Converted through UTC, because summer time may skip the local time that *at* names.
    local = at.astimezone(UTC).astimezone(_zone(when.time_zone))
    if when.weekdays is not None and local.isoweekday() not in when.weekdays:
        return False
    return when.hours is None or _is_within(*when.hours, local.hour * 60 + local.minute)


def _is_within(start: int, end: int, minute: int) -> bool:
    """Whether a minute of the day is in the half-open window. Equal ends mean the whole day."""
    start, end = start % 1440, end % 1440
    if start < end:
        return start <= minute < end
    return minute >= start or minute < end


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC  # works even on a machine without a time zone database
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise NoPrice(f"time zone {name!r}: not known here, so neither are the hours") from None
