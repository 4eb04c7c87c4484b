"""Rows of the ledger, for the tests that need no database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pricing_sync.prices.rates import RateCard, Unpriced
from pricing_sync.prices.statements import Statement


def statement(
    model: str, listing: RateCard | Unpriced, since: datetime, **fields: Any
) -> Statement:
    """A row of the provider `acme` that was recorded when it began, and has no end."""
    usual: dict[str, Any] = {
        "card_id": f"{model}-{since.isoformat()}",
        "provider": "acme",
        "until": None,
        "recorded_at": since,
        "superseded_at": None,
        "source": "api",
        "url": "",
        "reading_id": "reading",
        "digest": None,
    }
    return Statement(model=model, listing=listing, since=since, **usual | fields)
