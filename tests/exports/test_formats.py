"""What each format says of a price, what it leaves out, and names that would break it."""

from __future__ import annotations

import csv
import io
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_sync.errors import SettingsError
from pricing_sync.exports import litellm
from pricing_sync.exports.amounts import decimal_text
from pricing_sync.exports.document import Export, Part, Source
from pricing_sync.exports.table import Row
from pricing_sync.prices.card_json import read_listing
from pricing_sync.prices.rates import (
    LARGEST_RATE,
    ConditionalRates,
    CurrencyUnit,
    Meter,
    Per,
    Rate,
    RateCard,
    When,
)
from pricing_sync.serving.export_formats import FORMATS

from exported import AT, UPSTREAM, export, flat, price, usd

WRITABLE = sorted(FORMATS)
TEXT = sorted(FORMATS.keys() - {"parquet", "csv", "jsonl"})
CHAT = flat(input="2.5", output="10", cache_read="1.25")
HOSTILE = (
    '"quoted", and\\escaped',
    "=cmd|' /C calc'!A0",
    "@cf/meta/llama-3.1-8b",
    "модель-模型-🦙-\u202eltr",
    "line\nbreak\ttab\x00nul\x7f",
    "m" * 200,
    "sample_spec",
    "__proto__",
    "</script><b>",
    "' OR 1=1 --",
)


def document(written: Export) -> Any:
    """The document with exact numbers."""
    return json.loads(written.body, parse_float=Decimal)


# Amounts


@given(rate=st.integers(0, LARGEST_RATE), per=st.sampled_from(Per))
def test_an_amount_has_every_digit(rate: int, per: Per) -> None:
    """It is read as the same rate; a reader with exact decimals has the exact price."""
    text = decimal_text(rate, per)
    assert Decimal(rate) * per == Decimal(text) * 10**15
    assert "e" not in text.lower()
    assert not (text.endswith("0") and "." in text)
    assert Decimal(text) * 100 == Decimal(decimal_text(rate, per, CurrencyUnit.CENT))


# Names


@pytest.mark.parametrize("name", WRITABLE)
def test_no_name_breaks_a_document(name: str) -> None:
    """Each model is there once, under its own name, beside the others."""
    written = export(name, [price(CHAT, model) for model in HOSTILE])
    assert len(HOSTILE) == written.models + sum(e.part is Part.MODEL for e in written.left_out)
    if name in TEXT:
        text = json.dumps(document(written), default=str)
        shown = [json.dumps(model)[1:-1] for model in HOSTILE if model != "sample_spec"]
        assert [] == [model for model in shown if model not in text and name != "langfuse"]


def test_a_spreadsheet_sees_no_formula() -> None:
    """No cell begins with a sign of one, and the id is still whole."""
    cells = [
        *csv.reader(io.StringIO(export("csv", [price(CHAT, m) for m in HOSTILE]).body.decode()))
    ]
    assert {f"openrouter/{model}" for model in HOSTILE} == {row[0] for row in cells[1:]}
    assert [] == [cell for row in cells for cell in row if cell.startswith(("=", "+", "-", "@"))]


def test_json_lines_hold_the_whole_card() -> None:
    """The card of each line is the one that was written, whatever its name."""
    long = ConditionalRates(When(min_input_tokens=5, region="eu"), {Meter.PAGE: Rate(7)})
    card = RateCard({Meter.IMAGE: usd("40000"), Meter.REQUEST: Rate(1)}, (long,), "CNY")
    lines = export("jsonl", [price(card, model) for model in HOSTILE]).body.split(b"\n")
    read = [json.loads(line) for line in lines if line]
    assert [*HOSTILE] == [line["model"] for line in read]
    assert {card.currency} == {read_listing(line).currency for line in read}  # type: ignore[union-attr]
    assert [card] * len(HOSTILE) == [read_listing(line) for line in read]


