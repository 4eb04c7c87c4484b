"""Bulk pricing: cases worked out by hand, presets, conversion, and what is wrong with a file."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pricing_sync.errors import SettingsError
from pricing_sync.prices.book import PriceBook
from pricing_sync.prices.exchange import ExchangeRates
from pricing_sync.prices.rates import ConditionalRates, Meter, Per, Rate, RateCard, Rates, When
from pricing_sync.prices.usage import Usage
from pricing_sync.rerating import connection
from pricing_sync.rerating.rerate import STEPS

from cards import statement
from repriced import amount, instant, read_rows, reprice, row, write_csv, write_jsonl

START = instant("2026-07-01")


def usd(**rates: str) -> Rates:
    return {Meter(meter): Rate.of(amount, Per.MILLION) for meter, amount in rates.items()}


PLAIN = RateCard(usd(input="2.5", output="10", cache_read="0.25"))
#: Half the price from 16:30 to 00:30 UTC, as DeepSeek had it.
NIGHTLY = RateCard(usd(input="2"), (ConditionalRates(When(hours=(990, 30)), usd(input="1")),))
#: Cheaper on Saturdays and Sundays in Shanghai.
WEEKENDS = RateCard(
    usd(input="2"),
    (
        ConditionalRates(
            When(weekdays=frozenset({6, 7}), time_zone="Asia/Shanghai"), usd(input="1")
        ),
    ),
)
LONG = RateCard(
    usd(input="1.25", output="10"),
    (
        ConditionalRates(When(min_input_tokens=200_001), usd(input="2.5", output="15")),
        ConditionalRates(When(service_tier="batch"), usd(input="0.625", output="5")),
    ),
)


def book(*cards: tuple[str, RateCard, str, str | None], provider: str = "acme") -> PriceBook:
    """A book of (model, card, since, until)."""
    statements = [
        statement(
            model,
            card,
            instant(since),
            until=instant(until) if until else None,
            provider=provider,
        )
        for model, card, since, until in cards
    ]
    return PriceBook(statements, (), read_at=instant("2026-11-01"), since=START)


def costs(folder: Path, prices: PriceBook, rows: list[dict[str, Any]]) -> list[Any]:
    """What each row costs, or why it has no price."""
    write_csv(folder / "usage.csv", rows)
    reprice(folder / "usage.csv", folder / "out.csv", prices)
    return [
        found["rerated_reason"] or Decimal(found["rerated_cost"])
        for found in read_rows(folder / "out.csv")
    ]


def test_hours_that_begin_with_a_card_count_from_its_start(tmp_path: Path) -> None:
    """A discount at night that starts on 2026-07-18: not the night before, and at both edges."""
    prices = book(("m", PLAIN, "2026-07-01", "2026-07-18"), ("m", NIGHTLY, "2026-07-18", None))
    times = [
        "2026-07-17T23:59:59.999999",
        "2026-07-18",
        "2026-07-18T00:29:59.999999",
        "2026-07-18T00:30",
        "2026-07-18T16:29:59",
        "2026-07-18T16:30",
        "2026-10-18T23:00",
    ]
    rows = [row("m", instant(time), Usage(input=1_000_000)) for time in times]
    expected = [Decimal(amount) for amount in ("2.5", "1", "1", "2", "2", "1", "1")]
    assert expected == costs(tmp_path, prices, rows)


def test_weekdays_are_those_of_the_zone(tmp_path: Path) -> None:
    """Saturday begins in Shanghai at 16:00 UTC on Friday."""
    times = ["2026-07-17T15:59", "2026-07-17T16:00", "2026-07-19T15:59", "2026-07-19T16:00"]
    rows = [row("m", instant(time), Usage(input=1_000_000)) for time in times]
    prices = book(("m", WEEKENDS, "2026-07-01", None))
    assert [Decimal(2), Decimal(1), Decimal(1), Decimal(2)] == costs(tmp_path, prices, rows)


def test_a_promotion_ends_at_its_instant(tmp_path: Path) -> None:
    """To the microsecond; a gap without a card has no price."""
    prices = book(
        ("m", RateCard(usd(input="1")), "2026-07-01", "2026-07-10"),
        ("m", PLAIN, "2026-07-10", "2026-07-20"),
    )
    times = ["2026-07-09T23:59:59.999999", "2026-07-10", "2026-07-20"]
    rows = [row("m", instant(time), Usage(input=1_000_000)) for time in times]
    expected = [Decimal(1), Decimal("2.5"), "not in the price book"]
    assert expected == costs(tmp_path, prices, rows)


def test_contexts_tiers_and_parts(tmp_path: Path) -> None:
    """The long context from one token on; a batch, which the card has; a tier that it has not."""
    at = instant("2026-08-01")
    rows = [
        row("m", at, Usage(input=200_000, output=1)),
        row("m", at, Usage(input=200_001, output=1)),
        row("m", at, Usage(input=1000, output=100, service_tier="batch")),
        row("m", at, Usage(input=1000, service_tier="flex")),
        row("m", at, Usage(input=1000, input_audio=10)),
        row("m", at, Usage(input=1000)) | {"cache_read": 1001},
    ]
    assert [
        Decimal("0.25001"),
        Decimal("0.5000175"),
        Decimal("0.001125"),
        "service tier flex: the card names no rates for it",
        "input_audio: 10 used, and the card names no rate for it",
        "input: its parts are 1 more than the total",
    ] == costs(tmp_path, book(("m", LONG, "2026-07-01", None)), rows)


def test_a_cost_beyond_64_bits_is_exact(tmp_path: Path) -> None:
    """The largest rate times the largest count."""
    prices = book(("m", RateCard({Meter.INPUT: Rate(2**63 - 1)}), "2026-07-01", None))
    rows = [row("m", instant("2026-08-01"), Usage(input=10**15 - 1))]
    assert [Decimal("9223372036854766583.627963145224193")] == costs(tmp_path, prices, rows)


def test_many_rows_keep_their_order(tmp_path: Path) -> None:
    """Also where DuckDB would have several threads."""
    usage = tmp_path / "usage.parquet"
    _make(usage, "SELECT i AS id, 'acme' AS provider, 'm' || (i % 7) AS model, i AS input,"
          " TIMESTAMPTZ '2026-08-01' AS \"at\" FROM range(400000) t(i)")  # fmt: skip
    cards = [(f"m{n}", RateCard({Meter.INPUT: Rate(n)}), "2026-07-01", None) for n in range(7)]
    out = tmp_path / "out.parquet"
    lines = reprice(usage, out, book(*cards))
    assert 400_000 == sum(line.rows for line in lines)
    rows = read_rows(out)
    assert [*range(400_000)] == [found["id"] for found in rows]
    assert Decimal("1599992E-15") == (rows[399_998]["rerated_cost"])


def test_progress_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps in their order, each with a share of 1 at most."""
    monkeypatch.setattr(connection, "_POLL_SECONDS", 0.001)
    usage = tmp_path / "usage.parquet"
    _make(usage, "SELECT 'acme' AS provider, 'm' AS model, i AS input, TIMESTAMPTZ '2026-08-01'"
          " AS \"at\" FROM range(200000) t(i)")  # fmt: skip
    told: list[tuple[str, float]] = []
    reprice(
        usage,
        tmp_path / "out.parquet",
        book(("m", PLAIN, "2026-07-01", None)),
        on_progress=lambda step, share: told.append((step, share)),
    )
    steps = [step for step, _ in told]
    assert "pricing" in steps
    assert steps == sorted(steps, key=STEPS.index)
    assert all(0 <= share <= 1 for _, share in told)


