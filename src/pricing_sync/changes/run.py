"""Runs and readings: the request, the answer, and the outcome that follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from pricing_sync.prices.card_json import write_instant

__all__ = [
    "Outcome",
    "Reading",
    "Run",
    "Status",
    "run_summary",
]


class Status(StrEnum):
    """The result of one reading. `unchanged` is a success: the same bytes as last time.

    `skipped` is neither a success nor a failure: a variable that the provider needs is not set, so
    nobody was asked.
    """

    READ = "read"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    SKIPPED = "skipped"


class Outcome(StrEnum):
    """The result of a run, from the results of its readings."""

    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"
    #: Every reading was skipped.
    SKIPPED = "skipped"


#: Kinds of failure that the provider does not cause, besides those of `errors.ReadingError`.
CANCELLED, ABANDONED, STORE, INTERNAL = "cancelled", "abandoned", "store", "internal"
#: The key in `Reading.changes` under which new price keys that are not read are counted.
NEW_KEYS = "new_keys"
#: The value of `started_by` for scheduled runs.
SCHEDULE = "schedule"


@dataclass(frozen=True, slots=True)
class Run:
    """Readings that were started together."""

    id: str
    started_by: str
    #: When the run was requested.
    started_at: datetime
    #: None until its last reading has ended.
    finished_at: datetime | None
    outcome: Outcome | None
    dry_run: bool
    providers: tuple[str, ...]

    @property
    def duration_seconds(self) -> float | None:
        """The time from the request to the end of the last reading; None until then."""
        if self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One attempt at one provider: the request, the answer and the decisions."""

    id: str
    run_id: str
    provider: str
    #: When the list was read from the provider; for a recorded answer, when it was recorded.
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
    #: The program version that decoded the bytes: another one may decode them differently.
    decoder: str = ""
    size_bytes: int = 0
    #: The number of listings by kind: priced, unpriced, unreadable, nameless.
    listings: Mapping[str, int] = field(default_factory=dict)
    #: The number of models: added, changed, returned, back, missing, retired, held. And of price
    #: keys in `ignored` that the last reading did not have: `NEW_KEYS`.
    changes: Mapping[str, int] = field(default_factory=dict)
    #: Keys of the answer that may hold a price and are not read, and how often each occurs.
    ignored: Mapping[str, int] = field(default_factory=dict)
    #: For a failed reading: the kind of error.
    error_kind: str | None = None
    #: The message of a failed reading, or why it was skipped.
    error: str | None = None

    @property
    def is_failed(self) -> bool:
        return self.status is Status.FAILED

    @property
    def is_skipped(self) -> bool:
        return self.status is Status.SKIPPED

    @property
    def state(self) -> str:
        """The status, or `cancelled` for a failed reading that was cancelled."""
        return CANCELLED if self.error_kind == CANCELLED else self.status.value

    def model_counts(self) -> dict[str, int]:
        """The number of models that were `updated`, `held`, `unchanged`, or `skipped`.

        A skipped model has an unreadable listing. A model that is listed without a price is not
        skipped: its listing was read.
        """
        listings, changes = self.listings, self.changes
        moved = sum(changes.get(kind, 0) for kind in ("added", "changed", "returned"))
        held = changes.get("held", 0)
        read = listings.get("priced", 0) + listings.get("unpriced", 0)
        return {
            "updated": moved + changes.get("retired", 0),
            "skipped": listings.get("unreadable", 0) + listings.get("nameless", 0),
            # A held change can also be a model that vanished.
            "unchanged": max(read - moved - held, 0),
            "held": held,
        }


def outcome(read: int, wanted: int) -> Outcome:
    """`success` if every reading that was not skipped succeeded, `failed` if none, else `partial`.

    *wanted* is the number of readings that were not skipped.
    """
    if wanted == 0:
        return Outcome.SKIPPED
    if read == 0:
        return Outcome.FAILED
    return Outcome.SUCCESS if read == wanted else Outcome.PARTIAL


def run_summary(run: Run, readings: Sequence[Reading]) -> dict[str, Any]:
    """The response to a manual trigger: the keys of the reference, and a few more.

    Until the run has ended, `status` is `running` and `duration_seconds` is None.
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
        "errors": [reading.error] if reading.error and reading.is_failed else [],
        "models_unchanged": models["unchanged"],
        "models_held": models["held"],
        "reading_id": reading.id,
        "dry_run": reading.dry_run,
        "error_kind": reading.error_kind,
        "reason": reading.error if reading.is_skipped else None,
    }
