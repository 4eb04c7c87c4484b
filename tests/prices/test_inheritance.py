"""A part without a rate of its own never has a cheaper price, and what stands in for it is said."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_sync.errors import NoPrice
from pricing_sync.prices.cost import Item, cost
from pricing_sync.prices.inheritance import SUBSTITUTES
from pricing_sync.prices.rates import ConditionalRates, Meter, Per, Rate, RateCard, When
from pricing_sync.prices.usage import PARENTS, Usage
from pricing_sync.sources.formats import models_dev

from recorded import needs_samples, sample

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def usd(per_million: str) -> Rate:
    return Rate.of(per_million, Per.MILLION)


def rates(**per_million: str) -> dict[Meter, Rate]:
    return {Meter(meter): usd(amount) for meter, amount in per_million.items()}


def used(meter: Meter, quantity: int) -> Usage:
    """A usage of one meter alone: its parents' totals are its own."""
    totals: dict[str, Any] = {}
    next_meter: Meter | None = meter
    while next_meter is not None:
        totals[next_meter.value] = quantity
        next_meter = PARENTS.get(next_meter)
    return Usage(**totals)


def item(card: RateCard, meter: Meter, tier: str | None = None) -> Item:
    """The item of a million tokens of one meter."""
    usage = used(meter, 1_000_000)
    totals = {name: getattr(usage, name) for name in Meter}
    (only,) = cost(card, Usage(**totals, service_tier=tier), NOON).items
    return only


#: Every token meter has a rate, and no two have the same.
FULL = rates(
    input="2",
    output="8",
    cache_read="0.2",
    cache_read_audio="3",
    cache_write="2.5",
    cache_write_1h="4",
    reasoning="9",
    input_audio="32",
    output_audio="64",
    input_image="3",
    input_video="5",
    output_video="50",
    output_image="40",
)


def without(*meters: Meter) -> RateCard:
    return RateCard({meter: rate for meter, rate in FULL.items() if meter not in meters})


@pytest.mark.parametrize(
    ("part", "rate", "rate_meter", "times"),
    [
        (Meter.CACHE_READ, "2", Meter.INPUT, 1),
        (Meter.CACHE_READ_AUDIO, "32", Meter.INPUT_AUDIO, 1),
        (Meter.CACHE_WRITE_1H, "4", Meter.INPUT, 2),
        (Meter.INPUT_IMAGE, "2", Meter.INPUT, 1),
        (Meter.REASONING, "8", Meter.OUTPUT, 1),
    ],
)
def test_a_part_that_costs_no_more_than_its_substitute_has_its_rate(
    part: Meter, rate: str, rate_meter: Meter, times: int
) -> None:
    """The item names the meter whose rate it is, and how many times it was charged."""
    found = item(without(part), part)
    assert Item(part, 1_000_000, usd(rate), rate_meter, times) == found
    assert not found.is_own


#: The parts whose parent's rate would be too low.
NO_PRICE = frozenset(
    {
        *(Meter.CACHE_WRITE, Meter.INPUT_AUDIO, Meter.OUTPUT_AUDIO, Meter.OUTPUT_IMAGE),
        *(Meter.INPUT_VIDEO, Meter.OUTPUT_VIDEO),
    }
)


@pytest.mark.parametrize("part", sorted(NO_PRICE))
def test_a_part_that_costs_more_than_its_parent_has_no_price_without_a_rate(part: Meter) -> None:
    """The parent's rate would be too low. The error names the part."""
    with pytest.raises(
        NoPrice, match=rf"^{part}: 1000000 used, and the card names no rate for it$"
    ):
        item(without(part), part)


def test_every_part_is_decided() -> None:
    """A part has a substitute, or no price; nothing is left to its parent by chance."""
    assert set(PARENTS) == set(SUBSTITUTES) | NO_PRICE
    assert not set(SUBSTITUTES) & NO_PRICE


@pytest.mark.parametrize("meter", list(FULL))
def test_a_rate_of_ones_own_is_charged_and_is_no_inheritance(meter: Meter) -> None:
    """Whatever its parent costs."""
    found = item(RateCard(FULL), meter)
    assert Item(meter, 1_000_000, FULL[meter], meter) == found
    assert found.is_own


def test_one_hour_writes_are_twice_the_input_where_the_card_sells_writes() -> None:
    """74,350 tokens of a one-hour write at 2 times 5, not at the 6.25 of a five-minute write."""
    opus = RateCard(rates(input="5", output="25", cache_read="0.5", cache_write="6.25"))
    usage = Usage(input=74_350, cache_write=74_350, cache_write_1h=74_350)
    assert Decimal("0.7435") == cost(opus, usage, NOON).total


def test_one_hour_writes_have_no_price_where_the_card_sells_no_writes() -> None:
    """Whether such a seller keeps to the maker's rule is not known."""
    with pytest.raises(NoPrice, match="cache_write_1h: 1000000 used"):
        item(without(Meter.CACHE_WRITE, Meter.CACHE_WRITE_1H), Meter.CACHE_WRITE_1H)


