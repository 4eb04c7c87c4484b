"""The ledger and everything kept beside it, in SQLite."""

from __future__ import annotations

from pathlib import Path

from pricing_sync.errors import SettingsError
from pricing_sync.store.connection import Connection
from pricing_sync.store.store import Store

__all__ = ["Connection", "Store", "connect", "open_store"]

_SQLITE = "sqlite:///"


def open_store(url: str, *, create: bool = False) -> Store:
    """The store at *url*, `sqlite:///prices.db` or `sqlite:////absolute/prices.db`.

    With *create* a database that is not there is made. One made by an older version of this
    program must be migrated first.

    Raises:
        SettingsError: the URL names no database that is supported.
        StoreError: the database is not there, cannot be read, or is of another version.
    """
    store = connect(url, create=create)
    try:
        store.prepare(create=create)
    except BaseException:
        store.close()
        raise
    return store


def connect(url: str, *, create: bool = False) -> Store:
    """As `open_store`, whatever the version of the schema: for migrating it."""
    path = url.removeprefix(_SQLITE)
    if not url.startswith(_SQLITE) or not path:
        raise SettingsError(f"database: {url!r} is not of the form sqlite:///FILE")
    # Drivers are imported where they are asked for, so that none need be installed but that one.
    from pricing_sync.store.sqlite import SqliteConnection

    return Store(SqliteConnection(Path(path), create=create))
