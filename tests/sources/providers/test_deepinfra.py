"""DeepInfra: both recorded lists, and built rows for the cases that they do not have."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from pricing_sync.prices.rates import (
    ConditionalRates,
    Listing,
    Meter,
    Rate,
    RateCard,
    Scheduled,
    Unpriced,
    Unreadable,
    When,
    Why,
)
from pricing_sync.sources.provider import read_answer
from pricing_sync.sources.providers.deepinfra import PROVIDER

from built_rows import answer_of
from recorded import needs_samples, sample

#: 1 and 4 dollars per million tokens.
CENTS = {"type": "tokens", "cents_per_input_token": 0.0001, "cents_per_output_token": 0.0004}
RATES = {Meter.INPUT: Rate(1_000_000_000), Meter.OUTPUT: Rate(4_000_000_000)}


#: Before the ends of the discounts below.
AT = datetime(2026, 9, 1, tzinfo=UTC)


answer = partial(answer_of, PROVIDER, key=None, at=AT)


def one(**pricing: Any) -> Listing:
    """The listing of one built row in cents."""
    return answer({"model_name": "a/b", "pricing": pricing}).listings["a/b"]


def openai_one(metadata: Any) -> Listing:
    """The listing of one built row of the OpenAI-like list."""
    body = json.dumps({"object": "list", "data": [{"id": "a/b", "metadata": metadata}]})
    return read_answer(PROVIDER, [body.encode()]).listings["a/b"]


@needs_samples
def test_the_recorded_row_in_cents() -> None:
    """4.5e-05 cents per token are 45 cents per million, and 0.15555556 of that is 7 cents."""
    parsed = read_answer(PROVIDER, [sample("deepinfra/2026-05-12-models-list-one-row.json")])
    card = RateCard(
        {
            Meter.INPUT: Rate(450_000_000),
            Meter.OUTPUT: Rate(2_250_000_000),
            Meter.CACHE_READ: Rate(70_000_000),
        }
    )
    assert {"moonshotai/Kimi-K2.5": card} == parsed.listings
    assert {} == parsed.ignored


@needs_samples
def test_the_recorded_excerpt_in_cents() -> None:
    """Service tiers multiply every rate. Seconds have a meter. A row without a name is counted."""
    parsed = read_answer(PROVIDER, [sample("deepinfra/2026-09-models-list-excerpt.json")])
    assert parsed.listings["deepseek-ai/DeepSeek-V4-Pro"] == RateCard(
        {
            Meter.INPUT: Rate(1_300_000_000),
            Meter.OUTPUT: Rate(2_600_000_000),
            Meter.CACHE_READ: Rate(100_000_000),
        },
        (
            ConditionalRates(
                When(service_tier="flex"),
                {
                    Meter.INPUT: Rate(1_040_000_000),
                    Meter.OUTPUT: Rate(2_080_000_000),
                    Meter.CACHE_READ: Rate(80_000_000),
                },
            ),
            ConditionalRates(
                When(service_tier="priority"),
                {
                    Meter.INPUT: Rate(1_950_000_000),
                    Meter.OUTPUT: Rate(3_900_000_000),
                    Meter.CACHE_READ: Rate(150_000_000),
                },
            ),
        ),
    )
    assert RateCard({Meter.SECOND: Rate(10_000_000_000)}) == parsed.listings["x/whisper"]
    assert len(parsed.nameless) == 1


@needs_samples
def test_the_recorded_list_in_dollars() -> None:
    """78 of 142 models have a price, in dollars per million. Float noise is rounded away."""
    parsed = read_answer(PROVIDER, [sample("deepinfra/2026-03-01-v1-openai-models.json")])
    assert len(parsed.listings) == 142
    assert sum(isinstance(listing, RateCard) for listing in parsed.listings.values()) == 78
    assert {} == parsed.ignored
    assert parsed.listings["deepseek-ai/DeepSeek-V3.1-Terminus"] == RateCard(
        {
            Meter.INPUT: Rate(210_000_000),
            Meter.OUTPUT: Rate(790_000_000),
            Meter.CACHE_READ: Rate(130_000_000),
        }
    )
    assert Unpriced(Why.NOT_PUBLISHED) == parsed.listings["BAAI/bge-m3"]


def test_both_lists_give_the_same_rates() -> None:
    """0.0001 cents per token and 1 dollar per million are the same rate."""
    dollars = {"pricing": {"input_tokens": 1, "output_tokens": 3.9999999999999996}}
    assert RateCard(RATES) == one(**CENTS) == openai_one(dollars)


def test_a_cached_price_is_rounded_in_both_lists() -> None:
    """0.0799999993 is 0.08 in either list."""
    dollars = {"pricing": {"input_tokens": 0.43, "cache_read_tokens": 0.0799999993}}
    expected = {Meter.INPUT: Rate(430_000_000), Meter.CACHE_READ: Rate(80_000_000)}
    cents = {"cents_per_input_token": 4.3e-05, "rate_per_input_token_cached": 0.18604651}
    assert RateCard(expected) == openai_one(dollars) == one(type="tokens", **cents)


def test_a_service_tier_may_have_any_name() -> None:
    """A tier is a name that the list states."""
    fast = {Meter.INPUT: Rate(3_000_000_000), Meter.OUTPUT: Rate(12_000_000_000)}
    listing = one(**CENTS, rate_per_service_tier_fast=3)
    assert isinstance(listing, RateCard)
    assert (ConditionalRates(When(service_tier="fast"), fast),) == listing.conditional_rates


def test_a_discount_applies_to_every_rate() -> None:
    """The rates are those charged: at 30 % off, 0.70 of 1 and of each multiple of it."""
    listing = one(
        **CENTS,
        discount=0.3,
        discount_ends_at=1790000000,
        rate_per_input_token_cached=0.1,
        rate_per_service_tier_priority=2,
    )
    base = {
        Meter.INPUT: Rate(700_000_000),
        Meter.OUTPUT: Rate(2_800_000_000),
        Meter.CACHE_READ: Rate(70_000_000),
    }
    priority = {
        Meter.INPUT: Rate(1_400_000_000),
        Meter.OUTPUT: Rate(5_600_000_000),
        Meter.CACHE_READ: Rate(140_000_000),
    }
    conditional = ConditionalRates(When(service_tier="priority"), priority)
    assert RateCard(base, (conditional,)) == listing


@pytest.mark.parametrize(
    ("end", "since"),
    [
        (1790000000, datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)),
        ("2026-12-31", datetime(2026, 12, 31, tzinfo=UTC)),
        ("2026-12-31T23:00:00+02:00", datetime(2026, 12, 31, 21, tzinfo=UTC)),
        ("2026-12-31T23:00:00", datetime(2026, 12, 31, 23, tzinfo=UTC)),
    ],
)
def test_from_the_end_of_a_discount_on_the_listed_prices_hold(end: Any, since: datetime) -> None:
    """Of every rate and tier, in both lists. After the end it makes no difference."""
    pricing = {**CENTS, "rate_per_input_token_cached": 0.1, "discount": 0.3}
    row = {"model_name": "a/b", "pricing": pricing | {"discount_ends_at": end}}
    listed = RateCard({**RATES, Meter.CACHE_READ: Rate(100_000_000)})
    found = answer(row)
    assert Rate(700_000_000) == found.listings["a/b"].rates[Meter.INPUT]  # type: ignore[union-attr]
    assert {"a/b": (Scheduled(since, listed),)} == found.scheduled
    ended = answer(row, at=since)
    assert ({"a/b": listed}, {}) == (ended.listings, ended.scheduled)
    dollars = {"input_tokens": 1, "output_tokens": 4}
    metadata = {"pricing": dollars, "discount": 0.3, "discount_ends_at": end}
    body = json.dumps({"object": "list", "data": [{"id": "a/b", "metadata": metadata}]})
    other = read_answer(PROVIDER, [body.encode()], AT)
    assert {"a/b": (Scheduled(since, RateCard(RATES)),)} == other.scheduled


@pytest.mark.parametrize("end", [None, 0, "soon", True, "0001-01-01", [1790000000]])
def test_an_end_of_a_discount_that_cannot_be_read_is_counted(end: Any) -> None:
    """The discount applies as listed. Null is no end."""
    row = {"model_name": "a/b", "pricing": CENTS | {"discount": 0.3, "discount_ends_at": end}}
    found = answer(row)
    assert Rate(700_000_000) == found.listings["a/b"].rates[Meter.INPUT]  # type: ignore[union-attr]
    assert {} == found.scheduled
    assert ({} if end is None else {"discount_ends_at": 1}) == found.ignored


def test_without_a_discount_its_end_changes_nothing() -> None:
    """Nothing is scheduled."""
    row = {"model_name": "a/b", "pricing": CENTS | {"discount_ends_at": 1790000000}}
    assert {} == answer(row).scheduled


@pytest.mark.parametrize("discount", [1, 1.5, 30, -0.1, True, "30%"])
def test_a_discount_that_is_not_a_fraction_is_unreadable(discount: Any) -> None:
    """30 does not mean 30 %, and a discount of 1 does not make the model free."""
    assert isinstance(one(**CENTS, discount=discount), Unreadable)


@pytest.mark.parametrize("discount", [None, 0])
def test_without_a_discount_the_list_price_applies(discount: Any) -> None:
    """A discount of zero is no discount."""
    assert RateCard(RATES) == one(**CENTS, discount=discount)


def test_cache_writes_are_multiples_of_the_input() -> None:
    """A write for five minutes costs 1.25 times the input, one for an hour twice the input."""
    listing = one(**CENTS, rate_per_explicit_cache_write_token={"5m": 1.25, "1h": 2.0})
    writes = {Meter.CACHE_WRITE: Rate(1_250_000_000), Meter.CACHE_WRITE_1H: Rate(2_000_000_000)}
    assert RateCard(RATES | writes) == listing


def test_two_prices_of_a_cache_write_are_unreadable() -> None:
    """Automatic and explicit cache writes have one meter."""
    explicit = {"rate_per_explicit_cache_write_token": {"5m": 1.25}}
    assert isinstance(one(**CENTS, **explicit, rate_per_input_token_cache_write=1), Unreadable)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate_per_input_token_cached": True},
        {"rate_per_input_token_cached": -0.1},
        {"rate_per_input_token_cached": 1000},
        {"rate_per_input_token_cached": 1e-9},
        {"rate_per_service_tier_flex": "NaN"},
        {"rate_per_explicit_cache_write_token": {"1d": 3}},
        {"rate_per_explicit_cache_write_token": 1.25},
        {"cents_per_input_token": True},
        {"cents_per_input_token": "1_000"},
        {"cents_per_input_token": -0.0001},
        {"cents_per_input_token": 1e12, "rate_per_service_tier_priority": 100},
        {"type": "moon_phases"},
        {"type": None},
    ],
    ids=str,
)
def test_a_wrong_value_makes_only_its_row_unreadable(wrong: dict[str, Any]) -> None:
    """No multiple and no price is guessed."""
    bad = {"model_name": "a/bad", "pricing": CENTS | wrong}
    listings = answer(bad, {"model_name": "a/good", "pricing": CENTS}).listings
    assert isinstance(listings["a/bad"], Unreadable)
    assert RateCard(RATES) == listings["a/good"]


def test_a_cache_without_a_multiple_has_no_price_of_its_own() -> None:
    """It is billed at the input rate."""
    assert RateCard(RATES) == one(**CENTS, rate_per_input_token_cached=None)


def test_a_multiple_of_zero_is_a_price_of_zero() -> None:
    """It is not the input rate. The gate judges it. A tier at zero is no tier."""
    zero = one(**CENTS, rate_per_input_token_cached=0, rate_per_service_tier_flex=0)
    assert RateCard({**RATES, Meter.CACHE_READ: Rate(0)}) == zero


def test_a_discount_in_the_openai_like_list_applies_to_every_rate() -> None:
    """The listed prices are those before the discount, as in the list in cents."""
    pricing = {"input_tokens": 2, "output_tokens": 8, "cache_read_tokens": 0.5}
    half = {**RATES, Meter.CACHE_READ: Rate(250_000_000)}
    assert RateCard(half) == openai_one({"pricing": pricing, "discount": 0.5})
    assert RateCard(RATES) == openai_one(
        {"pricing": {"input_tokens": 1, "output_tokens": 4}, "discount": 0}
    )


@pytest.mark.parametrize("discount", [1, 30, -0.5, True, "half"])
def test_a_discount_that_is_no_fraction_makes_the_row_unreadable(discount: Any) -> None:
    """In the OpenAI-like list too."""
    listing = openai_one({"pricing": {"input_tokens": 2}, "discount": discount})
    assert isinstance(listing, Unreadable)
    assert listing.why.startswith("metadata.discount: ")


@pytest.mark.parametrize(
    "text",
    [
        {"full": "$1 in $4 out $0.2 cached <= 32K, $2 in $8 out $0.4 cached > 32K"},
        {"short": "$1 in $4 out ≤ 128K"},
        {"table": {"columns": ["context", "in"], "rows": [["<= 32K", 1], ["> 32K", 2]]}},
    ],
    ids=["full", "short", "table"],
)
def test_tiers_in_prose_leave_the_model_unpriced(text: dict[str, Any]) -> None:
    """The lowest tier alone would underbill every long request."""
    listing = one(**CENTS, **text)
    assert isinstance(listing, Unpriced)
    assert Why.VARIES is listing.why


def test_prose_that_repeats_the_price_is_ignored() -> None:
    """Not all prose states a tier."""
    assert RateCard(RATES) == one(**CENTS, full="$1 in $4 out / 1M tokens", short="$1/$4")


@pytest.mark.parametrize(
    ("pricing", "expected"),
    [
        ({"type": "input_tokens", "cents_per_input_token": 1e-06}, {Meter.INPUT: Rate(10_000_000)}),
        ({"type": "time", "cents_per_sec": 0.05}, {Meter.SECOND: Rate(500_000_000_000)}),
        (
            {"type": "input_length", "cents_per_input_sec": 0.00075},
            {Meter.SECOND: Rate(7_500_000_000)},
        ),
        (
            {"type": "output_length", "cents_per_output_sec": 2},
            {Meter.SECOND: Rate(20_000_000_000_000)},
        ),
        (
            {"type": "input_character_length", "cents_per_input_chars": 6.2e-05},
            {Meter.CHARACTER: Rate(620_000_000)},
        ),
    ],
    ids=lambda value: value.get("type", ""),
)
def test_each_type_has_its_meter(pricing: dict[str, Any], expected: dict[Meter, Rate]) -> None:
    """Embeddings are priced by the token, speech by the second or the character."""
    assert RateCard(expected) == one(**pricing)


@pytest.mark.parametrize("type_", ["image_units", "frame_units", "frame", "uptime"])
def test_types_that_no_meter_counts_are_not_priced(type_: str) -> None:
    """An image unit is not an image, and a machine's uptime is not a model's second."""
    expected = Unpriced(Why.NOT_PER_TOKEN, f"type {type_}")
    assert expected == one(type=type_, cents_per_image_unit=0.1, cents_per_sec=0.05)


def test_a_zero_is_a_price_that_is_not_set() -> None:
    """Characters at 0.0 are not free."""
    listing = one(type="input_character_length", cents_per_input_chars=0.0)
    assert isinstance(listing, Unpriced)
    assert Why.NOT_PUBLISHED is listing.why


@pytest.mark.parametrize("metadata", [None, {}, {"pricing": None}])
def test_a_model_without_metadata_is_unpriced(metadata: Any) -> None:
    """The OpenAI-like list has no prices of images and embeddings."""
    assert Unpriced(Why.NOT_PUBLISHED) == openai_one(metadata)


def test_true_in_the_list_in_dollars_is_unreadable() -> None:
    """In Python `True` is the integer 1."""
    assert isinstance(openai_one({"pricing": {"input_tokens": True}}), Unreadable)


def test_an_unknown_price_field_is_counted() -> None:
    """A new meter must not go unnoticed."""
    parsed = answer({"model_name": "a/b", "pricing": CENTS | {"cents_per_thought": 1}})
    assert {"pricing.cents_per_thought": 1} == parsed.ignored
