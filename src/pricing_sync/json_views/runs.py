"""Runs and their readings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import Field

from pricing_sync.changes import run
from pricing_sync.changes.plan import ChangePlan
from pricing_sync.json_views.base import Instant, View
from pricing_sync.json_views.changes import Change


class ReadingSummary(View):
    """The result of one provider in a run."""

    status: str = Field(examples=["success", "failed", "cancelled", "skipped"])
    models_updated: int
    models_skipped: int = Field(description="Models listed without a readable price.")
    models_unchanged: int
    models_held: int
    errors: list[str]
    error_kind: str | None
    reason: str | None = Field(description="Why it was skipped.")
    reading_id: str
    dry_run: bool


class RunSummary(View):
    """A run, in progress or ended."""

    status: str = Field(examples=["running", "success", "partial", "failed", "skipped"])
    duration_seconds: float | None = Field(description="Null until the run has ended.")
    total_models_updated: int
    total_models_skipped: int
    total_errors: int
    results: dict[str, ReadingSummary]
    run_id: str
    dry_run: bool
    started_at: Instant
    started_by: str
    providers: list[str]


class Triggered(RunSummary):
    """The triggered run."""

    merged: bool = Field(description="Whether this is an identical run that was already queued.")


class RunState(RunSummary):
    """A run with its progress."""

    steps: dict[str, str] = Field(
        description="By provider: `queued`, `reading`, `read`, `unchanged`, `failed`, `skipped`,"
        " `cancelled`."
    )


class Reading(View):
    """A reading in full."""

    id: str
    provider: str
    at: Instant
    status: str
    dry_run: bool
    listings: dict[str, int]
    changes: dict[str, int]
    ignored: dict[str, int]
    url: str
    digest: str | None
    size_bytes: int
    started_at: Instant
    finished_at: Instant
    error_kind: str | None
    error: str | None


class HeldListing(Change):
    """A change that a reading holds."""

    reasons: list[str]


class ReadingChanges(Reading):
    """A reading in full, with every change that it made or held."""

    applied: list[Change]
    held: list[HeldListing]
    scheduled: list[Change]
    missing: list[str]
    retired: list[str]

    @classmethod
    def of(cls, reading: run.Reading, plan: ChangePlan) -> Self:
        held = [*plan.hold, *plan.still_held, *plan.scheduled.hold]
        return cls(
            **dict(Reading.model_validate(reading)),
            applied=[Change.model_validate(change) for change in plan.apply],
            held=[
                HeldListing(**dict(Change.model_validate(item.change)), reasons=list(item.reasons))
                for item in held
            ],
            scheduled=[Change.model_validate(change) for change in plan.scheduled.added],
            missing=list(plan.missing),
            retired=list(plan.retire),
        )


class FinishedRun(RunSummary):
    """A run that this process has read, with its readings in full."""

    readings: list[ReadingChanges]


class RunRecord(RunState):
    """A run with its progress and its readings in full, which the command line shows."""

    readings: Sequence[Reading]

    @classmethod
    def of(cls, of_run: run.Run, readings: Sequence[run.Reading], steps: Mapping[str, str]) -> Self:
        summary: dict[str, Any] = run.run_summary(of_run, readings)
        return cls(
            **summary,
            steps=dict(steps),
            readings=[Reading.model_validate(reading) for reading in readings],
        )
