"""Stored rows as they are, for the audit: what the usual readers would stumble over is told.

SQLite keeps what it is given, whatever the column's type: a fraction, a word, a blob.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from pricing_sync.errors import StoreError
from pricing_sync.gate.audit import Overlap, Unloadable
from pricing_sync.prices.card_json import read_conditional_rates
from pricing_sync.prices.rates import Meter, Rate, Why
from pricing_sync.prices.statements import MeterOverride, Statement
from pricing_sync.store import rows
from pricing_sync.store.connection import Connection, Row, load_queries
from pricing_sync.store.rows import CARD_COLUMNS, OVERRIDE_COLUMNS, STATEMENT_COLUMNS

_LEDGER_COLUMNS = (*STATEMENT_COLUMNS, *CARD_COLUMNS)
_INSTANTS = ("since", "until", "recorded_at", "superseded_at")
#: What reading a row raises when something else is stored than what was written.
_UNREADABLE = (
    *(ValueError, TypeError, LookupError, AttributeError, RecursionError),
    StoreError,  # of a card, with what is wrong with it as its cause
)
_LONGEST_SHOWN = 40

_QUERIES = load_queries(
    {
        "statement": ", ".join(f'l."{column}"' for column in _LEDGER_COLUMNS),
        "override": ", ".join(f'"{column}"' for column in OVERRIDE_COLUMNS),
    },
    "raw_ledger.sql",
)

Read = TypeVar("Read")


def raw_cards(connection: Connection, provider: str | None = None) -> list[Statement | Unloadable]:
    """The cards in force, and the rows in force that cannot be read as cards."""
    found = connection.fetch_all(_QUERIES["open_cards"], {"provider": provider})
    return [_tolerant(row, rows.read_statement, _LEDGER_COLUMNS) for row in found]


def raw_history(
    connection: Connection, provider: str | None = None
) -> list[Statement | Unloadable]:
    """Every card that is known now, oldest first, and the rows that cannot be read as cards."""
    found = connection.fetch_all(_QUERIES["known_cards"], {"provider": provider})
    return [_tolerant(row, rows.read_statement, _LEDGER_COLUMNS) for row in found]


def raw_overrides(
    connection: Connection, provider: str | None = None, *, at: datetime
) -> list[MeterOverride | Unloadable]:
    """The overrides in force, and the rows in force that cannot be read as overrides."""
    values = {"provider": provider, "at": rows.write_instant(at)}
    found = connection.fetch_all(_QUERIES["open_overrides"], values)
    return [_tolerant(row, rows.read_override, OVERRIDE_COLUMNS) for row in found]


def overlaps(connection: Connection, provider: str | None = None) -> list[Overlap]:
    """Rows of one model that say they are true at the same time."""
    found = connection.fetch_all(_QUERIES["overlaps"], {"provider": provider})
    return [
        Overlap(
            str(owner), str(model), str(since), None if until is None else str(until), str(then)
        )
        for owner, model, since, until, then in found
    ]


def _tolerant(
    row: Row, read: Callable[[Sequence[Any]], Read], columns: Sequence[str]
) -> Read | Unloadable:
    named = dict(zip(columns, row, strict=True))
    try:
        found = read(row)
    except _UNREADABLE as error:
        return _unloadable(named, str(error.__cause__ or error))
    # These pass the usual reader, and break whoever compares them.
    if any(named[column] is not None and _instant(named[column]) for column in _INSTANTS):
        return _unloadable(named, "")
    return found


def _unloadable(row: Mapping[str, Any], why: str) -> Unloadable:
    """Which column of the row is to blame, as far as one is."""
    column, why = next(_blamed(row), (None, why))
    return Unloadable(
        provider=str(row["provider"]),
        model=str(row["model"]),
        column=column,
        why=why,
        is_override="rate" in row,
    )


def _blamed(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for column, value in row.items():
        why = _CHECKS[column](value) if column in _CHECKS and value is not None else None
        if why is not None:
            yield column, f"{ascii(value)[:_LONGEST_SHOWN]}: {why}"


def _why_not(read: Callable[[Any], object], value: Any) -> str | None:
    try:
        read(value)
    except _UNREADABLE as error:
        return str(error)
    return None


def _instant(value: Any) -> str | None:
    why = _why_not(rows.read_instant, value)
    if why is None and rows.read_instant(value).tzinfo is None:
        return "an instant without its time zone"
    return why


_CHECKS: Mapping[str, Callable[[Any], str | None]] = {
    **dict.fromkeys(
        (*(meter.value for meter in Meter), "rate", "upstream_rate"), partial(_why_not, Rate)
    ),
    **dict.fromkeys(_INSTANTS, _instant),
    "overrides": partial(_why_not, lambda text: read_conditional_rates(json.loads(text))),
    "meter": partial(_why_not, Meter),
    "unpriced": partial(_why_not, Why),
}
