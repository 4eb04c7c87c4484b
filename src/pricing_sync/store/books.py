"""The price book of now, read whole, or only where it has changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pricing_sync.errors import StoreError
from pricing_sync.prices.book import PriceBook
from pricing_sync.prices.rates import Notice
from pricing_sync.prices.snapshot import Snapshot
from pricing_sync.prices.statements import Confirmations, Statement
from pricing_sync.store import rows
from pricing_sync.store.connection import Connection, NamedQueries, Row, load_queries, quoted
from pricing_sync.store.in_force import FRAGMENTS
from pricing_sync.store.names import Names
from pricing_sync.store.rows import (
    CARD_COLUMNS,
    OVERRIDE_COLUMNS,
    STATEMENT_COLUMNS,
    write_instant,
)

_QUERIES = load_queries(
    {
        **FRAGMENTS,
        "statement": quoted((*STATEMENT_COLUMNS, *CARD_COLUMNS), "l."),
        "override": quoted(OVERRIDE_COLUMNS),
    },
    "books.sql",
)
#: When more has changed, the whole book is read.
_MOST_REVISIONS, _MOST_PROVIDERS = 1000, 50


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision of the price book, and no other: numbers come again after a restore."""

    number: int
    #: None if an older version of this program made it, and before the first one.
    token: str | None


@dataclass(slots=True)
class _Rows:
    """What a part of the book is made of, as it was fetched."""

    cards: list[Row]
    overrides: list[Row]
    confirmations: Confirmations
    aliases: dict[tuple[str, str], str]
    notices: dict[tuple[str, str], Notice]


class Books(NamedQueries):
    """The price book in a `Store`."""

    def __init__(
        self,
        connection: Connection,
        names: Names,
        confirmations: Callable[[str | None], Confirmations],
    ) -> None:
        super().__init__(connection, _QUERIES)
        self._names, self._confirmations = names, confirmations

    def revision(self) -> Revision:
        """The newest revision."""
        found = self._fetch("revision_id")
        return Revision(*found[0]) if found else Revision(0, None)

    def book(self, since: datetime | None = None) -> PriceBook:
        """The price book of now, read in one snapshot, with the state of each price.

        With *since* it has every card that was in force since then, as known now.

        Raises:
            StoreError: the database, or a row in it, cannot be read.
            ValueError: *since* has no time zone.
        """
        return _book(self.snapshot(since))

    def snapshot(self, since: datetime | None = None) -> Snapshot:
        """What the price book of now is made of; see `book`."""
        return self._snapshot(since)[1]

    def whole(self) -> tuple[Revision, PriceBook]:
        """The price book of now, and exactly which revision it is. Errors as `book`."""
        revision, snapshot = self._snapshot(None)
        return revision, _book(snapshot)

    def _snapshot(self, since: datetime | None) -> tuple[Revision, Snapshot]:
        read_at = datetime.now(UTC)
        with self._connection.snapshot():
            revision = self.revision()
            found = self._rows(read_at, since, None)
        return revision, _made(revision, read_at, since, [found])

    def after(self, last: PriceBook, known: Revision) -> tuple[Revision, PriceBook]:
        """The price book of now, from one of a revision and what has changed since.

        It is read whole if that is too much, or not known. Errors as `book`.
        """
        read_at = datetime.now(UTC)
        with self._connection.snapshot():
            revision = self.revision()
            changed = self._changed_providers(known, revision)
            if changed is not None and len(changed) <= _MOST_PROVIDERS:
                found = [self._rows(read_at, None, provider) for provider in changed]
            else:
                changed, found = None, [self._rows(read_at, None, None)]
        part = _book(_made(revision, read_at, None, found))
        return revision, part if changed is None else last.with_providers(changed, part)

    def _changed_providers(self, known: Revision, newest: Revision) -> Sequence[str] | None:
        """The providers that all revisions after *known* are about; None if one is not known."""
        found = self._fetch("revisions_from", first=known.number, limit=_MOST_REVISIONS)
        numbers = {number for number, _, _ in found}
        is_known = known.token is not None and any(
            (number, token) == (known.number, known.token) for number, _, token in found
        )
        if not is_known or numbers != set(range(known.number, newest.number + 1)):
            return None
        return sorted({provider for number, provider, _ in found if number > known.number})

    def _rows(self, read_at: datetime, since: datetime | None, provider: str | None) -> _Rows:
        """The rows of one provider or of all. With *since*, of all."""
        now = write_instant(read_at)
        if since is None:
            cards = self._fetch("cards_of_book", now=now, provider=provider)
            overrides = self._fetch("overrides_of_book", at=now, provider=provider)
        else:
            cards = self._fetch("cards_since", since=write_instant(since))
            overrides = self._fetch("overrides_since", since=write_instant(since))
        return _Rows(
            cards,
            overrides,
            self._confirmations(provider),
            self._names.aliases(provider),
            self._names.notices(provider),
        )


def _made(
    revision: Revision, read_at: datetime, since: datetime | None, parts: Sequence[_Rows]
) -> Snapshot:
    """The snapshot of all these rows.

    Raises:
        StoreError: a row cannot be read.
    """
    try:
        return Snapshot(
            revision=str(revision.number),
            read_at=read_at,
            since=since,
            cards=sorted(
                (rows.read_statement(row) for part in parts for row in part.cards), key=_place
            ),
            overrides=[rows.read_override(row) for part in parts for row in part.overrides],
            confirmations=Confirmations(
                {name: at for part in parts for name, at in part.confirmations.read_at.items()},
                {key: one for part in parts for key, one in part.confirmations.unconfirmed.items()},
            ),
            aliases={key: name for part in parts for key, name in part.aliases.items()},
            notices={key: one for part in parts for key, one in part.notices.items()},
        )
    except (TypeError, ValueError) as error:
        raise StoreError(f"database: the price book: {error}") from error


def _book(snapshot: Snapshot) -> PriceBook:
    try:
        return snapshot.book()
    except (TypeError, ValueError) as error:
        raise StoreError(f"database: the price book: {error}") from error


def _place(card: Statement) -> tuple[str, str, datetime]:
    return card.provider, card.model, card.since
