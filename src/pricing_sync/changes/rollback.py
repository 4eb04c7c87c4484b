"""Undoing what was believed since an instant: the cards of then are in force again.

An operator rolls a provider back when wrong prices got in. The cards in force at the instant, as
they were known then, hold from that instant on, as if what came after had been held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pricing_sync.changes.diff import Change, Kind, Known
from pricing_sync.prices.statements import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRollback:
    """What a rollback does to a model."""

    provider: str
    model: str
    #: The card in force at the instant, as known then; None if the model had none.
    then: Statement | None
    #: The cards since then as believed now, the oldest first. Some may be yet to begin.
    stored: tuple[Statement, ...]
    #: The cards that the model has after the rollback. A new one has no id yet.
    restored: tuple[Statement, ...]
    #: The card in force now; None if the model has none.
    now: Statement | None

    @property
    def old(self) -> Known | None:
        """The listing in force before the rollback."""
        return self.now.listing if self.now else None

    @property
    def new(self) -> Known | None:
        """The listing in force after it."""
        return self.then.listing if self.then else None

    @property
    def superseded(self) -> list[Statement]:
        """The cards that are believed no more."""
        kept = {(card.card_id, card.until) for card in self.restored}
        return [card for card in self.stored if (card.card_id, card.until) not in kept]

    @property
    def added(self) -> list[Statement]:
        """The cards that are believed instead."""
        known = {(card.card_id, card.until) for card in self.stored}
        return [card for card in self.restored if (card.card_id, card.until) not in known]

    def rejected(self) -> list[tuple[Statement, Change]]:
        """The changes that a reading would make again, each with the card that it made."""
        found: list[tuple[Statement, Change]] = []
        kept = {card.card_id for card in self.restored}
        for card in self.superseded:
            kind = Kind.CHANGED if self.then else Kind.ADDED
            change = Change(self.model, kind, self.new, card.listing)
            is_known = any(change == other for _, other in found)
            if card.listing != self.new and card.card_id not in kept and not is_known:
                found.append((card, change))
        return found


def roll_back(
    provider: str,
    model: str,
    stored: Sequence[Statement],
    then: Statement | None,
    to: datetime,
    now: datetime,
) -> ModelRollback | None:
    """What a rollback to the instant *to* does to a model; None if nothing changed since.

    *stored* are the cards that had not ended at *to*, as known now, the oldest first.
    """
    before = [card for card in stored if card.since <= to]
    restored: list[Statement] = []
    for card in before:
        if then is not None and card.listing == then.listing:
            restored.append(replace(card, until=None))
        elif card.since < to:
            restored.append(replace(card, until=to))
    if then is not None and (not restored or restored[-1].until is not None):
        restored.append(replace(then, card_id="", since=to, until=None, superseded_at=None))
    in_force = [
        card for card in stored if card.since <= now and (not card.until or card.until > now)
    ]
    found = ModelRollback(
        provider=provider,
        model=model,
        then=then,
        stored=tuple(stored),
        restored=tuple(restored),
        now=in_force[0] if in_force else None,
    )
    return found if found.superseded or found.added else None
