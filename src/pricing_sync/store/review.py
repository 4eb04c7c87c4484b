"""Decisions of people about held changes, announcements, and the audit log.

An accepted change is true from the reading that first contained it, and known from now. The ledger
gets new rows; no row is overwritten. A decision names the exact listings that the person saw, and
is refused when they have changed since. Decisions and refusals go to the audit log, a refusal in a
transaction of its own.
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
from pricing_sync.changes.scheduled import ScheduledPlan, Timeline, preceding, timelines_with
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
from pricing_sync.store.in_force import FRAGMENTS, clocks
from pricing_sync.store.rows import (
    CARD_COLUMNS,
    read_card,
    read_instant,
    read_optional_instant,
    write_card,
    write_instant,
    write_json,
    write_optional_instant,
)
from pricing_sync.store.scheduled import Origin, Rewrite, ScheduledCards

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
        **FRAGMENTS,
    },
    "review.sql",
)


class State(StrEnum):
    """The state of a held change."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    #: Let through by the gate, after it was unchanged for long enough.
    RELEASED = "released"
    #: The provider lists something else now.
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldChange:
    """A held change, the reading that first contained it, and the decision about it."""

    id: str
    reading_id: str
    provider: str
    change: Change
    reasons: tuple[str, ...]
    #: When the change was first read.
    since: datetime
    state: State
    decided_at: datetime | None
    decided_by: str | None
    #: The reason of the decision; None while the change is open.
    decision: str | None
    #: From the reading: its source, its URL, the SHA-256 of its bytes, its number of models.
    source: str
    url: str
    digest: str | None
    listed: int


@dataclass(frozen=True, slots=True)
class PinnedChange:
    """A held change as the person who decides about it saw it."""

    held_id: str
    old: Known | None
    new: Known | None

    @classmethod
    def of(cls, item: HeldChange) -> PinnedChange:
        """The held change as it is now."""
        return cls(item.id, item.change.old, item.change.new)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """An action, or a refused attempt: then `action` ends in `_refused`."""

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


#: The names of the decisions in the audit log.
_ACTION_NAMES = {State.ACCEPTED: "accept", State.REJECTED: "reject"}


@dataclass(frozen=True, slots=True)
class _Action:
    """An action of a person: its name, its author, the reason and the time."""

    name: str
    author: str
    reason: str
    now: datetime


@dataclass(frozen=True, slots=True)
class _CurrentCard:
    """The card of a model in force, or its last one when the model is retired."""

    listing: Known | None
    since: datetime | None
    #: When it ended, if the model is retired.
    until: datetime | None
    #: What is to replace it.
    later: Timeline


