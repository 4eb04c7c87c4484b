"""Exchange rates: which day counts, and exact conversion."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_sync.errors import NoPrice
from pricing_sync.prices.exchange import ExchangeRates
from pricing_sync.prices.rates import ConditionalRates, Meter, Rate, RateCard, When

THURSDAY, FRIDAY = date(2026, 11, 19), date(2026, 11, 20)
RATES = ExchangeRates(
    {
        THURSDAY: {"USD": Decimal("1.25"), "CNY": Decimal("8.0"), "ISK": Decimal(140)},
        FRIDAY: {"USD": Decimal("1.5"), "CNY": Decimal("9.0")},
    }
)


def at(day: date, hour: int = 12) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def test_a_days_rates_count_from_the_next_day_on() -> None:
    """The rates of the evening do not convert the morning of the same day."""
    assert THURSDAY == RATES.find("USD", "CNY", at(FRIDAY, 23)).day
    assert FRIDAY == RATES.find("USD", "CNY", at(FRIDAY + timedelta(days=1), 0)).day


def test_the_day_is_that_of_utc() -> None:
    """Friday evening in New York is Saturday."""
    new_york = timezone(timedelta(hours=-5))
    assert FRIDAY == RATES.find("USD", "CNY", datetime(2026, 11, 20, 20, tzinfo=new_york)).day


def test_a_rate_is_the_exact_quotient() -> None:
    """In both directions, and of the euro itself."""
    monday = at(date(2026, 11, 23))
    assert Fraction(9) / Fraction(3, 2) == RATES.find("USD", "CNY", monday).value
    assert Fraction(1, 6) == RATES.find("CNY", "USD", monday).value
    assert Fraction(2, 3) == RATES.find("USD", "EUR", monday).value
    assert Fraction(9) == RATES.find("EUR", "CNY", monday).value


def test_a_currency_that_a_day_lacks_has_its_last_rate() -> None:
    """Both currencies of one day, never of two."""
    found = RATES.find("ISK", "USD", at(date(2026, 11, 23)))
    assert (THURSDAY, Fraction("1.25") / 140) == (found.day, found.value)


def test_a_currency_in_itself_needs_no_rate() -> None:
    """Also one that nobody publishes."""
    found = ExchangeRates({}).find("XAU", "XAU", at(FRIDAY))
    assert (Fraction(1), None, "1 XAU = 1 XAU") == (found.value, found.day, str(found))


@pytest.mark.parametrize(
    ("source", "target", "day"),
    [
        ("USD", "GBP", date(2026, 11, 23)),
        ("USD", "CNY", THURSDAY),
        ("USD", "CNY", FRIDAY + timedelta(days=8)),
    ],
)
def test_an_amount_without_a_rate_is_not_converted(source: str, target: str, day: date) -> None:
    """An unlisted currency, a day before the first rates, and rates that are too old."""
    with pytest.raises(NoPrice, match=f"{source} to {target}"):
        RATES.find(source, target, at(day))


def test_seven_days_are_not_too_old() -> None:
    """Around Christmas there are five days without rates."""
    assert FRIDAY == RATES.find("USD", "CNY", at(FRIDAY + timedelta(days=7))).day


def test_an_instant_has_a_time_zone() -> None:
    """Without one, the same text is another day elsewhere."""
    with pytest.raises(ValueError, match="has no time zone"):
        RATES.find("USD", "CNY", datetime(2026, 11, 23))  # noqa: DTZ001


@given(st.integers(0, 10**24), st.sampled_from([("USD", "CNY"), ("CNY", "USD"), ("USD", "EUR")]))
def test_an_amount_is_rounded_once(femtos: int, pair: tuple[str, str]) -> None:
    """To the nearest 10⁻¹⁵, whatever the precision of the host's decimals."""
    rate = RATES.find(*pair, at(date(2026, 11, 23)))
    with localcontext(prec=3):
        converted = rate.convert(Decimal(f"{femtos}E-15"))
    error = abs(Fraction(converted) * 10**15 - femtos * rate.value)
    assert error <= Fraction(1, 2)
    assert (Fraction(converted) * 10**15).denominator == 1


def test_a_card_is_converted_rate_by_rate() -> None:
    """Its conditional rates too; the conditions stay."""
    batch = When(service_tier="batch")
    card = RateCard(
        {Meter.INPUT: Rate(2_500_000_000), Meter.REQUEST: Rate(0)},
        (ConditionalRates(batch, {Meter.INPUT: Rate(1)}),),
    )
    converted = RATES.find("USD", "CNY", at(date(2026, 11, 23))).convert_card(card)
    assert "CNY" == converted.currency
    assert {Meter.INPUT: Rate(15_000_000_000), Meter.REQUEST: Rate(0)} == converted.rates
    assert (ConditionalRates(batch, {Meter.INPUT: Rate(6)}),) == converted.conditional_rates


def test_a_price_does_not_become_zero() -> None:
    """A rate too fine for the other currency is refused, as at any other door."""
    card = RateCard({Meter.INPUT: Rate(1)}, (), "CNY")
    with pytest.raises(ValueError, match=r"input: .* CNY is finer"):
        RATES.find("CNY", "USD", at(date(2026, 11, 23))).convert_card(card)


def test_a_card_in_another_currency_is_refused() -> None:
    """A dollar is not divided by yuan."""
    with pytest.raises(ValueError, match="converts CNY, not USD"):
        RATES.find("CNY", "USD", at(date(2026, 11, 23))).convert_card(
            RateCard({Meter.INPUT: Rate(1)})
        )
