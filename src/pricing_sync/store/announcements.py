"""Price moves that a person approves before they happen. Each passes the gate once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pricing_sync.errors import SettingsError, UnknownName
from pricing_sync.gate import Announced
from pricing_sync.prices.card_json import read_when, write_rates, write_when
from pricing_sync.store.audit_log import Action, AuditLog
from pricing_sync.store.connection import Connection, NamedQueries, load_queries, placeholders
from pricing_sync.store.ids import new_id
from pricing_sync.store.rows import convert, write_instant, write_json, write_row

_OF_MOVE = ("model", "meter", "old", "new", "not_before")
_OWN = ("id", "provider", "author", "reason", "recorded_at", "used_at", "used_by", "ended_at")
_COLUMNS = (*_OWN, *_OF_MOVE, "condition")
_QUERIES = load_queries(
    {"announcement": ", ".join(_COLUMNS), "places": placeholders(_COLUMNS)}, "announcements.sql"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A price move that a person has approved in advance, and how it ended."""

    id: str
    provider: str
    move: Announced
    author: str
    reason: str
    recorded_at: datetime
    #: When a reading contained the move, and the id of that reading.
    used_at: datetime | None = None
    used_by: str | None = None
    #: When a person ended it.
    ended_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.used_at is None and self.ended_at is None


class Announcements(NamedQueries):
    """The announcements of a `Store`."""

    def __init__(self, connection: Connection, audit_log: AuditLog) -> None:
        super().__init__(connection, _QUERIES)
        self._audit_log = audit_log

    def add(
        self,
        provider: str,
        move: Announced,
        *,
        author: str,
        reason: str,
        now: datetime,
    ) -> Announcement:
        """Approve a move in advance, with its exact rates. It applies to one reading.

        Raises:
            SettingsError: old and new are equal, the move is announced already, or the author or
                the reason is blank.
        """
        action = Action("announce", author, reason, now)
        added = Announcement(
            id=new_id(now),
            provider=provider,
            move=move,
            author=author,
            reason=reason,
            recorded_at=now,
        )
        with self._audit_log.transaction(
            action, _write_move(move), provider=provider, model=move.model
        ):
            if move.old == move.new:
                raise SettingsError(f"announce: {move.model}: {move.meter}: nothing moves")
            if any(_is_same(move, other.move) for other in self.find(provider)):
                raise SettingsError(f"announce: {move.model}: {move.meter}: announced already")
            self._execute("announce", **_announced_row(added))
            self._audit_log.add(action, [_announcement_entry(added)])
        return added

    def find(
        self, provider: str | None = None, *, include_used: bool = False
    ) -> list[Announcement]:
        """The open announcements; with *include_used*, the used and the ended ones too."""
        found = self._fetch("announcements", provider=provider, id=None, open_only=not include_used)
        return [_announcement(row) for row in found]

    def end(self, announcement_id: str, *, author: str, reason: str, now: datetime) -> Announcement:
        """End an announcement before it is used.

        Raises:
            UnknownName: no open announcement has this id.
            SettingsError: the author or the reason is blank.
        """
        action = Action("unannounce", author, reason, now)
        with self._audit_log.transaction(action, {}, subject=announcement_id):
            found = self._fetch("announcements", provider=None, id=announcement_id, open_only=True)
            if not found:
                raise UnknownName(f"unannounce: {announcement_id}: no announcement yet to come")
            ended = replace(_announcement(found[0]), ended_at=now)
            self._execute("end_announcement", id=announcement_id, at=write_instant(now))
            self._audit_log.add(action, [_announcement_entry(ended)])
        return ended

    def due(self, provider: str, at: datetime) -> tuple[Announced, ...]:
        """The open announced moves that may happen at an instant."""
        return tuple(entry.move for entry in self.find(provider) if entry.move.not_before <= at)

    def consume(
        self, provider: str, used: Sequence[Announced], reading_id: str, at: datetime
    ) -> None:
        """Mark announcements as used. Call it in the transaction that stores the reading."""
        if not used:
            return
        consumed = [entry for entry in self.find(provider) if entry.move in used]
        instant = write_instant(at)
        self._execute_many(
            "consume_announcement",
            [{"id": entry.id, "reading_id": reading_id, "at": instant} for entry in consumed],
        )
        action = Action("announcement_used", "reading", f"reading {reading_id}", at)
        self._audit_log.add(action, [_announcement_entry(entry) for entry in consumed])


def _announcement_entry(entry: Announcement) -> dict[str, Any]:
    return {
        "provider": entry.provider,
        "model": entry.move.model,
        "subject": entry.id,
        "what": _write_move(entry.move),
    }


def _write_move(move: Announced) -> dict[str, Any]:
    """A move for people to read, in the currency per million units."""
    old, new = ({move.meter: rate} if rate is not None else {} for rate in (move.old, move.new))
    return {
        "model": move.model,
        "meter": move.meter.value,
        "when": write_when(move.when) if move.when else None,
        "old": write_rates(old).get(move.meter),
        "new": write_rates(new).get(move.meter),
        "not_before": write_instant(move.not_before),
    }


def _is_same(move: Announced, other: Announced) -> bool:
    """Whether two announcements approve the same move, at any time."""
    return replace(move, not_before=other.not_before) == other


def _announced_row(entry: Announcement) -> dict[str, Any]:
    row = write_row(entry, _OWN) | write_row(entry.move, _OF_MOVE)
    return row | {"condition": entry.move.when and write_json(write_when(entry.move.when))}


def _announcement(columns: Sequence[Any]) -> Announcement:
    row: dict[str, Any] = dict(zip(_COLUMNS, columns, strict=True))
    row["when"] = row["condition"] and read_when(json.loads(row["condition"]))
    return convert(Announcement, row | {"move": convert(Announced, row)})
