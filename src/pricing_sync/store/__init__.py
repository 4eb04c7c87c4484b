"""The database: the ledger, the held changes, the queue of runs and more, in SQLite."""

from __future__ import annotations

from pathlib import Path

from pricing_sync.errors import SettingsError, masked
from pricing_sync.store.connection import Connection
from pricing_sync.store.store import Store

__all__ = ["Connection", "Store", "connect", "open_store"]

_SQLITE = "sqlite:///"


def open_store(url: str, *, create: bool = False) -> Store:
    """The store at *url*, `sqlite:///prices.db` or `sqlite:////absolute/prices.db`.

    With *create*, a missing database is created. A database of an older version of this program
    must be migrated first.

    Raises:
        SettingsError: *url* is not the URL of a supported database.
        StoreError: the database does not exist, cannot be read, or has another schema version.
    """
    store = connect(url, create=create)
    try:
        store.prepare(create=create)
    except BaseException:
        store.close()
        raise
    return store


def connect(url: str, *, create: bool = False) -> Store:
    """As `open_store`, but without a check of the schema version: for migrations."""
    path = url.removeprefix(_SQLITE)
    if not url.startswith(_SQLITE) or not path:
        raise SettingsError(f"database: {masked(url)!r} is not of the form sqlite:///FILE")
    # Drivers are imported here, so that only the one in use needs to be installed.
    from pricing_sync.store.sqlite import SqliteConnection

    return Store(SqliteConnection(Path(path), create=create))
