"""LiteLLM's cost map, on built maps and on the recorded one."""

from __future__ import annotations

import json
from collections import Counter
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

import pytest

from pricing_sync.prices.rates import (
    Listing,
    Meter,
    Rate,
    RateCard,
    Unpriced,
    Unreadable,
    When,
    Why,
)
from pricing_sync.sources.formats import litellm
from pricing_sync.sources.strict_json import Incomplete, Malformed

from built_rows import why
from recorded import needs_samples, sample

RECORDED = "litellm/2026-10-model-prices.json"
PRICED = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
CARD = RateCard({Meter.INPUT: Rate(1_000_000_000), Meter.OUTPUT: Rate(2_000_000_000)})


def listed(fields: Any, model: str = "acme/m", provider: str = "acme") -> Listing:
    body = json.dumps({model: {"litellm_provider": provider, "mode": "chat", **fields}}).encode()
    [(name, listing)] = litellm.read(body, provider).rows
    assert name == model
    return listing


def conditional_rates(fields: Any, provider: str = "acme") -> list[tuple[When, dict[Meter, int]]]:
    """The conditional rates of a model with these fields in addition to PRICED."""
    card = listed(PRICED | fields, provider=provider)
    assert isinstance(card, RateCard), card
    return [
        (entry.when, {meter: int(rate) for meter, rate in entry.rates.items()})
        for entry in card.conditional_rates
    ]


def test_prices_are_numbers_per_single_unit() -> None:
    """For tokens, characters, seconds, pages and queries."""
    assert listed(
        {
            "input_cost_per_token": 1e-6,
            "cache_creation_input_token_cost_above_1hr": 2e-06,
            "input_cost_per_character": 0.000022,
            "input_cost_per_second": 3.083e-05,
            "output_cost_per_second": 0.0,
            "ocr_cost_per_page": 0.003,
            "input_cost_per_query": 0.001,
            "search_context_cost_per_query": {"search_context_size_low": 0.01},
            "input_cost_per_video_token": 4e-6,
            "output_cost_per_video_token": 1.75e-5,
        }
    ) == RateCard(
        {
            Meter.INPUT: Rate(1_000_000_000),
            Meter.CACHE_WRITE_1H: Rate(2_000_000_000),
            Meter.CHARACTER: Rate(22_000_000_000),
            Meter.SECOND: Rate(30_830_000_000),
            Meter.PAGE: Rate(3_000_000_000_000),
            Meter.REQUEST: Rate(1_000_000_000_000),
            Meter.WEB_SEARCH: Rate(10_000_000_000_000),
            Meter.INPUT_VIDEO: Rate(4_000_000_000),
            Meter.OUTPUT_VIDEO: Rate(17_500_000_000),
        }
    )


def test_binary_noise_is_rounded_away() -> None:
    """A float in the map is read as the decimal price that it was made from."""
    body = b'{"m":{"litellm_provider":"p","input_cost_per_token":1.0000000000000001e-07}}'
    assert [("m", RateCard({Meter.INPUT: Rate(100_000_000)}))] == litellm.read(body, "p").rows


def test_a_long_context_begins_one_token_above_its_threshold() -> None:
    """In LiteLLM the threshold is exclusive, and for xAI it is inclusive."""
    long = {"input_cost_per_token_above_200k_tokens": 3e-6}
    assert conditional_rates(long) == [
        (When(min_input_tokens=200_001), {Meter.INPUT: 3_000_000_000})
    ]
    assert conditional_rates(long, "xai") == [
        (When(min_input_tokens=200_000), {Meter.INPUT: 3_000_000_000})
    ]


