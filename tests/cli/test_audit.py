"""`audit`: what is wrong with what is stored, on the command line."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from built import openrouter, priced
from command import Run

pytestmark = pytest.mark.sqlite("PostgreSQL refuses such rows")


def read_list(run: Run, models: dict[str, dict[str, str]]) -> None:
    Path("answer.json").write_bytes(openrouter(models))
    assert 0 == run("sync", "openrouter", "--answer", "answer.json", "--json").code


def plant(sql: str) -> None:
    """What somebody types into the database."""
    with closing(sqlite3.connect("pricing-sync.db")) as connection:
        connection.execute("PRAGMA ignore_check_constraints = 1")
        connection.execute(sql)
        connection.commit()


def test_nothing_wrong_is_exit_code_0(run: Run) -> None:
    """And an empty list for programs."""
    read_list(run, {"maker/a": priced()})
    result = run("audit", "--json")
    assert (0, []) == (result.code, result.json)
    assert "nothing is wrong" in run("audit").err


def test_a_price_planted_in_sql_is_reported(run: Run) -> None:
    """A fraction where a whole number belongs: a command that reads prices stumbles over it."""
    read_list(run, {"maker/a": priced(), "maker/b": priced()})
    plant("UPDATE pricing_ledger SET input = 5E-12 WHERE model = 'maker/a'")
    result = run("audit", "--json")
    assert 1 == result.code
    (finding,) = result.json
    assert {
        "provider": "openrouter",
        "model": "maker/a",
        "meter": "input",
        "rule": "unreadable",
        "severity": "error",
    } == {key: value for key, value in finding.items() if key != "detail"}
    assert finding["detail"].startswith("5e-12: ")


def test_a_readable_price_planted_in_sql_is_reported(run: Run) -> None:
    """A million times too high is a whole number too."""
    read_list(run, {"maker/a": priced()})
    plant("UPDATE pricing_ledger SET input = input * 1000000, output = output * 1000000")
    assert {"out_of_bounds"} <= {finding["rule"] for finding in run("audit", "--json").json}
    assert "out_of_bounds" in run("audit").out


def test_models_with_the_same_finding_share_a_line(run: Run) -> None:
    """Of a change that is held, the rules only: `held` has their figures."""
    read_list(run, {f"maker/{name}": priced() for name in "abcdefgh"})
    read_list(run, {"maker/a": priced()})
    result = run("audit")
    (line,) = (line for line in result.out.splitlines() if "unconfirmed" in line)
    assert line.startswith("warning  openrouter: unconfirmed: held by mass_vanish; last confirmed ")
    assert line.endswith(": maker/b, maker/c, maker/d, maker/e, maker/f, maker/g, maker/h")


def test_a_broken_row_of_one_provider_does_not_hide_another_s(run: Run) -> None:
    """Each row is read for itself."""
    read_list(run, {"maker/a": priced(), "maker/b": priced()})
    plant("UPDATE pricing_ledger SET conditional_rates = '{' WHERE model = 'maker/a'")
    plant("UPDATE pricing_ledger SET output = 0 WHERE model = 'maker/b'")
    found = {(entry["model"], entry["rule"]) for entry in run("audit", "--json").json}
    assert {("maker/a", "unreadable"), ("maker/b", "zero")} <= found


def test_one_provider_only(run: Run) -> None:
    """By name; one that is not stored is bad input."""
    read_list(run, {"maker/a": priced()})
    plant("UPDATE pricing_ledger SET input = 'cheap'")
    assert 1 == run("audit", "openrouter").code
    result = run("audit", "together")
    assert (2, True) == (result.code, "together: nothing is stored" in result.err)
    assert 2 == run("audit", "nobody").code


def test_a_provider_that_is_not_read_any_more(run: Run) -> None:
    """By when it was last asked, not by how old its list is."""
    read_list(run, {"maker/a": priced()})
    plant("UPDATE pricing_readings SET finished_at = '2026-01-01T00:00:00.000000Z'")
    (finding,) = run("audit", "--json").json
    assert ("age", None) == (finding["rule"], finding["model"])
    hours = (datetime.now(UTC) - datetime(2026, 1, 1, tzinfo=UTC)).days * 24 + 48
    assert [] == run("audit", "--json", "--max-age-hours", str(hours)).json


def test_an_override_that_the_provider_has_moved_under(run: Run) -> None:
    """It counts until somebody ends it, so somebody is told."""
    read_list(run, {"maker/a": priced()})
    run("override", "set", "openrouter", "maker/a", "input=2", "--reason", "agreed")
    assert [] == run("audit", "--json").json
    read_list(run, {"maker/a": priced("0.000003")})
    (finding,) = run("audit", "--json").json
    assert ("override_moved", "warning") == (finding["rule"], finding["severity"])


def test_thresholds_of_the_settings_count(run: Run) -> None:
    """The audit and the gate judge by the same numbers."""
    read_list(run, {"maker/a": priced()})
    plant("UPDATE pricing_ledger SET output = input * 40")
    assert ["relation"] == [entry["rule"] for entry in run("audit", "--json").json]
    Path("pricing-sync.toml").write_text("[provider.openrouter.gate]\noutput_to_input = 50\n")
    assert [] == run("audit", "--json").json
