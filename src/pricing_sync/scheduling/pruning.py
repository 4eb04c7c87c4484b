"""Prunes the database once a day, in whichever process comes first."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

from pricing_sync.settings import Settings
from pricing_sync.store import Store


async def prune_if_due(settings: Settings, store: Store) -> None:
    """Delete what is older than the settings keep, unless that was done in the last day.

    Between two transactions the database is left to others for as long as the first one took.

    Raises:
        StoreError: the database cannot be read or written.
    """
    now = datetime.now(UTC)
    if not await asyncio.to_thread(store.pruning.acquire, now):
        return
    batches = store.pruning.batches(
        before=now - timedelta(days=settings.keep_days),
        evidence_before=now - timedelta(days=settings.evidence_days),
    )
    began = time.monotonic()
    while await asyncio.to_thread(next, batches, None) is not None:
        await asyncio.sleep(time.monotonic() - began)
        began = time.monotonic()
