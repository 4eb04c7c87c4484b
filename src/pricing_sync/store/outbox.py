"""Events for others, stored in the transaction that made them true."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from pricing_sync.changes.plan import ChangePlan
from pricing_sync.store.connection import Connection, NamedQueries, load_queries
from pricing_sync.store.rows import read_optional_instant, write_instant, write_json

_QUERIES = load_queries({}, "outbox.sql")


class Outbox(NamedQueries):
    """The events of a `Store`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, _QUERIES)

    def add(
        self,
        event_id: str,
        plan: ChangePlan,
        *,
        provider: str,
        reading_id: str,
        at: datetime,
        created_at: datetime,
        **more: str,
    ) -> None:
        """Store that a reading changed prices, from *at* on. *more* goes into its payload."""
        payload = {
            "provider": provider,
            "reading": reading_id,
            "at": write_instant(at),
            "changes": plan.counts(),
        }
        self._execute(
            "add_event",
            id=event_id,
            created_at=write_instant(created_at),
            payload=write_json(payload | more),
        )

    def last_reported(self, provider: str) -> datetime | None:
        """The time of the newest reading that has an event, or None when there is none."""
        return read_optional_instant(self._fetch("last_reported", provider=provider)[0][0])

    def pending(self, limit: int = 100) -> list[tuple[str, str, dict[str, Any]]]:
        """The oldest events that are not delivered yet: id, kind, payload."""
        found = self._fetch("pending_events", limit=limit)
        return [(event_id, kind, json.loads(payload)) for event_id, kind, payload in found]
