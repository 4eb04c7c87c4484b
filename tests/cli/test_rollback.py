"""`rollback`, and its route."""

from __future__ import annotations

from pathlib import Path

import pytest

from built import openrouter, priced
from command import Run


@pytest.fixture
def run(run: Run) -> Run:
    """Two days: `maker/a` moves by 4 percent, `maker/new` comes."""
    before, after = {"maker/a": priced()}, {"maker/a": priced("0.0000026"), "maker/new": priced()}
    for day, models in ((17, before), (18, after)):
        Path("answer.json").write_bytes(openrouter(models))
        arguments = ("--answer", "answer.json", "--at", f"2026-07-{day}T06:00Z")
        assert 0 == run("sync", "openrouter", *arguments).code
    return run


ROLLBACK = ("rollback", "openrouter", "--to", "2026-07-17T12:00Z", "--reason", "a wrong list")


def input_of(run: Run) -> str:
    (price,) = run("prices", "openrouter", "maker/a", "--json").json
    return str(price["rates"]["input"])


def test_it_shows_what_it_did(run: Run) -> None:
    """Each model with its move, and how many."""
    result = run(*ROLLBACK)
    assert 0 == result.code
    assert "openrouter maker/a: input 2.6 → 2.5 (-3.85 %)" in result.out
    assert "openrouter maker/new: " in result.out
    assert "→ no price" in result.out
    assert "2 models as of 2026-07-17" in result.err
    assert "2.5" == input_of(run)
    assert "rollback" in run("audit-log").out


def test_a_dry_run_shows_the_same_and_does_nothing(run: Run) -> None:
    """So that a person can look first."""
    dry = run(*ROLLBACK, "--dry-run")
    assert "; nothing is changed" in dry.err
    assert "2.6" == input_of(run)
    assert dry.out == run(*ROLLBACK).out


def test_as_json_it_has_both_listings(run: Run) -> None:
    """In the shape of the API."""
    found = run(*ROLLBACK, "--model", "maker/a", "--json").json
    assert [("maker/a", "2.6", "2.5")] == [
        (one["model"], one["old"]["rates"]["input"], one["new"]["rates"]["input"]) for one in found
    ]


def test_nothing_to_undo_is_an_error(run: Run) -> None:
    """In one line, which says since when."""
    result = run("rollback", "openrouter", "--to", "2026-07-19", "--reason", "x")
    assert (2, "") == (result.code, result.out)
    assert "openrouter: nothing has changed since 2026-07-19T00:00" in result.err
