"""The cost of usages, compared with figures computed by hand from published price lists."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_sync.errors import NoPrice
from pricing_sync.prices.cost import Cost, Item, cost, effective_rates
from pricing_sync.prices.rates import ConditionalRates, Meter, Per, Rate, RateCard, When
from pricing_sync.prices.usage import PARENTS, Usage

# A Saturday.
NOON = datetime(2026, 10, 24, 12, tzinfo=UTC)


def usd(per_million: str) -> Rate:
    return Rate.of(per_million, Per.MILLION)


def rates(**per_million: str) -> dict[Meter, Rate]:
    return {Meter(meter): usd(amount) for meter, amount in per_million.items()}


def card(base: Mapping[Meter, Rate], *conditional: tuple[When, Mapping[Meter, Rate]]) -> RateCard:
    return RateCard(base, tuple(ConditionalRates(when, rates) for when, rates in conditional))


def used(quantities: Mapping[Meter, int]) -> Usage:
    named: dict[str, Any] = {meter.value: quantity for meter, quantity in quantities.items()}
    return Usage(**named)


def values(priced: Cost) -> tuple[Decimal, str, tuple[Item, ...]]:
    return priced.total, priced.currency, priced.items


# Published prices, US dollars per million tokens.
GPT_4O = card(rates(input="2.5", output="10", cache_read="1.25"))
DEEPSEEK = card(
    rates(input="0.27", output="1.10", cache_read="0.07"),
    (When(hours=(990, 30)), rates(input="0.135", output="0.55", cache_read="0.035")),
)
GEMINI_2_5_PRO = card(
    rates(input="1.25", output="10", cache_read="0.31"),
    (When(min_input_tokens=200_001), rates(input="2.5", output="15", cache_read="0.625")),
)
CLAUDE = card(
    rates(input="3", output="15", cache_read="0.3", cache_write="3.75", cache_write_1h="6")
)


def test_plain_card() -> None:
    """1,000 in at 2.50 and 500 out at 10 dollars per million: 0.0025 + 0.005."""
    assert (
        Decimal("0.0075"),
        "USD",
        (
            Item(Meter.INPUT, 1000, usd("2.5"), Meter.INPUT),
            Item(Meter.OUTPUT, 500, usd("10"), Meter.OUTPUT),
        ),
    ) == values(cost(GPT_4O, Usage(input=1000, output=500), NOON))


def test_costs_are_equal_when_their_totals_and_items_are() -> None:
    """Whichever card they are from: 2 tokens at 3 cost as much as 3 at 2, and are not the same."""
    usage = Usage(input=2)
    priced = cost(RateCard({Meter.INPUT: Rate(3)}), usage, NOON)
    same = cost(RateCard({Meter.INPUT: Rate(3), Meter.OUTPUT: Rate(9)}), usage, NOON)
    other = cost(RateCard({Meter.INPUT: Rate(2)}), Usage(input=3), NOON)
    assert (priced, hash(priced), repr(priced)) == (same, hash(same), repr(same))
    assert priced.total == other.total
    assert priced != other
    assert priced != priced.total


def test_items_have_the_cost_of_each_part() -> None:
    """The amounts of the items are exact and add up to the total."""
    usage = Usage(input=10_000, cache_read=8_000, output=500)
    priced = cost(GPT_4O, usage, NOON)
    assert [
        (Meter.INPUT, Decimal("0.005")),
        (Meter.OUTPUT, Decimal("0.005")),
        (Meter.CACHE_READ, Decimal("0.01")),
    ] == [(item.meter, item.amount) for item in priced.items]
    assert Decimal("0.02") == priced.total


def test_the_card_names_the_currency() -> None:
    """The cost is in the card's currency. Nothing is converted."""
    yuan = RateCard(rates(input="2.1"), currency="CNY")
    assert (
        Decimal("0.0021"),
        "CNY",
        (Item(Meter.INPUT, 1000, usd("2.1"), Meter.INPUT),),
    ) == values(cost(yuan, Usage(input=1000), NOON))