def test_parquet_is_read_back_with_every_digit(tmp_path: Path) -> None:
    """Each rate in its row, with its condition, as a decimal and as a whole number."""
    night = ConditionalRates(When(hours=(990, 30)), {Meter.INPUT: Rate(LARGEST_RATE)})
    card = RateCard({Meter.INPUT: Rate(1), Meter.OUTPUT: usd("10")}, (night,), currency="EUR")
    path = tmp_path / "rates.parquet"
    path.write_bytes(export("parquet", [price(card, model) for model in HOSTILE]).body)
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT id, currency, meter, per_million, femtos_per_unit, condition, hours,"
            f" epoch(since)::BIGINT FROM '{path}'"
        ).fetchall()
    since = int(AT.timestamp())
    expected = [
        row
        for model in HOSTILE
        for name in [f"openrouter/{model}"]
        for row in (
            (name, "EUR", "input", Decimal("0.000000001"), 1, 0, None, since),
            (name, "EUR", "output", Decimal("10.000000000"), 10_000_000_000, 0, None, since),
            (name, "EUR", "input", Decimal(LARGEST_RATE).scaleb(-9), LARGEST_RATE, 1,
             "16:30-00:30", since),
        )
    ]  # fmt: skip
    assert expected == found


def test_parquet_of_no_prices_is_a_table_without_rows(tmp_path: Path) -> None:
    """With its columns."""
    path = tmp_path / "rates.parquet"
    path.write_bytes(export("parquet", []).body)
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT * FROM '{path}'")
        assert [*Row._fields] == [column[0] for column in found.description]
        assert [] == found.fetchall()


def test_parquet_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says which."""
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(SettingsError, match=r"^parquet: pip install 'pricing-sync\[bulk\]'"):
        export("parquet", [price(CHAT)])


# What is left out

DEARER = ConditionalRates(When(min_input_tokens=200_001), {Meter.INPUT: usd("5")})
CHEAPER = ConditionalRates(When(hours=(60, 120)), {Meter.INPUT: usd("1")})
FLEX = ConditionalRates(When(service_tier="flex"), {Meter.INPUT: usd("1.25")})
BASE = {Meter.INPUT: usd("2.5"), Meter.OUTPUT: usd("10")}


@pytest.mark.parametrize("name", ["openlit", "portkey"])
def test_who_would_lose_decides(name: str) -> None:
    """A dearer condition takes the model with it, a cheaper one and a tier do not."""
    for entry, part, why in (
        (DEARER, Part.MODEL, "long context from 200001 is dearer"),
        (CHEAPER, Part.CONDITION, "hours 01:00-02:00 UTC"),
        (FLEX, Part.CONDITION, "service tier flex"),
    ):
        written = export(name, [price(RateCard(BASE, (entry,)))])
        assert (("openrouter", "m", part, why),) == written.left_out
        assert (part is not Part.MODEL) == written.models


@pytest.mark.parametrize("name", sorted(set(TEXT) - {"genai-prices"}))
def test_another_currency_is_left_out(name: str) -> None:
    """Every one of these formats means dollars, and nothing is converted."""
    written = export(name, [price(RateCard(BASE, currency="CNY"))])
    assert [("m", Part.MODEL, "the currency is CNY")] == [entry[1:] for entry in written.left_out]
    assert 0 == written.models


@pytest.mark.parametrize("name", ["litellm", "models.dev", "langfuse", "bifrost", "openlit"])
def test_a_fee_for_each_request_cannot_be_dropped(name: str) -> None:
    """The seller would lose it on every request."""
    card = RateCard({**BASE, Meter.REQUEST: usd("5000")})
    written = export(name, [price(card)])
    assert [(Part.MODEL, "each request costs a fee")] == [e[2:] for e in written.left_out]


def test_openrouters_own_client_finds_every_field_that_it_insists_on() -> None:
    """Those of its SDK's schema: what a ledger does not know is null, empty or false."""
    written = document(export("openrouter", [price(CHAT), price(CHAT, "n")]))
    assert (2, {"next": None}) == (written["total_count"], written["links"])
    row = written["data"][0]
    assert ("/v1/prices/openrouter/m", "m") == (row["links"]["details"], row["name"])
    assert {"is_moderated": False} == row["top_provider"]
    assert {"modality": None, "input_modalities": [], "output_modalities": []} == (
        row["architecture"]
    )
    unknown = ("context_length", "default_parameters", "per_request_limits", "supported_voices")
    assert [None] * 4 == [row[name] for name in unknown]
    assert [] == row["supported_parameters"]


