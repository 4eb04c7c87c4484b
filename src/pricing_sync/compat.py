"""The four functions of the reference system, for a gateway that already calls them.

They share one `PricingSync` for the whole process. A new integration uses `PricingSync` directly
and does not need this module.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from pricing_sync.app import PricingSync
from pricing_sync.changes.run import run_summary

__all__ = [
    "get_scheduler_status",
    "start_pricing_sync_scheduler",
    "stop_pricing_sync_scheduler",
    "trigger_manual_sync",
]


class _Running:
    """The `PricingSync` of this process, between start and stop."""

    pricing: PricingSync | None = None


async def start_pricing_sync_scheduler(pricing: PricingSync | None = None) -> None:
    """Open the database and start the scheduler, by default with the settings of the environment.

    A second start does nothing and ignores *pricing*.

    Raises:
        SettingsError, StoreError: the scheduler cannot start.
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
    """Stop the scheduler and close the database.

    It waits for running readings, for as long as the settings allow. A second stop, or a stop
    before the start, does nothing.
    """
    pricing, _Running.pricing = _Running.pricing, None
    if pricing is not None:
        await pricing.stop()
        await asyncio.to_thread(pricing.close)


async def trigger_manual_sync(
    providers: Sequence[str] | None = None, *, dry_run: bool = False
) -> dict[str, Any]:
    """Read providers now, by default those of the settings; the `run_summary` of the ended run.

    Raises:
        RuntimeError: the scheduler was not started.
        UnknownName: a provider is unknown.
    """
    pricing = _running()
    run, _ = await pricing.trigger(providers, dry_run=dry_run, started_by="manual")
    while True:
        run, readings = await pricing.wait(run.id, 60)
        if run.finished_at is not None:
            return run_summary(run, readings)


def get_scheduler_status() -> dict[str, Any]:
    """The state of the schedule, read from the database; see `PricingSync.status`.

    Raises:
        RuntimeError: the scheduler was not started.
    """
    return _running().status()


def _running() -> PricingSync:
    if _Running.pricing is None:
        raise RuntimeError("pricing-sync: start_pricing_sync_scheduler was not called")
    return _Running.pricing
