"""Exchange rates by day, and the conversion of amounts and cards by them.

Prices stay in their own currency. An amount is converted only when that is asked for, and the
result names the rate and its day.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

from pricing_sync.errors import NoPrice
from pricing_sync.prices.instants import refuse_naive
from pricing_sync.prices.rates import ConditionalRates, Meter, Rate, RateCard, Rates

#: The currency in which the others are quoted.
BASE = "EUR"
#: The longest that published rates count. Easter and Christmas make gaps of five days.
MAX_AGE = timedelta(days=7)
_SHOWN = Context(prec=10, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True)
class ExchangeRate:
    """How many units of *target* one unit of *source* was worth."""

    source: str
    target: str
    #: Exact: the quotient of two published decimals.
    value: Fraction
    #: The day of publication. None for a currency in itself, which needs no publication.
    day: date | None

    def __str__(self) -> str:
        if self.day is None:
            return f"1 {self.source} = 1 {self.target}"
        return f"1 {self.source} = {self.rounded()} {self.target} (ECB, {self.day})"

    def rounded(self) -> Decimal:
        """The rate with ten digits, for people."""
        return _SHOWN.divide(Decimal(self.value.numerator), Decimal(self.value.denominator))

    def convert(self, amount: Decimal) -> Decimal:
        """An amount of *source* in *target*, to 10⁻¹⁵ of it (half even)."""
        return Decimal(f"{round(Fraction(amount) * self.value * 10**15)}E-15")

    def convert_card(self, card: RateCard) -> RateCard:
        """A card in *target*: each rate to 10⁻¹⁵ of it per unit (half even).

        Raises:
            ValueError: the card is in another currency than *source*, or a rate above zero would
                round to zero.
        """
        if card.currency != self.source:
            raise ValueError(f"this rate converts {self.source}, not {card.currency}")
        return RateCard(
            self._convert_rates(card.rates),
            tuple(
                ConditionalRates(entry.when, self._convert_rates(entry.rates))
                for entry in card.conditional_rates
            ),
            self.target,
        )

    def _convert_rates(self, rates: Rates) -> dict[Meter, Rate]:
        converted = {meter: Rate(round(rate * self.value)) for meter, rate in rates.items()}
        for meter, rate in rates.items():
            if rate and not converted[meter]:
                raise ValueError(f"{meter}: {rate} {self.source} is finer than 10⁻¹⁵ {self.target}")
        return converted


class ExchangeRates:
    """Units of each currency per euro, by the day of their publication.

    The rates of a day are published in its afternoon and count from the next day on (UTC), until
    newer ones do: so an amount of one instant converts to the same amount whenever one asks.
    """

    def __init__(self, days: Mapping[date, Mapping[str, Decimal]]) -> None:
        self._per_euro = {day: {**days[day], BASE: Decimal(1)} for day in sorted(days)}
        self._days = list(self._per_euro)

    def find(self, source: str, target: str, at: datetime) -> ExchangeRate:
        """The rate that converts an amount of the instant *at*.

        Raises:
            NoPrice: no rate of the two currencies counts on that day.
            ValueError: *at* has no time zone.
        """
        refuse_naive(at)
        if source == target:
            return ExchangeRate(source, target, Fraction(1), None)
        today = at.astimezone(UTC).date()
        newest = bisect_left(self._days, today)
        for day in reversed(self._days[:newest]):
            if today - day > MAX_AGE:
                break
            rates = self._per_euro[day]
            if source in rates and target in rates:
                value = Fraction(rates[target]) / Fraction(rates[source])
                return ExchangeRate(source, target, value, day)
        raise NoPrice(
            f"no exchange rate of {source} to {target} from the {MAX_AGE.days} days before {today}"
        )
