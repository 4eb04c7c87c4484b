"""A separate program: a host's FastAPI app under uvicorn, with or without pricing-sync.

It runs each command that it reads from standard input, prints the outcome as a line of JSON, and
exits at the end of the input. Imports inside functions are intended: their cost is measured.
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
    """The app, and the commands that measure it."""

    def __init__(self, settings: dict[str, Any], *, is_embedded: bool) -> None:
        self.app = FastAPI(lifespan=self._lifespan)
        self.app.add_api_route("/ping", ping)
        self.commands: dict[str, Callable[[], Awaitable[Any]]] = {
            "memory": self.memory_kib,
            "processor": self.processor_seconds,
            "watch": self.watch,
            "stall": self.stall_ms,
            "import httpx": self.import_httpx,
            "import": self.import_package,
            "include": self.include_routes,
            "enter": self.enter_lifespan,
        }
        #: How long the start of pricing-sync took, if it is embedded from the start.
        self.start_times: dict[str, float] = {}
        self._settings, self._is_embedded = settings, is_embedded
        self._pricing: Any = None
        self._stack = AsyncExitStack()
        self._watch: asyncio.Task[None] | None = None
        self._late_ms = self._busy_ms = 0.0

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        async with self._stack:
            if self._is_embedded:
                await self.include_routes()
                self.start_times = await self.enter_lifespan()
            yield

    async def import_httpx(self) -> None:
        import httpx  # noqa: F401

    async def import_package(self) -> None:
        """Run the imports that a host has at the top of its module."""
        from pricing_sync.app import PricingSync  # noqa: F401
        from pricing_sync.web import router  # noqa: F401

    async def include_routes(self) -> None:
        """Make a `PricingSync` from the settings, and add its routes to the app."""
        from pricing_sync.app import PricingSync
        from pricing_sync.settings import Settings
        from pricing_sync.web import router

        class Timed(PricingSync):
            start_ms = 0.0

            def start(self) -> None:
                started = time.perf_counter()
                super().start()
                self.start_ms = (time.perf_counter() - started) * 1000

        self._pricing = Timed(Settings(**self._settings))
        self.app.include_router(router(self._pricing))

    async def enter_lifespan(self) -> dict[str, float]:
        """Enter the lifespan of pricing-sync; the milliseconds of `start` and of all of it."""
        started = time.perf_counter()
        await self._stack.enter_async_context(self._pricing.lifespan(self.app))
        lifespan_ms = (time.perf_counter() - started) * 1000
        return {"start_ms": self._pricing.start_ms, "lifespan_ms": lifespan_ms}

    async def memory_kib(self) -> int:
        """The memory that only this process uses (Private_* in smaps_rollup)."""
        gc.collect()
        return sum(int(line.split()[1]) for line in _smaps() if line.startswith("Private_"))

    async def processor_seconds(self) -> float:
        return time.process_time()

    async def watch(self) -> None:
        """Start to measure how late the event loop is."""
        self._late_ms = self._busy_ms = 0.0
        self._watch = asyncio.create_task(self._tick())

    async def stall_ms(self) -> tuple[float, float]:
        """The longest delay of the event loop since `watch`, and the part caused by this process.

        The second excludes delays that other programs on the machine caused.
        """
        assert self._watch is not None
        self._watch.cancel()
        return self._late_ms, self._busy_ms

    async def _tick(self) -> None:
        while True:
            due, busy_from = time.perf_counter() + _TICK_SECONDS, time.process_time()
            await asyncio.sleep(_TICK_SECONDS)
            late, busy = time.perf_counter() - due, time.process_time() - busy_from
            self._late_ms = max(self._late_ms, late * 1000)
            self._busy_ms = max(self._busy_ms, min(late, busy) * 1000)


def _smaps() -> list[str]:
    return Path("/proc/self/smaps_rollup").read_text("utf-8").splitlines()


async def ping() -> dict[str, bool]:
    """The trivial route."""
    return {"pong": True}


async def main() -> None:
    host = Host(json.loads(sys.argv[2]), is_embedded=sys.argv[1] == "embedded")
    # Clients keep their connections open, also during a long reading.
    server = uvicorn.Server(
        uvicorn.Config(host.app, port=0, log_level="warning", timeout_keep_alive=600)
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn does not signal it
        await asyncio.sleep(0.01)
    print_json(host.start_times | {"port": server.servers[0].sockets[0].getsockname()[1]})
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    while command := (await commands.readline()).decode().strip():
        print_json(await host.commands[command]())
    server.should_exit = True
    await serving


def print_json(answer: Any) -> None:
    print(json.dumps(answer), flush=True)  # noqa: T201  the parent process reads it


if __name__ == "__main__":
    asyncio.run(main())
