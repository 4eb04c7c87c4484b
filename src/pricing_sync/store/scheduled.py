"""Prices that are published for later, in the ledger: cards whose `since` is yet to come.

The card in force ends where the next one begins, so the ledger answers for any instant. No reading
is needed on the day. What changes is superseded, and stays known to have been believed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pricing_sync.changes.diff import Change, Kind, Known
from pricing_sync.changes.plan import ChangePlan
from pricing_sync.changes.scheduled import Timeline, known_listing
from pricing_sync.prices.rates import Scheduled
from pricing_sync.prices.statements import Statement
from pricing_sync.store.changes import LedgerChange
from pricing_sync.store.connection import Connection, NamedQueries, load_queries
from pricing_sync.store.ledger import Ledger
from pricing_sync.store.outbox import Outbox
from pricing_sync.store.rows import (
    CARD_COLUMNS,
    read_card,
    read_instant,
    write_instant,
    write_optional_instant,
)

_QUERIES = load_queries(
    {
        "card": ", ".join(f'l."{column}"' for column in CARD_COLUMNS),
        "before": ", ".join(f'p."{column}"' for column in CARD_COLUMNS),
    },
    "scheduled.sql",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """What the cards of a model become from an instant on."""

    model: str
    #: The listing in force from the instant on; None if it stays, or if the model is retired.
    listing: Known | None
    is_retired: bool
    later: Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where new cards come from: a reading, or a reading whose held changes were accepted."""

    provider: str
    source: str
    url: str
    reading_id: str
    digest: str | None
    #: The beginning of the ids of new cards.
    card_prefix: str


class ScheduledCards(NamedQueries):
    """The cards of later in the ledger of a `Store`."""

    def __init__(self, connection: Connection, ledger: Ledger, outbox: Outbox) -> None:
        super().__init__(connection, _QUERIES)
        self._ledger, self._outbox = ledger, outbox

    def changes(
        self,
        at: datetime,
        *,
        before: datetime | None = None,
        provider: str | None = None,
        model: str | None = None,
        limit: int = 1_000_000,
    ) -> list[LedgerChange]:
        """What begins after an instant, and not after another, the next one first."""
        found = self._fetch(
            "changes_later",
            at=write_instant(at),
            before=write_optional_instant(before),
            provider=provider,
            model=model,
            limit=limit,
        )
        return [_change(row) for row in found]

    def tell_begun(self, after: datetime, now: datetime) -> None:
        """Store an event for the scheduled cards that began after an instant, and are in force.

        There is one for each reading and instant, at most once. Call it inside a transaction.
        """
        begun: dict[tuple[str, datetime], list[LedgerChange]] = {}
        for reading_id, *row in self._fetch(
            "begun_later", after=write_instant(after), at=write_instant(now)
        ):
            change = _change(row)
            begun.setdefault((reading_id, change.at), []).append(change)
        new = {
            event_id: (reading_id, changes)
            for (reading_id, at), changes in begun.items()
            if not self._outbox.has(event_id := f"{reading_id}-{at:%Y%m%dT%H%M%S}-begun")
        }
        if new:
            # So that each comes after what was told before of its models.
            self._connection.new_revision({changes[0].provider for _, changes in new.values()})
        for event_id, (reading_id, changes) in new.items():
            self._outbox.add_changed(
                event_id,
                ChangePlan(apply=[_begun(one.change) for one in changes]),
                provider=changes[0].provider,
                reading_id=reading_id,
                at=changes[0].at,
                created_at=now,
            )

    def rewrite(
        self, rewrites: Sequence[Rewrite], origin: Origin, at: datetime, recorded_at: datetime
    ) -> None:
        """Replace the cards of models from an instant on. Call it inside a transaction.

        Cards that stay as they are keep their rows.
        """
        if not rewrites:
            return
        cards = self._ledger.cards_from((origin.provider, one.model, at) for one in rewrites)
        superseded: list[Statement] = []
        added: list[Statement] = []
        for index, one in enumerate(rewrites):
            stored = cards.get((origin.provider, one.model), [])
            wanted = [
                replace(card, card_id=card.card_id or f"{origin.card_prefix}-{index}-{place}")
                for place, card in enumerate(_wanted(one, stored, origin, at))
            ]
            kept = {(c.card_id, c.until) for c in wanted} & {(c.card_id, c.until) for c in stored}
            superseded += [card for card in stored if (card.card_id, card.until) not in kept]
            added += [card for card in wanted if (card.card_id, card.until) not in kept]
        self._ledger.rewrite(superseded, added, recorded_at)


def _wanted(
    rewrite: Rewrite, stored: Sequence[Statement], origin: Origin, at: datetime
) -> Iterator[Statement]:
    """The cards that a model is to have from now on, of those *stored* that have not ended at *at*.

    A new card has no id yet.
    """
    entries = list(rewrite.later)
    if rewrite.listing is not None:
        entries.insert(0, Scheduled(at, rewrite.listing))
    first = at if rewrite.is_retired else next((entry.since for entry in entries), None)
    current = [card for card in stored if card.since <= max(at, card.recorded_at)][:1]
    yield from (replace(c, until=first) for c in current if first is None or c.since < first)
    known = {card.since: card for card in stored}
    ends: list[datetime | None] = [entry.since for entry in entries]
    for entry, until in zip(entries, [*ends[1:], None][: len(entries)], strict=True):
        card = known.get(entry.since)
        if card is None or card.listing != entry.listing:
            card = _new_card(rewrite.model, entry, origin)
        yield replace(card, until=until)


def _new_card(model: str, entry: Scheduled, origin: Origin) -> Statement:
    return Statement(
        card_id="",
        provider=origin.provider,
        model=model,
        since=entry.since,
        until=None,
        recorded_at=entry.since,
        superseded_at=None,
        source=origin.source,
        url=origin.url,
        reading_id=origin.reading_id,
        digest=origin.digest,
        listing=known_listing(entry),
    )


def _begun(change: Change) -> Change:
    """A scheduled change on its day."""
    kind = Kind.ADDED if change.old is None else Kind.CHANGED
    return replace(change, kind=kind, starts_at=None)


def _change(row: Sequence[Any]) -> LedgerChange:
    since, provider, model, *cards = row
    new, old = cards[: len(CARD_COLUMNS)], cards[len(CARD_COLUMNS) :]
    before = read_card(old) if old[0] or old[1] else None
    at = read_instant(since)
    return LedgerChange(provider, at, Change(model, Kind.SCHEDULED, before, read_card(new), at))
