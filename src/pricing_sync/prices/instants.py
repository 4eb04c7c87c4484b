"""Instants have a time zone: without one, the same text is another instant on another machine."""

from __future__ import annotations

from datetime import UTC, datetime


def refuse_naive(*instants: datetime | None) -> None:
    """Raise ValueError for an instant without a time zone. None is no instant, and passes."""
    for instant in instants:
        if instant is not None and instant.utcoffset() is None:
            raise ValueError(f"{instant} has no time zone")


def in_utc(instant: datetime) -> datetime:
    """The instant in UTC.

    Raises:
        ValueError: it has no time zone, or its year in UTC is before 1 or after 9999.
    """
    refuse_naive(instant)
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{instant} is outside the years 1 to 9999") from None
