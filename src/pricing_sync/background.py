"""Work in the background, which goes on after any error."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pricing_sync.errors import PricingSyncError

T = TypeVar("T")


class Guard:
    """Runs work whose errors reach *on_error*, with the place, and nobody else.

    What fails again and again at a place is reported once until it succeeds: an error of ours while
    its text stays the same, an unexpected one while its type does.
    """

    def __init__(self, on_error: Callable[[str, Exception], None]) -> None:
        self._on_error = on_error
        #: The last error at each place, while it lasts.
        self._last: dict[str, str] = {}

    async def run(self, where: str, work: Awaitable[T]) -> T | None:
        """The result of *work*; None if it fails, after its error was reported."""
        result = await result_or_error(work)
        if isinstance(result, Exception):
            self.report(where, result)
            return None
        self.forget(where)
        return result

    def report(self, where: str, error: Exception) -> None:
        """Report an error, unless it is the last one of this place."""
        kind = repr(error) if isinstance(error, PricingSyncError) else type(error).__name__
        if kind != self._last.get(where):
            self._last[where] = kind
            self._on_error(where, error)

    def forget(self, where: str) -> None:
        """What fails at this place next is reported, whatever it is."""
        self._last.pop(where, None)


async def result_or_error(work: Awaitable[T]) -> T | Exception:
    """The result of *work*, or the exception that it raises.

    This is the only place that catches every exception: a bug in one piece of work or one listener
    must not end the loop that runs all the others.
    """
    try:
        return await work
    except Exception as error:  # noqa: BLE001
        return error
