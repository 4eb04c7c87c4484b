"""The four functions of the reference system, for a gateway that already calls them.

They share one `PricingSync` for the whole process. Who embeds afresh builds a `PricingSync` and
needs none of this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from pricing_sync.app import PricingSync
from pricing_sync.changes.run import run_summary


class _Running:
    """The one there is, between start and stop."""

    pricing: PricingSync | None = None


async def start_pricing_sync_scheduler(pricing: PricingSync | None = None) -> None:
    """Open the database and begin to schedule; by default as the environment says.

    Starting twice is harmless, and *pricing* is then left aside.

    Raises:
        SettingsError, StoreError: it cannot start.
    """
    if _Running.pricing is None:
        _Running.pricing = pricing or PricingSync()
        try:
            await asyncio.to_thread(_Running.pricing.open)
            _Running.pricing.start()
        except BaseException:
            await stop_pricing_sync_scheduler()
            raise


async def stop_pricing_sync_scheduler() -> None:
    """Stop, waiting for what goes on as long as the settings say, and close the database.

    Stopping twice, or before the start, is harmless.
    """
    pricing, _Running.pricing = _Running.pricing, None
    if pricing is not None:
        await pricing.stop()
        await asyncio.to_thread(pricing.close)


async def trigger_manual_sync(
    providers: Sequence[str] | None = None, *, dry_run: bool = False
) -> dict[str, Any]:
    """Read providers (those of the settings) now; the run when it has ended, as `run_summary`.

    Raises:
        RuntimeError: nothing was started.
        UnknownName: a provider that there is not.
    """
    pricing = _running()
    run, _ = await pricing.trigger(providers, dry_run=dry_run, started_by="manual")
    while True:
        run, readings = await pricing.wait(run.id, 60)
        if run.finished_at is not None:
            return run_summary(run, readings)


def get_scheduler_status() -> dict[str, Any]:
    """The state of the schedule; see `PricingSync.status`. Asks the database.

    Raises:
        RuntimeError: nothing was started.
    """
    return _running().status()


def _running() -> PricingSync:
    if _Running.pricing is None:
        raise RuntimeError("pricing-sync: start_pricing_sync_scheduler was not called")
    return _Running.pricing
