"""A service that tells events, for the tests of webhooks and messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from pricing_sync.app import PricingSync
from pricing_sync.changes.events import EventKind

import service

#: Makes a service that sends to these receivers, which are called `hook-0` and so on.
Make = Callable[..., PricingSync]


async def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until *condition()* is true. Other programs may use this machine."""
    await service.until(condition, seconds)


def tell(app: PricingSync, *ids: str, kind: EventKind = EventKind.PRICE_CHANGED) -> None:
    """Store an event for each id."""
    for event_id in ids:
        with app.store.transaction():
            payload = {"provider": "acme", "changes": [], "link": "/v1/prices"}
            app.store.outbox.add(event_id, kind, datetime.now(UTC), payload)


def serve(app: PricingSync, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run the service while *work* runs."""

    async def run() -> None:
        async with app.lifespan():
            await work()

    asyncio.run(run())
