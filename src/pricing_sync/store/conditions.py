"""What lasts and is told once: when it begins, and when it is over."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pricing_sync.changes.events import EventKind
from pricing_sync.changes.run import ABANDONED, CANCELLED, STORE, Reading
from pricing_sync.errors import OlderAnswer, TransportError
from pricing_sync.store import events
from pricing_sync.store.connection import Connection, NamedQueries, load_queries
from pricing_sync.store.outbox import Outbox
from pricing_sync.store.rows import (
    read_instant,
    read_optional_instant,
    write_instant,
    write_optional_instant,
)

_QUERIES = load_queries({}, "conditions.sql")
#: The kinds of conditions. `DIGEST` is when people got the last digest, `BEGUN` until when the
#: scheduled prices that began were told.
FAILING, STALE, UNPRICED, DEAD_LETTERS, DIGEST, BEGUN = (
    *("failing", "stale", "unpriced", "dead_letters", "digest", "begun"),
)
#: Failures that may pass by themselves. They are told when they come this often in a row.
_PASSING = frozenset({TransportError.kind, OlderAnswer.kind, ABANDONED, STORE})
_PASSING_FAILURES = 3


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that holds."""

    subject: str
    since: datetime
    #: How often in a row it was seen.
    count: int
    #: When it was told; None if it was not.
    told_at: datetime | None


class Conditions(NamedQueries):
    """The conditions that hold, in the database of a `Store`."""

    def __init__(self, connection: Connection, outbox: Outbox) -> None:
        super().__init__(connection, _QUERIES)
        self._outbox = outbox

    def of_kind(self, kind: str) -> dict[str, Condition]:
        """The conditions of a kind, by subject."""
        found = [_read(row) for row in self._fetch("conditions", kind=kind, subject=None)]
        return {condition.subject: condition for condition in found}

    def find(self, kind: str, subject: str) -> Condition | None:
        """A condition if it holds."""
        found = self._fetch("conditions", kind=kind, subject=subject)
        return _read(found[0]) if found else None

    def begin(
        self, kind: str, subjects: Collection[str], now: datetime, event: Event | None = None
    ) -> None:
        """Store that conditions hold, and the event that tells of those that did not before.

        Nothing is told if another process has begun them already.
        """
        with self._connection.transaction():
            known = self.of_kind(kind)
            new = [subject for subject in subjects if subject not in known]
            for subject in new:
                self._save(kind, Condition(subject, now, 1, now))
            if new and event is not None:
                self._outbox.add(event.id, event.kind, now, event.payload)

    def end(self, kind: str, subjects: Collection[str]) -> None:
        """Store that conditions are over, without telling."""
        self._execute_many("end", [{"kind": kind, "subject": subject} for subject in subjects])

    def set(self, kind: str, subject: str, now: datetime) -> None:
        """Store that a condition holds since now."""
        self._save(kind, Condition(subject, now, 1, now))

    def note_reading(self, reading: Reading) -> None:
        """Store what a reading says of its provider. Call it in the transaction of the reading.

        The first failure of a provider is told, or the third in a row if it may pass by itself; and
        then that it is read again.
        """
        if reading.dry_run or reading.is_skipped or reading.error_kind == CANCELLED:
            return
        if reading.is_failed:
            self._note_failure(reading)
        else:
            self._note_success(reading)

    def _note_failure(self, reading: Reading) -> None:
        known, now = self.find(FAILING, reading.provider), reading.finished_at
        since, count = (known.since, known.count + 1) if known else (now, 1)
        told_at = known.told_at if known else None
        if told_at is None and (reading.error_kind not in _PASSING or count >= _PASSING_FAILURES):
            told_at = now
            payload = events.failed(reading, since, count)
            self._outbox.add(f"{reading.id}-failed", EventKind.PROVIDER_FAILED, now, payload)
        self._save(FAILING, Condition(reading.provider, since, count, told_at))

    def _note_success(self, reading: Reading) -> None:
        over = {}
        for kind, was in ((FAILING, "failed"), (STALE, "stale")):
            condition = self.find(kind, reading.provider)
            # A recorded answer may be from before.
            if condition is not None and reading.at >= condition.since:
                over[was] = condition
                self.end(kind, [reading.provider])
        told = {was: condition for was, condition in over.items() if condition.told_at is not None}
        if told:
            since = min(condition.since for condition in told.values())
            payload = events.recovered(reading, since, list(told))
            event_id = f"{reading.id}-recovered"
            self._outbox.add(event_id, EventKind.PROVIDER_RECOVERED, reading.finished_at, payload)

    def _save(self, kind: str, condition: Condition) -> None:
        self._execute(
            "save",
            kind=kind,
            subject=condition.subject,
            since=write_instant(condition.since),
            count=condition.count,
            told_at=write_optional_instant(condition.told_at),
        )


@dataclass(frozen=True, slots=True)
class Event:
    """An event to be stored."""

    id: str
    kind: EventKind
    payload: Mapping[str, Any]


def _read(row: tuple[Any, ...]) -> Condition:
    return Condition(row[0], read_instant(row[1]), row[2], read_optional_instant(row[3]))
