"""Pages of long lists."""

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
    """The records of the first *limit* items, and the cursor of the next page if there are more.

    Only the items on the page are converted.
    """
    items = list(found)
    shown = items[:limit]
    return {
        "items": [record(item) for item in shown],
        "next": cursor_of(shown[-1]) if len(items) > limit else None,
    }
