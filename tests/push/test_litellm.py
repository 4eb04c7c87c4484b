"""Pushes to LiteLLM proxies, over HTTP, to a server that speaks as LiteLLM does."""

from __future__ import annotations

import asyncio
import gzip
import time

import pytest

from pricing_sync.push.litellm import map_id

from nodes import Answer, FakeLiteLLM, running
from pushed import EXPORT_SECRET, Make, cost_map, fill, override


def test_the_id_of_a_map_is_that_of_git() -> None:
    """`printf hello | git hash-object --stdin`."""
    assert "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0" == map_id(b"hello")


def test_a_proxy_loads_the_map_and_says_so(make: Make) -> None:
    """Once: it is only asked when it has the map."""
    node = FakeLiteLLM()
    with running(node), make(node) as app:
        fill(app)
        node.load = lambda: cost_map(app)
        [result] = asyncio.run(app.push())
        assert ("reload", None) == (result.sent, result.error)
        assert app.store.revision() == result.revision
        assert node.loaded == cost_map(app)
        [again] = asyncio.run(app.push())
    assert "" == again.sent
    assert 1 == node.count("POST")


def test_a_proxy_that_fails_after_it_has_loaded_has_the_map(make: Make) -> None:
    """What it has counts, not what it says of the reload: its database may be away."""
    node = FakeLiteLLM()
    with running(node), make(node) as app:
        fill(app)
        node.load = lambda: cost_map(app)
        node.fails_after_load = "Failed to reload model cost map: no database"
        [result] = asyncio.run(app.push())
        assert ("reload", None) == (result.sent, result.error)
        node.loaded, node.load = b"{}", lambda: b"{}"
        [result] = asyncio.run(app.push())
    assert result.error is not None
    assert "POST /reload/model_cost_map: 500: " in result.error
    assert "no database" in result.error


def test_a_dry_run_only_asks(make: Make) -> None:
    """Nothing is loaded and nothing stored."""
    node = FakeLiteLLM()
    with running(node), make(node) as app:
        fill(app)
        [result] = asyncio.run(app.push(dry_run=True))
        assert "reload" == result.sent
        assert 0 == node.count("POST")
        assert {} == app.store.pushes.states()


def test_a_proxy_that_loads_another_map_is_behind(make: Make) -> None:
    """Its address is not ours, or it fell back on its own map; it says why, without our secret."""
    node = FakeLiteLLM(load=lambda: b'{"theirs": {}}')
    node.fallback_reason = f"HTTP 503 of http://prices/s/{EXPORT_SECRET}/export/litellm"
    with running(node), make(node) as app:
        fill(app)
        [result] = asyncio.run(app.push())
        [state] = app.push_states()
    assert result.error == state.state.error
    assert result.error is not None
    assert f"loaded the map {map_id(node.loaded)[:12]} (remote), because HTTP 503" in result.error
    assert EXPORT_SECRET not in result.error
    assert state.is_behind
    assert 2 == node.count("POST")


def test_a_proxy_without_revisions_is_behind(make: Make) -> None:
    """What cannot be verified does not count."""
    node = FakeLiteLLM()
    node.faults = [(200, {"source": "remote", "model_count": 4000}, {})]
    with running(node), make(node) as app:
        fill(app)
        [result] = asyncio.run(app.push())
    assert "/model/cost_map/source: names no source_revision" == result.error


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ((500, {"detail": "Database connection not available"}, {}), "500: "),
        ((302, b"", {"Location": "http://127.0.0.1:9/"}), "302: a redirect, which is not followed"),
        ((200, b"<html>", {}), "the answer is not JSON"),
        ((200, [], {}), "names no source_revision"),
        ((200, b"", {}), "names no source_revision"),
        ((200, b" " * (17 * 2**20), {}), "over 16777216 bytes"),
        ((200, gzip.compress(b"{}"), {"Content-Encoding": "gzip"}), "packed"),
        ((200, b"{}", {"Content-Length": "9"}), "no answer within 1 s"),
    ],
)
def test_a_bad_answer_is_a_failure_that_says_where(make: Make, fault: Answer, why: str) -> None:
    """Each kind, and nothing is followed, unpacked or waited for."""
    node = FakeLiteLLM(faults=[fault])
    with running(node), make(node, deadline_seconds=1) as app:
        fill(app)
        [result] = asyncio.run(app.push())
    assert result.error is not None
    assert "/model/cost_map/source: " in result.error
    assert why in result.error
    assert ["GET /model/cost_map/source"] == node.asked


def test_a_wrong_key_is_not_repeated(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """LiteLLM's answer has it."""
    monkeypatch.setenv("LITELLM_KEY", "sk-wrong-and-secret")
    node = FakeLiteLLM()
    with running(node), make(node) as app:
        fill(app)
        [result] = asyncio.run(app.push())
        assert result.error is not None
        assert "401: " in result.error
        assert "Bearer [redacted]" in result.error
        stored = app.store._connection.fetch_all("SELECT * FROM pricing_pushes", {})
        assert "Bearer [redacted]" in repr(stored)
        assert "sk-wrong-and-secret" not in repr(stored)


def test_a_missing_key_is_named(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked without it."""
    monkeypatch.delenv("LITELLM_KEY")
    node = FakeLiteLLM()
    with running(node), make(node) as app:
        fill(app)
        [result] = asyncio.run(app.push())
    assert "key: LITELLM_KEY is not set" == result.error
    assert [] == node.asked


def test_a_hanging_node_delays_no_other(make: Make) -> None:
    """Each has its own deadline."""
    slow, quick = FakeLiteLLM(), FakeLiteLLM()
    with running(slow, quick), make(slow, quick, deadline_seconds=1.5) as app:
        slow.answers.clear()
        fill(app)
        finished: list[float] = []

        def load() -> bytes:
            finished.append(time.monotonic())
            return cost_map(app)

        quick.load = load
        began = time.monotonic()
        first, second = asyncio.run(app.push())
    assert "GET /model/cost_map/source: no answer within 1.5 s" == first.error
    assert None is second.error
    assert finished[0] - began < 1.2


def test_an_empty_ledger_is_not_pushed(make: Make) -> None:
    """A database that is new, or the wrong one, must not replace the prices of a node."""
    node = FakeLiteLLM()
    with running(node), make(node) as app:
        [result] = asyncio.run(app.push())
    assert "export: no model has a price" == result.error
    assert [] == node.asked


def test_a_change_is_another_map(make: Make) -> None:
    """An override, as any change of a price."""
    node = FakeLiteLLM()
    with running(node), make(node) as app:
        fill(app)
        node.load = lambda: cost_map(app)
        asyncio.run(app.push())
        override(app, "7.25")
        cost_map(app)  # it is in the exports within a second; here at once
        [result] = asyncio.run(app.push())
    assert "reload" == result.sent
    assert b"7.25e-6" in node.loaded or b"0.00000725" in node.loaded
