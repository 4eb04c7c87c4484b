"""Price books of a span of time, as they were known at an earlier instant."""

from __future__ import annotations

from datetime import UTC, datetime

from pricing_sync.errors import StoreError
from pricing_sync.prices.book import PriceBook
from pricing_sync.prices.instants import refuse_naive
from pricing_sync.store import as_of, rows
from pricing_sync.store.connection import Connection, NamedQueries, load_queries, quoted
from pricing_sync.store.names import Names
from pricing_sync.store.rows import (
    CARD_COLUMNS,
    OVERRIDE_COLUMNS,
    STATEMENT_COLUMNS,
    write_instant,
)

_QUERIES = load_queries(
    {
        "statement": quoted((*STATEMENT_COLUMNS, *CARD_COLUMNS), "l."),
        "override": quoted(OVERRIDE_COLUMNS, "o."),
        "known_l": as_of.KNOWN.format("l"),
        "known_o": as_of.KNOWN.format("o"),
    },
    "known_books.sql",
)


class KnownBooks(NamedQueries):
    """The price books that the ledger of a `Store` would have given earlier."""

    def __init__(self, connection: Connection, names: Names) -> None:
        super().__init__(connection, _QUERIES)
        self._names = names

    def book(self, since: datetime, known_at: datetime) -> PriceBook:
        """Every card that was in force since an instant, as known at another. No price has a state.

        The whole ledger is read for it.

        Raises:
            StoreError: the database, or a row in it, cannot be read.
            ValueError: an instant has no time zone.
        """
        refuse_naive(since, known_at)
        values = as_of.instants(None, known_at) | {"since": write_instant(since)}
        cards = self._fetch("cards", **values)
        overrides = self._fetch("overrides", **values)
        try:
            return PriceBook(
                sorted(map(rows.read_statement, cards), key=lambda card: card.since),
                [rows.read_override(row) for row in overrides],
                read_at=datetime.now(UTC),
                since=since,
                aliases=self._names.aliases_at(known_at),
                notices=self._names.notices(),
            )
        except (TypeError, ValueError) as error:
            raise StoreError(f"database: the price book: {error}") from error
