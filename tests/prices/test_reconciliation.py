"""Our costs beside reported ones: ratios, their spread, and the rates behind them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_sync.prices.rates import Meter
from pricing_sync.prices.reconciliation import (
    Compared,
    ImpliedRate,
    Sum,
    least_squares,
    reconcile,
    unpriced_models,
)
from pricing_sync.prices.usage_sums import SumKey, UsageSum

HOUR = datetime(2026, 7, 17, 12, tzinfo=UTC)


def one(
    hour: int,
    used: tuple[int, int],
    cost: str | None,
    reported: str | None,
    *,
    model: str = "m",
    currency: str = "USD",
    reported_currency: str = "USD",
    reason: str | None = None,
    card: str = "card",
) -> Sum:
    """The sum of an hour: 10 requests with so many input and output tokens."""
    return (
        SumKey(
            HOUR + timedelta(hours=hour),
            *("acme", model, card, None, None, 0),
            None if cost is None else currency,
            reason,
            None if reported is None else reported_currency,
        ),
        UsageSum(
            10,
            {Meter.INPUT: used[0], Meter.OUTPUT: used[1]},
            None if cost is None else Decimal(cost),
            None if reported is None else Decimal(reported),
            reason and f"acme: {model}: {reason}",
        ),
    )


def only(sums: Sequence[Sum]) -> Compared:
    (found,) = reconcile(sums).models
    return found


def rates(sums: Sequence[Sum]) -> list[tuple[Meter, Fraction, Fraction, bool]]:
    return [(rate.meter, rate.stored, rate.implied, rate.is_exact) for rate in only(sums).rates]


def test_a_wrong_rate_is_named_with_what_it_should_be() -> None:
    """We bill 2 and 10 dollars per million; the provider has charged 2 and 12."""
    sums = [
        one(0, (10**6, 10**6), "12", "14"),
        one(1, (10**6, 2 * 10**6), "22", "26"),
        one(2, (3 * 10**6, 10**6), "16", "18"),
    ]
    two, ten = Fraction(2), Fraction(10)
    expected = [(Meter.INPUT, two, two, True), (Meter.OUTPUT, ten, Fraction(12), True)]
    assert expected == rates(sums)
    found = only(sums)
    assert (30, 3, Decimal(50), Decimal(58)) == (
        *(found.requests, found.hours, found.cost, found.reported_cost),
    )
    assert (Fraction(58, 50), Fraction(9, 8), Fraction(7, 6), Fraction(13, 11)) == (
        *(found.ratio, found.low, found.median, found.high),
    )


def test_rates_that_the_hours_do_not_determine_are_not_guessed() -> None:
    """Each hour has input and output in the same proportion, or there is only one."""
    assert [] == rates([one(0, (100, 10), "3", "3"), one(1, (200, 20), "6", "7")])
    assert [] == rates([one(0, (100, 10), "3", "4")])


def test_costs_that_are_rounded_give_rates_that_are_near() -> None:
    """They are not exact, and say so."""
    used = [(1_000_003, 17), (10, 999_999), (500_000, 500_000)]
    ours = [2 * a + 10 * b for a, b in used]
    sums = [
        one(n, pair, f"{cost}E-6", f"{round(cost * 1.1)}E-6")
        for n, (pair, cost) in enumerate(zip(used, ours, strict=True))
    ]
    (_, two, implied, is_exact), _ = rates(sums)
    assert two == 2
    assert not is_exact
    assert abs(implied - Fraction("2.2")) < Fraction(1, 10**5)


def test_rates_that_changed_within_a_card_are_not_mixed() -> None:
    """As by the hour of the day: our own costs show it."""
    sums = [
        one(0, (10, 0), "10", "10"),
        one(1, (10, 0), "20", "20"),
        one(2, (10, 10), "40", "40"),
    ]
    assert [] == rates(sums)


def test_cards_are_told_apart() -> None:
    """A new card has rates of its own."""
    used = ((0, (10, 10)), (1, (20, 10)))
    sums = [
        one(hour + shift, pair, f"{price * sum(pair)}", f"{price * sum(pair)}", card=card)
        for card, price, shift in (("old", 1, 0), ("new", 2, 5))
        for hour, pair in used
    ]
    found: dict[str | None, list[ImpliedRate]] = {}
    for rate in only(sums).rates:
        found.setdefault(rate.conditions.card_id, []).append(rate)
    assert {"old": [10**6] * 2, "new": [2 * 10**6] * 2} == {
        card: [rate.implied for rate in of_card] for card, of_card in found.items()
    }


@pytest.mark.parametrize(
    ("cost", "reported", "drifts"),
    [
        ("100", "102", False),
        ("100", "102.0000001", True),
        ("100", "98", False),
        ("100", "97.9", True),
        ("0", "0", False),
        ("0", "0.01", True),
        ("1", "0", True),
    ],
)
def test_a_ratio_beyond_the_setting_drifts(cost: str, reported: str, *, drifts: bool) -> None:
    """In both directions. A cost of zero has no ratio, and a charge beside it is a drift."""
    found = only([one(0, (1, 1), cost, reported)])
    assert drifts is found.drifts(Fraction("0.02"))
    assert (found.ratio is None) is (cost == "0")


def test_what_cannot_be_compared_is_counted() -> None:
    """Requests without a price of ours, and those in another currency; nothing is converted."""
    sums = [
        one(0, (1, 1), None, "5", reason="unknown_model"),
        one(0, (1, 1), "5", "35", reported_currency="CNY"),
        one(0, (1, 1), "5", None),
    ]
    found = reconcile(sums)
    assert ((), ()) == (found.providers, found.models)
    (rest,) = found.not_compared
    assert ("acme", 10, 10) == (rest.provider, rest.without_price, rest.other_currency)


def test_a_provider_has_the_spread_of_its_hours() -> None:
    """Of all its models together."""
    sums = [
        one(0, (1, 1), "50", "50", model="a"),
        one(0, (1, 1), "50", "60", model="b"),
        one(1, (1, 1), "100", "90", model="b"),
    ]
    (found,) = reconcile(sums).providers
    assert (None, Fraction("0.9"), Fraction(1), Fraction("1.1"), 2, 30) == (
        *(found.model, found.low, found.median, found.high, found.hours, found.requests),
    )


def test_models_without_a_price_are_listed_by_their_requests() -> None:
    """With what the provider reported, and the newest reason in words."""
    sums = [
        one(1, (1, 1), None, "2", model="b", reason="unknown_model"),
        one(0, (1, 1), None, None, model="b", reason="unknown_model"),
        one(0, (1, 1), None, "1", model="a", reason="no_rate", reported_currency="EUR"),
        one(0, (1, 1), "1", "1", model="c"),
    ]
    b, a = unpriced_models(sums)
    assert ("b", "unknown_model", 20, HOUR, HOUR + timedelta(hours=1), {"USD": Decimal(2)}) == (
        *(b.model, b.reason, b.requests, b.first, b.last, b.reported),
    )
    assert ("a", {"EUR": Decimal(1)}, "acme: a: no_rate") == (a.model, a.reported, a.detail)
    assert {Meter.INPUT: 2, Meter.OUTPUT: 2} == b.quantities


@given(
    st.lists(st.integers(0, 10**6), min_size=3, max_size=3),
    st.lists(st.lists(st.integers(0, 10**9), min_size=3, max_size=3), min_size=3, max_size=8),
)
def test_least_squares_finds_the_rates_that_made_the_costs(
    unknown: list[int], rows: list[list[int]]
) -> None:
    """Exactly, or nothing when the rows do not determine them."""
    right = [Fraction(sum(a * b for a, b in zip(row, unknown, strict=True)), 10**6) for row in rows]
    found = least_squares(rows, [right])
    assert found is None or [[Fraction(value, 10**6) for value in unknown]] == found


def test_least_squares_is_the_textbooks() -> None:
    """The line through (0, 6), (1, 0), (2, 0): 5 - 3x."""
    rows, right = [[1, 0], [1, 1], [1, 2]], [Fraction(6), Fraction(0), Fraction(0)]
    assert [[Fraction(5), Fraction(-3)]] == least_squares(rows, [right])
    assert least_squares([[1, 2], [2, 4]], [[Fraction(1), Fraction(2)]]) is None
    assert least_squares([], [[]]) == [[]]
