"""`prices`, `history`, `changes` and `cost` as people read them, in 80 columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from built import openrouter, priced
from command import Result, Run

LONG = "maker/" + "long-name-" * 12 + "instruct"


def read(run: Run, day: str, models: dict[str, dict[str, Any]]) -> Result:
    file = Path(f"{day}.json")
    file.write_bytes(openrouter(models))
    result = run("sync", "openrouter", "--answer", str(file), "--at", day)
    assert 0 == result.code, result.err
    return result


@pytest.fixture
def three_days(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A price that falls, one with every common meter and a condition, one that varies."""
    cached = priced("0.000003", "0.000015", input_cache_read="0.0000003", web_search="0.01")
    cached["overrides"] = [{"min_prompt_tokens": 200_000, "prompt": "0.000006"}]
    models = {"maker/a": priced(), LONG: cached, "maker/auto": priced("-1", "-1")}
    read(run, "2026-07-17", models)
    read(run, "2026-07-18", models | {"maker/a": priced("0.000002")})
    monkeypatch.setenv("COLUMNS", "80")
    return run


def test_prices_have_a_column_for_each_common_meter(three_days: Run) -> None:
    """The currency once, figures right-aligned and whole, the rest counted, no line too long."""
    lines = three_days("prices", "openrouter").out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert "openrouter: 2 models with a price, USD per million units" == lines[0]
    assert ["model", "input", "output", "read", "write", "more", "since"] == lines[2].split()
    short, long = lines[3:5]
    assert long.startswith("maker/long-n")
    assert ["3", "15", "0.3", "–", "+2", "2026-07-17"] == long.split()[1:]
    assert ["maker/a", "2", "10", "–", "–", "2026-07-18"] == short.split()
    assert long.index("15") + 2 == short.index("10") + 2
    assert "no price, varies: maker/auto" == lines[5]


def test_wide_prices_show_every_meter_and_condition(three_days: Run) -> None:
    """However wide the terminal would have to be: nothing is shortened."""
    out = three_days("prices", "openrouter", "--wide").out
    assert LONG in out
    assert "when min_input_tokens 200001: input 6" in out
    assert ["maker/a", "2", "10", "–", "–", "–", "2026-07-18", "api"] in [
        line.split() for line in out.splitlines()
    ]


def test_one_model_is_shown_in_full(three_days: Run) -> None:
    """A rate on each line, conditions below."""
    assert [
        f"openrouter {LONG}",
        "  USD per million units",
        "  input           3",
        "  output         15",
        "  cache_read    0.3",
        "  web_search  10000",
        "  when min_input_tokens 200001",
        "    input  6",
        "  since 2026-07-17 00:00Z, from api",
    ] == three_days("prices", "openrouter", LONG).out.splitlines()


def test_held_models_without_a_price_are_listed_with_the_rules(three_days: Run) -> None:
    """New models that the gate holds have no row of dashes, and are not forgotten."""
    read(three_days, "2026-07-19", {"maker/a": priced("0.000002"), "maker/new": priced("5", "10")})
    out = three_days("prices", "openrouter").out
    assert "\nheld by out_of_bounds" in out
    assert ": maker/new" in out


def test_history_shows_what_moved_and_by_how_much(three_days: Run) -> None:
    """The first price, then each move, with the evidence."""
    lines = three_days("history", "openrouter", "maker/a").out.splitlines()
    assert "USD per million units" == lines[0]
    assert "2026-07-17 00:00:00Z  input 2.5, output 10   api " in lines[2]
    assert "2026-07-18 00:00:00Z  input 2.5 → 2 (-20 %)  api " in lines[3]
    assert all(len(line) <= 80 for line in lines)


def test_history_shows_a_gap_in_which_a_model_was_not_listed(three_days: Run) -> None:
    """Its price did not move then: it had none."""
    without = {"maker/auto": priced("-1", "-1"), LONG: priced()}
    for day in ("2026-07-19", "2026-07-20"):
        read(three_days, day, without)
    read(three_days, "2026-07-21", without | {"maker/a": priced("0.000002")})
    out = three_days("history", "openrouter", "maker/a").out
    assert "2026-07-20 00:00:00Z  no longer listed" in out
    assert "2026-07-21 00:00:00Z  input 2, output 10" in out


def test_superseded_rows_show_when_they_were_known(three_days: Run) -> None:
    """Two lines a row: when it was true, and when it was known."""
    out = three_days("history", "openrouter", "maker/a", "--all").out
    assert "2026-07-17 00:00:00Z to now: input 2.5, output 10\n  known " in out
    assert "2026-07-17 00:00:00Z to 2026-07-18 00:00:00Z: input 2.5, output 10\n  known " in out


def test_changes_list_what_moved_across_all_models(three_days: Run) -> None:
    """Newest first, without the first prices unless they are asked for."""
    lines = three_days("changes", "--since", "2026-07-01").out.splitlines()
    assert ["2026-07-18 00:00Z  openrouter  maker/a  input 2.5 → 2 (-20 %)"] == [
        line.rstrip() for line in lines[1:]
    ]
    added = " ".join(three_days("changes", "--since", "2026-07-01", "--added").out.split())
    assert "maker/a new: input 2.5, output 10" in added
    assert "maker/auto new: no price (varies" in added


def test_changes_as_json_have_the_published_shape(three_days: Run) -> None:
    """What other programs read."""
    (entry,) = three_days("changes", "--since", "2026-07-01", "--json").json
    assert ("openrouter", "maker/a", "changed", "2026-07-18T00:00:00Z") == (
        *(entry["provider"], entry["model"], entry["kind"], entry["at"]),
    )
    assert ("2.5", "2") == (entry["old"]["rates"]["input"], entry["new"]["rates"]["input"])
    assert [{"meter": "input", "when": None, "old": "2.5", "new": "2", "ratio": "0.8"}] == (
        entry["moves"]
    )


def test_changes_of_nobody_and_of_no_time(three_days: Run) -> None:
    """A provider that there is not is bad input; no change is none."""
    assert (2, "") == three_days("changes", "--provider", "nosuch")[:2]
    quiet = three_days("changes", "--since", "2026-07-19")
    assert (0, "", "nothing moved since 2026-07-19 00:00Z\n") == quiet
    more = three_days("changes", "--since", "2026-07-01", "--added", "--limit", "1")
    assert "and older ones" in more.err
