"""What the nodes of other tools hold that prices are pushed to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pricing_sync.store.connection import Connection, NamedQueries, load_queries
from pricing_sync.store.leases import Lease
from pricing_sync.store.rows import (
    read_instant,
    read_optional_instant,
    write_instant,
    write_optional_instant,
)

_QUERIES = load_queries({}, "pushes.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class PushState:
    """What is known of one node."""

    target: str
    #: The digest of the document that it holds, as far as known.
    digest: str | None = None
    #: The ledger's revision of that document.
    revision: str | None = None
    #: When it was last known to hold it.
    checked_at: datetime | None = None
    #: Since when it is known not to hold the current document; None while it does.
    behind_since: datetime | None = None
    #: Failed pushes in a row, and the last error.
    failures: int = 0
    error: str | None = None
    #: When the next push or check is due.
    next_at: datetime


@dataclass(frozen=True, slots=True)
class PushStatus:
    """A node of the settings, beside the ledger."""

    target: str
    #: `litellm` or `langfuse`.
    kind: str
    state: PushState
    #: The ledger's revision.
    revision: str

    @property
    def is_behind(self) -> bool:
        """Whether the node is not known to have the prices in force."""
        return self.state.behind_since is not None or self.state.revision != self.revision


class PushTable(NamedQueries):
    """The states of all nodes, in the database of a `Store`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, _QUERIES)
        #: Of the process that pushes.
        self.lease = Lease(connection, "push")

    def states(self) -> dict[str, PushState]:
        """The state of each node that was pushed to, by its name."""
        return {
            row[0]: PushState(
                target=row[0],
                digest=row[1],
                revision=row[2],
                checked_at=read_optional_instant(row[3]),
                behind_since=read_optional_instant(row[4]),
                failures=row[5],
                error=row[6],
                next_at=read_instant(row[7]),
            )
            for row in self._fetch("pushes")
        }

    def save(self, state: PushState) -> None:
        """Store the state of a node, in place of its earlier one."""
        self._execute(
            "save",
            target=state.target,
            digest=state.digest,
            revision=state.revision,
            checked_at=write_optional_instant(state.checked_at),
            behind_since=write_optional_instant(state.behind_since),
            failures=state.failures,
            error=state.error,
            next_at=write_instant(state.next_at),
        )
