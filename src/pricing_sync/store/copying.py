"""Carries all rows of one database over to another, of either kind, and proves them equal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from pricing_sync.errors import StoreError
from pricing_sync.store.connection import Connection, Row, Table, placeholders
from pricing_sync.store.rows import write_instant, write_json

#: Each database has its own rows there.
_LEFT_OUT = "pricing_migrations"
#: Others refer to their rows.
_FIRST = ("pricing_outbox", "pricing_runs")
#: Rows that are read at once. An answer of a provider is up to 3 MB when compressed.
_PAGE, _PAGE_OF_ANSWERS = 5_000, 20
_BITS = 256


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """A table that is the same in both databases."""

    name: str
    rows: int
    #: The sum of the SHA-256 of its rows, which does not depend on their order.
    digest: str


def copy_rows(source: Connection, target: Connection) -> list[CopiedTable]:
    """Copy every row of *source* to *target*, all of them or none.

    Both have the tables of this version, and those of *target* are empty.

    Raises:
        StoreError: *target* has rows, a row does not fit, or a table is not the same afterwards.
    """
    tables, own = target.tables(), source.tables()
    names = sorted(tables.keys() - {_LEFT_OUT}, key=lambda name: (name not in _FIRST, name))
    with source.snapshot(), target.transaction():
        _refuse_rows(target, names)
        return [_copied(source, own[name], target, tables[name]) for name in names]


def _refuse_rows(target: Connection, names: Sequence[str]) -> None:
    for name in names:
        if target.fetch_all(f"SELECT 1 FROM {name} LIMIT 1", {}):  # noqa: S608  a name of ours
            raise StoreError(f"database: {name}: has rows already, so nothing is copied into it")


def _copied(source: Connection, own: Table, target: Connection, table: Table) -> CopiedTable:
    columns = _quoted(table.columns)
    insert = f"INSERT INTO {table.name} ({columns}) VALUES ({placeholders(table.columns)})"  # noqa: S608
    before = _Digest(table)
    try:
        for page in _pages(source, own, tuple(table.columns)):
            before.add(page)
            target.execute_many(
                insert, [dict(zip(table.columns, row, strict=True)) for row in page]
            )
        after = _Digest(table)
        for page in _pages(target, table, tuple(table.columns)):
            after.add(page)
    except (StoreError, ValueError) as error:
        raise StoreError(f"{table.name}: {error}") from error
    if before.result() != after.result():
        raise StoreError(f"database: {table.name}: is not the same after it was copied")
    return after.result()


class _Digest:
    """Counts rows, and adds up what each of them says."""

    def __init__(self, table: Table) -> None:
        self._name, self._rows, self._sum = table.name, 0, 0
        self._readers = [_READERS.get(kind, _same) for kind in table.columns.values()]

    def add(self, rows: Sequence[Row]) -> None:
        self._rows += len(rows)
        for row in rows:
            values = [
                None if value is None else read(value)
                for read, value in zip(self._readers, row, strict=True)
            ]
            digest = hashlib.sha256(repr(values).encode("utf-8", "surrogatepass")).digest()
            self._sum += int.from_bytes(digest)

    def result(self) -> CopiedTable:
        return CopiedTable(self._name, self._rows, f"{self._sum % 2**_BITS:064x}")


def _same(value: Any) -> Any:
    return value


#: By the type of the column that it is copied to: a value in its one spelling.
_READERS: Mapping[str, Callable[[Any], Any]] = {
    "jsonb": lambda text: write_json(json.loads(text)),
    "numeric": lambda text: f"{Decimal(text):f}",
    "timestamp with time zone": lambda text: write_instant(datetime.fromisoformat(text)),
}


def _pages(connection: Connection, table: Table, columns: Sequence[str]) -> Iterator[list[Row]]:
    """All rows of a table, some at a time, in the order of its key."""
    limit = _PAGE_OF_ANSWERS if table.name == "pricing_evidence" else _PAGE
    places = [columns.index(name) for name in table.key]
    key, values = _quoted(table.key), placeholders(f"key_{n}" for n in range(len(places)))
    select = f"SELECT {_quoted(columns)} FROM {table.name}"  # noqa: S608
    order = f"ORDER BY {key} LIMIT {limit}"
    page = connection.fetch_all(f"{select} {order}", {})
    while page:
        yield page
        if len(page) < limit:
            return
        last = {f"key_{n}": page[-1][place] for n, place in enumerate(places)}
        page = connection.fetch_all(f"{select} WHERE ({key}) > ({values}) {order}", last)


def _quoted(names: Sequence[str] | Mapping[str, str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
