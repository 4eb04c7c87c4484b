"""How long ago something was, by a clock that may have been wrong."""

from __future__ import annotations

from datetime import datetime, timedelta

#: What a clock that was ahead has dated in the future counts from so long before now on: usages of
#: the last hour, which are billed now, have its price.
LATELY = timedelta(hours=1)

#: How far an instant may be ahead of the clock and still count as now: clocks are corrected.
_CORRECTION = timedelta(minutes=1)


def is_ahead(instant: datetime, now: datetime) -> bool:
    """Whether a clock that was ahead wrote *instant*, which should not be later than *now*."""
    return instant - now > _CORRECTION


def age(instant: datetime | None, now: datetime) -> timedelta | None:
    """How long ago *instant* was; None if there is none, or if a clock that was ahead wrote it."""
    if instant is None or is_ahead(instant, now):
        return None
    return max(now - instant, timedelta())


def age_seconds(instant: datetime | None, now: datetime) -> int | None:
    """`age` in whole seconds."""
    found = age(instant, now)
    return None if found is None else int(found.total_seconds())
