"""The instants of the query `cards_at`, and what was known at an instant.

Of what is known at one instant, the cards of a model do not overlap. So the last card that began
by `:at` is in force, unless it has ended. It is sought from there backwards in the index of
(provider, model, since), and the rows that are passed over are few: superseded rows of the same
card, and what was recorded later for an earlier instant.

A card that is in the future and was not scheduled (it begins no later than it was recorded) was
dated by a clock that was ahead: its instants count as `:lately`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pricing_sync.prices.age import LATELY
from pricing_sync.prices.instants import refuse_naive
from pricing_sync.store.rows import write_instant, write_optional_instant

#: SQL: whether the row `{0}` was known at `:known_at` or, without that value, is known now.
KNOWN = """[known_now: AND {0}.superseded_at IS NULL] [known_at: AND (
            {0}.recorded_at <= :known_at OR ({0}.recorded_at > :now AND :lately <= :known_at)
        ) AND (
            {0}.superseded_at IS NULL
            OR ({0}.superseded_at > :known_at
                AND NOT ({0}.superseded_at > :now AND :lately <= :known_at))
        )]"""

#: `KNOWN` for the rows `n` that are passed over. SQLite that knows how many rows there are
#: (`ANALYZE`) would else search for `superseded_at`, and sort all the history of a model.
KNOWN_ON_THE_WAY = KNOWN.format("n").replace(
    "[known_now: AND n.superseded_at IS NULL]",
    "[known_now: AND COALESCE(n.superseded_at, NULL) IS NULL]",
)


def instants(at: datetime | None, known_at: datetime | None) -> dict[str, str | bool | None]:
    """The values of `cards_at`; None is now.

    Raises:
        ValueError: an instant has no time zone.
    """
    refuse_naive(at, known_at)
    now = datetime.now(UTC)
    at, lately = at or now, now - LATELY
    # What was recorded after `known_at` begins after that too, unless it is for an earlier instant.
    # But a clock that was ahead may have recorded what counts as known since `lately`.
    latest = at if known_at is None or known_at >= lately else min(at, known_at)
    return {
        "at": write_instant(at),
        "known_at": write_optional_instant(known_at),
        "known_now": known_at is None,
        "now": write_instant(now),
        "lately": write_instant(lately),
        "ahead": write_instant(max(now, at)),
        "latest": write_instant(latest),
    }
