"""`rerate`: the report, the modes, the exit codes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.prices.rates import Meter, Per, Rate
from pricing_sync.settings import load_settings

from built import openrouter, priced
from command import Run
from repriced import read_rows

USAGE = """\
at,model,input,output,cost
2026-07-17T12:00,maker/a,1000,100,0.0035
2026-07-18T12:00,maker/a,1000,100,0.0035
2026-07-18T12:00,maker/b,1000,100,0.001
"""


@pytest.fixture(name="prices")
def prices_fixture(run: Run) -> Run:
    """A model whose price has fallen, and a file of its usage."""
    for day, prompt in (("2026-07-17", "0.0000025"), ("2026-07-18", "0.000002")):
        Path("list.json").write_bytes(openrouter({"maker/a": priced(prompt)}))
        assert 0 == run("sync", "openrouter", "--answer", "list.json", "--at", day).code
    Path("usage.csv").write_text(USAGE)
    return run


OPENROUTER = ("rerate", "usage.csv", "--provider", "openrouter")


def costs(file: str = "out.csv") -> list[Decimal | None]:
    cells = [row["rerated_cost"] for row in read_rows(Path(file))]
    return [Decimal(cell) if cell else None for cell in cells]


def test_each_row_is_priced_as_of_its_time(prices: Run) -> None:
    """The report is on standard output. A row without a price is exit code 3."""
    done = prices(*OPENROUTER, "-o", "out.csv")
    assert (3, "") == (done.code, done.err)
    heading, first, second, reason = (line.split() for line in done.out.splitlines())
    assert ["provider", "model", "rows", "unpriced", "new", "USD", "old"] == heading
    assert ["openrouter", "maker/a", "2", "0.0065", "0.007"] == first
    assert ["openrouter", "maker/b", "1", "1", "0.001"] == second
    assert "1 without a price: openrouter maker/b: not in the price book" == " ".join(reason)
    assert [Decimal("0.0035"), Decimal("0.003"), None] == costs()
    assert USAGE.splitlines()[1] == ",".join([*read_rows(Path("out.csv"))[0].values()][:5])


def test_the_given_costs_are_compared(prices: Run) -> None:
    """As JSON, amounts are texts."""
    done = prices(*OPENROUTER, "-o", "out.parquet", "--compare", "--json", "--any-order")
    first, second = done.json
    assert {
        "provider": "openrouter",
        "model": "maker/a",
        "currency": "USD",
        "rows": 2,
        "unpriced": 0,
        "new": "0.0065",
        "converted": None,
        "old": "0.007",
        "difference": "-0.0005",
        "reason": None,
    } == first
    assert (1, None, "0.001", None) == (
        second["unpriced"], second["new"], second["old"], second["difference"]
    )  # fmt: skip


def test_rows_without_a_price_are_the_only_reason_for_exit_3(prices: Run) -> None:
    """All priced is 0; no rows at all is 0, too."""
    Path("usage.csv").write_text("".join(USAGE.splitlines(keepends=True)[:3]))
    assert 0 == prices(*OPENROUTER, "-o", "out.csv").code
    Path("usage.csv").write_text(USAGE.splitlines()[0])
    done = prices(*OPENROUTER, "-o", "out.csv")
    assert (0, "", "the file has no rows\n") == done
    assert [] == read_rows(Path("out.csv"))


def test_other_rates_are_tried(prices: Run) -> None:
    """A table of a person: over the card of each time, and for a model that has none."""
    Path("rates.csv").write_text(
        "provider,model,meter,per_million\nopenrouter,maker/a,input,1\nopenrouter,maker/b,input,3\n"
        "openrouter,maker/b,output,0\n"
    )
    assert 0 == prices(*OPENROUTER, "-o", "out.csv", "--what-if", "rates.csv").code
    assert [Decimal("0.002"), Decimal("0.002"), Decimal("0.003")] == costs()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "out.xlsx"], "--output: out.xlsx: its name ends with none of .csv"),
        (["-o", "nowhere/out.csv"], "--output: nowhere/out.csv: no such folder"),
        (["-o", "usage.csv"], "--output: usage.csv: this is the usage itself"),
        (["-o", "out.csv", "--what-if", "none.csv"], "--what-if: none.csv: "),
        (["-o", "out.csv", "--what-if", "list.json"], "--what-if: list.json: no column 'provider'"),
        (["-o", "out.csv", "--what-if", "bad.csv"], "--what-if: bad.csv: row 1: "),
        (["-o", "out.csv", "--what-if", "euro.csv"], "the rate to try is not in the currency"),
        (["-o", "out.csv", "--what-if", "bad.csv", "--as-known-at", "2026-07-17"], "--what-if is"),
    ],
)
def test_what_is_wrong_is_one_line(prices: Run, arguments: list[str], message: str) -> None:
    """Exit code 2, and no file."""
    head = "provider,model,meter,per_million,currency\n"
    Path("bad.csv").write_text(head + "openrouter,maker/a,input,cheap,USD\n")
    Path("euro.csv").write_text(head + "openrouter,maker/a,input,1,EUR\n")
    before = {*Path().iterdir()}
    code, out, err = prices(*OPENROUTER, *arguments)
    assert (2, "", 1) == (code, out, err.count("\n"))
    assert message in err
    assert before == {*Path().iterdir()}


def test_what_was_known_then_is_what_price_knew_then(prices: Run) -> None:
    """An override that was set later for an earlier time does not count; one that ended does."""
    with PricingSync(load_settings()) as app:
        before = datetime.now(UTC)
        app.set_override(
            "openrouter",
            "maker/a",
            {Meter.INPUT: Rate.of(1, Per.MILLION)},
            author="a",
            reason="r",
            since=datetime(2026, 7, 17, tzinfo=UTC),
        )
        between = datetime.now(UTC)
        app.end_override("openrouter", "maker/a", at=datetime(2026, 7, 17, tzinfo=UTC))
        for known_at in (before, between, datetime.now(UTC), datetime(2026, 7, 17, tzinfo=UTC)):
            known = known_at.isoformat()
            assert 3 == prices(*OPENROUTER, "-o", "out.csv", "--as-known-at", known).code
            expected = []
            for day in (17, 18):
                at = datetime(2026, 7, day, 12, tzinfo=UTC)
                found = app.prices("openrouter", "maker/a", at=at, known_at=known_at)
                rate = found[0].listing.rates[Meter.INPUT] if found else None  # type: ignore[union-attr]
                expected.append(
                    None if rate is None else Decimal(f"{1000 * rate}E-15") + Decimal("0.001")
                )
            assert expected == costs()[:2]
    assert timedelta(0) < between - before


def test_a_name_that_was_published_later_was_not_known_then(run: Run) -> None:
    """Usage under a name without a price then; under the model that it stood for, it has one."""
    known = []
    for alias in ("maker/old", "maker/new"):
        row = {"id": "maker/a", "pricing": priced(), "canonical_slug": alias}
        Path("list.json").write_text(json.dumps({"data": [row]}))
        assert 0 == run("sync", "openrouter", "--answer", "list.json").code
        known.append(datetime.now(UTC).isoformat())
    rows = [f"{known[0]},{model},1000\n" for model in ("maker/old", "maker/new")]
    Path("usage.csv").write_text("at,model,input\n" + "".join(rows))
    for known_at, expected in zip(
        known, ([Decimal("0.0025"), None], [None, Decimal("0.0025")]), strict=True
    ):
        assert 3 == run(*OPENROUTER, "-o", "out.csv", "--as-known-at", known_at).code
        assert expected == costs()


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_instants_are_written_in_iso_8601(prices: Run, kind: str) -> None:
    """In UTC, as everywhere."""
    assert 3 == prices(*OPENROUTER, "-o", f"out.{kind}").code
    found = [row["rerated_since"] for row in read_rows(Path(f"out.{kind}"))]
    assert ["2026-07-17T00:00:00Z", "2026-07-18T00:00:00Z", None] == found
