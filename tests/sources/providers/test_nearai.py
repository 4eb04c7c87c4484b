"""NEAR AI Cloud: a fixture of its list, its own text pricing, and built rows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pricing_sync.errors import IncompleteAnswer
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
from pricing_sync.sources.providers.nearai import PROVIDER

from recorded import needs_samples, sample


def page(rows: list[Any], offset: int = 0, total: int | None = None) -> bytes:
    """A built page of the list."""
    count = len(rows) if total is None else total
    return json.dumps({"models": rows, "limit": 100, "offset": offset, "total": count}).encode()


def one(**row: Any) -> Listing:
    """The listing of one built row."""
    return read_answer(PROVIDER, [page([{"modelId": "a/b", **row}])]).listings["a/b"]


def cost(amount: Any, scale: Any = 9, currency: str = "USD") -> dict[str, Any]:
    return {"amount": amount, "scale": scale, "currency": currency}


def text(tiers: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A built `textPricing`."""
    return {"version": 1, "currency": "USD", "unit": "million_tokens", "tiers": tiers, **more}


def band(uncached: str, cached: str, output: str, **more: str) -> dict[str, str]:
    return {"uncachedInput": uncached, "cachedInput": cached, "output": output, **more}


@needs_samples
def test_the_fixture_of_the_list() -> None:
    """An amount of 850 at scale 9 is $0.85 per million, and models without amounts have no price.

    The fixture has the rows without the counts of the envelope.
    """
    rows = json.loads(sample("nearai/2026-model-list-third-party-fixture.json"))["models"]
    listings = read_answer(PROVIDER, [page(rows)]).listings
    assert len(listings) == 9
    card = RateCard({Meter.INPUT: Rate(850_000_000), Meter.OUTPUT: Rate(3_300_000_000)})
    assert card == listings["zai-org/GLM-5.1-FP8"]
    assert Unpriced(Why.NOT_PUBLISHED) == listings["openai/whisper-large-v3"]
    assert Unpriced(Why.NOT_PUBLISHED) == listings["Qwen/Qwen3-Reranker-0.6B"]


@needs_samples
def test_the_recorded_text_pricing() -> None:
    """Every model of the server's own configuration has a card, with its tiers."""
    rows = json.loads(sample("nearai/2026-08-text-pricing-server-config.json"))["models"]
    listings = read_answer(PROVIDER, [page(rows)]).listings
    assert len(listings) == 18
    assert all(isinstance(listing, RateCard) for listing in listings.values())
    assert listings["openai/gpt-5.4"] == RateCard(
        {
            Meter.INPUT: Rate(2_500_000_000),
            Meter.CACHE_READ: Rate(250_000_000),
            Meter.OUTPUT: Rate(15_000_000_000),
        },
        (
            ConditionalRates(
                When(service_tier="flex"),
                {
                    Meter.INPUT: Rate(1_250_000_000),
                    Meter.CACHE_READ: Rate(130_000_000),
                    Meter.OUTPUT: Rate(7_500_000_000),
                },
            ),
            ConditionalRates(
                When(service_tier="priority"),
                {
                    Meter.INPUT: Rate(5_000_000_000),
                    Meter.CACHE_READ: Rate(500_000_000),
                    Meter.OUTPUT: Rate(30_000_000_000),
                },
            ),
            ConditionalRates(
                When(min_input_tokens=272_001),
                {
                    Meter.INPUT: Rate(5_000_000_000),
                    Meter.CACHE_READ: Rate(500_000_000),
                    Meter.OUTPUT: Rate(22_500_000_000),
                },
            ),
            ConditionalRates(
                When(min_input_tokens=272_001, service_tier="flex"),
                {
                    Meter.INPUT: Rate(2_500_000_000),
                    Meter.CACHE_READ: Rate(250_000_000),
                    Meter.OUTPUT: Rate(11_250_000_000),
                },
            ),
        ),
    )


def test_an_amount_and_a_scale_make_a_rate() -> None:
    """850 nano-dollars per token are 85 cents per million."""
    listing = one(inputCostPerToken=cost(850), outputCostPerToken=cost(3300))
    expected = RateCard({Meter.INPUT: Rate(850_000_000), Meter.OUTPUT: Rate(3_300_000_000)})
    assert expected == listing


def test_another_scale_is_another_rate() -> None:
    """The scale is read, not assumed: 85 x 10^-8 is 850 x 10^-9."""
    assert RateCard({Meter.INPUT: Rate(850_000_000)}) == one(inputCostPerToken=cost(85, scale=8))


def test_images_are_priced_one_by_one() -> None:
    """Forty million nano-dollars are four cents per image, also if a token costs nothing."""
    expected = RateCard({Meter.IMAGE: Rate(40_000_000_000_000)})
    assert expected == one(costPerImage=cost(40_000_000), inputCostPerToken=cost(0))


@pytest.mark.parametrize(
    "wrong",
    [
        cost(1, scale=-6),
        cost(True),
        cost("1_000"),
        cost("850"),
        cost(-850),
        cost(None),
        cost(850, scale=True),
        cost(850, scale=None),
        cost(850, scale=10**9),
        cost(850, currency="NEAR"),
        {"amount": 850},
        850,
    ],
    ids=str,
)
def test_a_wrong_cost_is_unreadable(wrong: Any) -> None:
    """A scale of -6 would make it a million dollars per token."""
    assert isinstance(one(inputCostPerToken=wrong), Unreadable)


