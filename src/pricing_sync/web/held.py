"""Held changes, and a person's decisions about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeAlias

from fastapi import Header, Query, Response
from pydantic import Field

from pricing_sync.app import PricingSync
from pricing_sync.changes import held
from pricing_sync.gate import Peers
from pricing_sync.json_views.changes import DecidedChange, HeldChange, version
from pricing_sync.prices.blast_radius import BlastRadius
from pricing_sync.serving.held_order import by_blast_radius, rank, read_cursor, write_cursor
from pricing_sync.web.auth import Scope
from pricing_sync.web.pagination import page
from pricing_sync.web.problems import Problem
from pricing_sync.web.request_types import Cursor, Name, ProviderFilter, Reason, RequestBody
from pricing_sync.web.routes import Pricing, Routes
from pricing_sync.web.schemas import Page

routes = Routes("held changes")

_IfMatch: TypeAlias = Annotated[
    str | None, Header(description="The ETag of the held change, instead of `version`.")
]


class Decision(RequestBody):
    """The decision of a person, and its reason."""

    version: str | None = Field(
        default=None, max_length=100, description="The `version` of the held change that was shown."
    )
    reason: Reason
    author: Name = "admin"


@routes.get("/admin/pricing/held", Scope.READ, response_model=Page[HeldChange])
def list_held(
    pricing: Pricing,
    provider: ProviderFilter = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """The held changes with the facts for a decision, sorted by what is at stake.

    The one that changes the cost of the last 7 days' traffic most comes first. Those of models
    without traffic come last, the oldest first.
    """
    waiting = pricing.held(provider)
    weights = pricing.usage.blast_radius(waiting)
    after = read_cursor(cursor)
    items = by_blast_radius(waiting, weights)
    found = [item for item in items if after is None or rank(item, weights) > after]
    peers = _peers(pricing, found[:limit])
    return page(
        found,
        limit,
        lambda item: write_cursor(rank(item, weights)),
        lambda item: _view(item, peers, weights),
    )


@routes.get("/admin/pricing/held/{held_id}", Scope.READ, response_model=HeldChange)
def get_held(pricing: Pricing, response: Response, held_id: str) -> HeldChange:
    """One held change, open or decided, with its version as its ETag."""
    item = pricing.store.review.held_change(held_id)
    response.headers["ETag"] = f'"{version(item)}"'
    return _view(item, _peers(pricing, [item]), pricing.usage.blast_radius([item]))


@routes.post("/admin/pricing/held/{held_id}/accept", Scope.ADMIN, response_model=DecidedChange)
def accept_held(
    pricing: Pricing, held_id: str, decision: Decision, if_match: _IfMatch = None
) -> DecidedChange:
    """Accept a held change, if it is still exactly the one that was shown."""
    return _decide(pricing, pricing.accept, held_id, decision, if_match)


@routes.post("/admin/pricing/held/{held_id}/reject", Scope.ADMIN, response_model=DecidedChange)
def reject_held(
    pricing: Pricing, held_id: str, decision: Decision, if_match: _IfMatch = None
) -> DecidedChange:
    """Reject a held change: exactly this change does not take effect and is not held again."""
    return _decide(pricing, pricing.reject, held_id, decision, if_match)


def _decide(
    pricing: PricingSync,
    decide: Callable[..., list[held.HeldChange]],
    held_id: str,
    decision: Decision,
    if_match: str | None,
) -> DecidedChange:
    shown = decision.version or (if_match or "").strip().strip('"')
    if not shown:
        raise Problem(422, "body.version: missing, and so is If-Match")
    item = pricing.store.review.held_change(held_id)
    if shown != version(item):
        raise Problem(409, f"held change {held_id} is not the one that was shown")
    (decided,) = decide([item], author=decision.author, reason=decision.reason)
    return DecidedChange.model_validate(decided)


def _peers(pricing: PricingSync, items: Sequence[held.HeldChange]) -> dict[tuple[str, str], Peers]:
    """The peer prices of the models, with one query per provider."""
    models: dict[str, list[str]] = {}
    for item in items:
        models.setdefault(item.provider, []).append(item.change.model)
    return {
        (provider, model): peers
        for provider, names in models.items()
        for model, peers in pricing.store.peers.peers(provider, names).items()
    }


def _view(
    item: held.HeldChange,
    peers: Mapping[tuple[str, str], Peers],
    weights: Mapping[str, BlastRadius],
) -> HeldChange:
    of_model = peers.get((item.provider, item.change.model), {})
    return HeldChange.of(item, of_model, weights.get(item.id))
