"""A price book as a file: what is written is read, and nothing else is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pricing_sync
from pricing_sync.prices.rates import (
    ConditionalRates,
    Meter,
    Notice,
    Rate,
    RateCard,
    Unpriced,
    When,
    Why,
)
from pricing_sync.prices.snapshot import Snapshot, read_snapshot, write_snapshot
from pricing_sync.prices.statements import (
    Confirmations,
    MeterOverride,
    ModelState,
    PriceState,
    Statement,
)

import cards

DAY = datetime(2026, 7, 17, 12, tzinfo=UTC)
CARD = RateCard(
    {Meter.INPUT: Rate(2_500_000_001), Meter.OUTPUT: Rate(2**63 - 1)},
    (
        ConditionalRates(When(min_input_tokens=200_001), {Meter.INPUT: Rate(1)}),
        ConditionalRates(
            When(
                hours=(1320, 360),
                weekdays=frozenset({1, 7}),
                time_zone="Asia/Shanghai",
                service_tier="batch",
                region="eu",
            ),
            {Meter.OUTPUT: Rate(0)},
        ),
    ),
    "CNY",
)


def statement(model: str, listing: RateCard | Unpriced, until: datetime | None = None) -> Statement:
    return cards.statement(
        model,
        listing,
        DAY - timedelta(microseconds=1),
        card_id=f"card-{model}",
        until=until,
        recorded_at=DAY,
        url="https://acme.example/models",
        digest="d" * 64,
    )


OVERRIDE = MeterOverride(
    id="override",
    provider="acme",
    model="m",
    meter=Meter.OUTPUT,
    rate=Rate(7),
    currency="CNY",
    since=DAY,
    until=DAY + timedelta(days=400),
    recorded_at=DAY,
    superseded_at=None,
    author="ann",
    reason="a contract\nof two lines, \u2028 and of an odd one",
    upstream_rate=Rate(3),
    layer=2,
    when=When(service_tier="batch"),
    is_flat=False,
)
STATE = ModelState(
    provider="acme",
    model="odd",
    first_seen=DAY,
    missing_since=DAY,
    retired_at=None,
    unreadable="a price of 'NaN'",
    state=PriceState.MISSING,
    confirmed_at=DAY,
    doubt=None,
)
SNAPSHOT = Snapshot(
    revision="12",
    read_at=DAY + timedelta(hours=1),
    since=DAY - timedelta(days=2),
    cards=[
        statement("m", CARD),
        statement("ünïcode \u2028 \n", Unpriced(Why.VARIES, "at -1"), DAY + timedelta(minutes=1)),
    ],
    overrides=[OVERRIDE],
    confirmations=Confirmations({"acme": DAY}, {("acme", "odd"): STATE}),
    aliases={("acme", "latest"): "m"},
    notices={("acme", "m"): Notice(ends_on=date(2027, 1, 1), deprecated=True, replaced_by="n")},
)


def test_a_snapshot_is_read_as_it_was_written() -> None:
    """To the last digit and microsecond; and the same snapshot gives the same bytes."""
    assert SNAPSHOT == read_snapshot(write_snapshot(SNAPSHOT))
    assert write_snapshot(SNAPSHOT) == write_snapshot(read_snapshot(write_snapshot(SNAPSHOT)))


def test_its_book_is_that_of_the_ledger() -> None:
    """The same prices, states, names and notices."""
    ours, read = SNAPSHOT.book(), read_snapshot(write_snapshot(SNAPSHOT)).book()
    assert (ours.revision, ours.read_at, ours.since) == (read.revision, read.read_at, read.since)
    assert (list(ours), ours.models_without_price()) == (list(read), read.models_without_price())
    for name in ("m", "latest", "odd"):
        assert ours.find("acme", name) == read.find("acme", name)


@given(
    st.dictionaries(
        st.text(), st.dictionaries(st.sampled_from(list(Meter)), st.integers(0, 2**63 - 1))
    )
)
def test_any_rate_of_any_model_is_kept(cards: dict[str, dict[Meter, int]]) -> None:
    """Whatever a model is called."""
    made = [
        statement(model, RateCard({meter: Rate(n) for meter, n in named.items()}))
        for model, named in cards.items()
        if named
    ]
    snapshot = Snapshot(
        revision="0",
        read_at=DAY,
        since=None,
        cards=made,
        overrides=[],
        confirmations=Confirmations(),
        aliases={},
        notices={},
    )
    assert made == read_snapshot(write_snapshot(snapshot)).cards


def test_the_first_line_says_which_book_it_is() -> None:
    """The revision and the age are there without reading the rest."""
    head = json.loads(write_snapshot(SNAPSHOT).partition(b"\n")[0])
    assert {
        "format": "pricing-sync price book",
        "version": 1,
        "revision": "12",
        "read_at": "2026-07-17T13:00:00Z",
        "since": "2026-07-15T12:00:00Z",
        "records": 7,
    } == head


def _changed(key: str, value: Any) -> Callable[[bytes], bytes]:
    def change(body: bytes) -> bytes:
        head, _, rest = body.partition(b"\n")
        return json.dumps(json.loads(head) | {key: value}).encode() + b"\n" + rest

    return change


WRONG: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "line 1: not a pricing-sync price book"),
    "a page": (lambda _: b"<html>", "line 1: not a"),
    "other json": (lambda _: b"[]\n", "line 1: not a"),
    "deep json": (lambda _: b"[" * 100_000, "line 1: not a"),
    "a newer version": (_changed("version", 2), "line 1: version 2, and this reads 1"),
    "half of it": (lambda body: body[: len(body) // 2], "of 7 records: not complete"),
    "without its last byte": (lambda body: body[:-1], "6 of 7 records: not complete"),
    "a line too many": (lambda body: body + b"{}\n", "8 of 7 records: not complete"),
    "a float": (lambda b: b.replace(b'"2.500000001"', b"2.5"), "line 2: TypeError: a price"),
    "an unknown meter": (lambda b: b.replace(b'{"input"', b'{"inputs"'), "line 2: ValueError"),
    "an unknown kind": (
        lambda b: b.replace(b'"kind":"read"', b'"kind":"sold"'),
        "KeyError: 'sold'",
    ),
    "no time zone": (lambda b: b.replace(b"12:00:00Z", b"12:00:00"), "has no time zone"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_complete_book_is_refused(case: str) -> None:
    """A price that is missing would be taken for one that does not exist."""
    change, why = WRONG[case]
    body = change(write_snapshot(SNAPSHOT))
    assert body != write_snapshot(SNAPSHOT)
    with pytest.raises(ValueError, match=why):
        read_snapshot(body)


def test_a_file_is_read_with_the_standard_library_alone(tmp_path: Path) -> None:
    """Without `site`, no installed package can be imported."""
    path = tmp_path / "book.jsonl"
    path.write_bytes(write_snapshot(SNAPSHOT))
    program = (
        "import sys; from pricing_sync.serving.client import load_book;"
        "print(load_book(sys.argv[1]).revision)"
    )
    ours = str(Path(pricing_sync.__file__).parent.parent)
    printed = subprocess.check_output(
        [sys.executable, "-S", "-c", program, str(path)], text=True, env={"PYTHONPATH": ours}
    )
    assert "12\n" == printed
