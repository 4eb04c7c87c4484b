"""Delivers the events of the outbox to the endpoints of the settings, each at least once.

Of the processes that share a database one delivers, by a lease. Every few seconds it puts new
events into the queues of the endpoints that want them, and starts a task for each endpoint with
something to send: one request at a time, so that a slow endpoint delays no other. All state is in
the database. What was sent and not noted when a process dies is sent again, with the same id.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

from pricing_sync.background import Guard
from pricing_sync.changes.events import EventKind
from pricing_sync.errors import DeliveryFailed, UnknownName
from pricing_sync.notify.endpoints import Endpoint, endpoints_of, notify_urls
from pricing_sync.notify.watch import Watch
from pricing_sync.observe.listener import Listener, report_error
from pricing_sync.settings import Settings
from pricing_sync.store import Store
from pricing_sync.store.conditions import DEAD_LETTERS, Event
from pricing_sync.store.deliveries import (
    Delivery,
    EndpointState,
    EndpointStatus,
    QueueCounts,
    StoredEvent,
)
from pricing_sync.store.events import dead_letters
from pricing_sync.store.ids import new_id
from pricing_sync.store.leased_loop import LeasedLoop

#: Between two looks at the outbox, and between two looks for what becomes true by itself.
_POLL_SECONDS, _WATCH_SECONDS = 2.0, 60.0
#: The waits before an event is sent again: 24 hours and 21 minutes in all. After the last it is a
#: dead letter. Each is up to a tenth longer, at random.
_WAITS = tuple(
    timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 2 * 60, 4 * 60, 8 * 60, 9 * 60)
)
#: What has waited for longer at an endpoint that fails is a dead letter too.
_LONGEST = timedelta(hours=30)
#: After a failure an endpoint is sent nothing for a while: the first pause, and the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=5)
#: The longest Retry-After that counts.
_LONGEST_RETRY_AFTER = timedelta(hours=1)
#: After this many failures in a row, an endpoint was down.
_DOWN = 3


class Deliverer:
    """Delivers the events of one database to the endpoints of the settings."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        listeners: Sequence[Listener] = (),
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._settings, self._store, self._listeners = settings, store, listeners
        self._watch = Watch(settings, store)
        # For names that are slow to resolve, and for Apprise: not the threads that read the
        # database. A thread is made when it is needed.
        count = len(settings.webhook) + len(notify_urls(settings))
        self._threads = ThreadPoolExecutor(max(count, 1), "pricing-sync notify")
        self.endpoints = endpoints_of(settings, environment, self._threads)
        self._guard = Guard(partial(report_error, listeners))
        self._loop = LeasedLoop(
            "webhooks", store.deliveries.lease, self._start_due, self._guard, _POLL_SECONDS
        )
        self._started_at = self._watched_at = datetime.now(UTC)

    # In the background

    def start(self) -> None:
        """Deliver from now on whenever this process has the lease. Starting twice is harmless."""
        if self.endpoints and not self._loop.is_started:
            self._started_at = self._watched_at = datetime.now(UTC)
            self._loop.start()

    async def stop(self) -> None:
        """End the deliveries. What was not sent is sent after the next start."""
        await self._loop.stop()

    def close(self) -> None:
        """End the threads that have nothing to do."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _start_due(self) -> None:
        """Queue new events, and start a task for each endpoint with something to send.

        Raises:
            StoreError: the database cannot be read or written.
        """
        now = datetime.now(UTC)
        if not timedelta(0) <= now - self._watched_at < timedelta(seconds=_WATCH_SECONDS):
            self._watched_at = now
            look = partial(self._watch.look, now, running_since=self._started_at)
            await self._guard.run("watch", asyncio.to_thread(look))
        due = await asyncio.to_thread(self._queue_events)
        for endpoint in self.endpoints:
            if endpoint.name in due:
                self._loop.run(endpoint.name, partial(self._drain, endpoint))

    def _queue_events(self) -> set[str]:
        """Put new events into the queues; returns the endpoints with something to send now."""
        self._note_endpoints(datetime.now(UTC))
        self._queue_new_events()
        return self._store.deliveries.due(datetime.now(UTC))

    def _note_endpoints(self, now: datetime) -> None:
        """Store the endpoints that are new, or have other settings."""
        texts = {one.name: one.sender.fingerprint for one in self.endpoints}
        known = self._store.deliveries.fingerprints()
        new = {name: text for name, text in texts.items() if known.get(name) != text}
        if new:
            # First for those that are known already: a new one gets no event from before.
            self._queue_new_events()
            self._store.deliveries.note_endpoints(new, now)

    def _queue_new_events(self) -> None:
        while self._store.deliveries.queue_events(self._wanted_by, datetime.now(UTC)):
            pass

    def _wanted_by(self, event: StoredEvent) -> Iterable[str]:
        return [endpoint.name for endpoint in self.endpoints if endpoint.wants(event)]

    # One endpoint

    async def _drain(self, endpoint: Endpoint) -> None:
        """Send an endpoint what is due, one event after the other, until one fails."""
        deliveries = self._store.deliveries
        while True:
            delivery = await asyncio.to_thread(deliveries.next, endpoint.name, datetime.now(UTC))
            if delivery is None or not await self._deliver(endpoint, delivery):
                return

    async def _deliver(self, endpoint: Endpoint, delivery: Delivery) -> bool:
        """Send one event and note it; returns whether the endpoint took it."""
        try:
            await endpoint.sender.send(delivery.event)
        except DeliveryFailed as error:
            await asyncio.to_thread(self._note_failure, delivery, error)
            self._notify(delivery, error)
            return False
        await asyncio.to_thread(self._note_success, delivery)
        self._notify(delivery, None)
        return True

    def _note_success(self, delivery: Delivery) -> None:
        now, deliveries = datetime.now(UTC), self._store.deliveries
        failures = deliveries.endpoints()[delivery.endpoint].failures
        deliveries.save_delivered(delivery, now)
        if failures:
            self._store.conditions.end(DEAD_LETTERS, [delivery.endpoint])
        if failures >= _DOWN:
            deliveries.hurry(delivery.endpoint, now)

    def _note_failure(self, delivery: Delivery, error: DeliveryFailed) -> None:
        now, deliveries = datetime.now(UTC), self._store.deliveries
        if error.is_gone:
            deliveries.disable(delivery, str(error), now)
            self._tell_dead_letters(delivery, error, now)
            return
        failures = deliveries.endpoints()[delivery.endpoint].failures
        has_dead = deliveries.save_failed(
            delivery,
            str(error),
            now,
            next_at=_next_at(delivery.attempts, now),
            paused_until=now + _pause(failures, error),
            expired_before=now - _LONGEST,
        )
        if has_dead:
            self._tell_dead_letters(delivery, error, now)

    def _tell_dead_letters(self, delivery: Delivery, error: Exception, now: datetime) -> None:
        payload = dead_letters(delivery.endpoint, str(error), delivery.queued_at)
        event = Event(f"{new_id(now)}-dead", EventKind.DEAD_LETTERS, payload)
        self._store.conditions.begin(DEAD_LETTERS, [delivery.endpoint], now, event)

    def _notify(self, delivery: Delivery, error: DeliveryFailed | None) -> None:
        event = delivery.event
        for listener in self._listeners:
            listener.on_delivery(delivery.endpoint, event.id, event.kind.value, error)

    # What is known, and by hand

    def states(self) -> list[EndpointStatus]:
        """The endpoints of the settings, and their queues.

        Raises:
            StoreError: the database cannot be read.
        """
        if not self.endpoints:
            return []
        states, counts = self._store.deliveries.endpoints(), self._store.deliveries.counts()
        return [
            EndpointStatus(
                name=one.name,
                kind=one.kind,
                where=one.sender.where,
                events=tuple(one.events),
                providers=one.providers,
                state=states.get(one.name) or EndpointState(one.name, datetime.now(UTC)),
                counts=counts.get(one.name, QueueCounts()),
            )
            for one in self.endpoints
        ]

    def dead(self, name: str, limit: int) -> list[Delivery]:
        """The newest dead letters of an endpoint.

        Raises:
            UnknownName: no endpoint has that name.
        """
        return self._store.deliveries.dead(self._named(name).name, limit)

    async def test(self, name: str) -> None:
        """Send an endpoint a `webhook.test` now, whatever waits for it.

        Raises:
            UnknownName: no endpoint has that name.
            DeliveryFailed: it was not taken.
        """
        endpoint, now = self._named(name), datetime.now(UTC)
        event = StoredEvent(f"{new_id(now)}-test", EventKind.TEST, None, now, {"endpoint": name})
        await endpoint.sender.send(event)

    def replay(self, name: str, event_id: str | None) -> int:
        """Queue one event of an endpoint again, or all its dead letters; returns how many.

        Raises:
            UnknownName: there is no such endpoint, or no such event.
        """
        endpoint, now = self._named(name), datetime.now(UTC)
        self._note_endpoints(now)
        queued = self._store.deliveries.replay(endpoint.name, event_id, now)
        self._store.conditions.end(DEAD_LETTERS, [endpoint.name])
        return queued

    def _named(self, name: str) -> Endpoint:
        for endpoint in self.endpoints:
            if endpoint.name == name:
                return endpoint
        listed = ", ".join(one.name for one in self.endpoints) or "the settings have none"
        raise UnknownName(f"{name[:100]!a} is no webhook: {listed}")


def _next_at(attempts: int, now: datetime) -> datetime | None:
    """When an event is sent again after that many attempts and one more; None for never."""
    if attempts >= len(_WAITS):
        return None
    return now + _WAITS[attempts] * random.uniform(1, 1.1)  # noqa: S311  not a secret


def _pause(failures: int, error: DeliveryFailed) -> timedelta:
    """For how long an endpoint is sent nothing after that many failures in a row and one more."""
    # 2 to the 10th is beyond the longest pause, and an exponent without end would overflow.
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * (1 << min(failures, 10)))
    pause = longest * random.uniform(0.5, 1)  # noqa: S311  not a secret
    if error.retry_after_seconds is not None:
        asked = timedelta(seconds=error.retry_after_seconds)
        pause = max(pause, min(asked, _LONGEST_RETRY_AFTER))
    return pause
