"""Strict decoding of price lists: numbers, rows and whole answers."""

from __future__ import annotations

import json
import re
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, Struct

from pricing_sync.prices.model_ids import is_model_id
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
from pricing_sync.sources.listings import Amount, Fields, rates, without_zeros
from pricing_sync.sources.objects import nested
from pricing_sync.sources.rows import Page, guard, merge, read_keyed, read_rows
from pricing_sync.sources.strict_json import (
    ABSENT,
    BadAmount,
    Incomplete,
    Malformed,
    envelope,
    is_named,
    number,
    rate,
    shorten,
    whole,
)

FIELDS: Fields = {
    "in": Amount(Meter.INPUT, Per.MILLION),
    "prompt": Amount(Meter.INPUT, Per.ONE),
    "out": Amount(Meter.OUTPUT, Per.MILLION, CurrencyUnit.CENT),
    "note": None,
}

NOT_NUMBERS = [
    "true",
    "false",
    "[]",
    "{}",
    "[1]",
    '""',
    '"free"',
    '"1_000"',
    '"1,000"',
    '" 1"',
    '"1 "',
    '"+1"',
    '"1."',
    '".5"',
    '"01"',
    '"0x10"',
    '"１２"',
    '"١٢"',
    '"NaN"',
    "NaN",
    '"Infinity"',
    "-Infinity",
    '"$1"',
    '"1\\u0030"',
    '"1',
    '1"',
    "1 1",
    "9" * 5000,
    '"' + "9" * 81 + '"',
]


def raw(text: str) -> Raw:
    return Raw(text.encode())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", "0"),
        ("-1", "-1"),
        ("3", "3"),
        ("0.18000000000000002", "0.18000000000000002"),
        ('"0.0000000833333333333333"', "8.33333333333333E-8"),
        ("5e-07", "5E-7"),
        ('"5E-07"', "5E-7"),
        ("1e+3", "1E+3"),
        ('"-1"', "-1"),
    ],
)
def test_numbers_are_exact(text: str, expected: str) -> None:
    """A JSON number, bare or in a string, digit by digit."""
    assert Decimal(expected) == number(raw(text), "price")


@pytest.mark.parametrize("text", NOT_NUMBERS)
def test_text_that_is_not_a_number_is_refused(text: str) -> None:
    """General parsers accept many of these. The error names the field and is one short line."""
    for read in (number, whole):
        with pytest.raises(BadAmount, match=r"^price: .{0,80} is not a number$"):
            read(raw(text), "price")
    with pytest.raises(BadAmount, match=r"^price: .{0,80} is not a number$"):
        rate(raw(text), "price", Per.ONE)


@pytest.mark.parametrize("text", ["1e400", "1e-400", "1e999999999", '"-1e61"'])
def test_numbers_of_implausible_size_are_refused(text: str) -> None:
    """They are refused before their digits are expanded in memory."""
    with pytest.raises(BadAmount, match=r"^price: "):
        number(raw(text), "price")
    with pytest.raises(BadAmount, match=r"^price: "):
        rate(raw(text), "price", Per.ONE)


def test_absent_and_null_are_no_price() -> None:
    """Neither of them is zero."""
    for missing in (ABSENT, raw("null")):
        assert not is_named(missing)
        assert number(missing, "price") is None
        assert whole(missing, "price") is None
        assert rate(missing, "price", Per.ONE) is None
    assert is_named(raw("0"))
    assert Rate(0) == rate(raw("0"), "price", Per.ONE)


def test_the_word_null_in_a_string_is_not_null() -> None:
    """It is a price that cannot be read."""
    with pytest.raises(BadAmount, match=r'^price: "null" is not a number$'):
        rate(raw('"null"'), "price", Per.ONE)


@pytest.mark.parametrize(("text", "expected"), [("0", 0), ('"32000"', 32_000), ("2e5", 200_000)])
def test_counts(text: str, expected: int) -> None:
    """A whole number, bare, in a string or with an exponent."""
    assert expected == whole(raw(text), "limit")