def test_conditional_rates_are_in_the_order_in_which_litellm_applies_them() -> None:
    """The later one wins. A long request without a long price of its tier costs the standard long
    price if the tier is priority, and the flat batch price if it is batch."""
    fields = {
        "input_cost_per_token_above_200k_tokens_flex": 5e-6,
        "input_cost_per_token_batches": 4e-6,
        "input_cost_per_token_above_200k_tokens": 3e-6,
        "input_cost_per_token_above_128k_tokens": 2e-6,
        "input_cost_per_token_priority": 6e-6,
    }
    assert conditional_rates(fields) == [
        (When(service_tier="priority"), {Meter.INPUT: 6_000_000_000}),
        (When(min_input_tokens=128_001), {Meter.INPUT: 2_000_000_000}),
        (When(min_input_tokens=200_001), {Meter.INPUT: 3_000_000_000}),
        (When(service_tier="batch"), {Meter.INPUT: 4_000_000_000}),
        (When(min_input_tokens=200_001, service_tier="flex"), {Meter.INPUT: 5_000_000_000}),
    ]


def test_an_hour_of_cache_is_not_a_long_context() -> None:
    """`above_1hr` is part of the meter and `above_200k_tokens` is a condition. A key may have
    both."""
    assert conditional_rates(
        {"cache_creation_input_token_cost_above_1hr_above_200k_tokens": 3e-6}
    ) == [(When(min_input_tokens=200_001), {Meter.CACHE_WRITE_1H: 3_000_000_000})]


