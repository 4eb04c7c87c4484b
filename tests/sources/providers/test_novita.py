"""Novita AI: the recorded list, and built rows for the newer fields."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from pricing_sync.errors import DecodeError, IncompleteAnswer
from pricing_sync.prices.rates import (
    Answer,
    ConditionalRates,
    Listing,
    Meter,
    Rate,
    RateCard,
    Unpriced,
    Unreadable,
    When,
    Why,
)
from pricing_sync.sources.provider import read_answer
from pricing_sync.sources.providers.novita import PROVIDER

from recorded import needs_samples, sample

RECORDED = "novita/2025-07-25-openai-v1-models.json"
ZERO = Unpriced(Why.NOT_PUBLISHED, "listed at zero, as are models that are billed")


def answer(*rows: Any) -> Answer:
    """What is made of a built list."""
    return read_answer(PROVIDER, [json.dumps({"data": rows}).encode()])


def one(input_: Any = 0, output: Any = 0, **fields: Any) -> Listing:
    """What is made of one built row."""
    row = {"id": "m", "input_token_price_per_m": input_, "output_token_price_per_m": output}
    return answer({"status": 1, **row, **fields}).listings["m"]


def card(input_: int, output: int, *overrides: ConditionalRates) -> RateCard:
    return RateCard({Meter.INPUT: Rate(input_), Meter.OUTPUT: Rate(output)}, overrides)


def tier(begins: Any, input_: int, output: int) -> dict[str, Any]:
    prices = {"prompt": {"price_per_m": input_}, "completion": {"price_per_m": output}}
    return {"min_tokens": begins, "pricing": prices}


def why(listing: Listing) -> str:
    assert isinstance(listing, Unreadable), listing
    return listing.why


@needs_samples
def test_the_recorded_list() -> None:
    """43 models have a price; seven are at zero, and one of those is known to be billed."""
    read = read_answer(PROVIDER, [sample(RECORDED)])
    listings = read.listings
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
    assert {} == read.ignored


def test_a_price_counts_ten_thousandths_of_a_dollar() -> None:
    """14000 is $1.40 per million, and not $14,000."""
    assert card(1_400_000_000, 4_400_000_000) == one(14_000, 44_000)


def test_a_test_model_stays_what_it_is() -> None:
    """Nobody here decides which of the names are meant."""
    row = {
        "id": "ai_infer_test_1",
        "input_token_price_per_m": 100,
        "output_token_price_per_m": 200,
        "status": 1,
    }
    assert {"ai_infer_test_1": card(10_000_000, 20_000_000)} == answer(row).listings


def test_zero_is_no_quote() -> None:
    """Models that are billed are listed at zero too."""
    assert ZERO == one(0, 0)


@pytest.mark.parametrize("price", [-1, 0.28, "0.28", True, "NaN", [1], 10**30])
def test_what_is_not_a_whole_amount_spoils_its_row(price: Any) -> None:
    """-1 is not a price, and a fraction would be in some other unit."""
    assert why(one(price, 100)).startswith("pricing.prompt.price_per_m: ")


@pytest.mark.parametrize("status", [0, -1, "0"])
def test_a_model_that_is_off_is_withdrawn(status: Any) -> None:
    """Its prices stay in the list."""
    assert Unpriced(Why.WITHDRAWN, f"status {status}") == one(100, 200, status=status)


def test_the_newer_prices_add_the_cache() -> None:
    """Each is told in whole numbers and in dollars, which is one rate."""
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
    """If the whole numbers change their unit, the decimals show it."""
    shifted = {"prompt": {"price_per_m": 150_000, "price_per_m_decimal": "0.15"}}
    assert "prompt.price_per_m_decimal" in why(one(pricing=shifted))
    assert "elsewhere" in why(one(1500, 5000, pricing={"prompt": {"price_per_m": 1400}}))


def test_a_price_that_is_no_object_is_unreadable() -> None:
    """The shape tells the unit."""
    assert why(one(1500, 5000, pricing={"prompt": "0.00000015"})).startswith("pricing.prompt: ")


def test_a_new_price_does_not_pass_unseen() -> None:
    """A key that nobody translates is counted."""
    row = {"id": "m", "input_token_price_per_m": 1, "pricing": {"audio": {"price_per_m": 7}}}
    assert {"pricing.audio.price_per_m": 1} == answer(row).ignored


def test_tiers_are_in_order_whatever_theirs() -> None:
    """The one of the first token is the base, also where the flat fields are zero."""
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


def test_tiers_that_are_switched_off_are_not_billed() -> None:
    """The flat price holds."""
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
def test_tiers_that_cannot_be_told_spoil_the_row(tiers: Any) -> None:
    """Half of a tiered price is no price."""
    why(one(100, 200, is_tiered_billing=True, tiered_billing_configs=tiers))


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"{}", b"[]", b"null", b'{"data": 1}'])
def test_what_is_not_a_list_of_models(body: bytes) -> None:
    """It is an error of the whole answer."""
    with pytest.raises(DecodeError, match="novita: body: "):
        read_answer(PROVIDER, [body])


def test_an_empty_list_is_incomplete() -> None:
    """It does not withdraw every model."""
    with pytest.raises(IncompleteAnswer, match="lists no models"):
        answer()
