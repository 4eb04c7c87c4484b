"""Featherless: the recorded rows, and built rows for the cases that were never recorded."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from pricing_sync.errors import IncompleteAnswer
from pricing_sync.prices.rates import Listing, Meter, Rate, RateCard, Unpriced, Unreadable, Why
from pricing_sync.sources.provider import next_page, read_answer
from pricing_sync.sources.providers.featherless import PROVIDER

from recorded import needs_samples, sample

KIMI = {
    "prompt": "0.000003",
    "completion": "0.000015",
    "image": "0",
    "request": "0",
    "input": 3,
    "output": 15,
}


def page(rows: list[Any], current: int = 1, last: int = 1, total: int | None = None) -> bytes:
    """A built page of the list."""
    items = len(rows) if total is None else total
    pagination = {"current_page": current, "total_pages": last, "total_items": items}
    return json.dumps({"data": rows, "pagination": pagination}).encode()


def one(**row: Any) -> Listing:
    """The listing of one built row."""
    return read_answer(PROVIDER, [page([{"id": "a/Model", **row}])]).listings["a/Model"]


@needs_samples
def test_the_recorded_row_with_prices() -> None:
    """The strings are dollars per token, and a zero is not a price."""
    row = json.loads(sample("featherless/2026-09-26-one-model.json"))
    answer = read_answer(PROVIDER, [page([row])])
    card = RateCard({Meter.INPUT: Rate(3_000_000_000), Meter.OUTPUT: Rate(15_000_000_000)})
    assert {"moonshotai/Kimi-K3": card} == answer.listings
    assert {} == answer.ignored


@needs_samples
def test_the_recorded_row_without_prices() -> None:
    """A model without prices is not free."""
    row = json.loads(sample("featherless/2026-07-01-one-model-no-pricing.json"))
    answer = read_answer(PROVIDER, [page([row])])
    assert {"moonshotai/Kimi-K2-Instruct": Unpriced(Why.NOT_PUBLISHED)} == answer.listings


def test_both_units_of_one_price_give_one_rate() -> None:
    """3 per million and 0.000003 per token are the same rate."""
    card = RateCard({Meter.INPUT: Rate(3_000_000_000), Meter.OUTPUT: Rate(15_000_000_000)})
    assert card == one(pricing=KIMI)


@pytest.mark.parametrize("wrong", [{"input": 2}, {"output": 15.5}, {"prompt": "3"}])
def test_two_units_that_disagree_are_unreadable(wrong: dict[str, Any]) -> None:
    """If the strings and the numbers of a row differ, one unit is not the known one."""
    assert isinstance(one(pricing=KIMI | wrong), Unreadable)


def test_images_and_requests_have_their_own_prices() -> None:
    """These prices are per image and per request."""
    listing = one(pricing=KIMI | {"image": "0.001", "request": "0.0002"})
    assert isinstance(listing, RateCard)
    assert Rate(1_000_000_000_000) == listing.rates[Meter.IMAGE]
    assert Rate(200_000_000_000) == listing.rates[Meter.REQUEST]


def test_a_model_listed_at_zero_is_not_free() -> None:
    """Featherless marks no model as free."""
    listing = one(pricing={"prompt": "0", "completion": "0", "input": 0, "output": 0})
    assert isinstance(listing, Unpriced)
    assert Why.NOT_PER_TOKEN is listing.why


@pytest.mark.parametrize("price", [True, "1_000", "NaN", -1, [], "0.000003 USD"])
def test_a_price_that_is_not_a_number_makes_only_its_row_unreadable(price: Any) -> None:
    """In Python `True` is the integer 1. It is not a price."""
    bad = {"id": "a/Bad", "pricing": KIMI | {"prompt": price}}
    good = {"id": "a/Good", "pricing": KIMI}
    listings = read_answer(PROVIDER, [page([bad, good])]).listings
    assert isinstance(listings["a/Bad"], Unreadable)
    assert isinstance(listings["a/Good"], RateCard)


def test_an_unknown_price_field_is_counted() -> None:
    """A new meter must not go unnoticed."""
    body = page([{"id": "a/Model", "pricing": KIMI | {"input_cache_read": "0.0000003"}}])
    assert Counter({"pricing.input_cache_read": 1}) == read_answer(PROVIDER, [body]).ignored


def test_ids_differ_by_case() -> None:
    """Two spellings are two models."""
    rows = [{"id": "a/model", "pricing": KIMI}, {"id": "A/Model"}]
    assert ["a/model", "A/Model"] == list(read_answer(PROVIDER, [page(rows)]).listings)


def test_the_pages_end_at_the_last() -> None:
    """The second page follows the first, and no page follows the last."""
    assert {"page": "2"} == next_page(PROVIDER, page([{"id": "a/b"}], 1, 2), 1)
    assert next_page(PROVIDER, page([{"id": "a/c"}], 2, 2), 2) is None


@pytest.mark.parametrize(
    "pages",
    [
        [page([{"id": "a/b"}], 1, 2)],
        [page([], 1, 2)],
        [page([{"id": "a/b"}], 1, 2), page([{"id": "a/c"}], 1, 2)],
        [page([{"id": "a/b"}], total=2)],
        [page([])],
    ],
    ids=["one of two", "empty", "the first again", "fewer models than its total", "no models"],
)
def test_a_list_with_a_part_missing_is_incomplete(pages: list[bytes]) -> None:
    """A model counts as missing only if every page was read."""
    with pytest.raises(IncompleteAnswer):
        read_answer(PROVIDER, pages)
