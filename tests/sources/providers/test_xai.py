"""xAI: the examples of the API reference, error bodies as recorded, and built rows."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from pricing_sync.errors import DecodeError
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
from pricing_sync.sources.provider import read_answer
from pricing_sync.sources.providers.xai import PROVIDER
from pricing_sync.sources.strict_json import Incomplete, Malformed

from built_rows import answer_of, why
from recorded import needs_samples, sample

LATEST = RateCard(
    {
        Meter.INPUT: Rate(1_250_000_000),
        Meter.CACHE_READ: Rate(200_000_000),
        Meter.OUTPUT: Rate(2_500_000_000),
        Meter.INPUT_IMAGE: Rate(1_250_000_000),
    }
)
REASONING = RateCard(
    {
        Meter.INPUT: Rate(2_000_000_000),
        Meter.CACHE_READ: Rate(200_000_000),
        Meter.OUTPUT: Rate(8_000_000_000),
    },
    (
        ConditionalRates(
            When(min_input_tokens=128_000),
            {Meter.INPUT: Rate(4_000_000_000), Meter.OUTPUT: Rate(16_000_000_000)},
        ),
    ),
)
TOKENS = {"prompt_text_token_price": 20_000, "completion_text_token_price": 80_000}
BASE = {Meter.INPUT: Rate(2_000_000_000), Meter.OUTPUT: Rate(8_000_000_000)}
KEY = {"acls": ["api-key:model:*", "api-key:endpoint:*"], "api_key_blocked": False}


answer = partial(answer_of, PROVIDER, key="models")


def one(**fields: Any) -> Listing:
    """The listing of one built row."""
    return answer({"id": "m", **TOKENS, **fields}).listings["m"]


def check(**key: Any) -> None:
    assert PROVIDER.permission is not None
    PROVIDER.permission.check(json.dumps(key).encode())


@needs_samples
def test_the_example_of_the_reference() -> None:
    """Prices are cents per hundred million. A zero is not a price. An alias is listed."""
    parsed = read_answer(PROVIDER, [sample("xai/2026-language-models-docs-example.json")])
    expected = {"latest": LATEST, "grok-4.3-latest": LATEST, "grok-420-reasoning": REASONING}
    assert expected == parsed.listings
    assert {} == parsed.ignored


@needs_samples
def test_the_example_of_the_list_of_all_models() -> None:
    """It has the same prices under `data`, and an image model whose price contradicts its unit."""
    parsed = read_answer(PROVIDER, [sample("xai/2026-v1-models-docs-example.json")])
    assert {
        "latest": LATEST,
        "grok-420-reasoning": REASONING,
        "grok-imagine-image": Unpriced(Why.NOT_PER_TOKEN, "no price for tokens of text"),
    } == parsed.listings


@needs_samples
def test_the_recorded_error_bodies() -> None:
    """The whole answer is refused, with xAI's message."""
    recorded = json.loads(sample("xai/2026-error-bodies.json"))
    bad_key = json.dumps(recorded["bad_key_2026-02-27_Bvonx-wayfwd"]).encode()
    with pytest.raises(DecodeError, match="specified an invalid argument: Incorrect API key"):
        read_answer(PROVIDER, [bad_key])
    poor = json.dumps(recorded["no_credits_2026-06-24_tahachoudhary54-MediAi_Backend"]).encode()
    with pytest.raises(DecodeError, match="permission-denied: Your newly created team"):
        read_answer(PROVIDER, [poor])


def test_a_price_counts_cents_for_a_hundred_million() -> None:
    """20000 is $2 per million."""
    assert RateCard(BASE) == one()


def test_a_search_is_counted_in_the_same_unit() -> None:
    """250000000 cents for a hundred million searches is $0.025 for one."""
    assert RateCard({**BASE, Meter.WEB_SEARCH: Rate(25_000_000_000_000)}) == one(
        search_price=250_000_000
    )


def test_long_context_begins_at_the_threshold() -> None:
    """A request of exactly the threshold is long. A meter at zero keeps its standard price."""
    expected = ConditionalRates(When(min_input_tokens=200_000), {Meter.INPUT: Rate(4_000_000_000)})
    assert RateCard(BASE, (expected,)) == one(
        prompt_text_token_price_long_context=40_000,
        completion_text_token_price_long_context=0,
        long_context_threshold=200_000,
    )