def _make(path: Path, query: str) -> None:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"COPY ({query}) TO '{path}'")


USUAL = row("m", instant("2026-08-01"), Usage(input=1000))


def refusal(folder: Path, name: str, text: str | bytes, **options: Any) -> str:
    """The one line that says what is wrong with a file. No file is left beside it."""
    usage = folder / name
    usage.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError) as error:
        reprice(usage, folder / "out.csv", book(("m", PLAIN, "2026-07-01", None)), **options)
    assert [usage] == [*folder.iterdir()]
    message = str(error.value)
    assert "\n" not in message
    return message.removeprefix(f"{usage}: ")


HEAD = "at,provider,model,input\n"
GOOD = "2026-08-01,acme,m,1000\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("at,provider,input\n2026-08-01,acme,1\n", "no column 'model'; its columns are at, pro"),
        ("at,provider,model\n2026-08-01,acme,m\n", "no column 'input'; its columns are at, pro"),
        (HEAD + GOOD + "2026-08-01,acme,m,1.5\n", "row 2: input: '1.5' is not a whole number"),
        (HEAD + GOOD + "2026-08-01,acme,m,-1\n", "row 2: input: '-1' is not a whole number"),
        (HEAD + GOOD + "2026-08-01,acme,m,1e3\n", "row 2: input: '1e3' is not a whole number"),
        (HEAD + GOOD + f"2026-08-01,acme,m,{10**15}\n", "row 2: input: '1000000000000000' is not"),
        (HEAD + GOOD + "soon,acme,m,1\n", "row 2: at: 'soon' is not a time of a request"),
        (HEAD + GOOD + "1785542400000,acme,m,1\n", "row 2: at: '1785542400000' is not a time"),
        (HEAD + GOOD + ",acme,m,1\n", "row 2: at: nothing is there"),
        (HEAD + GOOD + "2026-08-01,acme,m\n", "row 2: Expected Number of Columns: 4 Found: 3"),
        (HEAD + GOOD + '2026-08-01,acme,"m,1\n', "row 2: Value with unterminated quote found"),
        ("at,at,model\n", "the column 'at' is there twice"),
        ("", "it is empty"),
        (HEAD[:-1] + ",rerated_cost\n", "the column 'rerated_cost' is there: it is priced already"),
        (
            HEAD[:-1] + ",cost,currency\n2026-08-01,acme,m,1,1,USD\n2026-08-01,acme,m,1,1,EUR\n",
            "row 2: currency: 'EUR', where the rows before are in 'USD'",
        ),
        (HEAD[:-1] + ",cost\n2026-08-01,acme,m,1,free\n", "row 1: cost: 'free' is not an amount"),
    ],
)
def test_what_is_wrong_with_a_table_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    """With the row, and without a half-written file."""
    assert refusal(tmp_path, "usage.csv", text).startswith(message)


