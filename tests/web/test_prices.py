"""Prices over HTTP: current, past, and in OpenRouter's format."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from pricing_sync.demo.server import DemoServer
from pricing_sync.prices.rates import RateCard
from pricing_sync.sources.formats import openrouter

from databases import take_away
from server_process import Api, api

PRICES = "/v1/prices"
GPT = f"{PRICES}/openrouter/openai/gpt-4o"


def test_a_price_has_its_start_its_source_and_its_age(api: Api) -> None:
    """Rates are decimal strings, in the currency per million units."""
    api.sync()
    price = api.get(GPT)
    assert ("openrouter", "openai/gpt-4o", "USD", "2.5", "10", "api", None) == (
        *(price["provider"], price["model"], price["currency"]),
        *(price["rates"]["input"], price["rates"]["output"], price["source"]),
        price["stale_since"],
    )
    assert 0 <= price["age_seconds"] < 10
    assert datetime.fromisoformat(price["since"]) <= datetime.fromisoformat(price["read_at"])
    assert datetime.fromisoformat(price["recorded_at"]) < datetime.now(UTC)


def test_an_unpriced_model_has_no_rates_and_a_reason(api: Api) -> None:
    """An unpriced model is neither free nor unknown."""
    api.sync()
    price = api.get(f"{PRICES}/openrouter/openrouter/auto")
    assert (None, None, True) == (
        price["rates"],
        price["currency"],
        price["reason"].startswith("varies"),
    )


def test_a_model_whose_first_price_is_held_is_listed_without_a_price(api: Api) -> None:
    """Its `reason` begins with `held`."""
    api.sync()
    api.providers.add("openrouter", "maker/dear", {"input": "900000", "output": "900000"})
    api.sync()
    price = api.get(f"{PRICES}/openrouter/maker/dear")
    assert (None, "held") == (price["rates"], price["reason"].partition(":")[0])
    assert "maker/dear" in [
        item["model"] for item in api.get(PRICES, limit=1000, provider="openrouter")["items"]
    ]


def test_an_unknown_model_is_not_found(api: Api) -> None:
    """The error is a problem document."""
    api.sync()
    for path in ("nowhere/a", "openrouter/nothing", "openrouter/", "openrouter/nothing/history"):
        answer = api.reader.get(f"{PRICES}/{path}")
        assert (404, "application/problem+json") == (
            answer.status_code,
            answer.headers["content-type"],
        )


@pytest.mark.parametrize(
    "model", ["plain", "maker/model:free", "a/b/c@1", "maker/what?#really", "100%", "a%2Fb"]
)
def test_a_model_is_found_however_its_id_is_written_in_the_path(api: Api, model: str) -> None:
    """Slashes and colons may be plain, or all characters percent-encoded."""
    body = {"provider": "openrouter", "model": model, "rates": {"input": "1"}}
    made = api.admin.post("/admin/pricing/overrides", json=body | {"reason": "x", "author": "ann"})
    assert 200 == made.status_code
    for encoded in (quote(model, safe=""), quote(model, safe="/:@")):
        assert model == api.get(f"{PRICES}/openrouter/{encoded}")["model"]


def test_pages_of_prices_list_every_model_once_in_order(api: Api) -> None:
    """The page length does not matter."""
    api.sync()
    everything = api.get(PRICES, limit=1000)
    assert (42, None) == (len(everything["items"]), everything["next"])
    walked: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = api.get(PRICES, limit=7, cursor=cursor)
        walked += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    keys = [(item["provider"], item["model"]) for item in walked]
    assert sorted(set(keys)) == keys
    assert [(i["provider"], i["model"]) for i in everything["items"]] == keys
    assert 14 == len(api.get(PRICES, provider="novita", limit=1000)["items"])
    assert 1 == len(api.get(PRICES, provider="openrouter", model="openai/gpt-4o")["items"])


def test_prices_of_another_time_are_those_that_were_true_then(api: Api) -> None:
    """`at` is when a price was true, `known_at` when it was known; the default zone is UTC."""
    api.sync()
    between = datetime.now(UTC).isoformat()
    api.providers.set_rate("openrouter", "openai/gpt-4o", "input", "2.6")
    api.sync()
    assert "2.6" == api.get(GPT)["rates"]["input"]
    assert "2.5" == api.get(GPT, at=between)["rates"]["input"]
    assert "2.5" == api.get(GPT, known_at=between)["rates"]["input"]
    naive = between.removesuffix("+00:00")
    assert "2.5" == api.get(GPT, at=naive)["rates"]["input"]
    assert 404 == api.reader.get(GPT, params={"at": "2020-01-01"}).status_code
    assert [] == api.get(PRICES, at="2020-01-01")["items"]
    for wrong in ("soon", "1700000000", "9999-13-01", "1969-12-31"):
        assert 422 == api.reader.get(GPT, params={"at": wrong}).status_code


def test_the_history_of_a_price_is_every_card_with_its_evidence(api: Api) -> None:
    """The oldest card comes first; `all` adds the superseded cards."""
    api.sync()
    api.providers.set_rate("openrouter", "openai/gpt-4o", "input", "2.6")
    api.sync()
    first, second = api.get(f"{GPT}/history")["items"]
    assert ("2.5", "2.6") == (first["rates"]["input"], second["rates"]["input"])
    assert (second["since"], None) == (first["until"], second["until"])
    assert 64 == len(second["digest"])
    assert 3 == len(api.get(f"{GPT}/history", all=True)["items"])


def test_the_last_prices_are_served_while_the_database_is_down(
    tmp_path: Path, providers: DemoServer
) -> None:
    """`stale_since` is set. A route that needs the database gets 503."""
    with api(tmp_path, providers) as running:
        running.sync()
        assert "2.5" == running.get(GPT)["rates"]["input"]
        take_away(running.pricing.store)
        running.pricing._parts.book_cache._next_check_at = 0
        # With PostgreSQL a task of its own asks for the newest book, once a second.
        deadline = time.monotonic() + 20
        while (price := running.get(GPT))["stale_since"] is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert ("2.5", True) == (price["rates"]["input"], price["stale_since"] is not None)
        assert 42 == len(running.get(PRICES, limit=1000)["items"])
        assert running.get("/v1/models")["data"]
        answer = running.reader.get(f"{GPT}/history")
        assert (503, "the database cannot be used", "30") == (
            answer.status_code,
            answer.json()["detail"],
            answer.headers["retry-after"],
        )
        assert str(tmp_path) not in answer.text


def test_the_list_in_openrouters_format_is_read_back_to_the_same_prices(api: Api) -> None:
    """This is checked with our own reader of the format."""
    api.sync()
    document = api.get("/v1/models", provider="openrouter")
    rows = dict(openrouter.read(json.dumps(document).encode()).rows)
    stored = {price.model: price for price in api.pricing.prices("openrouter")}
    assert len(rows) > 20
    for model, listing in rows.items():
        assert model is not None
        assert stored[model].listing == listing, model
    unpriced = {m for m, price in stored.items() if not isinstance(price.listing, RateCard)}
    assert unpriced
    assert unpriced.isdisjoint(rows)


def test_in_a_list_of_all_providers_each_id_begins_with_its_provider(api: Api) -> None:
    """The same id of two providers stays two models."""
    api.sync()
    models = {entry["id"]: entry for entry in api.get("/v1/models")["data"]}
    gpt = models["openrouter/openai/gpt-4o"]
    assert ("0.0000025", "0.00001") == (gpt["pricing"]["prompt"], gpt["pricing"]["completion"])
    assert abs(gpt["created"] - datetime.now(UTC).timestamp()) < 60
    assert {"openrouter", "novita"} == {model.partition("/")[0] for model in models}


def test_an_unknown_price_is_not_zero_in_openrouters_format(api: Api) -> None:
    """A model without a price of its output is not in the list; it is in the report."""
    only_input = {"provider": "own", "model": "m", "rates": {"input": "2"}}
    body = only_input | {"reason": "a test", "author": "test"}
    answer = api.admin.post("/admin/pricing/overrides", json=body)
    assert answer.is_success, answer.text
    assert "own/m" not in {entry["id"] for entry in api.get("/v1/models")["data"]}
    report = api.get("/export/openrouter/report")["items"]
    assert ("own", "m", "no rate for output") in {
        (entry["provider"], entry["model"], entry["why"]) for entry in report
    }


def test_the_list_in_openrouters_format_has_a_validator(api: Api) -> None:
    """It is an export, from memory."""
    api.sync()
    etag = api.reader.get("/v1/models").headers["etag"]
    assert 304 == api.reader.get("/v1/models", headers={"If-None-Match": etag}).status_code
