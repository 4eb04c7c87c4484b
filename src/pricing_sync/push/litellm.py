"""LiteLLM proxies, which load our export as their cost map, and say which map they have.

A proxy names the map by its Git blob id. `POST /reload/model_cost_map` makes the process that
answers load it again; the other processes of the same database follow within seconds. The proxy
needs a database for that. Read in LiteLLM 1.110.2.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import NamedTuple

from pricing_sync.errors import PushFailed
from pricing_sync.push.node import Node, NodeRefused

_SOURCE = "/model/cost_map/source"
_RELOAD = "/reload/model_cost_map"
#: Until a change is in the exports of every process. Then a second reload gets it.
_SETTLED_SECONDS = 2.5


def map_id(body: bytes) -> str:
    """The Git blob id of a cost map, by which LiteLLM names it."""
    return hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False).hexdigest()


class _Held(NamedTuple):
    """The map that a proxy has."""

    id: str
    #: What is known of its origin, for people.
    text: str


async def has_map(node: Node, wanted: str) -> bool:
    """Whether the proxy has the map with that id.

    Raises:
        PushFailed: it cannot be asked, or names no map.
    """
    return (await _held(node)).id == wanted


async def check(node: Node) -> None:
    """Check that the proxy can be asked.

    Raises:
        PushFailed: it cannot, or names no map.
    """
    await _held(node)


async def push(node: Node, wanted: str) -> bool:
    """Make the proxy load our map, unless it has it; whether it had to.

    Raises:
        PushFailed: it has another one in the end, or cannot be asked.
    """
    held = await _held(node)
    if held.id == wanted:
        return False
    for seconds in (0.0, _SETTLED_SECONDS):
        await asyncio.sleep(seconds)
        refused = await _reload(node)
        held = await _held(node)
        if held.id == wanted:
            return True
        if refused is not None:
            raise refused
    raise PushFailed(_RELOAD, f"loaded the map {held.text}, not {wanted[:12]}")


async def _reload(node: Node) -> NodeRefused | None:
    """Ask for a reload; returns an error status, which may come after the map was loaded."""
    try:
        await node.request("POST", _RELOAD)
    except NodeRefused as error:
        return error
    return None


async def _held(node: Node) -> _Held:
    answer = await node.request("GET", _SOURCE)
    found = answer.get("source_revision") if isinstance(answer, dict) else None
    if not isinstance(found, str) or not found:
        raise PushFailed(_SOURCE, "names no source_revision")
    text = f"{found[:12]} ({answer.get('source')})"
    if answer.get("fallback_reason"):
        text += f", because {answer['fallback_reason']}"
    return _Held(found, node.redacted(text))
