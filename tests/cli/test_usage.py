"""The commands of recorded usage."""

from __future__ import annotations

import io
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.settings import load_settings

from built import priced
from command import Result, Run
from databases import database_url
from usage_rows import NOW, ledger, lines, replay, row


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ledger with `maker/a` and `maker/b`, as the commands' database."""
    monkeypatch.setenv("PRICING_SYNC_DATABASE", database_url(tmp_path))
    with ledger(tmp_path):
        return tmp_path


def take(run: Run, folder: Path, *rows: dict[str, Any], options: tuple[str, ...] = ()) -> Result:
    file = folder / "usage.jsonl"
    file.write_bytes(b"\n".join(lines(*rows)) + b"\n\n")
    return run("usage", str(file), *options)


def test_a_file_is_taken_in(run: Run, database: Path) -> None:
    """The counts, what has no price and why, and our cost."""
    code, out, _ = take(run, database, row(), row("maker/x"), row("maker/b"))
    assert (0, "3 rows: 2 priced; without a price: 1 unknown_model\n0.0065 USD\n") == (code, out)
    code, out, _ = run("unpriced")
    heading, line = out.splitlines()
    assert heading.split()[:3] == ["provider", "model", "requests"]
    assert line.startswith("openrouter  maker/x         1  ")
    assert "not in the ledger at" in line
    (found,) = run("unpriced", "--json").json
    assert ("maker/x", 1) == (found["model"], found["requests"])
    assert "without a price in the last 7 days: 1 request of 1 model" in run("status").out


def test_a_file_counts_once_by_its_key(run: Run, database: Path) -> None:
    """As `--json` says too."""
    key = ("--idempotency-key", "monday")
    first = take(run, database, row(), options=(*key, "--json")).json
    again = take(run, database, row(), options=(*key, "--json")).json
    assert (False, True, first["cost"]) == (first["repeated"], again["repeated"], again["cost"])
    assert "counted then" in take(run, database, row(), options=key).out
    other = take(run, database, row("maker/b"), options=key)
    assert (2, "error: idempotency key 'monday': was used for another batch\n") == (
        *(other.code, other.err),
    )


def test_standard_input(run: Run, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the mark that some editors put before the first line."""
    assert database.is_dir()
    text = io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbf" + lines(row())[0]))
    monkeypatch.setattr(sys, "stdin", text)
    assert (0, "1 row: 1 priced\n0.003 USD\n") == run("usage", "-")[:2]


def test_bad_rows_are_named_by_their_lines(run: Run, database: Path) -> None:
    """Exit code 2, and nothing is stored."""
    rows = [row(), row(usage={"input": "many"}), row(cost="1"), row()]
    code, out, err = take(run, database, *rows)
    assert (2, "") == (code, out)
    assert "usage: row 2: input: 'many' is not a whole number" in err
    assert "row 3: cost and currency belong together" in err
    assert "2 rows are bad; nothing was stored" in err
    assert "no request without a price was recorded" in run("unpriced").err
    code, _, err = run("usage", "missing.jsonl")
    assert (2, "error: missing.jsonl: No such file or directory\n") == (code, err)
    assert 2 == run("usage", str(database)).code


def test_reconcile_prints_the_ratio_and_the_rates(run: Run, database: Path) -> None:
    """Our input rate is 2; the provider has charged 3."""
    usages = ((1000, 100), (1000, 200))
    rows = [
        row(
            at=NOW - timedelta(hours=hours),
            usage={"input": used, "output": out},
            cost=f"{3 * used + 10 * out}e-6",
            currency="USD",
        )
        for hours, (used, out) in enumerate(usages, 1)
    ]
    assert 0 == take(run, database, *rows, row("maker/b"), row("maker/x")).code
    code, out, _ = run("reconcile")
    assert 0 == code
    heading, everything, model, rate = out.splitlines()
    assert heading.split() == [
        *("provider", "model", "requests", "ours", "reported", "ratio", "lowest", "highest"),
    ]
    assert everything.split() == [
        *("openrouter", "all", "models", "2", "0.007", "USD", "0.009"),
        *("1.2857", "1.2500", "1.3333", "drifts"),
    ]
    assert model.split()[:2] == ["openrouter", "maker/a"]
    assert rate == "openrouter maker/a: input 2 stored, 3 implied exactly by 2 hours"
    _, out, _ = run("reconcile", "openrouter", "maker/a")
    assert "openrouter maker/a: output 10 stored, 10 implied exactly by 2 hours" in out
    found = run("reconcile", "--json").json
    assert "1.285714286" == found["items"][0]["ratio"]
    assert "reports 0.009 for 0.007 USD of ours in the last day" in run("status").out
    assert "no request with a reported cost was recorded" in run("reconcile", "novita").err


def test_held_is_sorted_by_what_is_at_stake(run: Run, database: Path) -> None:
    """And says what the traffic of the last days would cost."""
    take(run, database, row("maker/b"), row("maker/b"))
    with PricingSync(load_settings()) as app:
        dear = {"maker/a": priced("0.02"), "maker/b": priced("0.0025")}
        replay(app, dear)
    code, out, _ = run("held")
    assert 0 == code
    assert out.index("maker/b") < out.index("maker/a")
    assert "traffic: 2 requests in 7 days: 0.007 → 5.002 USD" in out
    assert 1 == out.count("traffic:")
    first, second = json.loads(run("held", "--json").out)
    assert ("maker/b", "5.002") == (first["model"], first["blast_radius"]["amounts"][0]["new"])
    assert second["blast_radius"] is None
