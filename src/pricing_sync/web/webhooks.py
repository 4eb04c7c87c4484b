"""Webhooks and messages: the endpoints, what they did not take, a test, and sending again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import Field

from pricing_sync.errors import DeliveryFailed
from pricing_sync.json_views.webhooks import DeadLetter, WebhookView
from pricing_sync.web.auth import Scope
from pricing_sync.web.request_types import Name, RequestBody
from pricing_sync.web.routes import Pricing, Routes
from pricing_sync.web.schemas import DeadLetters, Replayed, TriedWebhook, Webhooks

routes = Routes("webhooks")

_EndpointName = Annotated[str, Path(max_length=100, description="As in the settings.")]


class ReplayRequest(RequestBody):
    """What is sent again."""

    event: Name | None = Field(
        default=None, description="The id of one event; null for all dead letters."
    )


@routes.get("/admin/pricing/webhooks", Scope.READ, response_model=Webhooks)
def list_webhooks(pricing: Pricing) -> dict[str, Any]:
    """The endpoints of the settings, and their queues."""
    return {"items": [WebhookView.of(one) for one in pricing.webhooks()]}


@routes.get("/admin/pricing/webhooks/{name}/dead", Scope.READ, response_model=DeadLetters)
def list_dead_letters(
    pricing: Pricing,
    name: _EndpointName,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """The newest events that an endpoint did not take for a day."""
    return {"items": [DeadLetter.of(one) for one in pricing.dead_letters(name, limit)]}


@routes.post("/admin/pricing/webhooks/{name}/test", Scope.ADMIN, response_model=TriedWebhook)
async def test_webhook(pricing: Pricing, name: _EndpointName) -> dict[str, Any]:
    """Send an endpoint an event `webhook.test` now, past its queue."""
    try:
        await pricing.test_webhook(name)
    except DeliveryFailed as error:
        return {"delivered": False, "error": str(error)}
    return {"delivered": True, "error": None}


@routes.post("/admin/pricing/webhooks/{name}/replay", Scope.ADMIN, response_model=Replayed)
def replay_webhook(pricing: Pricing, name: _EndpointName, body: ReplayRequest) -> dict[str, Any]:
    """Queue one event of an endpoint again, or all its dead letters. It is enabled again."""
    return {"queued": pricing.replay_webhook(name, body.event)}
