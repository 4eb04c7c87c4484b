"""A change that the gate holds, from the reading that first contained it to its decision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pricing_sync.changes.diff import Change
from pricing_sync.changes.run import Reading


class State(StrEnum):
    """The state of a held change."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    #: Let through by the gate, after it was unchanged for long enough.
    RELEASED = "released"
    #: The provider lists something else now.
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldChange:
    """A held change, the reading that first contained it, and the decision about it."""

    id: str
    reading_id: str
    provider: str
    change: Change
    #: The rules that hold it, as the gate writes them: `rule: meter: detail`.
    reasons: tuple[str, ...]
    #: When the change was first read.
    since: datetime
    #: Since when a change of the model waits without a break, of this value or of others.
    waits_since: datetime
    state: State = State.OPEN
    decided_at: datetime | None = None
    decided_by: str | None = None
    #: The reason of the decision; None while the change is open.
    decision: str | None = None
    #: From the reading: its source, its URL, the SHA-256 of its bytes, its number of models.
    source: str
    url: str
    digest: str | None
    listed: int

    @classmethod
    def of(
        cls,
        reading: Reading,
        number: int,
        change: Change,
        reasons: tuple[str, ...],
        before: HeldChange | None,
    ) -> HeldChange:
        """The change that a reading holds as its *number*-th.

        *before* is what waits in its place until then: a change of another value.
        """
        return cls(
            id=f"{reading.id}-{number}",
            reading_id=reading.id,
            provider=reading.provider,
            change=change,
            reasons=reasons,
            since=reading.at,
            waits_since=before.waits_since if before else reading.at,
            source=reading.source,
            url=reading.url,
            digest=reading.digest,
            listed=sum(reading.listings.values()),
        )
