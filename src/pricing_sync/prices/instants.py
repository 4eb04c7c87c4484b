"""Instants have a time zone: without one, the same text is another instant on another machine."""

from __future__ import annotations

from datetime import datetime


def refuse_naive(*instants: datetime | None) -> None:
    """Raise ValueError for an instant without a time zone. None is no instant, and passes."""
    for instant in instants:
        if instant is not None and instant.utcoffset() is None:
            raise ValueError(f"{instant} has no time zone")
