"""A backup in the place of the database, which is kept beside it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pricing_sync.errors import StoreBusy
from pricing_sync.store.audit_log import Action, AuditLog
from pricing_sync.store.backup import (
    BUSY_SECONDS,
    QUERIES,
    Backup,
    checked,
    explained,
    open_file,
    path_of,
    put_in_place,
    refuse_log,
    refuse_same,
    temporary_beside,
)
from pricing_sync.store.sqlite import SqliteConnection

#: The migration since when there are the audit log and the counters.
_COUNTERS_SINCE = 4
#: Added to the revision when that of the replaced database is not known. No ledger counts as far
#: between a backup and its loss.
_FAR = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore did, or would do."""

    backup: Backup
    #: Where the replaced database is kept; None if there was none.
    kept: Path | None


def restore(url: str, file: Path, *, author: str, reason: str, dry_run: bool = False) -> Restored:
    """Put the backup *file* in the place of the database at *url*, which is kept beside it.

    The backup is copied and checked before anything is replaced. If the process is killed, there
    is the old database or the new one, whole. The audit log of the new one has the restore, and
    its revision is higher than any before: one revision never has two contents.

    Args:
        url: Of the database. The file may be missing or damaged.
        file: The backup. Its schema may be older than this program's.
        author: Who decides.
        reason: Why.
        dry_run: Only check the backup, and whether the database is in use.

    Raises:
        SettingsError: the database is not SQLite, or is the backup.
        StoreBusy: another process has the database open.
        StoreError: the backup cannot be used, or cannot be put in place.
    """
    database, now = path_of(url, "restore"), datetime.now(UTC)
    refuse_same(file, database, "restore")
    kept = database.with_name(f"{database.name}.replaced-{now:%Y%m%dT%H%M%S.%fZ}")
    if dry_run:
        with explained(f"restore: {file}"):
            refuse_log(file)
            backup = checked(file, file)
        with explained(f"restore: {database}"), _alone(database, fold_log=False):
            return Restored(backup=backup, kept=kept if database.exists() else None)
    with ExitStack() as stack:
        with explained(f"restore: {database}"):
            partial = stack.enter_context(temporary_beside(database))
        with explained(f"restore: {file}"):
            refuse_log(file)
            file.open("rb").close()
        with explained(f"restore: {file} to {database}"):
            shutil.copyfile(file, partial)
        with explained(f"restore: {file}"):
            # What is put in place is what was checked, even if FILE changes meanwhile.
            backup = checked(partial, file)
        with explained(f"restore: {database}"), _alone(database, fold_log=True) as revision:
            _note(partial, backup, revision, Action("restore", author, reason, now))
            is_kept = _keep(database, kept, partial)
            put_in_place(partial, database)
    return Restored(backup=backup, kept=kept if is_kept else None)


@contextmanager
def _alone(database: Path, *, fold_log: bool) -> Iterator[int | None]:
    """A block in which no other process opens the database; its revision, if that can be read.

    With *fold_log*, what was in the log beside the file is in the file.

    Raises:
        StoreBusy: another process has it open: a connection has a lock until it is closed.
    """
    if not database.exists():
        yield None
        return
    with ExitStack() as stack:
        revision = None
        try:
            if fold_log:
                _fold_log(database)
            old = stack.enter_context(closing(open_file(database, "rw", BUSY_SECONDS)))
            revision = _lock(old)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                raise StoreBusy("another process uses it; stop that first") from error
            stack.close()  # it is damaged, so that no process can use it
        yield revision


def _fold_log(database: Path) -> None:
    """Put into the file what is in its log. That needs to be alone, too."""
    with closing(open_file(database, "rw", BUSY_SECONDS)) as old:
        old.execute("PRAGMA journal_mode = DELETE")


def _lock(old: sqlite3.Connection) -> int | None:
    """Lock a database against all others; its revision."""
    old.execute("PRAGMA locking_mode = EXCLUSIVE")
    old.execute("BEGIN EXCLUSIVE")
    try:
        found = old.execute(QUERIES["revision"]).fetchone()
    except sqlite3.OperationalError:  # of a schema before the counters, or of another program
        return None
    return found[0] if found else 0


def _note(partial: Path, backup: Backup, revision: int | None, action: Action) -> None:
    """Note the restore in the audit log, and count the revision on."""
    if backup.contents.schema_version < _COUNTERS_SINCE:
        return
    connection = SqliteConnection(partial, create=False)
    with closing(connection), connection.transaction():
        ((own,),) = connection.fetch_all(QUERIES["revision"], {}) or [(0,)]
        higher = own + _FAR if revision is None else max(own, revision) + 1
        connection.execute(QUERIES["set_revision"], {"revision": higher})
        what = {"file": backup.file.name, "sha256": backup.sha256, "revision": higher}
        entry = {"provider": None, "model": None, "subject": None, "what": what}
        AuditLog(connection).add(action, [entry])


def _keep(database: Path, kept: Path, partial: Path) -> bool:
    """Give the database, if there is one, a second name, and its rights to the new file.

    What lies beside it gets another name: a log of the old file would be applied to the new one.
    """
    for suffix in ("-wal", "-shm", "-journal"):
        left = Path(f"{database}{suffix}")
        if left.exists():
            left.rename(f"{kept}{suffix}")
    if not database.exists():
        return False
    found = database.stat()
    partial.chmod(found.st_mode & 0o777)
    with suppress(PermissionError):  # only root may give a file away
        os.chown(partial, found.st_uid, found.st_gid)
    try:
        os.link(database, kept)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        shutil.copy2(database, kept)
    return True