class Review(NamedQueries):
    """Held changes, announcements and the audit log, in the database of a `Store`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, _QUERIES)
        self._scheduled = ScheduledCards(connection)

    # Held changes

    def held(
        self, provider: str | None = None, *, state: State | None = State.OPEN
    ) -> list[HeldChange]:
        """The held changes in a state (None: in any), by provider, oldest first."""
        found = self._fetch(
            "held_changes", provider=provider, state=None if state is None else state.value, id=None
        )
        return [_read_held(row) for row in found]

    def held_change(self, held_id: str) -> HeldChange:
        """One held change, in any state.

        Raises:
            UnknownName: no held change has this id.
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

        An accepted change is in force from the reading that first contained it. A rejected change
        is never applied or held again; a different change of the same model is judged as usual.

        Args:
            state: `ACCEPTED` or `REJECTED`.
            pinned: The changes as the person saw them.
            provider: Refuse changes of any other provider.

        Raises:
            StaleHeldChange: a change is not open any more or differs from the pinned one; or a
                change to accept was held against another card than the one in force.
            UnknownName: a held change does not exist.
            SettingsError: the author or the reason is blank.
        """
        action = _Action(_ACTION_NAMES[state], author, reason, now)
        unique = {pin.held_id: pin for pin in pinned}
        shown = [_write_pair(pin.old, pin.new) | {"id": pin.held_id} for pin in pinned]
        only_id = pinned[0].held_id if len(unique) == 1 else None
        with self._audited(action, {"items": shown}, provider=provider, subject=only_id):
            items = [self._pinned(pin, provider) for pin in unique.values()]
            if items:
                new_revision(self._connection)
            if state is State.ACCEPTED and items:
                self._amend_ledger(items, action)
            else:
                now_ = [item for item in items if item.change.starts_at is None]
                self._execute_many("mark_rejected", [_model_key(item) for item in now_])
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
        """Withdraw the rejections of a model, so that the next reading judges its changes again.

        Raises:
            UnknownName: the model has no rejected change.
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
        """Whether the same answer may be judged differently than at *since*.

        True when a person has decided something, or when an announced move may happen by now.
        """
        decisions = self._fetch("decisions_since", provider=provider, at=write_instant(since))
        return bool(decisions[0][0]) or bool(self.announced(provider, now))

    def decision_count(self, provider: str) -> int:
        """The number of entries in the audit log about a provider. It never decreases."""
        return int(self._fetch("decision_count", provider=provider)[0][0])

    def _pinned(self, pin: PinnedChange, provider: str | None) -> HeldChange:
        """The open held change of a pin, after a check that it has not changed."""
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
        """Put the new listings in force: true since they were first read, known from now."""
        # After the clock was set back, a change may have been read later than now.
        dated = max(action.now, *(item.since for item in items))
        current = self._current_cards(items[0].provider, dated)
        for item in items:
            _refuse_if_moved(item, current.get(item.change.model), action.now)
        recorded = next_recorded_at(self._connection, dated)
        recorded_at = write_instant(recorded)
        apart = self._amend_scheduled(items, current, recorded)
        replaced = [
            _source_columns(item) | {"recorded_at": recorded_at}
            for item in items
            if item not in apart and _needs_new_card(item, current[item.change.model])
        ]
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
        of_now = [item for item in items if item.change.starts_at is None]
        listed = [_source_columns(item) for item in of_now if item.change.new is not None]
        vanished = [_source_columns(item) for item in of_now if item.change.new is None]
        self._execute_many("mark_listed", listed)
        self._execute_many("mark_retired", vanished)
        self._add_event(items, action)

    def _amend_scheduled(
        self,
        items: Sequence[HeldChange],
        current: Mapping[str, _CurrentCard],
        recorded_at: datetime,
    ) -> list[HeldChange]:
        """Accept the changes of later, and those of models with a later price; return them.

        The rows of such a model depend on each other, so they are written together.
        """
        found: dict[str, list[HeldChange]] = {}
        for item in items:
            card = current[item.change.model]
            if item.change.starts_at is not None or card.later:
                found.setdefault(item.change.model, []).append(item)
        for model, of_model in found.items():
            card = current[model]
            of_now = next((item for item in of_model if item.change.starts_at is None), None)
            is_new = of_now is not None and _needs_new_card(of_now, card)
            listing = of_now.change.new if of_now and is_new else None
            later = [item.change for item in of_model if item.change.starts_at is not None]
            after = timelines_with({model: card.later}, {model: listing or card.listing}, later)
            is_retired = of_now is not None and of_now.change.new is None
            rewrite = Rewrite(
                model=model,
                listing=listing,
                is_retired=is_retired,
                later=() if is_retired else after.get(model, card.later),
            )
            first = of_now or of_model[0]
            at = first.since if of_now else recorded_at
            self._scheduled.rewrite([rewrite], _origin(first), at, recorded_at)
        return [item for of_model in found.values() for item in of_model]

    def _current_cards(self, provider: str, at: datetime) -> dict[str, _CurrentCard]:
        later = self._scheduled.timelines(provider, at)
        return {
            model: _CurrentCard(
                read_card(card) if card[0] or card[1] else None,
                read_optional_instant(since),
                read_optional_instant(until) if retired_at else None,
                later.get(model, ()),
            )
            for model, since, until, retired_at, *card in self._fetch(
                "current_cards", provider=provider, **clocks(at, None)
            )
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
        """Approve a move in advance, with its exact rates. It applies to one reading.

        Raises:
            SettingsError: old and new are equal, the move is announced already, or the author or
                the reason is blank.
        """
        action = _Action("announce", author, reason, now)
        added = Announcement(
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
            self._execute("announce", **_announced_row(added))
            self._add_entries(action, [_announcement_entry(added)])
        return added

    def announcements(
        self, provider: str | None = None, *, include_used: bool = False
    ) -> list[Announcement]:
        """The open announcements; with *include_used*, the used and the ended ones too."""
        found = self._fetch("announcements", provider=provider, id=None, open_only=not include_used)
        return [_announcement(row) for row in found]

    def end_announcement(
        self, announcement_id: str, *, author: str, reason: str, now: datetime
    ) -> Announcement:
        """End an announcement before it is used.

        Raises:
            UnknownName: no open announcement has this id.
            SettingsError: the author or the reason is blank.
        """
        action = _Action("unannounce", author, reason, now)
        with self._audited(action, {}, subject=announcement_id):
            found = self._fetch("announcements", provider=None, id=announcement_id, open_only=True)
            if not found:
                raise UnknownName(f"unannounce: {announcement_id}: no announcement yet to come")
            ended = replace(_announcement(found[0]), ended_at=now)
            self._execute("end_announcement", id=announcement_id, at=write_instant(now))
            self._add_entries(action, [_announcement_entry(ended)])
        return ended

    def announced(self, provider: str, at: datetime) -> tuple[Announced, ...]:
        """The open announced moves that may happen at an instant."""
        return tuple(
            entry.move for entry in self.announcements(provider) if entry.move.not_before <= at
        )

    def consume(
        self, provider: str, used: Sequence[Announced], reading_id: str, at: datetime
    ) -> None:
        """Mark announcements as used. Call it in the transaction that stores the reading."""
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
        """The newest entries, newest first; *before* is the last id already seen."""
        return [_audit_entry(row) for row in self._fetch("audit_log", limit=limit, before=before)]

    def log(
        self,
        action: str,
        *,
        author: str,
        reason: str,
        now: datetime,
        entries: Sequence[Mapping[str, Any]],
    ) -> None:
        """Add what a person did elsewhere: of each entry the provider, model, subject and what."""
        self._add_entries(_Action(action, author, reason, now), entries)

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
        """A transaction. A refusal rolls it back and is then stored in the audit log."""
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


def _refuse_if_moved(item: HeldChange, current: _CurrentCard | None, now: datetime) -> None:
    """Raise StaleHeldChange unless the change replaces the card in force, now or on its day."""
    starts_at = item.change.starts_at
    if starts_at is not None:
        if starts_at <= now:
            raise _stale(item, "its day has come: the next reading judges the price anew")
        if current is None or preceding(current.later, starts_at, current.listing) != (
            item.change.old
        ):
            raise _stale(item, "the card before it is not the one it was held against")
        return
    if current is None or current.listing != item.change.old:
        raise _stale(item, "the card in force is not the one it was held against")
    # The change ends the card at `item.since`, so the card must have begun before.
    last = current.until or current.since
    if last is not None and (last > item.since or (not current.until and last == item.since)):
        raise _stale(item, "a card came into force after it was first seen")


def _needs_new_card(item: HeldChange, current: _CurrentCard) -> bool:
    """Whether the change ends or begins a card.

    A missing model that is listed again unchanged keeps its card.
    """
    is_retired = current.until is not None
    return item.change.new != current.listing or is_retired


def _origin(item: HeldChange) -> Origin:
    return Origin(
        provider=item.provider,
        source=item.source,
        url=item.url,
        reading_id=item.reading_id,
        digest=item.digest,
        card_prefix=f"{item.id}-accepted",
    )


def _model_key(item: HeldChange) -> dict[str, Any]:
    return {"provider": item.provider, "model": item.change.model}


def _source_columns(item: HeldChange) -> dict[str, Any]:
    """The columns of an accepted listing's source: the reading that first contained it."""
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
    """The event `prices.changed`, as for a reading, with the person who accepted the changes."""
    first = items[0]
    of_now = [item.change for item in items if item.change.starts_at is None]
    listed = [change for change in of_now if change.new is not None]
    vanished = [change.model for change in of_now if change.new is None]
    later = ScheduledPlan(added=[item.change for item in items if item.change.starts_at])
    payload = {
        "provider": first.provider,
        "reading": first.reading_id,
        "at": write_instant(first.since),
        "changes": ChangePlan(apply=listed, retire=vanished, scheduled=later).counts(),
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
        "starts_at": write_optional_instant(item.change.starts_at),
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
    decided_at, decided_by, decision, source, url, digest, listings, starts_at = rest
    old, new = _read_known(old), _read_known(new)
    return HeldChange(
        id=held_id,
        reading_id=reading_id,
        provider=provider,
        change=Change(model, Kind(kind), old, new, read_optional_instant(starts_at)),
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
