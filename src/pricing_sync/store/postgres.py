"""PostgreSQL: a pool of connections, one of them for each thread that uses the database.

Nothing depends on a session, so a pooler that gives each transaction another one works: queries are
sent as text with their values in it, nothing is prepared, and the locks are those of transactions.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, NamedTuple, TypeAlias, TypeVar

import psycopg
from psycopg import errors
from psycopg.adapt import AdaptersMap
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool, PoolTimeout

from pricing_sync.errors import SettingsError, StoreBusy, StoreError, masked
from pricing_sync.store.connection import Dialect, Row, Table, Values, tables_of
from pricing_sync.store.ids import new_id
from pricing_sync.store.postgres_types import register_types
from pricing_sync.store.rows import write_json

#: The oldest version of PostgreSQL that is supported.
OLDEST_VERSION = 14
#: How long a transaction waits for others, and a thread for a free connection.
BUSY_SECONDS = 10
#: How long a process may do nothing inside a transaction, in which all others wait, before the
#: database ends it. So a process that is frozen does not stop the others.
_IDLE_SECONDS = 60
#: What a URL can set otherwise.
_PARAMETERS = {"connect_timeout": 5, "application_name": "pricing-sync"}
#: How long a thread waits for a connection before it finds out whether there is a database at all.
_PROBE_SECONDS = 1
_CONNECTIONS = 16
#: From this number of rows on, COPY costs less than INSERT.
_COPY_ROWS = 4
#: Before each statement outside of a transaction, and at the begin of each of these. To compile a
#: query takes a quarter of a second, and a guess about a table without statistics is enough for it.
_FAST = "SET LOCAL jit = off"
#: The key of the lock that one transaction which writes holds at a time.
WRITE_LOCK = 0x70726963
#: The channel on which PostgreSQL tells of a new revision, when it is committed.
REVISION_CHANNEL = "pricing_revision"
_NEW_REVISION = """
WITH counted AS (
    INSERT INTO pricing_counters (name, labels, value) VALUES ('revision', '{}', 1)
    ON CONFLICT (name, labels) DO UPDATE SET value = pricing_counters.value + 1
    RETURNING value
), noted AS (
    INSERT INTO pricing_revisions (revision, provider, token)
    SELECT counted.value, named.provider, :token
    FROM counted, jsonb_array_elements_text(CAST(:providers AS jsonb)) AS named (provider)
)
SELECT pg_notify('pricing_revision', CAST(value AS text)) FROM counted
"""

#: Of the tables in the schema that the connection uses.
_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, NULL),
    1 + array_position(i.indkey, a.attnum)
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.relname LIKE 'pricing%'
    AND pg_table_is_visible(c.oid)
ORDER BY c.relname, a.attnum
"""

_VALUE = re.compile(r"--[^\n]*|'[^']*'|%|(?<!:):([a-z]\w*)")
_PLAIN_INSERT = re.compile(
    r"INSERT INTO (\w+)\s*\(([^()]*)\)\s*VALUES\s*\(((?:\s*:\w+,?)+)\s*\)\s*", re.IGNORECASE
)
#: What comes before the reason why a client cannot connect.
_CONNECTION = re.compile(r"connection (?:failed|is bad): |.*FATAL:\s+")

_Connection: TypeAlias = "psycopg.Connection[Row]"
_T = TypeVar("_T")


