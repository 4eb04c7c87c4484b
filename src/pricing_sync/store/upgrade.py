"""Brings a database to this version, with a backup of what it was."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pricing_sync.store import connect
from pricing_sync.store.backup import back_up_before


class Upgrade(NamedTuple):
    """What was done."""

    applied: list[int]
    version: int
    #: The backup from before; None if the database was new, needed nothing, or is not SQLite.
    backup: Path | None

    def __str__(self) -> str:
        done = ", ".join(map(str, self.applied)) or "none needed"
        kept = f"; as it was: {self.backup}" if self.backup else ""
        return f"migrations applied: {done}; schema {self.version}{kept}"


def upgrade(url: str, *, create: bool) -> Upgrade:
    """Bring a database to this version, after a backup if it is SQLite and holds anything.

    With *create*, an empty or missing database gets its tables.

    Raises:
        SettingsError: *url* is not the URL of a supported database.
        StoreError: it cannot be backed up or migrated, or is newer than this program.
    """
    with connect(url, create=create) as store:
        before, made = store.version, None
        if before == 0 and not create:
            return Upgrade([], before, None)
        if 0 < before < store.newest_version:
            made = back_up_before(url, before)
        return Upgrade(store.migrate(), store.version, made.file if made else None)
