"""The cost of a usage by a rate card: exact, itemised, each token charged once.

Sums are whole numbers of 10⁻¹⁵ of the currency, and become a Decimal at the very end. An unknown
rate is an error, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, Inexact
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pricing_sync.errors import NoPrice
from pricing_sync.prices.inheritance import Charges, StandardRates, TierRates, replace_rates
from pricing_sync.prices.instants import refuse_naive
from pricing_sync.prices.rates import STANDARD_TIERS, Meter, Rate, RateCard, When
from pricing_sync.prices.usage import Usage

_STANDARD = STANDARD_TIERS | {None}
#: The key of `RateCard.charges` when none of the card's conditional rates match.
_NO_CONDITION = 0
#: One unit at the smallest rate. Multiplied in this context, nothing is ever rounded.
_FEMTO = Decimal("1E-15")
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[Inexact])


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


@dataclass(slots=True, eq=False)
class Cost:
    """The cost of a usage: the exact total, and its items, made when they are asked for.

    Two costs are equal when their totals, currencies and items are.
    """

    total: Decimal
    currency: str
    _parts: tuple[tuple[Meter, int], ...]
    _charges: Charges

    @property
    def items(self) -> tuple[Item, ...]:
        """The cost of each meter that was used, in the order of the meters."""
        return tuple(
            [
                Item(meter, quantity, *charge)
                for meter, quantity in self._parts
                if (charge := self._charges[meter]) is not None  # or `cost` would have raised
            ]
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Cost):
            return NotImplemented
        return (self.total, self.currency, self.items) == (other.total, other.currency, other.items)

    def __hash__(self) -> int:
        return hash((self.total, self.currency))

    def __repr__(self) -> str:
        return f"Cost(total={self.total!r}, currency={self.currency!r}, items={self.items!r})"


def cost(card: RateCard, usage: Usage, at: datetime | None = None) -> Cost:
    """The cost of *usage* at the rates of *card*, at an instant or now.

    Raises:
        NoPrice: the card has no rate for a meter that was used, or none for the service tier.
        ValueError: *at* has no time zone.
    """
    if at is not None and at.utcoffset() is None:
        refuse_naive(at)
    if card.conditional_rates or usage.service_tier is not None:
        now = at or datetime.now(UTC)
        charges = request_charges(card, usage.input, now, usage.service_tier, usage.region)
    else:
        charges = _kept_charges(card, _NO_CONDITION)
    return _bill(card, usage, charges)


def cost_of_requests(card: RateCard, usage: Usage, requests: int, at: datetime) -> Cost:
    """The cost of that many requests, whose usage is added up, as if each had the same input.

    Raises:
        NoPrice, ValueError: as in `cost`.
    """
    refuse_naive(at)
    each = usage.input // requests
    charges = request_charges(card, each, at, usage.service_tier, usage.region)
    return _bill(card, usage, charges)


def _bill(card: RateCard, usage: Usage, charges: Charges) -> Cost:
    femtos = 0
    for meter, quantity in usage.parts:
        charge = charges[meter]
        if charge is None:
            raise _no_rate(meter, quantity, charges)
        femtos += quantity * charge.rate
    return Cost(_EXACT.multiply(femtos, _FEMTO), card.currency, usage.parts, charges)


def _no_rate(meter: Meter, quantity: int, charges: Charges) -> NoPrice:
    of_tier = " in this service tier" if charges.of_tier else ""
    return NoPrice(f"{meter}: {quantity} used, and the card names no rate for it{of_tier}")


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
    return request_charges(card, input_tokens, at, service_tier, region).of_named_meters()


def request_charges(
    card: RateCard, input_tokens: int, at: datetime, service_tier: str | None, region: str | None
) -> Charges:
    """What the card charges for one request. It is worked out once for each set of conditions.

    Requests for which the same conditions hold have the same object.

    Raises:
        NoPrice: as in `effective_rates`, or the time zone of a condition is not known.
    """
    tier = None if service_tier in _STANDARD else service_tier
    matching = _NO_CONDITION
    for place, conditional in enumerate(card.conditional_rates):
        if _matches(conditional.when, input_tokens, at, tier, region):
            matching |= 1 << place
    charges = _kept_charges(card, matching)
    if tier is not None and not charges.of_tier:
        raise NoPrice(f"service tier {tier}: the card names no rates for it")
    return charges


def _kept_charges(card: RateCard, matching: int) -> Charges:
    """What the card charges when these of its conditional rates match: bit *n* is number *n*."""
    kept = card.charges.get(matching)
    return _add_charges(card, matching) if kept is None else kept


def _add_charges(card: RateCard, matching: int) -> Charges:
    standard = dict(card.rates)
    named: dict[Meter, Rate] = {}
    of_tier = False
    for place, conditional in enumerate(card.conditional_rates):
        if not matching >> place & 1:
            continue
        if conditional.when.service_tier is None:
            replace_rates(standard, conditional.rates)
            for meter in conditional.rates:
                named.pop(meter, None)
        else:
            replace_rates(named, conditional.rates)
            of_tier = True
    charges = Charges(TierRates(named, standard) if of_tier else StandardRates(standard))
    card.charges[matching] = charges
    return charges


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