@pytest.mark.parametrize("name", ["openrouter", "models.dev", "new-api", "openlit"])
def test_an_unknown_rate_is_not_zero(name: str) -> None:
    """These formats always state input and output, so a card without one is not there."""
    written = export(name, [price(flat(output="10"))])
    assert (0, Part.MODEL) == (written.models, written.left_out[0].part)
    assert b'"m"' not in written.body
    assert b"openrouter/m" not in written.body


# Single formats


def test_litellm_is_never_smaller() -> None:
    """Every upstream row is there; a row of ours has our prices, and what upstream says beside."""
    upstream = {
        "sample_spec": {"mode": "chat"},
        "openrouter/m": {
            "litellm_provider": "openrouter",
            "mode": "responses",
            "max_tokens": 8192,
            "input_cost_per_token": 9,
            "input_cost_per_token_flex": 9,
            "output_cost_per_reasoning_token": 9,
            "input_cost_per_audio_token": 1e-05,
            "tiered_pricing": [],
            "google_maps_grounding_cost_per_query": 0.014,
        },
        "openrouter/alias": {"alias_of": "openrouter/m"},
        "other": {"litellm_provider": "other", "input_cost_per_token": 1e-06},
    }
    source = Source([price(CHAT)], upstream=json.dumps(upstream).encode())
    rows = document(litellm.write(source))
    assert [*upstream] == [*rows]
    assert {
        "litellm_provider": "openrouter",
        "mode": "responses",
        "max_tokens": 8192,
        "google_maps_grounding_cost_per_query": Decimal("0.014"),
        "input_cost_per_audio_token": Decimal("0.00001"),
        "input_cost_per_token": Decimal("0.0000025"),
        "output_cost_per_token": Decimal("0.00001"),
        "cache_read_input_token_cost": Decimal("0.00000125"),
    } == {key: value for key, value in rows["openrouter/m"].items() if key != litellm.PROVENANCE}
    assert {"alias_of": "openrouter/m"} == rows["openrouter/alias"]


@pytest.mark.parametrize(
    "upstream",
    [None, b"", b"[]", b'{"a": "text"}', b'{"a": {}, "b": null}', b'{"a": {}, "_at": 5}'],
)
def test_litellm_would_not_start_with_such_a_map(upstream: bytes | None) -> None:
    """So there is none: a value that is not an object ends its import."""
    with pytest.raises(SettingsError, match=r"^litellm: "):
        litellm.write(Source([price(CHAT)], upstream=upstream))


def test_litellm_takes_no_row_of_another_provider() -> None:
    """A bare name belongs to whoever has it upstream; of two sellers, the first has the row."""
    upstream = b'{"m": {"litellm_provider": "openai"}, "x": {"litellm_provider": "together_ai"}}'
    prices = [
        price(CHAT),
        price(CHAT, "x", "together"),
        price(CHAT, "x", "togetherai"),
    ]
    source = Source(prices, upstream=upstream)
    rows = document(litellm.write(source))
    assert {"litellm_provider": "openai"} == rows["m"]
    assert "input_cost_per_token" in rows["openrouter/m"]
    assert ["the row x has the price of together"] == [entry.why for entry in source.left_out]


def test_genai_prices_is_never_empty() -> None:
    """Its users would have no price at all."""
    with pytest.raises(SettingsError, match="no model has a price"):
        export("genai-prices", [])


def test_genai_prices_states_what_two_prices_have_in_common() -> None:
    """The package refuses a price without them."""
    card = flat(input="1", output="2", cache_read="0.1", cache_write="1.25", input_image="1")
    [provider] = document(export("genai-prices", [price(card, provider="xai")]))
    prices = provider["models"][0]["prices"]
    assert "x-ai" == provider["id"]
    assert Decimal("0.1") == prices["cache_image_read_mtok"]
    assert Decimal("1.25") == prices["cache_image_write_mtok"]
    assert 2 == prices["cache_write_1h_mtok"]


