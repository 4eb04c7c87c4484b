"""The cost of a usage by a rate card: exact, itemised, each token charged once.

Sums are whole numbers of 10⁻¹⁵ of the currency, and become a Decimal at the very end. An unknown
rate is an error, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo

from pricing_sync.errors import NoPrice
from pricing_sync.prices.rates import Meter, Rate, RateCard, Rates, When
from pricing_sync.prices.usage import PARENTS, Usage

#: The service tiers of a response that have a card's base rates.
_STANDARD = (None, "default", "standard")


@dataclass(frozen=True, slots=True)
class Item:
    """The cost of one meter's quantity without its subset meters."""

    meter: Meter
    quantity: int
    rate: Rate
    #: The meter that has the rate in the card: `meter` itself, or its nearest parent.
    rate_meter: Meter

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
    if at.utcoffset() is None:
        raise ValueError(f"{at} has no time zone")
    if card.conditional_rates or usage.service_tier not in _STANDARD:
        rates: Rates = effective_rates(
            card,
            input_tokens=usage.input,
            at=at,
            service_tier=usage.service_tier,
            region=usage.region,
        )
    else:
        rates = card.rates
    femtos = 0
    items = []
    for meter, quantity in usage.parts:
        rate_meter, rate = meter, rates.get(meter)
        if rate is None:
            rate_meter, rate = _inherited(meter, quantity, rates)
        femtos += quantity * rate
        items.append(Item(meter, quantity, rate, rate_meter))
    return Cost(Decimal(f"{femtos}E-15"), card.currency, tuple(items))


def _inherited(meter: Meter, quantity: int, rates: Rates) -> tuple[Meter, Rate]:
    """The nearest parent of *meter* that has a rate, and that rate."""
    parent = PARENTS.get(meter)
    while parent is not None:
        if parent in rates:
            return parent, rates[parent]
        parent = PARENTS.get(parent)
    raise NoPrice(f"{meter}: {quantity} used, and the card names no rate for it")


def effective_rates(
    card: RateCard,
    *,
    input_tokens: int,
    at: datetime,
    service_tier: str | None = None,
    region: str | None = None,
) -> dict[Meter, Rate]:
    """The card's rates for one request. Of conditional rates that match, later ones win per meter.

    Raises:
        NoPrice: no matching conditional rates name the tier. The standard price does not apply.
        ValueError: *at* has no time zone.
    """
    if at.utcoffset() is None:
        raise ValueError(f"{at} has no time zone")
    tier = None if service_tier in _STANDARD else service_tier
    tier_is_named = tier is None
    rates = dict(card.rates)
    for conditional in card.conditional_rates:
        when = conditional.when
        if _matches(when, input_tokens, at, tier, region):
            rates.update(conditional.rates)
            tier_is_named = tier_is_named or when.service_tier == tier
    if not tier_is_named:
        raise NoPrice(f"service tier {tier}: the card names no rates for it")
    return rates


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
