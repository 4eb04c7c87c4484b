"""Stored rows for the audit. A row that cannot be read is returned as `Unloadable`.

SQLite stores any value in any column, whatever the column's type: a fraction, a word, a blob.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from pricing_sync.errors import StoreError
from pricing_sync.gate.audit import Overlap, Unloadable
from pricing_sync.prices.card_json import read_conditional_rates, read_when
from pricing_sync.prices.rates import Meter, Rate, Why
from pricing_sync.prices.statements import MeterOverride, Statement
from pricing_sync.store import rows
from pricing_sync.store.connection import (
    Connection,
    Row,
    Values,
    applicable,
    load_queries,
    queries_of,
)
from pricing_sync.store.in_force import FRAGMENTS, now
from pricing_sync.store.rows import CARD_COLUMNS, OVERRIDE_COLUMNS, STATEMENT_COLUMNS

_LEDGER_COLUMNS = (*STATEMENT_COLUMNS, *CARD_COLUMNS)
_INSTANT_COLUMNS = ("since", "until", "recorded_at", "superseded_at")
#: What the readers raise for a row that this program did not write.
_UNREADABLE = (
    *(ValueError, TypeError, LookupError, AttributeError, RecursionError),
    StoreError,  # from `read_card`, with the real error as its cause
)
_LONGEST_SHOWN = 40

_QUERIES = load_queries(
    {
        "statement": ", ".join(f'l."{column}"' for column in _LEDGER_COLUMNS),
        "override": ", ".join(f'"{column}"' for column in OVERRIDE_COLUMNS),
        **FRAGMENTS,
    },
    "raw_ledger.sql",
)

T = TypeVar("T")


def _fetch(connection: Connection, query: str, values: Values) -> list[Row]:
    queries = queries_of(_QUERIES, connection.dialect)
    return connection.fetch_all(applicable(queries[query], values), values)


def raw_cards(connection: Connection, provider: str | None = None) -> list[Statement | Unloadable]:
    """The cards in force, and the rows in force that cannot be read as cards."""
    return _begun(_fetch(connection, "open_cards", {"provider": provider, "now": now()}))


def raw_history(
    connection: Connection, provider: str | None = None
) -> list[Statement | Unloadable]:
    """Every card as known now, ended ones too, oldest first; and the rows that cannot be read."""
    return _begun(_fetch(connection, "known_cards", {"provider": provider}))


def _begun(found: Sequence[Row]) -> list[Statement | Unloadable]:
    """The cards that have begun, without those that are scheduled.

    One that a scheduled card is to replace has no end yet.
    """
    cards = [_read_or_unloadable(row, rows.read_statement, _LEDGER_COLUMNS) for row in found]
    present = datetime.now(UTC)
    return [
        card if isinstance(card, Unloadable) else _without_planned_end(card, present)
        for card in cards
        if isinstance(card, Unloadable) or card.since <= max(present, card.recorded_at)
    ]


def _without_planned_end(card: Statement, present: datetime) -> Statement:
    is_planned = card.until is not None and card.until > max(present, card.recorded_at)
    return replace(card, until=None) if is_planned else card


def raw_overrides(
    connection: Connection, provider: str | None = None, *, at: datetime
) -> list[MeterOverride | Unloadable]:
    """The overrides in force, and the rows in force that cannot be read as overrides."""
    values = {"provider": provider, "at": rows.write_instant(at)}
    found = _fetch(connection, "open_overrides", values)
    return [_read_or_unloadable(row, rows.read_override, OVERRIDE_COLUMNS) for row in found]


def overlaps(connection: Connection, provider: str | None = None) -> list[Overlap]:
    """Rows of one model that are true at the same time."""
    found = _fetch(connection, "overlaps", {"provider": provider})
    return [
        Overlap(
            provider=str(seller),
            model=str(model),
            since=str(since),
            until=None if until is None else str(until),
            next_since=str(next_since),
        )
        for seller, model, since, until, next_since in found
    ]


def _read_or_unloadable(
    row: Row, read: Callable[[Sequence[Any]], T], columns: Sequence[str]
) -> T | Unloadable:
    named = dict(zip(columns, row, strict=True))
    try:
        found = read(row)
    except _UNREADABLE as error:
        return _unloadable(named, str(error.__cause__ or error))
    # The usual reader accepts an instant without a time zone, but comparing it would fail.
    if any(
        named[column] is not None and _instant_error(named[column]) for column in _INSTANT_COLUMNS
    ):
        return _unloadable(named, "")
    return found


def _unloadable(row: Mapping[str, Any], why: str) -> Unloadable:
    """The row with its first invalid column; with None and *why* when no column is invalid."""
    column, why = next(_invalid_columns(row), (None, why))
    return Unloadable(
        provider=str(row["provider"]),
        model=str(row["model"]),
        column=column,
        why=why,
        is_override="rate" in row,
    )


def _invalid_columns(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for column, value in row.items():
        why = _CHECKS[column](value) if column in _CHECKS and value is not None else None
        if why is not None:
            yield column, f"{ascii(value)[:_LONGEST_SHOWN]}: {why}"


def _read_error(read: Callable[[Any], object], value: Any) -> str | None:
    try:
        read(value)
    except _UNREADABLE as error:
        return str(error)
    return None


def _instant_error(value: Any) -> str | None:
    why = _read_error(rows.read_instant, value)
    if why is None and rows.read_instant(value).tzinfo is None:
        return "an instant without its time zone"
    return why


_CHECKS: Mapping[str, Callable[[Any], str | None]] = {
    **dict.fromkeys(
        (*(meter.value for meter in Meter), "rate", "upstream_rate"), partial(_read_error, Rate)
    ),
    **dict.fromkeys(_INSTANT_COLUMNS, _instant_error),
    "conditional_rates": partial(
        _read_error, lambda text: read_conditional_rates(json.loads(text))
    ),
    "condition": partial(_read_error, lambda text: read_when(json.loads(text))),
    "meter": partial(_read_error, Meter),
    "unpriced": partial(_read_error, Why),
}