def test_a_single_token_of_the_cheapest_rate_is_not_lost() -> None:
    """The smallest rate, for one token, is 10⁻¹⁵ dollars."""
    assert Decimal("1E-15") == cost(RateCard({Meter.INPUT: Rate(1)}), Usage(input=1), NOON).total


def test_deepseek_off_peak_on_a_saturday() -> None:
    """From 16:30 to 00:30 UTC tokens are half price: 1.35 + 0.55 against 2.70 + 1.10."""
    usage = Usage(input=10_000_000, output=1_000_000)

    def total(hour: int, minute: int, second: int = 0) -> Decimal:
        return cost(DEEPSEEK, usage, NOON.replace(hour=hour, minute=minute, second=second)).total

    assert Decimal("3.80") == total(16, 29, 59)
    assert Decimal("1.90") == total(16, 30)
    assert Decimal("1.90") == total(23, 59, 59)
    assert Decimal("1.90") == total(0, 0)
    assert Decimal("1.90") == total(0, 29, 59)
    assert Decimal("3.80") == total(0, 30)


def test_deepseek_cache_hits_off_peak() -> None:
    """2 million fresh at 0.135, 8 million cached at 0.035, 1 million out at 0.55."""
    usage = Usage(input=10_000_000, cache_read=8_000_000, output=1_000_000)
    assert Decimal("1.10") == cost(DEEPSEEK, usage, NOON.replace(hour=20)).total


def test_gemini_long_context_is_counted_on_the_whole_request() -> None:
    """200,000 tokens are all at the base rates, 200,001 are all at the long-context rates."""
    base = cost(GEMINI_2_5_PRO, Usage(input=200_000, output=2_000), NOON)
    long = cost(GEMINI_2_5_PRO, Usage(input=200_001, output=2_000), NOON)
    assert Decimal("0.27") == base.total
    assert Decimal("0.5300025") == long.total


def test_gemini_cached_tokens_count_towards_long_context() -> None:
    """1 token at 2.50 and 200,000 cached tokens at 0.625."""
    usage = Usage(input=200_001, cache_read=200_000)
    assert Decimal("0.1250025") == cost(GEMINI_2_5_PRO, usage, NOON).total


def test_claude_with_cache_reads_and_both_cache_writes() -> None:
    """`cache_write` includes `cache_write_1h`.

    So 1,500 tokens are fresh, 5,000 read, 2,500 five-minute writes and 1,000 one-hour writes.
    """
    usage = Usage(
        input=10_000, cache_read=5_000, cache_write=3_500, cache_write_1h=1_000, output=200
    )
    priced = cost(CLAUDE, usage, NOON)
    assert [
        (Meter.INPUT, 1_500, Decimal("0.0045")),
        (Meter.OUTPUT, 200, Decimal("0.003")),
        (Meter.CACHE_READ, 5_000, Decimal("0.0015")),
        (Meter.CACHE_WRITE, 2_500, Decimal("0.009375")),
        (Meter.CACHE_WRITE_1H, 1_000, Decimal("0.006")),
    ] == [(item.meter, item.quantity, item.amount) for item in priced.items]
    assert Decimal("0.024375") == priced.total


# Like a price list with two tiers of long context, each with only some of the meters.
TWO_TIERS = card(
    rates(input="0.03", output="0.13", cache_read="0.006", request="1000"),
    (When(min_input_tokens=32_001), rates(input="0.10", output="0.40")),
    (When(min_input_tokens=256_001), rates(input="0.20")),
)


def test_conditional_rates_inherit_the_meters_that_they_do_not_name() -> None:
    """Later matches win per meter. Other meters have the rates of earlier matches or the base."""
    middle = effective_rates(TWO_TIERS, input_tokens=32_001, at=NOON)
    longest = effective_rates(TWO_TIERS, input_tokens=256_001, at=NOON)
    assert rates(input="0.10", output="0.40", cache_read="0.006", request="1000") == middle
    assert rates(input="0.20", output="0.40", cache_read="0.006", request="1000") == longest


