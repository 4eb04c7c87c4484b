"""The interface between the engine and those who observe it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pricing_sync.changes.run import Reading, Run
from pricing_sync.errors import DeliveryFailed, PushFailed
from pricing_sync.store.peers import CatalogRead

__all__ = ["Listener"]


class Listener:
    """The base of all listeners, with methods that do nothing.

    The engine calls a method on the event loop, after it has stored the facts. Each call should be
    short. An exception is logged and goes no further.
    """

    def on_start(self, status: Callable[[], Mapping[str, Any]]) -> None:
        """The engine has started; *status* returns the state of the schedule at any time."""

    def on_reading(self, reading: Reading, error: Exception | None) -> None:
        """One reading has ended; *error* is the exception if it failed with one."""

    def on_run(self, run: Run, readings: Sequence[Reading]) -> None:
        """A run has ended with the last of its readings."""

    def on_error(self, where: str, error: Exception) -> None:
        """Something other than a reading failed: the database is down, or there is a bug."""

    def on_push(
        self, target: str, revision: str | None, sent: str, error: PushFailed | None
    ) -> None:
        """Prices were pushed to a node, which has this revision; *error* says why it failed."""

    def on_delivery(
        self, endpoint: str, event_id: str, kind: str, error: DeliveryFailed | None
    ) -> None:
        """An event was sent to an endpoint; *error* says why it was not taken."""

    def on_catalogs(self, reads: Sequence[CatalogRead]) -> None:
        """Reference catalogs were read, with these results."""

    def on_catalogs_late(self, seconds: float) -> None:
        """The read of the catalogs takes longer than *seconds*: readings no longer wait for it."""


def report_error(listeners: Iterable[Listener], where: str, error: Exception) -> None:
    """Call `on_error` of each listener, also after one of them has failed."""
    for listener in listeners:
        with suppress(Exception):
            listener.on_error(where, error)
