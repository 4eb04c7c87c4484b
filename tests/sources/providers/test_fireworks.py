"""Fireworks: the recorded lists, and built rows for the cases that they do not have."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from typing import Any

import pytest

from pricing_sync.errors import IncompleteAnswer
from pricing_sync.prices.rates import (
    ConditionalRates,
    Meter,
    Rate,
    RateCard,
    Unpriced,
    Unreadable,
    When,
    Why,
)
from pricing_sync.sources.provider import next_page, read_answer
from pricing_sync.sources.providers.fireworks import PROVIDER

from built_rows import answer_of
from recorded import needs_samples, sample

CARD = RateCard({Meter.INPUT: Rate(1_000_000_000), Meter.OUTPUT: Rate(4_000_000_000)})
PRIORITY = ConditionalRates(
    When(service_tier="priority"),
    {Meter.INPUT: Rate(2_000_000_000), Meter.OUTPUT: Rate(8_000_000_000)},
)


def item(sku: str, amount: Any, unit: str = "1M tokens") -> dict[str, Any]:
    return {"sku": sku, "amount": amount, "unit": unit}


def row(mode: str | None, input_: Any = "1", output: Any = "4", **more: Any) -> dict[str, Any]:
    """A built row of the model `m`."""
    items = [item("LLM output tokens", output), item("LLM input tokens (uncached)", input_)]
    return {"id": "m", "serverless_mode": mode, "pricing": items, **more}


answer = partial(answer_of, PROVIDER)


@needs_samples
def test_the_recorded_list() -> None:
    """26 rows are 17 models: nine priority rows are joined to their standard rows."""
    parsed = read_answer(PROVIDER, [sample("fireworks/2026-10-08-v1-serverless-models.json")])
    assert len(parsed.listings) == 17
    assert {} == parsed.ignored
    assert parsed.listings["accounts/fireworks/models/kimi-k3"] == RateCard(
        {
            Meter.INPUT: Rate(3_000_000_000),
            Meter.CACHE_READ: Rate(300_000_000),
            Meter.OUTPUT: Rate(15_000_000_000),
        },
        (
            ConditionalRates(
                When(service_tier="priority"),
                {
                    Meter.INPUT: Rate(3_750_000_000),
                    Meter.CACHE_READ: Rate(375_000_000),
                    Meter.OUTPUT: Rate(18_750_000_000),
                },
            ),
        ),
    )
    assert parsed.listings["accounts/fireworks/routers/kimi-k3-fast"] == RateCard(
        {
            Meter.INPUT: Rate(4_500_000_000),
            Meter.CACHE_READ: Rate(450_000_000),
            Meter.OUTPUT: Rate(22_500_000_000),
        }
    )
    embedding = parsed.listings["accounts/fireworks/models/qwen3-embedding-8b"]
    assert RateCard({Meter.INPUT: Rate(100_000_000)}) == embedding
    assert "accounts/fireworks/models/glm-5p2" not in parsed.listings
    assert Unpriced(Why.NOT_PUBLISHED) == parsed.listings["firerouter/auto"]


@needs_samples
def test_the_recorded_list_without_prices() -> None:
    """The other endpoint has 38 models and no price."""
    parsed = read_answer(
        PROVIDER, [sample("fireworks/2025-10-10-inference-v1-models-no-prices.json")]
    )
    assert {Unpriced(Why.NOT_PUBLISHED): 38} == Counter(parsed.listings.values())


@pytest.mark.parametrize("order", [("standard", "priority"), ("priority", "standard")])
def test_priority_is_a_condition_of_the_standard_card(order: tuple[str, str]) -> None:
    """In either order of the rows, the price of a plain request is the standard one."""
    rows = {"standard": row("standard"), "priority": row("priority", "2", "8")}
    expected = RateCard(CARD.rates, (PRIORITY,))
    assert {"m": expected} == answer(*(rows[mode] for mode in order)).listings


def test_a_priority_row_alone_has_no_base_rates() -> None:
    """Without a standard row, the price of a plain request is unknown."""
    assert {"m": RateCard({}, (PRIORITY,))} == answer(row("priority", "2", "8")).listings


def test_a_fast_row_is_a_model_with_another_name() -> None:
    """A request names the router, so the price is listed under the router."""
    fast = row("fast", "2", "8", usage_identifier="routers/m-fast")
    listings = answer(row("standard"), fast).listings
    assert {"m": CARD, "routers/m-fast": RateCard(PRIORITY.rates)} == listings


@pytest.mark.parametrize("mode", ["fast", "turbo"])
def test_a_row_that_no_request_can_name_is_nameless(mode: str) -> None:
    """It is counted, and the other rows stay readable."""
    parsed = answer(row("standard"), row(mode, "2", "8"))
    assert {"m": CARD} == parsed.listings
    assert len(parsed.nameless) == 1
    assert mode in parsed.nameless[0]


def test_two_rows_that_disagree_are_unreadable() -> None:
    """Two equal standard rows of one model are one listing."""
    assert isinstance(answer(row("standard"), row("standard", "2")).listings["m"], Unreadable)
    assert {"m": CARD} == answer(row("standard"), row("standard")).listings


@pytest.mark.parametrize(
    "odd",
    [
        item("LLM cache writes", "1"),
        item("LLM output tokens", "4", unit="1K tokens"),
        item("LLM output tokens", "5"),
    ],
    ids=["sku", "unit", "another price"],
)
def test_an_unknown_sku_or_unit_makes_the_model_unreadable(odd: dict[str, Any]) -> None:
    """A card without it would bill only a part of the price."""
    pricing = [*row("standard")["pricing"], odd]
    assert isinstance(answer(row("standard", pricing=pricing)).listings["m"], Unreadable)


@pytest.mark.parametrize("price", [True, "1_000", "NaN", "-1", None, {"units": 1}])
def test_a_price_that_is_not_a_number_makes_the_model_unreadable(price: Any) -> None:
    """In Python `True` is the integer 1. A null is no price, and the other prices stay."""
    listing = answer(row("standard", price)).listings["m"]
    if price is None:
        assert RateCard({Meter.OUTPUT: Rate(4_000_000_000)}) == listing
    else:
        assert isinstance(listing, Unreadable)


def test_an_unreadable_tier_makes_the_model_unreadable() -> None:
    """A card without the tier would bill priority requests at the standard price."""
    listings = answer(row("standard"), row("priority", True)).listings
    assert isinstance(listings["m"], Unreadable)


def test_a_model_listed_at_zero_is_not_free() -> None:
    """Nothing in a row states that the model is free."""
    listing = answer(row("standard", "0", "0")).listings["m"]
    assert isinstance(listing, Unpriced)
    assert Why.NOT_PER_TOKEN is listing.why


@pytest.mark.parametrize("key", ["nextPageToken", "next_page_token"])
def test_the_page_token_leads_to_the_next_page(key: str) -> None:
    """The key of the token has two spellings, and an empty token ends the list."""
    body = {"data": [row("standard")], key: "abc"}
    assert {"pageToken": "abc"} == next_page(PROVIDER, json.dumps(body).encode(), 1)
    assert next_page(PROVIDER, json.dumps({**body, key: ""}).encode(), 1) is None


def test_a_list_with_a_next_page_is_incomplete() -> None:
    """A model counts as missing only if every page was read."""
    body = {"data": [row("standard")], "nextPageToken": "abc"}
    with pytest.raises(IncompleteAnswer):
        read_answer(PROVIDER, [json.dumps(body).encode()])


def test_the_rows_of_one_model_may_be_on_two_pages() -> None:
    """A standard and a priority row make one card, also on different pages."""
    pages = [
        json.dumps({"data": [row("priority", "2", "8")], "nextPageToken": "x"}).encode(),
        json.dumps({"data": [row("standard")]}).encode(),
    ]
    assert {"m": RateCard(CARD.rates, (PRIORITY,))} == read_answer(PROVIDER, pages).listings
