"""Pages of long lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

_T = TypeVar("_T")


def page(
    found: Iterable[_T],
    limit: int,
    cursor_of: Callable[[_T], str],
    view: Callable[[_T], Any],
) -> dict[str, Any]:
    """The views of the first *limit* items, and the cursor of the next page if there are more.

    Only the items on the page are converted.
    """
    items = list(found)
    shown = items[:limit]
    return {
        "items": [view(item) for item in shown],
        "next": cursor_of(shown[-1]) if len(items) > limit else None,
    }
