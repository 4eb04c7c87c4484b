"""Held changes, and the decisions of people about them.

An accepted change is true from the reading that first contained it, and known from now. The ledger
gets new rows; no row is overwritten. A decision names the exact listings that the person saw, and
is refused when they have changed since. Decisions and refusals go to the audit log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from pricing_sync.changes.diff import Change, Kind, Known, Stored
from pricing_sync.changes.held import HeldChange, State
from pricing_sync.changes.plan import ChangePlan
from pricing_sync.changes.run import Reading
from pricing_sync.changes.scheduled import ScheduledPlan, preceding, timelines_with
from pricing_sync.errors import StaleHeldChange, UnknownName
from pricing_sync.prices.card_json import read_listing, write_listing
from pricing_sync.prices.statements import PriceState, Statement
from pricing_sync.store.audit_log import Action, AuditLog
from pricing_sync.store.connection import (
    Connection,
    NamedQueries,
    load_queries,
    next_recorded_at,
)
from pricing_sync.store.ledger import Ledger, ModelAt
from pricing_sync.store.outbox import Outbox
from pricing_sync.store.rows import (
    read_instant,
    read_optional_instant,
    write_instant,
    write_json,
    write_optional_instant,
)
from pricing_sync.store.scheduled import Origin, Rewrite, ScheduledCards

_QUERIES = load_queries({}, "review.sql")
#: The names of the decisions in the audit log.
_ACTION_NAMES = {State.ACCEPTED: "accept", State.REJECTED: "reject"}


@dataclass(frozen=True, slots=True)
class HeldCount:
    """The number of held changes of a provider."""

    count: int
    #: Since when the first of their models waits.
    oldest: datetime


class Review(NamedQueries):
    """The held changes of a `Store`."""

    def __init__(
        self,
        connection: Connection,
        ledger: Ledger,
        scheduled: ScheduledCards,
        outbox: Outbox,
        audit_log: AuditLog,
    ) -> None:
        super().__init__(connection, _QUERIES)
        self._ledger, self._scheduled = ledger, scheduled
        self._outbox, self._audit_log = outbox, audit_log

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
        found = self._fetch("held_changes", id=held_id, provider=None, state=None)
        if not found:
            raise UnknownName(f"held: {held_id[:80]!a}: no such held change")
        return _read_held(found[0])

    def held_counts(self) -> dict[str, HeldCount]:
        """The number of held changes, for each provider that has any."""
        return {
            row[0]: HeldCount(row[1], read_instant(row[2])) for row in self._fetch("held_counts")
        }

    def has_begun_unseen(self, provider: str, since: datetime, at: datetime) -> bool:
        """Whether a change that is not scheduled, as it was doubtful, was for a day that has come.

        The answer with the same bytes then lists it as the price.
        """
        values = {"provider": provider, "since": write_instant(since), "at": write_instant(at)}
        return bool(self._fetch("begun_unseen", **values))

    # Readings

    def save_reading(self, reading: Reading, plan: ChangePlan) -> None:
        """Store what a reading holds and no longer holds. Call it inside a transaction."""
        lapsed = Action("lapse", "reading", "listed otherwise", reading.at)
        why = "unchanged since it was held, and supported by peers"
        released = Action("release", "gate", why, reading.at)
        later = plan.scheduled
        self._close([*plan.lapsed, *later.lapsed], State.LAPSED, lapsed)
        self._close([*plan.released, *later.released], State.RELEASED, released)
        held = [*plan.hold, *later.hold]
        self._execute_many("hold", [_write_held(item) for item in held])
        if held:
            waiting = self.held_counts()[reading.provider].count
            self._outbox.add_held(reading, held, waiting)

    def _close(self, items: Sequence[HeldChange], state: State, action: Action) -> None:
        values = {
            "state": state.value,
            "at": write_instant(action.now),
            "author": action.author,
            "reason": action.reason,
        }
        self._execute_many("close", [values | {"id": item.id} for item in items])

    # Decisions

    def decide(
        self,
        state: State,
        shown: Sequence[HeldChange],
        *,
        author: str,
        reason: str,
        now: datetime,
    ) -> list[HeldChange]:
        """Accept or reject held changes: all of them or none.

        An accepted change is in force from the reading that first contained it, one of later from
        its day. A rejected change is never applied or held again; a different change of the same
        model is judged as usual.

        Args:
            state: `ACCEPTED` or `REJECTED`.
            shown: The changes as the person saw them.

        Raises:
            StaleHeldChange: a change is not open any more or differs from the one shown; or a
                change to accept was held against another card than the one in force, or its day
                has come.
            UnknownName: a held change does not exist.
            SettingsError: the author or the reason is blank.
        """
        action = Action(_ACTION_NAMES[state], author, reason, now)
        unique = {item.id: item for item in shown}
        what = {"items": [_write_pair(item.change) | {"id": item.id} for item in shown]}
        with self._audit_log.transaction(action, what, **_about(list(unique.values()))):
            items = [self._unchanged(item) for item in unique.values()]
            if items:
                self._connection.new_revision({item.provider for item in items})
            if state is State.ACCEPTED and items:
                self._amend_ledger(items, action)
            elif state is State.REJECTED:
                self._ledger.set_states(
                    {_since(item): PriceState.REJECTED for item in _of_now(items)}
                )
            self._close(items, state, action)
            self._audit_log.add(action, [_audit_entry(item) for item in items])
        return [
            replace(item, state=state, decided_at=now, decided_by=author, decision=reason)
            for item in items
        ]

    def reconsider(
        self, provider: str, model: str, *, author: str, reason: str, now: datetime
    ) -> list[HeldChange]:
        """Withdraw the rejections of a model, so that the next reading judges its changes again.

        Raises:
            UnknownName: the model has no rejected change.
            SettingsError: the author or the reason is blank.
        """
        action = Action("reconsider", author, reason, now)
        with self._audit_log.transaction(action, {"model": model}, provider=provider, model=model):
            items = [
                item
                for item in self.held(provider, state=State.REJECTED)
                if item.change.model == model
            ]
            if not items:
                raise UnknownName(f"{provider}: {model}: nothing was rejected")
            self._connection.new_revision({provider})
            self._execute("reconsider", provider=provider, model=model)
            self._audit_log.add(action, [_audit_entry(item) for item in items])
        return [replace(item, state=State.LAPSED) for item in items]

    def reject_undone(self, items: Sequence[HeldChange], action: Action) -> None:
        """Store changes that were applied and are undone as rejected. Call it in a transaction.

        What was held against the card that is undone lapses: the next reading judges it again.
        """
        models = {_model(item) for item in items}
        for provider in {item.provider for item in items}:
            waiting = [item for item in self.held(provider) if _model(item) in models]
            self._close(waiting, State.LAPSED, action)
        for item in items:
            self._execute("hold", **_write_held(item))
            self._close([item], State.REJECTED, action)

    def _unchanged(self, shown: HeldChange) -> HeldChange:
        """The held change as it is now, after a check that it is open and the one shown."""
        item = self.held_change(shown.id)
        if item.state is not State.OPEN:
            raise _stale(item, f"it is {item.state} by {item.decided_by} already")
        if (item.provider, item.change) != (shown.provider, shown.change):
            raise _stale(item, "it is not the change that was expected")
        return item

    def _amend_ledger(self, items: Sequence[HeldChange], action: Action) -> None:
        """Put the new listings in force: true since they were first read, known from now.

        Those of later are in force from their day.
        """
        # After the clock was set back, a change may have been read later than now.
        dated = max(action.now, *(item.since for item in items))
        stored = {
            (provider, model): known
            for provider in {item.provider for item in items}
            for model, known in self._ledger.known_models(provider, dated).items()
        }
        for item in items:
            _refuse_if_moved(item, stored.get(_model(item)), action.now)
        recorded_at = next_recorded_at(self._connection, dated)
        apart = self._amend_scheduled(items, stored, recorded_at)
        replaced = [
            item
            for item in items
            if _model(item) not in apart and _needs_new_card(item, stored[_model(item)])
        ]
        self._ledger.replace_cards(
            [card for item in replaced if (card := _accepted_card(item, recorded_at))],
            [_since(item) for item in replaced if item.change.new is None],
            recorded_at,
        )
        listed = [_since(item) for item in _of_now(items) if item.change.new is not None]
        vanished = [_since(item) for item in _of_now(items) if item.change.new is None]
        self._ledger.mark("listed", listed)
        self._ledger.mark("retired", vanished)
        self._ledger.set_states(
            dict.fromkeys(listed, PriceState.CONFIRMED)
            | dict.fromkeys(vanished, PriceState.RETIRED)
        )
        self._add_events(items, action)

    def _amend_scheduled(
        self,
        items: Sequence[HeldChange],
        stored: Mapping[tuple[str, str], Stored],
        recorded_at: datetime,
    ) -> set[tuple[str, str]]:
        """Accept the changes of later, and those of models with a later price; return the models.

        The rows of such a model depend on each other, so they are written together.
        """
        apart = {
            _model(item)
            for item in items
            if item.change.starts_at is not None or stored[_model(item)].scheduled
        }
        for model in apart:
            of_model = [item for item in items if _model(item) == model]
            first = next(iter(_of_now(of_model)), of_model[0])
            at = recorded_at if first.change.starts_at else first.since
            rewrite = _rewritten(of_model, stored[model])
            self._scheduled.rewrite([rewrite], _origin(first), at, recorded_at)
        return apart

    def _add_events(self, items: Sequence[HeldChange], action: Action) -> None:
        """One event for each reading whose changes were accepted, as the reading has it."""
        by_reading: dict[str, list[HeldChange]] = {}
        for item in items:
            by_reading.setdefault(item.reading_id, []).append(item)
        for reading_id, group in by_reading.items():
            first, changes = group[0], [item.change for item in _of_now(group)]
            later = [item.change for item in group if item.change.starts_at is not None]
            plan = ChangePlan(
                apply=[change for change in changes if change.new is not None],
                retire=[change.model for change in changes if change.new is None],
                scheduled=ScheduledPlan(added=later),
            )
            self._outbox.add_changed(
                f"{first.id}-accepted",
                plan,
                provider=first.provider,
                reading_id=reading_id,
                at=first.since,
                created_at=action.now,
                accepted_by=action.author,
            )


def _stale(item: HeldChange, why: str) -> StaleHeldChange:
    return StaleHeldChange(f"{item.provider}: {item.change.model}: held change {item.id}: {why}")


def _refuse_if_moved(item: HeldChange, known: Stored | None, now: datetime) -> None:
    """Raise StaleHeldChange unless the change replaces the card in force, now or on its day."""
    starts_at = item.change.starts_at
    if starts_at is not None:
        if starts_at <= now:
            raise _stale(item, "its day has come: the next reading judges the price anew")
        if known is None or (
            preceding(known.scheduled, starts_at, known.listing) != item.change.old
        ):
            raise _stale(item, "the card before it is not the one it was held against")
        return
    if known is None or known.listing != item.change.old:
        raise _stale(item, "the card in force is not the one it was held against")
    # The change ends the card at `item.since`, so the card must have begun before.
    last = known.retired_at or known.since
    if last is not None and (last > item.since or (not known.retired_at and last == item.since)):
        raise _stale(item, "a card came into force after it was first seen")


def _needs_new_card(item: HeldChange, known: Stored) -> bool:
    """Whether the change ends or begins a card.

    A missing model that is listed again unchanged keeps its card.
    """
    return item.change.new != known.listing or known.retired_at is not None


def _rewritten(items: Sequence[HeldChange], known: Stored) -> Rewrite:
    """What the cards of a model become with these changes of it, at most one of them of now."""
    of_now = next(iter(_of_now(items)), None)
    is_retired = of_now is not None and of_now.change.new is None
    listing = of_now.change.new if of_now and _needs_new_card(of_now, known) else None
    model = items[0].change.model
    later = [item.change for item in items if item.change.starts_at is not None]
    after = timelines_with({model: known.scheduled}, {model: listing or known.listing}, later)
    return Rewrite(
        model=model,
        listing=listing,
        is_retired=is_retired,
        later=() if is_retired else after.get(model, known.scheduled),
    )


def _of_now(items: Sequence[HeldChange]) -> list[HeldChange]:
    """The changes of the price now, without those of later."""
    return [item for item in items if item.change.starts_at is None]


def _model(item: HeldChange) -> tuple[str, str]:
    return item.provider, item.change.model


def _origin(item: HeldChange) -> Origin:
    return Origin(
        provider=item.provider,
        source=item.source,
        url=item.url,
        reading_id=item.reading_id,
        digest=item.digest,
        card_prefix=f"{item.id}-accepted",
    )


def _since(item: HeldChange) -> ModelAt:
    return item.provider, item.change.model, item.since


def _accepted_card(item: HeldChange, recorded_at: datetime) -> Statement | None:
    """The card of an accepted change, from the reading that first contained it."""
    if item.change.new is None:
        return None
    return Statement(
        card_id=f"{item.id}-accepted",
        provider=item.provider,
        model=item.change.model,
        since=item.since,
        until=None,
        recorded_at=recorded_at,
        superseded_at=None,
        source=item.source,
        url=item.url,
        reading_id=item.reading_id,
        digest=item.digest,
        listing=item.change.new,
    )


def _about(shown: Sequence[HeldChange]) -> dict[str, str | None]:
    """What a refusal is about, for the audit log: the one provider, and the one held change."""
    providers = {item.provider for item in shown}
    only = shown[0] if len(shown) == 1 else None
    return {
        "provider": providers.pop() if len(providers) == 1 else None,
        "model": only.change.model if only else None,
        "subject": only.id if only else None,
    }


def _audit_entry(item: HeldChange) -> dict[str, Any]:
    what = _write_pair(item.change) | {
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


def _write_pair(change: Change) -> dict[str, Any]:
    return {"old": _write_known(change.old), "new": _write_known(change.new)}


def _write_known(listing: Known | None) -> dict[str, Any] | None:
    return None if listing is None else write_listing(listing)


# The same changes wait for days, and every page that counts them reads all of them.
@lru_cache(maxsize=4_096)
def _read_known(text: str | None) -> Known | None:
    return None if text is None else read_listing(json.loads(text))


def _write_held(item: HeldChange) -> dict[str, Any]:
    change = item.change
    return {
        "id": item.id,
        "reading_id": item.reading_id,
        "provider": item.provider,
        "model": change.model,
        "kind": change.kind.value,
        "old": change.old and write_json(write_listing(change.old)),
        "new": change.new and write_json(write_listing(change.new)),
        "reasons": write_json(item.reasons),
        "since": write_instant(item.since),
        "waits_since": write_instant(item.waits_since),
        "starts_at": write_optional_instant(change.starts_at),
    }


def _read_held(row: Sequence[Any]) -> HeldChange:
    held_id, reading_id, provider, model, kind, old, new, reasons, since, state, *rest = row
    decided_at, decided_by, decision, source, url, digest, listings, starts_at, waits_since = rest
    old, new = _read_known(old), _read_known(new)
    return HeldChange(
        id=held_id,
        reading_id=reading_id,
        provider=provider,
        change=Change(model, Kind(kind), old, new, read_optional_instant(starts_at)),
        reasons=tuple(json.loads(reasons)),
        since=read_instant(since),
        waits_since=read_instant(waits_since),
        state=State(state),
        decided_at=read_optional_instant(decided_at),
        decided_by=decided_by,
        decision=decision,
        source=source,
        url=url,
        digest=digest,
        listed=sum(json.loads(listings).values()),
    )
