"""Overrides and announcements over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from server_process import Api

OVERRIDES, ANNOUNCEMENTS = "/admin/pricing/overrides", "/admin/pricing/announcements"
MODEL = {"provider": "openrouter", "model": "openai/gpt-4o"}
SIGNATURE = {"reason": "our contract", "author": "ann"}
MOVE = {
    **MODEL,
    **SIGNATURE,
    "meter": "input",
    "old": "2.5",
    "new": "250",
    "not_before": "2026-01-01",
}


def rates(api: Api) -> dict[str, str]:
    found: dict[str, str] = api.get("/v1/prices/openrouter/openai/gpt-4o")["rates"]
    return found


def test_an_override_applies_at_once_and_exactly(api: Api) -> None:
    """Other meters keep the provider's rate, and the end of an override restores it."""
    api.sync()
    before = rates(api)
    made = api.admin.post(
        OVERRIDES, json={**MODEL, **SIGNATURE, "rates": {"input": "0.1", "output": "0.000000001"}}
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


def test_an_override_of_a_condition_shows_the_card_before_and_after(api: Api) -> None:
    """The base rates stay, and the response says what changed."""
    api.sync()
    before = rates(api)
    body = {**MODEL, **SIGNATURE, "rates": {"input": "1"}, "when": {"service_tier": "batch"}}
    made = api.admin.post(OVERRIDES, json=body).json()
    assert {"service_tier": "batch"} == made["items"][0]["when"]
    assert [] == made["before"]["conditional_rates"]
    assert [{"when": {"service_tier": "batch"}, "rates": {"input": "1"}}] == made["after"][
        "conditional_rates"
    ]
    assert before == made["before"]["rates"] == made["after"]["rates"] == rates(api)
    flat = api.admin.post(OVERRIDES, json=body | {"when": None, "flat": True}).json()
    assert [] == flat["after"]["conditional_rates"]
    states = [entry["state"] for entry in api.get(OVERRIDES)["items"]]
    assert ["covered", "in_force"] == states


def test_an_override_shows_that_the_providers_rate_has_changed(api: Api) -> None:
    """So a person can find an override that is no longer needed."""
    api.sync()
    body = {**MODEL, **SIGNATURE, "rates": {"input": "2"}, "until": "2100-01-01T00:00:00+02:00"}
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
        ({"model": "a  b"}, 400, "not a model id"),
        ({"provider": "openruoter"}, 404, "there is openrouter"),
        ({"provider": "no/where"}, 404, "not a provider's id"),
        ({"authors": "x"}, 422, "authors"),
        ({"when": {"service_tier": "Not A Tier"}}, 422, "service_tier"),
        ({"when": {"service_tier": "default"}}, 400, "no service tier with rates of its own"),
        ({"when": {"region": "eu"}, "flat": True}, 400, "a flat rate has no condition"),
    ],
)
def test_an_invalid_override_is_refused(
    api: Api, wrong: dict[str, Any], status: int, why: str
) -> None:
    """The error has the place and the cause, and nothing is set."""
    api.sync()
    answer = api.admin.post(
        OVERRIDES, json={**MODEL, **SIGNATURE, "rates": {"input": "2"}, **wrong}
    )
    assert (status, True) == (answer.status_code, why in answer.json()["detail"]), answer.text
    assert [] == api.get(OVERRIDES)["items"]


def test_an_override_that_does_not_exist_cannot_be_ended(api: Api) -> None:
    """The caller gets an error, because it probably meant another override."""
    assert 404 == api.admin.post(f"{OVERRIDES}/end", json=MODEL).status_code


def test_an_announced_move_passes_the_gate(api: Api) -> None:
    """Exactly this move passes, once."""
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


def test_an_announcement_can_be_withdrawn(api: Api) -> None:
    """It can be withdrawn once, and is then no longer open."""
    made = api.admin.post(ANNOUNCEMENTS, json=MOVE).json()
    path = f"{ANNOUNCEMENTS}/{made['id']}/end"
    ended = api.admin.post(path, json=SIGNATURE)
    assert (200, True) == (ended.status_code, ended.json()["ended_at"] is not None)
    assert 404 == api.admin.post(path, json=SIGNATURE).status_code
    assert [] == api.get(ANNOUNCEMENTS)["items"]


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"new": "2.5"}, 400),
        ({"new": 250}, 422),
        ({"old": 2.5}, 422),
        ({"meter": "tokens"}, 422),
        ({"when": {"service_tier": "Not A Tier"}}, 422),
        ({"when": {"service_tier": "default"}}, 400),
        ({"when": {"min_input_tokens": True}}, 422),
        ({"provider": "nowhere"}, 404),
        ({"model": "a  b"}, 400),
    ],
)
def test_an_invalid_announcement_is_refused(api: Api, wrong: dict[str, Any], status: int) -> None:
    """Nothing is announced."""
    assert status == api.admin.post(ANNOUNCEMENTS, json=MOVE | wrong).status_code
    assert [] == api.get(ANNOUNCEMENTS)["items"]


def test_a_conditional_rate_is_announced_separately(api: Api) -> None:
    """The base rate and the rate of long requests are two moves."""
    assert 200 == api.admin.post(ANNOUNCEMENTS, json=MOVE).status_code
    assert 400 == api.admin.post(ANNOUNCEMENTS, json=MOVE).status_code
    conditional = MOVE | {"when": {"min_input_tokens": 200_001}}
    made = api.admin.post(ANNOUNCEMENTS, json=conditional)
    assert (200, {"min_input_tokens": 200_001}) == (made.status_code, made.json()["when"])