@pytest.mark.parametrize("text", ["1.5", "-1", "1000000000001", "1e15", '"0.1"'])
def test_a_number_that_is_not_a_count_is_refused(text: str) -> None:
    """A threshold of half a token, or of a thousand trillion, is an error."""
    with pytest.raises(BadAmount, match=r"^limit: .* is not a count$"):
        whole(raw(text), "limit")


def test_a_rate_needs_its_unit() -> None:
    """The same digits are three different prices in three units."""
    assert Rate(2_500_000_000) == rate(raw("2.5"), "price", Per.MILLION)
    assert Rate(2_500_000_000_000) == rate(raw('"2.5"'), "price", Per.THOUSAND)
    assert Rate(25_000_000) == rate(raw("2.5"), "price", Per.MILLION, CurrencyUnit.CENT)


def test_a_rate_below_zero_is_refused() -> None:
    """The provider's file interprets -1 before it decodes a rate."""
    with pytest.raises(BadAmount, match=r"^price: -1 is below zero$"):
        rate(raw('"-1"'), "price", Per.ONE)


def test_a_rate_that_would_round_to_zero_is_refused() -> None:
    """A price that is rounded to zero would be free."""
    with pytest.raises(BadAmount, match=r"^price: 1e-16 is finer than"):
        rate(raw("1e-16"), "price", Per.ONE)


@given(st.text())
def test_any_text_is_a_json_number_or_refused(text: str) -> None:
    """A string is read as the JSON number that it would be without its quotes."""
    field = Raw(b'"' + text.encode("utf-8", "replace") + b'"')
    try:
        value = number(field, "price")
    except BadAmount as error:
        assert len(str(error)) < 300  # noqa: PT017  either outcome is fine
        return
    assert value == Decimal(json.loads(text, parse_float=str, parse_int=str))


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=0, max_value=1000, places=12))
def test_all_digits_are_kept(amount: Decimal) -> None:
    """Twelve decimals are fewer than a rate can hold exactly."""
    text = f"{amount:f}"
    assert amount == number(raw(text), "price")
    assert rate(raw(text), "price", Per.ONE) == rate(raw(f'"{text}"'), "price", Per.ONE)


@given(st.floats())
def test_floats_are_read_as_they_are_written(amount: float) -> None:
    """NaN and the infinities are refused; any other float is read as its shortest text."""
    text = json.dumps(amount)
    try:
        value = number(raw(text), "price")
    except BadAmount:
        assert amount != amount or not 1e-60 < abs(amount) < 1e60
        return
    assert Decimal(text) == value


def test_rates_of_an_object() -> None:
    """Known fields are read in their units, zeros included; null is no rate."""
    ignored: Counter[str] = Counter()
    prices = {"in": raw('"2.5"'), "out": raw("0"), "note": raw('"any"'), "prompt": raw("null")}
    assert {Meter.INPUT: Rate(2_500_000_000), Meter.OUTPUT: Rate(0)} == rates(
        prices, FIELDS, ignored
    )
    assert Counter() == ignored


def test_two_fields_may_state_the_same_rate() -> None:
    """Some lists state it per token and per million in one object."""
    prices = {"prompt": raw('"0.000003"'), "in": raw("3")}
    assert {Meter.INPUT: Rate(3_000_000_000)} == rates(prices, FIELDS, Counter())


def test_two_fields_that_disagree_are_refused() -> None:
    """One of the two units has changed, and it is unknown which one."""
    prices = {"prompt": raw('"0.000003"'), "in": raw("0.003")}
    why = r"^pricing\.in: priced twice, 0\.003 per million, and elsewhere 3$"
    with pytest.raises(BadAmount, match=why):
        rates(prices, FIELDS, Counter())


def test_unknown_keys_are_counted() -> None:
    """A new meter must be noticed; a null field is no meter."""
    ignored = Counter({"pricing.video": 1})
    prices = {"in": raw("1"), "video": raw("{}"), "smell": raw("null")}
    rates(prices, FIELDS, ignored)
    rates({"video": raw("1")}, FIELDS, ignored, "tiers[0]")
    assert Counter({"pricing.video": 2, "tiers[0].video": 1}) == ignored


