"""Vercel AI Gateway: the recorded list, the documentation's example, and built rows."""

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
from pricing_sync.sources.providers.vercel_ai_gateway import PROVIDER

from built_rows import answer_of, why
from recorded import needs_samples, sample

BASE = {Meter.INPUT: Rate(2_000_000_000), Meter.OUTPUT: Rate(12_000_000_000)}


answer = partial(answer_of, PROVIDER)


def typed(type_: str | None, **pricing: Any) -> Listing:
    """The listing of one built row of that type."""
    return answer({"id": "a/b", "type": type_, "pricing": pricing}).listings["a/b"]


def one(**pricing: Any) -> Listing:
    """The listing of one built row of a text model."""
    return typed("language", **{"input": "0.000002", "output": "0.000012", **pricing})


def tiers(*entries: tuple[int, str]) -> list[dict[str, Any]]:
    return [{"cost": cost, "min": start} for start, cost in entries]


@needs_samples
def test_the_recorded_list() -> None:
    """In 2025 every model had two prices per token and no type."""
    parsed = read_answer(PROVIDER, [sample("vercel/2025-07-25-v1-models.json")])
    assert {RateCard: 78} == Counter(type(listing) for listing in parsed.listings.values())
    expected = RateCard({Meter.INPUT: Rate(80_000_000), Meter.OUTPUT: Rate(240_000_000)})
    assert expected == parsed.listings["alibaba/qwen-3-14b"]
    assert {} == parsed.ignored


@needs_samples
def test_the_documented_example() -> None:
    """Four meters have a long tier with one boundary: it is one condition."""
    parsed = read_answer(PROVIDER, [sample("vercel/2026-v1-models-docs-example.json")])
    assert {
        "google/gemini-3-pro": RateCard(
            {
                Meter.INPUT: Rate(2_000_000_000),
                Meter.OUTPUT: Rate(12_000_000_000),
                Meter.CACHE_READ: Rate(200_000_000),
                Meter.CACHE_WRITE: Rate(2_000_000_000),
            },
            (
                ConditionalRates(
                    When(min_input_tokens=200_001),
                    {
                        Meter.INPUT: Rate(4_000_000_000),
                        Meter.OUTPUT: Rate(18_000_000_000),
                        Meter.CACHE_READ: Rate(400_000_000),
                        Meter.CACHE_WRITE: Rate(4_000_000_000),
                    },
                ),
            ),
        )
    } == parsed.listings
    assert {} == parsed.ignored


def test_tiers_are_sorted_and_merged() -> None:
    """A meter without a tier at a boundary keeps its rate there."""
    listing = one(
        input_tiers=tiers((256_001, "0.000008"), (0, "0.000002"), (128_001, "0.000004")),
        output_tiers=tiers((0, "0.000012"), (256_001, "0.000024")),
    )
    middle = ConditionalRates(When(min_input_tokens=128_001), {Meter.INPUT: Rate(4_000_000_000)})
    last = ConditionalRates(
        When(min_input_tokens=256_001),
        {Meter.INPUT: Rate(8_000_000_000), Meter.OUTPUT: Rate(24_000_000_000)},
    )
    assert RateCard(BASE, (middle, last)) == listing


def test_the_first_tier_has_the_base_rates() -> None:
    """In some rows it has no `min`, and some rows have only the tiers."""
    first = [{"cost": "0.000001", "max": 64_000}, {"cost": "0.000002", "min": 64_000}]
    long = ConditionalRates(When(min_input_tokens=64_000), {Meter.CACHE_READ: Rate(2_000_000_000)})
    expected = RateCard({**BASE, Meter.CACHE_READ: Rate(1_000_000_000)}, (long,))
    assert expected == one(input_cache_read_tiers=first)


def test_a_first_tier_at_another_price_is_unreadable() -> None:
    """One of the two prices is misread."""
    assert "first tier" in why(one(input_tiers=tiers((0, "0.000003"))))


def test_two_tiers_at_one_boundary_are_unreadable() -> None:
    """Neither of them is used."""
    listing = one(input_tiers=tiers((0, "0.000002"), (9, "0.000003"), (9, "0.000004")))
    assert "begin at one token" in why(listing)


@pytest.mark.parametrize(
    "broken",
    [
        "0.1",
        {},
        [1],
        [{"min": 0}],
        [{"cost": True, "min": 9}],
        [{"cost": "0.1", "min": -1}],
        [{"cost": "0.1", "min": 0.5}],
    ],
)
def test_broken_tiers_make_the_row_unreadable(broken: Any) -> None:
    """Without them, long requests would be billed at the base rates."""
    assert why(one(input_tiers=broken)).startswith("pricing.input_tiers: ")


@pytest.mark.parametrize(
    ("key", "price", "expected"),
    [
        ("input_cache_read", "0.0000002", {Meter.CACHE_READ: Rate(200_000_000)}),
        ("input_cache_write", "0.0000025", {Meter.CACHE_WRITE: Rate(2_500_000_000)}),
        ("audio_input_token_cost", "0.000032", {Meter.INPUT_AUDIO: Rate(32_000_000_000)}),
        ("audio_output_token_cost", "0.000064", {Meter.OUTPUT_AUDIO: Rate(64_000_000_000)}),
        ("image", "0.04", {Meter.IMAGE: Rate(40_000_000_000_000)}),
        ("web_search", "10", {Meter.WEB_SEARCH: Rate(10_000_000_000_000)}),
        ("speech_input_character_cost", "0.000015", {Meter.CHARACTER: Rate(15_000_000_000)}),
        (
            "transcription_duration_cost_per_second",
            "0.0001",
            {Meter.SECOND: Rate(100_000_000_000)},
        ),
    ],
)
def test_each_price_names_its_meter(key: str, price: str, expected: Any) -> None:
    """All prices are per single unit, except searches: ten dollars are for a thousand."""
    assert RateCard({**BASE, **expected}) == one(**{key: price})


