"""Runs and readings: what was asked, what came back, and the outcome that follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from pricing_sync.prices.card_json import write_instant


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


#: The kinds of failure that are not the provider's doing, beside those of `errors.ReadingError`.
CANCELLED, ABANDONED, STORE, INTERNAL = "cancelled", "abandoned", "store", "internal"
#: Who starts the runs of the schedule.
SCHEDULE = "schedule"


@dataclass(frozen=True, slots=True)
class Run:
    """Readings that were started together."""

    id: str
    started_by: str
    #: When it was asked for.
    started_at: datetime
    #: None until its last reading has ended.
    finished_at: datetime | None
    outcome: Outcome | None
    dry_run: bool
    providers: tuple[str, ...]

    @property
    def duration_seconds(self) -> float | None:
        """From when it was asked for to the end of its last reading; None until then."""
        if self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


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

    @property
    def state(self) -> str:
        """Its status, with `cancelled` told apart from the other failures."""
        return CANCELLED if self.error_kind == CANCELLED else self.status.value

    def model_counts(self) -> dict[str, int]:
        """How many models were `updated`, are `held`, were left `unchanged`, or were `skipped`
        because their listing cannot be read. One that is listed without a price is none of the
        last: that it has none is what was read."""
        listings, changes = self.listings, self.changes
        moved = sum(changes.get(kind, 0) for kind in ("added", "changed", "returned"))
        held = changes.get("held", 0)
        read = listings.get("priced", 0) + listings.get("unpriced", 0)
        return {
            "updated": moved + changes.get("retired", 0),
            "skipped": listings.get("unreadable", 0) + listings.get("nameless", 0),
            # A held change may be that a model is listed no more.
            "unchanged": max(read - moved - held, 0),
            "held": held,
        }


def outcome(read: int, wanted: int) -> Outcome:
    """`success` only if every reading that was wanted succeeded, `failed` if none did."""
    if read == 0:
        return Outcome.FAILED
    return Outcome.SUCCESS if read == wanted else Outcome.PARTIAL


def run_summary(run: Run, readings: Sequence[Reading]) -> dict[str, Any]:
    """A run in the words of the reference, and a few more: what a manual trigger answers.

    `status` is `running` until the run has ended; `duration_seconds` is None as long.
    """
    counted = {reading.provider: reading.model_counts() for reading in readings}
    return {
        "status": run.outcome.value if run.outcome else "running",
        "duration_seconds": run.duration_seconds,
        "total_models_updated": sum(models["updated"] for models in counted.values()),
        "total_models_skipped": sum(models["skipped"] for models in counted.values()),
        "total_errors": sum(reading.is_failed for reading in readings),
        "results": {reading.provider: _reading_summary(reading) for reading in readings},
        "run_id": run.id,
        "dry_run": run.dry_run,
        "started_at": write_instant(run.started_at),
        "started_by": run.started_by,
        "providers": list(run.providers),
    }


def _reading_summary(reading: Reading) -> dict[str, Any]:
    models = reading.model_counts()
    status = {"read": "success", "unchanged": "success"}.get(reading.state, reading.state)
    return {
        "status": status,
        "models_updated": models["updated"],
        "models_skipped": models["skipped"],
        "errors": [reading.error] if reading.error else [],
        "models_unchanged": models["unchanged"],
        "models_held": models["held"],
        "reading_id": reading.id,
        "dry_run": reading.dry_run,
        "error_kind": reading.error_kind,
    }
