"""A ledger with prices to push, for the tests of pushes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from pricing_sync.app import PricingSync
from pricing_sync.prices.rates import Meter
from pricing_sync.serving.exports import Wanted
from pricing_sync.sync.recorded import RecordedAnswer

from built import openrouter, priced
from exported import usd

SECRET = "sk-lf-secret-of-the-tests"
EXPORT_SECRET = "path-secret-of-the-tests"
#: Makes a service that pushes to these nodes; it is not open yet.
Make = Callable[..., PricingSync]


def replay(app: PricingSync, models: dict[str, dict[str, object]], days: float = 1) -> None:
    """A reading that lists these models."""
    answer = RecordedAnswer(openrouter(models), datetime.now(UTC) - timedelta(days=days))
    asyncio.run(app.replay("openrouter", [answer]))


def fill(app: PricingSync) -> None:
    replay(app, {"maker/a": priced(), "maker/b": priced()})


def cost_map(app: PricingSync) -> bytes:
    """The cost map as the service serves it now."""
    app._refresh_book()
    app.exports._fresh_until = 0.0
    return app.exports.get(Wanted("litellm")).body


def override(app: PricingSync, amount: str, **more: Any) -> None:
    app.set_override(
        "openrouter", "maker/a", {Meter.INPUT: usd(amount)}, author="a", reason="r", **more
    )
