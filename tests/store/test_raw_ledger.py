"""The audit's reader, on rows that were inserted without this program."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pricing_sync.gate.audit import Unloadable
from pricing_sync.prices.rates import Meter, Per, Rate, RateCard
from pricing_sync.prices.statements import MeterOverride, Statement
from pricing_sync.store import Store, open_store
from pricing_sync.store.raw_ledger import overlaps, raw_cards, raw_history, raw_overrides

pytestmark = pytest.mark.sqlite("PostgreSQL refuses such rows")

AT = datetime(2026, 7, 17, 12, tzinfo=UTC)
DAY = "2026-07-17T00:00:00.000000Z"
NEXT = "2026-07-18T00:00:00.000000Z"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "prices.db"


@pytest.fixture
def store(file: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{file}", create=True) as opened:
        yield opened


_CARD: dict[str, object] = {
    "card_id": "card",
    "provider": "acme",
    "model": "m",
    "since": DAY,
    "recorded_at": DAY,
    "source": "api",
    "url": "",
    "reading_id": "reading",
    "currency": "USD",
    "input": 2_500_000_000,
}
_OVERRIDE: dict[str, object] = {
    "id": "id",
    "provider": "acme",
    "model": "m",
    "meter": "input",
    "rate": 1,
    "currency": "USD",
    "since": DAY,
    "recorded_at": DAY,
    "author": "a",
    "reason": "r",
}


def insert_card(file: Path, **different: object) -> None:
    """Insert a card like a person with an SQL console, past the check constraints."""
    _insert(file, "pricing_ledger", _CARD | different)


def insert_override(file: Path, **different: object) -> None:
    _insert(file, "pricing_overrides", _OVERRIDE | different)


def _insert(file: Path, table: str, row: dict[str, object]) -> None:
    columns, places = ", ".join(f'"{name}"' for name in row), ", ".join("?" * len(row))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = 1")
        connection.execute("DROP INDEX IF EXISTS pricing_ledger_current")
        connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", [*row.values()])
        connection.commit()


def test_a_valid_card_is_read_as_in_the_store(store: Store, file: Path) -> None:
    """Both readers give the same statement."""
    insert_card(file)
    (found,) = raw_cards(store._connection)
    assert isinstance(found, Statement)
    assert RateCard({Meter.INPUT: Rate.of("2.5", Per.MILLION)}) == found.listing
    assert [found] == store.statements() == raw_history(store._connection)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("input", 5e-12),
        ("input", -2_500_000_000),
        ("output", "cheap"),
        ("output", b"\x00\x01"),
        ("cache_read", float("inf")),
        ("conditional_rates", "{"),
        ("conditional_rates", '[{"when": {}, "rates": {"prompt": "1"}}]'),
        ("conditional_rates", '[{"when": {}, "rates": {"input": "NaN"}}]'),
        ("conditional_rates", '[{"rates": {}}]'),
        ("conditional_rates", '"text"'),
        ("conditional_rates", "[" * 100_000),
        ("since", "yesterday"),
        ("since", "2026-07-17"),
        ("recorded_at", 5),
    ],
)
def test_an_unreadable_value_is_reported_with_its_column(
    store: Store, file: Path, column: str, value: object
) -> None:
    """The other row is still read."""
    insert_card(file, **{column: value})
    insert_card(file, card_id="good", model="n")
    bad, good = raw_cards(store._connection)
    assert isinstance(bad, Unloadable)
    assert ("acme", "m", column) == (bad.provider, bad.model, bad.column)
    assert bad.why
    assert len(bad.why) < 300
    assert isinstance(good, Statement)


def test_an_unknown_reason_for_no_price(store: Store, file: Path) -> None:
    """A card without a price has one of the known reasons."""
    insert_card(file, currency=None, input=None, unpriced="dunno")
    (found,) = raw_cards(store._connection)
    assert isinstance(found, Unloadable)
    assert ("unpriced", "'dunno'") == (found.column, found.why[:7])


def test_a_card_without_any_rate(store: Store, file: Path) -> None:
    """No single column is invalid."""
    insert_card(file, input=None)
    (found,) = raw_cards(store._connection)
    assert Unloadable("acme", "m", None, "a rate card names at least one rate") == found


@pytest.mark.parametrize(
    ("column", "value"), [("meter", "prompt"), ("rate", 0.5), ("upstream_rate", "x")]
)
def test_an_override_that_cannot_be_read(
    store: Store, file: Path, column: str, value: object
) -> None:
    """It is reported as an override."""
    insert_override(file, **{column: value})
    (found,) = raw_overrides(store._connection, at=AT)
    assert isinstance(found, Unloadable)
    assert (column, True) == (found.column, found.is_override)


def test_overrides_in_force(store: Store, file: Path) -> None:
    """Overrides that begin later or have ended are left out."""
    insert_override(file, id="ended", since="2026-07-01T00:00:00.000000Z", until=DAY)
    insert_override(file, id="later", since=NEXT)
    insert_override(file, id="in force")
    (found,) = raw_overrides(store._connection, "acme", at=AT)
    assert isinstance(found, MeterOverride)
    assert "in force" == found.id
    assert [] == raw_overrides(store._connection, "another", at=AT)


@pytest.mark.parametrize(
    ("until", "expected"),
    [(None, [("m", None)]), (NEXT, []), ("2026-07-19T00:00:00.000000Z", [("m", "2026-07-19")])],
)
def test_overlapping_cards_are_found(
    store: Store, file: Path, until: str | None, expected: list[tuple[str, str | None]]
) -> None:
    """The next card begins before the first ends, if it ends. Adjacent cards do not overlap."""
    insert_card(file, until=until)
    insert_card(file, card_id="next", since=NEXT)
    insert_card(file, card_id="other", model="n")
    found = overlaps(store._connection)
    assert expected == [(item.model, item.until and item.until[:10]) for item in found]


def test_superseded_cards_do_not_overlap(store: Store, file: Path) -> None:
    """A superseded row does not count any more."""
    insert_card(file, superseded_at=NEXT)
    insert_card(file, card_id="next", since=NEXT)
    assert [] == overlaps(store._connection)
    assert 1 == len(raw_cards(store._connection)) == len(raw_history(store._connection))
