"""Ids, made by the application and not by the database."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime


def new_id(at: datetime | None = None) -> str:
    """An id that sorts by time: microseconds since 1970 and 32 random bits, in hexadecimal."""
    instant = at or datetime.now(UTC)
    return f"{int(instant.timestamp() * 1_000_000):014x}{secrets.token_hex(4)}"
