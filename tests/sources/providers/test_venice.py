"""Venice: the recorded list of 2025, and built rows for the other types and later fields."""

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
from pricing_sync.sources.providers.venice import PROVIDER

from recorded import needs_samples, sample

BASE = {Meter.INPUT: Rate(1_420_000_000), Meter.OUTPUT: Rate(2_830_000_000)}


def usd(amount: Any) -> dict[str, Any]:
    """An amount in dollars beside another in Diem, which must not be read."""
    return {"usd": amount, "diem": 77, "vcu": 770}


def answer(*rows: Any) -> Answer:
    """What is made of a built list."""
    body = {"object": "list", "type": "all", "data": rows}
    return read_answer(PROVIDER, [json.dumps(body).encode()])


def typed(type_: str | None, **pricing: Any) -> Listing:
    """What is made of one built row of that type."""
    spec = {"pricing": pricing, "offline": False}
    return answer({"id": "m", "type": type_, "model_spec": spec}).listings["m"]


def one(**pricing: Any) -> Listing:
    """What is made of one built row of a model that writes text."""
    return typed("text", **{"input": usd(1.42), "output": usd(2.83), **pricing})


def why(listing: Listing) -> str:
    assert isinstance(listing, Unreadable), listing
    return listing.why


@needs_samples
def test_the_recorded_list() -> None:
    """Thirteen models of text, in dollars per million."""
    read = read_answer(PROVIDER, [sample("venice/2025-07-25-v1-models.json")])
    assert {RateCard: 13} == Counter(type(listing) for listing in read.listings.values())
    uncensored = RateCard({Meter.INPUT: Rate(500_000_000), Meter.OUTPUT: Rate(2_000_000_000)})
    assert uncensored == read.listings["venice-uncensored"]
    small = RateCard({Meter.INPUT: Rate(150_000_000), Meter.OUTPUT: Rate(600_000_000)})
    assert small == read.listings["qwen3-4b"]
    large = RateCard({Meter.INPUT: Rate(3_500_000_000), Meter.OUTPUT: Rate(14_000_000_000)})
    assert large == read.listings["deepseek-r1-671b"]
    assert {} == read.ignored


def test_a_price_in_diem_alone_is_no_price() -> None:
    """It is another currency, and nobody says at what rate."""
    listing = typed("text", input={"diem": 1.42}, output={"diem": 2.83})
    assert isinstance(listing, Unpriced)


def test_the_cache_has_its_own_prices() -> None:
    """Reading from it is `cache_input`."""
    assert RateCard(
        {**BASE, Meter.CACHE_READ: Rate(230_000_000), Meter.CACHE_WRITE: Rate(7_500_000_000)}
    ) == one(cache_input=usd(0.23), cache_write=usd(7.5))


def test_long_requests_are_above_the_threshold() -> None:
    """Strictly: the first long request has one token more."""
    extended = {
        "context_token_threshold": 200_000,
        "input": usd(2.83),
        "output": usd(5.67),
        "cache_input": usd(0.45),
    }
    long = ConditionalRates(
        When(min_input_tokens=200_001),
        {
            Meter.INPUT: Rate(2_830_000_000),
            Meter.OUTPUT: Rate(5_670_000_000),
            Meter.CACHE_READ: Rate(450_000_000),
        },
    )
    expected = RateCard({**BASE, Meter.CACHE_READ: Rate(230_000_000)}, (long,))
    assert expected == one(cache_input=usd(0.23), extended=extended)


@pytest.mark.parametrize(
    "extended",
    [
        {"input": usd(2)},
        {"context_token_threshold": True, "input": usd(2)},
        {"context_token_threshold": 9, "input": usd(True)},
        {"context_token_threshold": 9, "input": 2},
        [],
    ],
)
def test_a_broken_tier_spoils_the_row(extended: Any) -> None:
    """Without it long requests would be billed at half their price."""
    assert why(one(extended=extended)).startswith("pricing.extended")


def test_zero_is_not_free() -> None:
    """A cache at zero has no price of its own; a model at zero has none at all."""
    assert RateCard(BASE) == one(cache_input=usd(0))
    listing = one(input=usd(0), output=usd(0))
    assert isinstance(listing, Unpriced)
    assert Why.NOT_PER_TOKEN is listing.why


