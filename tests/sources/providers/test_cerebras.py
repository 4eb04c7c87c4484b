"""Cerebras: recorded rows, and built rows of the formats that must not be mistaken for this one."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from pricing_sync.errors import IncompleteAnswer
from pricing_sync.prices.rates import (
    Listing,
    Unpriced,
    Unreadable,
    Why,
)
from pricing_sync.sources.provider import read_answer
from pricing_sync.sources.providers.cerebras import PROVIDER

from built_rows import answer_of, card
from recorded import needs_samples, sample

PRICED = {"id": "other", "pricing": {"prompt": "0.00000001", "completion": "0.00000002"}}


answer = partial(answer_of, PROVIDER)


def one(**pricing: Any) -> Listing:
    """The listing of one built row."""
    return answer({"id": "m", "pricing": pricing}).listings["m"]


@needs_samples
def test_the_recorded_excerpt() -> None:
    """The prices are strings per token. A deprecated row is priced like the others."""
    parsed = read_answer(PROVIDER, [sample("cerebras/2026-08-public-v1-models-excerpt.json")])
    assert {
        "zai-glm-4.7": card(2_250_000_000, 2_750_000_000),
        "gemma-4-31b": card(990_000_000, 1_490_000_000),
        "gpt-oss-120b": card(350_000_000, 750_000_000),
        "retired-model": card(10_000_000, 10_000_000),
    } == parsed.listings
    assert {} == parsed.ignored


@needs_samples
def test_the_recorded_full_row() -> None:
    """A row with all its fields has the same two prices."""
    parsed = read_answer(PROVIDER, [sample("cerebras/2026-public-v1-models-one-full-row.json")])
    assert card(350_000_000, 750_000_000) == parsed.listings["gpt-oss-120b"]
    assert card(10_000_000, 10_000_000) == parsed.listings["deprecated-cerebras-model"]


def test_a_price_is_per_token() -> None:
    """Nothing is divided by a million."""
    assert card(350_000_000, 750_000_000) == one(prompt="0.00000035", completion="0.00000075")


def test_a_zero_in_the_openrouter_format_means_not_offered() -> None:
    """Cached input at zero would make every cache hit free."""
    absent = {"image": "0", "request": "0", "input_cache_read": "0", "input_cache_write": "0"}
    assert card(350_000_000, 750_000_000) == one(
        prompt="0.00000035", completion="0.00000075", **absent
    )


def test_the_huggingface_format_is_not_misread() -> None:
    """Its numbers are per million, under other names. Its rows are unreadable here."""
    listing = one(input=0.35, output=0.75)
    assert isinstance(listing, Unreadable)
    assert "pricing.prompt" in listing.why


def test_a_number_is_not_a_price_per_token() -> None:
    """Another format has numbers per million. Per token they would be a million times higher."""
    listing = one(prompt=0.35, completion=0.75)
    assert Unreadable("pricing.prompt: missing, or not a string as prices per token are") == listing


def test_the_list_that_requires_a_key_is_incomplete() -> None:
    """It has the models without prices, and would withdraw every price."""
    with pytest.raises(IncompleteAnswer, match="cerebras: body: no model has a price"):
        answer({"id": "gpt-oss-120b", "object": "model", "created": 1, "owned_by": "Cerebras"})


def test_one_row_without_prices_is_one_unpriced_model() -> None:
    """The other rows show that this is the list with prices."""
    parsed = answer({"id": "m"}, PRICED)
    assert Unpriced(Why.NOT_PUBLISHED) == parsed.listings["m"]
    assert card(10_000_000, 20_000_000) == parsed.listings["other"]


def test_zero_is_not_free() -> None:
    """Nothing in the row states that the model is free."""
    listing = one(prompt="0", completion="0")
    assert isinstance(listing, Unpriced)
    assert Why.NOT_PER_TOKEN is listing.why


@pytest.mark.parametrize("price", [True, "true", "NaN", "-0.00000035", "1_0", "", {}, [], None])
def test_a_price_that_is_not_an_amount_makes_only_its_row_unreadable(price: Any) -> None:
    """Some general parser accepts each of these as a number."""
    parsed = answer({"id": "m", "pricing": {"prompt": price, "completion": "0.1"}}, PRICED)
    assert isinstance(parsed.listings["m"], Unreadable)
    assert card(10_000_000, 20_000_000) == parsed.listings["other"]


def test_an_unknown_price_field_is_counted() -> None:
    """A new meter must not go unnoticed."""
    row = {"prompt": "0.00000035", "completion": "0.00000075", "image_token": "0.000001"}
    assert {"pricing.image_token": 1} == answer({"id": "m", "pricing": row}).ignored
