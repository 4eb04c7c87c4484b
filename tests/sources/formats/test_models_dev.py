"""The models.dev catalog, on built documents and on the recorded one."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
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
from pricing_sync.sources.formats import models_dev
from pricing_sync.sources.strict_json import Incomplete, Malformed

from built_rows import why
from recorded import needs_samples, sample

RECORDED = "models.dev/2026-05-14-api.json"
NANO = Decimal("1e-9")
PRICED = {"input": 1.25, "output": 10}
CARD = RateCard({Meter.INPUT: Rate(1_250_000_000), Meter.OUTPUT: Rate(10_000_000_000)})


def catalog(models: Any) -> bytes:
    return json.dumps({"acme": {"id": "acme", "models": models}, "other": {"models": {}}}).encode()


def listed(cost: Any, model: str = "a/b") -> Listing:
    row = {"id": model, "cost": cost, "experimental": {"modes": {"fast": {"cost": {"input": 9}}}}}
    [(name, listing)] = models_dev.read(catalog({model: row}), "acme").rows
    assert name == model
    return listing


def conditional_rates(cost: Any) -> list[tuple[When, dict[Meter, Rate]]]:
    """The conditional rates of a model with these fields in addition to PRICED."""
    card = listed(PRICED | cost)
    assert isinstance(card, RateCard), card
    return [(entry.when, dict(entry.rates)) for entry in card.conditional_rates]


def test_prices_are_numbers_per_million() -> None:
    """Every meter is in US dollars per million tokens."""
    assert listed({**PRICED, "cache_read": 0.125, "cache_write": 2, "input_audio": 3}) == RateCard(
        {
            Meter.INPUT: Rate(1_250_000_000),
            Meter.OUTPUT: Rate(10_000_000_000),
            Meter.CACHE_READ: Rate(125_000_000),
            Meter.CACHE_WRITE: Rate(2_000_000_000),
            Meter.INPUT_AUDIO: Rate(3_000_000_000),
        }
    )


MODE = {"input": 2.5, "output": 20}


def with_modes(**modes: Any) -> tuple[Listing, dict[str, int]]:
    row = {"id": "m", "cost": PRICED, "experimental": {"modes": modes}}
    page = models_dev.read(catalog({"m": row}), "acme")
    [(_, listing)] = page.rows
    return listing, dict(page.ignored)


@pytest.mark.parametrize(
    ("body", "tier"),
    [({"service_tier": "priority"}, "priority"), ({"speed": "fast"}, "fast")],
)
def test_a_mode_has_the_name_that_its_requests_send(body: dict[str, str], tier: str) -> None:
    """The mode `fast` of OpenAI's models is the service tier `priority`."""
    listing, ignored = with_modes(fast={"cost": MODE, "provider": {"body": body}})
    assert isinstance(listing, RateCard)
    assert CARD.rates == listing.rates
    [entry] = listing.conditional_rates
    assert When(service_tier=tier) == entry.when
    assert {Meter.INPUT: Rate(2_500_000_000), Meter.OUTPUT: Rate(20_000_000_000)} == entry.rates
    assert {} == ignored


@pytest.mark.parametrize(
    "mode",
    [
        {"cost": MODE},
        {"cost": MODE, "provider": {"body": {}}},
        {"cost": MODE, "provider": {"body": {"thinking": "on"}}},
        {"cost": MODE, "provider": {"body": {"service_tier": "priority", "speed": "fast"}}},
        {"cost": MODE, "provider": {"body": {"service_tier": "default"}}},
        {"cost": MODE, "provider": {"body": {"speed": True}}},
        {"cost": MODE | {"tiers": []}, "provider": {"body": {"speed": "fast"}}},
        {"cost": MODE | {"image": 1}, "provider": {"body": {"speed": "fast"}}},
    ],
)
def test_a_mode_that_is_no_service_tier_is_counted_by_name(mode: Any) -> None:
    """Its prices are not those of the model."""
    assert with_modes(fast=mode) == (CARD, {"experimental.modes.fast": 1})


def test_a_mode_without_prices_has_those_of_the_model() -> None:
    """There is nothing to read."""
    assert with_modes(fast={"provider": {"body": {"speed": "fast"}}}) == (CARD, {})


def test_two_modes_of_one_tier_make_the_row_unreadable() -> None:
    """One of the two prices would be lost."""
    mode = {"cost": MODE, "provider": {"body": {"speed": "fast"}}}
    listing, _ = with_modes(a=mode, b=mode)
    assert why(listing).startswith("experimental.modes")


def test_an_id_with_a_space_is_read() -> None:
    """nano-gpt sells 16 such models (2026-05): `NousResearch 2/hermes-4-70b`."""
    assert listed(PRICED, "NousResearch 2/hermes-4-70b") == CARD


