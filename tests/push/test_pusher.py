"""The pushes of a service: after which changes, by whom, and what is known of each node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.errors import PushFailed
from pricing_sync.push import pusher
from pricing_sync.push.sender import Target
from pricing_sync.serving.exports import Rendered
from pricing_sync.store.leases import LEASE
from pricing_sync.store.pushes import PushState
from pricing_sync.sync.recorded import RecordedAnswer
from pricing_sync.web.probes import collector

from built import openrouter, priced
from nodes import FakeLiteLLM, running
from pushed import Make, cost_map, fill, override
from service import RecordingListener, until


def serve(app: PricingSync, work: Callable[[], Any]) -> None:
    """Run the service, with its loop, while *work* runs."""

    async def run() -> None:
        async with app.lifespan():
            await work()

    asyncio.run(run())


def served(app: PricingSync) -> bytes:
    """The map that another process of the service serves: read from the same database."""
    with PricingSync(app.settings, create=False) as other:
        return cost_map(other)


def filled(make: Make, node: FakeLiteLLM) -> PricingSync:
    """A service whose ledger has prices. The node loads the map that it serves."""
    app = make(node)
    node.load = lambda: served(app)
    with make(node) as first:
        fill(first)
    return app


@pytest.fixture(name="node")
def node_fixture() -> FakeLiteLLM:
    return FakeLiteLLM()


def test_a_service_pushes_after_each_change(make: Make, node: FakeLiteLLM) -> None:
    """A run, an override of this process, one of another, and one that begins later."""
    with running(node):
        app = filled(make, node)

        async def work() -> None:
            await until(lambda: b"maker/a" in node.loaded)
            override(app, "7.25")
            await until(lambda: b"725" in node.loaded)
            with make(node) as other:
                override(other, "8.75")
            await until(lambda: b"875" in node.loaded)
            override(app, "9.125", since=datetime.now(UTC) + timedelta(seconds=1.5))
            await until(lambda: b"9125" in node.loaded)
            await until(lambda: not app.push_states()[0].is_behind)

        serve(app, work)


def test_a_reading_that_changes_no_price_reloads_nothing(make: Make, node: FakeLiteLLM) -> None:
    """The revision grows, and the node has it without a request."""
    with running(node):
        app = filled(make, node)

        async def work() -> None:
            await until(lambda: not app.push_states()[0].is_behind)
            asked = len(node.asked)
            revision = app.store.revision()
            override(app, "7.25", since=datetime.now(UTC) + timedelta(days=9))
            assert revision != app.store.revision()
            assert app.push_states()[0].is_behind
            await until(lambda: not app.push_states()[0].is_behind)
            assert asked == len(node.asked)

        serve(app, work)
    assert 1 == node.count("POST")


def test_a_failing_node_is_tried_again_and_named(make: Make, node: FakeLiteLLM) -> None:
    """In status, in the metrics and in the log, until it has the prices."""
    listener = RecordingListener()
    with running(node):
        app = make(node, listener=listener)
        node.load = lambda: b"{}"
        with make(node) as first:
            fill(first)

        async def work() -> None:
            await until(lambda: app.push_states()[0].state.failures > 2)
            [state] = app.status()["pushes"]
            assert state["is_behind"]
            assert "loaded the map" in state["error"]
            assert state["behind_since"] is not None
            text = collector(app).render("")[0].decode()
            name = node.url.removeprefix("http://")
            assert f'pricing_push_behind{{target="{name}"}} 1.0' in text
            assert f'pricing_push_behind_seconds{{target="{name}"}}' in text
            assert f'pricing_push_failures_in_a_row{{target="{name}"}} 0.0' not in text
            node.load = lambda: served(app)
            await until(lambda: not app.push_states()[0].is_behind)
            assert f'pricing_push_behind{{target="{name}"}} 0.0' in (
                collector(app).render("")[0].decode()
            )
            assert app.status()["pushes"][0]["error"] is None
            await until(lambda: listener.pushes[-1][-1] is None)

        serve(app, work)
    assert [] == listener.errors
    failed = [error for *_, error in listener.pushes if error is not None]
    assert len(failed) > 2


def test_waits_grow() -> None:
    """From the first to the longest, and a node may ask for longer."""
    state = PushState(target="n", next_at=datetime.now(UTC))
    now = datetime.now(UTC)
    waits = []
    for _ in range(60):
        state = pusher._failed(state, PushFailed("a", "b"), now)
        waits.append(state.next_at - now)
    assert timedelta(seconds=0.05) <= waits[0] <= timedelta(seconds=0.1)
    assert waits[0] < waits[3] < waits[7]
    assert (
        timedelta(seconds=51) <= max(waits) <= timedelta(seconds=103)
    )  # 0.1 s times 2 to the 10th
    asked = pusher._failed(state, PushFailed("a", "b", 1e9), now)
    assert now + pusher._LONGEST_WAIT == asked.next_at


def test_one_of_several_processes_pushes(make: Make, node: FakeLiteLLM) -> None:
    """The other one takes over when it ends."""
    with running(node):
        first, second = make(node), make(node)
        node.load = lambda: served(first)
        with make(node) as app:
            fill(app)

        async def work() -> None:
            async with first.lifespan():
                await until(lambda: node.loaded != b'{"bundled": {}}')
                async with second.lifespan():
                    override(first, "7.25")
                    await until(lambda: b"725" in node.loaded)
                    await until(lambda: not first.push_states()[0].is_behind)
                    assert 2 == node.count("POST")
                    await first._parts.pusher.stop()
                    override(second, "8.75")
                    await until(lambda: b"875" in node.loaded)
                    await until(lambda: not second.push_states()[0].is_behind)

        asyncio.run(work())
    assert 3 == node.count("POST")


def test_the_lease_of_a_dead_process_ends(make: Make) -> None:
    """And one that was written before the clock was set back counts as ended."""
    now = datetime.now(UTC)
    with make() as app:
        lease = app.store.pushes.lease
        assert lease.acquire("a", now)
        assert lease.acquire("a", now)
        # A process that looked at its clock a moment before, and was slower.
        assert not lease.acquire("b", now - timedelta(milliseconds=5))
        assert not lease.acquire("b", now + LEASE / 2)
        assert lease.acquire("b", now + LEASE)
        assert not lease.acquire("a", now + LEASE)
        assert lease.acquire("a", now - timedelta(days=1))


def test_a_restart_goes_on_where_it_was(make: Make, node: FakeLiteLLM) -> None:
    """A node that has the prices is not asked again; one that has not is."""
    with running(node):
        app = filled(make, node)
        with make(node) as first:
            asyncio.run(first.push())
        asked = len(node.asked)

        async def work() -> None:
            await asyncio.sleep(0.3)
            assert asked == len(node.asked)

        serve(app, work)
        with make(node) as other:
            override(other, "7.25")

        async def later() -> None:
            await until(lambda: b"725" in node.loaded)

        serve(make(node), later)


def test_a_node_that_restarts_with_another_map_is_found(
    make: Make, node: FakeLiteLLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nodes are checked, though nothing has changed here."""
    monkeypatch.setattr(pusher, "_CHECK_EVERY", {"litellm": timedelta(seconds=0.2)})
    with running(node):
        app = filled(make, node)

        async def work() -> None:
            await until(lambda: not app.push_states()[0].is_behind)
            node.loaded = b'{"bundled": {}}'
            await until(lambda: b"maker/a" in node.loaded)

        serve(app, work)