def test_without_zeros() -> None:
    """For sources whose zero means that there is no price."""
    assert {Meter.INPUT: Rate(1)} == without_zeros({Meter.INPUT: Rate(1), Meter.OUTPUT: Rate(0)})


class Envelope(Struct):
    models: list[Raw]
    total: int | None = None


class Row(Struct, rename={"id": "modelId"}):
    id: str
    price: Raw = ABSENT


def listing(row: Row, ignored: Counter[str]) -> Listing:
    ignored["seen"] += 1
    found = rate(row.price, "price", Per.MILLION)
    return Unpriced(Why.NOT_PUBLISHED) if found is None else RateCard({Meter.INPUT: found})


def page(body: str) -> Page:
    answer = envelope(body.encode(), Envelope)
    return read_rows(answer.models, Row, listing, answer.total)


def rows(*entries: object) -> Page:
    return page(json.dumps({"models": entries}))


ONE_DOLLAR = RateCard({Meter.INPUT: Rate(1_000_000_000)})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Gone.</html>",
        b"{}",
        b"[]",
        b"null",
        b'{"models":{}}',
        b'{"models":null}',
        b'{"models":[]',
        b'{"models":[]}x',
        b'{"models":[],"total":"3"}',
        b'{"models":[1,NaN]}',
        b"\xff\xfe",
        b"\x00",
        rb'{"models":["\ud800"]}',
        b"[" * 100_000,
        b'{"models":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_a_broken_envelope_is_malformed(body: bytes) -> None:
    """The error is of the whole answer and shows only a short part of the body."""
    with pytest.raises(Malformed, match=r"^body: ") as raised:
        envelope(body, Envelope)
    assert ("body", True) == (raised.value.where, len(str(raised.value)) < 300)


def test_rows_fail_one_at_a_time() -> None:
    """A bad amount, a wrong type and a bad model id make only their own row unreadable."""
    answer = rows(
        {"modelId": "a/good", "price": "1"},
        {"modelId": "a/bad", "price": True},
        {"modelId": "a/unpriced"},
        {"modelId": 5},
        "text",
        {"modelId": "a/last", "price": 1},
    )
    assert [
        ("a/good", ONE_DOLLAR),
        ("a/bad", Unreadable("price: true is not a number")),
        ("a/unpriced", Unpriced(Why.NOT_PUBLISHED)),
        ("a/last", ONE_DOLLAR),
    ] == [pair for pair in answer.rows if pair[0] is not None]
    assert ["row 3: ", "row 4: "] == [
        str(entry)[:7] for model, entry in answer.rows if model is None
    ]
    assert Counter({"seen": 4}) == answer.ignored


class Sized(Struct):
    id: str
    size: int


def test_a_row_of_the_wrong_type_keeps_its_model_id() -> None:
    """The model then counts as listed, and its stored price stays in force."""
    answer = read_rows([raw('{"id":"a/b","size":"large"}')], Sized, lambda *_: ONE_DOLLAR)
    assert [("a/b", Unreadable)] == [(model, type(entry)) for model, entry in answer.rows]


@pytest.mark.parametrize(
    "model",
    [
        "",
        " ",
        " a",
        "a ",
        "a  b",
        "a -rf",
        "a\nb",
        "a\x00",
        "a\u200bb",
        "\u202egpt",
        "ｇｐｔ",
        "gpt\u00e9",
        "<script>",
        "=cmd",
        "-rf",
        "../../etc/passwd",
        "/etc",
        '"quoted"',
        "'quoted'",
        "back\\slash",
        "`tick`",
        "a" * 201,
    ],
)
def test_unsafe_names_are_not_model_ids(model: str) -> None:
    """The row is kept without a model id."""
    assert not is_model_id(model)
    answer = rows({"modelId": model, "price": 1})
    assert [None] == [name for name, _ in answer.rows]
    assert str(answer.rows[0][1]).isprintable()


