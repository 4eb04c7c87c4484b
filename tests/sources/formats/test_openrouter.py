"""OpenRouter's format, on built rows and on every recorded day."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest

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
from pricing_sync.sources.formats import openrouter
from pricing_sync.sources.strict_json import Malformed

from built_rows import why
from recorded import SAMPLES, needs_samples

DAYS = sorted(SAMPLES.glob("openrouter/20??-??-??.json")) if SAMPLES.is_dir() else []

# The meter of each key, written a second time on purpose.
METERS = {
    "prompt": "input",
    "completion": "output",
    "input_cache_read": "cache_read",
    "input_cache_write": "cache_write",
    "input_cache_write_1h": "cache_write_1h",
    "input_audio_cache": "cache_read_audio",
    "internal_reasoning": "reasoning",
    "audio": "input_audio",
    "audio_output": "output_audio",
    "image_token": "input_image",
    "image_output": "output_image",
    "request": "request",
    "web_search": "web_search",
}

Plain = tuple[dict[str, int], list[tuple[int | None, dict[str, int]]]]


def one(**pricing: Any) -> Listing:
    """The listing of a model `a/b` with these prices."""
    return listed("a/b", pricing)


def listed(model: str, pricing: Any) -> Listing:
    body = json.dumps({"data": [{"id": model, "pricing": pricing}]}).encode()
    [(name, listing)] = openrouter.read(body).rows
    assert name == model
    return listing


def with_conditional_rates(**entry: Any) -> Listing:
    """The listing of a model with one entry in `overrides`."""
    return one(prompt="0.000001", completion="0.000002", overrides=[entry])


def test_prices_are_strings_per_single_unit() -> None:
    """A token, a request and a search are each one unit: nothing is divided by a million."""
    assert one(prompt="0.0000025", completion="0.00001", web_search="0.01") == RateCard(
        {
            Meter.INPUT: Rate(2_500_000_000),
            Meter.OUTPUT: Rate(10_000_000_000),
            Meter.WEB_SEARCH: Rate(10_000_000_000_000),
        }
    )


def test_minus_one_varies() -> None:
    """A router is listed at -1, which is neither a price nor a bad amount."""
    listing = listed("openrouter/auto", {"prompt": "-1", "completion": "-1"})
    assert isinstance(listing, Unpriced)
    assert listing.why is Why.VARIES


def test_zero_is_free_only_where_the_id_says_so() -> None:
    """A model at zero without `:free` is not sold per token."""
    zero = {"prompt": "0", "completion": "0", "request": "0"}
    assert listed("a/b:free", zero) == RateCard({Meter.INPUT: Rate(0), Meter.OUTPUT: Rate(0)})
    assert listed("a/b", zero) == Unpriced(
        Why.NOT_PER_TOKEN, "listed at zero, with nothing that says it is free"
    )


def test_a_model_without_pricing_is_not_published() -> None:
    """It is listed as unpriced, not left out."""
    assert Unpriced(Why.NOT_PUBLISHED) == listed("a/b", None)
    assert Unpriced(Why.NOT_PUBLISHED) == listed("a/b", {})


@pytest.mark.parametrize(
    "price", [True, "1_000", "１２", "NaN", "", [], {"a": 1}, "-0.1", "1e400", "0x10", " 1"]
)
def test_a_price_that_is_no_number_makes_only_its_row_unreadable(price: Any) -> None:
    """The row is unreadable under its id, and the other row keeps its price."""
    rows = [
        {"id": "a/bad", "pricing": {"prompt": price, "completion": "0.1"}},
        {"id": "a/good", "pricing": {"prompt": "0.1", "completion": "0.1"}},
    ]
    (_, bad), (_, good) = openrouter.read(json.dumps({"data": rows}).encode()).rows
    assert why(bad).startswith("pricing.prompt: ")
    assert isinstance(good, RateCard)


@pytest.mark.parametrize("image", ["0.000002", "0.5"])
def test_two_keys_for_one_meter_with_different_prices_are_refused(image: str) -> None:
    """Either of them may be the price of an image token; neither overwrites the other."""
    both = {"prompt": "0.000002", "completion": "0.00001", "image_token": "0.000001"}
    row = {**both, "image": image}
    if image == both["prompt"]:
        assert isinstance(listed("a/b", row), Unreadable)
        assert isinstance(listed("a/b", {**row, "image_token": image}), RateCard)
    overridden = {**both, "image_token": image, "image": image}
    overridden["overrides"] = [{"min_prompt_tokens": 9, **both, "image": "0.000002"}]  # type: ignore[assignment]
    assert isinstance(listed("a/b", overridden), Unreadable)


@pytest.mark.parametrize(
    ("discount", "counted"), [(0.26, 1), ("0.5", 1), (0, 0), ("0", 0), ("0.0", 0), (None, 0)]
)
def test_a_discount_is_counted(discount: Any, counted: int) -> None:
    """Whether the listed prices include it is not known for certain."""
    pricing = {"prompt": "0.1", "completion": "0.2", "discount": discount}
    body = json.dumps({"data": [{"id": "a/b", "pricing": pricing}]}).encode()
    assert counted == openrouter.read(body).ignored["pricing.discount"]


@pytest.mark.parametrize("key", ["web_search", "internal_reasoning", "input_cache_read"])
def test_a_model_at_zero_with_a_price_beside_it_has_no_price(key: str) -> None:
    """A search is sold beside the tokens or the session, which have no price in the list."""
    half = {"prompt": "0", "completion": "0", key: "0.01"}
    found = listed("a/b", half)
    assert isinstance(found, Unpriced)
    assert Why.NOT_PER_TOKEN is found.why


def test_a_free_model_keeps_the_price_of_a_search() -> None:
    """Its tokens are free, and its searches are not."""
    half = {"prompt": "0", "completion": "0", "web_search": "0.01"}
    assert listed("a/b:free", half) == RateCard(
        {Meter.INPUT: Rate(0), Meter.OUTPUT: Rate(0), Meter.WEB_SEARCH: Rate(10_000_000_000_000)}
    )


def test_a_missing_base_price_is_not_zero() -> None:
    """`prompt` and `completion` are in every recorded row, so a row without one is broken."""
    assert why(one(prompt="0.1")) == "pricing.completion: missing, though always listed"


def test_the_unit_of_an_image_price_follows_from_other_fields() -> None:
    """It is per token if equal to `prompt`, per image if there is a `request`, else unknown."""
    token = one(prompt="0.1", completion="0.2", image="0.1")
    whole = one(prompt="0.1", completion="0.2", image="0.005", request="0")
    neither = one(prompt="0.1", completion="0.2", image="0.005")
    assert isinstance(token, RateCard)
    assert isinstance(whole, RateCard)
    assert isinstance(neither, RateCard)
    assert {Meter.INPUT, Meter.OUTPUT, Meter.INPUT_IMAGE} == token.rates.keys()
    assert {Meter.INPUT, Meter.OUTPUT, Meter.IMAGE} == whole.rates.keys()
    assert {Meter.INPUT, Meter.OUTPUT} == neither.rates.keys()


def test_a_discount_is_already_in_the_price() -> None:
    """The listed price is the price to pay, whatever `discount` is."""
    assert one(prompt="0.1", completion="0.2", discount=0.26) == one(prompt="0.1", completion="0.2")


def test_a_longer_context_begins_one_token_above_its_number() -> None:
    """`min_prompt_tokens` is exclusive, ours inclusive. Meters that it omits keep the base rate."""
    card = with_conditional_rates(min_prompt_tokens=32000, prompt="0.000003")
    assert isinstance(card, RateCard)
    [conditional] = card.conditional_rates
    assert When(min_input_tokens=32001) == conditional.when
    assert {Meter.INPUT: Rate(3_000_000_000)} == conditional.rates


def test_hours_and_weekdays_are_conditions() -> None:
    """Hours are HHMM numbers in UTC, and weekdays are names."""
    card = with_conditional_rates(
        utc_start=2230, utc_end=600, utc_days=["Mon", "sunday"], prompt="0.1"
    )
    assert isinstance(card, RateCard)
    assert When(hours=(1350, 360), weekdays=frozenset({1, 7})) == card.conditional_rates[0].when


@pytest.mark.parametrize(
    "entry",
    [
        {"prompt": "0.1"},
        {"min_prompt_tokens": None, "prompt": "0.1"},
        {"min_prompt_tokens": 5, "quantization": "fp8", "prompt": "0.1"},
        {"utc_start": 100, "prompt": "0.1"},
        {"utc_start": 100, "utc_end": 2460, "prompt": "0.1"},
        {"min_prompt_tokens": 5, "utc_days": ["caturday"], "prompt": "0.1"},
        {"min_prompt_tokens": -1, "prompt": "0.1"},
        {"min_prompt_tokens": 1.5, "prompt": "0.1"},
        {"min_prompt_tokens": True, "prompt": "0.1"},
    ],
)
def test_a_condition_that_cannot_be_read_makes_the_row_unreadable(entry: Any) -> None:
    """If it were ignored, the rates would apply to too many requests."""
    assert why(with_conditional_rates(**entry)).startswith("pricing.overrides[0]")


def test_an_unknown_price_key_is_counted() -> None:
    """A new meter is noticed, and the row stays readable."""
    body = b'{"data":[{"id":"a/b","pricing":{"prompt":"1","completion":"1","smell":"2"}}]}'
    assert Counter({"pricing.smell": 1}) == openrouter.read(body).ignored


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{}", b'{"data":null}', b'{"data":{}}', b"null", b"\xff", b'{"data":['],
)
def test_a_broken_envelope_is_malformed(body: bytes) -> None:
    """It is an error of the whole answer, never an empty list."""
    with pytest.raises(Malformed, match="body: "):
        openrouter.read(body)


def femto(amount: str) -> int:
    """An amount per unit in whole 10⁻¹⁵."""
    with localcontext(prec=60):
        return int((Decimal(amount) * 10**15).to_integral_value(ROUND_HALF_EVEN))


def expected_rates(prices: Mapping[str, Any], *, list_of_2025: bool) -> dict[str, int]:
    rates = {METERS[key]: femto(amount) for key, amount in prices.items() if key in METERS}
    image = Decimal(prices.get("image", "0"))
    if image and image == Decimal(prices.get("prompt", "-1")):
        rates["input_image"] = femto(prices["image"])
    elif image and list_of_2025:
        rates["image"] = femto(prices["image"])
    return rates


def expected(row: Mapping[str, Any]) -> Plain | None:
    """The rates of a row by the published rules; None when it is unpriced."""
    prices = row["pricing"]
    base = expected_rates(prices, list_of_2025="request" in prices)
    if base["input"] < 0 or (not any(base.values()) and not row["id"].endswith(":free")):
        return None
    above_zero = {meter: rate for meter, rate in base.items() if rate}
    higher = [
        (entry["min_prompt_tokens"] + 1, expected_rates(entry, list_of_2025=False))
        for entry in prices.get("overrides", [])
    ]
    return above_zero or {"input": 0, "output": 0}, higher


def plain(card: RateCard) -> Plain:
    return {str(meter): int(rate) for meter, rate in card.rates.items()}, [
        (
            conditional.when.min_input_tokens,
            {str(meter): int(r) for meter, r in conditional.rates.items()},
        )
        for conditional in card.conditional_rates
    ]


@needs_samples
@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.stem)
def test_every_recorded_rate_is_the_published_one(day: Path) -> None:
    """Each rate of each meter of each model is exact to 10⁻¹⁵ per unit, conditional rates included.

    Each row is a card, unpriced or unreadable. No row is dropped or wrongly priced.
    """
    body = day.read_bytes()
    document = json.loads(body, parse_float=Decimal)
    rows = document if isinstance(document, list) else document["data"]
    read = openrouter.read(body).rows
    assert [row["id"] for row in rows] == [model for model, _ in read]
    kinds = Counter(type(listing) for _, listing in read)
    assert len(rows) == kinds[RateCard] + kinds[Unpriced] + kinds[Unreadable]
    for row, (model, listing) in zip(rows, read, strict=True):
        card = expected(row)
        assert card == (plain(listing) if isinstance(listing, RateCard) else None), model
    assert kinds[Unreadable] == 0


@needs_samples
def test_the_recorded_days_contain_every_kind_of_listing() -> None:
    """Conditional rates, free models, routers and models not sold per token all occur."""
    listings = [listing for day in DAYS for _, listing in openrouter.read(day.read_bytes()).rows]
    cards = [listing for listing in listings if isinstance(listing, RateCard)]
    unpriced = Counter(listing.why for listing in listings if isinstance(listing, Unpriced))
    assert len(DAYS) == 11
    assert sum(bool(card.conditional_rates) for card in cards) > 100
    assert sum(not any(card.rates.values()) for card in cards) > 100
    assert unpriced[Why.VARIES] > 10
    assert unpriced[Why.NOT_PER_TOKEN] > 10


# Writing

BASE = {Meter.INPUT: Rate(10**9), Meter.OUTPUT: Rate(10**10)}


def card_with(when: When, meter: Meter = Meter.INPUT) -> RateCard:
    return RateCard(BASE, (ConditionalRates(when, {meter: Rate(5 * 10**9)}),))


def read_back(pricing: Any, model: str = "a/b") -> Listing:
    return listed(model, json.loads(json.dumps(pricing)))


def test_rates_are_written_as_plain_decimals_of_dollars_per_unit() -> None:
    """However small or large. A card with a price per whole image also gets a `request`."""
    card = RateCard(
        {
            Meter.INPUT: Rate(1),
            Meter.OUTPUT: Rate(2_500_000_000),
            Meter.REQUEST: Rate(3 * 10**15),
        }
    )
    assert {
        "prompt": "0.000000000000001",
        "completion": "0.0000025",
        "request": "3",
    } == openrouter.write(card)
    image = RateCard(BASE | {Meter.IMAGE: Rate(4 * 10**13)})
    written = openrouter.write(image)
    assert written is not None
    assert ("0.04", "0") == (written["image"], written["request"])
    assert image == read_back(openrouter.write(image))


def test_every_meter_of_the_format_is_read_back_as_it_was_written() -> None:
    """Each meter has a different rate."""
    meters = [Meter(name) for name in METERS.values()]
    card = RateCard({meter: Rate(place + 10**9) for place, meter in enumerate(meters)})
    assert card == read_back(openrouter.write(card))


@pytest.mark.parametrize(
    ("when", "written"),
    [
        (When(min_input_tokens=200_001), {"min_prompt_tokens": 200_000}),
        (When(hours=(990, 30)), {"utc_start": 1630, "utc_end": 30}),
        (
            When(hours=(0, 1440), weekdays=frozenset({6, 7})),
            {"utc_start": 0, "utc_end": 2400, "utc_days": ["sat", "sun"]},
        ),
        (
            When(min_input_tokens=1, weekdays=frozenset({1})),
            {"min_prompt_tokens": 0, "utc_days": ["mon"]},
        ),
    ],
)
def test_conditions_are_read_back_as_they_were_written(when: When, written: dict[str, Any]) -> None:
    """The boundary of the format is exclusive: above a number of tokens."""
    card = card_with(when)
    pricing = openrouter.write(card)
    assert pricing is not None
    assert [written | {"prompt": "0.000005"}] == pricing["overrides"]
    assert card == read_back(pricing)


@pytest.mark.parametrize(
    "card",
    [
        RateCard(BASE, currency="CNY"),
        RateCard(BASE | {Meter.SECOND: Rate(1)}),
        RateCard({Meter.CHARACTER: Rate(1)}),
        RateCard({Meter.IMAGE: Rate(1)}),
        RateCard({Meter.INPUT: Rate(1)}),
        RateCard({Meter.OUTPUT: Rate(1)}),
        RateCard({}, (ConditionalRates(When(min_input_tokens=9), BASE),)),
        RateCard({Meter.INPUT: Rate(7), Meter.IMAGE: Rate(7)}),
        card_with(When(hours=(0, 60), time_zone="Asia/Shanghai")),
        card_with(When(weekdays=frozenset({1}), time_zone="Asia/Shanghai")),
        card_with(When(min_input_tokens=0)),
        card_with(When()),
        card_with(When(min_input_tokens=9), Meter.PAGE),
        card_with(When(min_input_tokens=9), Meter.IMAGE),
    ],
)
def test_a_card_that_the_format_cannot_express_is_not_written(card: RateCard) -> None:
    """A part of its prices would be a wrong price."""
    assert openrouter.write(card) is None


@pytest.mark.parametrize(
    "when",
    [
        When(service_tier="batch"),
        When(region="eu"),
        When(service_tier="flex", hours=(0, 60), time_zone="Asia/Shanghai"),
    ],
)
def test_rates_of_tiers_and_regions_are_left_out(when: When) -> None:
    """The base rates stay correct for all requests without a tier or region."""
    assert {"prompt": "0.000001", "completion": "0.00001"} == openrouter.write(card_with(when))


@needs_samples
@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.stem)
def test_every_recorded_card_is_read_back_as_it_was_written(day: Path) -> None:
    """Every rate and every condition is the same."""
    cards = [
        (model, listing)
        for model, listing in openrouter.read(day.read_bytes()).rows
        if model is not None and isinstance(listing, RateCard)
    ]
    assert len(cards) > 300
    for model, card in cards:
        assert card == read_back(openrouter.write(card), model), model
