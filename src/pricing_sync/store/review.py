"""What a person does about held changes, and what is written down of it.

A held change that is accepted is true from when the provider was first seen to say so, and known
from now: the ledger is amended, nothing in it is edited. Whoever decides names the exact listings
they decided about; if anything has moved since, the decision is refused. Decisions and refusals
are in the audit log, a refusal in a transaction of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from pricing_sync.changes.diff import Change, Kind, Known
from pricing_sync.changes.plan import ChangePlan
from pricing_sync.errors import SettingsError, StaleHeldChange, UnknownName
from pricing_sync.gate import Announced
from pricing_sync.prices.card_json import (
    read_listing,
    read_when,
    write_listing,
    write_rates,
    write_when,
)
from pricing_sync.prices.rates import Meter, Rate, When
from pricing_sync.store.connection import (
    Connection,
    NamedQueries,
    load_queries,
    new_revision,
    next_recorded_at,
    placeholders,
)
from pricing_sync.store.ids import new_id
from pricing_sync.store.rows import (
    CARD_COLUMNS,
    read_card,
    read_instant,
    read_optional_instant,
    write_card,
    write_instant,
    write_json,
)

_ANNOUNCEMENT = (
    *("id", "provider", "model", "meter", "condition", "old", "new", "not_before"),
    *("author", "reason", "recorded_at", "used_at", "used_by", "ended_at"),
)
_QUERIES = load_queries(
    {
        "card": ", ".join(f'l."{column}"' for column in CARD_COLUMNS),
        "values": ", ".join(f'"{column}"' for column in CARD_COLUMNS),
        "places": placeholders(CARD_COLUMNS),
        "announcement": ", ".join(_ANNOUNCEMENT),
    },
    "review.sql",
)


class State(StrEnum):
    """What became of a held change."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    #: Let through by the gate, after it stood long enough.
    RELEASED = "released"
    #: The provider says something else.
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldChange:
    """A held change, the reading it was first seen in, and what became of it."""

    id: str
    reading_id: str
    provider: str
    change: Change
    reasons: tuple[str, ...]
    #: When the provider was first seen to say so.
    since: datetime
    state: State
    decided_at: datetime | None
    decided_by: str | None
    #: The reason given; None while it waits.
    decision: str | None
    #: Of the reading: where from, the SHA-256 of its bytes, and how many models it lists.
    source: str
    url: str
    digest: str | None
    listed: int


