"""Tells an open page that something has changed, by server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from time import monotonic
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.responses import StreamingResponse

from pricing_sync.app import PricingSync
from pricing_sync.web.auth import Scope
from pricing_sync.web.events import HEARTBEAT_SECONDS
from pricing_sync.web.pages.state import state_of
from pricing_sync.web.routes import Pricing, Routes

routes = Routes("pages")

POLL_SECONDS = 1.0


@routes.get("/live", Scope.READ)
async def live(
    pricing: Pricing, request: Request, seen: Annotated[str, Query(max_length=40)] = ""
) -> StreamingResponse:
    """An event `changed` each time that the state differs from the one that the page has *seen*."""
    last = request.headers.get("last-event-id") or seen
    return StreamingResponse(
        _changes(pricing, request.is_disconnected, last), media_type="text/event-stream"
    )


async def _changes(
    pricing: PricingSync, is_gone: Callable[[], Any], last: str
) -> AsyncIterator[str]:
    """Events until the page is closed or this process stops."""
    was_running, sent_at = pricing.is_running, monotonic()
    yield "retry: 2000\n\n"
    while not await is_gone() and pricing.is_running == was_running:
        state = await asyncio.to_thread(state_of, pricing)
        if last and state != last:
            sent_at = monotonic()
            yield f"id: {state}\nevent: changed\ndata: {state}\n\n"
        elif monotonic() - sent_at >= HEARTBEAT_SECONDS:
            sent_at = monotonic()
            yield ": nothing has changed\n\n"
        last = state
        await asyncio.sleep(POLL_SECONDS)
