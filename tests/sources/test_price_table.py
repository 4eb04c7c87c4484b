"""A list that is read by a table, and by nothing else."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from typing import Any

import pytest

from pricing_sync.prices.rates import (
    CurrencyUnit,
    Listing,
    Meter,
    Per,
    Rate,
    RateCard,
    Unpriced,
    Unreadable,
    Why,
)
from pricing_sync.sources.listings import Amount
from pricing_sync.sources.price_table import PriceTable
from pricing_sync.sources.strict_json import Malformed

FIELDS: Mapping[str, Amount | None] = {
    "in": Amount(Meter.INPUT, Per.THOUSAND, CurrencyUnit.CENT),
    "out": Amount(Meter.OUTPUT, Per.THOUSAND, CurrencyUnit.CENT),
    "cached": Amount(Meter.CACHE_READ, Per.THOUSAND, CurrencyUnit.CENT),
    "per_minute": Amount(Meter.SECOND, Per.MINUTE),
    "per_second": Amount(Meter.SECOND, Per.ONE),
    "currency": None,
}
ACME = PriceTable(
    fields=FIELDS,
    rows="models",
    id="name",
    prices="cents",
    no_prices=Unpriced(Why.VARIES, "by contract"),
    all_zero=Unpriced(Why.NOT_PUBLISHED, "on trial"),
    unset=frozenset({Meter.CACHE_READ}),
    zero_yields=True,
)


def one(prices: Mapping[str, Any], table: PriceTable = ACME) -> Listing:
    """The listing of one row with these prices."""
    row = {table.id: "m", table.prices: prices}
    [(model, listing)] = table.read(json.dumps({table.rows: [row]}).encode()).rows
    assert model == "m"
    return listing


def test_rows_ids_and_prices_have_the_keys_of_the_table() -> None:
    """A quarter of a cent per thousand tokens is 2.5 dollars per million."""
    rates = {Meter.INPUT: Rate(2_500_000_000), Meter.OUTPUT: Rate(10_000_000_000)}
    assert RateCard(rates) == one({"in": 0.25, "out": "1.0", "currency": "USD"})


def test_the_usual_keys_need_not_be_named() -> None:
    """They are `data`, `id` and `pricing`."""
    usual = PriceTable(fields={"prompt": Amount(Meter.INPUT, Per.ONE)})
    assert ("data", "id", "pricing") == (usual.rows, usual.id, usual.prices)
    assert RateCard({Meter.INPUT: Rate(1_000_000_000)}) == one({"prompt": "0.000001"}, usual)
    zero = Unpriced(Why.NOT_PER_TOKEN, "listed at zero, with nothing that says it is free")
    assert zero == one({"prompt": "0"}, usual)
    assert Unpriced(Why.NOT_PUBLISHED) == one({}, usual)


def test_the_table_says_what_no_price_and_zero_mean() -> None:
    """A row of zeros keeps them, for the models that the settings declare free."""
    assert Unpriced(Why.VARIES, "by contract") == one({})
    listing = one({"in": 0, "out": 0})
    assert Unpriced(Why.NOT_PUBLISHED, "on trial") == listing
    assert isinstance(listing, Unpriced)
    assert RateCard({Meter.INPUT: Rate(0), Meter.OUTPUT: Rate(0)}) == listing.at_zero


def test_a_zero_that_is_unset_is_left_out() -> None:
    """Another table keeps it: a cached token at zero costs nothing."""
    paid = {Meter.INPUT: Rate(2_500_000_000)}
    assert RateCard(paid) == one({"in": 0.25, "cached": 0})
    kept = PriceTable(fields=FIELDS)
    assert RateCard({**paid, Meter.CACHE_READ: Rate(0)}) == one({"in": 0.25, "cached": 0}, kept)


@pytest.mark.parametrize("minute_first", [True, False])
def test_a_zero_gives_way_to_another_price_of_its_meter(*, minute_first: bool) -> None:
    """In either order; in another table the two contradict each other."""
    pair = [("per_minute", 0.6), ("per_second", 0)]
    prices = dict(pair if minute_first else reversed(pair))
    assert RateCard({Meter.SECOND: Rate(10_000_000_000_000)}) == one(prices)
    strict = one(prices, PriceTable(fields=FIELDS))
    assert isinstance(strict, Unreadable)
    assert "priced twice" in strict.why


def test_two_prices_of_one_meter_are_unreadable() -> None:
    """Neither of them gives way; the error has the field and both rates."""
    why = "cents.per_second: priced twice, 20000 per million, and elsewhere 10000"
    assert Unreadable(why) == one({"per_minute": 0.6, "per_second": 0.02})


@pytest.mark.parametrize("price", [True, "1_000", "NaN", -1, [], {}, ""])
def test_a_price_that_is_no_number_makes_only_its_row_unreadable(price: Any) -> None:
    """The error has the field."""
    rows = [{"name": "bad", "cents": {"in": price}}, {"name": "good", "cents": {"in": 0.25}}]
    (_, bad), (_, good) = ACME.read(json.dumps({"models": rows}).encode()).rows
    assert isinstance(bad, Unreadable)
    assert bad.why.startswith("cents.in: ")
    assert RateCard({Meter.INPUT: Rate(2_500_000_000)}) == good


def test_keys_that_may_hold_a_price_are_counted() -> None:
    """Those among the prices and those beside them."""
    row = {"name": "m", "cents": {"in": 1, "video": 2}, "discount": 0.5, "context": 4096}
    page = ACME.read(json.dumps({"models": [row]}).encode())
    assert {"cents.video": 1, "discount": 1} == page.ignored


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not JSON"),
        (b"<html></html>", "not JSON"),
        (b"{}", "missing required field `models`"),
        (b'{"data": []}', "missing required field `models`"),
        (b'{"models": {}}', "Expected `array`"),
        (b"[]", "Expected `object`"),
    ],
)
def test_an_answer_in_another_format_is_an_error(body: bytes, why: str) -> None:
    """The whole answer is refused."""
    with pytest.raises(Malformed, match=f"^body: .*{why}"):
        ACME.read(body)


def test_a_row_without_the_id_of_the_table_has_no_name() -> None:
    """It is counted, and no model."""
    [(model, listing)] = ACME.read(b'{"models": [{"id": "m", "cents": {"in": 1}}]}').rows
    assert model is None
    assert isinstance(listing, Unreadable)
    assert "row 0" in listing.why


def test_a_table_can_be_sent_to_a_worker_process() -> None:
    """Large answers are decoded in one."""
    assert pickle.loads(pickle.dumps(ACME.read)).__self__ == ACME