def test_what_is_wrong_with_other_files_is_one_line(tmp_path: Path) -> None:
    """A cut line of JSON, a value that is no object, a cut Parquet file, another ending."""
    good = json.dumps({"at": "2026-08-01", "provider": "acme", "model": "m", "input": 1}) + "\n"
    assert refusal(tmp_path, "a.jsonl", good + good[:30]).startswith("row 2: ")
    (tmp_path / "a.jsonl").unlink()
    assert "row 2: input: 'x' is not a whole number" == (
        refusal(tmp_path, "a.jsonl", good + good.replace("1}", '"x"}'))
    )
    (tmp_path / "a.jsonl").unlink()
    whole = tmp_path / "whole.parquet"
    _make(whole, "SELECT DATE '2026-08-01' AS \"at\", 'acme' AS provider, 'm' AS model, 1 AS input")
    cut = whole.read_bytes()[:-20]
    whole.unlink()
    assert refusal(tmp_path, "a.parquet", cut).startswith("No magic bytes found at end of file")
    (tmp_path / "a.parquet").unlink()
    assert "its name ends with none of .csv, .jsonl, .ndjson, .parquet" in (
        refusal(tmp_path, "a.xlsx", b"")
    )
    (tmp_path / "a.xlsx").unlink()
    assert "no column for 'cost'" in refusal(tmp_path, "a.csv", HEAD + GOOD, compare=True)


def test_a_fraction_in_parquet_is_no_count(tmp_path: Path) -> None:
    """12.0 is 12, as tables with empty cells have it; 12.5 is nothing."""
    query = (
        "SELECT DATE '2026-08-01' AS \"at\", 'acme' AS provider, 'm' AS model, x AS input"
        " FROM (VALUES (1000.0::DOUBLE), (NULL), ({})) t(x)"
    )
    usage, out = tmp_path / "u.parquet", tmp_path / "out.parquet"
    _make(usage, query.format("12.5::DOUBLE"))
    prices = book(("m", PLAIN, "2026-07-01", None))
    with pytest.raises(SettingsError, match=r"row 3: input: '12.5' is not a whole number"):
        reprice(usage, out, prices)
    _make(usage, query.format("12.0::DOUBLE"))
    reprice(usage, out, prices)
    found = [found["rerated_cost"] for found in read_rows(out)]
    assert [Decimal("0.0025"), Decimal(0), Decimal("0.00003")] == found


