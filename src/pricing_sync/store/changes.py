"""What moved in the ledger: each card that began or ended, with the card before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pricing_sync.changes.diff import Change, Kind, Known
from pricing_sync.store.connection import Connection, NamedQueries, load_queries
from pricing_sync.store.in_force import FRAGMENTS, now
from pricing_sync.store.rows import CARD_COLUMNS, read_card, read_instant, write_instant

_QUERIES = load_queries(
    {
        name: ", ".join(f'{table}."{column}"' for column in CARD_COLUMNS)
        for name, table in (("new", "l"), ("old", "p"))
    }
    | FRAGMENTS,
    "changes.sql",
)


@dataclass(frozen=True, slots=True)
class LedgerChange:
    """A change that was applied or is scheduled, and the instant from which it is in force."""

    provider: str
    at: datetime
    change: Change


class ChangeLog(NamedQueries):
    """What moved in the ledger of a `Store`. It is read from the cards, as known now."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, _QUERIES)

    def since(
        self,
        at: datetime,
        *,
        provider: str | None = None,
        model: str | None = None,
        include_added: bool = False,
        limit: int,
    ) -> list[LedgerChange]:
        """The newest changes from an instant on, newest first, up to *limit*.

        A model's first card is a change only with *include_added*.
        """
        values: dict[str, Any] = {
            "since": write_instant(at),
            "provider": provider,
            "model": model,
            "limit": limit,
            "now": now(),
        }
        found = [
            *map(_begun, self._fetch("begun", **values)),
            *map(_ended, self._fetch("ended", **values)),
            *(map(_added, self._fetch("added", **values)) if include_added else ()),
        ]
        found.sort(key=lambda entry: (entry.provider, entry.change.model))
        found.sort(key=lambda entry: entry.at, reverse=True)
        return found[:limit]


def _begun(row: Sequence[Any]) -> LedgerChange:
    at, provider, model, was_listed, *cards = row
    new, old = _known(cards[: len(CARD_COLUMNS)]), _known(cards[len(CARD_COLUMNS) :])
    kind = Kind.CHANGED if was_listed else Kind.RETURNED
    return LedgerChange(provider, read_instant(at), Change(model, kind, old, new))


def _ended(row: Sequence[Any]) -> LedgerChange:
    at, provider, model, *card = row
    return LedgerChange(
        provider, read_instant(at), Change(model, Kind.VANISHED, _known(card), None)
    )


def _added(row: Sequence[Any]) -> LedgerChange:
    at, provider, model, *card = row
    return LedgerChange(provider, read_instant(at), Change(model, Kind.ADDED, None, _known(card)))


def _known(card: Sequence[Any]) -> Known | None:
    return read_card(card) if card[0] or card[1] else None
