"""Prices and changes as short texts."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, timezone

import pytest

from pricing_sync import texts
from pricing_sync.prices.rates import (
    ConditionalRates,
    Meter,
    Per,
    Rate,
    RateCard,
    Unpriced,
    When,
    Why,
)
from pricing_sync.timetable import Plan, Window


def rate(amount: str) -> Rate:
    return Rate.of(amount, Per.MILLION)


CARD = RateCard({Meter.INPUT: rate("2.5"), Meter.OUTPUT: rate("10")})
BATCH = When(service_tier="batch")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("2.5", "2", "-20 %"),
        ("2", "2.5", "+25 %"),
        ("2", "4", "+100 %"),
        ("2", "1", "-50 %"),
        ("2", "0.98", "x0.49"),
        ("2.5", "2500000", "x1e+06"),
        ("1", "1.0001", "+0.01 %"),
        ("0", "1", ""),
        ("1", "0", ""),
    ],
)
def test_a_ratio_is_a_percentage_up_to_a_factor_of_two(old: str, new: str, expected: str) -> None:
    """Beyond that a factor says more; from or to zero there is none."""
    assert expected == texts.ratio(rate(old), rate(new))


def test_a_change_names_every_rate_that_moved_came_or_went() -> None:
    """The rates under conditions too, and no rate that stayed."""
    new = RateCard(
        {Meter.INPUT: rate("2"), Meter.OUTPUT: rate("10"), Meter.CACHE_READ: rate("0.2")},
        (ConditionalRates(BATCH, {Meter.OUTPUT: rate("5")}),),
    )
    assert [
        "input 2.5 → 2 (-20 %)",
        "cache_read – → 0.2",
        "output – → 5 when service_tier batch",
    ] == list(texts.moved(CARD, new))
    assert "output 5 → – when service_tier batch" in texts.change(new, CARD)


def test_another_currency_is_a_change_though_the_figures_stay() -> None:
    """Ten dollars are not ten yuan."""
    yuan = RateCard(CARD.rates, currency="CNY")
    assert "currency USD → CNY" == texts.change(CARD, yuan)


def test_another_order_of_the_conditions_is_said() -> None:
    """Later ones win, so the order is a part of the price."""
    one = ConditionalRates(BATCH, {Meter.INPUT: rate("1")})
    two = ConditionalRates(When(region="eu"), {Meter.INPUT: rate("3")})
    first, second = RateCard(CARD.rates, (one, two)), RateCard(CARD.rates, (two, one))
    assert "the order of the conditions" == texts.change(first, second)


def test_no_price_and_no_listing_are_not_zero() -> None:
    """Each is said in words."""
    gone = Unpriced(Why.VARIES)
    assert "input 2.5, output 10 → no price (varies)" == texts.change(CARD, gone)
    assert "input 2.5, output 10 → not listed" == texts.change(CARD, None)
    assert "input 2.5, output 10" == texts.change(None, CARD)


def test_conditions_are_written_as_people_write_them() -> None:
    """Hours from one to the other, weekdays one by one."""
    when = When(hours=(990, 30), weekdays=frozenset({6, 7}), time_zone="Asia/Shanghai")
    assert "hours 16:30–00:30, weekdays 6,7, time_zone Asia/Shanghai" == texts.condition(when)


def test_instants_are_in_utc_without_microseconds() -> None:
    """Whatever zone they came in."""
    at = datetime(2026, 11, 25, 1, 2, 3, 456, timezone(timedelta(hours=2)))
    assert "2026-11-24 23:02:03Z" == texts.instant(at)
    assert "2026-11-24 23:02Z" == texts.minute(at)
    assert "2026-11-24" == texts.day(at)
    assert ("", "", "") == (texts.instant(None), texts.minute(None), texts.day(None))
    assert datetime(2026, 11, 24, 23, 2, 3, 456, UTC) == at


@pytest.mark.parametrize(
    ("plan", "shown"),
    [
        (Plan(), "every 6h"),
        (Plan(every=timedelta(days=1, hours=12)), "every 1d12h"),
        (Plan(every=timedelta(seconds=90)), "every 1m30s"),
        (Plan(jitter=timedelta(minutes=5)), "every 6h, jitter 5m"),
        (Plan(cron="0 3 * * *", time_zone="Europe/Berlin"), "cron 0 3 * * *, Europe/Berlin"),
        (
            Plan(window=Window(opens=time(22), closes=time(6)), time_zone="Europe/Berlin"),
            "every 6h, between 22:00-06:00 Europe/Berlin",
        ),
    ],
)
def test_a_plan_without_what_is_as_usual(plan: Plan, shown: str) -> None:
    """A text that no program of ours has stored is shown as it is."""
    assert shown == texts.plan(plan.fingerprint())
    assert "something else" == texts.plan("something else")
