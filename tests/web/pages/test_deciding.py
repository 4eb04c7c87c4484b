"""Deciding about held changes on the review page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pricing_sync.changes.held import HeldChange
from pricing_sync.demo.server import DemoServer
from pricing_sync.prices.rates import Meter, RateCard

from server_process import Api, api
from web.pages.visitor import Html, Visitor

MODELS = ("openai/gpt-4o", "anthropic/claude-sonnet-4.5", "moonshotai/kimi-k3")
REASON = {"reason": "the provider said so"}


@pytest.fixture(name="service")
def service_fixture(tmp_path: Path, providers: DemoServer) -> Iterator[Api]:
    """OpenRouter's input of three models has become a thousand times as dear, and waits."""
    with api(tmp_path, providers, ("openrouter",)) as running:
        running.sync()
        slip(running)
        yield running


def slip(service: Api, factor: int = 1000) -> None:
    for model, rate in zip(MODELS, (2.5, 3, 3), strict=True):
        service.providers.set_rate("openrouter", model, "input", str(rate * factor))
    service.sync()
    assert {*MODELS} == {item.change.model for item in service.pricing.held()}


@pytest.fixture
def ann(service: Api) -> Visitor:
    visitor = Visitor(service.url)
    visitor.sign_in(author="ann")
    return visitor


def shown(page: str, model: str) -> str:
    """The value of the box of a model: the change as it is shown."""
    found = re.search(f'name="change" value="([^"]+)"[^>]*aria-label="{re.escape(model)}"', page)
    assert found, model
    return found[1]


def everything(page: str) -> dict[str, str]:
    """The fields that choose all of the only reading."""
    names = ("everything", "reading", "provider")
    return {name: re.search(f'name="{name}" value="([^"]+)"', page)[1] for name in names}  # type: ignore[index]


def waiting(service: Api) -> set[str]:
    return {item.change.model for item in service.pricing.held()}


def rate(service: Api, model: str) -> str:
    card = service.pricing.price("openrouter", model).listing
    assert isinstance(card, RateCard)
    return str(card.rates[Meter.INPUT])


def test_one_is_accepted(service: Api, ann: Visitor) -> None:
    """Its price is in force at once, and the audit log says who and why."""
    one = shown(ann.get("/review").text, MODELS[0])
    answer = ann.post("/review", {"change": one, "decision": "accept", **REASON})
    assert (303, "/review?done=1+accepted") == (answer.status_code, answer.headers["location"])
    assert "1 accepted." in Html(ann.get("/review?done=1+accepted").text).text
    assert ({*MODELS[1:]}, "2500") == (waiting(service), rate(service, MODELS[0]))
    (entry,) = service.pricing.audit_log(1)
    assert ("ann", REASON["reason"]) == (entry.who, entry.reason)


def test_a_selection_is_rejected(service: Api, ann: Visitor) -> None:
    page = ann.get("/review?provider=openrouter").text
    boxes = [shown(page, model) for model in MODELS[:2]]
    fields = {"change": boxes, "decision": "reject", "back": "openrouter", **REASON}
    answer = ann.post("/review", fields)
    assert "/review?provider=openrouter&done=2+rejected" == answer.headers["location"]
    assert ({MODELS[2]}, "2.5") == (waiting(service), rate(service, MODELS[0]))


@pytest.mark.parametrize(("decision", "wanted"), [("accept", "3000"), ("reject", "3")])
def test_all_of_a_reading_are_decided(
    service: Api, ann: Visitor, decision: str, wanted: str
) -> None:
    fields = {**everything(ann.get("/review").text), "decision": decision, **REASON}
    assert 303 == ann.post("/review", fields).status_code
    assert (set(), wanted) == (waiting(service), rate(service, MODELS[2]))


def test_a_change_that_moved_on_is_not_decided(service: Api, ann: Visitor) -> None:
    """The page was loaded before the provider named another price: nothing of it counts."""
    page = ann.get("/review").text
    slip(service, 2000)
    boxes = [shown(page, model) for model in MODELS]
    for fields in ({"change": boxes}, {"change": boxes[0]}, everything(page)):
        answer = ann.post("/review", {**fields, "decision": "accept", **REASON})
        assert 409 == answer.status_code
        text = Html(answer.text).text
        assert "It has changed in the meantime" in text
        assert "Nothing was decided." in text
    assert ({*MODELS}, "2.5") == (waiting(service), rate(service, MODELS[0]))


