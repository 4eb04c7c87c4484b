"""The command line, as a person or a program uses it: arguments in, text and exit codes out."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from built import catalogue, openrouter, priced
from command import Result, Run


def record(name: str, body: bytes) -> str:
    Path(name).write_bytes(body)
    return name


def read_two_days(run: Run) -> Result:
    first = record("first.json", openrouter({"maker/a": priced(), "maker/b": priced()}))
    second = record(
        "second.json", openrouter({"maker/a": priced("0.000002"), "maker/auto": priced("-1", "-1")})
    )
    return run(
        *("sync", "openrouter", "--json"),
        *("--answer", first, "--at", "2026-07-17", "--answer", second, "--at", "2026-07-18T06:00"),
    )


def test_recorded_days_go_through_the_same_reading(run: Run) -> None:
    """In order, each at its own time, as one run."""
    result = read_two_days(run)
    assert (0, "success") == (result.code, result.json["status"])
    first, second = result.json["readings"]
    assert (2, "2026-07-17T00:00:00Z") == (first["changes"]["added"], first["at"])
    assert (["maker/b"], "2026-07-18T06:00:00Z") == (second["missing"], second["at"])
    (changed,) = [change for change in second["applied"] if change["kind"] == "changed"]
    assert ("2.5", "2") == (changed["old"]["rates"]["input"], changed["new"]["rates"]["input"])


def test_prices_as_json_have_the_published_shape(run: Run) -> None:
    """What other programs read: decimal strings per million, null and a reason for no price."""
    read_two_days(run)
    a, auto, b = run("prices", "--json").json
    recorded_at = a.pop("recorded_at")
    assert recorded_at.endswith("Z")
    assert a.pop("age_seconds") > 0
    assert {
        "provider": "openrouter",
        "model": "maker/a",
        "currency": "USD",
        "rates": {"input": "2", "output": "10"},
        "conditional_rates": [],
        "reason": None,
        "since": "2026-07-18T06:00:00Z",
        "source": "api",
        "state": "confirmed",
        "confirmed_at": "2026-07-18T06:00:00Z",
        "read_at": "2026-07-18T06:00:00Z",
        "resolved_to": None,
        "scheduled": [],
        "ends_on": None,
        "deprecated": False,
        "replaced_by": None,
    } == a
    assert (None, True) == (auto["rates"], auto["reason"].startswith("varies"))
    assert "maker/b" == b["model"]


def test_prices_of_another_instant(run: Run) -> None:
    """As it was then, whatever is known now."""
    read_two_days(run)
    (then,) = run("prices", "openrouter", "maker/a", "--at", "2026-07-17T12:00Z", "--json").json
    assert "2.5" == then["rates"]["input"]
    assert [] == run("prices", "--known-at", "2026-01-01", "--json").json


def test_history_tells_both_clocks_and_the_evidence(run: Run) -> None:
    """And the evidence can be had, byte for byte."""
    read_two_days(run)
    old, new = run("history", "openrouter", "maker/a", "--json").json
    assert ("2026-07-18T06:00:00Z", None) == (old["until"], new["until"])
    assert ("2.5", "2") == (old["rates"]["input"], new["rates"]["input"])
    assert Path("first.json").read_text() == run("evidence", old["digest"]).out


def test_cost_is_exact_and_itemised(run: Run) -> None:
    """10,000 tokens of input at 2, half of them cached, and none of them twice."""
    record("a.json", openrouter({"m/m": priced("0.000002", input_cache_read="0.0000002")}))
    run("sync", "openrouter", "--answer", "a.json")
    result = run(
        *("cost", "openrouter", "m/m", "input=10000", "cache_read=5000", "output=100", "--json")
    )
    assert ("0.012", "USD") == (result.json["total"], result.json["currency"])
    assert {("input", 5000, "0.01"), ("cache_read", 5000, "0.001"), ("output", 100, "0.001")} == {
        (item["meter"], item["quantity"], item["amount"]) for item in result.json["items"]
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("maker/auto", "input=1"), "no price is known: varies"),
        (("maker/a", "image=1"), "image: 1 used"),
        (("maker/a", "input=1", "--tier", "batch"), "tier batch"),
    ],
)
def test_an_unknown_price_is_an_error_and_not_zero(
    run: Run, arguments: tuple[str, ...], says: str
) -> None:
    """With exit code 1, and nothing on standard output that could be taken for a price."""
    read_two_days(run)
    result = run("cost", "openrouter", *arguments, "--json")
    assert (1, "") == (result.code, result.out)
    assert says in result.err


def test_an_override_wins_until_it_ends(run: Run) -> None:
    """Through later readings; and the report says where the provider has moved since."""
    record("a.json", catalogue(1))
    record("b.json", catalogue(1, "0.000003"))
    run("sync", "openrouter", "--answer", "a.json")
    made = run(
        *("override", "set", "openrouter", "maker/model-0", "input=1.5"),
        *("--reason", "contract", "--author", "ann", "--json"),
    )
    assert [("input", "1.5", "2.5")] == [
        (entry["meter"], entry["rate"], entry["upstream_when_set"]) for entry in made.json
    ]
    run("sync", "openrouter", "--answer", "b.json")
    (price,) = run("prices", "--json").json
    assert ("1.5", "10", "override") == (
        price["rates"]["input"],
        price["rates"]["output"],
        price["source"],
    )
    (listed,) = run("override", "list", "--json").json
    assert ("3", True) == (listed["upstream_now"], listed["upstream_moved"])
    assert 0 == run("override", "end", "openrouter", "maker/model-0").code
    (price,) = run("prices", "--json").json
    assert ("3", "api") == (price["rates"]["input"], price["source"])
    assert [] == run("override", "list", "--json").json


def test_price_keys_that_are_not_read_are_shown(run: Run) -> None:
    """By `sync`, `runs` and `status`, and a new one is marked."""
    rows = {f"maker/m{n}": priced() for n in range(5)}
    with_key = {model: priced(video="1") for model in rows}
    first, second = record("1.json", openrouter(rows)), record("2.json", openrouter(with_key))
    _, out, _ = run("sync", "openrouter", "--answer", first, "--at", "2026-07-17")
    assert "not read" not in out
    _, out, _ = run("sync", "openrouter", "--answer", second, "--at", "2026-07-18")
    assert "not read  openrouter: pricing.video in 5 rows (1 new)" in " ".join(out.split("\n"))
    (newest, *_) = run("runs", "--json").json
    assert {"pricing.video": 5} == newest["readings"][0]["ignored"]
    assert "1 price keys not read, 1 new" in run("runs")[1]
    assert "keys not read" in run("status")[1]
    status = run("status", "--json").json
    assert {"openrouter": {"pricing.video": 5}} == status["unread_price_keys"]


LONG_CONTEXT = [{"min_prompt_tokens": 200_000, "prompt": "0.000005"}]


def test_setting_an_override_prints_the_card_before_and_after(run: Run) -> None:
    """With the conditions that stay, so that nobody has to guess them."""
    record("a.json", openrouter({"maker/m": priced(overrides=LONG_CONTEXT)}))
    run("sync", "openrouter", "--answer", "a.json")
    why = ("--reason", "contract", "--author", "ann")
    text = run("override", "set", "openrouter", "maker/m", "input=2", *why).out
    before, after = text.partition("before\n")[2].split("after\n")
    assert ["2.5", "10", "5"] == [line.split()[-1] for line in before.splitlines()[1:3]] + [
        before.splitlines()[4].split()[-1]
    ]
    assert "when min_input_tokens 200001" in before.splitlines()[3]
    assert [before.splitlines()[n] for n in (0, 3, 4)] == [after.splitlines()[n] for n in (0, 3, 4)]
    assert ["input", "2"] == after.splitlines()[1].split()
    run("override", "set", "openrouter", "maker/m", "input=1", "--flat", *why)
    run("override", "set", "openrouter", "maker/m", "input=0.5", "--tier", "batch", *why)
    (price,) = run("prices", "--json").json
    assert ("1", [{}, {"input": "0.5"}]) == (
        price["rates"]["input"],
        [entry["rates"] for entry in price["conditional_rates"]],
    )
    listed = run("override", "list", "--json").json
    assert [(None, False, "covered"), (None, True, "in_force"), ("batch", False, "in_force")] == [
        ((entry["when"] or {}).get("service_tier"), entry["flat"], entry["state"])
        for entry in listed
    ]
    table = run("override", "list").out
    assert "input 1 USD (flat), " in table
    assert "input 0.5 USD when service_tier batch, " in table
    assert "covered" in table


def test_what_ends_in_the_next_30_days_is_listed(run: Run) -> None:
    """The next one first, in the list and in the status."""
    record("a.json", catalogue(1))
    run("sync", "openrouter", "--answer", "a.json")
    ends = [datetime.now(UTC) + timedelta(days) for days in (29, 31, 5)]
    for rate, end in enumerate(ends):
        run(
            *("override", "set", "openrouter", "maker/model-0", f"input={rate}", "output=9"),
            *("--until", end.isoformat(), "--reason", "promotion"),
        )
    run("override", "set", "openrouter", "maker/model-0", "input=7", "--reason", "for good")
    listed = run("override", "list", "--ending", "--json").json
    assert ["2", "9", "0", "9"] == [entry["rate"] for entry in listed]
    status = run("status", "--json").json["overrides_ending"]
    assert [["input", "output"]] * 2 == [entry["meters"] for entry in status]
    assert [listed[0]["until"], listed[2]["until"]] == [entry["until"] for entry in status]
    assert "override of openrouter maker/model-0 (input, output) ends" in run("status").out


def test_a_dry_run_changes_no_price(run: Run) -> None:
    """It says what would change, and the next reading still finds it to change."""
    record("a.json", catalogue(2))
    result = run("sync", "openrouter", "--answer", "a.json", "--dry-run", "--json")
    assert 2 == result.json["readings"][0]["changes"]["added"]
    assert [] == run("prices", "--json").json
    assert [True] == [entry["dry_run"] for entry in run("runs", "--json").json]


def test_a_reading_that_failed_is_a_failed_run(run: Run) -> None:
    """Exit code 1, the reason, and a run that says so."""
    record("bad.json", b"<html>")
    result = run("sync", "openrouter", "--answer", "bad.json")
    assert 1 == result.code
    assert "openrouter: body: not JSON" in result.out
    (entry,) = run("runs", "--json").json
    assert ("failed", "decode") == (entry["status"], entry["readings"][0]["error_kind"])


def test_runs_page_by_page(run: Run) -> None:
    """The last id of a page is where the next one begins."""
    for number in range(3):
        record("a.json", catalogue(number + 1))
        run("sync", "openrouter", "--answer", "a.json")
    newest, middle = run("runs", "--limit", "2", "--json").json
    (oldest,) = run("runs", "--limit", "2", "--before", middle["run_id"], "--json").json
    assert newest["run_id"] > middle["run_id"] > oldest["run_id"]


def test_what_is_held_waits_with_its_reasons(run: Run) -> None:
    """Old, new, and the rule that holds it."""
    record("a.json", catalogue(1))
    record("b.json", catalogue(1, "2.5"))
    run("sync", "openrouter", "--answer", "a.json")
    run("sync", "openrouter", "--answer", "b.json")
    (item,) = run("held", "--json").json
    assert ("maker/model-0", "2.5", "2500000") == (
        item["model"],
        item["old"]["rates"]["input"],
        item["new"]["rates"]["input"],
    )
    assert item["reasons"]
    assert "input 2.5 → 2500000" in run("held").out


BAD = [
    (("sync", "nosuch"), "nosuch"),
    (("sync", "openroutr"), "openrouter"),
    (("sync", "openrouter", "--answer", "missing.json"), "missing.json: No such file"),
    (("sync", "--answer", "a.json"), "name the one provider"),
    (("sync", "openrouter", "--answer", "a.json", "--at", "yesterday"), "'yesterday'"),
    (("sync", "openrouter", "--answer", "a.json", "--at", "2999-01-01"), "in the future"),
    (("sync", "openrouter", "--answer", "a.json", "--answer", "a.json"), "--at"),
    (("prices", "--at", "0001-01-01T00:00+10:00"), "not a date or time"),
    (("prices", "--at", "9999-12-31T23:59-10:00"), "not a date or time"),
    (("prices", "nosuch"), "nosuch"),
    (("prices", "openrouter", "nope"), "openrouter: nope: not in the ledger"),
    (("prices", "--database", "mysql://x"), "sqlite:///FILE"),
    (("--database", "prices.db", "prices"), "sqlite:///FILE"),
    (("history", "openrouter", "nope"), "not in the ledger"),
    (("cost", "openrouter", "maker/model-0", "input=1e3"), "'1e3' is not a whole number"),
    (("cost", "openrouter", "maker/model-0", "input=-1"), "'-1'"),
    (("cost", "openrouter", "maker/model-0", "input=１"), "not a whole number"),
    (("cost", "openrouter", "maker/model-0", "tokens=1"), "'tokens' is no meter"),
    (("cost", "openrouter", "maker/model-0", "input=1", "cache_read=2"), "more than the total"),
    (("override", "set", "openrouter", "m", "input=free", "--reason", "x"), "input"),
    (("override", "set", "openrouter", "m", "input=-2", "--reason", "x"), "below zero"),
    (("override", "set", "openrouter", "m", "input=2", "--reason", " "), "a reason"),
    (("override", "set", "openrouter", "two  spaces", "input=2", "--reason", "x"), "model id"),
    (
        (
            "override",
            "set",
            "openrouter",
            "maker/model-0",
            "input=2",
            "--reason",
            "x",
            "--currency",
            "CNY",
        ),
        "in USD, not CNY",
    ),
    (("override", "end", "openrouter", "nope"), "no such override"),
    (
        (
            *("override", "set", "openrouter", "m", "input=2"),
            *("--flat", "--tier", "batch", "--reason", "x"),
        ),
        "a flat rate has no condition",
    ),
    (("runs", "--limit", "0"), "--limit"),
    (("evidence", "abc"), "no such evidence"),
    (("doctor", "nosuch", "--offline"), "nosuch"),
    (("nosuch",), "nosuch"),
]


@pytest.mark.parametrize(("arguments", "says"), BAD, ids=lambda value: " ".join(value)[:60])
def test_bad_input_gets_one_clear_line(run: Run, arguments: tuple[str, ...], says: str) -> None:
    """And exit code 2, and no traceback."""
    record("a.json", catalogue(1))
    run("sync", "openrouter", "--answer", "a.json")
    result = run(*arguments)
    assert (2, 1) == (result.code, len(result.err.splitlines())), result.err
    assert says in result.err
    assert "" == result.out


@pytest.mark.sqlite("of a file")
def test_a_database_that_is_none_gets_one_clear_line(run: Run) -> None:
    """Reading commands do not make one, and a file of another kind is left alone."""
    result = run("prices")
    assert (1, False) == (result.code, Path("pricing-sync.db").exists())
    where = Path.cwd() / "pricing-sync.db"
    assert f"{where} does not exist: `sync` and `serve` create it" in result.err
    record("pricing-sync.db", b"something else entirely, and long enough" * 9)
    result = run("sync", "openrouter", "--answer", record("a.json", catalogue(1)))
    assert (1, 1) == (result.code, len(result.err.splitlines()))
    assert "not a database" in result.err


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PRICING_SYNC_PROVIDERS", "openrouter,nosuch", "nosuch"),
        ("PRICING_SYNC_PROVIDERS", " , ", "PRICING_SYNC_PROVIDERS"),
        ("PRICING_SYNC_DEADLINE_SECONDS", "soon", "PRICING_SYNC_DEADLINE_SECONDS"),
        ("PRICING_SYNC_DATABASE", "x", "sqlite:///FILE"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    """By its variable, before anything is read."""
    monkeypatch.setenv(name, value)
    result = run("sync")
    assert (2, True) == (result.code, says in result.err), result.err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("database = [", "pricing-sync.toml"),
        ("intervall = 3", "no such setting: intervall"),
        ("[provider.openrouter]\nbase = 'x'", "provider.openrouter.base"),
        ("[gate]\nband = 3", "gate.band: no such threshold"),
        ("[gate]\nband_up = 0.5", "gate.band_up"),
        ("[provider.openrouter.gate]\nband_up = 'off'", "provider.openrouter.gate.band_up"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(run: Run, text: str, says: str) -> None:
    """A misspelt key would be a setting without effect."""
    Path("pricing-sync.toml").write_text(text)
    result = run("sync")
    assert (2, True) == (result.code, says in result.err), result.err


@pytest.mark.sqlite("of a file")
def test_the_environment_wins_over_the_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the command line over both."""
    Path("pricing-sync.toml").write_text('database = "sqlite:///file.db"')
    record("a.json", catalogue(1))
    run("sync", "openrouter", "--answer", "a.json")
    monkeypatch.setenv("PRICING_SYNC_DATABASE", "sqlite:///variable.db")
    run("sync", "openrouter", "--answer", "a.json")
    run("sync", "openrouter", "--answer", "a.json", "--database", "sqlite:///option.db")
    assert {"file.db", "variable.db", "option.db"} == {path.name for path in Path().glob("*.db")}


