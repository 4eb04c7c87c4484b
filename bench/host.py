"""A host's FastAPI app under uvicorn, with pricing-sync in it or without: a program of its own.

It answers each word on standard input with a line of JSON, and ends when its input does. What is
imported late is imported late on purpose: what that costs is measured.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

_TICK_SECONDS = 0.001


class Host:
    """The app, and what it knows about itself."""

    def __init__(self, settings: dict[str, Any], *, has_guest: bool) -> None:
        self.app = FastAPI(lifespan=self._lifespan)
        self.app.add_api_route("/ping", ping)
        self.words: dict[str, Callable[[], Awaitable[Any]]] = {
            "memory": self.memory_kib,
            "processor": self.processor_seconds,
            "watch": self.watch,
            "stall": self.stall_ms,
            "import httpx": self.import_httpx,
            "import": self.import_guest,
            "include": self.include_guest,
            "enter": self.enter_guest,
        }
        #: How long it took to take the guest in, if there is one from the start.
        self.entered: dict[str, float] = {}
        self._settings, self._has_guest = settings, has_guest
        self._guest: Any = None
        self._stack = AsyncExitStack()
        self._watch: asyncio.Task[None] | None = None
        self._late_ms = self._busy_ms = 0.0

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        async with self._stack:
            if self._has_guest:
                await self.include_guest()
                self.entered = await self.enter_guest()
            yield

    async def import_httpx(self) -> None:
        import httpx  # noqa: F401

    async def import_guest(self) -> None:
        """What a host's module says at its top."""
        from pricing_sync.app import PricingSync  # noqa: F401
        from pricing_sync.web import router  # noqa: F401

    async def include_guest(self) -> None:
        """Give pricing-sync its settings, and its routes a place."""
        from pricing_sync.app import PricingSync
        from pricing_sync.settings import Settings
        from pricing_sync.web import router

        class Timed(PricingSync):
            start_ms = 0.0

            def start(self) -> None:
                began = time.perf_counter()
                super().start()
                self.start_ms = (time.perf_counter() - began) * 1000

        self._guest = Timed(Settings(**self._settings))
        self.app.include_router(router(self._guest))

    async def enter_guest(self) -> dict[str, float]:
        """Enter its lifespan, and say how long that takes."""
        began = time.perf_counter()
        await self._stack.enter_async_context(self._guest.lifespan(self.app))
        lifespan_ms = (time.perf_counter() - began) * 1000
        return {"start_ms": self._guest.start_ms, "lifespan_ms": lifespan_ms}

    async def memory_kib(self) -> int:
        """What is this process's alone."""
        gc.collect()
        return sum(int(line.split()[1]) for line in _smaps() if line.startswith("Private_"))

    async def processor_seconds(self) -> float:
        return time.process_time()

    async def watch(self) -> None:
        """Begin to measure how late the event loop is."""
        self._late_ms = self._busy_ms = 0.0
        self._watch = asyncio.create_task(self._tick())

    async def stall_ms(self) -> tuple[float, float]:
        """How late the event loop has been at most since `watch`; and while this process worked.

        The second leaves out what a crowded machine did to it.
        """
        assert self._watch is not None
        self._watch.cancel()
        return self._late_ms, self._busy_ms

    async def _tick(self) -> None:
        while True:
            due, worked = time.perf_counter() + _TICK_SECONDS, time.process_time()
            await asyncio.sleep(_TICK_SECONDS)
            late, worked = time.perf_counter() - due, time.process_time() - worked
            self._late_ms = max(self._late_ms, late * 1000)
            self._busy_ms = max(self._busy_ms, min(late, worked) * 1000)


def _smaps() -> list[str]:
    return Path("/proc/self/smaps_rollup").read_text("utf-8").splitlines()


async def ping() -> dict[str, bool]:
    """The trivial route."""
    return {"pong": True}


async def main() -> None:
    host = Host(json.loads(sys.argv[2]), has_guest=sys.argv[1] == "guest")
    # Clients keep their connections, also during a long reading.
    server = uvicorn.Server(
        uvicorn.Config(host.app, port=0, log_level="warning", timeout_keep_alive=600)
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn does not signal it
        await asyncio.sleep(0.01)
    say(host.entered | {"port": server.servers[0].sockets[0].getsockname()[1]})
    words = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(words), sys.stdin
    )
    while word := (await words.readline()).decode().strip():
        say(await host.words[word]())
    server.should_exit = True
    await serving


def say(answer: Any) -> None:
    print(json.dumps(answer), flush=True)  # noqa: T201  whoever started it listens


if __name__ == "__main__":
    asyncio.run(main())
