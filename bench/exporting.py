"""The exports: how long each takes, how large it is, and how many `serve` sends a second."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pricing_sync.app import PricingSync
from pricing_sync.errors import SettingsError
from pricing_sync.serving.export_formats import FORMATS
from pricing_sync.serving.exports import Rendered, Wanted
from pricing_sync.settings import Settings
from pricing_sync.sync.recorded import RecordedAnswer
from serving import SERVE, ask, environment, fetch, server

from service import Effort, Line, MakeList

#: As many rows as LiteLLM's own map has, in as many bytes.
_UPSTREAM_ROWS, _ROW_FIELDS = 4_800, 18


def exporting(make_list: MakeList, folder: Path, effort: Effort) -> Iterator[Line]:
    """Every format, of the small list; and the largest one under load."""
    models = effort.sizes[0]
    database, at = folder / "exports.db", datetime.now(UTC)
    (folder / "litellm.json").write_bytes(_upstream())
    settings = Settings(database=f"sqlite:///{database}", export_upstream=folder)
    gc.collect()
    gc.freeze()  # as `serve` does
    with PricingSync(settings) as app:
        asyncio.run(app.replay("openrouter", [RecordedAnswer(make_list(models, 0), at)]))
        for name in FORMATS:
            try:
                yield from _rendering(app, name, models)
            except SettingsError as error:
                yield Line(f"{name}, {models} models", str(error))
    variables = environment(database) | {"PRICING_SYNC_EXPORT_UPSTREAM": str(folder)}
    with server(SERVE, variables) as port:
        for name in ("openrouter", "litellm"):
            fetch(port, f"/export/{name}")  # the first request renders it
            for encoding in ("identity", "gzip"):
                for clients in (1, 8):
                    rate = ask(port, f"/export/{name}", clients, effort.serve_seconds, encoding)
                    yield Line(f"  serve {name}, {encoding}, {clients} clients", str(rate))


def _rendering(app: PricingSync, name: str, models: int) -> Iterator[Line]:
    app.exports.get(Wanted("jsonl"))  # the book is in memory
    started = time.perf_counter()
    rendered, stall = _with_stalls(app, name)
    took = (time.perf_counter() - started) * 1000
    size = f"{len(rendered.body) / 1000:,.0f} kB, {len(rendered.gzipped) / 1000:,.0f} kB gzip"
    yield Line(f"{name}, {models} models", f"{took:.0f} ms, {size}; loop stalls {stall:.1f} ms")


def _with_stalls(app: PricingSync, name: str) -> tuple[Rendered, float]:
    """The document, rendered in a thread, and the longest stall of the event loop meanwhile."""

    async def render() -> tuple[Rendered, float]:
        longest, done = 0.0, asyncio.Event()

        async def watch() -> None:
            nonlocal longest
            while not done.is_set():
                before = time.perf_counter()
                await asyncio.sleep(0.001)
                longest = max(longest, (time.perf_counter() - before - 0.001) * 1000)

        watching = asyncio.create_task(watch())
        await asyncio.sleep(0.01)
        rendered = await asyncio.to_thread(app.exports.get, Wanted(name, None, None))
        done.set()
        await watching
        return rendered, longest

    return asyncio.run(render())


def _upstream() -> bytes:
    row = {f"supports_a_thing_{n}": True for n in range(_ROW_FIELDS)}
    row |= {"litellm_provider": "maker", "input_cost_per_token": 1e-6, "mode": "chat"}
    return json.dumps({f"maker/model-{n}": row for n in range(_UPSTREAM_ROWS)}, indent=4).encode()