@pytest.mark.parametrize(
    "model",
    [
        "gpt-4o",
        "z-ai/glm-5.2:free",
        "~openai/gpt-latest",
        "@cf/meta/llama-3.1-8b",
        "a" * 200,
        "NousResearch 2/hermes-4-70b",
    ],
)
def test_names_that_are_model_ids(model: str) -> None:
    """Spelled exactly as published."""
    assert is_model_id(model)
    assert [(model, ONE_DOLLAR)] == rows({"modelId": model, "price": 1}).rows


@given(st.text(max_size=250))
def test_a_model_id_is_printable_ascii(model: str) -> None:
    """Any accepted model id is safe on a line of a log."""
    if is_model_id(model):
        assert model.isascii()
        assert model.isprintable()
        assert not re.search(r"[<>\"'`\\]|\s\s|\s-|^\s|\s$", model)
        assert model[0] not in "=+-."


def test_guard_catches_bad_amounts_only() -> None:
    """A KeyError is an error in our own code, not an unreadable price."""

    def broken(row: Row, ignored: Counter[str]) -> Listing:
        raise KeyError(row.id, ignored)

    with pytest.raises(KeyError):
        guard(broken, Row("a"), Counter())


def test_merge_joins_pages() -> None:
    """The result has the rows of all pages, and the sum of their ignored keys."""
    first = rows({"modelId": "a", "price": 1}, {"modelId": ""})
    second = rows({"modelId": "b"})
    assert (
        {"a": ONE_DOLLAR, "b": Unpriced(Why.NOT_PUBLISHED)},
        ["row 1:  is not a model id"],
        Counter({"seen": 2}),
    ) == merge([first, second])


def test_a_model_listed_twice_with_the_same_rates_is_one_listing() -> None:
    """1 and 1.0 are the same rate."""
    twice = rows({"modelId": "a", "price": 1}, {"modelId": "a", "price": "1.0"})
    assert {"a": ONE_DOLLAR} == merge([twice])[0]


def test_a_model_listed_twice_with_different_prices_is_unreadable() -> None:
    """On one page or on two, in either order, and also after a third row."""
    one, two = {"modelId": "a", "price": 1}, {"modelId": "a", "price": 2}
    expected = {"a": Unreadable("listed twice, with different prices")}
    assert expected == merge([rows(one, two)])[0]
    assert expected == merge([rows(two), rows(one)])[0]
    assert expected == merge([rows(one, two, one)])[0]
    assert expected == merge([rows(one, two, two)])[0]


def test_ids_that_differ_in_case_are_two_models() -> None:
    """Models are never matched by guesswork."""
    both = merge([rows({"modelId": "A/x", "price": 1}, {"modelId": "a/x", "price": 2})])[0]
    assert {"A/x", "a/x"} == both.keys()


def test_fewer_rows_than_the_total_is_incomplete() -> None:
    """A model that is missing from such an answer has not vanished."""
    with pytest.raises(Incomplete, match=r"^body: 1 of 2 models$"):
        merge([page('{"models":[{"modelId":"a"}],"total":2}')])


def test_the_total_counts_the_rows_of_all_pages() -> None:
    """Unreadable rows count too, because they are listed. More rows than the total are allowed."""
    first = page('{"models":[{"modelId":"a"},{"modelId":""}],"total":3}')
    second = page('{"models":[{"modelId":"b"}],"total":3}')
    third = page('{"models":[{"modelId":"c"}]}')
    assert {"a", "b"} == merge([first, second])[0].keys()
    assert {"a", "b", "c"} == merge([first, second, third])[0].keys()
    with pytest.raises(Incomplete):
        merge([first])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"plain", "plain"),
        (b"two\nlines\x1b[31m", "two\\nlines\\x1b[31m"),
        (b"\xff\xfe", "\\ufffd\\ufffd"),
        ("\u202eevil".encode(), "\\u202eevil"),
        (b"x" * 41, "x" * 40 + "…"),
    ],
)
def test_shortened_text_is_safe_on_one_line(text: bytes, expected: str) -> None:
    """A provider's text can neither forge a line of a log nor move the cursor."""
    assert expected == shorten(text)


