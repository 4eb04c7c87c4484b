"""Usage over HTTP: taken in once, what has no price, and costs beside each other."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from pricing_sync.web.usage import MOST_BYTES

from server_process import Api
from usage_rows import row

PATH = "/v1/usage"
MODEL = "openai/gpt-4o"
HELD = "/admin/pricing/held"


def now_row(model: str = MODEL, **more: Any) -> dict[str, Any]:
    """A row of now: the ledger of a service begins with its first reading."""
    return row(model, datetime.now(UTC), **more)


def send(api: Api, *rows: Any, **headers: str) -> httpx.Response:
    return api.admin.post(PATH, json={"rows": rows}, headers=headers)


def test_a_batch_is_priced_and_counted_once(api: Api) -> None:
    """2.5 and 10 dollars per million tokens."""
    api.sync()
    rows = [now_row(), now_row("maker/unknown"), now_row()]
    first = send(api, *rows, **{"Idempotency-Key": "batch 1"})
    assert 200 == first.status_code
    expected = {
        "rows": 3,
        "priced": 2,
        "unpriced": {"unknown_model": 1},
        "cost": {"USD": "0.007"},
        "repeated": False,
    }
    assert expected == first.json()
    again = send(api, *rows, **{"Idempotency-Key": "batch 1"})
    assert {**expected, "repeated": True} == again.json()
    other = send(api, now_row(), **{"Idempotency-Key": "batch 1"})
    assert (422, "application/problem+json") == (other.status_code, other.headers["content-type"])
    assert "was used for another batch" in other.json()["detail"]
    (unpriced,) = api.get("/v1/unpriced")["items"]
    assert ("openrouter", "maker/unknown", "unknown_model", 1) == (
        *(unpriced[name] for name in ("provider", "model", "reason", "requests")),
    )


def test_every_bad_row_is_named_and_nothing_is_stored(api: Api) -> None:
    """By its place in the body, and by its number."""
    answer = send(api, now_row(), now_row(usage={"input": -1}), {"provider": "x"}, 7)
    assert 422 == answer.status_code
    problem = answer.json()
    assert "usage: row 2: input: -1 is below zero" == problem["detail"]
    places = [(one["row"], one["loc"]) for one in problem["errors"]]
    assert [(n, ["body", "rows", str(n - 1)]) for n in (2, 3, 4)] == places
    assert [] == api.get("/v1/unpriced")["items"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"\xff", 422),
        (b"[]", 422),
        (b'{"rows": {}}', 422),
        (b'{"rows": [], "more": 1}', 422),
        (b'{"rows": [' + b"1," * 10_000 + b"1]}", 422),
        (b" " * (MOST_BYTES + 1), 413),
        (b"[" * 100_000, 422),
        (b'{"rows": ["\\ud800"]}', 422),
        (b'{"rows": []}', 200),
    ],
)
def test_a_body_of_another_form_is_refused(api: Api, body: bytes, status: int) -> None:
    """With a problem, whatever it is."""
    answer = api.admin.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert status == answer.status_code, answer.text
    assert status == 200 or answer.json()["detail"]


def test_a_batch_of_ten_thousand_rows_is_taken(api: Api) -> None:
    """It is larger than the bodies of other routes may be."""
    api.sync()
    answer = send(api, *[now_row()] * 10_000)
    assert (200, 10_000) == (answer.status_code, answer.json()["priced"])
    assert (
        413
        == api.admin.post("/admin/pricing/overrides", content=answer.request.content).status_code
    )


def test_costs_beside_each_other(api: Api) -> None:
    """The provider has charged double."""
    api.sync()
    send(api, now_row(cost="0.007", currency="USD"))
    found = api.get("/v1/reconcile", provider="openrouter")
    (model,), (provider,) = found["items"], found["providers"]
    assert (MODEL, "0.0035", "0.007", "2", True) == (
        *(model[name] for name in ("model", "cost", "reported_cost", "ratio", "drifts")),
    )
    assert ("2", "2", "2", 1) == (*(provider[name] for name in ("low", "median", "high", "hours")),)
    (drift,) = api.get("/admin/pricing/scheduler/status")["drifting"]
    assert ("2", MODEL) == (drift["ratio"], drift["model"])
    metrics = api.reader.get("/metrics").text
    assert 'pricing_drifting_models{provider="openrouter"} 1.0' in metrics
    assert 'pricing_unpriced_models{provider="openrouter"} 0.0' in metrics
    send(api, now_row("maker/x"), now_row("maker/x", service_tier="flex"), now_row("maker/y"))
    metrics = api.reader.get("/metrics").text
    assert 'pricing_unpriced_models{provider="openrouter"} 2.0' in metrics


def test_costs_beside_each_other_are_paged(api: Api) -> None:
    """The largest difference first, each once; every page has all providers."""
    api.sync()
    models = ("openai/gpt-4o", "anthropic/claude-sonnet-4.5", "google/gemini-2.5-pro")
    for n, model in enumerate(models, 1):
        send(api, now_row(model, cost=str(10 * n), currency="USD"))
    whole = api.get("/v1/reconcile")
    assert [*reversed(models)] == [entry["model"] for entry in whole["items"]]
    assert whole["next"] is None
    found, cursor = [], None
    for _ in models:
        page = api.get("/v1/reconcile", limit=1, **({"cursor": cursor} if cursor else {}))
        found += page["items"]
        cursor = page["next"]
        assert whole["providers"] == page["providers"]
    assert cursor is None
    assert whole["items"] == found
    assert whole["items"] == api.get("/v1/reconcile", cursor="nonsense")["items"]


@pytest.mark.parametrize(
    ("convention", "cost", "expected"),
    [
        ("openrouter", '"cost": 0.1234567890123456789, "is_byok": false', "0.1234567890123456789"),
        ("openrouter", '"cost": 1.96e-06', "0.00000196"),
        ("openrouter", '"cost": 0.05, "is_byok": true', None),
        ("openrouter", '"cost": null', None),
        ("xai", '"cost_in_usd_ticks": 37756000', "0.0037756"),
        ("openai", '"cost": 1', None),
    ],
)
def test_a_cost_in_what_is_reported_is_the_reported_cost(
    api: Api, convention: str, cost: str, expected: str | None
) -> None:
    """With all its digits; a fee for a key of one's own is none."""
    api.sync()
    reported = f'{{"usage": {{"prompt_tokens": 1000, "completion_tokens": 100, {cost}}}}}'
    body = json.dumps({"rows": [now_row(reported=0) | {"as": convention}]})
    body = body.replace('"reported": 0', f'"reported": {reported}')
    assert 200 == api.admin.post(PATH, content=body).status_code
    items = api.get("/v1/reconcile")["items"]
    assert ([expected] if expected else []) == [entry["reported_cost"] for entry in items]