@pytest.mark.parametrize("kind", ["TINYINT", "BIGINT", "HUGEINT", "UBIGINT", "DECIMAL(18, 0)"])
def test_a_count_that_is_not_there_in_parquet_was_not_used(tmp_path: Path, kind: str) -> None:
    """In a column of any kind of number."""
    query = (
        "SELECT DATE '2026-08-01' AS \"at\", 'acme' AS provider, 'm' AS model, x AS input"
        f" FROM (VALUES (100::{kind}), (NULL)) t(x)"
    )
    usage, out = tmp_path / "u.parquet", tmp_path / "out.parquet"
    _make(usage, query)
    reprice(usage, out, book(("m", PLAIN, "2026-07-01", None)))
    assert [Decimal("0.00025"), Decimal(0)] == [row["rerated_cost"] for row in read_rows(out)]


def test_an_amount_is_also_converted_with_the_rate_of_its_day(tmp_path: Path) -> None:
    """To 10⁻¹⁵, half even, with the rate beside it; without a rate there is only the reason."""
    rates = ExchangeRates({date(2026, 7, 31): {"USD": Decimal("1.1")}})
    at, later = instant("2026-08-01"), instant("2026-09-01")
    rows = [row("m", at, Usage(input=1000)), row("m", later, Usage(input=1000))]
    write_csv(tmp_path / "u.csv", rows)
    [line] = reprice(
        tmp_path / "u.csv",
        tmp_path / "out.csv",
        book(("m", PLAIN, "2026-07-01", None)),
        currency="EUR",
        exchange=rates,
    )
    first, second = read_rows(tmp_path / "out.csv")
    assert "0.002272727272727" == first["rerated_converted"]
    assert "1 USD = 0.9090909091 EUR (ECB, 2026-07-31)" == first["rerated_exchange"]
    assert None is second["rerated_converted"]
    assert second["rerated_exchange"].startswith("no exchange rate of USD to EUR")
    assert (Decimal("0.005"), Decimal("0.002272727272727")) == (line.new, line.converted)


def test_a_given_cost_is_compared(tmp_path: Path) -> None:
    """New minus old; a row without a price has no difference, and its old cost still counts."""
    rows = [
        {**USUAL, "cost": "0.002"},
        {**USUAL, "cost": "3e-3"},
        {**USUAL, "cost": "1", "input_audio": 5},
    ]
    write_csv(tmp_path / "u.csv", rows)
    prices = book(("m", PLAIN, "2026-07-01", None))
    [line] = reprice(tmp_path / "u.csv", tmp_path / "out.csv", prices, compare=True)
    found = [amount(found["rerated_difference"]) for found in read_rows(tmp_path / "out.csv")]
    assert [Decimal("0.0005"), Decimal("-0.0005"), None] == found
    assert (3, 1, Decimal("0.005"), Decimal("1.005"), Decimal(0)) == (
        line.rows, line.unpriced, line.new, line.old, line.difference
    )  # fmt: skip


LITELLM = {
    "startTime": "2026-08-01T00:00:00.000Z",
    "custom_llm_provider": "acme",
    "model": "m",
    "prompt_tokens": 1000,
    "completion_tokens": 100,
    "spend": 0.0031,
    "metadata": {"additional_usage_values": {"cache_read_input_tokens": 400}},
}
LANGFUSE = {
    "start_time": "2026-08-01 00:00:00.000000",
    "provided_model_name": "m",
    "usage_details": {"input": 600, "input_cached_tokens": 400, "output": 100, "total": 1100},
    "total_cost": 0.0026,
}
OPENROUTER = {
    "created_at": "2026-08-01 00:00:00.040",
    "model_permaslug": "m",
    "tokens_prompt": 1000,
    "tokens_completion": 100,
    "tokens_reasoning": 0,
    "tokens_cached": 400,
    "cost_total": "0.0026",
}
OPENAI = {
    "start_time": 1785542400,
    "model": "m",
    "input_tokens": 1000,
    "input_cached_tokens": 400,
    "output_tokens": 100,
    "num_model_requests": 5,
    "batch": False,
    "service_tier": None,
}


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
@pytest.mark.parametrize(
    ("preset", "logged", "provider"),
    [
        ("litellm", LITELLM, "acme"),
        ("langfuse", LANGFUSE, "acme"),
        ("openrouter", OPENROUTER, "openrouter"),
        ("openai", OPENAI, "openai"),
    ],
)
def test_the_logs_of_known_tools_are_read(
    tmp_path: Path, preset: str, logged: dict[str, Any], provider: str, ending: str
) -> None:
    """1,000 tokens of input, 400 of them cached, and 100 of output, in each tool's words."""
    usage = tmp_path / f"usage.{ending}"
    if ending == "csv":
        cells = {k: json.dumps(v) if isinstance(v, dict) else v for k, v in logged.items()}
        write_csv(usage, [cells])
    else:
        write_jsonl(usage, [logged])
    prices = book(("m", PLAIN, "2026-07-01", None), provider=provider)
    of_all = "acme" if preset == "langfuse" else None
    reprice(usage, tmp_path / "out.csv", prices, preset=preset, provider=of_all)
    [found] = read_rows(tmp_path / "out.csv")
    assert (None, "0.0026") == (found["rerated_reason"], found["rerated_cost"])


