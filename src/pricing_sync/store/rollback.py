"""Rolling a provider back to what was believed of it at an instant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from pricing_sync.changes.diff import Change, Kind
from pricing_sync.changes.held import HeldChange
from pricing_sync.changes.plan import ChangePlan
from pricing_sync.changes.rollback import ModelRollback, roll_back
from pricing_sync.errors import SettingsError, UnknownName
from pricing_sync.prices.card_json import write_listing
from pricing_sync.prices.instants import refuse_naive
from pricing_sync.prices.statements import PriceState, Statement
from pricing_sync.store.audit_log import Action, AuditLog
from pricing_sync.store.connection import (
    Connection,
    NamedQueries,
    load_queries,
    next_recorded_at,
)
from pricing_sync.store.ids import new_id
from pricing_sync.store.ledger import Ledger, ModelAt
from pricing_sync.store.outbox import Outbox
from pricing_sync.store.review import Review
from pricing_sync.store.rows import read_instant, write_instant

_QUERIES = load_queries({}, "rollback.sql")


class CardsAt(Protocol):
    """The cards in force at an instant, as known at another."""

    def __call__(
        self, provider: str, *, at: datetime, known_at: datetime | None = None
    ) -> list[Statement]: ...


class Rollbacks(NamedQueries):
    """The rollbacks of a `Store`."""

    def __init__(
        self,
        connection: Connection,
        ledger: Ledger,
        review: Review,
        outbox: Outbox,
        audit_log: AuditLog,
        cards_at: CardsAt,
    ) -> None:
        super().__init__(connection, _QUERIES)
        self._ledger, self._review = ledger, review
        self._outbox, self._audit_log, self._cards_at = outbox, audit_log, cards_at

    def find(
        self, provider: str, model: str | None, to: datetime, now: datetime
    ) -> list[ModelRollback]:
        """What a rollback to *to* would do, by model. Nothing is stored.

        Raises:
            SettingsError: the instant is not in the past.
            UnknownName: the model was never listed, the provider had no prices at the instant, or
                nothing has changed since.
            ValueError: the instant has no time zone.
        """
        with self._connection.transaction():
            return self._find(provider, model, to, now)

    def apply(
        self,
        provider: str,
        model: str | None,
        to: datetime,
        *,
        author: str,
        reason: str,
        now: datetime,
    ) -> list[ModelRollback]:
        """Put the cards of an instant in force again, all of them or none; return what was done.

        What is undone counts as rejected: a reading that says the same does not bring it back. Its
        rows stay in the ledger, as superseded.

        Raises:
            SettingsError: the instant is not in the past, or the author or the reason is blank.
            UnknownName, ValueError: as in `find`.
        """
        action, first = Action("rollback", author, reason, now), new_id(now)
        what = {"to": write_instant(to)}
        with self._audit_log.transaction(action, what, provider=provider, model=model):
            found = self._find(provider, model, to, now)
            self._rewrite(found, first, now)
            self._review.reject_undone(_undone(found, first), action)
            self._mark(found, to)
            self._audit_log.add(action, [_audit_entry(one, to) for one in found])
            self._add_event(found, to, action, first)
        return found

    def _find(
        self, provider: str, model: str | None, to: datetime, now: datetime
    ) -> list[ModelRollback]:
        refuse_naive(to)
        if to >= now:
            raise SettingsError(f"rollback: {write_instant(to)} is not in the past")
        known = self._ledger.known_models(provider, now)
        if model is not None and model not in known:
            raise UnknownName(f"{provider}: {model}: no such model was ever listed")
        models = sorted(known) if model is None else [model]
        then = {card.model: card for card in self._cards_then(provider, to)}
        cards = self._ledger.cards_from((provider, name, to) for name in models)
        each = (
            roll_back(provider, name, cards.get((provider, name), []), then.get(name), to, now)
            for name in models
        )
        found = [one for one in each if one is not None]
        if not found:
            whose = f"{provider}: {model}" if model else provider
            raise UnknownName(f"{whose}: nothing has changed since {write_instant(to)}")
        return found

    def _cards_then(self, provider: str, to: datetime) -> list[Statement]:
        """The provider's cards in force at an instant, as they were known then.

        If nothing of it was known then, its history was recorded later, from recorded answers. Then
        what is known now counts.
        """
        found = self._cards_at(provider, at=to, known_at=to) or self._cards_at(provider, at=to)
        if not found:
            raise UnknownName(f"{provider}: it had no prices at {write_instant(to)}")
        return found

    def _rewrite(self, found: Sequence[ModelRollback], first: str, now: datetime) -> None:
        added = [
            replace(card, card_id=card.card_id or f"{first}-{number:05}")
            for number, card in enumerate(card for one in found for card in one.added)
        ]
        superseded = [card for one in found for card in one.superseded]
        self._connection.new_revision({one.provider for one in found})
        self._ledger.rewrite(superseded, added, next_recorded_at(self._connection, now))

    def _mark(self, found: Sequence[ModelRollback], to: datetime) -> None:
        """The state of each model until the next reading, which may list what was undone."""

        def models(chosen: Iterable[ModelRollback]) -> list[ModelAt]:
            return [(one.provider, one.model, to) for one in chosen]

        missing = models(one for one in found if one.then and not one.now)
        self._ledger.mark("listed", models(found))
        self._ledger.mark("missing", missing)
        rejected = models(one for one in found if one.old is not None and one.old != one.new)
        states = dict.fromkeys(rejected, PriceState.REJECTED)
        states |= dict.fromkeys(missing, PriceState.MISSING)
        self._ledger.set_states(states, self._read_before(found[0].provider, to))

    def _read_before(self, provider: str, to: datetime) -> datetime | None:
        """The last reading until an instant: until then the prices were confirmed."""
        found = self._fetch("read_before", provider=provider, to=write_instant(to))
        return read_instant(found[0][0]) if found else None

    def _add_event(
        self, found: Sequence[ModelRollback], to: datetime, action: Action, first: str
    ) -> None:
        changed = [one for one in found if one.old != one.new]
        plan = ChangePlan(
            apply=[
                Change(one.model, Kind.CHANGED, one.old, one.new) for one in changed if one.then
            ],
            retire=[one.model for one in changed if not one.then],
        )
        if changed:
            self._outbox.add_changed(
                f"{first}-rollback",
                plan,
                provider=changed[0].provider,
                reading_id=first,
                at=to,
                created_at=action.now,
                rolled_back_by=action.author,
            )


def _undone(found: Sequence[ModelRollback], first: str) -> list[HeldChange]:
    """What the next reading would change again, as held changes to be rejected."""
    undone = [(one, card, change) for one in found for card, change in one.rejected()]
    return [
        HeldChange(
            id=f"{first}-{number:05}",
            reading_id=card.reading_id,
            provider=one.provider,
            change=change,
            reasons=("rolled_back",),
            since=card.since,
            waits_since=card.since,
            source=card.source,
            url=card.url,
            digest=card.digest,
            listed=0,
        )
        for number, (one, card, change) in enumerate(undone)
    ]


def _audit_entry(one: ModelRollback, to: datetime) -> dict[str, Any]:
    return {
        "provider": one.provider,
        "model": one.model,
        "subject": None,
        "what": {
            "to": write_instant(to),
            "old": one.old and write_listing(one.old),
            "new": one.new and write_listing(one.new),
        },
    }
