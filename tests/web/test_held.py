"""Held changes over HTTP: shown, and decided once, in the version that was shown."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from server_process import Api

HELD = "/admin/pricing/held"
MODEL = "openai/gpt-4o"


def held(api: Api, *models: str) -> list[dict[str, Any]]:
    """The held changes after the input rate of these models has grown a thousandfold."""
    api.sync()
    for model in models or (MODEL,):
        api.providers.set_rate("openrouter", model, "input", "2500")
    api.sync()
    items: list[dict[str, Any]] = api.get(HELD)["items"]
    return items


def decide(api: Api, item: dict[str, Any], verb: str = "accept", **body: Any) -> httpx.Response:
    body = {"version": item["version"], "reason": "as announced", **body}
    return api.admin.post(f"{HELD}/{item['id']}/{verb}", json=body)


def price(api: Api) -> str:
    found: str = api.get(f"/v1/prices/openrouter/{MODEL}")["rates"]["input"]
    return found


def test_a_held_change_is_shown_with_the_facts_for_a_decision(api: Api) -> None:
    """The old and the new listing, the factor, and the rules that hold the change."""
    (item,) = held(api)
    assert (MODEL, "changed", "open", "2.5", "2500") == (
        item["model"],
        item["kind"],
        item["state"],
        item["old"]["rates"]["input"],
        item["new"]["rates"]["input"],
    )
    (move,) = item["moves"]
    assert ("input", "1000") == (move["meter"], move["ratio"])
    assert item["rules"]
    assert "2.5" == price(api)
    one = api.reader.get(f"{HELD}/{item['id']}")
    assert item == one.json()
    assert f'"{item["version"]}"' == one.headers["etag"]


def test_an_accepted_change_takes_effect_at_once(api: Api) -> None:
    """Its author and reason are stored with it."""
    (item,) = held(api)
    assert "2.5" == price(api)
    answer = decide(api, item, author="ann")
    assert 200 == answer.status_code
    assert ("accepted", "ann", "as announced") == tuple(
        answer.json()[key] for key in ("state", "decided_by", "decision")
    )
    assert "2500" == price(api)
    assert [] == api.get(HELD)["items"]
    assert "accepted" == api.get(f"{HELD}/{item['id']}")["state"]


def test_a_rejected_change_does_not_take_effect(api: Api) -> None:
    """It is not held again either."""
    (item,) = held(api)
    answer = decide(api, item, "reject")
    assert (200, "rejected") == (answer.status_code, answer.json()["state"])
    api.sync()
    assert ("2.5", []) == (price(api), api.get(HELD)["items"])


def test_the_version_may_be_sent_as_if_match(api: Api) -> None:
    """Its value is the ETag of the held change."""
    (item,) = held(api)
    path = f"{HELD}/{item['id']}"
    etag = api.reader.get(path).headers["etag"]
    stale = {"If-Match": '"0000"'}
    body = {"reason": "as announced"}
    assert 409 == api.admin.post(f"{path}/accept", json=body, headers=stale).status_code
    assert 422 == api.admin.post(f"{path}/accept", json=body).status_code
    fresh = {"If-Match": etag}
    assert 200 == api.admin.post(f"{path}/accept", json=body, headers=fresh).status_code


@pytest.mark.parametrize("verb", ["accept", "reject"])
def test_a_change_is_decided_once_and_in_the_version_that_was_shown(api: Api, verb: str) -> None:
    """Another version, or an earlier decision, is a conflict; nothing changes."""
    (item,) = held(api)
    wrong = decide(api, item | {"version": "0" * 64}, verb)
    assert (409, "application/problem+json") == (wrong.status_code, wrong.headers["content-type"])
    assert "2.5" == price(api)
    assert 200 == decide(api, item, verb).status_code
    again = decide(api, item, verb)
    assert 409 == again.status_code
    assert "already" in again.json()["detail"]


def test_a_change_that_the_provider_has_replaced_cannot_be_accepted(api: Api) -> None:
    """The change that was shown has lapsed, and another one is held."""
    (item,) = held(api)
    api.providers.set_rate("openrouter", MODEL, "input", "2600")
    api.sync()
    assert 409 == decide(api, item).status_code
    (newer,) = api.get(HELD)["items"]
    assert newer["version"] != item["version"]
    assert 200 == decide(api, newer).status_code
    assert "2600" == price(api)


def test_one_of_two_concurrent_decisions_wins(api: Api) -> None:
    """The other one is a conflict."""
    items = held(api, "openai/gpt-4o", "openai/gpt-oss-120b", "qwen/qwen3-max")
    assert 3 == len(items)
    for item in items:
        with ThreadPoolExecutor(2) as people:
            answers = list(people.map(lambda verb: decide(api, item, verb), ("accept", "reject")))  # noqa: B023
        assert [200, 409] == sorted(answer.status_code for answer in answers)


def test_pages_list_every_held_change_once(api: Api) -> None:
    """Even if one of them is decided between two pages."""
    items = held(api, "openai/gpt-4o", "openai/gpt-oss-120b", "qwen/qwen3-max")
    first = api.get(HELD, limit=1)
    assert 200 == decide(api, first["items"][0]).status_code
    second = api.get(HELD, limit=1, cursor=first["next"])
    third = api.get(HELD, limit=1, cursor=second["next"], provider="openrouter")
    walked = [page["items"][0]["id"] for page in (first, second, third)]
    assert [item["id"] for item in items] == walked
    assert third["next"] is None
    assert [] == api.get(HELD, provider="novita")["items"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"reason": ""}, 422),
        ({"reason": " "}, 400),
        ({"author": " "}, 400),
        ({"version": 5}, 422),
        ({"versions": "x"}, 422),
    ],
)
def test_a_decision_needs_a_reason_and_an_author(
    api: Api, body: dict[str, Any], status: int
) -> None:
    """Without them the change stays held."""
    (item,) = held(api)
    assert status == decide(api, item, **body).status_code
    assert 1 == len(api.get(HELD)["items"])


def test_an_unknown_held_change_is_not_found(api: Api) -> None:
    """It can be neither shown nor decided."""
    assert 404 == api.reader.get(f"{HELD}/nothing").status_code
    assert 404 == decide(api, {"id": "nothing", "version": "0"}).status_code
