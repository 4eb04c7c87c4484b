"""News of new revisions through Redis, where a pooler does not pass on those of PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any

from pricing_sync.serving.redis_server import TIMEOUT_SECONDS, RedisServer

_CHANNEL = "pricing-sync:revision"


class RevisionChannel:
    """A channel that says that there is a new revision. Which one, each process asks the database.

    So several ledgers may share one Redis, and a message that is lost or forged does no harm.
    """

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    def publish(self) -> None:
        """Tell every process that listens. It waits a second for Redis at most."""
        self._server.call(lambda client: client.publish(_CHANNEL, b""))

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[_Subscription]:
        """Listen while the block runs, also while Redis is away: it is connected to again."""
        client = self._server.async_client()
        subscription = _Subscription(self._server, client.pubsub())
        try:
            yield subscription
        finally:
            with suppress(*self._server.errors):
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    await client.aclose()


class _Subscription:
    """One that is made again after each failure."""

    def __init__(self, server: RedisServer, messages: Any) -> None:
        self._server, self._messages = server, messages
        self._is_subscribed = False

    async def wait(self, seconds: float) -> bool:
        """Wait for a new revision, so long at most; returns whether there is one."""
        end = monotonic() + seconds
        try:
            found = await self._find(end)
        except self._server.errors as error:
            self._server.guard.report("redis messages", self._server.unavailable(error))
            self._is_subscribed = False
            with suppress(*self._server.errors):
                await self._messages.aclose()
            await asyncio.sleep(max(0.0, end - monotonic()))
            return False
        self._server.guard.forget("redis messages")
        return found

    async def _find(self, end: float) -> bool:
        if not self._is_subscribed:
            await self._messages.subscribe(_CHANNEL)
            self._is_subscribed = True
        while (left := end - monotonic()) > 0:
            if await self._next(left):
                while await self._next(0):  # one look at the database is enough for all of them
                    pass
                return True
        return False

    async def _next(self, seconds: float) -> bool:
        message = await self._messages.get_message(ignore_subscribe_messages=True, timeout=seconds)
        return message is not None
