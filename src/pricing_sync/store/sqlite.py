"""SQLite: one file, write-ahead log, full durability; one connection to write, one to read.

Readers never wait for a writer. Writers wait for each other, at most `BUSY_SECONDS`. A file that
cannot be written, as on a read-only mount, can be read.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from pricing_sync.errors import StoreBusy, StoreError
from pricing_sync.store.connection import Dialect, Row, Table, Values, tables_of
from pricing_sync.store.ids import new_id

BUSY_SECONDS = 10
#: The errors of a file that cannot be written, or of a folder in which no file can be made.
_NOT_WRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
_NEW_REVISION = """
INSERT INTO pricing_counters (name, labels, value) VALUES ('revision', '{}', 1)
ON CONFLICT (name, labels) DO UPDATE SET value = pricing_counters.value + 1
"""
_NOTE_REVISION = """
INSERT INTO pricing_revisions (revision, provider, token)
SELECT value, :provider, :token FROM pricing_counters WHERE name = 'revision' AND labels = '{}'
"""
_COLUMNS = """
SELECT m.name, c.name, c.type, c.pk FROM sqlite_master m, pragma_table_info(m.name) c
WHERE m.type = 'table' AND m.name LIKE 'pricing%'
"""


class SqliteConnection:
    """One database, shared by threads.

    Inside a transaction, its thread also reads its own uncommitted rows. All other threads read
    committed rows, without waiting.
    """

    dialect: Dialect = "sqlite"
    instant_sql = "TEXT"
    decimal_sql = (
        "CASE WHEN \"{0}\" IS NOT NULL THEN printf('%d.%015d',"
        ' "{0}" / 1000000000000000, "{0}" % 1000000000000000) END'
    )
    now_sql = "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')"
    #: What is committed survives a loss of power.
    synchronous = "FULL"
    on_revision: Callable[[], None] | None = None

    def __init__(self, path: Path, *, create: bool) -> None:
        """Open *path*; with *create*, create a missing file. One that cannot be written is read.

        Raises:
            StoreError: the file is missing, cannot be opened, or is not an SQLite database.
        """
        self.path = path
        self._write_lock, self._read_lock = threading.RLock(), threading.RLock()
        self._writing_thread: int | None = None
        #: Whether the transaction of now makes a new revision.
        self._is_revised = False
        self._file_id: tuple[int, int] | None = None
        if not create and not _is_file(path):
            raise StoreError(
                f"database: {path.absolute()} does not exist: `sync` and `serve` create it"
            )
        # From before it is opened: a restore may replace it while this waits for its lock.
        before = self._current_file_id()
        #: The state of a file that is read without locks; None for any other.
        self._unlocked_state: tuple[int, ...] | None = None
        with self._translate_errors():
            try:
                self._open_to_write(create=create)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in _NOT_WRITABLE:
                    raise
                if not _is_file(path):
                    self._explain_missing()
                    raise
                self._connection = self._reader = self._open_to_read()
        self._file_id = before or self._current_file_id()
        try:
            self._refuse_replaced()
        except StoreError:
            self.close()
            raise

    def _open_to_write(self, *, create: bool) -> None:
        self._connection = self._open("rwc" if create else "rw")
        try:
            self._prepare()
            self._reader = self._open("rw")
        except BaseException:
            self._connection.close()
            raise

    def _open_to_read(self) -> sqlite3.Connection:
        """A connection that only reads.

        While another process has the file open, its log is beside it and is read too. Without a
        log the file is complete, and is read without locks, which would need a file beside it.
        """
        with ExitStack() as stack:
            try:
                reader = stack.enter_context(closing(self._open("ro")))
                reader.execute("SELECT COUNT(*) FROM sqlite_master")
            except sqlite3.OperationalError:
                if self._has_log():
                    raise
                self._unlocked_state = self._current_state()
                return self._open("ro&immutable=1")
            stack.pop_all()
        return reader

    def _has_log(self) -> bool:
        """Whether there are rows beside the file that are not in it yet."""
        log = self.path.with_name(f"{self.path.name}-wal")
        return _is_file(log) and log.stat().st_size > 0

    def _open(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute(f"PRAGMA synchronous = {self.synchronous}")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute(
            "CREATE TEMP TABLE IF NOT EXISTS pricing_touched"
            " (provider TEXT, model TEXT, at TEXT, PRIMARY KEY (provider, model))"
        )

    def fetch_all(self, sql: str, values: Values) -> list[Row]:
        if self._writing_thread == threading.get_ident():
            with self._translate_errors():
                return self._connection.execute(sql, values).fetchall()
        with self._read_lock, self._translate_errors():
            self._follow_unlocked()
            return self._reader.execute(sql, values).fetchall()

    def execute(self, sql: str, values: Values) -> int:
        with self._write_lock, self._translate_errors():
            return self._connection.execute(sql, values).rowcount

    def execute_many(self, sql: str, values: Sequence[Values]) -> None:
        if self._writing_thread != threading.get_ident():
            # By itself, each set of values would be committed before the next.
            with self.transaction():
                self._connection.executemany(sql, values)
            return
        with self._write_lock, self._translate_errors():
            self._connection.executemany(sql, values)

    def execute_script(self, sql: str) -> None:
        statement = ""
        with self._write_lock, self._translate_errors():
            # `executescript` would commit the open transaction.
            for line in sql.splitlines(keepends=True):
                statement += line
                if sqlite3.complete_statement(statement):
                    self._connection.execute(statement)
                    statement = ""

    def tables(self) -> dict[str, Table]:
        return tables_of(self.fetch_all(_COLUMNS, {}))

    @contextmanager
    def transaction(self, wait_seconds: float | None = None) -> Iterator[None]:
        with self._write_lock, self._translate_errors():
            self._begin(wait_seconds)
            self._writing_thread = threading.get_ident()
            self._is_revised = False
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # After an error such as a full disk, SQLite may have rolled back already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._writing_thread = None
            is_revised = self._is_revised
        if is_revised and self.on_revision is not None:
            self.on_revision()

    def _begin(self, wait_seconds: float | None) -> None:
        if wait_seconds is None:
            self._connection.execute("BEGIN IMMEDIATE")
            return
        self._connection.execute(f"PRAGMA busy_timeout = {wait_seconds * 1000:.0f}")
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")

    def new_revision(self, providers: Set[str]) -> None:
        self.execute(_NEW_REVISION, {})
        token = new_id()
        self.execute_many(
            _NOTE_REVISION, [{"token": token, "provider": one} for one in sorted(providers)]
        )
        self._is_revised = True

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        if self._writing_thread == threading.get_ident():
            yield  # a transaction reads one state already
            return
        with self._read_lock, self._translate_errors():
            self._follow_unlocked()
            self._reader.execute("BEGIN")
            try:
                yield
            finally:
                # After a read error, SQLite may have ended the transaction already.
                if self._reader.in_transaction:
                    self._reader.execute("ROLLBACK")

    def close(self) -> None:
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._connection.close()

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        self._refuse_replaced()
        try:
            yield
        except sqlite3.Error as error:
            raise self._store_error(error) from error

    def _refuse_replaced(self) -> None:
        # SQLite would continue in a deleted file, whose rows are lost when this process ends.
        if self._file_id is not None and self._current_file_id() != self._file_id:
            raise StoreError(f"database: {self.path}: was removed or replaced while it was open")

    def _follow_unlocked(self) -> None:
        """Open the file again if another process has written to it since it was opened."""
        if self._unlocked_state is None or self._reader.in_transaction:
            return
        if self._current_state() != self._unlocked_state:
            self._reader.close()
            self._unlocked_state = None
            self._connection = self._reader = self._open_to_read()

    def _current_state(self) -> tuple[int, ...]:
        """What changes when the file is written, or when a log appears beside it."""
        found = self.path.stat()
        return found.st_mtime_ns, found.st_size, int(self._has_log())

    def _current_file_id(self) -> tuple[int, int] | None:
        """The device and inode number of the file at the path; None when there is no file."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _explain_missing(self) -> None:
        """Raise StoreError if the folder is why there can be no file, such as a volume of root's.

        SQLite does not say it.
        """
        folder = self.path.absolute().parent
        if not folder.is_dir():
            raise StoreError(f"database: {self.path}: there is no folder {folder}")
        if not os.access(folder, os.W_OK):
            raise StoreError(f"database: {self.path}: this user cannot write to {folder}")

    def _store_error(self, error: sqlite3.Error) -> StoreError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        kind = StoreBusy if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) else StoreError
        return kind(f"database: {self.path}: {error}")


def _is_file(path: Path) -> bool:
    """Whether there is a file that can be found: not with a name that is too long, for example."""
    try:
        return path.is_file()
    except OSError:
        return False