@dataclass(frozen=True, slots=True)
class PinnedChange:
    """A held change as it was shown to the person who decides about it."""

    held_id: str
    old: Known | None
    new: Known | None

    @classmethod
    def of(cls, item: HeldChange) -> PinnedChange:
        """The pin of a held change as it is now."""
        return cls(item.id, item.change.old, item.change.new)


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A move that a person has approved beforehand, and what became of it."""

    id: str
    provider: str
    move: Announced
    author: str
    reason: str
    recorded_at: datetime
    #: When it came true, and in which reading.
    used_at: datetime | None = None
    used_by: str | None = None
    #: When a person took it back.
    ended_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.used_at is None and self.ended_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """What somebody did, or tried to do: then `action` ends in `_refused`."""

    id: str
    at: datetime
    who: str
    action: str
    provider: str | None
    model: str | None
    #: The id of the held change or the announcement.
    subject: str | None
    what: Mapping[str, Any]
    reason: str


#: What the audit log calls the decisions.
_VERBS = {State.ACCEPTED: "accept", State.REJECTED: "reject"}


@dataclass(frozen=True, slots=True)
class _Action:
    """Who does what, when and why."""

    name: str
    author: str
    reason: str
    now: datetime


@dataclass(frozen=True, slots=True)
class _CurrentCard:
    """The card of a model that is in force, or its last one when it is retired."""

    listing: Known | None
    since: datetime | None
    until: datetime | None


class Review(NamedQueries):
    """Held changes, announcements and the audit log, in the database of a `Store`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, _QUERIES)

    # Held changes

    def held(
        self, provider: str | None = None, *, state: State | None = State.OPEN
    ) -> list[HeldChange]:
        """The held changes that wait, or those in another state (None is all), oldest first."""
        found = self._fetch(
            "held_changes", provider=provider, state=None if state is None else state.value, id=None
        )
        return [_read_held(row) for row in found]

    def held_change(self, held_id: str) -> HeldChange:
        """One held change, whatever became of it.

        Raises:
            UnknownName: there is none of that id.
        """
        found = self._held_rows(held_id)
        if not found:
            raise UnknownName(f"held: {held_id[:80]!a}: no such held change")
        return _read_held(found[0])

    def decide(
        self,
        state: State,
        pinned: Sequence[PinnedChange],
        *,
        author: str,
        reason: str,
        now: datetime,
        provider: str | None = None,
    ) -> list[HeldChange]:
        """Accept or reject held changes: all of them or none.

        An accepted change is in force from when the provider first said so. Exactly the rejected
        change is never applied nor held again.

        Args:
            state: `ACCEPTED` or `REJECTED`.
            pinned: The changes as they were shown.
            provider: Refuse changes of any other provider.

        Raises:
            StaleHeldChange: one is no longer open, or no longer as it was shown, or, if it is
                accepted, the card in force has changed since it was held.
            UnknownName: there is no such held change.
            SettingsError: the author or the reason is blank.
        """
        action = _Action(_VERBS[state], author, reason, now)
        unique = {pin.held_id: pin for pin in pinned}
        tried = [_write_pair(pin.old, pin.new) | {"id": pin.held_id} for pin in pinned]
        only = pinned[0].held_id if len(unique) == 1 else None
        with self._audited(action, {"items": tried}, provider=provider, subject=only):
            items = [self._pinned(pin, provider) for pin in unique.values()]
            if state is State.ACCEPTED and items:
                self._amend_ledger(items, action)
            self._execute_many(
                "decide",
                [_action_values(action) | {"id": item.id, "state": state.value} for item in items],
            )
            self._add_entries(action, [_change_entry(item) for item in items])
        return [
            replace(item, state=state, decided_at=now, decided_by=author, decision=reason)
            for item in items
        ]

    def rejected(self, provider: str) -> dict[str, list[Change]]:
        """The changes that a person has rejected, by model."""
        found: dict[str, list[Change]] = {}
        for item in self.held(provider, state=State.REJECTED):
            found.setdefault(item.change.model, []).append(item.change)
        return found

    def reconsider(
        self, provider: str, model: str, *, author: str, reason: str, now: datetime
    ) -> list[HeldChange]:
        """Take back what was rejected of a model: the next reading judges it afresh.

        Raises:
            UnknownName: nothing was rejected.
            SettingsError: the author or the reason is blank.
        """
        action = _Action("reconsider", author, reason, now)
        with self._audited(action, {"model": model}, provider=provider, model=model):
            items = [
                item
                for item in self.held(provider, state=State.REJECTED)
                if item.change.model == model
            ]
            if not items:
                raise UnknownName(f"{provider}: {model}: nothing was rejected")
            self._execute("reconsider", provider=provider, model=model)
            self._add_entries(action, [_change_entry(item) for item in items])
        return [replace(item, state=State.LAPSED) for item in items]

    def has_changed_since(self, provider: str, since: datetime, now: datetime) -> bool:
        """Whether the same answer may be judged otherwise than at *since*: a person has decided
        something, or a move that was announced may come true."""
        decided = self._fetch("decided_since", provider=provider, at=write_instant(since))
        return bool(decided[0][0]) or bool(self.announced(provider, now))

    def decision_count(self, provider: str) -> int:
        """How much people have decided about a provider so far; it only grows."""
        return int(self._fetch("decision_count", provider=provider)[0][0])

    def _pinned(self, pin: PinnedChange, provider: str | None) -> HeldChange:
        """The open held change that is pinned."""
        item = self.held_change(pin.held_id)
        if provider not in (None, item.provider):
            raise UnknownName(f"{provider}: {pin.held_id}: no such held change")
        if item.state is not State.OPEN:
            raise _stale(item, f"it is {item.state} by {item.decided_by} already")
        if (item.change.old, item.change.new) != (pin.old, pin.new):
            raise _stale(item, "it is not the change that was expected")
        return item

    # The ledger

    def _amend_ledger(self, items: Sequence[HeldChange], action: _Action) -> None:
        """Make the new listings true since they were first seen, and known from now on."""
        current = self._current_cards(items[0].provider)
        for item in items:
            _refuse_if_moved(item, current.get(item.change.model))
        recorded_at = write_instant(next_recorded_at(self._connection, action.now))
        replaced = [
            _source_columns(item) | {"recorded_at": recorded_at}
            for item in items
            if _needs_new_card(item, current[item.change.model])
        ]
        if replaced:
            new_revision(self._connection)
        self._execute_many("supersede_open_card", replaced)
        self._execute_many("close_card", replaced)
        cards = {item.change.model: item.change.new for item in items}
        self._execute_many(
            "add_card",
            [
                row | write_card(card)
                for row in replaced
                if (card := cards[row["model"]]) is not None
            ],
        )
        listed = [_source_columns(item) for item in items if item.change.new is not None]
        gone = [_source_columns(item) for item in items if item.change.new is None]
        self._execute_many("list_model", listed)
        self._execute_many("retire_model", gone)
        self._add_event(items, action)

    def _current_cards(self, provider: str) -> dict[str, _CurrentCard]:
        return {
            model: _CurrentCard(
                read_card(card) if card[0] or card[1] else None,
                read_optional_instant(since),
                read_optional_instant(until),
            )
            for model, since, until, *card in self._fetch("current_cards", provider=provider)
        }

    def _add_event(self, items: Sequence[HeldChange], action: _Action) -> None:
        """One event for each reading whose changes were accepted."""
        groups: dict[str, list[HeldChange]] = {}
        for item in items:
            groups.setdefault(item.reading_id, []).append(item)
        self._execute_many("add_event", [_event(group, action) for group in groups.values()])

    # Announcements

    def announce(
        self,
        provider: str,
        move: Announced,
        *,
        author: str,
        reason: str,
        now: datetime,
    ) -> Announcement:
        """Approve a move beforehand, to the digit. It passes once.

        Raises:
            SettingsError: it moves nothing, is announced already, or the author or the reason is
                blank.
        """
        action = _Action("announce", author, reason, now)
        made = Announcement(
            id=new_id(now),
            provider=provider,
            move=move,
            author=author,
            reason=reason,
            recorded_at=now,
        )
        with self._audited(action, _write_move(move), provider=provider, model=move.model):
            if move.old == move.new:
                raise SettingsError(f"announce: {move.model}: {move.meter}: nothing moves")
            if any(_is_same(move, other.move) for other in self.announcements(provider)):
                raise SettingsError(f"announce: {move.model}: {move.meter}: announced already")
            self._execute("announce", **_announced_row(made))
            self._add_entries(action, [_announcement_entry(made)])
        return made

    def announcements(
        self, provider: str | None = None, *, include_used: bool = False
    ) -> list[Announcement]:
        """The moves that are yet to come; with *include_used* those that came or were ended too."""
        found = self._fetch("announcements", provider=provider, id=None, all=int(include_used))
        return [_announcement(row) for row in found]

    def end_announcement(
        self, announcement_id: str, *, author: str, reason: str, now: datetime
    ) -> Announcement:
        """Take an announcement back.

        Raises:
            UnknownName: there is none of that id that is yet to come.
            SettingsError: the author or the reason is blank.
        """
        action = _Action("unannounce", author, reason, now)
        with self._audited(action, {}, subject=announcement_id):
            found = self._fetch("announcements", provider=None, id=announcement_id, all=0)
            if not found:
                raise UnknownName(f"unannounce: {announcement_id}: no announcement yet to come")
            ended = replace(_announcement(found[0]), ended_at=now)
            self._execute("end_announcement", id=announcement_id, at=write_instant(now))
            self._add_entries(action, [_announcement_entry(ended)])
        return ended

    def announced(self, provider: str, at: datetime) -> tuple[Announced, ...]:
        """What the gate is told at an instant: the moves that may come true by then."""
        return tuple(
            entry.move for entry in self.announcements(provider) if entry.move.not_before <= at
        )

    def consume(
        self, provider: str, used: Sequence[Announced], reading_id: str, at: datetime
    ) -> None:
        """Note that moves came true. To be called inside the reading's transaction."""
        if not used:
            return
        consumed = [entry for entry in self.announcements(provider) if entry.move in used]
        instant = write_instant(at)
        self._execute_many(
            "consume_announcement",
            [{"id": entry.id, "reading_id": reading_id, "at": instant} for entry in consumed],
        )
        action = _Action("announcement_used", "reading", f"reading {reading_id}", at)
        self._add_entries(action, [_announcement_entry(entry) for entry in consumed])

    # The audit log

    def audit_log(self, limit: int, before: str | None = None) -> list[AuditEntry]:
        """The newest entries, newest first; *before* is the id to go on from."""
        return [_audit_entry(row) for row in self._fetch("audit_log", limit=limit, before=before)]

    @contextmanager
    def _audited(
        self,
        action: _Action,
        what: Mapping[str, Any],
        *,
        provider: str | None = None,
        model: str | None = None,
        subject: str | None = None,
    ) -> Iterator[None]:
        """A transaction whose refusal is written down after it was rolled back."""
        try:
            with self._connection.transaction():
                _require_author(action)
                yield
        except (StaleHeldChange, UnknownName, SettingsError) as error:
            refused = {**what, "refused": str(error)}
            if subject is not None and (held := self._held_rows(subject)):
                provider, model = _read_held(held[0]).provider, _read_held(held[0]).change.model
            self._add_entries(
                replace(action, name=f"{action.name}_refused"),
                [{"provider": provider, "model": model, "subject": subject, "what": refused}],
            )
            raise

    def _add_entries(self, action: _Action, entries: Sequence[Mapping[str, Any]]) -> None:
        first = new_id(action.now)
        self._execute_many(
            "add_audit_entry",
            [
                {
                    **entry,
                    **_action_values(action),
                    "id": f"{first}-{index:05}",
                    "who": action.author,
                    "action": action.name,
                    "what": write_json(entry["what"]),
                }
                for index, entry in enumerate(entries)
            ],
        )

    def _held_rows(self, held_id: str) -> list[tuple[Any, ...]]:
        return self._fetch("held_changes", id=held_id, provider=None, state=None)


