"""Notifications of new revisions of the ledger, on a connection of their own to PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import psycopg

from pricing_sync.errors import StoreError, masked
from pricing_sync.store.postgres import REVISION_CHANNEL

_Connection: TypeAlias = "psycopg.AsyncConnection[tuple[object, ...]]"

#: A connection that is silent, because the host of the database is gone, ends after about 15 s.
_OPTIONS: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "application_name": "pricing-sync book",
}


class RevisionNotifications:
    """One connection that listens. A pooler may let it connect and still pass nothing on."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    async def wait(self, seconds: float) -> bool:
        """Wait for a new revision, so long at most; returns whether there is one.

        Raises:
            psycopg.Error: the connection was lost.
        """
        found = False
        async for _ in self._connection.notifies(timeout=seconds, stop_after=1):
            found = True
        return found


@asynccontextmanager
async def revision_notifications(url: str) -> AsyncIterator[RevisionNotifications]:
    """Listen while the block runs.

    Raises:
        StoreError: the database cannot be reached, or the connection was lost.
    """
    try:
        async with await psycopg.AsyncConnection.connect(
            url, autocommit=True, prepare_threshold=None, **_OPTIONS
        ) as connection:
            await connection.execute(f"LISTEN {REVISION_CHANNEL}")
            yield RevisionNotifications(connection)
    except psycopg.Error as error:
        why = str(error).strip().partition("\n")[0]
        raise StoreError(f"database: {masked(url)}: {why}") from error
