"""A count of the statements that a store sends to its database, which can also fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pricing_sync.errors import StoreError
from pricing_sync.store import Store

_METHODS = ("fetch_all", "execute", "execute_many")


class Counter:
    """Counts statements. After the first *most* of them, every statement fails."""

    def __init__(self, most: int | None) -> None:
        self.most = most
        self.statements = 0

    def around(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """The method, counted."""

        def counted_method(sql: str, values: Any) -> Any:
            self.statements += 1
            if self.most is not None and self.statements > self.most:
                raise StoreError("database: injected")
            return method(sql, values)

        return counted_method


@contextmanager
def counted(store: Store, most: int | None = None) -> Iterator[Counter]:
    """Count every statement of the store, whichever of its parts sends it."""
    connection, counter = store._connection, Counter(most)
    for name in _METHODS:
        setattr(connection, name, counter.around(getattr(connection, name)))
    try:
        yield counter
    finally:
        for name in _METHODS:
            delattr(connection, name)