def _require_author(action: _Action) -> None:
    if not action.author.strip() or not action.reason.strip():
        raise SettingsError(f"{action.name}: it needs an author and a reason")


def _stale(item: HeldChange, why: str) -> StaleHeldChange:
    return StaleHeldChange(f"{item.provider}: {item.change.model}: held change {item.id}: {why}")


def _refuse_if_moved(item: HeldChange, current: _CurrentCard | None) -> None:
    """Raise StaleHeldChange unless the card in force is the one that the change replaces."""
    if current is None or current.listing != item.change.old:
        raise _stale(item, "the card in force is not the one it was held against")
    # A card that was in force at that instant cannot be cut short there.
    last = current.until or current.since
    if last is not None and (last > item.since or (not current.until and last == item.since)):
        raise _stale(item, "a card came into force after it was first seen")


def _needs_new_card(item: HeldChange, current: _CurrentCard) -> bool:
    """Whether the change ends or begins a card. A missing model may be back at the same price."""
    is_retired = current.until is not None
    return item.change.new != current.listing or is_retired


def _source_columns(item: HeldChange) -> dict[str, Any]:
    """Where the accepted listing comes from: the reading in which it was first seen."""
    return {
        "card_id": f"{item.id}-accepted",
        "provider": item.provider,
        "model": item.change.model,
        "since": write_instant(item.since),
        "source": item.source,
        "url": item.url,
        "reading_id": item.reading_id,
        "digest": item.digest,
    }


