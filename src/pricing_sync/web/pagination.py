"""Long lists, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

_T = TypeVar("_T")


def page(
    found: Iterable[_T],
    limit: int,
    cursor_of: Callable[[_T], str],
    record: Callable[[_T], dict[str, Any]],
) -> dict[str, Any]:
    """The records of the first *limit* things *found*, and the cursor to go on from, if any are
    left. Only what is on the page is written out."""
    things = list(found)
    shown = things[:limit]
    return {
        "items": [record(thing) for thing in shown],
        "next": cursor_of(shown[-1]) if len(things) > limit else None,
    }