def test_speech_is_priced_by_the_character() -> None:
    """Under the name that tokens have elsewhere."""
    assert RateCard({Meter.CHARACTER: Rate(3_500_000_000)}) == typed("tts", input=usd(3.5))


def test_transcription_is_priced_by_the_second() -> None:
    """0.0001 dollars for one."""
    expected = RateCard({Meter.SECOND: Rate(100_000_000_000)})
    assert expected == typed("asr", per_audio_second=usd(0.0001))


def test_an_image_has_one_price() -> None:
    """The enlarging in every row is the account's price for another service."""
    upscale = {"2x": usd(0.02), "4x": usd(0.08)}
    read = answer(
        {
            "id": "venice-sd35",
            "type": "image",
            "model_spec": {"pricing": {"generation": usd(0.01), "upscale": upscale}},
        }
    )
    assert {"venice-sd35": RateCard({Meter.IMAGE: Rate(10_000_000_000_000)})} == read.listings
    assert {} == read.ignored


def test_an_image_that_costs_by_its_size_has_no_one_price() -> None:
    """Nor is the enlarging one."""
    listing = typed("image", resolutions={"1K": usd(0.27)}, upscale={"2x": usd(0.02)})
    expected = "type image: no price counted here in resolutions, upscale"
    assert Unpriced(Why.NOT_PER_TOKEN, expected) == listing


@pytest.mark.parametrize("type_", ["embedding", "decision"])
def test_other_models_of_text_are_priced_by_the_token(type_: str) -> None:
    """Some of them for input alone."""
    expected = RateCard({Meter.INPUT: Rate(150_000_000)})
    assert expected == typed(type_, input=usd(0.15), output=usd(0))


@pytest.mark.parametrize(
    ("type_", "key"), [("inpaint", "inpaint"), ("music", "generation"), ("hologram", "input")]
)
def test_other_types_are_not_sold_by_a_meter(type_: str, key: str) -> None:
    """A job of music is not an image, though its key is the same."""
    expected = f"type {type_}: no price counted here in {key}"
    assert Unpriced(Why.NOT_PER_TOKEN, expected) == typed(type_, **{key: usd(0.5)})


def test_a_row_without_a_type_is_unreadable() -> None:
    """The type says what `input` counts."""
    assert why(typed(None, input=usd(1))).startswith("type: missing")


def test_a_model_without_prices_is_not_published() -> None:
    """Videos are quoted one by one."""
    assert Unpriced(Why.NOT_PUBLISHED) == typed("video")
    bare = {"id": "m", "type": "video", "model_spec": {}}
    assert Unpriced(Why.NOT_PUBLISHED) == answer(bare).listings["m"]


@pytest.mark.parametrize("price", [True, "NaN", -1, "1_0", "", [], {}])
def test_what_is_not_an_amount_spoils_its_row(price: Any) -> None:
    """In Python True is the number 1."""
    assert why(one(input=usd(price))).startswith("pricing.input: ")


@pytest.mark.parametrize("price", [1.42, "1.42", [1.42]])
def test_a_price_without_a_currency_spoils_its_row(price: Any) -> None:
    """It may be in Diem."""
    assert why(one(input=price)).startswith("pricing.input: ")


def test_a_new_price_does_not_pass_unseen() -> None:
    """A key that nobody translates is counted."""
    spec = {"pricing": {"input": usd(1), "cache_write_1h": usd(2)}}
    read = answer({"id": "m", "type": "text", "model_spec": spec})
    assert {"pricing.cache_write_1h": 1} == read.ignored


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"{}", b"[]", b"null", b'{"data": 1}'])
def test_what_is_not_a_list_of_models(body: bytes) -> None:
    """It is an error of the whole answer."""
    with pytest.raises(DecodeError, match="venice: body: "):
        read_answer(PROVIDER, [body])


def test_an_empty_list_is_incomplete() -> None:
    """It does not withdraw every model."""
    with pytest.raises(IncompleteAnswer, match="lists no models"):
        answer()