def test_tiers_begin_above_their_lower_bound() -> None:
    """The first tier has the base rates, and the last has no upper bound. One tier applies to a
    whole request."""
    tiers = [
        {"range": [0, 32000.0], "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6},
        {"range": [32000.0, 128000.0], "input_cost_per_token": 3e-6},
    ]
    card = listed({"tiered_pricing": tiers})
    assert isinstance(card, RateCard)
    assert card.rates == CARD.rates
    assert [(When(min_input_tokens=32_001), {Meter.INPUT: Rate(3_000_000_000)})] == [
        (entry.when, entry.rates) for entry in card.conditional_rates
    ]


@pytest.mark.parametrize(
    "tiers",
    [
        [{"input_cost_per_token": 1e-6}],
        [{"range": None, "input_cost_per_token": 1e-6}],
        [{"range": [0], "input_cost_per_token": 1e-6}],
        [{"range": [1000, 2000], "input_cost_per_token": 1e-6}],
        [{"range": [0, 0], "input_cost_per_token": 1e-6}],
        [{"range": [0, True], "input_cost_per_token": 1e-6}],
        [{"range": [0, 1000], "region": "eu", "input_cost_per_token": 1e-6}],
        [{"range": [0, 1000], "input_cost_per_token": "1e-6"}],
        [{"range": [0, 1]}, {"range": [2, 3], "input_cost_per_token": 1e-6}],
        {"range": [0, 1000]},
    ],
)
def test_tiers_that_cannot_be_read_make_the_row_unreadable(tiers: Any) -> None:
    """A gap, an unknown condition or a missing bound leaves some requests without a known price."""
    assert why(listed({"tiered_pricing": tiers})).startswith("tiered_pricing")


def test_flat_prices_that_contradict_the_first_tier_are_refused() -> None:
    """Neither overwrites the other."""
    first, second = {"range": [0, 9], **PRICED}, {"range": [9, 99], **PRICED}
    assert isinstance(listed({**PRICED, "tiered_pricing": [first, second]}), RateCard)
    other = {**PRICED, "input_cost_per_token": 3e-6, "tiered_pricing": [first, second]}
    assert isinstance(listed(other), Unreadable)


@pytest.mark.parametrize("meter", ["cache_read", "cache_creation"])
def test_a_cache_at_zero_is_zero(meter: str) -> None:
    """As LiteLLM bills it. Without the zero it would have the price of input."""
    card = listed({**PRICED, f"{meter}_input_token_cost": 0.0})
    assert isinstance(card, RateCard)
    assert [*CARD.rates.values(), Rate(0)] == [*card.rates.values()]


def test_a_tier_at_zero_is_zero() -> None:
    """Without it, the tier would have the standard price of that meter."""
    fields = {"cache_read_input_token_cost": 5e-7, "cache_read_input_token_cost_flex": 0.0}
    assert [(When(service_tier="flex"), {Meter.CACHE_READ: 0})] == conditional_rates(fields)


@pytest.mark.parametrize("zero", [{}, {"input_cost_per_token": 0, "output_cost_per_token": 0}])
def test_a_price_of_searches_alone_is_no_price(zero: Any) -> None:
    """The model is billed by the session, or not at all."""
    searches = {"search_context_cost_per_query": {"search_context_size_low": 0.01}}
    found = listed({**zero, **searches, "code_interpreter_cost_per_session": 0.03})
    assert Unpriced(Why.NOT_PER_TOKEN, "priced only for web_search") == found


def test_tiers_by_number_of_results_vary() -> None:
    """A card has no condition for the number of results of a search."""
    tiers = [{"input_cost_per_query": 0.005, "max_results_range": [0, 25]}]
    listing = listed({"tiered_pricing": tiers})
    assert isinstance(listing, Unpriced)
    assert listing.why is Why.VARIES


def test_off_peak_hours_are_in_the_zone_of_their_weekdays() -> None:
    """00:00 to 01:00 UTC is 08:00 to 09:00 in Shanghai; without weekdays the zone is UTC."""
    block = {
        "input_cost_per_token": 5e-7,
        "weekday_timezone": "Asia/Shanghai",
        "hours_utc": "16:30-00:30",
        "windows": [
            {"hours_utc": ["00:00-01:00", "10:00-00:00"], "weekdays": [1, 2]},
            {"hours_utc": "00:00-00:00", "weekdays": [6, 7]},
        ],
    }
    half = {Meter.INPUT: 500_000_000}
    early, weekend = frozenset({1, 2}), frozenset({6, 7})
    assert conditional_rates({"off_peak_pricing": block}) == [
        (When(hours=(480, 540), weekdays=early, time_zone="Asia/Shanghai"), half),
        (When(hours=(1080, 480), weekdays=early, time_zone="Asia/Shanghai"), half),
        (When(weekdays=weekend, time_zone="Asia/Shanghai"), half),
        (When(hours=(990, 30)), half),
    ]


@pytest.mark.parametrize(
    "conditions",
    [
        {},
        {"windows": []},
        {"windows": [{}]},
        {"hours_utc": "25:00-26:00"},
        {"hours_utc": "00:00"},
        {"hours_utc": "00:00-00:00"},
        {"hours_utc": [1]},
        {"hours_utc": "16:30-00:30", "region": "eu"},
        {"windows": [{"hours_utc": "16:30-00:30", "weekdays": [8]}]},
        {"windows": [{"hours_utc": "16:30-00:30", "weekdays": []}]},
        {"windows": [{"hours_utc": "16:30-00:30", "holidays": [1]}]},
        {"windows": [{"weekdays": [1]}]},
        {
            "windows": [{"hours_utc": "16:30-00:30", "weekdays": [1]}],
            "weekday_timezone": "Europe/Berlin",
        },
    ],
)
def test_hours_that_cannot_be_read_make_the_row_unreadable(conditions: Any) -> None:
    """If they were ignored, the low price would apply all day."""
    block = {"input_cost_per_token": 5e-7, **conditions}
    assert why(listed(PRICED | {"off_peak_pricing": block})).startswith("off_peak_pricing")


def test_a_meter_with_two_different_prices_is_left_out() -> None:
    """An input image and a generated image are one meter, so one rate must apply to both."""
    both = {"input_cost_per_image": 0.001, "output_cost_per_image": 0.134}
    assert listed(PRICED | both) == CARD
    output_only = listed({"input_cost_per_image": 0.0, "output_cost_per_image": 0.04})
    assert RateCard({Meter.IMAGE: Rate(40_000_000_000_000)}) == output_only


def test_a_search_whose_price_depends_on_its_size_is_left_out() -> None:
    """The three sizes agree in all but four of 437 recorded rows."""
    sizes = {"search_context_size_low": 0.005, "search_context_size_high": 0.012}
    assert listed(PRICED | {"search_context_cost_per_query": sizes}) == CARD


@pytest.mark.parametrize("price", [True, "0.1", "1e-6", "1_000", "NaN", "", [], {}, -1e-6])
@pytest.mark.parametrize("key", ["input_cost_per_token", "input_cost_per_token_batches"])
def test_a_price_that_is_no_number_makes_its_row_unreadable(key: str, price: Any) -> None:
    """LiteLLM would bill a negative price, and fail on a string."""
    assert why(listed({**PRICED, key: price}))


def test_null_is_no_price() -> None:
    """LiteLLM bills it at zero. Here the meter has no rate, and a row without rates is unpriced."""
    assert RateCard({Meter.OUTPUT: Rate(2_000_000_000)}) == listed(
        {**PRICED, "input_cost_per_token": None}
    )
    assert Unpriced(Why.NOT_PUBLISHED) == listed({"input_cost_per_token": None})
    assert Unpriced(Why.NOT_PUBLISHED) == listed({})


def test_zero_is_free_only_where_the_id_says_so() -> None:
    """Local models and models of subscriptions are listed at zero too."""
    zero = {"input_cost_per_token": 0, "output_cost_per_token": 0.0}
    assert isinstance(listed(zero, "ollama/llama3"), Unpriced)
    free = RateCard({Meter.INPUT: Rate(0), Meter.OUTPUT: Rate(0)})
    assert free == listed(zero, "acme/m:free")
    assert free == listed(zero, "acme/m-free")


@pytest.mark.parametrize("tier", ["flex", "priority", "balanced", "ultrafast"])
def test_every_service_tier_of_the_format_is_read(tier: str) -> None:
    """Those that LiteLLM's calculator knows. `batches` has the name batch."""
    assert conditional_rates({f"input_cost_per_token_{tier}": 3e-6}) == [
        (When(service_tier=tier), {Meter.INPUT: 3_000_000_000})
    ]


def test_a_suffix_that_is_no_service_tier_is_counted() -> None:
    """`decisions` is another product."""
    row = PRICED | {"litellm_provider": "p", "input_cost_per_token_decisions": 9e-6}
    page = litellm.read(json.dumps({"m": row}).encode(), "p")
    assert [("m", CARD)] == page.rows
    assert {"row.input_cost_per_token_decisions": 1} == page.ignored


def test_multipliers_of_a_region_or_a_speed_are_counted_by_name() -> None:
    """They change the price of some requests, in keys that do not look like prices."""
    row = PRICED | {
        "litellm_provider": "p",
        "provider_specific_entry": {"us": 1.1, "fast": 6},
        "fedramp_uplift_multiplier": 1.2,
    }
    page = litellm.read(json.dumps({"m": row}).encode(), "p")
    assert {
        "row.provider_specific_entry.us": 1,
        "row.provider_specific_entry.fast": 1,
        "row.fedramp_uplift_multiplier": 1,
    } == page.ignored


def test_an_alias_has_the_listing_of_the_model_that_it_names() -> None:
    """Such a row carries no other field, also no provider."""
    row = PRICED | {"litellm_provider": "p"}
    body = json.dumps(
        {"latest": {"alias_of": "newest"}, "newest": {"alias_of": "m"}, "m": row}
    ).encode()
    expected = [("latest", CARD), ("newest", CARD), ("m", CARD)]
    assert expected == litellm.read(body, "p").rows
    assert expected == litellm.read_all(body)["p"].rows
    assert ["p"] == litellm.providers(body)


@pytest.mark.parametrize("target", ["nowhere", "a", "b", "no provider", None, 1])
def test_an_alias_of_nothing_is_unreadable(target: object) -> None:
    """LiteLLM drops it."""
    body = json.dumps(
        {
            "a": {"alias_of": target},
            "b": {"alias_of": "a"},
            "no provider": {},
            "m": PRICED | {"litellm_provider": "p"},
        }
    ).encode()
    rows = dict(litellm.read_all(body)[""].rows)
    assert {None} == rows.keys()
    assert 3 == len(litellm.read_all(body)[""].rows)


def test_the_two_rows_that_are_not_models_are_skipped() -> None:
    """The example of the format has zero prices and is not sold by any provider."""
    body = json.dumps(
        {
            "sample_spec": {"litellm_provider": "acme", "input_cost_per_token": 0.0},
            "fallback_generalizations": {"rules": []},
            "acme/m": {"litellm_provider": "acme", **PRICED},
        }
    ).encode()
    assert [("acme/m", CARD)] == litellm.read(body, "acme").rows
    assert litellm.providers(body) == ["acme"]


def test_a_row_without_a_provider_is_nameless_for_every_provider() -> None:
    """It may be a model of any provider."""
    body = b'{"a":{"litellm_provider":"p"},"b":{"litellm_provider":null},"c":1,"d":{}}'
    assert litellm.read(body, "p").rows == [
        ("a", Unpriced(Why.NOT_PUBLISHED)),
        (None, Unreadable("b: no litellm_provider")),
        (None, Unreadable("c: no litellm_provider")),
        (None, Unreadable("d: no litellm_provider")),
    ]


def test_prices_without_a_translation_are_counted() -> None:
    """A service tier, a multiplier and a unit that we do not support."""
    fields = {
        **PRICED,
        "litellm_provider": "p",
        "supports_vision": True,
        "input_cost_per_token_turbo": 1e-5,
        "regional_processing_uplift_multiplier_eu": 1.1,
        "input_cost_per_pixel": 1e-8,
    }
    page = litellm.read(json.dumps({"m": fields}).encode(), "p")
    assert [("m", CARD)] == page.rows
    assert page.ignored == {
        "row.input_cost_per_token_turbo": 1,
        "row.regional_processing_uplift_multiplier_eu": 1,
        "row.input_cost_per_pixel": 1,
    }


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"\xff", b'{"a":'])
def test_a_broken_envelope_is_malformed(body: bytes) -> None:
    """It is an error of the whole answer, never an empty list."""
    with pytest.raises(Malformed, match="body: "):
        litellm.read(body, "acme")


