"""Reviewing on the command line: see what waits, decide, announce, and read who did what."""

from __future__ import annotations

from pathlib import Path

import pytest

from pricing_sync.serving.excerpt import excerpt

from built import openrouter, priced
from command import Result, Run

ONE = ("openrouter", "maker/a")


def read(run: Run, day: str, **models: dict[str, object]) -> Result:
    """A recorded answer of that day, from models named by their last letters."""
    file = Path(f"{day}.json")
    file.write_bytes(openrouter({f"maker/{name}": pricing for name, pricing in models.items()}))
    result = run("sync", "openrouter", "--answer", str(file), "--at", day, "--json")
    assert 0 == result.code, result.err
    return result


@pytest.fixture
def held(run: Run) -> Run:
    """Two models; the input of one became a million times dearer, and waits."""
    read(run, "2026-07-17", a=priced(), b=priced())
    read(run, "2026-07-18", a=priced("2.5"), b=priced())
    return run


def rates(run: Run, *arguments: str) -> list[str]:
    return [price["rates"]["input"] for price in run("prices", *ONE, *arguments, "--json").json]


def log(run: Run) -> list[tuple[str, str]]:
    """Who decided what, newest first, without the runs that were started."""
    found = [(entry["who"], entry["action"]) for entry in run("audit-log", "--json").json]
    return [entry for entry in found if entry != ("cli", "trigger")]


# What is held


def test_a_held_change_is_shown_with_all_that_is_needed_to_judge_it(held: Run) -> None:
    """How many of how many, old and new and how far, the rule and why there is one, the answer."""
    shown = held("held", "openrouter").out
    assert "openrouter: 1 of 2 held since 2026-07-18 00:00Z, reading " in shown
    assert "\n  maker/a  input 2.5 → 2500000 (x1e+06)  [" in shown
    assert "unit: a rate moved by a power of ten by which units differ" in shown
    assert '    answer: {"id": "maker/a", "pricing": {"prompt": "2.5"' in shown
    assert "maker/b" not in shown


def test_held_as_json_is_complete(held: Run) -> None:
    """Everything that the text says, and what accepting is pinned to."""
    (item,) = held("held", "--json").json
    assert ("openrouter", "maker/a", "changed", 2) == (
        item["provider"],
        item["model"],
        item["kind"],
        item["listed"],
    )
    assert ("2.5", "2500000") == (item["old"]["rates"]["input"], item["new"]["rates"]["input"])
    assert [
        {"meter": "input", "when": None, "old": "2.5", "new": "2500000", "ratio": "1e+06"}
    ] == item["moves"]
    (unit,) = [rule for rule in item["rules"] if rule["rule"] == "unit"]
    assert unit["hard"]
    assert "2026-07-18T00:00:00Z" == item["since"]
    assert (
        '{"id": "maker/a", "pricing": {"prompt": "2.5", "completion": "0.00001"}}'
        == (item["excerpt"])
    )
    assert item["id"].startswith(item["reading"])


def test_what_all_of_a_batch_have_in_common_is_said_once(run: Run) -> None:
    """A wrong unit is one thing to look at, not hundreds."""
    names = [f"m{number}" for number in range(12)]
    read(run, "2026-07-17", **{name: priced() for name in names})
    read(run, "2026-07-18", **{name: priced("2.5", "10") for name in names})
    shown = run("held").out
    assert "12 of 12 held" in shown
    assert 1 == shown.count("by which units differ")
    assert 12 == shown.count("input 2.5 → 2500000")


def test_a_model_that_vanished_is_shown_as_not_named(run: Run) -> None:
    """Its absence is the evidence."""
    names = [f"m{number}" for number in range(20)]
    read(run, "2026-07-17", **{name: priced() for name in names})
    read(run, "2026-07-18", **{name: priced() for name in names[:10]})
    shown = run("held").out
    assert "openrouter: 10 of 10 held" in shown
    assert "  maker/m19  vanished: input 2.5, output 10 → not listed\n" in shown
    assert 10 == shown.count("answer: does not name it")


def test_a_price_that_was_withdrawn_is_shown_as_none(run: Run) -> None:
    """Not as zero."""
    read(run, "2026-07-17", a=priced())
    read(run, "2026-07-18", a=priced("-1", "-1"))
    assert "input 2.5, output 10 → no price (varies" in run("held").out


