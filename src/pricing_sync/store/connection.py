"""What the store needs of a database: the protocol, named queries, migrations."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any, Literal, Protocol, TypeAlias

from pricing_sync.errors import StoreError
from pricing_sync.prices.rates import UNIT_METERS, Meter

Row = tuple[Any, ...]
Values = Mapping[str, Any]
Dialect: TypeAlias = Literal["sqlite", "postgres"]

_NAME = re.compile(r"^-- name: (\w+(?: \[\w+\])?)$", re.MULTILINE)
_OPTIONAL = re.compile(r"\[(\w+): ([^\[\]]*)\]")
#: `0019_name.sql`, and beside it `0019_name.postgres.sql`.
_MIGRATION = re.compile(r"(\d{4})_\w+(?:\.(postgres))?\.sql")
#: How long a migration waits for another process that migrates or writes.
MIGRATION_WAIT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns with their types, and those of its primary key, in order."""

    name: str
    columns: Mapping[str, str]
    key: Sequence[str]


class Connection(Protocol):
    """One open database, safe for use by several threads. Queries take values as `:name`.

    Values and columns are the same for every database: text, whole numbers, bytes and None. An
    instant is text of fixed width, a day is ISO 8601, JSON is canonical text, an exact decimal is
    text, a flag is 0 or 1. A connection translates from and to the types of its database.
    """

    dialect: Dialect
    #: The type of a column with an instant.
    instant_sql: str
    #: SQL that turns the column `{0}`, a whole number of 10⁻¹⁵, into an exact decimal.
    decimal_sql: str
    #: SQL for the current instant, in the format of the store's instants.
    now_sql: str
    #: Called after each transaction that has made a new revision was committed.
    on_revision: Callable[[], None] | None

    def fetch_all(self, sql: str, values: Values) -> list[Row]:
        """The rows of a query."""

    def execute(self, sql: str, values: Values) -> int:
        """Run one statement; return the number of rows it changed."""

    def execute_many(self, sql: str, values: Sequence[Values]) -> None:
        """Run one statement for each set of values, in few round trips: for all or for none."""

    def execute_script(self, sql: str) -> None:
        """Run several statements without values."""

    def tables(self) -> dict[str, Table]:
        """The tables of this program, by name."""

    def transaction(self, wait_seconds: float | None = None) -> AbstractContextManager[None]:
        """A transaction: everything inside is committed, or nothing. Writers wait for each other.

        So inside, nothing changes that this transaction does not change.

        Raises:
            StoreBusy: another process did not release the write lock in time, by default 10 s.
        """

    def new_revision(self, providers: Set[str]) -> None:
        """Count a change of the price book, and note the providers that it is about.

        Call it in the transaction that makes the change. It is a counter, because the newest time
        in the tables would miss changes: a card may end without a new row, and clocks may be set
        back.
        """

    def snapshot(self) -> AbstractContextManager[None]:
        """A snapshot: this thread reads one state inside, while others may write.

        Other readers may have to wait. Write nothing inside, and keep computations out of it.
        """

    def close(self) -> None:
        """Close the database. A second call does nothing."""


class NamedQueries:
    """Base class for the parts of the store, which run named queries."""

    def __init__(self, connection: Connection, queries: Mapping[str, str]) -> None:
        self._connection = connection
        self._queries = queries_of(queries, connection.dialect)

    def _fetch(self, query: str, **values: Any) -> list[Row]:
        return self._connection.fetch_all(applicable(self._queries[query], values), values)

    def _execute(self, query: str, **values: Any) -> int:
        return self._connection.execute(self._queries[query], values)

    def _execute_many(self, query: str, values: Sequence[Values]) -> None:
        if values:
            self._connection.execute_many(self._queries[query], values)


def next_recorded_at(connection: Connection, now: datetime) -> datetime:
    """*now*, or 1 µs after the newest `recorded_at` when that is not earlier.

    `recorded_at` never decreases, even when the machine's clock is set back.
    """
    latest = connection.fetch_all("SELECT MAX(recorded_at) FROM pricing_ledger", {})[0][0]
    if latest is None or datetime.fromisoformat(latest) < now:
        return now
    return datetime.fromisoformat(latest) + timedelta(microseconds=1)


#: SQL: the providers that have a reading, one seek each, however many readings they have.
_PROVIDERS = """(
    WITH RECURSIVE known (provider) AS (
        SELECT MIN(provider) FROM pricing_readings
        UNION ALL
        SELECT (SELECT MIN(n.provider) FROM pricing_readings n WHERE n.provider > known.provider)
        FROM known WHERE known.provider IS NOT NULL
    )
    SELECT provider FROM known WHERE provider IS NOT NULL
)"""


#: SQL: the rows that a connection sends as one value, which is JSON.
_ROWS = "jsonb_to_recordset(CAST(:rows AS jsonb))"


def applicable(sql: str, values: Values) -> str:
    """A query with those of its optional conditions whose value is given.

    `[model: AND l.model = :model]` counts unless the value `model` is None or False. So each
    question has a query of its own, and an index that fits it. `:model IS NULL OR …` has none.
    """
    names = _optional_names(sql)
    return _with(sql, frozenset(name for name in names if _is_given(values[name])))


def _is_given(value: Any) -> bool:
    return value is not None and value is not False


@cache
def _optional_names(sql: str) -> frozenset[str]:
    return frozenset(name for name, _ in _OPTIONAL.findall(sql))


@cache
def _with(sql: str, given: frozenset[str]) -> str:
    return _OPTIONAL.sub(lambda part: part[2] if part[1] in given else "", sql)


