"""The queues of the endpoints: which event each still has to get, and what became of the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pricing_sync.changes.events import EventKind
from pricing_sync.errors import UnknownName
from pricing_sync.store.connection import Connection, NamedQueries, Row, load_queries
from pricing_sync.store.leases import Lease
from pricing_sync.store.rows import read_instant, read_optional_instant, write_instant

_QUERIES = load_queries({}, "deliveries.sql")
#: A time that is farther away was written before the clock was set back.
_FARTHEST = timedelta(hours=12)
#: Events of one transaction.
_EVENTS = 100


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as it is stored."""

    id: str
    kind: EventKind
    #: Whom it is about; None if it is about no provider, or several.
    provider: str | None
    created_at: datetime
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one endpoint."""

    endpoint: str
    event: StoredEvent
    state: str
    queued_at: datetime
    #: Attempts so far.
    attempts: int
    next_at: datetime
    ended_at: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True)
class EndpointState:
    """What is known of one endpoint."""

    name: str
    #: Since when it is known.
    since: datetime
    #: When it said that it is gone; None while it gets events.
    disabled_at: datetime | None = None
    #: Deliveries, and attempts that failed, in all.
    delivered: int = 0
    failed: int = 0
    last_delivered_at: datetime | None = None
    #: Failed attempts in a row, the last error, and until when nothing is sent.
    failures: int = 0
    error: str | None = None
    paused_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """How many events an endpoint still gets, since when the oldest waits, and the dead letters."""

    waiting: int = 0
    oldest: datetime | None = None
    dead: int = 0


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """An endpoint of the settings, and its queue."""

    name: str
    #: `webhook` or `apprise`.
    kind: str
    #: Its scheme and host, without what may be secret.
    where: str
    events: Sequence[EventKind]
    providers: Sequence[str]
    state: EndpointState
    counts: QueueCounts = field(default_factory=QueueCounts)


class DeliveryTable(NamedQueries):
    """The endpoints and their queues, in the database of a `Store`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, _QUERIES)
        #: Of the process that delivers.
        self.lease = Lease(connection, "notify")

    # Endpoints

    def note_endpoints(self, settings: Mapping[str, str], now: datetime) -> None:
        """Store the endpoints that are new. One that was disabled is enabled by other settings.

        *settings* has what names the settings of each endpoint.
        """
        at = write_instant(now)
        self._execute_many(
            "note_endpoint",
            [{"name": name, "settings": text, "now": at} for name, text in settings.items()],
        )

    def fingerprints(self) -> dict[str, str]:
        """What names the settings of each endpoint that is known, by name."""
        return {row[0]: row[1] for row in self._fetch("fingerprints")}

    def endpoints(self) -> dict[str, EndpointState]:
        """What is known of each endpoint, by name."""
        return {row[0]: _read_endpoint(row) for row in self._fetch("endpoints")}

    def counts(self) -> dict[str, QueueCounts]:
        """The length of each queue, and the number of dead letters, by endpoint."""
        waiting = {row[0]: row[1:] for row in self._fetch("count_waiting")}
        dead = {row[0]: row[1] for row in self._fetch("count_dead")}
        return {
            name: QueueCounts(
                waiting.get(name, (0, None))[0],
                read_optional_instant(waiting.get(name, (0, None))[1]),
                dead.get(name, 0),
            )
            for name in waiting.keys() | dead.keys()
        }

    # The queue

    def queue_events(self, wanted_by: Callable[[StoredEvent], Iterable[str]], now: datetime) -> int:
        """Put new events into the queues of those who want them; return how many were new.

        An endpoint that is not known yet gets none, and neither does one that is disabled.
        """
        if not self._fetch("new_events", limit=1):
            return 0
        at = write_instant(now)
        with self._connection.transaction():
            events = [_read_event(row) for row in self._fetch("new_events", limit=_EVENTS)]
            endpoints = self.endpoints()
            self._execute_many(
                "queue",
                [
                    {"endpoint": name, "event_id": event.id, "now": at}
                    for event in events
                    for name in wanted_by(event)
                    if (known := endpoints.get(name)) and known.disabled_at is None
                ],
            )
            self._execute_many("mark_queued", [{"id": event.id, "now": at} for event in events])
        return len(events)

    def due(self, now: datetime) -> set[str]:
        """The endpoints with an event that is to be sent now."""
        return {row[0] for row in self._fetch("due", **_bounds(now))}

    def next(self, endpoint: str, now: datetime) -> Delivery | None:
        """The event that an endpoint is to be sent now; None if there is none."""
        found = self._fetch("next", endpoint=endpoint, **_bounds(now))
        return _read_delivery(found[0]) if found else None

    def save_delivered(self, delivery: Delivery, now: datetime) -> None:
        """Store that an endpoint has an event. What failed while it was down is due at once."""
        with self._connection.transaction():
            self._end(delivery, "delivered", now, None)
            self._execute("endpoint_delivered", name=delivery.endpoint, now=write_instant(now))

    def save_failed(
        self,
        delivery: Delivery,
        error: str,
        now: datetime,
        *,
        next_at: datetime | None,
        paused_until: datetime,
        expired_before: datetime,
    ) -> bool:
        """Store a failed attempt; returns whether there are new dead letters.

        Args:
            next_at: When it is tried again; None for never: it becomes a dead letter.
            paused_until: Until then the endpoint is sent nothing.
            expired_before: What has waited since before then becomes a dead letter too.
        """
        at = write_instant(now)
        with self._connection.transaction():
            if next_at is None:
                self._end(delivery, "dead", now, error)
            else:
                self._execute(
                    "retry",
                    endpoint=delivery.endpoint,
                    event_id=delivery.event.id,
                    next_at=write_instant(next_at),
                    error=error,
                )
            expired = self._execute(
                "expire",
                endpoint=delivery.endpoint,
                before=write_instant(expired_before),
                now=at,
                error=error,
            )
            self._execute(
                "endpoint_failed",
                name=delivery.endpoint,
                error=error,
                paused_until=write_instant(paused_until),
            )
        return next_at is None or expired > 0

    def hurry(self, endpoint: str, now: datetime) -> None:
        """Make all that waits for an endpoint due, which takes events again."""
        self._execute("hurry", endpoint=endpoint, now=write_instant(now))

    def disable(self, delivery: Delivery, error: str, now: datetime) -> None:
        """Send an endpoint nothing more. What waits for it becomes dead letters."""
        with self._connection.transaction():
            at, name = write_instant(now), delivery.endpoint
            self._execute("expire", endpoint=name, before=at, now=at, error=error)
            self._execute("endpoint_failed", name=name, error=error, paused_until=None)
            self._execute("disable", name=name, now=at)

    def _end(self, delivery: Delivery, state: str, now: datetime, error: str | None) -> None:
        self._execute(
            "end",
            endpoint=delivery.endpoint,
            event_id=delivery.event.id,
            state=state,
            now=write_instant(now),
            error=error,
        )

    # Dead letters

    def dead(self, endpoint: str, limit: int) -> list[Delivery]:
        """The newest dead letters of an endpoint."""
        found = self._fetch("dead", endpoint=endpoint, limit=limit)
        return [_read_delivery(row) for row in found]

    def replay(self, endpoint: str, event_id: str | None, now: datetime) -> int:
        """Queue all dead letters of an endpoint again, or one event, which it may have already.

        An endpoint that was disabled is enabled. Returns how many were queued.

        Raises:
            UnknownName: there is no such event.
        """
        at = write_instant(now)
        with self._connection.transaction():
            self._execute("enable", name=endpoint)
            if event_id is None:
                return self._execute("replay_dead", endpoint=endpoint, now=at)
            if not self._fetch("event", id=event_id):
                raise UnknownName(f"{event_id[:80]!a}: no such event")
            return self._execute("replay", endpoint=endpoint, event_id=event_id, now=at)


def _bounds(now: datetime) -> dict[str, str]:
    return {"now": write_instant(now), "horizon": write_instant(now + _FARTHEST)}


def _read_event(row: Sequence[Any]) -> StoredEvent:
    event_id, kind, provider, created_at, payload = row
    created = read_instant(created_at)
    return StoredEvent(event_id, EventKind(kind), provider, created, json.loads(payload))


def _read_delivery(row: Row) -> Delivery:
    endpoint, state, queued_at, attempts, next_at, ended_at, error, *event = row
    return Delivery(
        endpoint=endpoint,
        event=_read_event(event),
        state=state,
        queued_at=read_instant(queued_at),
        attempts=attempts,
        next_at=read_instant(next_at),
        ended_at=read_optional_instant(ended_at),
        error=error,
    )


def _read_endpoint(row: Row) -> EndpointState:
    name, since, disabled_at, delivered, failed, last_delivered_at, failures, error, paused = row
    return EndpointState(
        name=name,
        since=read_instant(since),
        disabled_at=read_optional_instant(disabled_at),
        delivered=delivered,
        failed=failed,
        last_delivered_at=read_optional_instant(last_delivered_at),
        failures=failures,
        error=error,
        paused_until=read_optional_instant(paused),
    )
