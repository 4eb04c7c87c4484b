"""Rows of usage as they are sent, and a ledger to price them by."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pricing_sync.app import PricingSync
from pricing_sync.settings import Settings
from pricing_sync.sync.recorded import RecordedAnswer

from built import openrouter, priced
from databases import database_url

NOW = datetime.now(UTC)


def row(model: str = "maker/a", at: datetime | None = None, **more: Any) -> dict[str, Any]:
    """A row of 1,000 input and 100 output tokens of a model, an hour ago."""
    given = {"usage": {"input": 1000, "output": 100}} if "reported" not in more else {}
    when = (at or NOW - timedelta(hours=1)).isoformat()
    return {"provider": "openrouter", "model": model, "at": when, **given, **more}


def lines(*rows: dict[str, Any]) -> list[bytes]:
    """The rows as JSON lines."""
    return [json.dumps(one).encode() for one in rows]


@contextmanager
def ledger(folder: Path, **settings: Any) -> Iterator[PricingSync]:
    """`maker/a` for 2.5 and 10 dollars since 20 days ago, and for 2 and 10 since 2 days ago."""
    made = Settings(database=database_url(folder), **settings)
    with PricingSync(made) as app:
        for days, prompt in ((20, "0.0000025"), (2, "0.000002")):
            replay(app, {"maker/a": priced(prompt), "maker/b": priced()}, days)
        yield app


def replay(app: PricingSync, models: dict[str, dict[str, Any]], days_ago: float = 0) -> None:
    """Read a list of OpenRouter as of so many days ago."""
    at = NOW - timedelta(days=days_ago)
    asyncio.run(app.replay("openrouter", [RecordedAnswer(openrouter(models), at)]))