def test_inherited_rates_are_charged() -> None:
    """200,000 at 0.20, 100,000 cached at 0.006, 1,000 out at 0.40, and 0.001 for the request."""
    usage = Usage(input=300_000, cache_read=100_000, output=1_000, request=1)
    assert Decimal("0.042") == cost(TWO_TIERS, usage, NOON).total


def test_effective_rates_do_not_change_the_card() -> None:
    """A card is immutable."""
    effective_rates(TWO_TIERS, input_tokens=300_000, at=NOON)
    assert usd("0.03") == TWO_TIERS.rates[Meter.INPUT]


LONG_BATCH = card(
    rates(input="1.25", output="10"),
    (When(min_input_tokens=200_001), rates(input="2.5", output="15")),
    (When(service_tier="batch"), rates(input="0.625", output="5")),
    (When(service_tier="batch", min_input_tokens=200_001), rates(input="1.25", output="7.5")),
)


@pytest.mark.parametrize(
    ("tier", "input_tokens", "dollars"),
    [
        (None, 100_000, "0.135"),
        ("default", 100_000, "0.135"),
        ("standard", 300_000, "0.765"),
        ("batch", 100_000, "0.0675"),
        ("batch", 300_000, "0.3825"),
    ],
)
def test_batch_tier_with_long_context(tier: str | None, input_tokens: int, dollars: str) -> None:
    """Every part of a condition must match. Each request has 1,000 output tokens."""
    usage = Usage(input=input_tokens, output=1_000, service_tier=tier)
    assert Decimal(dollars) == cost(LONG_BATCH, usage, NOON).total


@pytest.mark.parametrize(
    "priced", [LONG_BATCH, GPT_4O], ids=["other tiers", "no conditional rates"]
)
def test_a_tier_without_conditional_rates_has_no_price(priced: RateCard) -> None:
    """The standard price is not used for an unknown price of a tier."""
    with pytest.raises(NoPrice, match=r"^service tier flex: the card names no rates for it$"):
        cost(priced, Usage(input=1, service_tier="flex"), NOON)


def test_a_tier_named_only_for_other_requests_has_no_price() -> None:
    """Batch rates for long requests are not the batch rates of short requests."""
    only_long = card(
        rates(input="2"), (When(service_tier="batch", min_input_tokens=200_001), rates(input="1"))
    )
    assert (
        Decimal("0.25") == cost(only_long, Usage(input=250_000, service_tier="batch"), NOON).total
    )
    with pytest.raises(NoPrice, match="batch"):
        cost(only_long, Usage(input=1, service_tier="batch"), NOON)


def test_a_condition_of_another_kind_does_not_name_the_tier() -> None:
    """Long requests have a price. Long requests in the flex tier have none."""
    with pytest.raises(NoPrice, match="flex"):
        cost(GEMINI_2_5_PRO, Usage(input=250_000, service_tier="flex"), NOON)


def test_region_must_be_equal() -> None:
    """A region's surcharge is not charged in another region, or if the region is unknown."""
    regional = card(rates(input="3"), (When(region="eu"), rates(input="3.3")))
    million = 1_000_000
    assert Decimal("3.3") == cost(regional, Usage(input=million, region="eu"), NOON).total
    assert Decimal(3) == cost(regional, Usage(input=million, region="us"), NOON).total
    assert Decimal(3) == cost(regional, Usage(input=million), NOON).total


def applies(when: When, at: datetime) -> bool:
    """Whether the condition holds at an instant."""
    priced = card(rates(input="1"), (when, rates(input="2")))
    return effective_rates(priced, input_tokens=0, at=at) == rates(input="2")