def test_nothing_held_is_said_and_is_no_failure(run: Run) -> None:
    """On standard error, so that a pipe is empty."""
    read(run, "2026-07-17", a=priced())
    assert Result(0, "", "nothing is held\n") == run("held")
    assert [] == run("held", "--json").json


# Accepting and rejecting


def test_an_accepted_price_counts_since_it_was_first_seen(held: Run) -> None:
    """And what was known before stays known as it was."""
    before = held("prices", *ONE, "--json").json[0]["recorded_at"]
    result = held("accept", *ONE, "--reason", "their page says so", "--author", "ann")
    assert 0 == result.code
    assert (
        "accepted openrouter maker/a: input 2.5 → 2500000 (x1e+06)"
        " (first seen 2026-07-18 00:00:00Z)\n" == result.out
    )
    assert ["2500000"] == rates(held)
    assert ["2500000"] == rates(held, "--at", "2026-07-18")
    assert ["2.5"] == rates(held, "--at", "2026-07-17T23:59")
    assert ["2.5"] == rates(held, "--at", "2026-07-18", "--known-at", before)
    assert [] == held("held", "--json").json
    assert [("ann", "accept")] == log(held)


def test_accepting_as_json_says_what_was_decided(held: Run) -> None:
    """By whom, when and why."""
    (item,) = held(
        "accept", "openrouter", "--all", "--reason", "looked", "--author", "ann", "--json"
    ).json
    assert ("accepted", "ann", "looked", "maker/a") == (
        item["state"],
        item["decided_by"],
        item["decision"],
        item["model"],
    )


def test_a_rejected_change_is_not_held_again(held: Run) -> None:
    """Though the provider goes on saying so; the old price stands."""
    assert 0 == held("reject", *ONE, "--reason", "a slip", "--author", "ann").code
    read(held, "2026-07-19", a=priced("2.5"), b=priced("0.000003"))
    assert [] == held("held", "--json").json
    assert ["2.5"] == rates(held)
    assert [("ann", "reject")] == log(held)


def test_only_the_named_models_are_decided(run: Run) -> None:
    """The rest waits on."""
    read(run, "2026-07-17", a=priced(), b=priced())
    read(run, "2026-07-18", a=priced("2.5"), b=priced("2.5"))
    run("accept", *ONE, "--reason", "x")
    assert ["maker/b"] == [item["model"] for item in run("held", "--json").json]


def test_a_reading_is_accepted_as_it_was_shown_or_not_at_all(held: Run) -> None:
    """The provider says something else since: what was looked at is gone."""
    (item,) = held("held", "--json").json
    read(held, "2026-07-19", a=priced("2.6"), b=priced())
    result = held("accept", "openrouter", "--reading", item["reading"], "--reason", "x")
    assert (1, "", 1) == (result.code, result.out, len(result.err.splitlines()))
    assert "nothing of it waits any more" in result.err
    (other,) = held("held", "--json").json
    assert 0 == held("accept", "openrouter", "--reading", other["reading"], "--reason", "x").code
    assert ["2600000"] == rates(held)


BAD = [
    (("accept", "openrouter", "--reason", "x"), "--all"),
    (("accept", *ONE, "--all", "--reason", "x"), "not both"),
    (("accept", "openrouter", "maker/b", "--reason", "x"), "maker/b: nothing of it is held"),
    (("accept", *ONE), "--reason"),
    (("accept", *ONE, "--reason", " "), "an author and a reason"),
    (("accept", "nosuch", "--all", "--reason", "x"), "nosuch"),
    (("reject", "openrouter", "--reason", "x"), "--all"),
    (("reject", "together", "--all", "--reason", "x"), "together: nothing is held"),
    (("held", "nosuch"), "nosuch"),
    (("unannounce", "nope", "--reason", "x"), "nope: no announcement yet to come"),
    (("audit-log", "--limit", "0"), "--limit"),
    (("announcements", "nosuch"), "nosuch"),
    (("announce", *ONE, "tokens", "1", "2"), "'tokens' is no meter"),
    (("announce", *ONE, "input", "1e", "2"), "OLD"),
    (("announce", *ONE, "input", "1", "nan"), "NEW"),
    (("announce", *ONE, "input", "1", "１"), "NEW"),
    (("announce", *ONE, "input", "1", "1.0"), "nothing moves"),
    (("announce", *ONE, "input", "1", "2", "--tier", "Not A Tier"), "not a service tier"),
    (("announce", *ONE, "input", "1", "2", "--tier", "default"), "not a service tier"),
    (("announce", "openrouter", "two  spaces", "input", "1", "2"), "not a model id"),
]


