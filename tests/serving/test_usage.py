"""Usage is priced as of its own time, and what it shows of our prices."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.errors import BadUsage
from pricing_sync.prices.rates import Meter, Per, Rate
from pricing_sync.prices.usage import Usage
from pricing_sync.store.connection import Row, Values

from built import priced
from usage_rows import NOW, ledger, lines, replay, row


@pytest.fixture
def app(tmp_path: Path) -> Iterator[PricingSync]:
    with ledger(tmp_path) as opened:
        yield opened


def amounts(receipt: dict[str, Any]) -> dict[str, Decimal]:
    return {currency: Decimal(text) for currency, text in receipt["cost"].items()}


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def test_rows_are_priced_as_of_their_own_time(app: PricingSync) -> None:
    """As the ledger prices them: before, between and after two prices."""
    usage: dict[str, Any] = {"input": 1000, "output": 100, "cache_read": 400}
    times = [days_ago(days) for days in (30, 19, 3, 1.9, 0.1)]
    receipt = app.usage.add(lines(*(row(at=at, usage=usage) for at in times)))
    costs = [app.cost("openrouter", "maker/a", Usage(**usage), at).total for at in times[1:]]
    expected = sum(costs, Decimal(0))
    assert {"USD": expected} == amounts(receipt)
    assert (5, 4, {"unknown_model": 1}) == (
        *(receipt["rows"], receipt["priced"], receipt["unpriced"]),
    )
    cards = {key.card_id for key, _ in app.store.usage.since(days_ago(40))}
    assert {None, *(card.card_id for card in app.history("openrouter", "maker/a"))} == cards


def test_an_override_counts_from_its_beginning(app: PricingSync) -> None:
    """As everywhere else, also in the past."""
    rates = {Meter.INPUT: Rate.of("50", Per.MILLION)}
    begin = days_ago(5)
    app.set_override("openrouter", "maker/a", rates, author="ann", reason="test", since=begin)
    for at in (days_ago(6), days_ago(4), days_ago(1)):
        receipt = app.usage.add(lines(row(at=at)))
        cost = app.cost("openrouter", "maker/a", Usage(input=1000, output=100), at).total
        assert {"USD": cost} == amounts(receipt)


def test_an_upstream_of_ones_own_has_no_card(app: PricingSync) -> None:
    """Overrides alone price it, from when they were set."""
    app.set_override(
        "my-vllm", "llama", {Meter.INPUT: Rate.of("1", Per.MILLION)}, author="a", reason="b"
    )
    mine = row("llama", datetime.now(UTC), provider="my-vllm", usage={"input": 10**6})
    receipt = app.usage.add(lines(mine))
    assert {"USD": "1"} == receipt["cost"]


@pytest.mark.parametrize(
    ("more", "reason", "detail"),
    [
        ({"model": "maker/x"}, "unknown_model", "openrouter: maker/x: not in the ledger at "),
        ({"usage": {"input_audio": 5, "input": 9}}, "no_rate", "input_audio: 5 used"),
        ({"service_tier": "batch"}, "no_rate", "service tier batch"),
        ({"provider": "nobody"}, "unknown_model", "nobody: maker/a: not in the ledger"),
    ],
)
def test_what_has_no_price_is_counted_by_its_reason(
    app: PricingSync, more: dict[str, Any], reason: str, detail: str
) -> None:
    """It is no error, costs nothing that is known, and is listed."""
    receipt = app.usage.add(lines(row(**more), row(**more)))
    assert ({reason: 2}, {}) == (receipt["unpriced"], receipt["cost"])
    (found,) = app.usage.unpriced()
    assert (reason, 2) == (found.reason, found.requests)
    assert detail in (found.detail or "")
    ((_, of),) = app.store.usage.since(days_ago(1))
    assert of.cost is None


def test_a_model_that_has_no_price_says_so(app: PricingSync) -> None:
    """Its provider lists it at -1: the price varies."""
    replay(app, {"maker/a": priced("0.000002"), "maker/v": priced("-1", "-1")})
    assert {"unpriced": 1} == app.usage.add(lines(row("maker/v", datetime.now(UTC))))["unpriced"]


def test_reported_usage_is_translated(app: PricingSync) -> None:
    """By the convention of who reports it: Anthropic counts cached tokens apart."""
    reported = {"input_tokens": 100, "output_tokens": 50, "cache_read_input_tokens": 900}
    app.usage.add(lines(row(reported=reported) | {"as": "anthropic"}))
    ((key, of),) = app.store.usage.since(days_ago(1))
    assert {Meter.INPUT: 100, Meter.OUTPUT: 50, Meter.CACHE_READ: 900} == of.quantities
    assert key.service_tier is None


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"{", "truncated"),
        (b"[]", "Expected `object`"),
        ({"at": "2026-07-17T12:00:00"}, "timezone"),
        ({"at": "yesterday"}, "at"),
        ({"at": "2999-01-01T00:00:00Z"}, "is in the future"),
        ({"at": "1970-01-01T00:00:00Z"}, "is before what is kept"),
        ({"at": "0001-01-01T00:00:00+23:59"}, "is before what is kept"),
        ({"model": ""}, "length >= 1"),
        ({"model": "a\x00b"}, "model: has a character that cannot be printed"),
        ({"provider": "x" * 201}, "length <= 200"),
        ({"color": "red"}, "unknown field `color`"),
        ({"usage": {}}, "usage: nothing was used"),
        ({"usage": {"input": 0}}, "usage: nothing was used"),
        ({"usage": {"input": -1}}, "input: -1 is below zero"),
        ({"usage": {"input": 1.5}}, "input: 1.5 is not a whole number"),
        ({"usage": {"input": True}}, "input: True is not a whole number"),
        ({"usage": {"input": "9"}}, "input: '9' is not a whole number"),
        ({"usage": {"inputs": 9}}, "Usage has no meter 'inputs'"),
        ({"usage": {"parts": 9}}, "Usage has no meter 'parts'"),
        ({"usage": {"input": 1, "cache_read": 2}}, "its parts are 1 more than the total"),
        ({"usage": {"input": 10**16}}, "more than 1000000000000000 units"),
        ({"usage": {"input": 10**30}}, ""),
        ({"usage": {"input": 1, "region": "eu"}}, "region stands beside usage"),
        ({"usage": None}, "expected either usage or reported"),
        ({"reported": {"a": 1}}, "expected either usage or reported"),
        ({"usage": None, "reported": {}, "as": "openai"}, "usage: no prompt_tokens"),
        ({"usage": None, "reported": {}}, "reported and as belong together"),
        ({"usage": None, "reported": {}, "as": "acme"}, "as: expected one of openai"),
        ({"cost": "1"}, "cost and currency belong together"),
        ({"currency": "USD"}, "cost and currency belong together"),
        ({"cost": 0.1, "currency": "USD"}, "Expected `str | null`, got `float`"),
        ({"cost": "-1", "currency": "USD"}, "expected a decimal in a string"),
        ({"cost": "NaN", "currency": "USD"}, "expected a decimal in a string"),
        ({"cost": "1e999", "currency": "USD"}, "expected a decimal in a string"),
        ({"cost": "1", "currency": "usd"}, "currency: expected a code"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_stored(
    app: PricingSync, bad: bytes | dict[str, Any], why: str
) -> None:
    """Each bad row has its number; the good ones wait until all are."""
    one = bad if isinstance(bad, bytes) else json.dumps(row() | bad).encode()
    with pytest.raises(BadUsage, match=r"usage: row 2: ") as error:
        app.usage.add([*lines(row()), one, *lines(row()), one], key="k")
    assert [2, 4] == [number for number, _ in error.value.rows]
    assert why in error.value.rows[0][1]
    assert [] == app.store.usage.since(days_ago(9))
    assert app.usage.add(lines(row()), key="k")["repeated"] is False


def test_a_batch_with_a_key_counts_once(app: PricingSync) -> None:
    """The second answer is the first one, and says so. Without a key each batch counts."""
    first = app.usage.add(lines(row()), key="k")
    again = app.usage.add(lines(row()), key="k")
    assert {**first, "repeated": True} == again
    app.usage.add(lines(row()))
    ((_, of),) = app.store.usage.since(days_ago(9))
    assert 2 == of.requests
    with pytest.raises(BadUsage, match="was used for another batch"):
        app.usage.add(lines(row("maker/b")), key="k")
    for key in ("", "x" * 201, "a\nb"):
        with pytest.raises(BadUsage, match="idempotency key: expected"):
            app.usage.add(lines(row()), key=key)


def test_a_cost_with_an_exponent_is_exact(app: PricingSync) -> None:
    """Programs print small floats so."""
    app.usage.add(lines(row(cost="1.25e-05", currency="USD"), row(cost="1e-5", currency="USD")))
    ((_, of),) = app.store.usage.since(days_ago(9))
    assert Decimal("0.0000225") == of.reported_cost


def test_the_price_of_a_model_is_looked_up_once(
    app: PricingSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the number of rows, and of instants, and whether there is a price."""

    queries: list[str] = []
    connection = app.store._connection
    real = connection.fetch_all
    begin = days_ago(3).replace(minute=0, second=0, microsecond=0)

    def fetch_all(sql: str, values: Values) -> list[Row]:
        queries.append(sql)
        return real(sql, values)

    def statements(rows: int) -> int:
        app._refresh_book()
        queries.clear()
        at = [begin + timedelta(seconds=n % 1000) for n in range(rows)]
        app.usage.add(lines(*(row(("maker/a", "maker/x")[n % 2], at[n]) for n in range(rows))))
        return len(queries)

    app.book()
    monkeypatch.setattr(connection, "fetch_all", fetch_all)
    assert 0 < statements(20) == statements(2000)


