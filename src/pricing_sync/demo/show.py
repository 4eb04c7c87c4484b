"""The demo: every provider read twice, with changes and faults in between, offline."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from pricing_sync.app import Finished, PricingSync
from pricing_sync.demo.faults import Fault
from pricing_sync.demo.server import DemoServer
from pricing_sync.providers import built_in
from pricing_sync.reach import Reach
from pricing_sync.settings import ProviderSettings, Settings

DATABASE = Path("pricing-sync-demo.db")
AGAIN_SECONDS = 5


class Demo:
    """A server that answers like all the providers, and a ledger of what it says."""

    def __init__(self, database: str | None, port: int = 0) -> None:
        if database is None:
            for leftover in DATABASE.parent.glob(f"{DATABASE.name}*"):
                leftover.unlink()
        self.server = DemoServer(port)
        self.database = database or f"sqlite:///{DATABASE}"

    def __enter__(self) -> Demo:
        self.server.__enter__()
        providers = built_in()
        settings = Settings(
            database=self.database,
            providers=tuple(providers),
            provider={
                name: ProviderSettings(base_url=self.server.base_url(name)) for name in providers
            },
            attempts=2,
            deadline_seconds=10,
        )
        variables = {
            variable: "demo"
            for provider in providers.values()
            for variable in (*provider.variables, *(provider.key.variables if provider.key else ()))
        }
        self.app = PricingSync.open(settings, Reach(settings, environment=variables))
        return self

    def __exit__(self, *_: object) -> None:
        self.app.close()
        self.server.__exit__(None, None, None)

    def read(self) -> Finished:
        """Read every provider once."""
        return asyncio.run(self.app.sync(self.app.settings.providers, started_by="demo"))

    def change(self) -> list[str]:
        """A handful of things that happen to price lists, in words."""
        server = self.server
        server.set_rate("openrouter", "openai/gpt-4o", "input", "2")
        server.set_rate("together", "deepseek-ai/DeepSeek-V3", "output", "1.7")
        return []


def wait_and_read(demo: Demo) -> Finished:
    """The next reading, some seconds later."""
    time.sleep(AGAIN_SECONDS)
    return demo.read()


_ = Fault