@pytest.mark.parametrize("missing", [(), (Meter.CACHE_READ,)])
def test_cached_audio_is_never_text(missing: tuple[Meter, ...]) -> None:
    """Neither as cached text nor as fresh text, whether or not the card names cached text."""
    card = without(Meter.CACHE_READ_AUDIO, *missing)
    assert (usd("32"), Meter.INPUT_AUDIO) == (
        item(card, Meter.CACHE_READ_AUDIO).rate,
        item(card, Meter.CACHE_READ_AUDIO).rate_meter,
    )
    with pytest.raises(NoPrice, match="cache_read_audio"):
        item(without(Meter.CACHE_READ_AUDIO, Meter.INPUT_AUDIO, *missing), Meter.CACHE_READ_AUDIO)


@needs_samples
def test_recorded_claude_cards_charge_twice_the_input_for_one_hour() -> None:
    """Each of the 273 rows of models.dev that has a rate for cache writes and none for one hour."""
    body = sample("models.dev/2026-05-14-api.json")
    checked = 0
    for provider_id in json.loads(body):
        for model, card in models_dev.read(body, provider_id).rows:
            if model is None or "claude" not in model.lower() or not isinstance(card, RateCard):
                continue
            if Meter.CACHE_WRITE in card.rates:
                found = item(RateCard(card.rates), Meter.CACHE_WRITE_1H)
                assert (2 * card.rates[Meter.INPUT], Meter.INPUT, 2) == (
                    *(found.rate, found.rate_meter, found.times),
                ), (provider_id, model)
                checked += 1
    assert 273 == checked


def tiered(base: dict[Meter, Rate], *entries: tuple[When, dict[Meter, Rate]]) -> RateCard:
    return RateCard(base, tuple(ConditionalRates(when, named) for when, named in entries))


FLEX = When(service_tier="flex")
PRIORITY = When(service_tier="priority")
LONG = When(min_input_tokens=200_001)


def test_a_part_looks_for_its_parent_within_the_tier() -> None:
    """Reasoning costs as much as output, so in flex it costs as much as output in flex."""
    card = tiered(
        rates(input="0.5", output="3.75", reasoning="3.75"),
        (FLEX, rates(input="0.25", output="1.875")),
    )
    found = item(card, Meter.REASONING, "flex")
    assert (usd("1.875"), Meter.OUTPUT, False) == (
        *(found.rate, found.rate_meter, found.is_standard),
    )


HALF = {Meter.INPUT: usd("1"), Meter.OUTPUT: usd("4")}
DOUBLE = {Meter.INPUT: usd("4"), Meter.OUTPUT: usd("16")}


@pytest.mark.parametrize(
    ("part", "rate", "rate_meter", "times", "is_standard"),
    [
        # The standard rate is below that of input in the tier, and no discount raises a price.
        (Meter.CACHE_READ, "0.2", Meter.CACHE_READ, 1, True),
        (Meter.CACHE_WRITE_1H, "2", Meter.INPUT, 2, False),
        # Dearer than their parent: the parent's rate in the tier would be too low.
        (Meter.CACHE_READ_AUDIO, "3", Meter.CACHE_READ_AUDIO, 1, True),
        (Meter.CACHE_WRITE, "2.5", Meter.CACHE_WRITE, 1, True),
        (Meter.REASONING, "9", Meter.REASONING, 1, True),
        (Meter.INPUT_AUDIO, "32", Meter.INPUT_AUDIO, 1, True),
        (Meter.OUTPUT_AUDIO, "64", Meter.OUTPUT_AUDIO, 1, True),
        (Meter.INPUT_IMAGE, "3", Meter.INPUT_IMAGE, 1, True),
        (Meter.OUTPUT_IMAGE, "40", Meter.OUTPUT_IMAGE, 1, True),
    ],
)
def test_a_cheaper_tier_sells_the_other_meters_at_a_rate_that_is_not_too_low(
    part: Meter, rate: str, rate_meter: Meter, times: int, *, is_standard: bool
) -> None:
    """The lowest known rate that cannot be too low, and the item says where it is from."""
    found = item(tiered(FULL, (FLEX, HALF)), part, "flex")
    assert Item(part, 1_000_000, usd(rate), rate_meter, times, is_standard) == found
    assert not found.is_own


@pytest.mark.parametrize(("part", "rate"), [(Meter.CACHE_READ, "4"), (Meter.CACHE_WRITE_1H, "8")])
def test_a_dearer_tier_sells_a_part_at_its_parents_rate_in_the_tier(part: Meter, rate: str) -> None:
    """The standard rate would be too low."""
    found = item(tiered(FULL, (PRIORITY, DOUBLE)), part, "priority")
    assert (usd(rate), Meter.INPUT, False) == (found.rate, found.rate_meter, found.is_standard)


