"""A backup of the ledger: one file, a consistent copy of the SQLite database, checked."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pricing_sync.errors import SettingsError, StoreError, masked
from pricing_sync.store.connection import load_queries, refuse_newer
from pricing_sync.store.rows import read_instant

QUERIES = load_queries({}, "backup.sql")
#: How long to wait for a process that is just writing or ending.
BUSY_SECONDS = 2
#: What is done, in order.
STEPS = ("copying", "checking")

_SQLITE = "sqlite:///"
#: Between two reports of progress: 16 MiB of pages of 4 KiB.
_PAGES = 4096

#: Called with one of `STEPS` and with the share of it that is done, from 0 to 1.
OnProgress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a database holds."""

    #: The number of the last applied migration.
    schema_version: int
    #: Every card of the ledger, the superseded ones included.
    cards: int
    #: The cards that are known and have no end.
    prices: int
    #: Every row of an override.
    overrides: int
    readings: int
    #: When the newest reading ended; None if there is none.
    last_reading_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup that was checked: its file, and what it holds."""

    file: Path
    size_bytes: int
    #: Of the file, in hexadecimal digits.
    sha256: str
    contents: Contents


def back_up(
    url: str, file: Path, *, overwrite: bool = False, on_progress: OnProgress | None = None
) -> Backup:
    """Copy the database at *url* to *file*, while other processes read and write it.

    The copy is the state of one instant. It is checked before it gets its name: its pages, and
    its contents against those of the original. A killed backup leaves `.NAME.….partial`.

    Raises:
        SettingsError: the database is not SQLite, or *file* exists and *overwrite* is not set.
        StoreError: the database cannot be read or is damaged, or *file* cannot be written.
    """
    database = path_of(url, "backup")
    if not database.is_file():
        raise StoreError(f"database: {database} does not exist")
    _refuse_existing(file, database, overwrite=overwrite)
    with explained(f"backup: {database} to {file}"), temporary_beside(file) as partial:
        with _source(database) as source:
            # It would begin again whenever another process writes, if it did not read a snapshot.
            source.execute("BEGIN")
            contents = _contents(source)
            _copy(source, partial, on_progress)
        if on_progress is not None:
            on_progress(STEPS[1], 0)
        backup = checked(partial, file)
        if backup.contents != contents:
            raise StoreError("the copy is not equal to the original")
        _refuse_existing(file, database, overwrite=overwrite)
        put_in_place(partial, file)
    return backup


def back_up_before(url: str, schema_version: int) -> Backup | None:
    """A backup beside the database before it is migrated; None if it is not SQLite.

    Raises:
        StoreError: it cannot be made, or another process has migrated the database.
    """
    if not url.startswith(_SQLITE):
        return None
    database = path_of(url, "backup")
    name = f"{database.name}.schema-{schema_version}-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    made = back_up(url, database.with_name(name))
    if made.contents.schema_version != schema_version:
        made.file.unlink()
        raise StoreError(f"backup: {database}: another process has just migrated it")
    return made


def checked(path: Path, name: Path) -> Backup:
    """The backup in a file that no process writes, after a check of every page.

    Raises:
        StoreError: it is damaged or of another program, or newer than this one.
        OSError, sqlite3.Error: it cannot be read.
    """
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    with closing(open_file(path, "ro&immutable=1")) as database:
        try:
            contents = _contents(database)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
            raise StoreError(f"not a database of this program ({error})") from error
        (found,) = database.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise StoreError(f"damaged: {' '.join(found.split())}")
    refuse_newer(contents.schema_version, "sqlite")
    return Backup(file=name, size_bytes=path.stat().st_size, sha256=digest, contents=contents)


def _contents(database: sqlite3.Connection) -> Contents:
    schema, cards, prices, overrides, readings, last = database.execute(
        QUERIES["contents"]
    ).fetchone()
    return Contents(
        schema_version=schema or 0,
        cards=cards,
        prices=prices,
        overrides=overrides,
        readings=readings,
        last_reading_at=last and read_instant(last),
    )


def _refuse_existing(file: Path, database: Path, *, overwrite: bool) -> None:
    refuse_same(file, database, "backup")
    if file.is_dir():
        raise SettingsError(f"backup: {file} is a folder, not a file")
    if file.exists() and not overwrite:
        raise SettingsError(f"backup: {file} exists (--force replaces it)")


@contextmanager
def _source(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection to read from; of a file on a read-only mount, without locks."""
    source = open_file(database, "rw", BUSY_SECONDS)
    try:
        source.execute("SELECT COUNT(*) FROM sqlite_master")
    except sqlite3.OperationalError as error:
        source.close()
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
        refuse_log(database)
        source = open_file(database, "ro&immutable=1")
    with closing(source):
        yield source


def _copy(source: sqlite3.Connection, path: Path, on_progress: OnProgress | None) -> None:
    def step(_status: int, remaining: int, total: int) -> None:
        if on_progress is not None:
            on_progress(STEPS[0], 1 - remaining / max(total, 1))

    with closing(open_file(path, "rw")) as target:
        # Nobody reads the copy before it is whole, and it is synchronized at the end.
        target.execute("PRAGMA synchronous = OFF")
        target.execute("PRAGMA journal_mode = OFF")
        source.backup(target, pages=_PAGES, progress=step)
        # A backup can be read where nothing can be written beside it.
        target.execute("PRAGMA journal_mode = DELETE")


# What a restore needs too


def path_of(url: str, who: str) -> Path:
    """The file of a database.

    Raises:
        SettingsError: it is not SQLite.
    """
    if not url.startswith(_SQLITE):
        raise SettingsError(f"{who}: {masked(url)} is not SQLite; use the tools of that database")
    return Path(url.removeprefix(_SQLITE))


def refuse_same(file: Path, database: Path, who: str) -> None:
    """Raise SettingsError when the two are one file."""
    if file.exists() and database.exists() and file.samefile(database):
        raise SettingsError(f"{who}: {file} is the database itself")


def refuse_log(path: Path) -> None:
    """Raise StoreError when rows of the file are not in it yet, but in the log beside it."""
    log = path.with_name(f"{path.name}-wal")
    if log.is_file() and log.stat().st_size:
        raise StoreError(f"it is not whole: the rest is in {log.name}")


def open_file(path: Path, mode: str, timeout: float = 0) -> sqlite3.Connection:
    """A connection to an SQLite file, without transactions of its own."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=timeout, isolation_level=None
    )


@contextmanager
def explained(where: str) -> Iterator[None]:
    """A block whose errors are one line that begins with *where*."""
    try:
        yield
    except StoreError as error:
        raise type(error)(f"{where}: {error}") from error
    except OSError as error:
        raise StoreError(f"{where}: {error.strerror or error}") from error
    except sqlite3.Error as error:
        raise StoreError(f"{where}: {error}") from error


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """A new file in the folder of *path*, which is gone after the block unless it was renamed."""
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    os.close(number)
    partial = Path(name)
    try:
        yield partial
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            Path(f"{partial}{suffix}").unlink(missing_ok=True)


def put_in_place(partial: Path, path: Path) -> None:
    """Give a file its name, which it has after a loss of power too."""
    with partial.open("rb") as opened:
        os.fsync(opened.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