def test_only_unknown_fields_are_counted() -> None:
    """A known field that is not a rate is not counted."""
    row = {"input": "0.000002", "varies_by_provider": True, "fast": {}, "maps_search": "14"}
    parsed = answer({"id": "a/b", "type": "language", "pricing": row})
    assert {"pricing.fast": 1, "pricing.maps_search": 1} == parsed.ignored


def test_service_tiers_are_conditions() -> None:
    """A tier has rates for all requests, then for those above its threshold. Never recorded."""
    flex = {
        "input": "0.000001",
        "output": "0.000006",
        "long_context": {"threshold": 272_000, "input": "0.000002"},
    }
    priority = {"input": "0.000004"}
    assert RateCard(
        BASE,
        (
            ConditionalRates(
                When(service_tier="flex"),
                {Meter.INPUT: Rate(1_000_000_000), Meter.OUTPUT: Rate(6_000_000_000)},
            ),
            ConditionalRates(
                When(service_tier="flex", min_input_tokens=272_001),
                {Meter.INPUT: Rate(2_000_000_000)},
            ),
            ConditionalRates(When(service_tier="priority"), {Meter.INPUT: Rate(4_000_000_000)}),
        ),
    ) == one(service_tiers={"flex": flex, "priority": priority})


def test_a_service_tier_may_have_any_name() -> None:
    """A tier is a name that the list states."""
    fast = ConditionalRates(When(service_tier="fast"), {Meter.INPUT: Rate(4_000_000_000)})
    assert RateCard(BASE, (fast,)) == one(service_tiers={"fast": {"input": "0.000004"}})


@pytest.mark.parametrize("name", ["standard", "default", "Not A Tier"])
def test_what_is_no_service_tier_is_counted(name: str) -> None:
    """It changes no other price."""
    row = {"input": "0.000002", "service_tiers": {name: {"input": "1"}}}
    parsed = answer({"id": "a/b", "pricing": row})
    assert RateCard({Meter.INPUT: Rate(2_000_000_000)}) == parsed.listings["a/b"]
    assert {f"pricing.service_tiers.{name}": 1} == parsed.ignored


@pytest.mark.parametrize(
    "broken", [[], {"flex": 1}, {"flex": {"input": True}}, {"flex": {"long_context": {}}}]
)
def test_broken_service_tiers_make_the_row_unreadable(broken: Any) -> None:
    """Without them, requests in a tier would be billed at the base rates."""
    assert why(one(service_tiers=broken)).startswith("pricing.service_tiers")


def test_an_image_priced_by_its_size_is_unpriced() -> None:
    """With a matrix, the flat price is that of one size. Token prices are kept."""
    matrix = [{"size": "1K", "cost": "0.04"}, {"size": "4K", "cost": "0.24"}]
    priced = {"image": "0.04", "image_dimension_quality_pricing": matrix}
    assert Unpriced(Why.NOT_PER_TOKEN, "type image") == typed("image", **priced)
    assert RateCard(BASE) == one(**priced)
    assert RateCard({Meter.IMAGE: Rate(40_000_000_000_000)}) == typed("image", image="0.04")


def test_an_embedding_has_a_price_for_input_only() -> None:
    """It needs no output price."""
    expected = RateCard({Meter.INPUT: Rate(20_000_000)})
    assert expected == typed("embedding", input="0.00000002")


@pytest.mark.parametrize("type_", ["video", "reranking", "speech", "realtime"])
def test_a_price_of_searches_alone_is_no_price(type_: str) -> None:
    """The model itself is billed by the session, which the list does not price."""
    assert isinstance(one(input="0", output="0", web_search="10"), Unpriced)
    row = {"id": "m", "type": type_, "pricing": {"web_search": "10"}}
    assert isinstance(answer(row).listings["m"], Unpriced)


@pytest.mark.parametrize("type_", ["video", "reranking", "speech", "realtime"])
def test_other_types_without_a_price_are_not_sold_by_the_token(type_: str) -> None:
    """No meter counts the units of their price matrices."""
    expected = Unpriced(Why.NOT_PER_TOKEN, f"type {type_}")
    assert expected == typed(type_, video_duration_pricing=[{"cost_per_second": "0.4"}])


def test_a_text_model_without_a_price_is_unpriced() -> None:
    """Neither an unknown price nor a zero is free."""
    assert Unpriced(Why.NOT_PUBLISHED) == typed("language")
    assert Unpriced(Why.NOT_PUBLISHED) == answer({"id": "a/b"}).listings["a/b"]
    zero = Unpriced(Why.NOT_PUBLISHED, "listed at zero")
    assert zero == one(input="0", output="0", input_cache_read="0")


@pytest.mark.parametrize("price", [True, "true", "NaN", "-1", "1_0", "", [], {}])
def test_a_price_that_is_not_an_amount_makes_its_row_unreadable(price: Any) -> None:
    """Some general parser accepts each of these as a number."""
    assert why(one(input=price)).startswith("pricing.input: ")
