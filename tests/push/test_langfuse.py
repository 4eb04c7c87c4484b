"""Pushes to Langfuse, over HTTP, to a server that speaks and refuses as Langfuse does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.prices.rates import Meter, Per, Rate
from pricing_sync.push.pusher import PushResult

from built import priced
from nodes import FakeLangfuse, running
from pushed import SECRET, Make, cost_map, fill, override, replay


def push(app: PricingSync) -> PushResult:
    cost_map(app)  # a change is in the exports within a second; here at once
    [result] = asyncio.run(app.push())
    return result


def input_price(node: FakeLangfuse, name: str) -> float:
    [tier] = node.own()[name]["pricingTiers"]
    price: float = tier["prices"]["input"]
    return price


def test_each_model_is_put_once(make: Make) -> None:
    """With its start date; the second time nothing differs."""
    node = FakeLangfuse()
    with running(node), make(node) as app:
        fill(app)
        assert "2 put" == push(app).sent
        assert {"openrouter/maker/a", "openrouter/maker/b"} == node.own().keys()
        model = node.own()["openrouter/maker/a"]
        since = app.price("openrouter", "maker/a").since
        assert since.replace(microsecond=since.microsecond // 1000 * 1000) == (
            datetime.fromisoformat(model["startDate"])
        )
        assert "" == push(app).sent
    assert 2 == node.count("PUT")
    assert "Basic cGstbGYtcHVibGljOnNrLWxmLXNlY3JldC1vZi10aGUtdGVzdHM=" == node.authorization


def test_a_new_price_replaces_the_model(make: Make) -> None:
    """A project has one model of a name, and the newest start date counts for all of its usage.

    So an override that ends leaves nothing behind that would count again.
    """
    node = FakeLangfuse()
    with running(node), make(node) as app:
        fill(app)
        push(app)
        before = input_price(node, "openrouter/maker/a")
        override(app, "7.25")
        assert "1 put" == push(app).sent
        assert 0.00000725 == input_price(node, "openrouter/maker/a")
        app.end_override("openrouter", "maker/a", at=datetime.now(UTC))
        assert "1 put" == push(app).sent
    assert before == input_price(node, "openrouter/maker/a")
    assert 2 == len(node.models)


def test_a_model_that_is_not_exported_any_more_is_deleted(make: Make) -> None:
    """Its last price would go on; models of other people stay."""
    node = FakeLangfuse()
    node.models["theirs"] = node.project, {"id": "theirs", "modelName": "my-model"}
    node.models["builtin"] = None, {"id": "builtin", "modelName": "gpt-4o"}
    with running(node), make(node) as app:
        fill(app)
        push(app)
        fee = {Meter.REQUEST: Rate.of("0.01", Per.ONE)}  # Langfuse bills no requests
        app.set_override("openrouter", "maker/a", fee, author="a", reason="r")
        assert "1 deleted" == push(app).sent
    assert {"my-model", "openrouter/maker/b"} == node.own().keys()
    assert "builtin" in node.models


def test_what_was_edited_by_hand_is_put_right(make: Make) -> None:
    """The project is compared, not what was sent to it last."""
    node = FakeLangfuse()
    with running(node), make(node) as app:
        fill(app)
        push(app)
        node.own()["openrouter/maker/a"]["pricingTiers"][0]["prices"]["input"] = 0.5
        assert "1 put" == push(app).sent


def test_a_model_that_is_refused_keeps_no_other_back(make: Make) -> None:
    """Somebody's own model has its name: that is said, and the other one is there."""
    node = FakeLangfuse()
    theirs = {"id": "theirs", "modelName": "openrouter/maker/a"}
    node.models["theirs"] = node.project, theirs
    with running(node), make(node) as app:
        fill(app)
        result = push(app)
    assert result.error is not None
    assert "1 refused: openrouter/maker/a: 400: " in result.error
    assert "already exists in project" in result.error
    assert "openrouter/maker/b" in node.own()
    assert theirs is node.models["theirs"][1]


def test_two_projects_of_one_instance_share_no_id(make: Make) -> None:
    """Langfuse's ids are unique in the instance: one project's model would block the other's."""
    first = FakeLangfuse(project="one")
    second = FakeLangfuse(project="two", models=first.models)
    with running(first, second), make(first, second) as app:
        fill(app)
        results = asyncio.run(app.push())
    assert [None, None] == [result.error for result in results]
    assert first.own().keys() == second.own().keys()
    assert 4 == len(first.models)


def test_every_page_is_compared(make: Make) -> None:
    """A model on the last page is known, too."""
    node = FakeLangfuse(page_limit=1)
    with running(node), make(node) as app:
        fill(app)
        push(app)
        assert "" == push(app).sent


@pytest.mark.parametrize("document", [{}, {"data": [{}]}, {"data": 3, "meta": {"totalPages": 1}}])
def test_a_page_of_another_shape_is_a_failure(make: Make, document: object) -> None:
    """Nothing is put or deleted by what cannot be read."""
    node = FakeLangfuse()
    node.faults = [(200, {"data": [{"id": "p"}]}, {}), (200, document, {})]
    with running(node), make(node) as app:
        fill(app)
        result = push(app)
    assert result.error is not None
    assert "is no page of models" in result.error
    assert 0 == node.count("PUT")


def test_a_limit_ends_the_push_and_the_next_one_goes_on(make: Make) -> None:
    """What was put before counts."""
    node = FakeLangfuse()
    with running(node), make(node) as app:
        fill(app)
        push(app)
        replay(app, {"maker/a": priced(), "maker/b": priced(), "maker/c": priced()}, days=0.5)
        replay(app, {f"maker/{name}": priced() for name in ("a", "b", "c", "d")}, days=0.4)
        node.most_puts = node.count("PUT") + 1
        failed = push(app)
        node.most_puts = None
        assert failed.error is not None
        assert "429: " in failed.error
        [state] = app.push_states()
        assert (state.state.next_at - datetime.now(UTC)).total_seconds() > 20
        assert "1 put" == push(app).sent
    assert 4 == len(node.own())


def test_no_error_shows_a_key(make: Make) -> None:
    """Neither as it is nor as the header has it."""
    node = FakeLangfuse()
    text = f"no access for {SECRET} (Basic cGstbGYtcHVibGljOnNrLWxmLXNlY3JldC1vZi10aGUtdGVzdHM=)"
    node.faults = [(401, {"message": text}, {})]
    with running(node), make(node) as app:
        fill(app)
        result = push(app)
    assert result.error is not None
    assert "no access for [redacted] (Basic [redacted])" in result.error
