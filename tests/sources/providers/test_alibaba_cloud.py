"""Alibaba Cloud Model Studio: the documented example, one recorded model, and built rows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pricing_sync.errors import DecodeError, IncompleteAnswer
from pricing_sync.prices.rates import (
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
from pricing_sync.sources.provider import next_page, read_answer
from pricing_sync.sources.providers.alibaba_cloud import PROVIDER, PROVIDER_CN

from recorded import needs_samples, sample


def page(rows: list[Any], here: int = 1, size: int = 100, total: int | None = None) -> bytes:
    """A built page of the list."""
    count = len(rows) if total is None else total
    output = {"total": count, "page_no": here, "page_size": size, "models": rows}
    return json.dumps({"code": None, "message": None, "success": True, "output": output}).encode()


def item(type_: str, price: Any, unit: str = "Per 1M tokens", **more: Any) -> dict[str, Any]:
    return {"type": type_, "price": price, "price_unit": unit, "price_name": "", **more}


def plain(input_: str, output: str) -> list[dict[str, Any]]:
    return [item("input_token", input_), item("output_token", output)]


def ranged(**ranges: Any) -> Listing:
    """The listing of one built model on the host in Singapore; ranges as `{name: items}`."""
    prices = [{"range_name": name, "prices": items} for name, items in ranges.items()]
    return read_answer(PROVIDER, [page([{"model": "m", "prices": prices}])]).listings["m"]


def one(*items: Any) -> Listing:
    """The listing of one built model with one range on the host in Singapore."""
    return ranged(Default=list(items))


def usd(thousandths: int) -> Rate:
    """The rate for whole thousandths of a dollar per million."""
    return Rate(thousandths * 1_000_000)


@needs_samples
def test_the_documented_example() -> None:
    """The example is in yuan, as on the host in Beijing. It has 2 of 168 models."""
    document = json.loads(sample("alibaba-cloud/2026-09-list-models-docs-example.json"))
    document["output"]["total"] = 2
    body = json.dumps(document).encode()
    assert read_answer(PROVIDER_CN, [body]).listings == {
        "qwen3-max": RateCard(
            {Meter.INPUT: Rate(2_000_000_000), Meter.OUTPUT: Rate(8_000_000_000)}, currency="CNY"
        ),
        "qwen-image-max": RateCard({Meter.IMAGE: Rate(75_000_000_000_000)}, currency="CNY"),
    }


@needs_samples
def test_the_documented_example_alone_is_incomplete() -> None:
    """Two of 168 models are not the whole list."""
    with pytest.raises(IncompleteAnswer):
        read_answer(PROVIDER_CN, [sample("alibaba-cloud/2026-09-list-models-docs-example.json")])


@needs_samples
def test_the_recorded_prices() -> None:
    """One model of the host in Beijing, with its price for cache hits."""
    prices = json.loads(sample("alibaba-cloud/2026-09-19-prices-array-beijing.json"))
    answer = read_answer(PROVIDER_CN, [page([{"model": "MiniMax-M2.1", "prices": prices}])])
    card = RateCard(
        {
            Meter.INPUT: Rate(2_100_000_000),
            Meter.OUTPUT: Rate(8_400_000_000),
            Meter.CACHE_READ: Rate(420_000_000),
        },
        currency="CNY",
    )
    assert {"MiniMax-M2.1": card} == answer.listings
    assert {} == answer.ignored


def test_the_host_sets_the_currency() -> None:
    """The same row is in dollars in Singapore and in yuan in Beijing."""
    row = {"model": "m", "prices": [{"range_name": "Default", "prices": plain("1", "4")}]}
    rates = {Meter.INPUT: usd(1000), Meter.OUTPUT: usd(4000)}
    dollars, yuan = (
        read_answer(host, [page([row])]).listings["m"] for host in (PROVIDER, PROVIDER_CN)
    )
    assert RateCard(rates, currency="USD") == dollars
    assert RateCard(rates, currency="CNY") == yuan


@pytest.mark.parametrize(
    "unit", ["每百万tokens", "每千tokens", "Per 1K tokens", "Per image", "", None]
)
def test_an_unknown_unit_makes_the_model_unreadable(unit: Any) -> None:
    """On the host in Singapore a Chinese unit may mean a price in yuan."""
    assert isinstance(one(item("input_token", "1", unit)), Unreadable)


@pytest.mark.parametrize("unit", ["Per 1M tokens", "per million tokens", "PER 1M  TOKENS"])
def test_known_units_are_read_in_any_case(unit: str) -> None:
    """Both English spellings are read, in upper and lower case."""
    assert RateCard({Meter.INPUT: usd(1000)}) == one(item("input_token", "1", unit))


def test_each_range_is_a_condition_in_any_order() -> None:
    """`32k<Input` means 32,001 input tokens or more."""
    listing = ranged(
        **{
            "128k<Input<=256k": plain("3", "15"),
            "Input<=32k": plain("1.2", "6"),
            "32k<Input<=128k": plain("2.4", "12"),
        }
    )
    assert listing == RateCard(
        {Meter.INPUT: usd(1200), Meter.OUTPUT: usd(6000)},
        (
            ConditionalRates(
                When(min_input_tokens=32_001), {Meter.INPUT: usd(2400), Meter.OUTPUT: usd(12000)}
            ),
            ConditionalRates(
                When(min_input_tokens=128_001), {Meter.INPUT: usd(3000), Meter.OUTPUT: usd(15000)}
            ),
        ),
    )


@pytest.mark.parametrize(
    ("first", "second", "above"),
    [
        ("0<Token<=32k", "32k<Token<=128k", 32_001),
        ("输入<=256k", "256k<输入<=1m", 256_001),
        ("Input <= 1m", "1m < Input <= 2m", 1_000_001),
        ("Input≤500", "500<Input≤1k", 501),
    ],
)
def test_the_bounds_of_a_range_are_read_from_its_name(first: str, second: str, above: int) -> None:
    """A `k` is a thousand tokens and an `m` a million."""
    listing = ranged(**{first: plain("1", "4"), second: plain("2", "8")})
    assert isinstance(listing, RateCard)
    assert [When(min_input_tokens=above)] == [
        conditional.when for conditional in listing.conditional_rates
    ]


@pytest.mark.parametrize(
    "names",
    [
        ["720P"],
        ["Input<32k"],
        ["Input<=1" + "0" * 5000],
        ["32k<Input<=128k"],
        ["Input<=32k", "64k<Input<=128k"],
        ["Input<=32k", "16k<Input<=128k"],
        ["Input<=32k", "Default"],
        ["Input<=0", "0<Input<=32k"],
    ],
    ids=[
        "unknown",
        "strict",
        "endless",
        "not from zero",
        "gap",
        "overlap",
        "default and another",
        "empty",
    ],
)
def test_ranges_with_a_gap_or_an_overlap_are_unreadable(names: list[str]) -> None:
    """A request in a gap would have no price, and a request in an overlap would have two."""
    assert isinstance(ranged(**{name: plain("1", "4") for name in names}), Unreadable)


def test_a_cache_priced_in_short_requests_only_costs_the_input_rate_in_long_ones() -> None:
    """Otherwise the cache of a long request would be priced like that of a short one."""
    cached = [*plain("1", "4"), item("input_token_cache", "0.2")]
    listing = ranged(**{"Input<=32k": cached, "32k<Input<=128k": plain("2", "8")})
    assert listing == RateCard(
        {Meter.INPUT: usd(1000), Meter.OUTPUT: usd(4000), Meter.CACHE_READ: usd(200)},
        (
            ConditionalRates(
                When(min_input_tokens=32_001),
                {Meter.INPUT: usd(2000), Meter.OUTPUT: usd(8000), Meter.CACHE_READ: usd(2000)},
            ),
        ),
    )


def test_a_meter_priced_in_long_requests_only_has_no_price_in_short_ones() -> None:
    """The condition says so."""
    low, high = [item("input_token", "1")], plain("2", "8")
    assert ranged(**{"Input<=32k": low, "32k<Input<=128k": high}) == RateCard(
        {Meter.INPUT: usd(1000)},
        (
            ConditionalRates(
                When(min_input_tokens=32_001), {Meter.INPUT: usd(2000), Meter.OUTPUT: usd(8000)}
            ),
        ),
    )


def test_an_output_priced_in_short_requests_only_is_unreadable() -> None:
    """No condition can express that a long request has no price."""
    listing = ranged(
        **{"Input<=32k": plain("1", "4"), "32k<Input<=128k": [item("input_token", "2")]}
    )
    assert Unreadable("prices: output: priced in some ranges only") == listing


def test_batches_priced_in_short_requests_only_are_left_out_and_counted() -> None:
    """The standard prices can be read, and a batch has no price."""
    low = [*plain("1", "4"), item("input_token_batch", "0.5"), item("output_token_batch", "2")]
    ranges = [
        {"range_name": "Input<=32k", "prices": low},
        {"range_name": "32k<Input<=128k", "prices": plain("2", "8")},
    ]
    answer = read_answer(PROVIDER, [page([{"model": "m", "prices": ranges}])])
    assert {"prices.batch": 1} == answer.ignored
    assert answer.listings["m"] == RateCard(
        {Meter.INPUT: usd(1000), Meter.OUTPUT: usd(4000)},
        (
            ConditionalRates(
                When(min_input_tokens=32_001), {Meter.INPUT: usd(2000), Meter.OUTPUT: usd(8000)}
            ),
        ),
    )


def test_a_batch_at_zero_is_zero() -> None:
    """It does not have the standard price. The gate judges it."""
    free = [item("input_token_batch", "0"), item("output_token_batch", "2")]
    listing = one(*plain("1", "4"), *free)
    assert isinstance(listing, RateCard)
    assert listing.conditional_rates == (
        ConditionalRates(
            When(service_tier="batch"), {Meter.INPUT: Rate(0), Meter.OUTPUT: usd(2000)}
        ),
    )


def test_explicit_cache_hits_beside_automatic_ones_are_counted() -> None:
    """A card has one rate for cache hits, and the other one is not billed."""
    cached = [item("input_token_cache", "0.2"), item("input_token_cache_read", "0.1")]
    prices = [{"range_name": "Default", "prices": [*plain("1", "4"), *cached]}]
    answer = read_answer(PROVIDER, [page([{"model": "m", "prices": prices}])])
    assert {"prices.input_token_cache_read": 1} == answer.ignored


def test_batches_are_a_service_tier_in_every_range() -> None:
    """The batch prices of a range apply when both the tier and the length match."""
    low = [*plain("1", "4"), item("input_token_batch", "0.5"), item("output_token_batch", "2")]
    high = [*plain("2", "8"), item("input_token_batch", "1"), item("output_token_batch", "4")]
    listing = ranged(**{"Input<=32k": low, "32k<Input<=128k": high})
    assert listing == RateCard(
        {Meter.INPUT: usd(1000), Meter.OUTPUT: usd(4000)},
        (
            ConditionalRates(
                When(min_input_tokens=32_001), {Meter.INPUT: usd(2000), Meter.OUTPUT: usd(8000)}
            ),
            ConditionalRates(
                When(service_tier="batch"), {Meter.INPUT: usd(500), Meter.OUTPUT: usd(2000)}
            ),
            ConditionalRates(
                When(min_input_tokens=32_001, service_tier="batch"),
                {Meter.INPUT: usd(1000), Meter.OUTPUT: usd(4000)},
            ),
        ),
    )


def test_a_second_output_price_is_reasoning() -> None:
    """A model with and without thinking has an output price for each."""
    thinking = [item("thinking_input_token", "0.4"), item("thinking_output_token", "4")]
    expected = {Meter.INPUT: usd(400), Meter.OUTPUT: usd(1200), Meter.REASONING: usd(4000)}
    assert RateCard(expected) == one(*plain("0.4", "1.2"), *thinking)


def test_thinking_prices_alone_are_the_prices() -> None:
    """A model that always thinks has no other output price."""
    thinking = [
        item("thinking_input_token", "0.4"),
        item("thinking_output_token", "4"),
        item("thinking_input_token_cache", "0.08"),
    ]
    expected = {Meter.INPUT: usd(400), Meter.OUTPUT: usd(4000), Meter.CACHE_READ: usd(80)}
    assert RateCard(expected) == one(*thinking)


def test_input_that_costs_more_when_thinking_is_unreadable() -> None:
    """No condition can express it."""
    assert isinstance(one(*plain("1", "4"), item("thinking_input_token", "2")), Unreadable)


def test_the_meters_of_caches() -> None:
    """The price of automatic cache hits is used even if explicit hits are cheaper."""
    listing = one(
        *plain("1", "4"),
        item("input_token_cache_read", "0.1"),
        item("input_token_cache", "0.2"),
        item("input_token_cache_creation_5m", "1.25"),
        item("input_token_cache_creation_1h", "2"),
    )
    assert isinstance(listing, RateCard)
    assert usd(200) == listing.rates[Meter.CACHE_READ]
    assert usd(1250) == listing.rates[Meter.CACHE_WRITE]
    assert usd(2000) == listing.rates[Meter.CACHE_WRITE_1H]


def test_the_price_of_explicit_cache_hits_is_used_if_there_is_no_other() -> None:
    """The cache has only one price then."""
    listing = one(*plain("1", "4"), item("input_token_cache_read", "0.1"))
    assert isinstance(listing, RateCard)
    assert usd(100) == listing.rates[Meter.CACHE_READ]


def test_audio_and_image_tokens_have_their_own_meters() -> None:
    """One model has four kinds of tokens."""
    expected = {
        Meter.INPUT: usd(430),
        Meter.INPUT_IMAGE: usd(780),
        Meter.INPUT_AUDIO: usd(3810),
        Meter.OUTPUT_AUDIO: usd(15110),
    }
    listing = one(
        item("text_input_token", "0.43"),
        item("vision_input_token", "0.78"),
        item("audio_input_token", "3.81"),
        item("multi_output_token", "15.11"),
    )
    assert RateCard(expected) == listing


def test_two_prices_of_text_output_are_unreadable() -> None:
    """No condition can express text output for image input."""
    listing = one(item("purein_text_output_token", "1"), item("multiin_text_output_token", "3"))
    assert isinstance(listing, Unreadable)


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        (item("image_number", "0.075", "Per image"), {Meter.IMAGE: Rate(75_000_000_000_000)}),
        (item("content_duration", "0.00012", "Per second"), {Meter.SECOND: Rate(120_000_000_000)}),
        (
            item("cosy_tts_number", "0.26", "Per 10,000 characters"),
            {Meter.CHARACTER: Rate(26_000_000_000)},
        ),
        (item("embedding_token", "0.07"), {Meter.INPUT: Rate(70_000_000)}),
    ],
    ids=["image", "second", "character", "embedding"],
)
def test_each_type_has_its_meter(price: dict[str, Any], expected: dict[Meter, Rate]) -> None:
    """Models that are not chat models have meters too."""
    assert RateCard(expected) == one(price)


def test_an_image_priced_per_token_is_unreadable() -> None:
    """The unit must fit the type."""
    assert isinstance(one(item("image_number", "0.075")), Unreadable)


@pytest.mark.parametrize("type_", ["video_ratio_720p", "720P_no_audio", "image_thinking"])
def test_types_that_no_meter_counts_are_not_priced(type_: str) -> None:
    """A second of video has several prices."""
    listing = one(item(type_, "0.1", "Per second"))
    assert Unpriced(Why.NOT_PER_TOKEN, f"priced by {type_}") == listing


def test_a_type_that_no_meter_counts_is_ignored_and_counted() -> None:
    """The price of a batch in a chat is neither the batch price nor the standard price."""
    prices = [{"range_name": "Default", "prices": [*plain("1", "4"), item("x_batch_chat", "1")]}]
    answer = read_answer(PROVIDER, [page([{"model": "m", "prices": prices}])])
    assert {"prices.x_batch_chat": 1} == answer.ignored
    assert RateCard({Meter.INPUT: usd(1000), Meter.OUTPUT: usd(4000)}) == answer.listings["m"]


def test_an_unknown_type_is_unreadable() -> None:
    """Its price may be the larger part of the bill."""
    assert isinstance(one(*plain("1", "4"), item("dream_token", "1")), Unreadable)


@pytest.mark.parametrize("band", ["standard", None, ""])
def test_the_standard_price_is_used_and_not_that_of_a_time_band(band: str | None) -> None:
    """The standard price has the band `standard` or none."""
    busy = item("input_token", "2", time_band="busy")
    listing = one(busy, item("input_token", "1", time_band=band))
    assert RateCard({Meter.INPUT: usd(1000)}) == listing


def test_a_model_priced_only_by_time_bands_is_unpriced() -> None:
    """The answer does not state the hours of the bands."""
    bands = [item("input_token", price, time_band=band) for price, band in ("2p", "1o")]
    assert Unpriced(Why.VARIES, "priced by the time of day") == one(*bands)


@pytest.mark.parametrize("prices", [None, []])
def test_a_model_without_prices_is_unpriced(prices: Any) -> None:
    """Its price is unknown, and not zero."""
    answer = read_answer(PROVIDER, [page([{"model": "m", "prices": prices}])])
    assert {"m": Unpriced(Why.NOT_PUBLISHED)} == answer.listings


def test_a_model_listed_at_zero_is_not_free() -> None:
    """Preview models are listed at zero."""
    listing = one(item("input_token", "0"), item("output_token", "0"))
    assert isinstance(listing, Unpriced)
    assert Why.NOT_PER_TOKEN is listing.why


@pytest.mark.parametrize("price", [True, "1_000", "NaN", "-1", [], "$1"])
def test_a_price_that_is_not_a_number_makes_only_its_row_unreadable(price: Any) -> None:
    """In Python `True` is the integer 1. It is not a price."""
    rows = [
        {"model": model, "prices": [{"range_name": "Default", "prices": items}]}
        for model, items in {"bad": [item("input_token", price)], "good": plain("1", "4")}.items()
    ]
    listings = read_answer(PROVIDER, [page(rows)]).listings
    assert isinstance(listings["bad"], Unreadable)
    assert isinstance(listings["good"], RateCard)


def test_one_type_with_two_prices_is_unreadable() -> None:
    """Neither the first nor the last price is used."""
    assert isinstance(one(item("input_token", "1"), item("input_token", "2")), Unreadable)


def test_the_pages_end_at_the_total() -> None:
    """Two models with one model per page make two pages."""
    assert {"page_no": "2"} == next_page(PROVIDER, page([{"model": "a"}], size=1, total=2), 1)
    assert next_page(PROVIDER, page([{"model": "b"}], here=2, size=1, total=2), 2) is None


@pytest.mark.parametrize(
    "pages",
    [
        [page([{"model": "a"}], size=1, total=2)],
        [page([], size=1, total=2)],
        [page([{"model": "a"}], size=1, total=2), page([{"model": "b"}], size=1, total=2)],
        [page([])],
    ],
    ids=["one of two", "empty", "the first number again", "no models"],
)
def test_a_list_with_a_part_missing_is_incomplete(pages: list[bytes]) -> None:
    """A model counts as missing only if every page was read."""
    with pytest.raises(IncompleteAnswer):
        read_answer(PROVIDER, pages)


def test_a_failure_with_status_200_is_an_error() -> None:
    """The error has the code and the message of the answer."""
    body = b'{"code": "InvalidApiKey", "message": "Invalid API-key provided.", "success": false}'
    with pytest.raises(DecodeError, match=r"InvalidApiKey: Invalid API-key provided\."):
        read_answer(PROVIDER, [body])


def test_the_key_of_the_host_s_region_comes_first() -> None:
    """A key of one region is refused in another."""
    assert PROVIDER.key is not None
    assert PROVIDER_CN.key is not None
    assert PROVIDER.key.variables[0] == "DASHSCOPE_API_KEY"
    assert PROVIDER_CN.key.variables[0] == "ALIBABA_CLOUD_API_KEY_CHINA"
