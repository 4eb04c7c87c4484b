"""Nebius: recorded rows with prices and a list without, and built rows."""

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
from pricing_sync.sources.providers.nebius import PROVIDER

from recorded import needs_samples, sample

ZERO = {
    "prompt": "0",
    "completion": "0",
    "image": "0",
    "request": "0",
    "price_per_minute": "0",
    "price_per_video_second": "0",
}
PRICED = {"id": "other", "pricing": {"prompt": "0.000001"}}


def answer(*rows: Any) -> Answer:
    """What is made of a built list."""
    return read_answer(PROVIDER, [json.dumps({"data": rows}).encode()])


def one(**pricing: Any) -> Listing:
    """What is made of one built row."""
    return answer({"id": "m", "pricing": {**ZERO, **pricing}}).listings["m"]


@needs_samples
def test_the_recorded_excerpt() -> None:
    """Strings per token; what is at zero is not sold."""
    read = read_answer(PROVIDER, [sample("nebius/2026-09-23-v1-models-verbose-excerpt.json")])
    both = RateCard({Meter.INPUT: Rate(60_000_000), Meter.OUTPUT: Rate(240_000_000)})
    assert {
        "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B": both,
        "nvidia/Nemotron-3_5-Lightning": both,
    } == read.listings
    assert {} == read.ignored


@needs_samples
def test_the_recorded_list_that_is_not_verbose() -> None:
    """It is a list without any price, and it withdraws none."""
    with pytest.raises(IncompleteAnswer) as caught:
        read_answer(PROVIDER, [sample("nebius/2025-07-25-v1-models-no-prices.json")])
    expected = "nebius: body: no model has a price, as when the list is not verbose"
    assert expected == str(caught.value)


def test_a_list_without_prices_is_incomplete() -> None:
    """Also where a row of it cannot be read."""
    with pytest.raises(IncompleteAnswer, match="not verbose"):
        answer({"id": "a"}, {"id": "b", "pricing": None}, {"id": "c", "pricing": 1})


def test_the_address_asks_for_prices() -> None:
    """Without `verbose` there are none, and no error."""
    assert PROVIDER.url.endswith("/v1/models?verbose=true")


@pytest.mark.parametrize(
    ("key", "price", "expected"),
    [
        ("prompt", "0.00000006", {Meter.INPUT: Rate(60_000_000)}),
        ("completion", "0.00000024", {Meter.OUTPUT: Rate(240_000_000)}),
        ("request", "0.001", {Meter.REQUEST: Rate(1_000_000_000_000)}),
        ("image", "0.0013", {Meter.IMAGE: Rate(1_300_000_000_000)}),
        ("price_per_minute", "0.006", {Meter.SECOND: Rate(100_000_000_000)}),
        ("price_per_video_second", "0.01", {Meter.SECOND: Rate(10_000_000_000_000)}),
    ],
)
def test_each_price_names_its_meter(key: str, price: str, expected: Any) -> None:
    """Among zeros, which are the units that the model is not sold by."""
    assert RateCard(expected) == one(**{key: price})


def test_two_prices_of_a_second_are_unreadable() -> None:
    """Of sound and of pictures: a bill could name only one of them."""
    assert isinstance(one(price_per_minute="0.006", price_per_video_second="0.01"), Unreadable)


def test_all_zeros_is_not_free() -> None:
    """Nothing in the row says that it is meant."""
    listing = one()
    assert isinstance(listing, Unpriced)
    assert Why.NOT_PER_TOKEN is listing.why


def test_one_row_without_prices_is_one_model_without_prices() -> None:
    """The others say that the list is verbose."""
    read = answer({"id": "m", "pricing": {}}, PRICED)
    assert Unpriced(Why.NOT_PUBLISHED) == read.listings["m"]
    assert RateCard({Meter.INPUT: Rate(1_000_000_000)}) == read.listings["other"]


@pytest.mark.parametrize("price", [True, "true", "NaN", "-1", "1_0", "", [], {}])
@pytest.mark.parametrize("key", ["prompt", "price_per_minute"])
def test_what_is_not_an_amount_spoils_its_row(key: str, price: Any) -> None:
    """Each of these is something that some general parser takes for a number."""
    listing = one(**{key: price})
    assert isinstance(listing, Unreadable)
    assert listing.why.startswith(f"pricing.{key}: ")


def test_a_new_price_does_not_pass_unseen() -> None:
    """Cached input is billed, so its price may come to the list."""
    row = {"prompt": "0.000001", "cached_prompt": "0.0000005"}
    assert {"pricing.cached_prompt": 1} == answer({"id": "m", "pricing": row}).ignored


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"{}", b"[]", b"null", b'{"data": 1}'])
def test_what_is_not_a_list_of_models(body: bytes) -> None:
    """It is an error of the whole answer."""
    with pytest.raises(DecodeError, match="nebius: body: "):
        read_answer(PROVIDER, [body])


def test_an_empty_list_is_incomplete() -> None:
    """It does not withdraw every model."""
    with pytest.raises(IncompleteAnswer, match="lists no models"):
        answer()