def _event(items: Sequence[HeldChange], action: _Action) -> dict[str, Any]:
    """The event `prices.changed`, as a reading tells it, and who accepted it."""
    first = items[0]
    listed = [item.change for item in items if item.change.new is not None]
    gone = [item.change.model for item in items if item.change.new is None]
    payload = {
        "provider": first.provider,
        "reading": first.reading_id,
        "at": write_instant(first.since),
        "changes": ChangePlan(apply=listed, retire=gone).counts(),
        "accepted_by": action.author,
    }
    return {
        "id": f"{first.id}-accepted",
        "kind": "prices.changed",
        "created_at": write_instant(action.now),
        "payload": write_json(payload),
    }


def _action_values(action: _Action) -> dict[str, Any]:
    return {"at": write_instant(action.now), "author": action.author, "reason": action.reason}


def _write_known(listing: Known | None) -> dict[str, Any] | None:
    return None if listing is None else write_listing(listing)


def _write_pair(old: Known | None, new: Known | None) -> dict[str, Any]:
    return {"old": _write_known(old), "new": _write_known(new)}


def _change_entry(item: HeldChange) -> dict[str, Any]:
    what = _write_pair(item.change.old, item.change.new) | {
        "kind": item.change.kind.value,
        "since": write_instant(item.since),
        "reading": item.reading_id,
    }
    return {
        "provider": item.provider,
        "model": item.change.model,
        "subject": item.id,
        "what": what,
    }