@pytest.mark.parametrize(
    "part",
    [
        Meter.CACHE_READ_AUDIO,
        Meter.CACHE_WRITE,
        Meter.REASONING,
        Meter.INPUT_AUDIO,
        Meter.OUTPUT_AUDIO,
        Meter.INPUT_IMAGE,
        Meter.OUTPUT_IMAGE,
    ],
)
def test_a_dearer_tier_has_no_price_for_a_part_that_costs_more_than_its_parent(
    part: Meter,
) -> None:
    """The standard rate and the parent's rate in the tier are both too low."""
    with pytest.raises(NoPrice, match=rf"^{part}: .* names no rate for it in this service tier$"):
        item(tiered(FULL, (PRIORITY, DOUBLE)), part, "priority")


def test_a_whole_meter_that_a_tier_does_not_name() -> None:
    """Output has the standard rate in a cheaper tier and no price in a dearer one."""
    card = tiered(
        FULL, (FLEX, rates(input="1")), (PRIORITY, rates(input="4")), (LONG, rates(input="3"))
    )
    found = cost(card, Usage(output=1_000_000, service_tier="flex"), NOON).items
    assert (Item(Meter.OUTPUT, 1_000_000, usd("8"), Meter.OUTPUT, is_standard=True),) == found
    with pytest.raises(NoPrice, match="output: 1000000 used"):
        cost(card, Usage(output=1_000_000, service_tier="priority"), NOON)


@pytest.mark.parametrize("meter", [Meter.REQUEST, Meter.WEB_SEARCH])
@pytest.mark.parametrize("tier", ["flex", "priority"])
def test_fees_are_the_same_in_every_tier(meter: Meter, tier: str) -> None:
    """A search is no computing: it has the standard rate, and the item says so."""
    card = tiered(FULL | {meter: usd("10000")}, (FLEX, HALF), (PRIORITY, DOUBLE))
    found = item(card, meter, tier)
    assert (usd("10000"), True) == (found.rate, found.is_standard)


def test_a_part_that_neither_the_tier_nor_the_card_names() -> None:
    """Its substitute within the tier, or the standard rate of its substitute, said as such."""
    base = rates(input="2", output="8")
    cached = item(tiered(base, (FLEX, HALF)), Meter.CACHE_READ, "flex")
    assert Item(Meter.CACHE_READ, 1_000_000, usd("1"), Meter.INPUT) == cached
    only_output = tiered(base, (FLEX, rates(output="4")))
    cached = item(only_output, Meter.CACHE_READ, "flex")
    assert Item(Meter.CACHE_READ, 1_000_000, usd("2"), Meter.INPUT, is_standard=True) == cached


def test_a_tier_that_sells_a_meter_at_the_standard_long_price_says_so() -> None:
    """The card's last matching rates are the standard ones for long requests."""
    card = tiered(rates(input="2", output="8"), (FLEX, HALF), (LONG, rates(input="4", output="12")))
    (short,) = cost(card, Usage(input=200_000, service_tier="flex"), NOON).items
    (long,) = cost(card, Usage(input=200_001, service_tier="flex"), NOON).items
    assert (usd("1"), False) == (short.rate, short.is_standard)
    assert (usd("4"), True) == (long.rate, long.is_standard)


@pytest.mark.parametrize(
    "condition", [When(min_input_tokens=0), When(region="eu"), When(hours=(0, 1440))]
)
@pytest.mark.parametrize("part", list(PARENTS))
def test_a_part_with_its_parents_rate_goes_with_it_under_every_condition(
    part: Meter, condition: When
) -> None:
    """Long context names output at twice the rate, and reasoning has always cost as much."""
    base = FULL | {part: FULL[PARENTS[part]]}
    doubled = {PARENTS[part]: Rate(2 * FULL[PARENTS[part]])}
    usage = {name: getattr(used(part, 1_000_000), name) for name in Meter}
    (found,) = cost(tiered(base, (condition, doubled)), Usage(**usage, region="eu"), NOON).items
    assert 2 * FULL[PARENTS[part]] == found.rate


some_rates = st.dictionaries(
    st.sampled_from(list(FULL)), st.integers(0, 10**12).map(Rate), min_size=1
)


@given(base=some_rates, discounts=st.dictionaries(st.sampled_from(list(FULL)), st.integers(0, 9)))
def test_a_discount_never_makes_a_meter_dearer(
    base: dict[Meter, Rate], discounts: dict[Meter, int]
) -> None:
    """Every meter with a standard price has a price in a cheaper tier, and it is no higher."""
    named = {
        meter: Rate(base[meter] * tenths // 10)
        for meter, tenths in discounts.items()
        if meter in base
    }
    card = tiered(base, (FLEX, named))
    for meter in FULL:
        try:
            standard = item(card, meter)
        except NoPrice:
            continue
        assert item(card, meter, "flex").rate <= standard.rate


def test_a_multiple_beyond_the_largest_rate_is_no_price() -> None:
    """Twice the largest rate is not a rate; it is unknown, and not an error of another kind."""
    card = RateCard({Meter.INPUT: Rate(2**63 - 1), Meter.CACHE_WRITE: Rate(1)})
    with pytest.raises(NoPrice, match="cache_write_1h: 5 used, and the card names no rate for it"):
        cost(card, used(Meter.CACHE_WRITE_1H, 5), NOON)
