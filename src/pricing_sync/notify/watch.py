"""What becomes true by time alone, or by what others send: looked for, and stored as events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pricing_sync.changes.events import EventKind
from pricing_sync.prices.card_json import write_instant
from pricing_sync.prices.reconciliation import UnpricedModel, unpriced_models
from pricing_sync.settings import Settings
from pricing_sync.settings.values import show_duration
from pricing_sync.store import Store
from pricing_sync.store.conditions import BEGUN, DIGEST, STALE, UNPRICED, Event
from pricing_sync.store.events import fitted, stale, unpriced_traffic
from pricing_sync.store.ids import new_id
from pricing_sync.timetable import stale_at

#: How long after the slot that makes a provider stale: a reading takes some time.
_LEEWAY = timedelta(minutes=15)
#: A model without a price is told again when it had no such request for this long.
_UNPRICED_DAYS = timedelta(days=7)
_DAY = timedelta(days=1)


class Watch:
    """Looks for prices that begin, stale providers, traffic without a price, and the digest."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store

    def look(self, now: datetime, *, running_since: datetime) -> None:
        """Store an event for each condition that holds and was not told.

        After a start nothing is stale until the first readings had time: *running_since* is when
        the service started.

        Raises:
            StoreError: the database cannot be read or written.
        """
        self._tell_begun(now)
        first = timedelta(seconds=self._settings.first_delay_seconds)
        if self._settings.enabled and now > running_since + first + _LEEWAY:
            self._find_stale(now)
        self._find_unpriced(now)
        if self._settings.notify_digest is not None:
            self._add_digest(now, self._settings.notify_digest)

    def _tell_begun(self, now: datetime) -> None:
        """Store the events of the scheduled prices that began since the last look."""
        with self._store.transaction():
            last = self._store.conditions.find(BEGUN, "")
            self._store.conditions.set(BEGUN, "", now)
            if last is not None:
                self._store.scheduled.tell_begun(last.since, now)

    def _find_stale(self, now: datetime) -> None:
        successes = self._store.latest_successes()
        for name in self._settings.providers:
            plan, last = self._settings.plan(name), successes.get(name)
            if plan.dry_run or last is None:
                continue
            if now > stale_at(plan, name, last) + _LEEWAY:
                interval = plan.cron or f"every {show_duration(plan.every)}"
                event = Event(
                    f"{new_id(now)}-stale",
                    EventKind.PROVIDER_STALE,
                    stale(name, last, interval),
                )
                self._store.conditions.begin(STALE, [name], now, event)

    def _find_unpriced(self, now: datetime) -> None:
        since = (now - _UNPRICED_DAYS).replace(minute=0, second=0, microsecond=0)
        found = unpriced_models(self._store.usage.since(since, unpriced_only=True))
        by_subject: dict[str, UnpricedModel] = {}
        for one in found:
            by_subject.setdefault(f"{one.provider} {one.model}", one)
        known = self._store.conditions.of_kind(UNPRICED).keys()
        self._store.conditions.end(UNPRICED, known - by_subject.keys())
        new = [one for subject, one in by_subject.items() if subject not in known]
        if new:
            event = Event(
                f"{new_id(now)}-unpriced", EventKind.UNPRICED_TRAFFIC, unpriced_traffic(new)
            )
            self._store.conditions.begin(UNPRICED, list(by_subject), now, event)

    def _add_digest(self, now: datetime, clock: str) -> None:
        """Store the digest of what changed since the last one, if its time has come."""
        slot = last_time(clock, self._settings.time_zone, now)
        last = self._store.conditions.find(DIGEST, "")
        if last is not None and last.since >= slot:
            return
        with self._store.transaction():
            # The first one begins the series, and has nothing to say.
            if last is not None:
                events = [
                    payload
                    for kind in (EventKind.PRICE_CHANGED, EventKind.PRICE_SCHEDULED)
                    for _, _, payload in self._store.outbox.created_since(last.since, kind)
                ]
                if events:
                    payload = _digest(events, last.since, now)
                    self._store.outbox.add(f"{new_id(now)}-digest", EventKind.DIGEST, now, payload)
            self._store.conditions.set(DIGEST, "", now)


def last_time(clock: str, time_zone: str, now: datetime) -> datetime:
    """The last instant until now at which the wall clock showed a time, such as `09:00`."""
    zone, at = ZoneInfo(time_zone), time.fromisoformat(clock)
    today = now.astimezone(zone).date()
    slots = (datetime.combine(day, at, zone) for day in (today, today - _DAY))
    return next(slot for slot in slots if slot <= now).astimezone(UTC)


def _digest(
    events: Sequence[Mapping[str, Any]], since: datetime, until: datetime
) -> dict[str, Any]:
    """What these events say together: counts by provider, and the first changes."""
    counts: dict[str, Counter[str]] = {}
    changes = []
    for event in events:
        counts.setdefault(event["provider"], Counter()).update(event["counts"])
        changes += [{"provider": event["provider"], **change} for change in event["changes"]]
    count = len(changes) + sum(event["omitted"] for event in events)
    payload = {
        "since": write_instant(since),
        "until": write_instant(until),
        "providers": [
            {"provider": name, "counts": dict(of_provider)} for name, of_provider in counts.items()
        ],
        "link": "/v1/prices",
    }
    return fitted(payload, "changes", changes, count)