def test_drift_and_reconciliation(app: PricingSync) -> None:
    """The provider charges 10 % more than our prices say."""
    rows = [
        row(
            at=NOW - timedelta(hours=hours),
            usage={"input": 1000 * hours, "output": 100},
            cost=f"{(2000 * hours + 1000) * 11}e-7",
            currency="USD",
        )
        for hours in (1, 2, 3)
    ]
    app.usage.add(lines(*rows, row("maker/b", cost="0.0035", currency="USD")))
    found = app.usage.reconcile()
    by_model = {entry.model: entry for entry in found.models}
    assert {"maker/a": Fraction("1.1"), "maker/b": Fraction(1)} == {
        model: entry.ratio for model, entry in by_model.items()
    }
    stored_and_implied = [
        (Meter.INPUT, Fraction(2), Fraction("2.2")),
        (Meter.OUTPUT, Fraction(10), Fraction(11)),
    ]
    assert stored_and_implied == [
        (rate.meter, rate.stored, rate.implied) for rate in by_model["maker/a"].rates
    ]
    (drift,) = app.usage.drifting()
    assert ("maker/a", Fraction("1.1")) == (drift.model, drift.ratio)
    (shown,) = app.status()["drifting"]
    assert ("maker/a", "1.1") == (shown["model"], shown["ratio"])
    (one,) = app.usage.reconcile(provider="openrouter", model="maker/b").models
    assert "maker/b" == one.model


def test_another_name_of_a_model_is_that_model(tmp_path: Path) -> None:
    """Usage and held changes are of one model, whatever name was used."""
    with ledger(tmp_path) as app:
        app.store._connection.execute(
            "INSERT INTO pricing_aliases (provider, alias, model, since)"
            " VALUES ('openrouter', 'a-latest', 'maker/b', :long_ago)",
            {"long_ago": "2026-01-01T00:00:00.000000Z"},
        )
        app.usage.add(lines(row("a-latest"), row("maker/b")))
        ((key, of),) = app.store.usage.since(days_ago(1))
        assert ("maker/b", 2) == (key.model, of.requests)
