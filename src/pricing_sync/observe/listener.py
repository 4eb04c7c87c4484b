"""What a listener is told. The engine tells what happened and does not know who listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pricing_sync.changes.run import Reading, Run
from pricing_sync.store.peers import CatalogRead


class Listener:
    """Told of what happened, on the event loop, after it was stored. Says nothing by itself.

    Each call should be short. What it raises is logged and goes no further.
    """

    def on_start(self, status: Callable[[], Mapping[str, Any]]) -> None:
        """The engine has started; *status* tells the state of the schedule at any time."""

    def on_reading(self, reading: Reading, error: Exception | None) -> None:
        """One reading has ended; *error* is why it failed, where it is at hand."""

    def on_run(self, run: Run, readings: Sequence[Reading]) -> None:
        """A run has ended with the last of its readings."""

    def on_error(self, where: str, error: Exception) -> None:
        """Something failed that is no reading: the database is away, or there is a bug."""

    def on_catalogs(self, reads: Sequence[CatalogRead]) -> None:
        """Reference catalogs were asked, and this became of them."""
