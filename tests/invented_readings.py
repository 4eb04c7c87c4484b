"""Readings that nobody has made."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from pricing_sync.changes.run import Reading, Status


def reading(at: datetime, provider: str = "acme", **different: Any) -> Reading:
    """A reading of the run `run` that took no time and succeeded, but for what is *different*."""
    usual = Reading(
        id=f"reading-{provider}-{at.isoformat()}",
        run_id="run",
        provider=provider,
        at=at,
        started_at=at,
        finished_at=at,
        status=Status.READ,
        decoder="1",
    )
    return replace(usual, **different)