class PostgresConnection:
    """One database, shared by threads.

    Inside a transaction or a snapshot a thread has a connection of its own. A thread without one
    reads committed rows, without waiting.
    """

    dialect: Dialect = "postgres"
    instant_sql = "timestamptz"
    # A division would round.
    decimal_sql = '"{0}" * 0.000000000000001'
    now_sql = "now()"
    on_revision: Callable[[], None] | None = None

    def __init__(self, url: str) -> None:
        """Connect to *url*.

        Raises:
            SettingsError: *url* is not valid.
            StoreError: the database cannot be reached or used.
        """
        self.name = masked(url)
        if not _is_valid(url):
            raise SettingsError(f"database: {self.name}: is no valid URL of PostgreSQL")
        adapters = AdaptersMap(psycopg.adapters)
        register_types(adapters)
        self._options: dict[str, Any] = {
            "autocommit": True,
            "prepare_threshold": None,
            "cursor_factory": psycopg.ClientCursor,
            "client_encoding": "UTF8",
            "context": _Context(adapters),
        }
        given = conninfo_to_dict(url)
        for name, usual in _PARAMETERS.items():
            if name not in given:
                self._options[name] = usual
        self._url = url
        self._own = threading.local()
        self._is_away = False
        with self._translate_errors(), self._connect() as connection:
            self._refuse_unsupported(connection)
        self._pool: ConnectionPool[_Connection] = ConnectionPool(
            url,
            kwargs=self._options,
            min_size=1,
            max_size=_CONNECTIONS,
            timeout=BUSY_SECONDS,
            # Later tries are those of the threads that need a connection.
            reconnect_timeout=_PROBE_SECONDS,
            name="pricing-sync",
            open=True,
        )

    def _connect(self) -> _Connection:
        return psycopg.Connection[Row].connect(self._url, **self._options)

    def _refuse_unsupported(self, connection: _Connection) -> None:
        version = connection.info.server_version // 10_000
        if version < OLDEST_VERSION:
            raise StoreError(
                f"database: {self.name}: PostgreSQL {version}; {OLDEST_VERSION} or later is needed"
            )
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise StoreError(f"database: {self.name}: its encoding is {encoding}, UTF8 is needed")

    # Statements

    def fetch_all(self, sql: str, values: Values) -> list[Row]:
        statement, values = _translated(sql), _without_nul(values)
        with self._translate_errors():
            if (own := self._current) is not None:
                return own.execute(statement, values).fetchall()
            connection, found = self._checked_out(
                lambda one: _fetch_all(one, f"{_FAST}; {statement}", values)
            )
            self._pool.putconn(connection)
            return found

    def execute(self, sql: str, values: Values) -> int:
        with self._connected() as connection:
            return connection.execute(_translated(sql), _without_nul(values)).rowcount

    def execute_many(self, sql: str, values: Sequence[Values]) -> None:
        """One round trip: `:rows` is all values as JSON; a plain INSERT is copied.

        Any other statement is sent once for each set of values.
        """
        with self._connected() as connection:
            if ":rows" in sql:
                rows = write_json([dict(each) for each in values])
                connection.execute(_translated(sql), {"rows": rows})
            elif len(values) >= _COPY_ROWS and (target := _copied(sql)) is not None:
                _copy(connection, target, values)
            else:
                statement, cursor = _translated(sql), psycopg.ClientCursor(connection)
                # Several statements in one text are one transaction.
                cursor.execute(
                    ";\n".join(cursor.mogrify(statement, _without_nul(each)) for each in values)
                )

    def execute_script(self, sql: str) -> None:
        with self._connected() as connection:
            connection.execute(sql)

    def tables(self) -> dict[str, Table]:
        return tables_of(self.fetch_all(_COLUMNS, {}))

    # Transactions

    @contextmanager
    def transaction(self, wait_seconds: float | None = None) -> Iterator[None]:
        if self._current is not None:
            raise StoreError(f"database: {self.name}: a transaction within a transaction")
        seconds = BUSY_SECONDS if wait_seconds is None else wait_seconds
        # Each statement after the lock sees what its last holder has committed.
        begin = (
            f"BEGIN; {_FAST}; SET LOCAL lock_timeout = {round(seconds * 1000)};"
            f" SET LOCAL idle_in_transaction_session_timeout = {round(_IDLE_SECONDS * 1000)};"
            f" SELECT pg_advisory_xact_lock({WRITE_LOCK})"
        )
        with self._inside(begin):
            self._own.is_revised = False
            yield
        if self._own.is_revised and self.on_revision is not None:
            self.on_revision()

    def new_revision(self, providers: Set[str]) -> None:
        self.execute(_NEW_REVISION, {"token": new_id(), "providers": write_json(sorted(providers))})
        self._own.is_revised = True

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        if self._current is not None:
            yield  # a transaction reads one state already: no other one writes
            return
        with self._inside(f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_FAST}"):
            yield

    @contextmanager
    def _inside(self, begin: str) -> Iterator[None]:
        """A transaction of this thread that *begin* begins."""
        with self._translate_errors():
            connection, _ = self._checked_out(lambda one: _begin(one, begin))
            self._own.connection = connection
            try:
                yield
                self._commit(connection)
            except BaseException:
                _roll_back(connection)
                raise
            finally:
                self._own.connection = None
                self._pool.putconn(connection)

    def _commit(self, connection: _Connection) -> None:
        if connection.execute("COMMIT").statusmessage != "COMMIT":
            # A statement has failed, and its error went no further.
            raise StoreError(f"database: {self.name}: the transaction was rolled back")

    @property
    def _current(self) -> _Connection | None:
        """The connection of this thread's transaction; None outside of one."""
        return getattr(self._own, "connection", None)

    @contextmanager
    def _connected(self) -> Iterator[_Connection]:
        """The connection of this thread's transaction, or one for a single statement."""
        with self._translate_errors():
            if (own := self._current) is not None:
                yield own
                return
            connection = self._take()
            try:
                yield connection
            finally:
                self._pool.putconn(connection)

    def _checked_out(self, first: Callable[[_Connection], _T]) -> tuple[_Connection, _T]:
        """A connection, and the result of *first* on it, which must be harmless to repeat.

        The database may have closed a connection of the pool, for example when it was restarted.
        """
        for is_last in (False, True):
            connection = self._take()
            try:
                return connection, first(connection)
            except BaseException as error:
                is_stale = isinstance(error, psycopg.OperationalError) and connection.broken
                _roll_back(connection)
                self._pool.putconn(connection)
                if is_last or not is_stale:
                    raise
            self._find()
            self._pool.check()
        raise AssertionError  # unreachable

    def _take(self) -> _Connection:
        """A connection of the pool. It has to be put back."""
        if self._is_away:
            self._find()
        try:
            return self._pool.getconn(timeout=_PROBE_SECONDS)
        except PoolTimeout:
            self._find()
        return self._pool.getconn()

    def _find(self) -> None:
        """Raise the error of the database at once while there is none: the pool would wait."""
        self._is_away = True
        self._connect().close()
        self._is_away = False

    def close(self) -> None:
        self._pool.close()

    # Errors

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeout as error:
            why = f"all {_CONNECTIONS} connections are in use"
            raise StoreBusy(f"database: {self.name}: {why}") from error
        except psycopg.Error as error:
            raise self._store_error(error) from error

    def _store_error(self, error: psycopg.Error) -> StoreError:
        kind = StoreBusy if isinstance(error, _BUSY) else StoreError
        return kind(f"database: {self.name}: {_message(error)}")


