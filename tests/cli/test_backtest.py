"""`backtest`: thresholds are changed with their consequences in view."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from built import openrouter, priced
from command import Result, Run


def update(**other: Any) -> dict[str, Any]:
    """One recorded update: input from 1 to 3.5, output from 4 to 14."""
    return {
        "date": "2026-05-01T00:00:00Z",
        "source": "a source",
        "provider": "acme",
        "model": "m",
        "kind": "genuine",
        "changes": {"input": [1, 3.5], "output": [4, 14]},
        "old": {"input": 1, "output": 4},
        "new": {"input": 3.5, "output": 14},
        "provider_models_changed": 1,
        "provider_models_total": 50,
        "provider_median_log10_ratio": 0.544,
        "peer_median": {"input": None},
        "peer_providers": {"input": 0},
        **other,
    }


def recorded(*updates: dict[str, Any], name: str = "updates.jsonl") -> str:
    Path(name).write_text("".join(json.dumps(entry) + "\n" for entry in updates))
    return name


def test_recorded_updates_are_judged(run: Run) -> None:
    """Times 3.5 is inside the band of today, and outside a narrower one."""
    file = recorded(update())
    result = run("backtest", file, "--json")
    assert 0 == result.code
    genuine = {"number": 1, "at_once": 1.0, "within_24_h": 1.0}
    assert {"genuine": genuine} == result.json["updates"]
    narrower = run("backtest", file, "--json", "--set", "band_up=3").json
    assert 0.0 == narrower["updates"]["genuine"]["at_once"]
    assert {"band": 1} == narrower["held_by"]
    assert ["band_up=3"] == narrower["set"]


def test_injected_faults_are_counted(run: Run) -> None:
    """Into the newest cards of the record that were no errors."""
    wrong = update(model="n", kind="error", new={"input": 0, "output": 0})
    wrong["changes"] = {"input": [1, 0], "output": [4, 0]}
    faults = run("backtest", recorded(update(), wrong), "--json").json["faults"]
    assert {"injected": 1, "held": 1, "released": 0, "share_held": 1.0} == faults["x1e6"]
    assert 0 == faults["cache x1e3"]["injected"]


def test_the_table_is_for_people(run: Run) -> None:
    """Shares, batches a week, faults, and which rule was how busy."""
    out = run("backtest", recorded(update()), "--set", "band_up=3").out
    assert "review batches a week: 1.00 for each source" in out
    assert "held by band: 1" in out
    assert "x1e6" in out


def test_only_some_updates(run: Run) -> None:
    """Of one provider, from one day on."""
    file = recorded(update(), update(provider="other"), update(date="2026-06-01T00:00:00Z"))

    def number(*options: str) -> int:
        found = run("backtest", file, "--json", *options).json["updates"]["genuine"]["number"]
        assert isinstance(found, int)
        return found

    assert 2 == number("--provider", "acme")
    assert 1 == number("--provider", "acme", "--since", "2026-05-15")
    assert 3 == number()


def test_several_files_are_one_record(run: Run) -> None:
    """In any order."""
    first, second = recorded(update()), recorded(update(model="n"), name="more.jsonl")
    assert 2 == run("backtest", first, second, "--json").json["updates"]["genuine"]["number"]


def read_days(run: Run) -> None:
    days = {
        "2026-07-17": {"maker/a": priced(), "maker/b": priced("0.000001", "0.000002")},
        "2026-07-18": {"maker/a": priced("0.000005", "0.00002"), "maker/b": priced()},
    }
    for day, models in days.items():
        Path("answer.json").write_bytes(openrouter(models))
        result = run("sync", "openrouter", "--answer", "answer.json", "--at", day, "--json")
        assert 0 == result.code


def test_the_operator_s_own_ledger_is_judged(run: Run) -> None:
    """Without a file. What counted then may not with other thresholds."""
    read_days(run)
    updates = run("backtest", "--json").json["updates"]
    assert 2 == updates["added"]["number"]
    now = updates["changed"]["at_once"]
    wide = run("backtest", "--json", "--set", "band_up=1.5", "--since", "2026-07-18").json
    assert 0.0 == wide["updates"]["changed"]["at_once"] < now
    assert {"changed"} == wide["updates"].keys()


def test_nothing_is_written(run: Run) -> None:
    """Not even with thresholds that would have held what counts."""
    read_days(run)
    before = _stored(run)
    run("backtest", "--set", "band_up=1.5")
    assert before == _stored(run)


def _stored(run: Run) -> tuple[list[dict[str, Any]], str, str]:
    """What three commands print, without the age of a price, which goes on."""
    prices = [price | {"age_seconds": None} for price in run("prices", "--json").json]
    return prices, run("held", "--json").out, run("runs", "--json").out


def refused(result: Result) -> str:
    """The one line of an error."""
    assert 2 == result.code
    (line,) = result.err.splitlines()
    return line


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("band_up=0", "--set: band_up: 0 is not a factor"),
        ("band_up=3x", "--set: band_up: '3x' is not a number"),
        ("nothing=3", "--set: nothing: no such threshold"),
        ("band_up", "is not NAME=VALUE"),
        ("release_after=soon", "--set: release_after: 'soon' is not a span"),
        ("bounds.input=5", "--set: bounds: input: 5 is not a pair"),
        ("band_up=3\nband_down=4", "is not NAME=VALUE"),
    ],
)
def test_a_threshold_that_is_none_gets_one_clear_line(run: Run, written: str, why: str) -> None:
    """By its name, before anything is judged."""
    assert why in refused(run("backtest", recorded(update()), "--set", written))


def test_texts_need_no_quotes(run: Run) -> None:
    """A shell has enough of them."""
    assert 0 == run("backtest", recorded(update()), "--set", "release_after=48h").code
    bounds = 'bounds.input=["0.001", "3"]'
    held = run("backtest", recorded(update()), "--set", bounds, "--json").json["held_by"]
    assert 1 == held["out_of_bounds"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", ":1: not a recorded update"),
        ("[]", ":1: not a recorded update: not an object"),
        ("{}", ":1: not a recorded update: no date"),
        (json.dumps(update(date="2026-05-01")), "has no time zone"),
        (json.dumps(update(new={"prompt": 1})), "'prompt' is not a valid Meter"),
        (json.dumps(update(new={})), "at least one rate"),
        (json.dumps(update(new=5)), "not a recorded update"),
        (json.dumps(update(new={"input": "1"})), "not a recorded update"),
    ],
)
def test_a_line_that_is_no_update_is_named(run: Run, line: str, why: str) -> None:
    """File, line, and why."""
    Path("updates.jsonl").write_text(line + "\n")
    assert why in refused(run("backtest", "updates.jsonl"))


@pytest.mark.sqlite("of a file")
def test_files_that_are_not_there(run: Run) -> None:
    """Nor is there a ledger to fall back on."""
    assert "nothing.jsonl: No such file" in refused(run("backtest", "nothing.jsonl"))
    assert "does not exist" in run("backtest").err
    assert "no updates to judge" in refused(run("backtest", recorded()))