class KeyedRow(Struct, rename={"id": "modelId"}):
    id: str
    prices: dict[str, Raw] | None = None
    flat: Raw = ABSENT
    note: str = ""


def read_row(text: str) -> Listing:
    """The listing of one row: unpriced, or unreadable if the row itself is wrong."""
    page = read_rows([Raw(text.encode())], KeyedRow, lambda *_: Unpriced(Why.NOT_PUBLISHED))
    ((model, listing),) = page.rows
    assert "a" == model
    return listing


@pytest.mark.parametrize(
    "row",
    [
        '{"modelId":"a","prices":{"in":1,"in":2}}',
        '{"modelId":"a","prices":{"in":1,"out":3,"in":1}}',
        '{"modelId":"a","prices" : {"in":1, "in" :2}}',
        r'{"modelId":"a","prices":{"in":1,"\u0069n":2}}',
        '{"modelId":"a","prices":{"in":"}","in":2}}',
        '{"modelId":"a","prices":{"in":1,"tiers":[{"in":1,"in":2}]}}',
        '{"modelId":"a","prices":{"tiers":{"in":1},"in":1,"in":2}}',
        '{"modelId":"a","prices":{"in":1},"prices":{"in":2}}',
        '{"modelId":"a","prices":{"in":1},"note":"","prices":null}',
        '{"modelId":"a","flat":1,"flat":2}',
        '{"modelId":"a","flat":{"in":1,"in":2}}',
        '{"modelId":"a","flat":[{"in":1,"in":2}]}',
    ],
)
def test_a_price_key_that_is_named_twice_makes_the_row_unreadable(row: str) -> None:
    """The parser silently keeps the last value, which may be the wrong one."""
    listing = read_row(row)
    assert isinstance(listing, Unreadable)
    assert "named twice" in listing.why


@pytest.mark.parametrize(
    "row",
    [
        '{"modelId":"a","prices":{}}',
        '{"modelId":"a","prices":null}',
        '{"modelId":"a","prices":{"in":1,"out":2}}',
        '{"modelId":"a","prices":{"in":1,"tiers":[{"in":1},{"in":2}]}}',
        '{"modelId":"a","prices":{"in":"10:30","out":"{}"}}',
        '{"modelId":"a","prices":{"in":1},"note":"prices"}',
        '{"modelId":"a","prices":{"in":1},"top":{"prices":{"in":2},"flat":1},"flat":3}',
        r'{"modelId":"a","prices":{"in":1},"note":"\"prices\":{\"in\":1,\"in\":2}"}',
        '{"modelId":"a","note":"é","flat":[1,2]}',
    ],
)
def test_the_same_text_in_two_places_is_no_repeated_key(row: str) -> None:
    """A nested object has its own keys, and a string may contain any text."""
    assert Unpriced(Why.NOT_PUBLISHED) == read_row(row)


def test_a_repeated_key_in_a_nested_object_or_a_keyed_row_is_refused() -> None:
    """In objects inside a row, and in rows whose key is the model id."""
    with pytest.raises(BadAmount, match=r"^tier: in is named twice$"):
        nested(Raw(b'{"in":1,"in":2}'), dict[str, Raw], "tier")
    page = read_keyed(
        {"a": Raw(b'{"modelId":"a","prices":{"in":1,"in":2}}')},
        KeyedRow,
        lambda *_: Unpriced(Why.NOT_PUBLISHED),
    )
    assert [("a", Unreadable("row: in is named twice"))] == page.rows


class Priced(Struct):
    rate: int


def test_a_card_without_rates_makes_only_its_row_unreadable() -> None:
    """A provider's decoder may forget that a model can have no price at all."""

    def listing(row: Priced, _: Counter[str]) -> Listing:
        return RateCard({Meter.INPUT: Rate(row.rate)} if row.rate else {})

    assert isinstance(guard(listing, Priced(0), Counter()), Unreadable)
    assert RateCard({Meter.INPUT: Rate(3)}) == guard(listing, Priced(3), Counter())