_BUSY = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)


def _is_valid(url: str) -> bool:
    """Whether each part of a URL is what it seems to be.

    In a password that is not quoted, a part may be taken for the host, and be in an error.
    """
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error:
        return False
    places = [str(parts.get(name) or "") for name in ("host", "port", "dbname")]
    ports = places[1].split(",")
    return not any("@" in place for place in places) and all(
        not port or port.isdecimal() for port in ports
    )


class _Context(NamedTuple):
    """What a new connection takes its types from."""

    adapters: AdaptersMap
    connection: None = None


def _fetch_all(connection: _Connection, sql: str, values: Values) -> list[Row]:
    """The rows of the last of several statements, in one round trip."""
    cursor = connection.execute(sql, values)
    while cursor.nextset():
        pass
    return cursor.fetchall()


def _begin(connection: _Connection, statements: str) -> None:
    connection.execute(statements)


def _roll_back(connection: _Connection) -> None:
    """End a transaction that failed; without a connection, the database has done that."""
    with suppress(psycopg.Error):
        if connection.info.transaction_status != TransactionStatus.IDLE:
            connection.execute("ROLLBACK")


def _message(error: psycopg.Error) -> str:
    """What went wrong, in one line, without the values of the statement."""
    text = error.diag.message_primary or str(error).strip() or type(error).__name__
    return _CONNECTION.sub("", text.partition("\n")[0])


@cache
def _translated(sql: str) -> str:
    """The statement as the driver takes it: `:name` is `%(name)s`, and a `%` is two."""

    def replace(part: re.Match[str]) -> str:
        if part[1]:
            return f"%({part[1]})s"
        return "" if part[0].startswith("--") else part[0].replace("%", "%%")

    return _VALUE.sub(replace, sql)


def _without_nul(values: Values) -> Values:
    """The values with U+FFFD in place of the one character that PostgreSQL refuses in a text."""
    if not any(type(value) is str and "\0" in value for value in values.values()):
        return values
    return {
        name: value.replace("\0", "\ufffd") if type(value) is str else value
        for name, value in values.items()
    }


class _Target(NamedTuple):
    """Where rows are copied to: a table, its columns, and the value of each."""

    table: str
    columns: str
    names: tuple[str, ...]


@cache
def _copied(sql: str) -> _Target | None:
    """What a plain INSERT of values inserts into; None for any other statement."""
    found = _PLAIN_INSERT.fullmatch(_without_comments(sql))
    if found is None:
        return None
    table, columns, places = found.groups()
    return _Target(table, columns, tuple(re.findall(r":(\w+)", places)))


def _without_comments(sql: str) -> str:
    return re.sub(r"--[^\n]*", "", sql).strip()


def _copy(connection: _Connection, target: _Target, values: Sequence[Values]) -> None:
    statement = f"COPY {target.table} ({target.columns}) FROM STDIN"
    with connection.cursor().copy(statement) as copy:
        for each in values:
            each = _without_nul(each)
            copy.write_row([each[name] for name in target.names])
