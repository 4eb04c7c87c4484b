"""Chutes: the recorded list of 2025, and built rows in the current format."""

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
from pricing_sync.sources.providers.chutes import PROVIDER

from built_rows import answer_of
from recorded import needs_samples, sample

BLENDED = Unpriced(Why.NOT_PUBLISHED, "one blended price, of no meter in particular")
ZERO = Unpriced(Why.NOT_PUBLISHED, "listed at zero: free or on trial")


answer = partial(answer_of, PROVIDER)


def one(**pricing: Any) -> Listing:
    """The listing of one built row."""
    return answer({"id": "a/b-TEE", "pricing": pricing}).listings["a/b-TEE"]


def old(**price: Any) -> Listing:
    """The listing of one built row in the older format."""
    return answer({"id": "m", "price": price}).listings["m"]


@needs_samples
def test_the_recorded_list() -> None:
    """A single price for all tokens is not a rate, and neither is a zero."""
    listings = read_answer(PROVIDER, [sample("chutes/2025-07-25-v1-models.json")]).listings
    assert 62 == len(listings)
    assert {BLENDED, ZERO} == set(listings.values())
    assert BLENDED == listings["deepseek-ai/DeepSeek-R1"]
    assert ZERO == listings["Qwen/Qwen3-235B-A22B-Instruct-2507"]
    assert Counter(listings.values())[ZERO] < Counter(listings.values())[BLENDED]


def test_a_price_is_per_million() -> None:
    """Other providers use the same field names for prices per token."""
    assert RateCard(
        {
            Meter.INPUT: Rate(270_000_000),
            Meter.OUTPUT: Rate(1_000_000_000),
            Meter.CACHE_READ: Rate(135_000_000),
        }
    ) == one(prompt=0.27, completion=1, input_cache_read=0.135)


def test_a_string_is_not_a_price_per_million() -> None:
    """Other providers write prices per token as strings. Read here, one would be a millionth."""
    expected = Unreadable("pricing.prompt: a string, as prices per token are elsewhere")
    assert expected == one(prompt="0.00000027", completion="0.000001")


def test_zero_is_not_free() -> None:
    """The model is on trial, or its price is not set yet."""
    assert ZERO == one(prompt=0, completion=0, input_cache_read=0.0)
    cached = {Meter.INPUT: Rate(270_000_000), Meter.CACHE_READ: Rate(0)}
    assert RateCard(cached) == one(prompt=0.27, completion=0, input_cache_read=0)


def test_the_newer_price_wins_over_the_older_one() -> None:
    """A row may have both."""
    row = {"id": "m", "pricing": {"prompt": 0.27}, "price": {"usd": 9, "tao": 1}}
    assert RateCard({Meter.INPUT: Rate(270_000_000)}) == answer(row).listings["m"]


def test_the_older_price_has_no_meter() -> None:
    """A price in TAO is not converted."""
    assert BLENDED == old(usd=0.27216, tao=0.0006)
    assert ZERO == old(usd=0, tao=0)
    assert Unpriced(Why.NOT_PUBLISHED) == old(tao=0.0006)
    assert Unpriced(Why.NOT_PUBLISHED) == answer({"id": "m"}).listings["m"]


@pytest.mark.parametrize("price", [True, -1, [], {}, "NaN", 10**40])
def test_a_price_that_is_not_an_amount_makes_its_row_unreadable(price: Any) -> None:
    """In Python `True` is the number 1."""
    assert isinstance(one(prompt=price, completion=1), Unreadable)


def test_true_in_the_older_price_is_unreadable() -> None:
    """`True` is not a price of one dollar."""
    assert isinstance(old(usd=True), Unreadable)


def test_an_unknown_price_field_is_counted() -> None:
    """A new meter must not go unnoticed."""
    row = {"id": "m", "pricing": {"prompt": 1, "request": 2}}
    assert {"pricing.request": 1} == answer(row).ignored
