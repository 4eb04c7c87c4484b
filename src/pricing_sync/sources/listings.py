"""From the price fields of a row to its rates, and from rates to a listing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from msgspec import Raw

from pricing_sync.prices.model_ids import is_named_free
from pricing_sync.prices.rates import (
    ConditionalRates,
    CurrencyUnit,
    Listing,
    Meter,
    Per,
    Rate,
    RateCard,
    Rates,
    Unpriced,
    Why,
)
from pricing_sync.prices.usage import PARENTS
from pricing_sync.sources.strict_json import BadAmount, is_named, rate

__all__ = [
    "Amount",
    "rates",
    "without_zeros",
]

#: Meters that a model sells beside something else. A card of these alone prices no request.
_SIDE_METERS = frozenset(
    {
        Meter.CACHE_READ,
        Meter.CACHE_READ_AUDIO,
        Meter.CACHE_WRITE,
        Meter.CACHE_WRITE_1H,
        Meter.REASONING,
        Meter.WEB_SEARCH,
    }
)
#: What a model is that is listed without a price, and one that is listed at zero where a zero is no
#: price.
NOT_PUBLISHED = Unpriced(Why.NOT_PUBLISHED)
NOT_FREE = Unpriced(Why.NOT_PER_TOKEN, "listed at zero, with nothing that says it is free")
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Amount:
    """The meaning of a price field: its meter, and the units and currency unit of its number."""

    meter: Meter
    per: Per
    currency_unit: CurrencyUnit = CurrencyUnit.WHOLE


#: The price fields of one object. None marks a known field that is not a rate.
Fields = Mapping[str, Amount | None]


def rates(
    prices: Mapping[str, Raw],
    fields: Fields,
    ignored: Counter[str],
    where: str = "pricing",
    *,
    zero_yields: bool = False,
) -> dict[Meter, Rate]:
    """The rates in an object of price fields, zeros included.

    Fields that are not in *fields* are counted in *ignored*, so that a new meter is noticed. If
    *zero_yields*, a zero gives way to the price of another field of the same meter.

    Raises:
        BadAmount: a known field is not a rate, or two fields state different rates of one meter.
    """
    found: dict[Meter, Rate] = {}
    for key, raw in prices.items():
        if key not in fields:
            if is_named(raw):
                ignored[f"{where}.{key}"] += 1
            continue
        amount = fields[key]
        published = (
            rate(raw, f"{where}.{key}", amount.per, amount.currency_unit) if amount else None
        )
        if amount is None or published is None:
            continue
        known = found.setdefault(amount.meter, published)
        if zero_yields and not (known and published):
            found[amount.meter] = known or published
        elif known != published:
            raise _priced_twice(f"{where}.{key}", known, published)
    return found


def add_rate(found: dict[Key, Rate], key: Key, published: Rate, where: str) -> None:
    """Add a rate to *found*.

    Raises:
        BadAmount: *found* has another rate under that key.
    """
    if (known := found.setdefault(key, published)) != published:
        raise _priced_twice(where, known, published)


def _priced_twice(where: str, known: Rate, published: Rate) -> BadAmount:
    return BadAmount(f"{where}: priced twice, {published} per million, and elsewhere {known}")


def joined(*sets: Rates) -> dict[Meter, Rate]:
    """One set of rates out of several, read from different keys of one row.

    Raises:
        BadAmount: two of them state different rates of one meter.
    """
    found: dict[Meter, Rate] = {}
    for one in sets:
        for meter, published in one.items():
            if (known := found.setdefault(meter, published)) != published:
                raise _priced_twice(meter, known, published)
    return found


def without_zeros(published: Rates) -> dict[Meter, Rate]:
    """The rates above zero, for sources whose zero means that there is no price."""
    return {meter: rate for meter, rate in published.items() if rate}


def as_said(
    published: Rates, *, unset: Collection[Meter] = (), standard: Rates | None = None
) -> dict[Meter, Rate]:
    """The rates above zero, and the zeros without which a meter would have another rate.

    A cached token listed at zero would be billed like any other token if the zero were left out;
    an output listed at zero would have no price, as for an embedding. *unset* are the meters
    whose zero the source documents as "no price of its own". *standard* are the rates that the
    published ones replace under a condition.
    """
    paid = without_zeros(published)
    others = {**(standard or {}), **paid}
    return {
        meter: rate
        for meter, rate in published.items()
        if rate or (meter not in unset and _would_inherit(meter, others))
    }


def _would_inherit(meter: Meter | None, others: Rates) -> bool:
    while meter is not None:
        if others.get(meter):
            return True
        meter = PARENTS.get(meter)
    return False


def as_listing(
    published: Rates,
    unpriced: Unpriced = NOT_FREE,
    conditional_rates: Sequence[ConditionalRates] = (),
    *,
    currency: str = "USD",
    unset: Collection[Meter] = (),
) -> Listing:
    """The card of the *published* rates; *unpriced* if nothing that the model sells has a price.

    *unpriced* then has the card of zeros that the row states, which is a price only where the
    settings declare the model free.
    """
    base = as_said(published, unset=unset)
    if _sells(base) or any(_sells(conditional.rates) for conditional in conditional_rates):
        return RateCard(base, tuple(conditional_rates), currency)
    if base:
        unpriced = Unpriced(Why.NOT_PER_TOKEN, f"priced only for {', '.join(base)}")
    if all(published.values()):
        return unpriced
    return replace(unpriced, at_zero=RateCard(dict(published), currency=currency))


def free_if_named_so(found: Listing, model: str) -> Listing:
    """*found*, or its zeros for input and output if the id of the model says that it is free."""
    if isinstance(found, Unpriced) and found.at_zero and is_named_free(model):
        listed = found.at_zero.rates
        core = {meter: listed[meter] for meter in (Meter.INPUT, Meter.OUTPUT) if meter in listed}
        return RateCard(core) if core else found
    return found


def _sells(rates: Rates) -> bool:
    return any(rate and meter not in _SIDE_METERS for meter, rate in rates.items())
