"""Tells an open page that something has changed, by server-sent events."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from time import monotonic
from typing import Any

from fastapi import Request
from fastapi.responses import StreamingResponse

from pricing_sync.app import PricingSync
from pricing_sync.errors import StoreError
from pricing_sync.web.auth import Scope
from pricing_sync.web.events import HEARTBEAT_SECONDS
from pricing_sync.web.routes import Pricing, Routes

routes = Routes("pages")

POLL_SECONDS = 1.0


@routes.get("/live", Scope.READ)
async def live(pricing: Pricing, request: Request) -> StreamingResponse:
    """An event `changed` each time that a reading, a run, a decision or a price has changed."""
    return StreamingResponse(
        _changes(pricing, request.is_disconnected), media_type="text/event-stream"
    )


async def _changes(pricing: PricingSync, is_gone: Callable[[], Any]) -> AsyncIterator[str]:
    """Events until the page is closed or this process stops."""
    was_running, sent_at, last = pricing.is_running, monotonic(), ""
    yield "retry: 2000\n\n"
    while not await is_gone() and pricing.is_running == was_running:
        try:
            state = await asyncio.to_thread(_state, pricing)
        except StoreError:
            state = "no database"
        if last and state != last:
            sent_at = monotonic()
            yield f"event: changed\ndata: {state}\n\n"
        elif monotonic() - sent_at >= HEARTBEAT_SECONDS:
            sent_at = monotonic()
            yield ": nothing has changed\n\n"
        last = state
        await asyncio.sleep(POLL_SECONDS)


def _state(pricing: PricingSync) -> str:
    """What differs whenever a page would."""
    store = pricing.store
    parts: list[object] = [
        store.revision(),
        [(run.id, run.outcome, len(readings)) for run, readings in store.runs(3)],
        [(item.provider, item.run_id, item.state) for item in store.queue.active()],
        sorted((name, count.count) for name, count in store.review.held_counts().items()),
        [entry.id for entry in pricing.audit_log(1)],
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
