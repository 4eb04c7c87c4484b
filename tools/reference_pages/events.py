"""The page of the events, from their kinds and the functions that make their payloads."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from pricing_sync.changes.events import KINDS, EventKind
from pricing_sync.store import events

from reference_pages.markdown import code, table

_INTRODUCTION = """\
# Events

What webhooks are sent and messages are made of. An event is stored in the transaction that makes it
true, with an `id` that stays the same. Each payload also has `revision`, the ledger's: of two
events about a model, the later has the higher one.
"""
#: The function that makes the payload of each kind.
PAYLOADS: dict[EventKind, Callable[..., Any]] = {
    EventKind.PRICE_CHANGED: events.changed,
    EventKind.PRICE_SCHEDULED: events.scheduled,
    EventKind.CHANGES_HELD: events.held,
    EventKind.PROVIDER_FAILED: events.failed,
    EventKind.PROVIDER_STALE: events.stale,
    EventKind.PROVIDER_RECOVERED: events.recovered,
    EventKind.RUN_FINISHED: events.run_finished,
    EventKind.UNPRICED_TRAFFIC: events.unpriced_traffic,
    EventKind.DEAD_LETTERS: events.dead_letters,
}


def page() -> str:
    """Each kind that an endpoint can ask for, with the keys of its payload."""
    return _INTRODUCTION + "".join(
        f"\n## {code(kind.value)}\n\n{' '.join((inspect.getdoc(PAYLOADS[kind]) or '').split())}\n\n"
        + table(("key", "from"), [tuple(map(code, row)) for row in _keys(PAYLOADS[kind])])
        for kind in KINDS
    )


def _keys(function: Callable[..., Any]) -> Iterator[tuple[str, str]]:
    """The keys of a payload, and what their values are made of."""
    tree = ast.parse(inspect.getsource(function))
    for key, value in _items(_payload(tree)):
        yield key, ast.unparse(value)
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "fitted":
            yield str(ast.literal_eval(call.args[1])), "as many as fit into a webhook"
            yield "omitted", "how many of them did not"


def _payload(tree: ast.Module) -> ast.Dict:
    """The dictionary that is named `payload`, is returned, or is fitted."""
    for node in ast.walk(tree):
        value = None
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "payload":
            value = node.value
        elif isinstance(node, ast.Return):
            value = node.value
            if isinstance(value, ast.Call) and ast.unparse(value.func) == "fitted":
                value = value.args[0]
        if isinstance(value, ast.Dict):
            return value
    raise ValueError("a function without a payload")


def _items(node: ast.Dict) -> Iterator[tuple[str, ast.expr]]:
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(key, ast.Constant):
            yield str(key.value), value