def test_hostile_names_do_not_become_markup(run: Run) -> None:
    """A model named like a terminal style is shown as it is named."""
    record("a.json", openrouter({"m/[red]x[/red]:free": priced(), "m/y:free": priced()}))
    run("sync", "openrouter", "--answer", "a.json")
    shown = run("prices").out
    assert "m/[red]x[/red]:free" in shown
    assert "m/y:free" in shown


def test_every_command_explains_itself(run: Run) -> None:
    """`--help` names every option with what it does."""
    for command in ("sync", "prices", "history", "runs", "providers", "cost", "doctor", "migrate"):
        result = run(command, "--help")
        assert (0, True) == (result.code, "Usage: pricing-sync" in result.out)


def test_providers_show_keys_without_showing_them(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether each is set, never what it is."""
    monkeypatch.setenv("TOGETHER_API_KEY", "sk-canary-0815")
    shown, machine = run("providers"), run("providers", "--json")
    assert "canary" not in shown.out + machine.out
    by_id = {entry["provider"]: entry for entry in machine.json}
    assert by_id["together"]["key_set"]
    assert {"openrouter", "groq", "venice", "google-vertex"} <= by_id.keys()


@pytest.mark.parametrize(("free", "held"), [([], 1), (["maker/model:free"], 0)])
def test_a_price_may_fall_to_nothing_when_a_person_says_so(
    run: Run, free: list[str], held: int
) -> None:
    """Zero waits, for most of the time it is a lie; the list of free models lets it through."""
    record("paid.json", openrouter({"maker/model:free": priced()}))
    record("free.json", openrouter({"maker/model:free": priced("0", "0")}))
    Path("pricing-sync.toml").write_text(f"[provider.openrouter]\nfree = {free}")
    run("sync", "openrouter", "--answer", "paid.json")
    run("sync", "openrouter", "--answer", "free.json")
    assert held == len(run("held", "--json").json)


@pytest.mark.sqlite("PostgreSQL refuses it")
def test_a_value_planted_in_the_database_is_named(run: Run) -> None:
    """By whose it is, in one line, by every command that would have to believe it."""
    record("a.json", catalogue(2))
    run("sync", "openrouter", "--answer", "a.json")
    with sqlite3.connect("pricing-sync.db") as database:
        database.execute("UPDATE pricing_ledger SET input = 5e-12 WHERE model = 'maker/model-1'")
    database.close()
    record("b.json", catalogue(3))
    for command in (("prices",), ("sync", "openrouter", "--answer", "b.json")):
        result = run(*command)
        assert (1, 1) == (result.code, len(result.err.splitlines()))
        assert "openrouter maker/model-1: its card cannot be read" in result.err
    assert 1 == run("audit").code
