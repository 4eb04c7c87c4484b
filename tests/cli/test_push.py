"""The command `push`, and what `status` and `config` say of nodes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.push import litellm
from pricing_sync.settings import load_settings

from built import openrouter, priced
from command import Run
from exported import UPSTREAM
from nodes import FakeLiteLLM, running
from pushed import cost_map


@pytest.fixture(name="nodes")
def nodes_fixture(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[FakeLiteLLM, FakeLiteLLM]]:
    """A ledger with a price and two nodes: one loads our map, the other does not."""
    monkeypatch.setattr(litellm, "_SETTLED_SECONDS", 0)
    monkeypatch.setenv("LITELLM_KEY", FakeLiteLLM.key)
    good, bad = FakeLiteLLM(), FakeLiteLLM(load=lambda: b'{"theirs": {}}')
    with running(good, bad):
        Path("litellm.json").write_bytes(UPSTREAM)
        Path("pricing-sync.toml").write_text(
            'export_upstream = "."\n'
            f'[[push.litellm]]\nurl = "{good.url}"\nkey_env = "LITELLM_KEY"\nname = "good"\n'
            f'[[push.litellm]]\nurl = "{bad.url}"\nkey_env = "LITELLM_KEY"\nname = "bad"\n'
        )
        Path("a.json").write_bytes(openrouter({"maker/a": priced()}))
        assert 0 == run("sync", "openrouter", "--answer", "a.json").code

        def load() -> bytes:
            with PricingSync(load_settings(), create=False) as app:
                return cost_map(app)

        good.load = load
        yield good, bad


def test_push_says_what_each_node_got(run: Run, nodes: tuple[FakeLiteLLM, FakeLiteLLM]) -> None:
    """Partly done is 3; `status` names the node that is behind, and only that."""
    code, out, _ = run("push")
    assert 3 == code
    good, bad = out.splitlines()[-2:]
    assert ["good", "litellm", "1", "reload"] == good.split()
    assert "failed: /reload/model_cost_map: loaded the map " in bad
    assert 1 == nodes[0].count("POST")
    shown = run("status").out
    assert "push bad: behind since " in shown
    assert "push good" not in shown
    pushes = {entry["target"]: entry for entry in run("status", "--json").json["pushes"]}
    assert [False, True] == [pushes[name]["is_behind"] for name in ("good", "bad")]


def test_push_to_one_node(run: Run, nodes: tuple[FakeLiteLLM, FakeLiteLLM]) -> None:
    """The other one is not asked; of one that fails the code is 1."""
    assert 0 == run("push", "--target", "good").code
    assert [] == nodes[1].asked
    assert 1 == run("push", "--target", "bad").code
    [record] = run("push", "--target", "good", "--json").json
    assert ("good", "", None) == (record["target"], record["sent"], record["error"])


def test_a_dry_run_sends_nothing(run: Run, nodes: tuple[FakeLiteLLM, FakeLiteLLM]) -> None:
    """It says what would be."""
    code, out, _ = run("push", "--dry-run")
    assert 0 == code
    assert "would send" in out
    assert 2 == out.count("reload")
    assert [0, 0] == [node.count("POST") for node in nodes]


def test_an_unknown_node_is_named(run: Run, nodes: tuple[FakeLiteLLM, FakeLiteLLM]) -> None:
    """With those that there are."""
    code, _, err = run("push", "--target", "gone")
    assert 2 == code
    assert "'gone' is no node to push to: good, bad" in err
    assert [] == nodes[0].asked


def test_config_shows_the_nodes_and_missing_variables(
    run: Run, nodes: tuple[FakeLiteLLM, FakeLiteLLM], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never a key."""
    line = f"  push.litellm = good at {nodes[0].url}, bad at {nodes[1].url} (pricing-sync.toml)"
    assert line in run("config").out
    monkeypatch.delenv("LITELLM_KEY")
    assert f"good at {nodes[0].url}, LITELLM_KEY not set" in run("config").out
