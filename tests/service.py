"""A service over simulated providers, with delays short enough to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pricing_sync.app import PricingSync
from pricing_sync.changes.run import Reading, Run
from pricing_sync.demo.server import DemoServer
from pricing_sync.errors import PushFailed
from pricing_sync.observe.listener import Listener
from pricing_sync.settings import ProviderSettings, Settings
from pricing_sync.sources.providers import built_in
from pricing_sync.sync.access import ProviderAccess

from databases import database_url

#: Providers that need no key.
TWO = ("openrouter", "novita")
KEYS = {
    variable: "a-key-of-the-tests"
    for provider in built_in().values()
    for variable in (*provider.variables, *(provider.key.variables if provider.key else ()))
}


@dataclass
class RecordingListener(Listener):
    """A listener that keeps every event, in order."""

    readings: list[Reading] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    errors: list[tuple[str, Exception]] = field(default_factory=list)
    pushes: list[tuple[str, str | None, str, PushFailed | None]] = field(default_factory=list)

    def on_reading(self, reading: Reading, error: Exception | None) -> None:  # noqa: ARG002
        self.readings.append(reading)

    def on_run(self, run: Run, readings: Sequence[Reading]) -> None:  # noqa: ARG002
        self.runs.append(run)

    def on_push(
        self, target: str, revision: str | None, sent: str, error: PushFailed | None
    ) -> None:
        self.pushes.append((target, revision, sent, error))

    def on_error(self, where: str, error: Exception) -> None:
        self.errors.append((where, error))


def settings_of(
    folder: Path, server: DemoServer | None, providers: Sequence[str] = TWO, **more: Any
) -> Settings:
    """Settings for providers of *server* and a database in *folder*.

    The first scheduled reading is an hour away, unless *more* changes that.
    """
    tables = more.pop("tables", {})
    defaults: dict[str, Any] = {
        "providers": tuple(providers),
        "first_delay_seconds": 3600,
        "attempts": 1,
        "reference_hours": 0,
        "provider": {
            name: ProviderSettings(
                base_url=server.base_url(name) if server else None, **tables.get(name, {})
            )
            for name in providers
        },
    }
    if "database" not in more:
        defaults["database"] = database_url(folder)
    return Settings(**defaults | more)


def service(settings: Settings, *listeners: Listener) -> PricingSync:
    """A service with every key that a simulated provider requires."""
    return PricingSync(
        settings, access=ProviderAccess(settings, environment=KEYS), listeners=listeners
    )


async def until(condition: Any, seconds: float = 10) -> None:
    """Wait until *condition()* is true; fail after *seconds*."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  there is no event to wait for
            await asyncio.sleep(0.01)