def test_a_sum_of_requests_does_not_tell_their_context(tmp_path: Path) -> None:
    """Below the long context none can have reached it; above it, nobody knows."""
    rows = [OPENAI, OPENAI | {"input_tokens": 300_000, "input_cached_tokens": 0}]
    write_jsonl(tmp_path / "u.jsonl", [*rows, rows[1] | {"num_model_requests": 1, "batch": True}])
    prices = book(("m", LONG, "2026-07-01", None), provider="openai")
    reprice(tmp_path / "u.jsonl", tmp_path / "out.csv", prices, preset="openai")
    found = [f["rerated_reason"] or f["rerated_cost"] for f in read_rows(tmp_path / "out.csv")]
    assert [
        "0.00225",
        "the sum of 5 requests: which of them have 200001 input tokens or more is not known",
        "0.188",
    ] == found


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_column_may_have_any_name(tmp_path: Path, ending: str) -> None:
    """Also one that the queries use for something else; it is written as it was."""
    taken = ("c0", "fault", "femtos", "id", "own_input", "rate_input", "requests", "width")
    others = dict.fromkeys(taken, "7")
    others |= {"reason": "none", "a \"b\" 'c'": "d"}
    write_csv(tmp_path / "u.csv", [USUAL | others | {"requests": "1"}])
    out = tmp_path / f"out.{ending}"
    reprice(tmp_path / "u.csv", out, book(("m", PLAIN, "2026-07-01", None)))
    [found] = read_rows(out)
    assert Decimal("0.0025") == amount(found["rerated_cost"])
    assert others | {"requests": "1"} == {name: found[name] for name in others}


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_file_without_rows_is_a_file_without_rows(tmp_path: Path, ending: str) -> None:
    """Of every kind."""
    (tmp_path / "u.csv").write_text(HEAD)
    out = tmp_path / f"out.{ending}"
    assert [] == reprice(tmp_path / "u.csv", out, book(("m", PLAIN, "2026-07-01", None)))
    assert [] == read_rows(out)


def test_columns_are_named_and_added(tmp_path: Path) -> None:
    """A path into JSON, the first of two that is there, and a sum."""
    logged = {"t": 1785542400, "m": "m", "u": {"fresh": 600, "hit": 400}, "late": None}
    write_jsonl(tmp_path / "u.jsonl", [logged])
    reprice(
        tmp_path / "u.jsonl",
        tmp_path / "out.jsonl",
        book(("m", PLAIN, "2026-07-01", None)),
        named="at=late|t,model=m,input=u.fresh + u.hit,cache_read=u.hit",
        provider="acme",
    )
    [found] = read_rows(tmp_path / "out.jsonl")
    assert "0.0016" == found["rerated_cost"]
    assert logged == {name: found[name] for name in logged}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "splunk"}, "--preset: 'splunk' is none of litellm, langfuse"),
        ({"named": "at"}, "--columns: 'at' is not FIELD=COLUMN"),
        ({"named": "tokens=a"}, "--columns: 'tokens' is none of provider, model"),
        ({"named": "input=tokens"}, "no column 'tokens' for 'input'; its columns are at, pro"),
    ],
)
def test_a_wrong_name_is_one_line(tmp_path: Path, options: dict[str, str], message: str) -> None:
    """Of a preset, a field, a column."""
    assert refusal(tmp_path, "usage.csv", HEAD + GOOD, **options).startswith(message)


def test_without_duckdb_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else of the package needs it."""
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert "rerate: pip install 'pricing-sync[bulk]' to use it" == (
        refusal(tmp_path, "usage.csv", HEAD + GOOD)
    )


def test_the_package_is_imported_without_duckdb() -> None:
    """It is an extra."""
    program = "import sys, pricing_sync.cli; sys.exit('duckdb' in sys.modules)"
    assert 0 == subprocess.run([sys.executable, "-c", program], check=False).returncode