def test_a_model_activated_at_zero_has_no_price() -> None:
    """Models were activated at zero by accident."""
    listing = one(inputCostPerToken=cost(0), outputCostPerToken=cost(0))
    assert Unpriced(Why.NOT_PUBLISHED) == listing


def test_a_cached_token_at_zero_is_free_and_one_without_a_price_is_not() -> None:
    """A cached token without a price has no discount: it costs the input rate."""
    free = one(inputCostPerToken=cost(850), cacheReadCostPerToken=cost(0))
    assert RateCard({Meter.INPUT: Rate(850_000_000), Meter.CACHE_READ: Rate(0)}) == free
    assert RateCard({Meter.INPUT: Rate(850_000_000)}) == one(inputCostPerToken=cost(850))


def test_text_pricing_repeats_the_amounts() -> None:
    """Text pricing is used: it is exact, and the amounts are rounded to whole nano-dollars."""
    listing = one(
        inputCostPerToken=cost(63),
        outputCostPerToken=cost(500),
        textPricing=text({"default": {"short": band("0.0625", "0.00625", "0.50")}}),
    )
    assert listing == RateCard(
        {
            Meter.INPUT: Rate(62_500_000),
            Meter.OUTPUT: Rate(500_000_000),
            Meter.CACHE_READ: Rate(6_250_000),
        }
    )


def test_text_pricing_that_contradicts_the_amounts_is_unreadable() -> None:
    """Neither of the two prices is used."""
    listing = one(
        inputCostPerToken=cost(64),
        textPricing=text({"default": {"short": band("0.0625", "0.00625", "0.50")}}),
    )
    assert isinstance(listing, Unreadable)


def test_cache_writes_and_a_long_priority_tier() -> None:
    """A long request has at least one token more than the threshold."""
    bands = {"short": band("1", "0.1", "4", cacheWrite="1.25"), "long": band("2", "0.2", "6")}
    listing = one(
        textPricing=text(
            {"default": bands, "priority": {**bands, "short": band("3", "0.3", "9")}},
            longContextThreshold=1000,
        )
    )
    assert isinstance(listing, RateCard)
    assert Rate(1_250_000_000) == listing.rates[Meter.CACHE_WRITE]
    assert [
        When(service_tier="priority"),
        When(min_input_tokens=1001),
        When(min_input_tokens=1001, service_tier="priority"),
    ] == [conditional.when for conditional in listing.conditional_rates]


def test_a_service_tier_may_have_any_name() -> None:
    """A tier is a name that the list states."""
    listing = one(
        textPricing=text(
            {"fast": {"short": band("3", "0.3", "9")}, "default": {"short": band("1", "0.1", "4")}}
        )
    )
    assert isinstance(listing, RateCard)
    assert Rate(1_000_000_000) == listing.rates[Meter.INPUT]
    assert [When(service_tier="fast")] == [entry.when for entry in listing.conditional_rates]


@pytest.mark.parametrize(
    "wrong",
    [
        text(
            {
                "default": {"short": band("1", "0.1", "4")},
                "Turbo Max": {"short": band("1", "1", "1")},
            }
        ),
        text({"default": {"short": band("1", "0.1", "4"), "long": band("2", "0.2", "6")}}),
        text({"default": {"short": band("1", "0.1", "4"), "medium": band("2", "0.2", "6")}}),
        text({"default": {"short": band("1", "0.1", "4")}, "turbo": {"short": {}}}),
        text({"flex": {"short": band("1", "0.1", "4")}}),
        text({"default": {"short": band("1", "0.1", "4")}}) | {"currency": "EUR"},
        text({"default": {"short": band("1", "0.1", "4")}}) | {"unit": "token"},
        text({"default": {"short": band("1", "0.1", "4")}}) | {"version": 2},
        text({"default": {"short": {"uncachedInput": True}}}),
        "1.25",
    ],
    ids=[
        "not a tier",
        "long without a threshold",
        "unknown band",
        "a tier without prices",
        "no default",
        "currency",
        "unit",
        "version",
        "true",
        "a string",
    ],
)
def test_unknown_text_pricing_is_unreadable(wrong: Any) -> None:
    """An unknown part is not ignored: it may be the larger part of the bill."""
    assert isinstance(one(textPricing=wrong), Unreadable)


def test_the_pages_end_when_the_offset_reaches_the_total() -> None:
    """The next page begins where this one ends."""
    assert {"offset": "1"} == next_page(PROVIDER, page([{"modelId": "a/b"}], total=2), 1)
    assert next_page(PROVIDER, page([{"modelId": "a/c"}], offset=1, total=2), 2) is None


@pytest.mark.parametrize(
    "pages",
    [[page([{"modelId": "a/b"}], total=2)], [page([], total=2)], [page([])]],
    ids=["one of two", "empty", "no models"],
)
def test_a_list_with_a_part_missing_is_incomplete(pages: list[bytes]) -> None:
    """A model counts as missing only if every page was read."""
    with pytest.raises(IncompleteAnswer):
        read_answer(PROVIDER, pages)
