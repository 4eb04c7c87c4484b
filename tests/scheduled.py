"""An app with two providers on loopback, openrouter and nearai, that reads by its schedule."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from pricing_sync.app import PricingSync
from pricing_sync.observe.listener import Listener
from pricing_sync.settings import Settings
from pricing_sync.settings.fields import ProviderSettings

from databases import database_url
from fault_server import FaultServer


def two_providers(
    folder: Path, servers: Mapping[str, FaultServer] | None = None, *listeners: Listener
) -> PricingSync:
    """An app that reads each provider from its server, at once after the start."""
    tables = {
        name: ProviderSettings(base_url=server.url) for name, server in (servers or {}).items()
    }
    settings = Settings(
        database=database_url(folder),
        providers=("openrouter", "nearai"),
        first_delay_seconds=0,
        attempts=1,
        provider=tables,
    )
    return PricingSync(settings, listeners=listeners)


async def run_schedule_once(app: PricingSync) -> None:
    """Run the scheduler of an open app until one run has ended."""
    app.start()
    while not any(run.finished_at for run, _ in app.store.runs(10)):  # noqa: ASYNC110  the run has no id yet
        await asyncio.sleep(0.01)
    await app.stop()
