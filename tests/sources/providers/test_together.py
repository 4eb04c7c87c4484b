"""Together AI: the recorded list, and built rows for the cases that it does not have."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import pytest

from pricing_sync.prices.rates import (
    Listing,
    Meter,
    Rate,
    RateCard,
    Unpriced,
    Unreadable,
    Why,
)
from pricing_sync.sources.provider import read_answer
from pricing_sync.sources.providers.together import PROVIDER

from built_rows import answer_of
from recorded import needs_samples, sample

ZERO = {"hourly": 0, "input": 0, "output": 0, "base": 0, "finetune": 0}


answer = partial(answer_of, PROVIDER, key=None)


def one(model: str = "a/b", type_: str | None = "chat", **pricing: Any) -> Listing:
    """The listing of one built row."""
    return answer({"id": model, "type": type_, "pricing": {**ZERO, **pricing}}).listings[model]


@needs_samples
def test_the_recorded_list() -> None:
    """65 of 88 models are sold by the token. Three of these are free."""
    listings = read_answer(PROVIDER, [sample("together/2025-07-25-v1-models.json")]).listings
    kinds = Counter(type(listing) for listing in listings.values())
    assert {RateCard: 65, Unpriced: 23} == kinds
    noisy = RateCard({Meter.INPUT: Rate(180_000_000), Meter.OUTPUT: Rate(590_000_000)})
    assert noisy == listings["meta-llama/Llama-4-Scout-17B-16E-Instruct"]
    thinking = RateCard({Meter.INPUT: Rate(3_000_000_000), Meter.OUTPUT: Rate(7_000_000_000)})
    assert thinking == listings["deepseek-ai/DeepSeek-R1"]
    assert Unpriced(Why.NOT_PER_TOKEN, "type audio") == listings["cartesia/sonic"]
    assert Unpriced(Why.NOT_PER_TOKEN, "type transcribe") == listings["openai/whisper-large-v3"]
    free = {
        model
        for model, listing in listings.items()
        if isinstance(listing, RateCard) and not any(listing.rates.values())
    }
    assert free == {
        "meta-llama/Llama-3.3-70B-Instruct-Turbo-Free",
        "meta-llama/Llama-Vision-Free",
        "deepseek-ai/DeepSeek-R1-Distill-Llama-70B-free",
    }


def test_float_noise_is_rounded_away() -> None:
    """0.18000000000000002 dollars per million is 0.18."""
    assert RateCard({Meter.INPUT: Rate(180_000_000)}) == one(input=0.18000000000000002)


def test_cached_input_at_zero_is_not_published() -> None:
    """A price of zero would make every cache hit free."""
    expected = {Meter.INPUT: Rate(1_000_000_000), Meter.OUTPUT: Rate(3_000_000_000)}
    assert RateCard(expected) == one(input=1, output=3, cached_input=0)
    cached = {**expected, Meter.CACHE_READ: Rate(250_000_000)}
    assert RateCard(cached) == one(input=1, output=3, cached_input=0.25)


def test_a_model_listed_at_zero_is_not_sold_by_the_token() -> None:
    """It is sold by the hour, or as a part of another product."""
    listing = one()
    assert isinstance(listing, Unpriced)
    assert Why.NOT_PER_TOKEN is listing.why


def test_a_model_listed_at_zero_is_free_if_its_id_ends_in_free() -> None:
    """The zero of cached input is left out."""
    free = RateCard({Meter.INPUT: Rate(0), Meter.OUTPUT: Rate(0)})
    assert free == one("a/b-Free", cached_input=0)
    assert isinstance(one("a/b-Free-Form"), Unpriced)


@pytest.mark.parametrize("type_", ["image", "audio", "transcribe", "video"])
def test_models_that_are_not_text_models_are_not_priced_by_the_token(type_: str) -> None:
    """The 65 of an audio model is per million characters."""
    expected = Unpriced(Why.NOT_PER_TOKEN, f"type {type_}")
    assert expected == one("a/b-Free", type_, input=65)


@pytest.mark.parametrize("type_", ["hologram", None])
def test_an_unknown_type_is_unreadable(type_: str | None) -> None:
    """It is unknown what its prices count."""
    assert isinstance(one("a/b", type_, input=65), Unreadable)


def test_a_row_without_pricing_is_unpriced() -> None:
    """Newer rows may have no `pricing`."""
    assert {"a/b": Unpriced(Why.NOT_PUBLISHED)} == answer({"id": "a/b", "type": "chat"}).listings


def test_an_unknown_price_field_is_counted() -> None:
    """Newer rows may have prices per megapixel."""
    pricing = {**ZERO, "input": 1, "image_pixel": {"price_per_megapixel": 0.03}}
    parsed = answer({"id": "a/b", "type": "chat", "pricing": pricing})
    assert {"pricing.image_pixel": 1} == parsed.ignored


@pytest.mark.parametrize("price", [True, "1_000", "NaN", -1, []])
def test_a_price_that_is_not_a_number_makes_only_its_row_unreadable(price: Any) -> None:
    """In Python `True` is the integer 1. It is not a price."""
    bad = {"id": "a/bad", "type": "chat", "pricing": {"input": price}}
    good = {"id": "a/good", "type": "chat", "pricing": {"input": 1}}
    listings = answer(bad, good).listings
    assert isinstance(listings["a/bad"], Unreadable)
    assert isinstance(listings["a/good"], RateCard)
