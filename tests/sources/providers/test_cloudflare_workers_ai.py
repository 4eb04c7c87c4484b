"""Cloudflare Workers AI: the recorded page, and built pages."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from pricing_sync.errors import DecodeError, IncompleteAnswer
from pricing_sync.prices.rates import Listing, Meter, Rate, RateCard, Unpriced, Why
from pricing_sync.sources.provider import next_page, read_answer
from pricing_sync.sources.providers.cloudflare_workers_ai import PROVIDER

from built_rows import rates_of, why
from recorded import needs_samples, sample

RECORDED = "cloudflare-workers-ai/2026-05-07-ai-models-search.json"


def page(rows: list[Any], number: int = 1, **fields: Any) -> bytes:
    """A built page."""
    info = {"count": len(rows), "page": number, "per_page": 100, "total_count": 245}
    answer = {"success": True, "result": rows, "errors": [], "result_info": info}
    return json.dumps({**answer, **fields}).encode()


def rows(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [row(f"@cf/a/{n}", ("per M input tokens", 1)) for n in range(first, first + count)]


def row(model: str, *prices: tuple[str, Any], currency: str = "USD") -> dict[str, Any]:
    value = [{"unit": unit, "price": price, "currency": currency} for unit, price in prices]
    context = {"property_id": "context_window", "value": "128000"}
    return {
        "id": "fe8904cf-e20e-4884-b829-ed7cec0a01cb",
        "name": model,
        "properties": [context, {"property_id": "price", "value": value}],
    }


def one(*prices: tuple[str, Any], **fields: Any) -> Listing:
    """The listing of one built row."""
    return read_answer(PROVIDER, [page([row("@cf/a/m", *prices, **fields)])]).listings["@cf/a/m"]


@needs_samples
def test_the_recorded_page() -> None:
    """91 rows are the whole list, although `total_count` is 245."""
    parsed = read_answer(PROVIDER, [sample(RECORDED)])
    listings = parsed.listings
    assert {RateCard: 46, Unpriced: 45} == Counter(type(listing) for listing in listings.values())
    assert {
        Meter.INPUT: Rate(950_000_000),
        Meter.OUTPUT: Rate(4_000_000_000),
        Meter.CACHE_READ: Rate(160_000_000),
    } == rates_of(listings["@cf/moonshotai/kimi-k2.6"])
    assert {Meter.INPUT: Rate(12_000_000)} == rates_of(listings["@cf/baai/bge-m3"])
    assert {Meter.SECOND: Rate(7_500_000_000)} == rates_of(listings["@cf/openai/whisper"])
    assert {Meter.CHARACTER: Rate(15_000_000_000)} == rates_of(listings["@cf/deepgram/aura-1"])
    assert {Meter.REQUEST: Rate(2_500_000_000)} == rates_of(listings["@cf/microsoft/resnet-50"])
    assert () == parsed.nameless
    assert {"price.per audio minute (websocket)": 1} == parsed.ignored


@needs_samples
def test_the_recorded_rows_without_a_price() -> None:
    """No price, a price of zero and a price in a unit without a meter differ."""
    listings = read_answer(PROVIDER, [sample(RECORDED)]).listings
    assert Unpriced(Why.NOT_PUBLISHED) == listings["@cf/qwen/qwen1.5-0.5b-chat"]
    zero = Unpriced(Why.NOT_PUBLISHED, "listed at zero, with nothing that says it is free")
    assert zero == listings["@cf/facebook/bart-large-cnn"]
    steps = Unpriced(Why.NOT_PER_TOKEN, "priced per 512 by 512 tile, per step")
    assert steps == listings["@cf/black-forest-labs/flux-1-schnell"]
    socket = Unpriced(Why.NOT_PER_TOKEN, "priced per audio minute (websocket)")
    assert socket == listings["@cf/deepgram/flux"]
    assert {Meter.SECOND: Rate(86_666_666_667)} == rates_of(listings["@cf/deepgram/nova-3"])


@pytest.mark.parametrize(
    ("unit", "price", "expected"),
    [
        ("per M input tokens", 0.35, {Meter.INPUT: Rate(350_000_000)}),
        ("per M output tokens", 4, {Meter.OUTPUT: Rate(4_000_000_000)}),
        ("per audio minute", 0.0006, {Meter.SECOND: Rate(10_000_000_000)}),
        ("per 1k characters", 0.03, {Meter.CHARACTER: Rate(30_000_000_000)}),
        ("per inference request", 2.5e-06, {Meter.REQUEST: Rate(2_500_000_000)}),
    ],
)
def test_each_unit_names_its_meter(unit: str, price: float, expected: Any) -> None:
    """Each rate is per million of its unit."""
    assert RateCard(expected) == one((unit, price))


def test_cached_tokens_have_their_own_meter() -> None:
    """Beside a price of input: alone they are no price of the model."""
    cached = ("per M cached input tokens", 0.16)
    expected = {Meter.INPUT: Rate(1_000_000_000), Meter.CACHE_READ: Rate(160_000_000)}
    assert RateCard(expected) == one(("per M input tokens", 1), cached)
    assert Unpriced(Why.NOT_PER_TOKEN, "priced only for cache_read") == one(cached)


def test_a_speech_model_keeps_its_price_beside_that_of_a_websocket() -> None:
    """The other price is counted. A model that only a websocket sells has no price."""
    socket = ("per audio minute (websocket)", 0.0092)
    rows = [row("@cf/a/both", ("per audio minute", 0.006), socket), row("@cf/a/socket", socket)]
    answer = read_answer(PROVIDER, [page(rows)])
    assert answer.listings == {
        "@cf/a/both": RateCard({Meter.SECOND: Rate(100_000_000_000)}),
        "@cf/a/socket": Unpriced(Why.NOT_PER_TOKEN, f"priced {socket[0]}"),
    }
    assert {f"price.{socket[0]}": 1} == answer.ignored


@pytest.mark.parametrize("unit", ["per step", "per 512 by 512 tile"])
def test_a_unit_without_a_meter_leaves_the_model_unpriced(unit: str) -> None:
    """Also if another unit has one: the bill would be only a part of the price."""
    assert Unpriced(Why.NOT_PER_TOKEN, f"priced {unit}") == one((unit, 0.5))
    assert Unpriced(Why.NOT_PER_TOKEN, f"priced {unit}") == one(
        ("per audio minute", 0.0052), (unit, 0.5)
    )


def test_an_unknown_unit_makes_the_row_unreadable() -> None:
    """Its price may be the larger part of the bill."""
    listing = one(("per M input tokens", 1), ("per moon", 2))
    assert "price: 'USD' 'per moon' is not known" == why(listing)


def test_another_currency_makes_the_row_unreadable() -> None:
    """A price is in dollars only if it states so."""
    assert "'EUR'" in why(one(("per M input tokens", 1), currency="EUR"))


def test_one_unit_with_two_prices_makes_the_row_unreadable() -> None:
    """The same price twice is one price."""
    twice = ("per M input tokens", 1)
    assert RateCard({Meter.INPUT: Rate(1_000_000_000)}) == one(twice, twice)
    assert "twice" in why(one(twice, ("per M input tokens", 2)))


@pytest.mark.parametrize("price", [True, "NaN", -1, "0,35", [], {}])
def test_a_price_that_is_not_an_amount_makes_its_row_unreadable(price: Any) -> None:
    """In Python `True` is the number 1."""
    assert why(one(("per M input tokens", price))).startswith("price.per M input tokens: ")


@pytest.mark.parametrize("value", ["0.35", {"unit": "per step"}, [{"unit": "per step"}], [1]])
def test_a_price_of_another_type_makes_its_row_unreadable(value: Any) -> None:
    """All other properties are strings; `price` is a list."""
    odd = {"name": "m", "properties": [{"property_id": "price", "value": value}]}
    assert why(read_answer(PROVIDER, [page([odd])]).listings["m"]).startswith("price: ")


@pytest.mark.parametrize("properties", [None, [], [{"property_id": "price", "value": None}]])
def test_a_model_without_a_price_is_unpriced(properties: Any) -> None:
    """Its price is unknown, and not zero."""
    bare = {"name": "m", "properties": properties}
    assert Unpriced(Why.NOT_PUBLISHED) == read_answer(PROVIDER, [page([bare])]).listings["m"]


def test_a_model_past_its_planned_end_keeps_its_price() -> None:
    """18 such models were still sold seven months later."""
    ending = row("m", ("per M input tokens", 1))
    ending["properties"].append({"property_id": "planned_deprecation_date", "value": "2025-10-01"})
    expected = RateCard({Meter.INPUT: Rate(1_000_000_000)})
    assert expected == read_answer(PROVIDER, [page([ending])]).listings["m"]


def test_the_list_ends_with_a_short_page() -> None:
    """`total_count` is not used."""
    full, short = page(rows(100)), page(rows(7, first=100), 2)
    assert {"page": "2"} == next_page(PROVIDER, full, 1)
    assert next_page(PROVIDER, short, 2) is None
    assert 107 == len(read_answer(PROVIDER, [full, short]).listings)


def test_the_list_ends_with_an_empty_page() -> None:
    """This happens after a last page that was full."""
    full, empty = page(rows(100)), page([], 2)
    assert next_page(PROVIDER, empty, 2) is None
    assert 100 == len(read_answer(PROVIDER, [full, empty]).listings)


def test_a_full_page_is_not_the_last() -> None:
    """A reading that stops there has only a part of the list."""
    with pytest.raises(IncompleteAnswer, match="goes on after page 1"):
        read_answer(PROVIDER, [page(rows(100))])


def test_a_full_page_of_the_server_s_own_size_is_not_the_last() -> None:
    """20 rows on a page of 20 are not a short page of 100."""
    info = {"page": 1, "per_page": 20}
    assert {"page": "2"} == next_page(PROVIDER, page(rows(20), result_info=info), 1)


def test_a_page_with_another_number_is_incomplete() -> None:
    """Its rows cannot be joined to a whole list."""
    with pytest.raises(IncompleteAnswer, match="page 1, where page 2 was asked for"):
        next_page(PROVIDER, page(rows(100), 1), 2)


def test_an_answer_without_success_is_an_error() -> None:
    """The error has the messages of the answer. The HTTP status may be 200."""
    errors = [{"code": 10000, "message": "Authentication error"}]
    body = page([], success=False, result=None, errors=errors)
    with pytest.raises(DecodeError, match="cloudflare-workers-ai: body: Authentication error"):
        read_answer(PROVIDER, [body])
    with pytest.raises(DecodeError, match="no reason"):
        read_answer(PROVIDER, [b'{"success": false}'])


def test_the_account_is_a_part_of_the_url() -> None:
    """It comes from the environment."""
    assert ("CLOUDFLARE_ACCOUNT_ID",) == PROVIDER.variables
    assert (
        "https://api.cloudflare.com/client/v4/accounts/{CLOUDFLARE_ACCOUNT_ID}"
        "/ai/models/search?per_page=100&page=1"
    ) == PROVIDER.url
