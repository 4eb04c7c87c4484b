"""Prices: meters, rates, conditions, rate cards, and the listings that have no rate card.

Money is a whole number. A `Rate` counts nano-units of its card's currency per million units of
one meter, which is 10⁻¹⁵ of the currency per unit: fine enough for the cheapest token on sale,
and a signed 64-bit integer still holds nine billion dollars per million.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pricing_sync.prices.inheritance import Charges

LARGEST_RATE = 2**63 - 1

# The precision is so large that the only rounding is the last one, to a whole number.
_EXACT = Context(prec=160, rounding=ROUND_HALF_EVEN)
_FEMTO = Decimal(10) ** 15
# An amount with an exponent beyond these is no price, and expanding it would fill the memory.
_LARGEST_EXPONENT, _SMALLEST_EXPONENT = 30, -60
# Decimal itself also accepts "1_000", " 1 ", "NaN" and the digits of other scripts.
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


class Meter(StrEnum):
    """What is counted: tokens, except for the meters of `UNIT_METERS`."""

    INPUT = "input"
    OUTPUT = "output"
    CACHE_READ = "cache_read"
    CACHE_READ_AUDIO = "cache_read_audio"
    CACHE_WRITE = "cache_write"
    CACHE_WRITE_1H = "cache_write_1h"
    REASONING = "reasoning"
    INPUT_AUDIO = "input_audio"
    OUTPUT_AUDIO = "output_audio"
    INPUT_IMAGE = "input_image"
    OUTPUT_IMAGE = "output_image"
    INPUT_VIDEO = "input_video"
    OUTPUT_VIDEO = "output_video"
    #: Whole images, not image tokens.
    IMAGE = "image"
    REQUEST = "request"
    WEB_SEARCH = "web_search"
    CHARACTER = "character"
    SECOND = "second"
    PAGE = "page"


#: The meters that do not count tokens.
UNIT_METERS = frozenset(
    {Meter.IMAGE, Meter.REQUEST, Meter.WEB_SEARCH, Meter.CHARACTER, Meter.SECOND, Meter.PAGE}
)


class Per(IntEnum):
    """How many units of the meter an amount pays for."""

    ONE = 1
    THOUSAND = 1_000
    TEN_THOUSAND = 10_000
    MILLION = 1_000_000
    HUNDRED_MILLION = 100_000_000
    #: For `Meter.SECOND`, when the source lists prices per minute or per hour.
    MINUTE = 60
    HOUR = 3_600


class CurrencyUnit(IntEnum):
    """The unit of an amount: how many of it make one unit of the currency."""

    WHOLE = 1
    CENT = 100
    #: 10⁻⁴ of the currency. Novita lists its prices in this unit.
    TEN_THOUSANDTH = 10_000


class Rate(int):
    """Money for units of one meter: nano-units of the card's currency per million units."""

    __slots__ = ()

    def __new__(cls, nanos_per_million: int) -> Rate:
        """The rate of *nanos_per_million* nano-units per million units.

        Raises:
            TypeError: the number is not an int.
            ValueError: the number is below zero, or does not fit a signed 64-bit integer.
        """
        if type(nanos_per_million) is not int and not isinstance(nanos_per_million, Rate):
            kind = type(nanos_per_million).__name__
            raise TypeError(f"a rate cannot be made from the {kind} {nanos_per_million!r}")
        if not 0 <= nanos_per_million <= LARGEST_RATE:
            raise ValueError(f"{nanos_per_million} is outside 0 … {LARGEST_RATE}")
        return super().__new__(cls, nanos_per_million)

    @classmethod
    def of(
        cls, amount: str | int | Decimal, per: Per, currency_unit: CurrencyUnit = CurrencyUnit.WHOLE
    ) -> Rate:
        """The rate for *amount* per *per* units, rounded to 10⁻¹⁵ per unit (half even).

        *amount* is in *currency_unit*: `CurrencyUnit.CENT` for an amount in cents.

        Raises:
            TypeError: *amount* is a bool, a rate, or a float, which is no longer the exact price.
            ValueError: *amount* is not finite, is below zero, is too large, or is above zero
                and would round to zero.
        """
        if isinstance(amount, (float, bool, Rate)):
            raise TypeError(f"a price cannot be made from the {type(amount).__name__} {amount!r}")
        exact = _decimal(amount)
        whole = _EXACT.divide(_EXACT.multiply(exact, _FEMTO), Decimal(per * currency_unit))
        rate = cls(int(whole.to_integral_value(ROUND_HALF_EVEN)))
        if not rate and exact:
            raise ValueError(f"{amount} is finer than 10⁻¹⁵ per unit")
        return rate

    @property
    def per_million(self) -> Decimal:
        """The currency per million units, exact."""
        return Decimal(f"{int(self)}E-9")

    def __str__(self) -> str:
        """The currency per million units as a plain decimal, without trailing zeros."""
        text = f"{self.per_million:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text

    def __repr__(self) -> str:
        return f"Rate({int(self):_})"


def _decimal(amount: str | int | Decimal) -> Decimal:
    """*amount* as a finite Decimal that is safe to expand."""
    if isinstance(amount, str):
        if len(amount) > 100:
            raise ValueError(f"{amount[:20]!a}… has {len(amount)} characters")
        if not _NUMBER.fullmatch(amount):
            raise ValueError(f"{amount!a} is not a number")
    try:
        exact = Decimal(amount)
    except ArithmeticError:  # an exponent of twenty digits
        raise ValueError(f"{amount} is not a plausible amount of money") from None
    if not exact.is_finite():
        raise ValueError(f"{exact} is not a finite number")
    if exact and not _SMALLEST_EXPONENT < exact.adjusted() < _LARGEST_EXPONENT:
        raise ValueError(f"{exact:.3E} is not a plausible amount of money")
    if exact < 0:
        raise ValueError(f"{amount} is below zero")
    return exact


