"""How long a stream of events goes on."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from fastapi import FastAPI, Request

from pricing_sync.app import PricingSync


class Stream:
    """A stream of events: open while it has a reader, and neither server nor service stops."""

    def __init__(self, pricing: PricingSync, request: Request) -> None:
        self._pricing, self._request = pricing, request
        self._was_running = pricing.is_running
        self._closing = closing(request.app)

    async def is_open(self) -> bool:
        """Whether to go on."""
        if self._closing.is_set() or self._pricing.is_running != self._was_running:
            return False
        return not await self._request.is_disconnected()

    async def pause(self, seconds: float) -> None:
        """Wait so long, or until the server begins to stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()


def closing(app: FastAPI) -> asyncio.Event:
    """Set when the server of an app begins to stop, if the server says so, as that of `serve`.

    A server waits for open responses, and then stops the app: too late for a stream without end.
    """
    if not hasattr(app.state, "pricing_sync_closing"):
        app.state.pricing_sync_closing = asyncio.Event()
    found: asyncio.Event = app.state.pricing_sync_closing
    return found
