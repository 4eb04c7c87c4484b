"""Events for others, stored in the transaction that made them true."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pricing_sync.changes.plan import ChangePlan
from pricing_sync.changes.run import Reading
from pricing_sync.changes.scheduled import ScheduledPlan
from pricing_sync.store.connection import Connection, NamedQueries, load_queries
from pricing_sync.store.rows import (
    read_instant,
    write_instant,
    write_json,
    write_optional_instant,
)

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
        """Store that a reading changed prices, from *at* on. *more* goes into its payload.

        The event is `prices.changed`.
        """
        payload = {
            "provider": provider,
            "reading": reading_id,
            "at": write_instant(at),
            "changes": plan.counts(),
        }
        self._add(event_id, "prices.changed", created_at, payload | more)

    def add_scheduled(self, reading: Reading, plan: ScheduledPlan) -> None:
        """Store what a reading says of later prices, before anything of it is in force.

        The event is `prices.scheduled`.
        """
        payload = {
            "provider": reading.provider,
            "reading": reading.id,
            "at": write_instant(reading.at),
            "scheduled": [_entry(change.model, change.starts_at) for change in plan.added],
            "withdrawn": [_entry(model, starts_at) for model, starts_at in plan.withdrawn],
        }
        self._add(f"{reading.id}-scheduled", "prices.scheduled", reading.finished_at, payload)

    def _add(
        self, event_id: str, kind: str, created_at: datetime, payload: Mapping[str, Any]
    ) -> None:
        self._execute(
            "add_event",
            id=event_id,
            kind=kind,
            created_at=write_instant(created_at),
            payload=write_json(payload),
        )

    def last_reported(self, provider: str) -> datetime | None:
        """The time of the newest reading that has an event, or None when there is none."""
        found = self._fetch("last_reported", provider=provider)
        return read_instant(found[0][0]) if found else None

    def pending(self, limit: int = 100) -> list[tuple[str, str, dict[str, Any]]]:
        """The oldest events that are not delivered yet: id, kind, payload."""
        found = self._fetch("pending_events", limit=limit)
        return [(event_id, kind, json.loads(payload)) for event_id, kind, payload in found]


def _entry(model: str, starts_at: datetime | None) -> dict[str, Any]:
    return {"model": model, "starts_at": write_optional_instant(starts_at)}
