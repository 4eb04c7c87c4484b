"""What usages cost, against figures worked out by hand from published price lists."""

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


def card(base: Mapping[Meter, Rate], *overrides: tuple[When, Mapping[Meter, Rate]]) -> RateCard:
    return RateCard(base, tuple(ConditionalRates(when, rates) for when, rates in overrides))


def used(quantities: Mapping[Meter, int]) -> Usage:
    named: dict[str, Any] = {meter.value: quantity for meter, quantity in quantities.items()}
    return Usage(**named)


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
    assert Cost(
        Decimal("0.0075"),
        "USD",
        (
            Item(Meter.INPUT, 1000, usd("2.5"), Meter.INPUT),
            Item(Meter.OUTPUT, 500, usd("10"), Meter.OUTPUT),
        ),
    ) == cost(GPT_4O, Usage(input=1000, output=500), NOON)


def test_items_say_what_each_part_costs() -> None:
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
    """Nothing is converted."""
    yuan = RateCard(rates(input="2.1"), currency="CNY")
    assert Cost(
        Decimal("0.0021"), "CNY", (Item(Meter.INPUT, 1000, usd("2.1"), Meter.INPUT),)
    ) == cost(yuan, Usage(input=1000), NOON)


def test_a_single_token_of_the_cheapest_rate_is_not_lost() -> None:
    """The smallest rate there is, for one token, is 10⁻¹⁵ dollars."""
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
    """At 200,000 tokens all are at the base rates, at 200,001 all are at the long ones."""
    base = cost(GEMINI_2_5_PRO, Usage(input=200_000, output=2_000), NOON)
    long = cost(GEMINI_2_5_PRO, Usage(input=200_001, output=2_000), NOON)
    assert Decimal("0.27") == base.total
    assert Decimal("0.5300025") == long.total


def test_gemini_cached_tokens_count_towards_long_context() -> None:
    """1 token at 2.50 and 200,000 cached ones at 0.625."""
    usage = Usage(input=200_001, cache_read=200_000)
    assert Decimal("0.1250025") == cost(GEMINI_2_5_PRO, usage, NOON).total


def test_claude_with_cache_reads_and_both_cache_writes() -> None:
    """Writes name the hour's ones too: 1,500 fresh, 5,000 read, 2,500 five-minute, 1,000 hour."""
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


# Shaped like a list that gives two tiers of long context, and only some meters in each.
TWO_TIERS = card(
    rates(input="0.03", output="0.13", cache_read="0.006", request="1000"),
    (When(min_input_tokens=32_001), rates(input="0.10", output="0.40")),
    (When(min_input_tokens=256_001), rates(input="0.20")),
)


def test_overrides_inherit_what_they_do_not_name() -> None:
    """Later matches win meter by meter; the rest comes from earlier ones and from the base."""
    middle = effective_rates(TWO_TIERS, input_tokens=32_001, at=NOON)
    longest = effective_rates(TWO_TIERS, input_tokens=256_001, at=NOON)
    assert rates(input="0.10", output="0.40", cache_read="0.006", request="1000") == middle
    assert rates(input="0.20", output="0.40", cache_read="0.006", request="1000") == longest


def test_inherited_rates_are_charged() -> None:
    """200,000 at 0.20, 100,000 cached at 0.006, 1,000 out at 0.40, and 0.001 for the request."""
    usage = Usage(input=300_000, cache_read=100_000, output=1_000, request=1)
    assert Decimal("0.042") == cost(TWO_TIERS, usage, NOON).total


def test_effective_rates_leave_the_card_alone() -> None:
    """A card is never changed."""
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
    """Every part of a condition must hold; 1,000 tokens out each."""
    usage = Usage(input=input_tokens, output=1_000, service_tier=tier)
    assert Decimal(dollars) == cost(LONG_BATCH, usage, NOON).total


@pytest.mark.parametrize("priced", [LONG_BATCH, GPT_4O], ids=["other tiers", "no overrides"])
def test_a_tier_that_no_override_names_has_no_price(priced: RateCard) -> None:
    """A tier's price that is not known is not the standard price."""
    with pytest.raises(NoPrice, match=r"^service tier flex: the card names no rates for it$"):
        cost(priced, Usage(input=1, service_tier="flex"), NOON)


def test_a_tier_named_only_for_other_requests_has_no_price() -> None:
    """Batch rates for long requests say nothing of short ones."""
    only_long = card(
        rates(input="2"), (When(service_tier="batch", min_input_tokens=200_001), rates(input="1"))
    )
    assert (
        Decimal("0.25") == cost(only_long, Usage(input=250_000, service_tier="batch"), NOON).total
    )
    with pytest.raises(NoPrice, match="batch"):
        cost(only_long, Usage(input=1, service_tier="batch"), NOON)


def test_a_condition_of_another_kind_does_not_name_the_tier() -> None:
    """Long requests have a price, long requests in the flex tier have none."""
    with pytest.raises(NoPrice, match="flex"):
        cost(GEMINI_2_5_PRO, Usage(input=250_000, service_tier="flex"), NOON)


