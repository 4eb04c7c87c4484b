"""Events for others, stored in the transaction that made them true."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pricing_sync.changes.events import EventKind
from pricing_sync.changes.held import HeldChange
from pricing_sync.changes.plan import ChangePlan
from pricing_sync.changes.run import Reading
from pricing_sync.changes.scheduled import ScheduledPlan
from pricing_sync.store import events
from pricing_sync.store.connection import Connection, NamedQueries, load_queries
from pricing_sync.store.rows import read_instant, write_instant, write_json

_QUERIES = load_queries({}, "outbox.sql")


class Outbox(NamedQueries):
    """The events of a `Store`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, _QUERIES)

    def add_changed(
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
        payload = events.changed(plan, provider=provider, reading_id=reading_id, at=at, **more)
        self.add(event_id, EventKind.PRICE_CHANGED, created_at, payload)

    def add_scheduled(self, reading: Reading, plan: ScheduledPlan) -> None:
        """Store what a reading says of later prices, before anything of it is in force."""
        payload = events.scheduled(reading, plan)
        event_id = f"{reading.id}-scheduled"
        self.add(event_id, EventKind.PRICE_SCHEDULED, reading.finished_at, payload)

    def add_held(self, reading: Reading, items: Sequence[HeldChange], waiting: int) -> None:
        """Store that a reading holds changes that waited for nobody before."""
        payload = events.held(reading, items, waiting)
        self.add(f"{reading.id}-held", EventKind.CHANGES_HELD, reading.finished_at, payload)

    def add(
        self, event_id: str, kind: EventKind, created_at: datetime, payload: Mapping[str, Any]
    ) -> None:
        """Store an event. Call it in the transaction that makes it true.

        It gets the ledger's revision: of two events about a model, the later has the higher one.
        """
        found = self._fetch("revision")
        self._execute(
            "add_event",
            id=event_id,
            kind=kind.value,
            provider=payload.get("provider"),
            created_at=write_instant(created_at),
            payload=write_json({"revision": found[0][0] if found else 0, **payload}),
        )

    def has(self, event_id: str) -> bool:
        """Whether an event is stored."""
        return bool(self._fetch("event", id=event_id))

    def last_reported(self, provider: str) -> datetime | None:
        """The time of the newest reading that has an event, or None when there is none."""
        found = self._fetch("last_reported", provider=provider)
        return read_instant(found[0][0]) if found else None

    def pending(self, limit: int = 100) -> list[tuple[str, str, dict[str, Any]]]:
        """The oldest events that no endpoint was given yet: id, kind, payload."""
        found = self._fetch("pending_events", limit=limit)
        return [(event_id, kind, json.loads(payload)) for event_id, kind, payload in found]

    def created_since(
        self, since: datetime, kind: EventKind
    ) -> list[tuple[str, str, dict[str, Any]]]:
        """The events of a kind that were stored since then, the oldest first."""
        found = self._fetch("events_since", since=write_instant(since), kind=kind.value)
        return [(event_id, kind, json.loads(payload)) for event_id, kind, payload in found]