def test_a_change_that_lapsed_is_not_decided(service: Api, ann: Visitor) -> None:
    """The provider has taken it back."""
    page = ann.get("/review").text
    service.providers.set_rate("openrouter", MODELS[0], "input", "2.5")
    service.sync()
    boxes = [shown(page, model) for model in MODELS]
    for fields in ({"change": boxes}, everything(page)):
        answer = ann.post("/review", {**fields, "decision": "accept", **REASON})
        assert 409 == answer.status_code
    assert {*MODELS[1:]} == waiting(service)


def test_a_change_is_decided_once(service: Api, ann: Visitor) -> None:
    """Two people had the page open."""
    page = ann.get("/review").text
    one = shown(page, MODELS[0])
    assert 303 == ann.post("/review", {"change": one, "decision": "reject", **REASON}).status_code
    late = Visitor(service.url)
    late.sign_in(author="bob")
    for fields in ({"change": one}, everything(page)):
        answer = late.post("/review", {**fields, "decision": "accept", **REASON})
        assert 409 == answer.status_code
    assert "2.5" == rate(service, MODELS[0])


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"decision": "accept"}, "a decision needs a reason"),
        ({"decision": "accept", "reason": "  "}, "a decision needs a reason"),
        ({"decision": "maybe", **REASON}, "neither accept nor reject"),
        ({**REASON}, "neither accept nor reject"),
    ],
)
def test_a_form_without_a_decision_or_a_reason_decides_nothing(
    service: Api, ann: Visitor, fields: dict[str, str], says: str
) -> None:
    one = shown(ann.get("/review").text, MODELS[0])
    answer = ann.post("/review", {"change": one, **fields})
    assert 400 == answer.status_code
    assert says in Html(answer.text).text
    assert {*MODELS} == waiting(service)


def test_a_form_without_a_choice_decides_nothing(service: Api, ann: Visitor) -> None:
    answer = ann.post("/review", {"decision": "accept", **REASON})
    assert (400, True) == (answer.status_code, "no change was chosen" in answer.text)
    for unknown in ("nothing x", "", " "):
        answer = ann.post("/review", {"change": unknown, "decision": "accept", **REASON})
        assert 404 == answer.status_code
    assert {*MODELS} == waiting(service)


def test_a_rejection_is_taken_back(service: Api, ann: Visitor) -> None:
    """From the model's page; the next reading holds the change again."""
    fields = {**everything(ann.get("/review").text), "decision": "reject", **REASON}
    assert 303 == ann.post("/review", fields).status_code
    address = f"/models/openrouter/{MODELS[0]}"
    assert "Take a rejection back" in ann.get(address).text
    assert "Take a rejection back" not in ann.get("/models/openrouter/qwen/qwen3-max").text
    model = {"provider": "openrouter", "model": MODELS[0]}
    answer = ann.post("/reconsider", {**model, "reason": ""})
    assert (400, True) == (answer.status_code, "reason" in Html(answer.text).text)
    answer = ann.post("/reconsider", {**model, **REASON})
    assert (303, address) == (answer.status_code, answer.headers["location"])
    service.sync()
    assert {MODELS[0]} == waiting(service)
    assert 404 == ann.post("/reconsider", {**model, "model": "none", **REASON}).status_code


def test_a_held_change_is_shown_with_what_helps(service: Api, ann: Visitor) -> None:
    """Old and new, by how much, why it waits, and what the provider sent."""
    text = Html(ann.get("/review").text).text
    for words in ("2.5 → 2,500 ×1,000", "3 of 28 models", "out of bounds", "Raw answer"):
        assert words in text
    item: HeldChange = service.pricing.held()[0]
    assert f"reading {item.reading_id}" in text
    overview = Html(ann.get("/").text).text
    assert "3 changes wait" in overview
    assert "and 2 more of this reading" in overview
