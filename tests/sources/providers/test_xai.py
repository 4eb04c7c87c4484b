"""xAI: the examples of the API reference, error bodies as recorded, and built rows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pricing_sync.errors import DecodeError, IncompleteAnswer
from pricing_sync.prices.rates import (
    Answer,
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


def answer(*rows: Any) -> Answer:
    """What is made of a built list."""
    return read_answer(PROVIDER, [json.dumps({"models": rows}).encode()])


def one(**fields: Any) -> Listing:
    """What is made of one built row."""
    return answer({"id": "m", **TOKENS, **fields}).listings["m"]


def check(**key: Any) -> None:
    assert PROVIDER.permission is not None
    PROVIDER.permission.check(json.dumps(key).encode())


def why(listing: Listing) -> str:
    assert isinstance(listing, Unreadable), listing
    return listing.why


@needs_samples
def test_the_example_of_the_reference() -> None:
    """Cents per hundred million; zeros are no tier, no images and no search; an alias is listed."""
    read = read_answer(PROVIDER, [sample("xai/2026-language-models-docs-example.json")])
    expected = {"latest": LATEST, "grok-4.3-latest": LATEST, "grok-420-reasoning": REASONING}
    assert expected == read.listings
    assert {} == read.ignored


@needs_samples
def test_the_example_of_the_list_of_all_models() -> None:
    """The same prices under `data`, and an image model whose price contradicts its own unit."""
    read = read_answer(PROVIDER, [sample("xai/2026-v1-models-docs-example.json")])
    assert {
        "latest": LATEST,
        "grok-420-reasoning": REASONING,
        "grok-imagine-image": Unpriced(Why.NOT_PER_TOKEN, "no price for tokens of text"),
    } == read.listings


@needs_samples
def test_the_recorded_error_bodies() -> None:
    """The whole answer is refused in xAI's words."""
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
    """At or above it. A meter at zero there has its standard price."""
    expected = ConditionalRates(When(min_input_tokens=200_000), {Meter.INPUT: Rate(4_000_000_000)})
    assert RateCard(BASE, (expected,)) == one(
        prompt_text_token_price_long_context=40_000,
        completion_text_token_price_long_context=0,
        long_context_threshold=200_000,
    )


def test_a_threshold_without_prices_is_no_tier() -> None:
    """So are prices of null, which is how the list of all models leaves them out."""
    assert RateCard(BASE) == one(
        long_context_threshold=200_000, prompt_text_token_price_long_context=None
    )


@pytest.mark.parametrize("threshold", [0, None, "soon", -1])
def test_long_context_prices_without_a_threshold_are_unreadable(threshold: Any) -> None:
    """They cannot be left out: long requests would be billed at half their price."""
    listing = one(prompt_text_token_price_long_context=40_000, long_context_threshold=threshold)
    assert "long_context_threshold" in why(listing)


def test_each_alias_is_a_model() -> None:
    """A request may name it, and it costs what the model costs."""
    read = answer({"id": "m", "aliases": ["m-latest", "m-0309"], **TOKENS})
    assert {"m": RateCard(BASE), "m-latest": RateCard(BASE), "m-0309": RateCard(BASE)} == (
        read.listings
    )


def test_an_alias_of_two_models_at_two_prices_is_unreadable() -> None:
    """Nobody can say which of them a request gets."""
    cheap = {**TOKENS, "prompt_text_token_price": 10_000}
    read = answer({"id": "a", "aliases": ["x"], **TOKENS}, {"id": "b", "aliases": ["x"], **cheap})
    assert "twice" in why(read.listings["x"])
    assert RateCard(BASE) == read.listings["a"]


def test_an_alias_that_is_no_name_is_nameless() -> None:
    """It is not stored, and it is not dropped."""
    read = answer({"id": "m", "aliases": ["<b>"], **TOKENS})
    assert {"m": RateCard(BASE)} == read.listings
    assert 1 == len(read.nameless)


def test_a_row_of_another_shape_hides_its_aliases() -> None:
    """That counts as a row without a name, so that nothing is taken for gone."""
    read = answer({"id": "m", "aliases": "m-latest", **TOKENS})
    assert isinstance(read.listings["m"], Unreadable)
    assert 1 == len(read.nameless)


def test_zero_for_text_is_not_a_price() -> None:
    """An embedding has a price for input alone; a model of images has neither."""
    assert RateCard({Meter.INPUT: Rate(2_000_000_000)}) == one(completion_text_token_price=0)
    expected = Unpriced(Why.NOT_PER_TOKEN, "no price for tokens of text")
    assert expected == one(prompt_text_token_price=0, completion_text_token_price=0)


@pytest.mark.parametrize("price", [True, 1.25, "1.25", -1, "NaN", [], 10**30])
@pytest.mark.parametrize("field", ["prompt_text_token_price", "search_price"])
def test_what_is_not_a_whole_amount_spoils_its_row(field: str, price: Any) -> None:
    """A fraction would be in some other unit."""
    assert why(one(**{field: price})).startswith(f"{field}: ")


def test_a_new_price_does_not_pass_unseen() -> None:
    """A key that nobody translates is counted, and what is no price is not."""
    row = {"id": "m", **TOKENS, "prompt_audio_token_price": 1, "context_length": 5}
    assert {"model.prompt_audio_token_price": 1} == answer(row).ignored


def test_a_key_for_all_models_may_ask() -> None:
    """The list it gets is the whole list."""
    check(**KEY)


@pytest.mark.parametrize("acls", [[], ["api-key:endpoint:*"], ["api-key:model:grok-4"]])
def test_a_key_for_some_models_gets_a_part_of_the_list(acls: list[str]) -> None:
    """The models it may not use would seem to be gone."""
    with pytest.raises(Incomplete, match=r"api-key:model:\*"):
        check(acls=acls)


@pytest.mark.parametrize("flag", ["api_key_blocked", "api_key_disabled", "team_blocked"])
def test_a_blocked_key_gets_no_list(flag: str) -> None:
    """Whatever its ACLs."""
    with pytest.raises(Incomplete, match="blocked"):
        check(**{**KEY, flag: True})


def test_what_is_said_of_a_bad_key_is_passed_on() -> None:
    """It is not taken for a key without ACLs."""
    with pytest.raises(Malformed, match="bad: no such key"):
        check(code="bad", error="no such key")
    with pytest.raises(Malformed, match="acls"):
        check(name="mine")


@pytest.mark.parametrize(
    "body", [b"", b"<html></html>", b"{}", b"[]", b"null", b'{"models": {}}', b'{"models": null}']
)
def test_what_is_not_a_list_of_models(body: bytes) -> None:
    """It is an error of the whole answer."""
    with pytest.raises(DecodeError, match="xai: body: "):
        read_answer(PROVIDER, [body])


def test_an_empty_list_is_incomplete() -> None:
    """It does not withdraw every model."""
    with pytest.raises(IncompleteAnswer, match="lists no models"):
        answer()
