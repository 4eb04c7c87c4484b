"""The database: the ledger, the held changes, the queue of runs and more."""

from __future__ import annotations

from pathlib import Path

from pricing_sync.errors import SettingsError, masked
from pricing_sync.store.connection import Connection
from pricing_sync.store.store import Store

__all__ = ["Connection", "Store", "connect", "is_postgres", "open_store"]

_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql://", "postgres://")


def open_store(url: str, *, create: bool = False) -> Store:
    """The store at *url*, in SQLite or PostgreSQL.

    It is of the form `sqlite:///prices.db`, `sqlite:////absolute/prices.db` or
    `postgresql://user:password@host/database`.

    With *create*, a missing SQLite file and missing tables are created. The tables of an older
    version of this program must have been migrated before: see `upgrade`.

    Raises:
        SettingsError: *url* is not the URL of a supported database, or its driver is missing.
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
    # Drivers are imported here, so that only the one in use needs to be installed.
    if is_postgres(url):
        return Store(_postgres(url))
    path = url.removeprefix(_SQLITE)
    if not url.startswith(_SQLITE) or not path:
        raise SettingsError(
            f"database: {masked(url)!r} is neither of the form sqlite:///FILE"
            " nor postgresql://USER@HOST/DATABASE"
        )
    from pricing_sync.store.sqlite import SqliteConnection

    return Store(SqliteConnection(Path(path), create=create))


def is_postgres(url: str) -> bool:
    """Whether a URL is one of PostgreSQL."""
    return url.startswith(_POSTGRES)


def _postgres(url: str) -> Connection:
    try:
        from pricing_sync.store.postgres import PostgresConnection
    except ImportError as error:
        raise SettingsError(
            f"database: {error.name}: pip install 'pricing-sync[postgres]' to use PostgreSQL"
        ) from error
    return PostgresConnection(url)
