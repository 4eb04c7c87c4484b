"""What is written in a format that this program reads is read as the same prices."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing_sync.errors import NoPrice, SettingsError
from pricing_sync.exports.document import Part
from pricing_sync.prices.cost import cost
from pricing_sync.prices.rates import ConditionalRates, Meter, Rate, RateCard, When
from pricing_sync.prices.usage import Usage

from exported import READERS, export, flat, price, read_back, usd
from referee.grid import SHAPES

NOON, NIGHT = (datetime(2026, 11, 25, hour, tzinfo=UTC) for hour in (12, 23))
TOKENS = {
    Meter.INPUT: usd("1.25"),
    Meter.OUTPUT: usd("10"),
    Meter.CACHE_READ: usd("0.3"),
    Meter.CACHE_WRITE: usd("1.5625"),
    Meter.INPUT_AUDIO: usd("4"),
    Meter.REASONING: usd("12.000000001"),
}
LONG = ConditionalRates(
    When(min_input_tokens=200_001),
    {
        Meter.INPUT: usd("2.5"),
        Meter.OUTPUT: usd("15"),
        Meter.CACHE_READ: usd("0.6"),
        Meter.CACHE_WRITE: usd("3.125"),
    },
)
PRIORITY = ConditionalRates(
    When(service_tier="priority"),
    {
        Meter.INPUT: usd("2.25"),
        Meter.OUTPUT: usd("18"),
        Meter.CACHE_READ: usd("0.54"),
    },
)
NIGHTLY = ConditionalRates(
    When(hours=(22 * 60, 6 * 60)), {Meter.INPUT: usd("0.5"), Meter.OUTPUT: usd("5")}
)

SAME = {
    "flat": RateCard(TOKENS),
    "finest": flat(input="0.000000001", output="9223372036.854775807"),
    "long": RateCard({m: TOKENS[m] for m in LONG.rates}, (LONG,)),
    "priority": RateCard({m: TOKENS[m] for m in PRIORITY.rates}, (PRIORITY,)),
    "hours": RateCard({Meter.INPUT: usd("1"), Meter.OUTPUT: usd("10")}, (NIGHTLY,)),
}
#: What a format cannot say.
EXCEPT = {("openrouter", "priority"), ("models.dev", "hours")}
# One-hour writes and cached audio are spelled out where a tool would bill them too low.
SPELLED_OUT = ("litellm", "genai-prices")


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("case", SAME)
def test_a_card_is_read_as_it_was_written(name: str, case: str) -> None:
    """To the last digit, with its conditions, and nothing is reported."""
    if (name, case) in EXCEPT:
        return
    written = export(name, [price(SAME[case])])
    assert () == written.left_out
    read = read_back(name, written.body)
    assert isinstance(read, RateCard)
    extra = {Meter.CACHE_WRITE_1H, Meter.CACHE_READ_AUDIO} if name in SPELLED_OUT else set()
    assert SAME[case] == without(read, extra - set(SAME[case].rates))


def without(card: RateCard, meters: set[Meter]) -> RateCard:
    """The card without some meters."""
    return RateCard(
        {meter: rate for meter, rate in card.rates.items() if meter not in meters},
        tuple(
            replace(entry, rates={m: r for m, r in entry.rates.items() if m not in meters})
            for entry in card.conditional_rates
            if entry.rates.keys() - meters
        ),
        card.currency,
    )


rates = st.integers(1, 10**14).map(Rate)
token_meters = st.sampled_from([m for m in Meter if m.value in Usage.__dataclass_fields__])
some_rates = st.dictionaries(token_meters, rates, min_size=1, max_size=6)
conditions = st.builds(
    When,
    min_input_tokens=st.sampled_from([None, None, 128_001, 200_000, 200_001]),
    service_tier=st.sampled_from([None, None, "batch", "flex", "priority", "fast"]),
    hours=st.sampled_from([None, None, None, (1320, 360), (0, 480)]),
    weekdays=st.sampled_from([None, None, None, frozenset({6, 7})]),
    time_zone=st.sampled_from(["UTC", "UTC", "Asia/Shanghai"]),
    region=st.sampled_from([None, None, None, "eu"]),
).filter(lambda when: when != When(time_zone=when.time_zone))
cards = st.builds(
    RateCard,
    st.fixed_dictionaries({Meter.INPUT: rates, Meter.OUTPUT: rates}).flatmap(
        lambda base: some_rates.map(lambda more: {**more, **base})
    ),
    st.lists(st.builds(ConditionalRates, conditions, some_rates), max_size=3).map(tuple),
)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=150, deadline=None)
@given(card=cards)
def test_every_usage_costs_the_same(name: str, card: RateCard) -> None:
    """Where nothing of the card was left out; and without a model, that is reported."""
    try:
        written = export(name, [price(card)])
    except SettingsError:  # genai-prices is never written without any model
        return
    read = read_back(name, written.body)
    parts = {entry.part for entry in written.left_out}
    assert (read is None) == (Part.MODEL in parts)
    if read is None or parts:
        return
    assert isinstance(read, RateCard)
    for tier in {None, *(e.when.service_tier for e in card.conditional_rates)}:
        for shape in SHAPES.values():
            for tokens in (shape.input, 128_000, 128_001, 199_999, 200_000, 200_001):
                usage = replace(shape, input=max(tokens, shape.input), service_tier=tier)
                for at in (NOON, NIGHT):
                    assert total(card, usage, at) in (total(read, usage, at), None)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=150, deadline=None)
@given(card=cards)
def test_no_request_becomes_cheaper_by_what_is_left_out(name: str, card: RateCard) -> None:
    """A condition that holds unasked, and makes the model dearer, takes the model with it."""
    try:
        read = read_back(name, export(name, [price(card)]).body)
    except SettingsError:
        return
    if read is None:
        return
    assert isinstance(read, RateCard)
    for tokens in (1_000, 128_001, 200_001):
        for at in (NOON, NIGHT):
            usage = Usage(input=tokens, output=500)
            theirs, ours = total(read, usage, at), total(card, usage, at)
            assert theirs is not None
            assert ours is not None
            assert theirs >= ours


def total(card: RateCard, usage: Usage, at: datetime) -> Decimal | None:
    """The total; None if there is no price."""
    try:
        return cost(card, usage, at).total
    except NoPrice:
        return None


def test_a_tier_without_a_key_is_named_as_left_out() -> None:
    """Its price is billed right, but the document does not say that the tier exists."""
    flex = ConditionalRates(When(service_tier="flex", min_input_tokens=128_001), {**FLAT})
    written = export("litellm", [price(RateCard(FLAT, (flex,)))])
    assert [(Part.CONDITION, "service tier flex has no keys")] == [
        (entry.part, entry.why) for entry in written.left_out
    ]


FLAT = {Meter.INPUT: usd("1"), Meter.OUTPUT: usd("4")}
