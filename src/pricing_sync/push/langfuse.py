"""Langfuse's models: those of ours that a project has are compared, and made as they should be.

`PUT /api/public/models/{id}` creates or replaces a model. A project has one model of a name, and
Langfuse takes of those that match the one with the newest start date, whenever the usage was. So
each of our models has one row, with the start date of its price, and an id that is the same after
every change. An id is unique in the whole instance, so the project is a part of it.
Read in Langfuse's source and API reference, 2026-11.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from pricing_sync.errors import PushFailed
from pricing_sync.push.node import Node, NodeRefused

_MODELS = "/api/public/models"
_PROJECTS = "/api/public/projects"
_PAGE = 100
#: Far more than there are models.
_MOST_PAGES = 1000
_PREFIX = "pricing-sync-"
#: What a project refuses about one model. The other models are pushed.
_REFUSED_ONE = frozenset({400, 404, 409, 422})
_GONE = 404


@dataclass(frozen=True, slots=True)
class Difference:
    """What a project must be sent."""

    #: The bodies to put, by id.
    put: Mapping[str, bytes]
    #: The ids of models of ours that are not exported any more.
    delete: tuple[str, ...]


async def difference(node: Node, document: bytes) -> Difference:
    """How the project differs from an export.

    Raises:
        PushFailed: the project cannot be asked.
    """
    project = await _project_id(node)
    bodies = msgspec.json.decode(document, type=list[msgspec.Raw])
    wanted = {_id(project, json.loads(bytes(body))["id"]): bytes(body) for body in bodies}
    held = {model["id"]: model async for model in _held(node)}
    return Difference(
        {
            id_: body
            for id_, body in wanted.items()
            if id_ not in held or not _is_same(json.loads(body), held[id_])
        },
        tuple(id_ for id_ in held if id_ not in wanted),
    )


async def check(node: Node) -> None:
    """Check that the project can be asked.

    Raises:
        PushFailed: it cannot.
    """
    await _project_id(node)


async def push(node: Node, found: Difference) -> None:
    """Send what differs. A model that is refused does not keep the others back.

    Raises:
        PushFailed: some models were refused, or the project could not be asked.
    """
    for id_ in found.delete:
        try:
            await node.request("DELETE", f"{_MODELS}/{id_}")
        except NodeRefused as error:
            if error.status != _GONE:
                raise
    refused = []
    for id_, body in found.put.items():
        try:
            await node.request("PUT", f"{_MODELS}/{id_}", body)
        except NodeRefused as error:
            if error.status not in _REFUSED_ONE:
                raise
            refused.append(f"{json.loads(body)['modelName']}: {error.why}")
    if refused:
        raise PushFailed(f"PUT {_MODELS}", f"{len(refused)} refused: {refused[0]}")


async def _project_id(node: Node) -> str:
    answer = await node.request("GET", _PROJECTS)
    try:
        return str(answer["data"][0]["id"])
    except (KeyError, IndexError, TypeError):
        raise PushFailed(_PROJECTS, "names no project") from None


def _id(project: str, model: str) -> str:
    return _PREFIX + hashlib.sha256(f"{project}/{model}".encode()).hexdigest()[:32]


async def _held(node: Node) -> AsyncIterator[dict[str, Any]]:
    """The models of the project that are ours."""
    for page in range(1, _MOST_PAGES + 1):
        where = f"{_MODELS}?page={page}&limit={_PAGE}"
        answer = await node.request("GET", where)
        try:
            models, pages = answer["data"], int(answer["meta"]["totalPages"])
            ours = [model for model in models if model["id"].startswith(_PREFIX)]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise PushFailed(where, "is no page of models") from None
        for model in ours:
            yield model
        if page >= pages:
            return
    raise PushFailed(_MODELS, f"over {_MOST_PAGES} pages")


def _is_same(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Whether Langfuse has the body. It computes with floats and says its prices as floats."""
    try:
        return (
            all(ours[key] == theirs.get(key) for key in ("modelName", "matchPattern", "unit"))
            and _instant(ours["startDate"]) == _instant(theirs["startDate"])
            and _tiers(ours["pricingTiers"]) == _tiers(theirs["pricingTiers"])
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


def _instant(text: str) -> datetime:
    """The instant to the millisecond: Langfuse has no microseconds."""
    at = datetime.fromisoformat(text)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _tiers(tiers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    keys = ("isDefault", "priority", "conditions", "prices")
    return {tier["name"]: [tier[key] for key in keys] for tier in tiers}
