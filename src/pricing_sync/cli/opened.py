"""Opening what a command works on."""

from __future__ import annotations

import typer

from pricing_sync.app import PricingSync
from pricing_sync.settings import load_settings


def open_app(context: typer.Context, database: str | None, *, create: bool = False) -> PricingSync:
    """The database of `--database`, wherever it stood on the line, or of the settings."""
    settings = load_settings(database=database or context.obj)
    return PricingSync(settings, create=create).open()