def test_an_all_zero_model_is_unpriced_unless_its_id_says_free() -> None:
    """A subscription lists its models at zero per token."""
    zero = {"input": 0, "output": 0, "cache_read": 0}
    assert listed(zero) == Unpriced(
        Why.NOT_PER_TOKEN, "listed at zero: a subscription, or nothing that says it is free"
    )
    free = RateCard({Meter.INPUT: Rate(0), Meter.OUTPUT: Rate(0)})
    assert free == listed(zero, "a/b:free")
    assert free == listed(zero, "b-free")
    assert isinstance(listed(zero, "free/b"), Unpriced)


def test_a_zero_for_output_is_no_rate() -> None:
    """An embedding has no output."""
    assert listed({**PRICED, "output": 0}) == RateCard({Meter.INPUT: CARD.rates[Meter.INPUT]})


@pytest.mark.parametrize("meter", [Meter.CACHE_READ, Meter.CACHE_WRITE, Meter.REASONING])
def test_a_zero_for_a_part_is_zero(meter: Meter) -> None:
    """Without it, the part would have the rate of all other tokens."""
    assert listed({**PRICED, meter.value: 0}) == RateCard({**CARD.rates, meter: Rate(0)})


def test_a_zero_in_a_tier_is_not_the_rate_of_short_requests() -> None:
    """A tier replaces the base rates that it names."""
    tier = {"input": 5, "output": 20, "cache_read": 0, "tier": {"type": "context", "size": 9}}
    card = listed({**PRICED, "cache_read": 0.5, "tiers": [tier]})
    assert isinstance(card, RateCard)
    assert Rate(0) == card.conditional_rates[0].rates[Meter.CACHE_READ]


def test_a_model_without_cost_is_not_published() -> None:
    """225 models of the recorded catalog have none."""
    assert Unpriced(Why.NOT_PUBLISHED) == listed(None)


@pytest.mark.parametrize("key", ["input", "output"])
def test_a_missing_base_price_is_not_zero(key: str) -> None:
    """Both are required by the catalog's schema."""
    assert why(listed({**PRICED, key: None})) == f"cost.{key}: missing, though always listed"


def test_a_tier_begins_one_token_above_its_size() -> None:
    """The catalog's own readers apply it when input > size. The shortest context comes first."""
    tiers = [
        {"input": 5, "output": 20, "tier": {"type": "context", "size": 256000}},
        {"input": 2.5, "tier": {"type": "context", "size": 32000}},
    ]
    assert conditional_rates({"tiers": tiers}) == [
        (When(min_input_tokens=32001), {Meter.INPUT: Rate(2_500_000_000)}),
        (
            When(min_input_tokens=256001),
            {Meter.INPUT: Rate(5_000_000_000), Meter.OUTPUT: Rate(20_000_000_000)},
        ),
    ]


def test_the_legacy_tier_is_above_200_000() -> None:
    """`context_over_200k` is read only without tiers: it repeats one of them at 200,000, whatever
    the size of that tier is."""
    legacy = {"context_over_200k": {"input": 5}}
    tiers = {"tiers": [{"input": 5, "tier": {"type": "context", "size": 272000}}]}
    five = {Meter.INPUT: Rate(5_000_000_000)}
    assert conditional_rates(legacy) == [(When(min_input_tokens=200_001), five)]
    assert conditional_rates(legacy | tiers) == [(When(min_input_tokens=272_001), five)]


@pytest.mark.parametrize(
    "tier",
    [
        None,
        {},
        {"type": "context"},
        {"size": 200000},
        {"type": "context", "size": 0},
        {"type": "context", "size": None},
        {"type": "context", "size": -1},
        {"type": "context", "size": True},
        {"type": "region", "size": 200000},
        {"type": "context", "size": 200000, "region": "eu"},
        "context",
    ],
)
def test_a_tier_whose_condition_cannot_be_read_makes_the_row_unreadable(tier: Any) -> None:
    """If the condition were ignored, the tier's price would apply to every request."""
    assert why(listed(PRICED | {"tiers": [{"input": 5, "tier": tier}]})).startswith("cost.tiers[0]")


def test_a_tier_with_another_condition_makes_the_row_unreadable() -> None:
    """A key that is neither a price nor `tier` may be a condition."""
    tier = {"input": 5, "tier": {"type": "context", "size": 1}, "region": "eu"}
    assert why(listed(PRICED | {"tiers": [tier]})) == (
        "cost.tiers.region: neither a price nor a condition that is known"
    )


