"""Tells an open page that something has changed, by server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import StreamingResponse

from pricing_sync.app import PricingSync
from pricing_sync.web.auth import Scope
from pricing_sync.web.events import HEARTBEAT_SECONDS
from pricing_sync.web.pages.state import state_of
from pricing_sync.web.routes import Pricing, Routes
from pricing_sync.web.streams import Stream

routes = Routes("pages")

POLL_SECONDS = 1.0


@routes.get("/live", Scope.READ)
async def live(
    pricing: Pricing, request: Request, seen: Annotated[str, Query(max_length=40)] = ""
) -> StreamingResponse:
    """An event `changed` each time that the state differs from the one that the page has *seen*."""
    last = request.headers.get("last-event-id") or seen
    changes = _changes(pricing, Stream(pricing, request), last)
    return StreamingResponse(changes, media_type="text/event-stream")


async def _changes(pricing: PricingSync, stream: Stream, last: str) -> AsyncIterator[str]:
    """Events until the page is closed or this process stops."""
    sent_at = monotonic()
    yield "retry: 2000\n\n"
    while await stream.is_open():
        state = await asyncio.to_thread(state_of, pricing)
        if last and state != last:
            sent_at = monotonic()
            yield f"id: {state}\nevent: changed\ndata: {state}\n\n"
        elif monotonic() - sent_at >= HEARTBEAT_SECONDS:
            sent_at = monotonic()
            yield ": nothing has changed\n\n"
        last = state
        await stream.pause(POLL_SECONDS)
