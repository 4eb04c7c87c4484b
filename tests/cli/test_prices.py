"""`prices`, `history`, `changes` and `cost` as people read them, in 80 columns."""

from __future__ import annotations

import io
import json
import sys
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
        "  confirmed 2026-07-18 00:00Z",
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


CLAUDE = "anthropic/claude"


@pytest.fixture
def claude(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A card with cache writes and no rate for one hour, nor for cached tokens."""
    read(
        run, "2026-07-17", {CLAUDE: priced("0.000005", "0.000025", input_cache_write="0.00000625")}
    )
    monkeypatch.setenv("COLUMNS", "80")
    return run


ANTHROPIC = {
    "usage": {
        "input_tokens": 1000,
        "cache_read_input_tokens": 2000,
        "cache_creation_input_tokens": 4000,
        "cache_creation": {"ephemeral_1h_input_tokens": 3000, "ephemeral_5m_input_tokens": 1000},
        "output_tokens": 500,
    }
}


def test_cost_of_a_response_says_whose_rate_each_meter_has(claude: Run) -> None:
    """Input counted as Anthropic counts it: 1,000 fresh, 2,000 read, 1,000 and 3,000 written."""
    Path("response.json").write_text(json.dumps(ANTHROPIC))
    result = claude(
        *("cost", "openrouter", CLAUDE, "--usage-json", "response.json", "--as", "anthropic")
    )
    lines = result.out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert ["meter", "quantity", "per", "million", "amount", "billed", "as"] == lines[0].split()
    rows = [line.rstrip().split(maxsplit=4) for line in lines[1:-1] if "─" not in line]
    assert [
        ["input", "1000", "5", "0.005"],
        ["output", "500", "25", "0.0125"],
        ["cache_read", "2000", "5", "0.01", "input"],
        ["cache_write", "1000", "6.25", "0.00625"],
        ["cache_write_1h", "3000", "10", "0.03", "2 × input"],
    ] == rows
    assert "0.06375 USD" == lines[-1]


def test_cost_as_json_says_whose_rate_each_meter_has(
    claude: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From standard input too."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(ANTHROPIC["usage"])))
    arguments = ("--usage-json", "-", "--as", "anthropic", "--json")
    items = claude("cost", "openrouter", CLAUDE, *arguments).json["items"]
    assert {"cache_read": ("input", 1, False), "cache_write_1h": ("input", 2, False)} == {
        item["meter"]: (item["rate_meter"], item["rate_times"], item["is_standard_rate"])
        for item in items
        if item["rate_meter"] != item["meter"]
    }


def test_cost_shows_no_column_for_rates_that_are_all_the_meters_own(claude: Run) -> None:
    """Most usages need none."""
    assert "billed as" not in claude("cost", "openrouter", CLAUDE, "input=5", "output=1").out


def test_cost_of_a_response_in_a_tier_that_the_card_does_not_name(claude: Run) -> None:
    """The tier is the response's, unless the command line says another."""
    Path("batch.json").write_text(
        json.dumps({"input_tokens": 1, "output_tokens": 1, "service_tier": "batch"})
    )
    arguments = ("cost", "openrouter", CLAUDE, "--usage-json", "batch.json", "--as", "anthropic")
    refused = claude(*arguments)
    assert (1, "") == (refused.code, refused.out)
    assert "service tier batch" in refused.err
    assert "0.00003 USD" in claude(*arguments, "--tier", "standard").out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "give METER=QUANTITY, or --usage-json FILE"),
        (("input=1", "--usage-json", "u.json", "--as", "openai"), "give METER=QUANTITY, or"),
        (("--usage-json", "u.json"), "belong together"),
        (("input=1", "--as", "openai"), "belong together"),
        (("--usage-json", "u.json", "--as", "nobody"), "'nobody' is none of openai"),
        (("--usage-json", "missing.json", "--as", "openai"), "missing.json"),
        (("--usage-json", "u.json", "--as", "openai"), "no prompt_tokens or input_tokens"),
        (("--usage-json", "list.json", "--as", "openai"), "a list is no usage object"),
        (("--usage-json", "broken.json", "--as", "openai"), "usage: Expecting value"),
    ],
)
def test_cost_refuses_a_usage_that_it_cannot_read(
    claude: Run, arguments: tuple[str, ...], says: str
) -> None:
    """As bad input, with nothing that could be taken for a price."""
    for name, text in (("u.json", "{}"), ("list.json", "[1]"), ("broken.json", "")):
        Path(name).write_text(text)
    result = claude("cost", "openrouter", CLAUDE, *arguments)
    assert (2, "") == (result.code, result.out)
    assert says in " ".join(result.err.split())
