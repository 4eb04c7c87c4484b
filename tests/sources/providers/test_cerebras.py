"""Cerebras: recorded rows, and built ones for the formats that must not be taken for this one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pricing_sync.errors import DecodeError, IncompleteAnswer
from pricing_sync.prices.rates import (
    Answer,
    Listing,
    Meter,
    Rate,
    RateCard,
    Unpriced,
    Unreadable,
    Why,
)
from pricing_sync.sources.provider import read_answer
from pricing_sync.sources.providers.cerebras import PROVIDER

from recorded import needs_samples, sample

PRICED = {"id": "other", "pricing": {"prompt": "0.00000001", "completion": "0.00000002"}}


def answer(*rows: Any) -> Answer:
    """What is made of a built list."""
    return read_answer(PROVIDER, [json.dumps({"data": rows}).encode()])


def one(**pricing: Any) -> Listing:
    """What is made of one built row."""
    return answer({"id": "m", "pricing": pricing}).listings["m"]


def card(input_: int, output: int) -> RateCard:
    return RateCard({Meter.INPUT: Rate(input_), Meter.OUTPUT: Rate(output)})


@needs_samples
def test_the_recorded_excerpt() -> None:
    """Strings per token, and a row that is deprecated is priced like the others."""
    read = read_answer(PROVIDER, [sample("cerebras/2026-08-public-v1-models-excerpt.json")])
    assert {
        "zai-glm-4.7": card(2_250_000_000, 2_750_000_000),
        "gemma-4-31b": card(990_000_000, 1_490_000_000),
        "gpt-oss-120b": card(350_000_000, 750_000_000),
        "retired-model": card(10_000_000, 10_000_000),
    } == read.listings
    assert {} == read.ignored


@needs_samples
def test_the_recorded_full_row() -> None:
    """A row with all its fields has the same two prices."""
    read = read_answer(PROVIDER, [sample("cerebras/2026-public-v1-models-one-full-row.json")])
    assert card(350_000_000, 750_000_000) == read.listings["gpt-oss-120b"]
    assert card(10_000_000, 10_000_000) == read.listings["deprecated-cerebras-model"]


def test_a_price_is_per_token() -> None:
    """Nothing is divided by a million."""
    assert card(350_000_000, 750_000_000) == one(prompt="0.00000035", completion="0.00000075")


def test_the_openrouter_format_says_zero_for_what_is_not_offered() -> None:
    """Cached input at zero would make every hit of the cache free."""
    absent = {"image": "0", "request": "0", "input_cache_read": "0", "input_cache_write": "0"}
    assert card(350_000_000, 750_000_000) == one(
        prompt="0.00000035", completion="0.00000075", **absent
    )


def test_the_huggingface_format_is_not_misread() -> None:
    """Its numbers are per million and its names are others: no row of it has a price here."""
    listing = one(input=0.35, output=0.75)
    assert isinstance(listing, Unreadable)
    assert "pricing.prompt" in listing.why


def test_a_number_is_not_a_price_per_token() -> None:
    """It is how another format says dollars per million: here it would be a million times that."""
    listing = one(prompt=0.35, completion=0.75)
    assert Unreadable("pricing.prompt: missing, or not a string as prices per token are") == listing


def test_the_list_for_holders_of_a_key_is_no_price_list() -> None:
    """It names the models without prices, and would withdraw every one of them."""
    with pytest.raises(IncompleteAnswer, match="cerebras: body: no model has a price"):
        answer({"id": "gpt-oss-120b", "object": "model", "created": 1, "owned_by": "Cerebras"})


def test_one_row_without_prices_is_one_model_without_prices() -> None:
    """The others say that this is the list with prices."""
    read = answer({"id": "m"}, PRICED)
    assert Unpriced(Why.NOT_PUBLISHED) == read.listings["m"]
    assert card(10_000_000, 20_000_000) == read.listings["other"]


def test_zero_is_not_free() -> None:
    """Nothing in the row says that it is meant."""
    listing = one(prompt="0", completion="0")
    assert isinstance(listing, Unpriced)
    assert Why.NOT_PER_TOKEN is listing.why


@pytest.mark.parametrize("price", [True, "true", "NaN", "-0.00000035", "1_0", "", {}, [], None])
def test_what_is_not_an_amount_spoils_its_row_alone(price: Any) -> None:
    """Each of these is something that some general parser takes for a number."""
    read = answer({"id": "m", "pricing": {"prompt": price, "completion": "0.1"}}, PRICED)
    assert isinstance(read.listings["m"], Unreadable)
    assert card(10_000_000, 20_000_000) == read.listings["other"]


def test_a_new_price_does_not_pass_unseen() -> None:
    """A key that nobody translates is counted."""
    row = {"prompt": "0.00000035", "completion": "0.00000075", "image_token": "0.000001"}
    assert {"pricing.image_token": 1} == answer({"id": "m", "pricing": row}).ignored


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"{}", b"[]", b"null", b'{"data": {}}'])
def test_what_is_not_a_list_of_models(body: bytes) -> None:
    """It is an error of the whole answer."""
    with pytest.raises(DecodeError, match="cerebras: body: "):
        read_answer(PROVIDER, [body])


def test_an_empty_list_is_incomplete() -> None:
    """It does not withdraw every model."""
    with pytest.raises(IncompleteAnswer, match="lists no models"):
        answer()