def test_models_dev_keeps_what_upstream_says_of_a_model() -> None:
    """Only the price is ours; without upstream nothing is made up."""
    known = {"id": "m", "tool_call": True, "cost": {"input": 1, "output": 1, "reasoning": 1}}
    upstream = {"openrouter": {"id": "openrouter", "env": ["K"], "models": {"m": known}}}
    source = Source([price(CHAT), price(CHAT, "new")], upstream=json.dumps(upstream).encode())
    models = document(FORMATS["models.dev"].write(source))["openrouter"]["models"]
    cost = {"input": Decimal("2.5"), "output": 10, "cache_read": Decimal("1.25")}
    assert {"id": "m", "tool_call": True, "cost": cost} == models["m"]
    assert {"id": "new", "name": "new", "cost": cost} == models["new"]


def test_langfuse_tries_the_most_special_tier_first() -> None:
    """One default, last; a condition sums every key of the input."""
    card = RateCard(BASE, (FLEX, DEARER))
    [body] = document(export("langfuse", [price(card)], one_provider=True))
    assert "(?i)^(m)$" == body["matchPattern"]
    tiers = {tier["name"]: tier for tier in body["pricingTiers"]}
    assert ["Standard", "flex from 200001", "flex", "from 200001"] == [*tiers]
    assert [0, 1, 2, 3] == [tier["priority"] for tier in tiers.values()]
    assert [True, False, False, False] == [tier["isDefault"] for tier in tiers.values()]
    assert Decimal("0.0000025") == tiers["Standard"]["prices"]["input_cached_tokens"]
    assert 200_001 == tiers["from 200001"]["conditions"][0]["value"]
    assert document(export("langfuse", [price(card)]))[0]["id"] == body["id"]


def test_new_api_writes_an_expression_where_a_ratio_has_no_end() -> None:
    """A third has no exact ratio, and a long context has none at all."""
    prices = [
        price(flat(input="2", output="8", cache_read="0.5"), "exact"),
        price(flat(input="3", output="10"), "third"),
        price(RateCard(BASE, (DEARER,)), "long"),
        price(flat(request="40000"), "fee"),
    ]
    data = document(export("new-api", prices, one_provider=True))["data"]
    assert {"exact": 1} == data["model_ratio"]
    assert {"exact": 4} == data["completion_ratio"]
    assert {"exact": Decimal("0.25")} == data["cache_ratio"]
    assert {"fee": Decimal("0.04")} == data["model_price"]
    long = 'len <= 200000 ? tier("base", p * 2.5 + c * 10) : tier("from 200001", p * 5 + c * 10)'
    assert {"third": 'tier("base", p * 3 + c * 10)', "long": long} == data["billing_expr"]


def test_openlit_and_portkey_have_units_of_their_own() -> None:
    """Dollars per thousand tokens, and cents per token."""
    chat = document(export("openlit", [price(CHAT), price(flat(input="0.02"), "e")]))
    assert {"promptPrice": Decimal("0.0025"), "completionPrice": Decimal("0.01")} == {
        key: chat["chat"]["openrouter/m"][key] for key in ("promptPrice", "completionPrice")
    }
    assert {"openrouter/e": Decimal("0.00002")} == chat["embeddings"]
    batch = ConditionalRates(When(service_tier="batch"), {Meter.INPUT: usd("1.25")})
    files = document(export("portkey", [price(RateCard(BASE, (batch,)))], one_provider=True))
    config = files["m"]["pricing_config"]
    assert {"price": Decimal("0.00025")} == config["pay_as_you_go"]["request_token"]
    assert {"price": Decimal("0.000125")} == config["batch_config"]["request_token"]


def test_bifrost_names_the_provider_in_the_key() -> None:
    """And in the row, with the model's own name."""
    [(key, row)] = document(export("bifrost", [price(CHAT)])).items()
    assert ("openrouter/m", "openrouter", "m") == (key, row["provider"], row["base_model"])
    assert UPSTREAM not in export("bifrost", [price(CHAT)]).body
