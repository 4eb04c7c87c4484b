"""Usage added up: a sum is priced as its requests are, one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pricing_sync.errors import NoPrice
from pricing_sync.prices.cost import cost, cost_of_requests
from pricing_sync.prices.rates import ConditionalRates, Meter, Rate, RateCard, When
from pricing_sync.prices.usage import Usage
from pricing_sync.prices.usage_sums import (
    SumKey,
    UsageRow,
    UsageSum,
    add_known,
    key_of,
    total_usage,
)

HOUR = datetime(2026, 7, 17, 12, tzinfo=UTC)
RATES = st.integers(0, 10**12).map(Rate)
TIERS = (None, "batch", "flex")
CONDITIONS = st.builds(
    When,
    min_input_tokens=st.sampled_from((None, 200, 500)),
    service_tier=st.sampled_from(TIERS),
    region=st.sampled_from((None, "eu")),
).filter(lambda when: when != When())
METERS = (Meter.INPUT, Meter.OUTPUT, Meter.CACHE_READ, Meter.REASONING, Meter.REQUEST)
NAMED = st.dictionaries(st.sampled_from(METERS), RATES, min_size=1)
CARDS = st.builds(
    RateCard,
    NAMED,
    st.lists(st.builds(ConditionalRates, CONDITIONS, NAMED), max_size=4).map(tuple),
)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    read, thought = draw(st.integers(0, 100)), draw(st.integers(0, 100))
    return Usage(
        input=read + draw(st.integers(1, 800)),
        cache_read=read,
        output=thought + draw(st.integers(0, 800)),
        reasoning=thought,
        request=draw(st.integers(0, 1)),
        service_tier=draw(st.sampled_from((*TIERS, "standard"))),
        region=draw(st.sampled_from((None, "eu"))),
    )


def added(card: RateCard, used: list[Usage]) -> tuple[dict[SumKey, UsageSum], Decimal]:
    """The sums of the requests that have a price, and their cost one by one."""
    sums: dict[SumKey, UsageSum] = {}
    total = Decimal(0)
    for number, usage in enumerate(used):
        row = UsageRow(provider="p", model="m", at=HOUR + timedelta(seconds=number), usage=usage)
        try:
            one = cost(card, usage, row.at).total
        except NoPrice:
            continue
        key = key_of(row, model="m", card_id="c", listing=card, currency="USD", reason=None)
        sums.setdefault(key, UsageSum()).add(UsageSum(1, dict(usage.parts), one))
        total += one
    return sums, total


@given(CARDS, st.lists(usages(), max_size=12))
def test_a_sum_costs_what_its_requests_cost(card: RateCard, used: list[Usage]) -> None:
    """To the last digit, under thresholds, service tiers and regions."""
    sums, total = added(card, used)
    for key, of in sums.items():
        again = cost_of_requests(card, total_usage(key, of), of.requests, key.hour)
        assert of.cost == again.total
    assert total == sum((of.cost or Decimal(0) for of in sums.values()), Decimal(0))


def key(usage: Usage, card: RateCard, at: datetime = HOUR) -> SumKey:
    row = UsageRow(provider="p", model="m", at=at, usage=usage)
    return key_of(row, model="m", card_id="c", listing=card, currency="USD", reason=None)


def test_requests_of_one_hour_under_the_same_conditions_are_one_sum() -> None:
    """The standard tier has three names, and an hour begins in UTC."""
    card = RateCard({Meter.INPUT: Rate(5)})
    berlin = datetime.fromisoformat("2026-07-17T14:59:59.5+02:00")
    same = {key(Usage(input=3, service_tier=tier), card) for tier in (None, "default", "standard")}
    assert {key(Usage(input=9), card, berlin)} == same


def test_the_threshold_that_is_reached_is_part_of_the_key() -> None:
    """At or above it, as conditions are."""
    long = (200, 500)
    rates = tuple(ConditionalRates(When(min_input_tokens=n), {Meter.INPUT: Rate(n)}) for n in long)
    card = RateCard({Meter.INPUT: Rate(5)}, rates)
    found = [key(Usage(input=n), card).min_input_tokens for n in (199, 200, 499, 500, 10**9)]
    assert [0, 200, 200, 500, 500] == found


def test_unknown_is_not_zero() -> None:
    """A sum of unknown amounts stays unknown, and known ones are exact."""
    assert add_known(None, None) is None
    assert Decimal("0.000") == add_known(None, Decimal("0.000"))
    large, small = Decimal("1E+15"), Decimal("1E-40")
    total = add_known(large, small)
    assert total is not None
    assert large == total - small
    assert "1000000000000000." + "0" * 39 + "1" == f"{total:f}"


def test_the_totals_of_a_sum_are_those_of_its_requests() -> None:
    """Parts are counted once, also those of parts."""
    given_: dict[str, Any] = {"input": 100, "cache_read": 60, "cache_read_audio": 20, "output": 9}
    usage = Usage(**given_, reasoning=4, region="eu")
    of = UsageSum(2, {meter: 2 * quantity for meter, quantity in usage.parts})
    found = total_usage(key(usage, RateCard({Meter.INPUT: Rate(1)})), of)
    assert (200, 120, 40, 18, 8, "eu") == (
        *(found.input, found.cache_read, found.cache_read_audio, found.output, found.reasoning),
        found.region,
    )