def _announcement_entry(entry: Announcement) -> dict[str, Any]:
    return {
        "provider": entry.provider,
        "model": entry.move.model,
        "subject": entry.id,
        "what": _write_move(entry.move),
    }


def _write_move(move: Announced) -> dict[str, Any]:
    """A move as people read it: the currency per million units."""
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
    """Whether two announcements let the same move through, whenever."""
    return replace(move, not_before=other.not_before) == other


def _announced_row(entry: Announcement) -> dict[str, Any]:
    move = entry.move
    return {
        "id": entry.id,
        "provider": entry.provider,
        "model": move.model,
        "meter": move.meter.value,
        "condition": write_json(write_when(move.when)) if move.when else None,
        "old": None if move.old is None else int(move.old),
        "new": int(move.new),
        "not_before": write_instant(move.not_before),
        "author": entry.author,
        "reason": entry.reason,
        "recorded_at": write_instant(entry.recorded_at),
    }


def _announcement(columns: Sequence[Any]) -> Announcement:
    row: Mapping[str, Any] = dict(zip(_ANNOUNCEMENT, columns, strict=True))
    return Announcement(
        id=row["id"],
        provider=row["provider"],
        move=Announced(
            model=row["model"],
            meter=Meter(row["meter"]),
            old=None if row["old"] is None else Rate(row["old"]),
            new=Rate(row["new"]),
            not_before=read_instant(row["not_before"]),
            when=_read_condition(row["condition"]),
        ),
        author=row["author"],
        reason=row["reason"],
        recorded_at=read_instant(row["recorded_at"]),
        used_at=read_optional_instant(row["used_at"]),
        used_by=row["used_by"],
        ended_at=read_optional_instant(row["ended_at"]),
    )


def _read_condition(text: str | None) -> When | None:
    return None if text is None else read_when(json.loads(text))


def _read_known(text: str | None) -> Known | None:
    return None if text is None else read_listing(json.loads(text))


def _read_held(row: Sequence[Any]) -> HeldChange:
    held_id, reading_id, provider, model, kind, old, new, reasons, since, state, *rest = row
    decided_at, decided_by, decision, source, url, digest, listings = rest
    return HeldChange(
        id=held_id,
        reading_id=reading_id,
        provider=provider,
        change=Change(model, Kind(kind), _read_known(old), _read_known(new)),
        reasons=tuple(json.loads(reasons)),
        since=read_instant(since),
        state=State(state),
        decided_at=read_optional_instant(decided_at),
        decided_by=decided_by,
        decision=decision,
        source=source,
        url=url,
        digest=digest,
        listed=sum(json.loads(listings).values()),
    )


def _audit_entry(row: Sequence[Any]) -> AuditEntry:
    entry_id, at, who, action, provider, model, subject, what, reason = row
    return AuditEntry(
        id=entry_id,
        at=read_instant(at),
        who=who,
        action=action,
        provider=provider,
        model=model,
        subject=subject,
        what=json.loads(what),
        reason=reason,
    )
