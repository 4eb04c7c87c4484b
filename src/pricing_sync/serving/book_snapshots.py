"""The price book as a file and over HTTP: rendered once per revision of the ledger."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pricing_sync.prices.snapshot import write_snapshot
from pricing_sync.serving.files import replace_file
from pricing_sync.serving.packed import Packed
from pricing_sync.store import Store


@dataclass(frozen=True, slots=True)
class RenderedBook(Packed):
    """The bytes of a price book, as `read_snapshot` reads them."""

    revision: str
    #: When the ledger was read.
    read_at: datetime


class BookSnapshots:
    """The newest snapshot of one ledger, shared by all threads of a process.

    Args:
        days: The snapshot holds every card of so many days before it was read, so that a usage of
            yesterday has the price of yesterday. 0: only the cards in force.
    """

    def __init__(self, store: Store, days: float) -> None:
        self._store, self._days = store, days
        self._lock = threading.Lock()
        self._rendered: RenderedBook | None = None

    def get(self) -> RenderedBook:
        """The snapshot of the current revision; while another thread renders it, the last one.

        Raises:
            StoreError: the database cannot be read.
        """
        last = self._rendered
        if last is not None and self._lock.locked():
            return last
        return self._newest()

    def _newest(self) -> RenderedBook:
        with self._lock:
            last = self._rendered
            if last is None or last.revision != self._store.revision():
                last = self._rendered = self._render()
            return last

    def write(self, path: Path) -> None:
        """Put the snapshot of now in a file.

        Raises:
            StoreError: the database cannot be read.
            OSError: the file cannot be written; what was there before is there still.
        """
        replace_file(path, self._newest().body)

    def _render(self) -> RenderedBook:
        days = timedelta(days=self._days)
        snapshot = self._store.books.snapshot(datetime.now(UTC) - days if days else None)
        return RenderedBook(write_snapshot(snapshot), snapshot.revision, snapshot.read_at)