def test_without_nodes_there_is_no_lease(make: Make) -> None:
    """Nor anything in the status."""
    app = make()

    async def work() -> None:
        await asyncio.sleep(0.2)
        assert [] == app.status()["pushes"]
        assert [] == app.store.pushes.lease._fetch("lease", name="push")

    serve(app, work)


def test_a_slow_node_does_not_keep_the_service_from_ending(make: Make, node: FakeLiteLLM) -> None:
    """The request is cancelled."""
    with running(node):
        app = make(node, deadline_seconds=300)
        with make(node) as first:
            fill(first)
        node.answers.clear()

        async def work() -> None:
            await until(lambda: node.asked)

        began = datetime.now(UTC)
        serve(app, work)
    assert datetime.now(UTC) - began < timedelta(seconds=20)


def test_the_answer_of_a_provider_is_pushed(make: Make, node: FakeLiteLLM) -> None:
    """A run, from its answer to the node."""
    with running(node):
        app = make(node)
        node.load = lambda: served(app)

        async def work() -> None:
            answer = RecordedAnswer(openrouter({"maker/a": priced()}), None)
            await app.replay("openrouter", [answer])
            await until(lambda: b"maker/a" in node.loaded)

        serve(app, work)


def test_a_fault_with_one_node_keeps_no_other_back(
    make: Make, node: FakeLiteLLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is reported once, with the name of the node."""
    other, listener = FakeLiteLLM(), RecordingListener()
    with running(node), running(other):
        app = make(node, other, listener=listener)
        other.load = lambda: served(app)
        with app:
            fill(app)
        app.open()
        render, broken, calls = app._parts.pusher._render, app._parts.pusher.targets[0], 0

        def failing(target: Target) -> Rendered | PushFailed:
            nonlocal calls
            if target is broken:
                calls += 1
                raise ZeroDivisionError(f"number {calls}")
            return render(target)

        monkeypatch.setattr(app._parts.pusher, "_render", failing)

        async def work() -> None:
            await until(lambda: calls > 2 and not app.push_states()[1].is_behind)

        serve(app, work)
    assert [(f"push {broken.name}", ZeroDivisionError)] == [
        (where, type(error)) for where, error in listener.errors
    ]
