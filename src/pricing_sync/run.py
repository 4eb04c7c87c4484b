"""Readings and runs: what was asked, what came back, and the outcome that follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    """What became of one reading. `unchanged` is a success: the same bytes as last time."""

    READ = "read"
    UNCHANGED = "unchanged"
    FAILED = "failed"


class Outcome(StrEnum):
    """What became of a run, by what became of its readings."""

    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One attempt at one provider: what was asked, what came back, what was decided."""

    id: str
    run_id: str
    provider: str
    #: When the provider's list was observed; for a recorded answer, when it was recorded.
    at: datetime
    started_at: datetime
    finished_at: datetime
    status: Status
    dry_run: bool = False
    source: str = "api"
    url: str = ""
    etag: str | None = None
    #: SHA-256 of the answer's bytes, in hexadecimal.
    digest: str | None = None
    #: The program that decoded the bytes: another version may read the same bytes differently.
    decoder: str = ""
    size_bytes: int = 0
    #: How many listings, by what they are: priced, unpriced, unreadable, nameless.
    listings: Mapping[str, int] = field(default_factory=dict)
    #: How many models, by what was done: added, changed, returned, back, missing, retired, held.
    changes: Mapping[str, int] = field(default_factory=dict)
    #: Price keys in the answer that nobody translates, with how often.
    ignored: Mapping[str, int] = field(default_factory=dict)
    #: For a failed reading: the kind of error, and its message.
    error_kind: str | None = None
    error: str | None = None

    @property
    def is_failed(self) -> bool:
        return self.status is Status.FAILED


def outcome(readings: Sequence[Reading]) -> Outcome:
    """`success` only if every reading succeeded, `failed` if none did (or there was none)."""
    failed = sum(reading.is_failed for reading in readings)
    if failed == len(readings):
        return Outcome.FAILED
    return Outcome.PARTIAL if failed else Outcome.SUCCESS
