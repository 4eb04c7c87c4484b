"""Rates are exact, are made with their unit, and refuse values that are no price."""

from __future__ import annotations

import pickle
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_sync.prices.rates import (
    LARGEST_RATE,
    ConditionalRates,
    CurrencyUnit,
    Meter,
    Per,
    Rate,
    RateCard,
    Unpriced,
    Unreadable,
    When,
    Why,
)

NANOS = st.integers(0, LARGEST_RATE)


def test_per_token_and_per_million_name_the_same_rate() -> None:
    """One price has one value, whichever unit it was published in."""
    assert Rate(2_500_000_000) == Rate.of("0.0000025", Per.ONE)
    assert Rate(2_500_000_000) == Rate.of("2.50", Per.MILLION)


@pytest.mark.parametrize(
    ("amount", "per"),
    [
        ("0.0000025", Per.ONE),
        ("0.0025", Per.THOUSAND),
        ("0.025", Per.TEN_THOUSAND),
        ("2.5", Per.MILLION),
        ("250", Per.HUNDRED_MILLION),
    ],
)
def test_units(amount: str, per: Per) -> None:
    """2.50 dollars per million units, in every unit that price lists use."""
    assert Rate(2_500_000_000) == Rate.of(amount, per)


def test_units_of_time() -> None:
    """0.0001 dollars a second is 0.006 a minute and 0.36 an hour."""
    assert Rate(100_000_000_000) == Rate.of("0.0001", Per.ONE)
    assert Rate(100_000_000_000) == Rate.of("0.006", Per.MINUTE)
    assert Rate(100_000_000_000) == Rate.of("0.36", Per.HOUR)


def test_minor_units_of_the_currency() -> None:
    """25,000 ten-thousandths, 250 cents and 2.50 dollars are the same amount."""
    assert Rate(2_500_000_000) == Rate.of("250", Per.MILLION, CurrencyUnit.CENT)
    assert Rate(2_500_000_000) == Rate.of(25_000, Per.MILLION, CurrencyUnit.TEN_THOUSANDTH)


@pytest.mark.parametrize(
    ("amount", "nanos"),
    [
        ("1.4E-15", 1),
        ("1.5E-15", 2),
        ("2.5E-15", 2),
        ("2.500000000000000000001E-15", 3),
        ("3.5E-15", 4),
    ],
)
def test_the_last_digit_is_rounded_half_even(amount: str, nanos: int) -> None:
    """A tie is rounded to the even neighbour, so that rounding many prices has no drift."""
    assert Rate(nanos) == Rate.of(amount, Per.ONE)


def test_a_repeating_decimal_is_rounded_once() -> None:
    """A twelfth of 10⁻⁸ dollars, as OpenRouter writes it."""
    assert Rate(833_333) == Rate.of("0.0000000008333333333333333", Per.ONE)


@pytest.mark.parametrize("amount", ["1e-16", "0.5E-15", Decimal("1E-59")])
def test_finer_than_the_finest_rate_is_refused(amount: str | Decimal) -> None:
    """It would become zero, and zero means free."""
    with pytest.raises(ValueError, match=r"is finer than 10⁻¹⁵ per unit$"):
        Rate.of(amount, Per.ONE)


@pytest.mark.parametrize("amount", [0.18, 0.0, float("nan"), True, False])
def test_floats_and_bools_are_refused(amount: float) -> None:
    """A float is no longer the exact price, and True would be a dollar per token."""
    with pytest.raises(TypeError, match="a price cannot be made from the"):
        Rate.of(amount, Per.ONE)  # type: ignore[arg-type]  # the case


@pytest.mark.parametrize("amount", [2.5, True, "5", Decimal(5), None])
def test_the_constructor_of_a_rate_takes_only_an_int(amount: object) -> None:
    """`int` would truncate 2.5 to 2."""
    with pytest.raises(TypeError, match="a rate cannot be made from the"):
        Rate(amount)  # type: ignore[arg-type]  # the case


@pytest.mark.parametrize(
    "amount",
    [
        "",
        " 1",
        "1 ",
        "1_000",
        "1,000",
        "+1",
        "1.",
        ".5",
        "0x10",
        "１２",
        "١٢",
        "NaN",
        "sNaN",
        "Infinity",
        "-Infinity",
        "free",
        "$1",
        "1e",
        "1e5.0",
        "1\n",
        "1\x00",
        "--1",
        "9" * 5000,
        "0." + "0" * 200 + "1",
    ],
)
def test_text_that_is_not_a_number_is_refused(amount: str) -> None:
    """`Decimal` itself accepts many of these."""
    with pytest.raises(ValueError, match=r"is not a number$|characters$"):
        Rate.of(amount, Per.MILLION)


@pytest.mark.parametrize(
    "amount",
    [
        "1e999999999",
        "1e99999999999999999999",
        "1e-999999999",
        "1e30",
        "-1e30",
        pytest.param(10**5000, id="an int of 5001 digits"),
        Decimal("1E+400"),
        Decimal("1E-400"),
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("-Infinity"),
    ],
)
def test_amounts_that_are_no_money_are_refused(amount: str | int | Decimal) -> None:
    """They are not expanded either: that would fill the memory."""
    with pytest.raises(ValueError, match=r"is not a (plausible amount of money|finite number)$"):
        Rate.of(amount, Per.MILLION)


def test_an_amount_below_zero_is_refused() -> None:
    """Some lists use -1 for a price that varies. It is not a price."""
    for amount in ("-1", -1, Decimal("-0.5"), "-1e-20"):
        with pytest.raises(ValueError, match="is below zero"):
            Rate.of(amount, Per.ONE)


