"""Deletes what is old and no longer needed, once a day. The ledger is never pruned."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from pricing_sync.store.connection import Connection, NamedQueries, load_queries
from pricing_sync.store.ids import new_id
from pricing_sync.store.leases import Lease
from pricing_sync.store.rows import write_instant

_QUERIES = load_queries({}, "pruning.sql")
_EVERY = timedelta(days=1)
#: Rows of one transaction: a few milliseconds, in which other writers wait.
_ROWS = 500
#: Runs of one transaction, with their readings.
_RUNS = 50
#: An answer is up to 3 MB when compressed.
_ANSWERS = 4


class Pruning(NamedQueries):
    """Deletes old readings, runs, events, decided changes, evidence and usage of a `Store`.

    What a later reading, a route or a person can still need stays: the newest success and the
    newest reading of each provider, what is held, and what was rejected.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, _QUERIES)
        self._lease = Lease(connection, "pruning", _EVERY)

    def acquire(self, now: datetime) -> bool:
        """Whether a pruning is due; no other process has one to do for a day then."""
        return self._lease.acquire(new_id(now), now)

    def batches(self, *, before: datetime, evidence_before: datetime) -> Iterator[int]:
        """Delete what is older than these instants, one short transaction at each step.

        Yields the number of rows that a step has deleted.
        """
        yield from self._by_rows("delete_evidence", evidence_before, _ANSWERS)
        yield from self._by_rows("delete_deliveries", before, _ROWS)
        yield from self._by_rows("delete_events", before, _ROWS)
        yield from self._by_rows("delete_held", before, _ROWS)
        yield self._execute("delete_reference_reads", before=write_instant(before))
        yield from self._by_rows("delete_usage_batches", before, _ROWS)
        while deleted := self._execute("delete_usage", before=write_instant(before)):
            yield deleted
        yield self._execute("delete_revisions")
        yield from self._by_runs(before)

    def _by_rows(self, query: str, before: datetime, limit: int) -> Iterator[int]:
        deleted = limit
        while deleted == limit:
            deleted = self._execute(query, before=write_instant(before), limit=limit)
            yield deleted

    def _by_runs(self, before: datetime) -> Iterator[int]:
        """Delete the runs whose readings are all old, and the readings of the others."""
        after, first_kept = "", new_id(before)  # the ids of runs sort by time
        while found := self._fetch("old_runs", after=after, before=first_kept, limit=_RUNS):
            span = {"after": after, "last": found[-1][0]}
            with self._connection.transaction():
                deleted = self._execute("delete_readings", **span)
                self._execute("delete_steps", **span)
                deleted += self._execute("delete_runs", **span)
            yield deleted
            after = span["last"]
