"""A database that cannot be written, as on a read-only mount: it is read."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pricing_sync.errors import StoreError
from pricing_sync.store import open_store

pytestmark = pytest.mark.sqlite("a file; for PostgreSQL: test_postgres.py")

#: The id of `nobody`: what stands for a read-only mount does not bind root.
NOBODY = 65_534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can read."""
    found = Path(tempfile.mkdtemp())
    found.chmod(0o755)
    yield found
    found.chmod(0o755)
    shutil.rmtree(found)


def run(folder: Path, *statements: str) -> subprocess.CompletedProcess[str]:
    """A program with a `store`, run by somebody who can read the folder and write nothing in it."""
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)
    program = (
        "import os, pricing_sync.store.sqlite",
        "from pricing_sync.errors import StoreError",
        # The files of Python itself may be readable by root only, so it is loaded before.
        f"os.geteuid() or os.setuid({NOBODY})",
        f"store = pricing_sync.store.open_store('sqlite:///{folder}/prices.db')",
        *statements,
    )
    return subprocess.run(
        [sys.executable, "-c", "\n".join(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def database(folder: Path) -> Path:
    """A database with a revision of 1, which nobody has open."""
    with open_store(f"sqlite:///{folder}/prices.db", create=True) as store, store.transaction():
        store.queue.increment({("revision", ()): 1})
    return folder / "prices.db"


@pytest.mark.usefixtures("database")
def test_a_database_that_nobody_has_open_is_read(folder: Path) -> None:
    """There is no log beside it, and none can be made."""
    found = run(folder, "print(store.revision(), len(store.runs(1)), store.book().read_at)")
    assert ("1 0", "") == (found.stdout[:3], found.stderr)
    assert ["prices.db"] == [file.name for file in folder.iterdir()]


def test_what_another_process_has_written_is_read(folder: Path, database: Path) -> None:
    """Its last rows are still in the log."""
    with open_store(f"sqlite:///{database}") as store:
        with store.transaction():
            store.queue.increment({("revision", ()): 6})
        assert (folder / "prices.db-wal").stat().st_size
        found = run(folder, "print(store.revision())")
        assert ("7\n", "") == (found.stdout, found.stderr)


@pytest.mark.usefixtures("database")
def test_a_write_is_refused(folder: Path) -> None:
    """Nothing is lost in silence."""
    statements = (
        "try:",
        "    with store.transaction(): store.queue.increment({('revision', ()): 1})",
        "except StoreError as error: print(error)",
        "print(store.revision())",
    )
    found = run(folder, *statements)
    message = f"database: {folder}/prices.db: attempt to write a readonly database\n"
    assert (message + "1\n", "") == (found.stdout, found.stderr)


def test_a_reader_without_locks_follows_a_writer(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was started before the writer does not serve old rows for ever."""
    url, log, real = f"sqlite:///{database}", Path(f"{database}-wal"), sqlite3.connect

    def connect(address: str, **options: object) -> sqlite3.Connection:
        """As on a read-only mount: only without locks, unless there is a log."""
        if "mode=rw" in address or ("immutable" not in address and not log.exists()):
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise error
        return real(address, **options)  # type: ignore[call-overload,no-any-return]

    with monkeypatch.context() as mounted:
        mounted.setattr(sqlite3, "connect", connect)
        reader = open_store(url)
    with reader:
        assert 1 == int(reader.revision())
        with open_store(url) as writer, writer.transaction():
            writer.queue.increment({("revision", ()): 1})
        assert 2 == int(reader.revision())


def test_a_folder_in_which_no_database_can_be_made_is_named(folder: Path) -> None:
    """As a volume that belongs to somebody else. SQLite only says that it cannot open the file."""
    make = f"pricing_sync.store.open_store('sqlite:///{folder}/new.db', create=True)"
    with open_store(f"sqlite:///{folder}/prices.db", create=True):
        pass
    assert f"this user cannot write to {folder}" in run(folder, "store.close()", make).stderr
    with pytest.raises(StoreError, match=f"there is no folder {folder}/none"):
        open_store(f"sqlite:///{folder}/none/prices.db", create=True)