def test_a_missing_provider_is_an_incomplete_answer() -> None:
    """Its models do not count as vanished."""
    with pytest.raises(Incomplete, match="no model of nobody"):
        litellm.read(b'{"a":{"litellm_provider":"p"}}', "nobody")


@needs_samples
def test_every_recorded_token_price_is_the_published_one() -> None:
    """Of 4,551 models: the four most frequent prices are exact, and each row occurs once."""
    body = sample(RECORDED)
    document = json.loads(body, parse_float=Decimal)
    read = [row for name in litellm.providers(body) for row in litellm.read(body, name).rows]
    listings = {model: listing for model, listing in read if model is not None}
    assert len(read) == len(listings) == 4551
    assert document.keys() - listings.keys() == {"sample_spec", "fallback_generalizations"}
    kinds = Counter(type(listing).__name__ for listing in listings.values())
    assert kinds == {"RateCard": 4291, "Unpriced": 260}
    checked = 0
    for model, listing in listings.items():
        if isinstance(listing, RateCard) and "tiered_pricing" not in document[model]:
            for key, meter in TOKEN_PRICES.items():
                amount = femto(document[model].get(key, 0))
                assert amount == listing.rates.get(meter, 0), (model, key)
                checked += bool(amount)
    assert checked > 8_000


TOKEN_PRICES = {
    "input_cost_per_token": Meter.INPUT,
    "output_cost_per_token": Meter.OUTPUT,
    "cache_read_input_token_cost": Meter.CACHE_READ,
    "cache_creation_input_token_cost": Meter.CACHE_WRITE,
}


def femto(amount: Decimal | int) -> int:
    """An amount per unit in whole 10⁻¹⁵."""
    with localcontext(prec=60):
        return int((Decimal(amount) * 10**15).to_integral_value(ROUND_HALF_EVEN))
