"""SQLite: one file, write-ahead log, full durability; a connection to write and one to read.

Reading never waits for a writer; writers wait for each other up to `BUSY_SECONDS`.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pricing_sync.errors import StoreBusy, StoreError
from pricing_sync.store.connection import Row, Values

BUSY_SECONDS = 10


class SqliteConnection:
    """One database that threads share. Inside a transaction they see what it has written so far;
    outside they see what was committed, and do not wait."""

    decimal_sql = (
        "CASE WHEN \"{0}\" IS NOT NULL THEN printf('%d.%015d',"
        ' "{0}" / 1000000000000000, "{0}" % 1000000000000000) END'
    )
    now_sql = "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')"

    def __init__(self, path: Path, *, create: bool) -> None:
        """Open *path*; *create* it when it is not there.

        Raises:
            StoreError: it is not there, cannot be opened, or is not an SQLite database.
        """
        self.path = path
        self._lock, self._reading = threading.RLock(), threading.RLock()
        self._writer: int | None = None
        self._file: tuple[int, int] | None = None
        if not create and not path.is_file():
            raise StoreError(f"database: {path} does not exist")
        self._connection = self._open("rwc" if create else "rw")
        try:
            with self._translated():
                self._prepare()
            self._reader = self._open("rw")
        except BaseException:
            self._connection.close()
            raise
        self._file = self._identity()

    def _open(self, mode: str) -> sqlite3.Connection:
        with self._translated():
            return sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode={mode}",
                uri=True,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute(
            "CREATE TEMP TABLE IF NOT EXISTS pricing_touched (model TEXT PRIMARY KEY)"
        )

    def fetch_all(self, sql: str, values: Values) -> list[Row]:
        if self._writer == threading.get_ident():
            with self._translated():
                return self._connection.execute(sql, values).fetchall()
        with self._reading, self._translated():
            return self._reader.execute(sql, values).fetchall()

    def execute(self, sql: str, values: Values) -> int:
        with self._lock, self._translated():
            return self._connection.execute(sql, values).rowcount

    def execute_many(self, sql: str, values: Sequence[Values]) -> None:
        with self._lock, self._translated():
            self._connection.executemany(sql, values)

    def execute_script(self, sql: str) -> None:
        statement = ""
        with self._lock, self._translated():
            # `executescript` would commit the transaction it finds itself in.
            for line in sql.splitlines(keepends=True):
                statement += line
                if sqlite3.complete_statement(statement):
                    self._connection.execute(statement)
                    statement = ""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock, self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            self._writer = threading.get_ident()
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # A full disk may have rolled back already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._writer = None

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        if self._writer == threading.get_ident():
            yield  # a transaction is of one moment already
            return
        with self._reading, self._translated():
            self._reader.execute("BEGIN")
            try:
                yield
            finally:
                # A database that cannot be read may have ended it already.
                if self._reader.in_transaction:
                    self._reader.execute("ROLLBACK")

    def close(self) -> None:
        with self._lock, self._reading:
            self._reader.close()
            self._connection.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        # SQLite itself would go on in a file that has no name any more, and is gone with us.
        if self._file is not None and self._identity() != self._file:
            raise StoreError(f"database: {self.path}: was removed or replaced while it was open")
        try:
            yield
        except sqlite3.Error as error:
            raise self._named(error) from error

    def _identity(self) -> tuple[int, int] | None:
        """What tells the file from any other of its name; None when there is none."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _named(self, error: sqlite3.Error) -> StoreError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        kind = StoreBusy if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) else StoreError
        return kind(f"database: {self.path}: {error}")
