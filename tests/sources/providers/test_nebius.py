"""Nebius: recorded rows with prices, a recorded list without prices, and built rows."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from pricing_sync.errors import IncompleteAnswer
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
from pricing_sync.sources.providers.nebius import PROVIDER

from built_rows import answer_of
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


answer = partial(answer_of, PROVIDER)


def one(**pricing: Any) -> Listing:
    """The listing of one built row."""
    return answer({"id": "m", "pricing": {**ZERO, **pricing}}).listings["m"]


@needs_samples
def test_the_recorded_excerpt() -> None:
    """The prices are strings per token. A unit at zero is not sold."""
    parsed = read_answer(PROVIDER, [sample("nebius/2026-09-23-v1-models-verbose-excerpt.json")])
    both = RateCard({Meter.INPUT: Rate(60_000_000), Meter.OUTPUT: Rate(240_000_000)})
    assert {
        "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B": both,
        "nvidia/Nemotron-3_5-Lightning": both,
    } == parsed.listings
    assert {} == parsed.ignored


@needs_samples
def test_the_recorded_list_that_is_not_verbose_is_incomplete() -> None:
    """It has no prices, and withdraws none."""
    with pytest.raises(IncompleteAnswer) as caught:
        read_answer(PROVIDER, [sample("nebius/2025-07-25-v1-models-no-prices.json")])
    expected = "nebius: body: no model has a price, as when the list is not verbose"
    assert expected == str(caught.value)


def test_a_list_without_prices_is_incomplete() -> None:
    """Also if one of its rows is unreadable."""
    with pytest.raises(IncompleteAnswer, match="not verbose"):
        answer({"id": "a"}, {"id": "b", "pricing": None}, {"id": "c", "pricing": 1})


def test_the_url_requests_prices() -> None:
    """Without `verbose` the answer has no prices and no error."""
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
    """All other units are zero, so the model is not sold by them."""
    assert RateCard(expected) == one(**{key: price})


def test_two_prices_of_a_second_are_unreadable() -> None:
    """A second of audio and a second of video have one meter."""
    assert isinstance(one(price_per_minute="0.006", price_per_video_second="0.01"), Unreadable)


def test_a_model_listed_at_zero_is_not_free() -> None:
    """Nothing in the row states that the model is free."""
    listing = one()
    assert isinstance(listing, Unpriced)
    assert Why.NOT_PER_TOKEN is listing.why


def test_one_row_without_prices_is_one_unpriced_model() -> None:
    """The other rows show that the list is verbose."""
    parsed = answer({"id": "m", "pricing": {}}, PRICED)
    assert Unpriced(Why.NOT_PUBLISHED) == parsed.listings["m"]
    assert RateCard({Meter.INPUT: Rate(1_000_000_000)}) == parsed.listings["other"]


@pytest.mark.parametrize("price", [True, "true", "NaN", "-1", "1_0", "", [], {}])
@pytest.mark.parametrize("key", ["prompt", "price_per_minute"])
def test_a_price_that_is_not_an_amount_makes_its_row_unreadable(key: str, price: Any) -> None:
    """Some general parser accepts each of these as a number."""
    listing = one(**{key: price})
    assert isinstance(listing, Unreadable)
    assert listing.why.startswith(f"pricing.{key}: ")


def test_an_unknown_price_field_is_counted() -> None:
    """Cached input is billed, so its price may be added to the list."""
    row = {"prompt": "0.000001", "cached_prompt": "0.0000005"}
    assert {"pricing.cached_prompt": 1} == answer({"id": "m", "pricing": row}).ignored
