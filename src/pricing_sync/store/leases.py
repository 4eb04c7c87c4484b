"""Leases: of the processes that share a database, one does a piece of work at a time."""

from __future__ import annotations

from datetime import datetime, timedelta

from pricing_sync.store.connection import Connection, NamedQueries, load_queries
from pricing_sync.store.rows import read_instant, write_instant

_QUERIES = load_queries({}, "leases.sql")
#: How long a process may go on without renewing its lease.
LEASE = timedelta(seconds=30)


class Lease(NamedQueries):
    """The lease of one piece of work, in the database of a `Store`."""

    def __init__(self, connection: Connection, name: str, length: timedelta | None = None) -> None:
        super().__init__(connection, _QUERIES)
        self._name, self._length = name, length or LEASE

    def acquire(self, owner: str, now: datetime) -> bool:
        """Whether *owner* has the lease for the next time; no other process has it meanwhile."""
        # Twice as long as a lease: another process that looked at its clock a moment later has one
        # that ends a moment later, and keeps it.
        horizon = now + 2 * self._length
        found = self._fetch("lease", name=self._name)
        if found:
            holder, until = found[0][0], read_instant(found[0][1])
            if now < until <= horizon:
                if holder != owner:
                    return False
                # It is renewed when a third of it has passed.
                if until > now + self._length * 2 / 3:
                    return True
        acquired = self._execute(
            "acquire",
            name=self._name,
            owner=owner,
            now=write_instant(now),
            until=write_instant(now + self._length),
            horizon=write_instant(horizon),
        )
        return bool(acquired)

    def release(self, owner: str, now: datetime) -> None:
        """End the lease, so that another process can have it."""
        self._execute("release", name=self._name, owner=owner, now=write_instant(now))
