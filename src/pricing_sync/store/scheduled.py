"""Prices that are published for later, in the ledger: cards whose `since` is yet to come.

The card in force ends where the next one begins, so the ledger answers for any instant. No reading
is needed on the day. What changes is superseded, and stays known to have been believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pricing_sync.changes.diff import Change, Kind, Known
from pricing_sync.changes.scheduled import Key, Timeline, known_listing
from pricing_sync.prices.rates import Scheduled
from pricing_sync.prices.statements import Statement
from pricing_sync.store.changes import LedgerChange
from pricing_sync.store.connection import Connection, NamedQueries, load_queries, placeholders
from pricing_sync.store.in_force import now
from pricing_sync.store.rows import (
    CARD_COLUMNS,
    STATEMENT_COLUMNS,
    read_card,
    read_instant,
    read_statement,
    write_card,
    write_instant,
    write_optional_instant,
)

_COLUMNS = (*STATEMENT_COLUMNS, *CARD_COLUMNS)
_QUERIES = load_queries(
    {
        "card": ", ".join(f'l."{column}"' for column in CARD_COLUMNS),
        "before": ", ".join(f'p."{column}"' for column in CARD_COLUMNS),
        "statement": ", ".join(f'l."{column}"' for column in _COLUMNS),
        "columns": ", ".join(f'"{column}"' for column in _COLUMNS),
        "places": placeholders(_COLUMNS),
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

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, _QUERIES)

    def timelines(self, provider: str, at: datetime) -> dict[str, Timeline]:
        """What begins after an instant, by model."""
        found: dict[str, Timeline] = {}
        rows = self._fetch("later", provider=provider, at=write_instant(at), now=now())
        for model, since, *card in rows:
            entry = Scheduled(read_instant(since), read_card(card, f"{provider} {model}"))
            found[model] = (*found.get(model, ()), entry)
        return found

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

    def has_begun_unseen(self, provider: str, since: datetime, at: datetime) -> bool:
        """Whether a change that is not scheduled, as it was doubtful, was for a day that has come.

        The answer with the same bytes then lists it as the price.
        """
        values = {"provider": provider, "since": write_instant(since), "at": write_instant(at)}
        return bool(self._fetch("begun_unseen", **values))

    def rewrite(
        self, rewrites: Sequence[Rewrite], origin: Origin, at: datetime, recorded_at: datetime
    ) -> None:
        """Replace the cards of models from an instant on. Call it inside a transaction.

        Cards that stay as they are keep their rows.
        """
        if not rewrites:
            return
        self._execute("clear_touched")
        self._execute_many("add_touched", [{"model": one.model} for one in rewrites])
        cards: dict[str, list[Statement]] = {}
        for row in self._fetch("not_ended_at", provider=origin.provider, at=write_instant(at)):
            statement = read_statement(row)
            cards.setdefault(statement.model, []).append(statement)
        superseded: list[Statement] = []
        added: list[Statement] = []
        for index, one in enumerate(rewrites):
            stored = cards.get(one.model, [])
            wanted = [
                replace(card, card_id=card.card_id or f"{origin.card_prefix}-{index}-{place}")
                for place, card in enumerate(_wanted(one, stored, origin, at))
            ]
            kept = {(c.card_id, c.until) for c in wanted} & {(c.card_id, c.until) for c in stored}
            superseded += [card for card in stored if (card.card_id, card.until) not in kept]
            added += [card for card in wanted if (card.card_id, card.until) not in kept]
        recorded = write_instant(recorded_at)
        self._execute_many(
            "supersede", [{"card_id": card.card_id, "recorded_at": recorded} for card in superseded]
        )
        self._execute_many(
            "add_card", [_write(replace(card, recorded_at=recorded_at)) for card in added]
        )

    def lapse(self, provider: str, keys: Iterable[Key], at: datetime) -> None:
        """End the holds of changes that the source no longer publishes."""
        values = {"at": write_instant(at), "why": "listed otherwise"}
        self._execute_many("lapse_later", [_key(provider, key) | values for key in keys])

    def release(self, provider: str, keys: Iterable[Key], at: datetime) -> None:
        """End the holds of changes that the gate lets through now."""
        values = {"at": write_instant(at)}
        self._execute_many("release_later", [_key(provider, key) | values for key in keys])


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


def _write(card: Statement) -> dict[str, Any]:
    row = {name: getattr(card, name) for name in STATEMENT_COLUMNS}
    return (
        row
        | write_card(card.listing)
        | {
            "since": write_instant(card.since),
            "until": write_optional_instant(card.until),
            "recorded_at": write_instant(card.recorded_at),
            "superseded_at": write_optional_instant(card.superseded_at),
        }
    )


def _key(provider: str, key: Key) -> dict[str, Any]:
    model, starts_at = key
    return {"provider": provider, "model": model, "starts_at": write_instant(starts_at)}


def _change(row: Sequence[Any]) -> LedgerChange:
    since, provider, model, *cards = row
    new, old = cards[: len(CARD_COLUMNS)], cards[len(CARD_COLUMNS) :]
    before = read_card(old) if old[0] or old[1] else None
    at = read_instant(since)
    return LedgerChange(provider, at, Change(model, Kind.SCHEDULED, before, read_card(new), at))
