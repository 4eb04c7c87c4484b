"""A backup of the database, and a restore."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from pricing_sync.json_views.base import Instant, View


class ContentsView(View):
    """What a database holds."""

    schema_version: int
    cards: int = Field(description="Every card of the ledger, the superseded ones included.")
    prices: int = Field(description="The cards that are known and have no end.")
    overrides: int
    readings: int
    last_reading_at: Instant | None


class BackupView(View):
    """A backup that was checked."""

    file: Path
    size_bytes: int
    sha256: str
    contents: ContentsView


class RestoredView(View):
    """What a restore did, or would do."""

    backup: BackupView
    kept: Path | None = Field(description="Where the replaced database is; null if none was.")
