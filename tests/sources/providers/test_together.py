"""Together AI: the recorded list, and built rows for what it does not hold."""

from __future__ import annotations

import json
from collections import Counter
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
from pricing_sync.sources.providers.together import PROVIDER

from recorded import needs_samples, sample

ZERO = {"hourly": 0, "input": 0, "output": 0, "base": 0, "finetune": 0}


def answer(*rows: Any) -> Answer:
    """What is made of a built list."""
    return read_answer(PROVIDER, [json.dumps(rows).encode()])


def one(model: str = "a/b", type_: str | None = "chat", **pricing: Any) -> Listing:
    """What is made of a list of one built row."""
    return answer({"id": model, "type": type_, "pricing": {**ZERO, **pricing}}).listings[model]


@needs_samples
def test_the_recorded_list() -> None:
    """65 of 88 models are sold by the token, three of them for nothing."""
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


def test_the_noise_of_a_float_is_rounded_away() -> None:
    """0.18000000000000002 dollars per million is 0.18."""
    assert RateCard({Meter.INPUT: Rate(180_000_000)}) == one(input=0.18000000000000002)


def test_cached_input_at_zero_is_not_published() -> None:
    """A price of zero there would make every hit of the cache free."""
    expected = {Meter.INPUT: Rate(1_000_000_000), Meter.OUTPUT: Rate(3_000_000_000)}
    assert RateCard(expected) == one(input=1, output=3, cached_input=0)
    cached = {**expected, Meter.CACHE_READ: Rate(250_000_000)}
    assert RateCard(cached) == one(input=1, output=3, cached_input=0.25)


def test_all_zeros_is_a_model_not_sold_by_the_token() -> None:
    """It is sold by the hour, or part of something else."""
    listing = one()
    assert isinstance(listing, Unpriced)
    assert Why.NOT_PER_TOKEN is listing.why


def test_all_zeros_is_free_when_the_name_says_so() -> None:
    """The name is the evidence, and a cache is not in it."""
    free = RateCard({Meter.INPUT: Rate(0), Meter.OUTPUT: Rate(0)})
    assert free == one("a/b-Free", cached_input=0)
    assert isinstance(one("a/b-Free-Form"), Unpriced)


@pytest.mark.parametrize("type_", ["image", "audio", "transcribe", "video"])
def test_what_is_not_text_is_not_priced_by_the_token(type_: str) -> None:
    """The 65 of an audio model is for a million characters."""
    expected = Unpriced(Why.NOT_PER_TOKEN, f"type {type_}")
    assert expected == one("a/b-Free", type_, input=65)


@pytest.mark.parametrize("type_", ["hologram", None])
def test_an_unknown_type_is_unreadable(type_: str | None) -> None:
    """Nobody knows what its prices count."""
    assert isinstance(one("a/b", type_, input=65), Unreadable)


def test_a_row_without_pricing_has_no_price() -> None:
    """Newer rows may have none."""
    assert {"a/b": Unpriced(Why.NOT_PUBLISHED)} == answer({"id": "a/b", "type": "chat"}).listings


def test_a_price_that_nobody_translates_is_counted() -> None:
    """Newer rows may price by the megapixel."""
    pricing = {**ZERO, "input": 1, "image_pixel": {"price_per_megapixel": 0.03}}
    said = answer({"id": "a/b", "type": "chat", "pricing": pricing})
    assert {"pricing.image_pixel": 1} == said.ignored


@pytest.mark.parametrize("price", [True, "1_000", "NaN", -1, []])
def test_a_price_that_is_no_number_spoils_its_row_alone(price: Any) -> None:
    """`True` is the integer 1 to Python, and no price."""
    bad = {"id": "a/bad", "type": "chat", "pricing": {"input": price}}
    good = {"id": "a/good", "type": "chat", "pricing": {"input": 1}}
    listings = answer(bad, good).listings
    assert isinstance(listings["a/bad"], Unreadable)
    assert isinstance(listings["a/good"], RateCard)


def test_an_empty_list_is_no_list() -> None:
    """Together has not closed shop."""
    with pytest.raises(IncompleteAnswer):
        answer()


@pytest.mark.parametrize(
    "body", [b"", b"<!doctype html><html></html>", b"{}", b"null", b'{"data": []}', b"[1"]
)
def test_anything_else_is_an_error_of_the_whole_answer(body: bytes) -> None:
    """The list is the outermost thing."""
    with pytest.raises(DecodeError):
        read_answer(PROVIDER, [body])