@pytest.mark.parametrize(
    ("hours", "minute", "expected"),
    [
        ((540, 1020), 539, False),
        ((540, 1020), 540, True),
        ((540, 1020), 1019, True),
        ((540, 1020), 1020, False),
        ((1320, 360), 1319, False),
        ((1320, 360), 1320, True),
        ((1320, 360), 359, True),
        ((1320, 360), 360, False),
        ((0, 1440), 0, True),
        ((0, 1440), 1439, True),
        ((600, 600), 599, True),
        ((600, 600), 600, True),
        ((1200, 1440), 1439, True),
        ((1200, 1440), 0, False),
        ((1440, 60), 0, True),
        ((1440, 60), 60, False),
    ],
)
def test_hours_are_half_open_and_may_wrap(
    hours: tuple[int, int], minute: int, *, expected: bool
) -> None:
    """A window whose ends are equal is the whole day."""
    at = NOON.replace(hour=minute // 60, minute=minute % 60)
    assert expected is applies(When(hours=hours), at)


def test_weekday_is_that_of_the_instant_in_the_zone() -> None:
    """At 20:00 UTC on a Saturday it is Sunday in Shanghai.

    After midnight, a window that wraps midnight is compared with the new weekday.
    """
    saturday, sunday = frozenset({6}), frozenset({7})
    evening = NOON.replace(hour=20)
    assert applies(When(weekdays=saturday), evening)
    assert not applies(When(weekdays=saturday, time_zone="Asia/Shanghai"), evening)
    assert applies(When(weekdays=sunday, time_zone="Asia/Shanghai"), evening)
    after_midnight = datetime(2026, 10, 25, 0, 15, tzinfo=UTC)
    assert not applies(When(hours=(990, 30), weekdays=saturday), after_midnight)


def test_hours_when_summer_time_ends() -> None:
    """In Berlin on 2026-10-25 the hour from 02:00 comes twice, and the window matches twice."""
    window = When(hours=(120, 180), time_zone="Europe/Berlin")
    midnight = datetime(2026, 10, 25, tzinfo=UTC)
    assert [False, True, True, False] == [
        applies(window, midnight + timedelta(hours=hours)) for hours in (-1, 0, 1, 2)
    ]


def test_hours_when_summer_time_begins() -> None:
    """In Berlin on 2026-03-29 the hour from 02:00 is skipped, and the window never matches."""
    window = When(hours=(120, 180), time_zone="Europe/Berlin")
    midnight = datetime(2026, 3, 29, tzinfo=UTC)
    assert not any(
        applies(window, midnight + timedelta(minutes=minutes)) for minutes in range(0, 180, 5)
    )
    assert applies(When(hours=(180, 240), time_zone="Europe/Berlin"), midnight.replace(hour=1))


def test_a_local_time_that_is_skipped_is_converted_through_utc() -> None:
    """02:30 in Berlin on that morning is 01:30 UTC, and that is 03:30 in Berlin."""
    skipped = datetime(2026, 3, 29, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert applies(When(hours=(180, 240), time_zone="Europe/Berlin"), skipped)
    assert not applies(When(hours=(120, 180), time_zone="Europe/Berlin"), skipped)


def test_one_instant_has_one_price_in_every_time_zone() -> None:
    """16:30 UTC is 00:30 the next day at UTC+8."""
    usage = Usage(input=1_000_000)
    elsewhere = datetime(2026, 10, 25, 0, 30, tzinfo=timezone(timedelta(hours=8)))
    assert Decimal("0.135") == cost(DEEPSEEK, usage, elsewhere).total


def test_an_unknown_time_zone_has_no_price() -> None:
    """Without the time zone it is unknown whether the condition matches."""
    for name in ("Mars/Olympus", "../../etc/passwd", ""):
        with pytest.raises(NoPrice, match="time zone"):
            applies(When(hours=(0, 1), time_zone=name), NOON)


def test_an_instant_without_a_time_zone_is_refused() -> None:
    """Such an instant is ambiguous."""
    naive = datetime(2026, 10, 24, 12)  # noqa: DTZ001  the case
    with pytest.raises(ValueError, match="has no time zone"):
        cost(GPT_4O, Usage(input=1), naive)
    with pytest.raises(ValueError, match="has no time zone"):
        effective_rates(DEEPSEEK, input_tokens=1, at=naive)


def test_a_subset_with_its_own_rate_needs_none_for_its_parent() -> None:
    """When all of the input was cached, no rate for fresh input is needed."""
    assert (
        Decimal("0.00007")
        == cost(card(rates(cache_read="0.07")), Usage(input=1_000, cache_read=1_000), NOON).total
    )


@pytest.mark.parametrize("meter", [meter for meter in Meter if meter not in PARENTS])
def test_a_used_meter_without_a_rate_has_no_price(meter: Meter) -> None:
    """The cost is not zero, and the error names the meter."""
    other = Meter.OUTPUT if meter is Meter.INPUT else Meter.INPUT
    with pytest.raises(NoPrice, match=rf"^{meter}: 3 used, and the card names no rate for it$"):
        cost(RateCard({other: usd("1")}), used({meter: 3}), NOON)


def test_the_rest_of_a_parent_needs_a_rate() -> None:
    """A card with only a rate for cached tokens has no price for fresh tokens."""
    with pytest.raises(NoPrice, match=r"^input: 1 used"):
        cost(card(rates(cache_read="1")), Usage(input=3, cache_read=2), NOON)


def test_a_free_rate_is_a_rate() -> None:
    """Some cards have a rate of zero. It has an item like any other rate."""
    free = RateCard({Meter.INPUT: Rate(0)})
    assert (Decimal(0), "USD", (Item(Meter.INPUT, 5, Rate(0), Meter.INPUT),)) == values(
        cost(free, Usage(input=5), NOON)
    )


def test_nothing_used_costs_nothing() -> None:
    """A quantity of zero needs no rate."""
    assert (Decimal(0), "USD", ()) == values(cost(card(rates(output="1")), Usage(), NOON))


def test_usage_has_a_field_for_every_meter() -> None:
    """Each meter can be used by its own name, and has its own rate."""
    for meter in Meter:
        totals = dict.fromkeys((meter, *ancestors(meter)), 3)
        priced = cost(RateCard({meter: usd("1")}), used(totals), NOON)
        assert (Item(meter, 3, usd("1"), meter),) == priced.items


def ancestors(meter: Meter) -> list[Meter]:
    parent = PARENTS.get(meter)
    return [] if parent is None else [parent, *ancestors(parent)]


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Usages whose totals are the sums of their parts."""
    parts = {meter: draw(st.integers(0, 10**12)) for meter in Meter}
    totals = dict(parts)
    for meter, quantity in parts.items():
        for ancestor in ancestors(meter):
            totals[ancestor] += quantity
    return used(totals)


@given(usages(), st.integers(0, 10**18))
def test_every_token_is_paid_for_once(usage: Usage, nanos: int) -> None:
    """At one rate for all meters, the cost is that of the totals without a parent."""
    flat = RateCard(dict.fromkeys(Meter, Rate(nanos)))
    whole = sum(getattr(usage, meter) for meter in Meter if meter not in PARENTS)
    priced = cost(flat, usage, NOON)
    assert Fraction(whole * nanos, 10**15) == Fraction(priced.total)
    assert whole == sum(item.quantity for item in priced.items)


@given(usages())
def test_the_total_is_the_sum_of_the_items(usage: Usage) -> None:
    """The sum is exact. Nothing is rounded in between."""
    mixed = RateCard({meter: Rate(index * 7 + 1) for index, meter in enumerate(Meter)})
    priced = cost(mixed, usage, NOON)
    assert sum(Fraction(item.amount) for item in priced.items) == Fraction(priced.total)