def load_queries(replacements: Mapping[str, str], file: str = "queries.sql") -> dict[str, str]:
    """The queries of a file in this folder, by name, with `{…}` replaced.

    `{providers}` is a subquery of the providers that have a reading. `{rows}` is, in PostgreSQL,
    the values of `execute_many` as a table: `{rows} AS r (provider text, at timestamptz)`.
    """
    text = resources.files("pricing_sync.store").joinpath(file).read_text("utf-8")
    parts = _NAME.split(text)[1:]
    queries = dict(zip(parts[::2], parts[1::2], strict=True))
    filled = {"providers": _PROVIDERS, "rows": _ROWS, **replacements}
    return {name: _fill(sql, filled) for name, sql in queries.items()}


def queries_of(queries: Mapping[str, str], dialect: Dialect) -> dict[str, str]:
    """Those of a database: `name [postgres]`, after `name`, takes its place in PostgreSQL."""
    own = f" [{dialect}]"
    return {
        name.removesuffix(own): sql
        for name, sql in queries.items()
        if name.endswith(own) or not name.endswith("]")
    }


def _fill(sql: str, replacements: Mapping[str, str]) -> str:
    for name, text in replacements.items():
        sql = sql.replace("{" + name + "}", text)
    return sql.strip().rstrip(";")


@cache
def migrations(dialect: Dialect) -> list[tuple[int, str]]:
    """Every migration of a database in order: its number and its SQL.

    PostgreSQL begins with the tables that SQLite has after its migration of the same number.
    """
    folder = resources.files("pricing_sync.store").joinpath("migrations")
    found = []
    for entry in folder.iterdir():
        name = _MIGRATION.fullmatch(entry.name)
        if name and (name[2] or "sqlite") == dialect:
            found.append((int(name[1]), entry.read_text("utf-8")))
    return sorted(found)


def newest_version(dialect: Dialect) -> int:
    """The number of the newest migration of a database."""
    return migrations(dialect)[-1][0]


def schema_version(connection: Connection) -> int:
    """The number of the last applied migration; 0 for an empty database."""
    if "pricing_migrations" not in connection.tables():
        return 0
    return int(connection.fetch_all("SELECT MAX(version) FROM pricing_migrations", {})[0][0] or 0)


def migrate(connection: Connection, at: str, upto: int | None = None) -> list[int]:
    """Apply the missing migrations in order, in one transaction; return their numbers.

    Of several processes that migrate at once, one does it and the others wait for it.

    Raises:
        StoreError: the database was made by a newer version of this program.
    """
    with connection.transaction(MIGRATION_WAIT_SECONDS):
        connection.execute_script(
            "CREATE TABLE IF NOT EXISTS pricing_migrations"
            f" (version INTEGER PRIMARY KEY, applied_at {connection.instant_sql} NOT NULL);"
        )
        current = schema_version(connection)
        refuse_newer(current, connection.dialect)
        missing = [
            (version, sql)
            for version, sql in migrations(connection.dialect)
            if version > current and (upto is None or version <= upto)
        ]
        for version, sql in missing:
            connection.execute_script(sql)
            connection.execute(
                "INSERT INTO pricing_migrations (version, applied_at) VALUES (:version, :at)",
                {"version": version, "at": at},
            )
        if missing:
            connection.execute_script(_views(connection))
    return [version for version, _ in missing]


def refuse_newer(version: int, dialect: Dialect) -> None:
    """Raise StoreError when the schema version is newer than this program."""
    newest = newest_version(dialect)
    if version > newest:
        raise StoreError(f"database: schema {version} is newer than this program's {newest}")


#: The price columns of the views. Token meters come first, under the names of the reference.
_VIEW_COLUMNS = {
    meter: f"price_per_{meter.value}" + ("" if meter in UNIT_METERS else "_token")
    for meter in Meter
}


def _views(connection: Connection) -> str:
    parts = queries_of(load_queries({}, "views.sql"), connection.dialect)
    lists = {
        "overridden": [
            f"MAX(CASE WHEN meter = '{m}' AND layer = base_layer THEN rate END) AS \"{m}\""
            for m in Meter
        ],
        "effective": [f'COALESCE(o."{m}", l."{m}") AS "{m}"' for m in Meter],
        "prices": [
            f"{connection.decimal_sql.format(meter)} AS {column}"
            for meter, column in _VIEW_COLUMNS.items()
        ],
    }
    joined = {name: ",\n        ".join(lines) for name, lines in lists.items()}
    return _fill(parts.pop("views"), parts | joined | {"now": connection.now_sql}) + ";"


def tables_of(columns: Iterable[Row]) -> dict[str, Table]:
    """Tables from their columns: table, column, type, and the place in the key or None."""
    found: dict[str, list[Row]] = {}
    for table, *column in columns:
        found.setdefault(table, []).append(tuple(column))
    return {
        table: Table(
            table,
            {name: kind for name, kind, _ in rows},
            [name for name, _, place in sorted(rows, key=lambda row: row[2] or 0) if place],
        )
        for table, rows in found.items()
    }


def quoted(columns: Iterable[str], prefix: str = "") -> str:
    """SQL: `"input", "output"`, or with the prefix `l.`: `l."input", l."output"`."""
    return ", ".join(f'{prefix}"{column}"' for column in columns)


def placeholders(names: Iterable[str]) -> str:
    """`:a, :b` for `a, b`."""
    return ", ".join(f":{name}" for name in names)