def test_region_must_be_equal() -> None:
    """A surcharge for one region is not charged elsewhere, nor where the region is not known."""
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
    """From a minute to itself is the whole day."""
    at = NOON.replace(hour=minute // 60, minute=minute % 60)
    assert expected is applies(When(hours=hours), at)


def test_weekday_is_that_of_the_instant_in_the_zone() -> None:
    """At 20:00 UTC on a Saturday it is Sunday in Shanghai.

    Nor does the end of a window that wraps midnight belong to the day on which it began.
    """
    saturday, sunday = frozenset({6}), frozenset({7})
    evening = NOON.replace(hour=20)
    assert applies(When(weekdays=saturday), evening)
    assert not applies(When(weekdays=saturday, time_zone="Asia/Shanghai"), evening)
    assert applies(When(weekdays=sunday, time_zone="Asia/Shanghai"), evening)
    after_midnight = datetime(2026, 10, 25, 0, 15, tzinfo=UTC)
    assert not applies(When(hours=(990, 30), weekdays=saturday), after_midnight)


def test_hours_when_summer_time_ends() -> None:
    """In Berlin on 2026-10-25 the hour from 02:00 comes twice, and the window holds in both."""
    window = When(hours=(120, 180), time_zone="Europe/Berlin")
    midnight = datetime(2026, 10, 25, tzinfo=UTC)
    assert [False, True, True, False] == [
        applies(window, midnight + timedelta(hours=hours)) for hours in (-1, 0, 1, 2)
    ]


def test_hours_when_summer_time_begins() -> None:
    """In Berlin on 2026-03-29 the hour from 02:00 does not come, and the window never holds."""
    window = When(hours=(120, 180), time_zone="Europe/Berlin")
    midnight = datetime(2026, 3, 29, tzinfo=UTC)
    assert not any(
        applies(window, midnight + timedelta(minutes=minutes)) for minutes in range(0, 180, 5)
    )
    assert applies(When(hours=(180, 240), time_zone="Europe/Berlin"), midnight.replace(hour=1))


def test_a_local_time_that_does_not_exist_is_the_instant_it_names() -> None:
    """02:30 in Berlin on that morning is 01:30 UTC, which is 03:30 there."""
    skipped = datetime(2026, 3, 29, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert applies(When(hours=(180, 240), time_zone="Europe/Berlin"), skipped)
    assert not applies(When(hours=(120, 180), time_zone="Europe/Berlin"), skipped)


def test_one_instant_has_one_price_in_whatever_zone_it_is_told() -> None:
    """16:30 UTC is 00:30 the next day at UTC+8."""
    usage = Usage(input=1_000_000)
    elsewhere = datetime(2026, 10, 25, 0, 30, tzinfo=timezone(timedelta(hours=8)))
    assert Decimal("0.135") == cost(DEEPSEEK, usage, elsewhere).total


def test_an_unknown_time_zone_has_no_price() -> None:
    """Whether the condition holds cannot be told, so neither can the price."""
    for name in ("Mars/Olympus", "../../etc/passwd", ""):
        with pytest.raises(NoPrice, match="time zone"):
            applies(When(hours=(0, 1), time_zone=name), NOON)


def test_an_instant_without_a_time_zone_is_refused() -> None:
    """Nobody knows when that was."""
    naive = datetime(2026, 10, 24, 12)  # noqa: DTZ001  the case
    with pytest.raises(ValueError, match="has no time zone"):
        cost(GPT_4O, Usage(input=1), naive)
    with pytest.raises(ValueError, match="has no time zone"):
        effective_rates(DEEPSEEK, input_tokens=1, at=naive)


@pytest.mark.parametrize(
    ("usage", "rate_meter"),
    [
        (Usage(input=100, cache_read=100), Meter.INPUT),
        (Usage(input=100, cache_read=100, cache_read_audio=100), Meter.INPUT),
        (Usage(input=100, cache_write=100, cache_write_1h=100), Meter.INPUT),
        (Usage(input=100, input_audio=100), Meter.INPUT),
        (Usage(input=100, input_image=100), Meter.INPUT),
        (Usage(output=100, reasoning=100), Meter.OUTPUT),
        (Usage(output=100, output_audio=100), Meter.OUTPUT),
        (Usage(output=100, output_image=100), Meter.OUTPUT),
    ],
)
def test_a_subset_without_a_rate_has_its_parents(usage: Usage, rate_meter: Meter) -> None:
    """100 tokens at a dollar per million, once, whatever they are called."""
    both = card(rates(input="1", output="1"))
    priced = cost(both, usage, NOON)
    assert Decimal("0.0001") == priced.total
    assert [rate_meter] == [item.rate_meter for item in priced.items]


def test_a_subset_has_the_nearest_rate() -> None:
    """Cached audio is priced as cache before it is priced as input."""
    priced = cost(GPT_4O, Usage(input=10, cache_read=10, cache_read_audio=10), NOON)
    assert (Item(Meter.CACHE_READ_AUDIO, 10, usd("1.25"), Meter.CACHE_READ),) == priced.items


def test_a_subset_with_its_own_rate_needs_none_for_its_parent() -> None:
    """When all of the input was cached, no rate for fresh input is asked for."""
    assert (
        Decimal("0.00007")
        == cost(card(rates(cache_read="0.07")), Usage(input=1_000, cache_read=1_000), NOON).total
    )


@pytest.mark.parametrize("meter", [meter for meter in Meter if meter not in PARENTS])
def test_a_used_meter_without_a_rate_has_no_price(meter: Meter) -> None:
    """It is not zero, and the error names the meter."""
    other = Meter.OUTPUT if meter is Meter.INPUT else Meter.INPUT
    with pytest.raises(NoPrice, match=rf"^{meter}: 3 used, and the card names no rate for it$"):
        cost(RateCard({other: usd("1")}), used({meter: 3}), NOON)


def test_what_is_left_of_a_parent_needs_a_rate() -> None:
    """A card with only a rate for cached tokens does not price the fresh ones."""
    with pytest.raises(NoPrice, match=r"^input: 1 used"):
        cost(card(rates(cache_read="1")), Usage(input=3, cache_read=2), NOON)


def test_a_free_rate_is_a_rate() -> None:
    """Zero is what some cards say; it is itemised like any other rate."""
    free = RateCard({Meter.INPUT: Rate(0)})
    assert Cost(Decimal(0), "USD", (Item(Meter.INPUT, 5, Rate(0), Meter.INPUT),)) == cost(
        free, Usage(input=5), NOON
    )


def test_nothing_used_costs_nothing() -> None:
    """A quantity of zero needs no rate."""
    assert Cost(Decimal(0), "USD", ()) == cost(card(rates(output="1")), Usage(), NOON)


@pytest.mark.parametrize(
    ("quantities", "why"),
    [
        ({"input": 10, "cache_read": 11}, "input: its parts are 1 more than the total"),
        ({"cache_read": 1}, "input: its parts are 1 more"),
        ({"input": 10, "cache_read": 6, "cache_write": 5}, "input: its parts are 1 more"),
        ({"input": 9, "cache_write": 2, "cache_write_1h": 3}, "cache_write: its parts are 1 more"),
        ({"input": 9, "cache_read_audio": 2}, "cache_read: its parts are 2 more"),
        ({"output": 4, "reasoning": 3, "output_audio": 3}, "output: its parts are 2 more"),
    ],
)
def test_parts_larger_than_their_total_are_refused(quantities: dict[str, Any], why: str) -> None:
    """Such a usage does not name totals."""
    with pytest.raises(ValueError, match=why):
        Usage(**quantities)


@pytest.mark.parametrize("quantity", [1.0, 0.0, True, False, None, "1", Decimal(1)])
def test_a_quantity_is_an_int(quantity: object) -> None:
    """None above all: what is not known is not zero."""
    with pytest.raises(TypeError, match=r"^page: .* is not a whole number$"):
        Usage(page=quantity)  # type: ignore[arg-type]  # the case


def test_a_quantity_is_not_below_zero() -> None:
    """Nobody is paid for using a model."""
    with pytest.raises(ValueError, match=r"^output: -1 is below zero$"):
        Usage(output=-1)


def test_usage_has_a_field_for_every_meter() -> None:
    """Each meter can be used, under its own name, and is priced at its own rate."""
    for meter in Meter:
        totals = dict.fromkeys((meter, *ancestors(meter)), 3)
        priced = cost(RateCard({meter: usd("1")}), used(totals), NOON)
        assert (Item(meter, 3, usd("1"), meter),) == priced.items


def ancestors(meter: Meter) -> list[Meter]:
    parent = PARENTS.get(meter)
    return [] if parent is None else [parent, *ancestors(parent)]


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Usages whose totals are made up of their parts."""
    own = {meter: draw(st.integers(0, 10**12)) for meter in Meter}
    totals = dict(own)
    for meter, quantity in own.items():
        for ancestor in ancestors(meter):
            totals[ancestor] += quantity
    return used(totals)


@given(usages(), st.integers(0, 10**18))
def test_every_token_is_paid_for_once(usage: Usage, nanos: int) -> None:
    """At one rate for all meters, what is paid for is the totals that are part of nothing."""
    flat = RateCard(dict.fromkeys(Meter, Rate(nanos)))
    whole = sum(getattr(usage, meter) for meter in Meter if meter not in PARENTS)
    priced = cost(flat, usage, NOON)
    assert Fraction(whole * nanos, 10**15) == Fraction(priced.total)
    assert whole == sum(item.quantity for item in priced.items)


@given(usages())
def test_the_total_is_the_sum_of_the_items(usage: Usage) -> None:
    """Exactly: nothing is rounded on the way."""
    mixed = RateCard({meter: Rate(index * 7 + 1) for index, meter in enumerate(Meter)})
    priced = cost(mixed, usage, NOON)
    assert sum(Fraction(item.amount) for item in priced.items) == Fraction(priced.total)