@pytest.mark.parametrize(("arguments", "says"), BAD, ids=lambda value: " ".join(value)[:60])
def test_bad_input_gets_one_clear_line(held: Run, arguments: tuple[str, ...], says: str) -> None:
    """And exit code 2, and what waited still waits."""
    if arguments[0] == "announce":
        arguments = (*arguments, "--not-before", "2026-09-01", "--reason", "x")
    result = held(*arguments)
    assert (2, "", 1) == (result.code, result.out, len(result.err.splitlines())), result.err
    assert says in result.err
    assert 1 == len(held("held", "--json").json)


def test_a_user_without_a_name_has_to_say_who_decides(
    held: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container that runs under a bare user id."""

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nameless)
    for arguments in (
        ("accept", *ONE, "--reason", "x"),
        ("reject", *ONE, "--reason", "x"),
        ("override", "set", *ONE, "input=2", "--reason", "x"),
        ("announce", *ONE, "input", "1", "2", "--not-before", "2026-09-01", "--reason", "x"),
    ):
        result = held(*arguments)
        assert (2, 1) == (result.code, len(result.err.splitlines()))
        assert "error: --author: " in result.err
    assert 0 == held("accept", *ONE, "--reason", "x", "--author", "ann").code


# Announcements


def announced(run: Run, *more: str) -> Result:
    return run(
        *("announce", *ONE, "input", "2.5", "25", "--not-before", "2026-07-18"),
        *("--reason", "their blog", "--author", "ann", *more),
    )


def test_an_announced_move_passes_the_gate_once(run: Run) -> None:
    """Exactly it, from its time on; then it is struck."""
    read(run, "2026-07-16", a=priced(), b=priced())
    assert 0 == announced(run).code
    read(run, "2026-07-17", a=priced("0.000025", "0.0001"), b=priced())
    assert ["2.5"] == rates(run)
    run("announce", *ONE, "output", "10", "100", "--not-before", "2026-07-18", "--reason", "x")
    read(run, "2026-07-18", a=priced("0.000025", "0.0001"), b=priced("0.000003"))
    assert ["25"] == rates(run)
    assert [] == run("announcements", "--json").json
    first, second = run("announcements", "--all", "--json").json
    assert first["used_by"] == second["used_by"] is not None
    assert "came true in reading" in run("announcements", "--all").out


def test_an_announcement_is_listed_and_can_be_taken_back(run: Run) -> None:
    """With its rates per million, its condition and its reason."""
    made = announced(run, "--min-input-tokens", "200001", "--json").json[0]
    (listed,) = run("announcements", "openrouter", "--json").json
    assert made == listed
    assert ("2.5", "25", "10", {"min_input_tokens": 200001}, "2026-07-18T00:00:00Z") == (
        listed["old"],
        listed["new"],
        listed["ratio"],
        listed["when"],
        listed["not_before"],
    )
    move = "input 2.5 → 25 (x10) when min_input_tokens 200001"
    assert move in run("announcements").out
    assert 0 == run("unannounce", made["id"], "--reason", "postponed", "--author", "bob").code
    assert [] == run("announcements", "--json").json
    assert [("bob", "unannounce"), ("ann", "announce")] == log(run)


def test_a_rate_that_is_new_is_announced_without_an_old_one(run: Run) -> None:
    """None is not zero."""
    made = run(
        *("announce", *ONE, "cache_read", "none", "0.25", "--not-before", "2026-07-18"),
        *("--reason", "x", "--json"),
    ).json[0]
    assert (None, "0.25") == (made["old"], made["new"])


# The audit log


def test_refusals_are_in_the_audit_log(held: Run) -> None:
    """Who tried, and why not."""
    held("accept", *ONE, "--reason", " ", "--author", "bob")
    held("accept", *ONE, "--reason", "checked", "--author", "ann")
    assert [("ann", "accept"), ("bob", "accept_refused")] == log(held)
    assert "refused: accept: it needs an author and a reason" in held("audit-log").out
    assert 1 == len(held("audit-log", "--limit", "1", "--json").json)


# Excerpts


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'[{"id":"m/a","in":1},{"id":"m/b","in":2}]', '{"id":"m/b","in":2}'),
        (b'{"m/a":{"in":1},"m/b": {"in":2}}', '"m/b": {"in":2}'),
        (b'[{"x":{"y":{}},"id":"m\\/b"}]', '{"x":{"y":{}},"id":"m\\/b"}'),
        (b'[{"id":"m/bb"},\n  {"id":\n "m/b"}]', '{"id": "m/b"}'),
        (b'{"id": "m/a"}\x1e{"id": "m/b"}', '{"id": "m/b"}'),
        (b'[{"id":"m/b"', '[{"id":"m/b"'),
        (b'{"id":"m/b","x":"\xe2\x80\xae\xff"}', '{"id":"m/b","x":"\ufffd\ufffd"}'),
        (b'[{"id":"m/a","alias_target":"m/b"},{"id":"m/b","in":2}]', '{"id":"m/b","in":2}'),
        (b'[{"id":"m/a","see":["m/b"]},{"modelId":"m/b"}]', '{"modelId":"m/b"}'),
        (b'{"id":"m/c"}', None),
        (b"", None),
    ],
)
def test_an_excerpt_is_the_object_that_names_the_model(body: bytes, expected: str | None) -> None:
    """In whatever the provider sent, and without what could trick a terminal."""
    assert expected == excerpt(body, "m/b")


def test_a_long_excerpt_keeps_the_prices() -> None:
    """Whatever else a provider says of a model."""
    words = b'"text": "' + b"word " * 900 + b'", "tags": [' + b'"tag", ' * 200 + b'"tag"], '
    found = excerpt(b'[{"id": "m/b", ' + words + b'"pricing": {"prompt": "2.5"}}]', "m/b")
    assert found is not None
    assert found.startswith('{"id": "m/b", "text": "word word')
    assert found.endswith('"pricing": {"prompt": "2.5"}}')
    assert len(found) < 600


def test_the_audit_log_has_overrides_and_runs_with_their_reasons(
    held: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was set, by whom and why; what ended, and why; what was read by hand."""
    of_ann = ("--author", "ann", "--reason")
    held("override", "set", *ONE, "input=2", "--tier", "batch", *of_ann, "contract")
    held("override", "end", *ONE, "--author", "bob", "--reason", "the contract is over")
    held("override", "set", *ONE, "output=9", *of_ann, "promotion")
    held("override", "end", *ONE, "--author", "bob")
    found = held("audit-log", "--json").json
    assert [
        ("bob", "override_end", ""),
        ("ann", "override_set", "promotion"),
        ("bob", "override_end", "the contract is over"),
        ("ann", "override_set", "contract"),
        ("cli", "trigger", ""),
        ("cli", "trigger", ""),
    ] == [(entry["who"], entry["action"], entry["reason"]) for entry in found]
    assert ("9", "promotion", "ann") == tuple(
        found[0]["what"][key] for key in ("rate", "set_for", "set_by")
    )
    assert {"service_tier": "batch"} == found[3]["what"]["when"]
    older = held("audit-log", "--limit", "2", "--before", found[1]["id"], "--json").json
    assert found[2:4] == older
    monkeypatch.setenv("COLUMNS", "80")
    shown = held("audit-log").out
    assert all(len(line) <= 80 for line in shown.splitlines())
    text = " ".join(shown.split())
    assert "bob override_end openrouter maker/a: output 9 USD: promotion" in text
    assert "override_set openrouter maker/a: input 2 USD when service_tier batch: contract" in text
    assert "cli trigger openrouter: openrouter" in text


def test_overrides_and_announcements_fit_80_columns(
    held: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A condition is not squeezed into a column of its own."""
    monkeypatch.setenv("COLUMNS", "80")
    why = ("--author", "ann", "--reason", "committed use until spring")
    held("override", "set", *ONE, "input=2", "--tier", "batch", "--until", "2030-01-01", *why)
    held(
        "announce",
        *ONE,
        "output",
        "none",
        "9",
        "--tier",
        "batch",
        "--not-before",
        "2030-01-01",
        *why,
    )
    listed = held("override", "list").out
    assert all(len(line) <= 80 for line in listed.splitlines())
    assert "\n  input 2 USD when service_tier batch, provider's –, since " in listed
