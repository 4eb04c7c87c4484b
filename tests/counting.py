"""A database connection that counts its statements and can fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pricing_sync.errors import StoreError
from pricing_sync.store import Store
from pricing_sync.store.connection import Row, Values


class Counting:
    """Counts statements. After the first *most* of them, every statement fails."""

    def __init__(self, inner: Any, most: int | None = None) -> None:
        self.inner = inner
        self.most = most
        self.statements = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def _count(self) -> None:
        self.statements += 1
        if self.most is not None and self.statements > self.most:
            raise StoreError("database: injected")

    def fetch_all(self, sql: str, values: Values) -> list[Row]:
        self._count()
        return self.inner.fetch_all(sql, values)  # type: ignore[no-any-return]

    def execute(self, sql: str, values: Values) -> int:
        self._count()
        return self.inner.execute(sql, values)  # type: ignore[no-any-return]

    def execute_many(self, sql: str, values: Any) -> None:
        self._count()
        self.inner.execute_many(sql, values)


@contextmanager
def counted(store: Store, most: int | None = None) -> Iterator[Counting]:
    """Send every statement of the store through a counter, also of its reviews, peers and queue."""
    parts: tuple[Any, ...] = (store, store.review, store.peers, store.queue)
    real = store._connection
    counter = Counting(real, most)
    try:
        for part in parts:
            part._connection = counter
        yield counter
    finally:
        for part in parts:
            part._connection = real
