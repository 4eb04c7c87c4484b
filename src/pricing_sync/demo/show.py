"""The demo: it reads every provider twice, offline, with changes and faults in between."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pricing_sync.app import PricingSync
from pricing_sync.demo.faults import Fault
from pricing_sync.demo.server import DemoServer
from pricing_sync.scheduling.runs import RunResult
from pricing_sync.settings import ProviderSettings, Settings
from pricing_sync.sources.providers import built_in
from pricing_sync.sync.access import ProviderAccess

DATABASE = Path("pricing-sync-demo.db")
INTERVAL_SECONDS = 5


class Demo:
    """The demo server, and a ledger of the prices that it publishes."""

    def __init__(self, server: DemoServer, app: PricingSync) -> None:
        self.server = server
        self.app = app

    def read(self) -> RunResult:
        """Read every provider once."""
        return asyncio.run(self.app.sync(self.app.settings.providers, started_by="demo"))

    def make_changes(self) -> list[str]:
        """Change prices and models, and set faults; a description of each event."""
        server = self.server
        server.set_rate("openrouter", "openai/gpt-4o", "input", "2")
        server.set_rate("deepinfra", "moonshotai/Kimi-K2.5", "output", "2.5")
        server.add("groq", "acme/newcomer", {"input": "0.2", "output": "0.6"})
        server.remove("novita", "moonshotai/kimi-k2-instruct")
        server.fault("together", Fault("unit_slip", factor=1e6))
        server.fault("chutes", Fault("zeroed"))
        server.fault("venice", Fault("half"))
        server.fault("xai", Fault("html"))
        server.fault("nebius", Fault("too_many_requests", times=1))
        server.fault("cerebras", Fault("truncated"))
        return [
            "openrouter lowers openai/gpt-4o from 2.5 to 2 dollars per million",
            "deepinfra raises the output of moonshotai/Kimi-K2.5 from 2.25 to 2.5",
            "groq sells a new model; novita no longer lists kimi-k2-instruct",
            "together publishes its prices a million times too high",
            "chutes publishes its prices as zero",
            "venice lists half of its models",
            "xai answers with a web page, cerebras with half an answer",
            "nebius answers 429 once, with a Retry-After of one second",
        ]

    def as_service(self) -> PricingSync:
        """A service that reads the same providers into the same ledger every few seconds.

        It listens on PRICING_SYNC_PORT if that is set, else on any free port.
        """
        settings = self.app.settings
        changes = {
            "interval_hours": INTERVAL_SECONDS / 3600,
            "first_delay_seconds": INTERVAL_SECONDS,
            "port": settings.port if "port" in settings.model_fields_set else 0,
        }
        settings = settings.model_copy(update=changes)
        return PricingSync(settings, access=self.app.access)


@contextmanager
def running(database: str | None = None, port: int = 0) -> Iterator[Demo]:
    """The demo with its server running; the ledger is a new one unless *database* is given."""
    if database is None:
        for leftover in Path().glob(f"{DATABASE}*"):
            leftover.unlink()
    providers = built_in()
    with DemoServer(port) as server:
        settings = Settings(
            database=database or f"sqlite:///{DATABASE}",
            providers=tuple(providers),
            provider={name: ProviderSettings(base_url=server.base_url(name)) for name in providers},
            attempts=2,
            deadline_seconds=10,
            reference_hours=0,
        )
        keys = {
            variable: "demo"
            for provider in providers.values()
            for variable in (*provider.variables, *(provider.key.variables if provider.key else ()))
        }
        with PricingSync(settings, access=ProviderAccess(settings, environment=keys)) as app:
            yield Demo(server, app)