def test_two_tiers_of_one_size_make_the_row_unreadable() -> None:
    """The catalog does not define which of the two applies."""
    tier = {"input": 5, "tier": {"type": "context", "size": 7}}
    assert why(listed(PRICED | {"tiers": [tier, tier]})) == (
        "cost.tiers: [7, 7] name one size twice"
    )


@pytest.mark.parametrize("price", [True, "1_000", "１２", "NaN", "", [], -1, {"a": 1}])
def test_a_price_that_is_no_number_makes_only_its_row_unreadable(price: Any) -> None:
    """The row is unreadable under its id, and the other row keeps its price."""
    models = {"bad": {"cost": {**PRICED, "input": price}}, "good": {"cost": PRICED}}
    (_, bad), (_, good) = models_dev.read(catalog(models), "acme").rows
    assert why(bad).startswith("cost.input: ")
    assert good == CARD


def test_a_row_that_is_no_object_makes_only_itself_unreadable() -> None:
    """So does an id that is not safe to show."""
    rows = models_dev.read(catalog({"x": 1, "y": None, "a  b": {}, "z": {"cost": PRICED}}), "acme")
    assert [model for model, _ in rows.rows] == ["x", "y", None, "z"]
    assert [type(listing) for _, listing in rows.rows] == [Unreadable] * 3 + [RateCard]


def test_an_unknown_price_key_is_counted() -> None:
    """A new meter is noticed, and the row stays readable."""
    page = models_dev.read(catalog({"a": {"cost": {**PRICED, "smell": 2}}}), "acme")
    assert Counter({"cost.smell": 1}) == page.ignored


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b"\xff",
        b'{"acme":1}',
        b'{"acme":{}}',
        b'{"acme":{"models":1}',
    ],
)
def test_a_broken_envelope_is_malformed(body: bytes) -> None:
    """It is an error of the whole answer, never an empty list."""
    with pytest.raises(Malformed):
        models_dev.read(body, "acme")


def test_a_missing_provider_is_an_incomplete_answer() -> None:
    """Its models do not count as vanished."""
    with pytest.raises(Incomplete, match="nobody is not among the 2 providers"):
        models_dev.read(catalog({}), "nobody")


def test_errors_in_another_provider_do_not_matter() -> None:
    """Only the requested provider is decoded."""
    body = b'{"acme":{"models":{"a":{"cost":{"input":1.25,"output":10}}}},"other":{"models":0}}'
    assert [("a", CARD)] == models_dev.read(body, "acme").rows


def test_providers_are_the_keys() -> None:
    """In alphabetical order."""
    assert models_dev.providers(catalog({})) == ["acme", "other"]


@needs_samples
def test_every_recorded_rate_is_the_published_one() -> None:
    """Of 4,518 models of 124 providers: each rate above zero or of a part at zero, and no other."""
    body = sample(RECORDED)
    counts: Counter[str] = Counter()
    for provider, entry in json.loads(body, parse_float=Decimal).items():
        listings = models_dev.read(body, provider).rows
        assert len(entry["models"]) == len(listings)
        for row, (model, listing) in zip(entry["models"].values(), listings, strict=True):
            counts[type(listing).__name__] += 1
            if isinstance(listing, RateCard):
                assert expected_rates(row) == decoded_rates(listing), (provider, model)
                counts["modes"] += "modes" in row.get("experimental", {})
    assert counts == {"RateCard": 3911, "Unpriced": 607, "modes": 16}


# A zero of one of these is a rate if the whole that it is a part of has a price.
WHOLES = {"cache_read": "input", "cache_write": "input", "reasoning": "output"}


def expected_rates(row: dict[str, Any]) -> list[tuple[str, str, Decimal]]:
    cost = row["cost"]
    tiers = [(str(tier["tier"]["size"] + 1), tier) for tier in cost.get("tiers", [])]
    experimental = row.get("experimental")
    modes = experimental.get("modes", {}) if isinstance(experimental, dict) else {}
    named = [(next(iter(m["provider"]["body"].values())), m["cost"]) for m in modes.values()]
    above_zero = [
        (condition, key, Decimal(amount).quantize(NANO))
        for condition, prices in [("", cost), *tiers, *named]
        for key, amount in prices.items()
        if key not in ("tiers", "tier", "context_over_200k")
        and (amount or (key in WHOLES and cost[WHOLES[key]] > 0))
    ]
    return sorted(above_zero) or [("", "input", Decimal(0)), ("", "output", Decimal(0))]


def decoded_rates(card: RateCard) -> list[tuple[str, str, Decimal]]:
    return sorted(
        (
            str(when.service_tier or when.min_input_tokens) if when else "",
            str(meter),
            rate.per_million,
        )
        for when, meter, rate in card.every_rate()
    )
