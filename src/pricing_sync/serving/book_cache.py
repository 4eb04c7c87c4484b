"""The price book of a process: read from the database, kept until its revision changes."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime
from time import monotonic

from pricing_sync.errors import NoPrice, StoreError
from pricing_sync.prices.book import Price, PriceBook
from pricing_sync.prices.cost import Cost
from pricing_sync.prices.rates import RateCard
from pricing_sync.prices.usage import Usage
from pricing_sync.serving.prices import ledger_prices, no_price_error
from pricing_sync.store import Store
from pricing_sync.store.books import Revision

#: The shortest time between two queries for the revision. A change by another process is in the
#: book after at most this time plus the time that reading a book takes.
REFRESH_SECONDS = 1.0
#: Why a call of `cost` finds no price: the model is unknown, its provider states no fixed price, or
#: its card has no rate for a meter that was used.
UNPRICED_REASONS = ("unknown_model", "unpriced", "no_rate")


class BookCache:
    """The price book of one database, shared by all threads of a process.

    Every caller gets a complete book. One thread at a time reads a new book. Meanwhile the other
    threads use the old one, and so do all threads while the database cannot be read.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        #: The last book that was read; None before the first read.
        self.last: PriceBook | None = None
        #: While the database cannot be read: when the last book was last up to date. Else None.
        self.stale_since: datetime | None = None
        #: Calls of `cost` without a price, by reason, from zero on: then a metric shows the first.
        self.unpriced: Counter[str] = Counter(dict.fromkeys(UNPRICED_REASONS, 0))
        #: Whether something calls `refresh` all the time, so that readers need not query.
        self.is_watched = False
        #: The revision of the last book.
        self._revision = Revision(0, None)
        self._confirmed_at = datetime.now(UTC)
        self._next_check_at = 0.0
        self._refresh_lock, self._count_lock = threading.Lock(), threading.Lock()

    @property
    def checked(self) -> PriceBook | None:
        """What `book` returns without a query of the database; None when it would query."""
        return self.last if self._is_fresh else None

    @property
    def _is_fresh(self) -> bool:
        return self.is_watched or monotonic() < self._next_check_at

    @property
    def unconfirmed_seconds(self) -> float | None:
        """How long ago the book was known to be the newest; None unless it is watched."""
        if not self.is_watched:
            return None
        return (datetime.now(UTC) - self._confirmed_at).total_seconds()

    def book(self) -> PriceBook:
        """The current book, checked within the last `REFRESH_SECONDS` unless `stale_since` is set.

        While `is_watched`, only the first call queries the database.

        Raises:
            StoreError: the database cannot be read, and no book was read before.
        """
        last = self.last
        if last is not None:
            if self._is_fresh or not self._refresh_lock.acquire(blocking=False):
                return last
            try:
                return self._refreshed(last)
            finally:
                self._refresh_lock.release()
        with self._refresh_lock:
            return self._read_first() if self.last is None else self.last

    def refresh(self) -> None:
        """Query the revision now, so that a change is in the book at once, if there is a book."""
        with self._refresh_lock:
            if self.last is not None:
                self._refreshed(self.last)

    def cost(self, provider: str, model: str, usage: Usage, at: datetime | None) -> Cost:
        """The cost of *usage* now by the book, or at an instant by the ledger.

        Raises:
            NoPrice: as in `PriceBook.cost`. Each one is counted in `unpriced`.
            StoreError: the database cannot be read.
        """
        book = self.book() if at is None else None
        if book is not None:
            found = book.find(provider, model)
        else:
            found = next(iter(ledger_prices(self._store, provider, model, at)), None)
        try:
            if found is None:
                raise self._no_price(book, provider, model, at)
            return found.cost(usage, at or datetime.now(UTC))
        except NoPrice:
            with self._count_lock:
                self.unpriced[unpriced_reason(found)] += 1
            raise

    def _no_price(
        self, book: PriceBook | None, provider: str, model: str, at: datetime | None
    ) -> NoPrice:
        if book is None:
            return NoPrice(str(no_price_error(self._store, provider, model, at)))
        reason = book.reason_without_price(provider, model) or "not in the ledger"
        return NoPrice(f"{provider}: {model}: {reason}")

    def _read_first(self) -> PriceBook:
        self._next_check_at, self._confirmed_at = monotonic() + REFRESH_SECONDS, datetime.now(UTC)
        self._revision, self.last = self._store.books.whole()
        return self.last

    def _refreshed(self, last: PriceBook) -> PriceBook:
        """The book of the current revision, or the last book while the database cannot be read."""
        self._next_check_at, now = monotonic() + REFRESH_SECONDS, datetime.now(UTC)
        try:
            book, books = last, self._store.books
            if books.revision() != self._revision:
                self._revision, book = books.after(last, self._revision)
        except Exception as error:
            self.stale_since = self._confirmed_at
            if isinstance(error, StoreError):
                return last
            raise
        self.last, self._confirmed_at, self.stale_since = book, now, None
        return book


def unpriced_reason(found: Price | None) -> str:
    """Why a request has no price: one of `UNPRICED_REASONS`."""
    if found is None:
        return "unknown_model"
    return "no_rate" if isinstance(found.listing, RateCard) else "unpriced"
