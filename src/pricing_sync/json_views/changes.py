"""Changes: applied, held, decided, announced; and the log of who decided what."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any, Self

from pydantic import AliasPath, Field

from pricing_sync.changes import held
from pricing_sync.gate import RULES, Peers
from pricing_sync.gate.moves import write_move, write_moves
from pricing_sync.json_views.base import Instant, Listed, View
from pricing_sync.json_views.usage import BlastRadius
from pricing_sync.prices import blast_radius as weighed
from pricing_sync.prices.card_json import write_instant, write_listing
from pricing_sync.store import announcements
from pricing_sync.store.changes import LedgerChange as StoredChange

#: The rules of the gate by name. A reason begins with the name of its rule.
RULE_CARDS = {rule.value: card for rule, card in RULES.items()}


class Change(View):
    """A change with its old and new listing."""

    model: str
    kind: str
    old: Listed | None
    new: Listed | None
    starts_at: Instant | None = Field(
        default=None, description="From when it holds; null for a change of the price in force."
    )


class AppliedChange(Change):
    """A change of the ledger. Each of its `moves` is a rate that differs."""

    provider: str
    at: Instant
    moves: list[dict[str, Any]]

    @classmethod
    def of(cls, entry: StoredChange) -> Self:
        change = Change.model_validate(entry.change)
        return cls(
            **dict(change), provider=entry.provider, at=entry.at, moves=write_moves(entry.change)
        )


class DecidedChange(View):
    """A held change with the decision about it."""

    id: str
    provider: str
    model: str = Field(validation_alias=AliasPath("change", "model"))
    kind: str = Field(validation_alias=AliasPath("change", "kind"), examples=["changed"])
    old: Listed | None = Field(validation_alias=AliasPath("change", "old"))
    new: Listed | None = Field(validation_alias=AliasPath("change", "new"))
    starts_at: Instant | None = Field(
        default=None,
        validation_alias=AliasPath("change", "starts_at"),
        description="From when it holds; null for a change of the price in force.",
    )
    reasons: list[str]
    since: Instant = Field(description="When this change was first read.")
    waits_since: Instant = Field(
        description="Since when a change of the model waits without a break, of any value."
    )
    reading: str = Field(validation_alias="reading_id")
    state: str = Field(examples=["open", "accepted", "rejected", "released", "lapsed"])
    decided_at: Instant | None
    decided_by: str | None
    decision: str | None


class HeldChange(DecidedChange):
    """A held change with the facts for a decision."""

    version: str = Field(description="A decision about this change must name it.")
    moves: list[dict[str, Any]]
    rules: list[dict[str, Any]]
    peers: dict[str, Any]
    listed: int
    url: str
    digest: str | None
    blast_radius: BlastRadius | None = Field(
        default=None,
        description="What the model's traffic of the last 7 days costs before and after the change;"
        " null without traffic.",
    )

    @classmethod
    def of(
        cls,
        item: held.HeldChange,
        peers: Peers,
        radius: weighed.BlastRadius | None = None,
        **more: Any,
    ) -> Self:
        """A held change; *more* are the fields of a subclass."""
        return cls(
            **dict(DecidedChange.model_validate(item)),
            **more,
            version=version(item),
            moves=write_moves(item.change),
            rules=[
                {"rule": name, "why": card.why, "hard": card.hard}
                for name in by_rule(item.reasons)
                if (card := RULE_CARDS.get(name))
            ],
            peers={
                meter.value: {
                    "count": spread.count,
                    "median": str(spread.median),
                    "low": str(spread.low),
                    "high": str(spread.high),
                }
                for meter, spread in peers.items()
            },
            listed=item.listed,
            blast_radius=None if radius is None else BlastRadius.of(radius),
            url=item.url,
            digest=item.digest,
        )


def version(item: held.HeldChange) -> str:
    """A digest that identifies the change: provider, model, kind, old and new listing, day."""
    change = item.change
    listings = [listing and write_listing(listing) for listing in (change.old, change.new)]
    identity = [item.provider, change.model, change.kind, *listings]
    if change.starts_at is not None:
        identity.append(write_instant(change.starts_at))
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def by_rule(reasons: Iterable[str]) -> dict[str, list[str]]:
    """The details of the reasons, by rule."""
    found: dict[str, list[str]] = {}
    for reason in reasons:
        rule, _, detail = reason.partition(": ")
        found.setdefault(rule, []).extend([detail] if detail else [])
    return found


class Rollback(View):
    """What a rollback does to a model: its listing in force before it, and after it."""

    provider: str
    model: str
    old: Listed | None
    new: Listed | None = Field(description="Null if the model had no price then.")


class Announcement(View):
    """An announced move. It passes the gate once."""

    id: str
    provider: str
    model: str
    meter: str
    when: dict[str, Any] | None
    old: str | None
    new: str
    not_before: Instant
    author: str
    reason: str
    recorded_at: Instant
    used_at: Instant | None
    used_by: str | None
    ended_at: Instant | None

    @classmethod
    def of(cls, entry: announcements.Announcement) -> Self:
        move = entry.move
        return cls(
            **write_move(move.when, move.meter, move.old, move.new),
            id=entry.id,
            provider=entry.provider,
            model=move.model,
            not_before=move.not_before,
            author=entry.author,
            reason=entry.reason,
            recorded_at=entry.recorded_at,
            used_at=entry.used_at,
            used_by=entry.used_by,
            ended_at=entry.ended_at,
        )


class AuditEntry(View):
    """Who decided what, when and why."""

    id: str
    at: Instant
    who: str
    action: str
    provider: str | None
    model: str | None
    subject: str | None
    what: dict[str, Any]
    reason: str