@pytest.mark.parametrize("cost", ['"free"', "true", "-1", "1e400", "1e100"])
def test_a_cost_that_is_none_is_named(api: Api, cost: str) -> None:
    """It is no cost of zero, and no row without one."""
    body = json.dumps({"rows": [now_row(reported=0) | {"as": "openrouter"}]})
    body = body.replace('"reported": 0', f'"reported": {{"prompt_tokens": 1, "cost": {cost}}}')
    answer = api.admin.post(PATH, content=body)
    assert 422 == answer.status_code
    assert "usage: row 1: " in answer.json()["detail"]
    assert "cost: " in answer.json()["detail"]


def test_held_changes_are_sorted_by_what_is_at_stake(api: Api) -> None:
    """Those without traffic come last. Pages follow the order."""
    models = [MODEL, "openai/gpt-oss-120b", "qwen/qwen3-max"]
    api.sync()
    for model in models:
        api.providers.set_rate("openrouter", model, "input", "2500")
    api.sync()
    assert {None} == {item["blast_radius"] and 1 for item in api.get(HELD)["items"]}
    send(api, now_row(models[2]), now_row(models[1]), now_row(models[1]))
    items = api.get(HELD)["items"]
    assert [models[1], models[2], models[0]] == [item["model"] for item in items]
    (amounts,) = items[0]["blast_radius"]["amounts"]
    assert (2, "USD") == (items[0]["blast_radius"]["requests"], amounts["currency"])
    assert float(amounts["new"]) > 5 > float(amounts["old"])
    assert items[0]["blast_radius"] == api.get(f"{HELD}/{items[0]['id']}")["blast_radius"]
    assert items[2]["blast_radius"] is None
    paged, cursor = [], None
    while True:
        found = api.get(HELD, limit=1, **({"cursor": cursor} if cursor else {}))
        paged += found["items"]
        cursor = found["next"]
        if cursor is None:
            break
    assert items == paged


@pytest.mark.parametrize("cursor", ["", "/", "x/y", "NaN/1", "Infinity/1", "-1e999999999/1", "1"])
def test_any_cursor_is_answered(api: Api, cursor: str) -> None:
    """One that no page gave is not an error of the service."""
    assert 200 == api.reader.get(HELD, params={"cursor": cursor}).status_code


def test_days_are_bounded(api: Api) -> None:
    """A sum is not older than it is kept."""
    for path in ("/v1/unpriced", "/v1/reconcile"):
        assert 200 == api.reader.get(path, params={"days": 400}).status_code
        for days in ("0", "401", "x"):
            assert 422 == api.reader.get(path, params={"days": days}).status_code
    old = datetime.now(UTC) - timedelta(days=30)
    assert {"unknown_model": 1} == send(api, row(MODEL, old)).json()["unpriced"]
    assert [] == api.get("/v1/unpriced")["items"]
    assert 1 == len(api.get("/v1/unpriced", days=31)["items"])
