"""Overrides and announcements over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from server_process import Api

OVERRIDES, ANNOUNCEMENTS = "/admin/pricing/overrides", "/admin/pricing/announcements"
MODEL = {"provider": "openrouter", "model": "openai/gpt-4o"}
WHO = {"reason": "our contract", "author": "ann"}
MOVE = {**MODEL, **WHO, "meter": "input", "old": "2.5", "new": "250", "not_before": "2026-01-01"}


def rates(api: Api) -> dict[str, str]:
    found: dict[str, str] = api.get("/v1/prices/openrouter/openai/gpt-4o")["rates"]
    return found


def test_an_override_counts_at_once_and_to_the_digit(api: Api) -> None:
    """What it does not name is as the provider says; its end brings the rest back."""
    api.sync()
    before = rates(api)
    made = api.admin.post(
        OVERRIDES, json={**MODEL, **WHO, "rates": {"input": "0.1", "output": "0.000000001"}}
    )
    assert (200, ["0.1", "0.000000001"]) == (
        made.status_code,
        [entry["rate"] for entry in made.json()["items"]],
    )
    assert before | {"input": "0.1", "output": "0.000000001"} == rates(api)
    assert "override" == api.get("/v1/prices/openrouter/openai/gpt-4o")["source"]
    ended = api.admin.post(f"{OVERRIDES}/end", json=MODEL | {"meters": ["output"]})
    assert ["output"] == [entry["meter"] for entry in ended.json()["items"]]
    assert before | {"input": "0.1"} == rates(api)
    assert 200 == api.admin.post(f"{OVERRIDES}/end", json=MODEL).status_code
    assert before == rates(api)


def test_it_is_said_when_the_provider_has_moved_since(api: Api) -> None:
    """So that an override that is no longer needed is found."""
    api.sync()
    body = {**MODEL, **WHO, "rates": {"input": "2"}, "until": "2100-01-01T00:00:00+02:00"}
    api.admin.post(OVERRIDES, json=body)
    (entry,) = api.get(OVERRIDES, provider="openrouter")["items"]
    assert ("2.5", "2.5", False) == tuple(
        entry[key] for key in ("upstream_when_set", "upstream_now", "upstream_moved")
    )
    assert "2099-12-31T22:00:00Z" == entry["until"]
    api.providers.set_rate("openrouter", "openai/gpt-4o", "input", "2.6")
    api.sync()
    (entry,) = api.get(OVERRIDES, model="openai/gpt-4o")["items"]
    assert ("2.6", True) == (entry["upstream_now"], entry["upstream_moved"])
    assert [] == api.get(OVERRIDES, provider="novita")["items"]


@pytest.mark.parametrize(
    ("wrong", "status", "why"),
    [
        ({"rates": {"input": 0.1}}, 422, 'expected a decimal in a string, such as "2.5"'),
        ({"rates": {"input": 2}}, 422, 'expected a decimal in a string, such as "2.5"'),
        ({"rates": {"input": None}}, 422, "expected a decimal in a string"),
        ({"rates": {"input": "-1"}}, 422, "below zero"),
        ({"rates": {"input": "NaN"}}, 422, "not a number"),
        ({"rates": {"input": "1e-30"}}, 422, "finer than"),
        ({"rates": {"tokens": "1"}}, 422, "rates.tokens"),
        ({"rates": {}}, 422, "rates"),
        ({"reason": " "}, 400, "author and a reason"),
        ({"until": "2020-01-01"}, 400, "not after its beginning"),
        ({"since": "yesterday"}, 422, "expected a date or time"),
        ({"since": 1700000000}, 422, "expected a date or time"),
        ({"since": "0001-01-01T00:00:00+14:00"}, 422, "expected a date or time"),
        ({"currency": "usd"}, 422, "currency"),
        ({"currency": "CNY"}, 400, "is in USD, not CNY"),
        ({"model": "a b"}, 400, "not a model id"),
        ({"provider": "nowhere"}, 404, "nowhere"),
        ({"authors": "x"}, 422, "authors"),
    ],
)
def test_an_override_that_is_not_clear_is_refused(
    api: Api, wrong: dict[str, Any], status: int, why: str
) -> None:
    """With where and why; and nothing is set."""
    api.sync()
    answer = api.admin.post(OVERRIDES, json={**MODEL, **WHO, "rates": {"input": "2"}, **wrong})
    assert (status, True) == (answer.status_code, why in answer.json()["detail"]), answer.text
    assert [] == api.get(OVERRIDES)["items"]


def test_there_must_be_something_to_end(api: Api) -> None:
    """Otherwise whoever ends it had something else in mind."""
    assert 404 == api.admin.post(f"{OVERRIDES}/end", json=MODEL).status_code


def test_an_announced_move_passes_the_gate(api: Api) -> None:
    """To the digit, and once."""
    api.sync()
    made = api.admin.post(ANNOUNCEMENTS, json=MOVE)
    assert (200, "250") == (made.status_code, made.json()["new"])
    assert [made.json()] == api.get(ANNOUNCEMENTS)["items"]
    api.providers.set_rate("openrouter", "openai/gpt-4o", "input", "250")
    api.sync()
    assert "250" == rates(api)["input"]
    assert [] == api.get(ANNOUNCEMENTS)["items"]
    (used,) = api.get(ANNOUNCEMENTS, include_used=True)["items"]
    assert used["used_at"] is not None


def test_an_announcement_can_be_taken_back(api: Api) -> None:
    """Once; then the move is held as any other."""
    made = api.admin.post(ANNOUNCEMENTS, json=MOVE).json()
    path = f"{ANNOUNCEMENTS}/{made['id']}/end"
    ended = api.admin.post(path, json=WHO)
    assert (200, True) == (ended.status_code, ended.json()["ended_at"] is not None)
    assert 404 == api.admin.post(path, json=WHO).status_code
    assert [] == api.get(ANNOUNCEMENTS)["items"]


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"new": "2.5"}, 400),
        ({"new": 250}, 422),
        ({"old": 2.5}, 422),
        ({"meter": "tokens"}, 422),
        ({"when": {"service_tier": "gold"}}, 422),
        ({"when": {"min_input_tokens": True}}, 422),
        ({"provider": "nowhere"}, 404),
        ({"model": "a b"}, 400),
    ],
)
def test_an_announcement_that_is_not_clear_is_refused(
    api: Api, wrong: dict[str, Any], status: int
) -> None:
    """And nothing is announced."""
    assert status == api.admin.post(ANNOUNCEMENTS, json=MOVE | wrong).status_code
    assert [] == api.get(ANNOUNCEMENTS)["items"]


def test_a_move_under_a_condition_is_another_one(api: Api) -> None:
    """The base rate and that of long requests are announced apart."""
    assert 200 == api.admin.post(ANNOUNCEMENTS, json=MOVE).status_code
    assert 400 == api.admin.post(ANNOUNCEMENTS, json=MOVE).status_code
    apart = MOVE | {"when": {"min_input_tokens": 200_001}}
    made = api.admin.post(ANNOUNCEMENTS, json=apart)
    assert (200, {"min_input_tokens": 200_001}) == (made.status_code, made.json()["when"])