def test_a_threshold_without_prices_is_no_tier() -> None:
    """Neither are prices of null, which are in the list of all models."""
    assert RateCard(BASE) == one(
        long_context_threshold=200_000, prompt_text_token_price_long_context=None
    )


@pytest.mark.parametrize("threshold", [0, None, "soon", -1])
def test_long_context_prices_without_a_threshold_are_unreadable(threshold: Any) -> None:
    """If they were left out, long requests would be billed at half their price."""
    listing = one(prompt_text_token_price_long_context=40_000, long_context_threshold=threshold)
    assert "long_context_threshold" in why(listing)


def test_each_alias_is_a_model() -> None:
    """A request may name an alias, and its price is that of the model."""
    parsed = answer({"id": "m", "aliases": ["m-latest", "m-0309"], **TOKENS})
    assert {"m": RateCard(BASE), "m-latest": RateCard(BASE), "m-0309": RateCard(BASE)} == (
        parsed.listings
    )


def test_an_alias_of_two_models_at_two_prices_is_unreadable() -> None:
    """It is unknown which of the two a request gets."""
    cheap = {**TOKENS, "prompt_text_token_price": 10_000}
    parsed = answer({"id": "a", "aliases": ["x"], **TOKENS}, {"id": "b", "aliases": ["x"], **cheap})
    assert "twice" in why(parsed.listings["x"])
    assert RateCard(BASE) == parsed.listings["a"]


def test_an_alias_that_is_not_a_model_id_is_nameless() -> None:
    """It is not stored, but it is counted."""
    parsed = answer({"id": "m", "aliases": ["<b>"], **TOKENS})
    assert {"m": RateCard(BASE)} == parsed.listings
    assert 1 == len(parsed.nameless)


def test_an_unreadable_row_has_unknown_aliases() -> None:
    """They count as a row without a name, so that no model counts as vanished."""
    parsed = answer({"id": "m", "aliases": "m-latest", **TOKENS})
    assert isinstance(parsed.listings["m"], Unreadable)
    assert 1 == len(parsed.nameless)


def test_a_zero_is_not_a_price() -> None:
    """An embedding has a price for input only. An image model has no price for text."""
    assert RateCard({Meter.INPUT: Rate(2_000_000_000)}) == one(completion_text_token_price=0)
    expected = Unpriced(Why.NOT_PER_TOKEN, "no price for tokens of text")
    assert expected == one(prompt_text_token_price=0, completion_text_token_price=0)


@pytest.mark.parametrize("price", [True, 1.25, "1.25", -1, "NaN", [], 10**30])
@pytest.mark.parametrize("field", ["prompt_text_token_price", "search_price"])
def test_a_price_that_is_not_a_whole_amount_makes_its_row_unreadable(
    field: str, price: Any
) -> None:
    """A fraction would mean another unit."""
    assert why(one(**{field: price})).startswith(f"{field}: ")


def test_an_unknown_price_field_is_counted() -> None:
    """A field that is not a price is not counted."""
    row = {"id": "m", **TOKENS, "prompt_audio_token_price": 1, "context_length": 5}
    assert {"model.prompt_audio_token_price": 1} == answer(row).ignored


def test_a_key_for_all_models_is_accepted() -> None:
    """The list for this key is whole."""
    check(**KEY)


@pytest.mark.parametrize("acls", [[], ["api-key:endpoint:*"], ["api-key:model:grok-4"]])
def test_a_key_for_some_models_is_refused(acls: list[str]) -> None:
    """The models that it may not use would count as vanished."""
    with pytest.raises(Incomplete, match=r"api-key:model:\*"):
        check(acls=acls)


@pytest.mark.parametrize("flag", ["api_key_blocked", "api_key_disabled", "team_blocked"])
def test_a_blocked_key_is_refused(flag: str) -> None:
    """Its ACLs do not matter."""
    with pytest.raises(Incomplete, match="blocked"):
        check(**{**KEY, flag: True})


def test_the_error_of_a_bad_key_has_xai_s_message() -> None:
    """A bad key is not mistaken for a key without ACLs."""
    with pytest.raises(Malformed, match="bad: no such key"):
        check(code="bad", error="no such key")
    with pytest.raises(Malformed, match="acls"):
        check(name="mine")