Rates: TypeAlias = Mapping[Meter, Rate]

#: The service tiers of a request or a response that have a card's base rates.
STANDARD_TIERS = frozenset({"default", "standard"})


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """When conditional rates of a card apply: every part that is not None must match."""

    #: The input tokens of the whole request must be at least this many.
    min_input_tokens: int | None = None
    #: A name that the card declares, such as `batch`, `flex`, `priority` or `fast`.
    service_tier: str | None = None
    #: Minutes since local midnight, half open. May wrap midnight: (1320, 360) is 22:00 to 06:00.
    hours: tuple[int, int] | None = None
    #: ISO weekdays, Monday 1 to Sunday 7, of the instant itself (not of the window's start).
    weekdays: frozenset[int] | None = None
    #: IANA name of the time zone of `hours` and `weekdays`.
    time_zone: str = "UTC"
    region: str | None = None

    def __post_init__(self) -> None:
        if self.min_input_tokens is not None and self.min_input_tokens < 0:
            raise ValueError(f"min_input_tokens {self.min_input_tokens} is below zero")
        if self.hours is not None and not all(0 <= minute <= 1440 for minute in self.hours):
            raise ValueError(f"hours {self.hours} are not minutes of a day")
        if self.weekdays is not None and not self.weekdays <= frozenset(range(1, 8)):
            raise ValueError(f"weekdays {sorted(self.weekdays)} are not 1 … 7")


@dataclass(frozen=True, slots=True)
class ConditionalRates:
    """Rates that replace a card's base rates, meter by meter, when the condition holds."""

    when: When
    rates: Rates


@dataclass(frozen=True, slots=True)
class RateCard:
    """All rates of one model.

    When several conditional rates match, the later ones win per meter. A meter that they do not
    name keeps its base rate. The mappings are never changed after construction.
    """

    rates: Rates
    conditional_rates: tuple[ConditionalRates, ...] = ()
    #: ISO 4217.
    currency: str = "USD"
    #: What `cost` has worked out of the card so far, by the conditional rates that match.
    charges: dict[int, Charges] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.rates and not any(conditional.rates for conditional in self.conditional_rates):
            raise ValueError("a rate card names at least one rate")

    def every_rate(self) -> list[tuple[When | None, Meter, Rate]]:
        """Each rate with its condition (None for the base), in the card's order."""
        base: list[tuple[When | None, Meter, Rate]] = [
            (None, meter, rate) for meter, rate in self.rates.items()
        ]
        return base + [
            (conditional.when, meter, rate)
            for conditional in self.conditional_rates
            for meter, rate in conditional.rates.items()
        ]


class Why(StrEnum):
    """The reason why a listed model has no price."""

    VARIES = "varies"
    NOT_PER_TOKEN = "not_sold_per_token"  # noqa: S105  not a password
    WITHDRAWN = "withdrawn"
    NOT_PUBLISHED = "not_published"


@dataclass(frozen=True, slots=True)
class Unpriced:
    """The provider lists the model and states no fixed price for it."""

    why: Why
    note: str = ""
    #: The card of the zeros that the provider lists, if it lists any. It is the price only of a
    #: model that the settings declare free. It is not stored.
    at_zero: RateCard | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.why}: {self.note}" if self.note else str(self.why)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The provider lists the model in a way that cannot be read reliably: where and why."""

    why: str

    def __str__(self) -> str:
        return self.why


Listing: TypeAlias = RateCard | Unpriced | Unreadable


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A listing with the instant from which it is in force, as its source publishes it."""

    since: datetime
    listing: Listing


class Source(StrEnum):
    """Where a card came from."""

    API = "api"
    CATALOG = "catalog"
    CURATED = "curated"
    OVERRIDE = "override"


@dataclass(frozen=True, slots=True)
class Notice:
    """What a list says about a model beside its price."""

    #: Other names of the model.
    names: tuple[str, ...] = ()
    #: The model that this one is only another name of.
    stands_for: str | None = None
    #: The last day on which it can be had, or the first on which it cannot: lists do not say which.
    ends_on: date | None = None
    deprecated: bool = False
    replaced_by: str | None = None

    @property
    def is_about_end(self) -> bool:
        """Whether it says something about the end of the model."""
        return self.ends_on is not None or self.deprecated or self.replaced_by is not None


@dataclass(frozen=True, slots=True)
class Answer:
    """The listings of one provider's whole answer."""

    listings: Mapping[str, Listing]
    #: Rows without a readable model id: where and why.
    nameless: tuple[str, ...] = ()
    #: Keys of the answer that may hold a price and are not read, and how often each occurs.
    ignored: Mapping[str, int] = field(default_factory=dict)
    #: What is said about models beside their prices, by model.
    notices: Mapping[str, Notice] = field(default_factory=dict)
    #: What is published for later than the reading, by model, the next one first.
    scheduled: Mapping[str, tuple[Scheduled, ...]] = field(default_factory=dict)

    def aliases(self) -> dict[str, str]:
        """The model of each other name. A name of several models, or the id of one, is left out."""
        claims: dict[str, set[str]] = {}
        found: dict[str, str] = {}
        for model, notice in self.notices.items():
            target = notice.stands_for
            if target is not None and target != model and target in self.listings:
                found[model] = target
            for name in notice.names:
                claims.setdefault(name, set()).add(model)
        for name, models in claims.items():
            if name not in self.listings and len(models) == 1:
                found[name] = models.pop()
        return found