def test_zero_is_zero_however_it_is_written() -> None:
    """Each provider's file decides whether a zero means free."""
    for amount in ("0", "0.000", "-0", "0e5", 0, Decimal("-0.0"), "0e-99999", Decimal("0E+999")):
        assert Rate(0) == Rate.of(amount, Per.ONE)
        assert "0" == str(Rate.of(amount, Per.ONE))


def test_bounds() -> None:
    """A rate fits a signed 64-bit column: up to 9,223,372,036.854775807 per million."""
    assert Rate(LARGEST_RATE) == Rate.of("9223372036.854775807", Per.MILLION)
    for amount in (-1, LARGEST_RATE + 1):
        with pytest.raises(ValueError, match="is outside 0 … 9223372036854775807"):
            Rate(amount)
    with pytest.raises(ValueError, match="is outside 0 …"):
        Rate.of("9223372036.854775808", Per.MILLION)


@pytest.mark.parametrize(
    ("nanos", "text"),
    [
        (0, "0"),
        (1, "0.000000001"),
        (30_000_000, "0.03"),
        (2_500_000_000, "2.5"),
        (100_000_000_000, "100"),
        (LARGEST_RATE, "9223372036.854775807"),
    ],
)
def test_text_is_plain(nanos: int, text: str) -> None:
    """The text is the currency per million, without an exponent and without trailing zeros."""
    assert text == str(Rate(nanos))
    assert Decimal(text) == Rate(nanos).per_million


def test_repr_can_be_pasted() -> None:
    """It is an expression that creates the same rate."""
    assert "Rate(2_500_000_000)" == repr(Rate(2_500_000_000))


@given(NANOS)
def test_per_token_per_thousand_and_per_million_agree(nanos: int) -> None:
    """The same amount in another unit is the same rate."""
    assert Rate(nanos) == Rate.of(Decimal(f"{nanos}E-15"), Per.ONE)
    assert Rate(nanos) == Rate.of(Decimal(f"{nanos}E-12"), Per.THOUSAND)
    assert Rate(nanos) == Rate.of(f"{nanos}E-9", Per.MILLION)


@given(NANOS)
def test_text_round_trip(nanos: int) -> None:
    """The text of a rate is read back as the same rate."""
    assert Rate(nanos) == Rate.of(str(Rate(nanos)), Per.MILLION)


@given(NANOS)
def test_pickle_round_trip(nanos: int) -> None:
    """Rates can be sent to another process."""
    copied = pickle.loads(pickle.dumps(Rate(nanos)))
    assert (Rate, nanos) == (type(copied), int(copied))


@given(NANOS, NANOS)
def test_rates_are_ordered_as_their_amounts(one: int, other: int) -> None:
    """Rates compare like the amounts of money."""
    assert (Rate(one) < Rate(other)) is (Rate(one).per_million < Rate(other).per_million)
    assert (Rate(one) == Rate(other)) is (str(Rate(one)) == str(Rate(other)))


@given(st.text(max_size=30) | st.from_regex(r"[-0-9eE._]{1,30}", fullmatch=True))
def test_any_text_is_a_rate_or_a_value_error(text: str) -> None:
    """Only a text whose digits are all zero gives a rate of zero."""
    try:
        rate = Rate.of(text, Per.ONE)
    except ValueError:
        return
    mantissa = text.lower().partition("e")[0]
    assert (rate == 0) is (not mantissa.strip("-0."))


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"min_input_tokens": -1}, "min_input_tokens -1 is below zero"),
        ({"hours": (0, 1441)}, r"hours \(0, 1441\) are not minutes of a day"),
        ({"hours": (-1, 5)}, r"hours \(-1, 5\) are not minutes of a day"),
        ({"weekdays": frozenset({0})}, r"weekdays \[0\] are not 1 … 7"),
        ({"weekdays": frozenset({8})}, r"weekdays \[8\] are not 1 … 7"),
    ],
)
def test_conditions_that_cannot_hold_are_refused(parts: dict[str, object], why: str) -> None:
    """Such a condition would never match, or would match by accident."""
    with pytest.raises(ValueError, match=why):
        When(**parts)  # type: ignore[arg-type]  # each has one part


def test_a_card_names_at_least_one_rate() -> None:
    """A model without rates is `Unpriced`, not a card without rates."""
    for conditional in ((), (ConditionalRates(When(service_tier="batch"), {}),)):
        with pytest.raises(ValueError, match="a rate card names at least one rate"):
            RateCard({}, conditional)


def test_every_rate_of_a_card() -> None:
    """The base rates without a condition, then the conditional rates, in the card's order."""
    batch = When(service_tier="batch")
    card = RateCard(
        {Meter.OUTPUT: Rate(2), Meter.INPUT: Rate(1)},
        (ConditionalRates(batch, {Meter.INPUT: Rate(0)}),),
    )
    assert [
        (None, Meter.OUTPUT, Rate(2)),
        (None, Meter.INPUT, Rate(1)),
        (batch, Meter.INPUT, Rate(0)),
    ] == card.every_rate()


def test_the_reason_for_no_price_reads_as_a_phrase() -> None:
    """The note, if there is one, follows the reason."""
    assert "varies: a router" == str(Unpriced(Why.VARIES, "a router"))
    assert "withdrawn" == str(Unpriced(Why.WITHDRAWN))
    assert "row 3: junk" == str(Unreadable("row 3: junk"))
