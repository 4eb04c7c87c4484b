"""Which rows of the ledger are in force: SQL, and the values that it takes.

A row is scheduled when it begins, or is to end, later than it was recorded. A row that was not
scheduled and is in the future was dated by a clock that was ahead: its instants count as now.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pricing_sync.prices.age import LATELY
from pricing_sync.store.rows import write_instant

#: Whether a row is in force at `:at`, as known at `:known_at`. The instants of a clock that was
#: ahead count as `:lately`.
IN_FORCE = """(
    since <= :at OR (since > :now AND since <= recorded_at AND :lately <= :at)
) AND (
    until IS NULL
    OR (until > :at AND NOT (until > :now AND until <= recorded_at AND :lately <= :at))
) AND (
    recorded_at <= :known_at OR (recorded_at > :now AND :lately <= :known_at)
) AND (
    superseded_at IS NULL
    OR (superseded_at > :known_at AND NOT (superseded_at > :now AND :lately <= :known_at))
)"""

#: The rows that have not ended, as known now: they are in force or scheduled. Each half is found by
#: an index of its own, so that a long history costs nothing.
NOT_ENDED = """(
    SELECT * FROM pricing_ledger WHERE superseded_at IS NULL AND until IS NULL
    UNION ALL
    SELECT * FROM pricing_ledger
    WHERE superseded_at IS NULL AND until > :now AND until > recorded_at
)"""

#: Whether a row `l` of the ledger has begun.
BEGUN = "(l.since <= :now OR l.since <= l.recorded_at)"

#: Whether a row `l` of the ledger is in force now, for a join by provider and model.
CURRENT = f"""(
    (l.superseded_at IS NULL AND l.until IS NULL)
    OR (l.superseded_at IS NULL AND l.until > :now AND l.until > l.recorded_at)
) AND {BEGUN}"""

#: What the SQL files call them.
FRAGMENTS = {"in_force": IN_FORCE, "not_ended": NOT_ENDED, "begun": BEGUN, "current": CURRENT}

_END_OF_TIME = write_instant(datetime.max.replace(tzinfo=UTC))


def clocks(at: datetime | None, known_at: datetime | None) -> dict[str, str]:
    """The values of `IN_FORCE`."""
    now = datetime.now(UTC)
    return {
        "at": write_instant(at or now),
        "known_at": write_instant(known_at) if known_at else _END_OF_TIME,
        "now": write_instant(now),
        "lately": write_instant(now - LATELY),
    }


def now() -> str:
    """The value `:now`."""
    return write_instant(datetime.now(UTC))
