"""Venice: the recorded list of 2025, and built rows for the other types and later fields."""

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
from pricing_sync.sources.providers.venice import PROVIDER

from built_rows import answer_of, why
from recorded import needs_samples, sample

BASE = {Meter.INPUT: Rate(1_420_000_000), Meter.OUTPUT: Rate(2_830_000_000)}


def usd(amount: Any) -> dict[str, Any]:
    """An amount in dollars, with another in Diem, which must not be read."""
    return {"usd": amount, "diem": 77, "vcu": 770}


answer = partial(answer_of, PROVIDER)


def typed(type_: str | None, **pricing: Any) -> Listing:
    """The listing of one built row of that type."""
    spec = {"pricing": pricing, "offline": False}
    return answer({"id": "m", "type": type_, "model_spec": spec}).listings["m"]


def one(**pricing: Any) -> Listing:
    """The listing of one built row of a text model."""
    return typed("text", **{"input": usd(1.42), "output": usd(2.83), **pricing})


@needs_samples
def test_the_recorded_list() -> None:
    """Thirteen text models have prices in dollars per million."""
    parsed = read_answer(PROVIDER, [sample("venice/2025-07-25-v1-models.json")])
    assert {RateCard: 13} == Counter(type(listing) for listing in parsed.listings.values())
    uncensored = RateCard({Meter.INPUT: Rate(500_000_000), Meter.OUTPUT: Rate(2_000_000_000)})
    assert uncensored == parsed.listings["venice-uncensored"]
    small = RateCard({Meter.INPUT: Rate(150_000_000), Meter.OUTPUT: Rate(600_000_000)})
    assert small == parsed.listings["qwen3-4b"]
    large = RateCard({Meter.INPUT: Rate(3_500_000_000), Meter.OUTPUT: Rate(14_000_000_000)})
    assert large == parsed.listings["deepseek-r1-671b"]
    assert {} == parsed.ignored


def test_a_model_priced_only_in_diem_is_unpriced() -> None:
    """Diem is another currency, and its exchange rate is unknown."""
    listing = typed("text", input={"diem": 1.42}, output={"diem": 2.83})
    assert isinstance(listing, Unpriced)


def test_the_cache_has_its_own_prices() -> None:
    """`cache_input` is the price of cache reads."""
    assert RateCard(
        {**BASE, Meter.CACHE_READ: Rate(230_000_000), Meter.CACHE_WRITE: Rate(7_500_000_000)}
    ) == one(cache_input=usd(0.23), cache_write=usd(7.5))


def test_long_requests_are_above_the_threshold() -> None:
    """The shortest long request has one token more than the threshold."""
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
def test_a_broken_tier_makes_the_row_unreadable(extended: Any) -> None:
    """Without it, long requests would be billed at half their price."""
    assert why(one(extended=extended)).startswith("pricing.extended")


def test_zero_is_not_free() -> None:
    """A cache at zero is zero, for the gate to judge. A model at zero has no price."""
    assert RateCard({**BASE, Meter.CACHE_READ: Rate(0)}) == one(cache_input=usd(0))
    listing = one(input=usd(0), output=usd(0))
    assert isinstance(listing, Unpriced)
    assert Why.NOT_PER_TOKEN is listing.why


def test_speech_is_priced_by_the_character() -> None:
    """The field `input` counts characters here."""
    assert RateCard({Meter.CHARACTER: Rate(3_500_000_000)}) == typed("tts", input=usd(3.5))


def test_transcription_is_priced_by_the_second() -> None:
    """One second costs 0.0001 dollars."""
    expected = RateCard({Meter.SECOND: Rate(100_000_000_000)})
    assert expected == typed("asr", per_audio_second=usd(0.0001))


def test_an_image_has_one_price() -> None:
    """`upscale` in every row is the account's price for another service."""
    upscale = {"2x": usd(0.02), "4x": usd(0.08)}
    parsed = answer(
        {
            "id": "venice-sd35",
            "type": "image",
            "model_spec": {"pricing": {"generation": usd(0.01), "upscale": upscale}},
        }
    )
    assert {"venice-sd35": RateCard({Meter.IMAGE: Rate(10_000_000_000_000)})} == parsed.listings
    assert {} == parsed.ignored


def test_an_image_priced_by_its_size_is_unpriced() -> None:
    """`upscale` is not its price either."""
    listing = typed("image", resolutions={"1K": usd(0.27)}, upscale={"2x": usd(0.02)})
    expected = "type image: no price counted here in resolutions, upscale"
    assert Unpriced(Why.NOT_PER_TOKEN, expected) == listing


@pytest.mark.parametrize("type_", ["embedding", "decision"])
def test_other_text_types_are_priced_by_the_token(type_: str) -> None:
    """Some of them have a price for input only."""
    expected = RateCard({Meter.INPUT: Rate(150_000_000)})
    assert expected == typed(type_, input=usd(0.15), output=usd(0))


@pytest.mark.parametrize(
    ("type_", "key"), [("inpaint", "inpaint"), ("music", "generation"), ("hologram", "input")]
)
def test_types_that_no_meter_counts_are_not_priced(type_: str, key: str) -> None:
    """A music job is not an image, although its key is the same."""
    expected = f"type {type_}: no price counted here in {key}"
    assert Unpriced(Why.NOT_PER_TOKEN, expected) == typed(type_, **{key: usd(0.5)})


def test_a_row_without_a_type_is_unreadable() -> None:
    """The type states what `input` counts."""
    assert why(typed(None, input=usd(1))).startswith("type: missing")


def test_a_model_without_prices_is_unpriced() -> None:
    """The price of a video depends on the job."""
    assert Unpriced(Why.NOT_PUBLISHED) == typed("video")
    bare = {"id": "m", "type": "video", "model_spec": {}}
    assert Unpriced(Why.NOT_PUBLISHED) == answer(bare).listings["m"]


@pytest.mark.parametrize("price", [True, "NaN", -1, "1_0", "", [], {}])
def test_a_price_that_is_not_an_amount_makes_its_row_unreadable(price: Any) -> None:
    """In Python `True` is the number 1."""
    assert why(one(input=usd(price))).startswith("pricing.input: ")


@pytest.mark.parametrize("price", [1.42, "1.42", [1.42]])
def test_a_price_without_a_currency_makes_its_row_unreadable(price: Any) -> None:
    """The price may be in Diem."""
    assert why(one(input=price)).startswith("pricing.input: ")


def test_an_unknown_price_field_is_counted() -> None:
    """A new meter must not go unnoticed."""
    spec = {"pricing": {"input": usd(1), "cache_write_1h": usd(2)}}
    parsed = answer({"id": "m", "type": "text", "model_spec": spec})
    assert {"pricing.cache_write_1h": 1} == parsed.ignored
