"""Novita AI: the recorded list, and built rows for the newer fields."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import pytest

from pricing_sync.prices.rates import (
    ConditionalRates,
    Listing,
    Meter,
    Rate,
    RateCard,
    Unpriced,
    When,
    Why,
)
from pricing_sync.sources.provider import read_answer
from pricing_sync.sources.providers.novita import PROVIDER

from built_rows import answer_of, card, why
from recorded import needs_samples, sample

RECORDED = "novita/2025-07-25-openai-v1-models.json"
ZERO = Unpriced(Why.NOT_PUBLISHED, "listed at zero, as are models that are billed")


answer = partial(answer_of, PROVIDER)


def one(input_: Any = 0, output: Any = 0, **fields: Any) -> Listing:
    """The listing of one built row."""
    row = {"id": "m", "input_token_price_per_m": input_, "output_token_price_per_m": output}
    return answer({"status": 1, **row, **fields}).listings["m"]


def tier(start: Any, input_: int, output: int) -> dict[str, Any]:
    prices = {"prompt": {"price_per_m": input_}, "completion": {"price_per_m": output}}
    return {"min_tokens": start, "pricing": prices}


@needs_samples
def test_the_recorded_list() -> None:
    """43 models have a price. Seven are listed at zero, and one of these is known to be billed."""
    parsed = read_answer(PROVIDER, [sample(RECORDED)])
    listings = parsed.listings
    assert {RateCard: 43, Unpriced: 7} == Counter(type(listing) for listing in listings.values())
    assert card(280_000_000, 1_140_000_000) == listings["deepseek/deepseek-v3-0324"]
    assert card(570_000_000, 2_300_000_000) == listings["moonshotai/kimi-k2-instruct"]
    zero = {model for model, listing in listings.items() if listing == ZERO}
    assert zero == {
        "baidu/ernie-4.5-vl-28b-a3b",
        "baidu/ernie-4.5-21B-a3b",
        "baidu/ernie-4.5-0.3b",
        "google/gemma-3-1b-it",
        "qwen/qwen3-4b-fp8",
        "qwen/qwen2.5-7b-instruct",
        "meta-llama/llama-3.2-1b-instruct",
    }
    assert {} == parsed.ignored


def test_a_price_counts_ten_thousandths_of_a_dollar() -> None:
    """14000 is $1.40 per million, and not $14,000."""
    assert card(1_400_000_000, 4_400_000_000) == one(14_000, 44_000)


def test_a_test_model_is_read_like_any_other() -> None:
    """No model is left out because of its name."""
    row = {
        "id": "ai_infer_test_1",
        "input_token_price_per_m": 100,
        "output_token_price_per_m": 200,
        "status": 1,
    }
    assert {"ai_infer_test_1": card(10_000_000, 20_000_000)} == answer(row).listings


def test_a_zero_is_not_a_price() -> None:
    """Some models at zero are billed."""
    assert ZERO == one(0, 0)


@pytest.mark.parametrize("price", [-1, 0.28, "0.28", True, "NaN", [1], 10**30])
def test_a_price_that_is_not_a_whole_amount_makes_its_row_unreadable(price: Any) -> None:
    """-1 is not a price, and a fraction would mean another unit."""
    assert why(one(price, 100)).startswith("pricing.prompt.price_per_m: ")


@pytest.mark.parametrize("status", [0, -1, "0"])
def test_a_model_that_is_off_is_withdrawn(status: Any) -> None:
    """The list still has its prices."""
    assert Unpriced(Why.WITHDRAWN, f"status {status}") == one(100, 200, status=status)


def test_the_newer_prices_add_the_cache() -> None:
    """Each price is listed as a whole number and in dollars, which give one rate."""
    pricing = {
        "prompt": {"price_per_m": 1500, "price_per_m_decimal": "0.15"},
        "completion": {"price_per_m": 5000, "price_per_m_decimal": "0.5"},
        "input_cache_read": {"price_per_m": 300, "price_per_m_decimal": "0.03"},
        "input_cache_write": {"price_per_m": 0, "price_per_m_decimal": "0"},
    }
    expected = {
        Meter.INPUT: Rate(150_000_000),
        Meter.OUTPUT: Rate(500_000_000),
        Meter.CACHE_READ: Rate(30_000_000),
    }
    assert RateCard(expected) == one(1500, 5000, pricing=pricing)
    assert RateCard(expected) == one(0, 0, pricing=pricing)


def test_two_units_that_disagree_are_unreadable() -> None:
    """A new unit of the whole numbers contradicts the decimals."""
    shifted = {"prompt": {"price_per_m": 150_000, "price_per_m_decimal": "0.15"}}
    assert "prompt.price_per_m_decimal" in why(one(pricing=shifted))
    assert "elsewhere" in why(one(1500, 5000, pricing={"prompt": {"price_per_m": 1400}}))


def test_a_price_that_is_not_an_object_is_unreadable() -> None:
    """The keys of the object name the unit."""
    assert why(one(1500, 5000, pricing={"prompt": "0.00000015"})).startswith("pricing.prompt: ")


def test_an_unknown_price_field_is_counted() -> None:
    """A new meter must not go unnoticed."""
    row = {"id": "m", "input_token_price_per_m": 1, "pricing": {"audio": {"price_per_m": 7}}}
    assert {"pricing.audio.price_per_m": 1} == answer(row).ignored


def test_tiers_are_sorted_by_their_first_token() -> None:
    """The tier of the first token has the base rates, also if the flat fields are zero."""
    tiers = [tier(524_288, 30_000, 40_000), tier(1, 10_000, 20_000), tier(900_000, 50_000, 60_000)]
    expected = card(
        1_000_000_000,
        2_000_000_000,
        ConditionalRates(
            When(min_input_tokens=524_288),
            {Meter.INPUT: Rate(3_000_000_000), Meter.OUTPUT: Rate(4_000_000_000)},
        ),
        ConditionalRates(
            When(min_input_tokens=900_000),
            {Meter.INPUT: Rate(5_000_000_000), Meter.OUTPUT: Rate(6_000_000_000)},
        ),
    )
    assert expected == one(is_tiered_billing=True, tiered_billing_configs=tiers)
    assert expected == one(10_000, 20_000, tiered_billing_configs=tiers)


def test_tiers_that_are_switched_off_are_ignored() -> None:
    """The flat price applies."""
    tiers = [tier(1, 10_000, 20_000), tier(524_288, 30_000, 40_000)]
    listing = one(100, 200, is_tiered_billing=False, tiered_billing_configs=tiers)
    assert card(10_000_000, 20_000_000) == listing


@pytest.mark.parametrize(
    "tiers",
    [
        [],
        None,
        [tier(None, 1, 1)],
        [tier(-5, 1, 1)],
        [tier(1, 100, 200), tier(9, 0, 0)],
        [tier(1, 101, 200)],
        [{"min_tokens": 1}],
        [{"pricing": {}}],
    ],
)
def test_broken_tiers_make_the_row_unreadable(tiers: Any) -> None:
    """A part of a tiered price is not a price."""
    why(one(100, 200, is_tiered_billing=True, tiered_billing_configs=tiers))
