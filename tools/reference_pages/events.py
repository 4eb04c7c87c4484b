"""The page of the events, from the functions that write them."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from pricing_sync.store.outbox import Outbox

from reference_pages.markdown import code, table

_INTRODUCTION = """\
# Events

What the table `pricing_outbox` gets, in the transaction that makes it true. Each row has an `id`,
which stays the same, a `kind`, the instant `created_at`, and a JSON `payload` with these keys.
"""
#: Each kind, and the function whose dictionary is its payload.
EVENTS: dict[str, Callable[..., Any]] = {
    "prices.changed": Outbox.add,
    "prices.scheduled": Outbox.add_scheduled,
}


def page() -> str:
    """Each kind of event, with the keys of its payload."""
    return _INTRODUCTION + "".join(
        f"\n## {code(kind)}\n\n{_about(function)}\n\n"
        + table(("key", "from"), [[code(key), code(value)] for key, value in _payload(function)])
        for kind, function in EVENTS.items()
    )


def _about(function: Callable[..., Any]) -> str:
    return " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split())


def _payload(function: Callable[..., Any]) -> list[tuple[str, str]]:
    """The keys of the largest dictionary in a function, and what their values are made of."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Dict)]
    largest = max(found, key=lambda node: len(node.keys))
    return [
        (str(key.value), ast.unparse(value))
        for key, value in zip(largest.keys, largest.values, strict=True)
        if isinstance(key, ast.Constant)
    ]
