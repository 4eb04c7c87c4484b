"""What is answered, as the document describes it. Every answer may come to hold more keys."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

#: ISO 8601, UTC.
Instant: TypeAlias = Annotated[
    str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-01-26T12:00:00Z"])
]


class Shape(BaseModel):
    """The base of all of them."""

    model_config = ConfigDict(extra="allow")


class Problem(Shape):
    """An error (RFC 9457)."""

    type: str = Field(examples=["about:blank"])
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] = Field(default=[], description="Of a request: where and why.")


class LastSync(Shape):
    timestamp: Instant
    seconds_ago: int


class NextSync(Shape):
    timestamp: Instant
    seconds_until: int
    is_retry: bool
    failures: int = Field(description="In a row.")


class Active(Shape):
    provider: str
    run_id: str
    state: str = Field(examples=["reading"])


class Status(Shape):
    """The state of the schedule."""

    enabled: bool
    interval_hours: int | float
    running: bool = Field(description="Whether any process schedules.")
    providers: list[str]
    last_syncs: dict[str, LastSync]
    next_syncs: dict[str, NextSync]
    active: list[Active]
    leader: dict[str, Any] | None
    dry_run: bool
    at: Instant


class ReadingSummary(Shape):
    """What became of one provider in a run."""

    status: str = Field(examples=["success", "failed", "cancelled"])
    models_updated: int
    models_skipped: int = Field(description="Listed without a price that can be read.")
    models_unchanged: int
    models_held: int
    errors: list[str]
    error_kind: str | None
    reading_id: str
    dry_run: bool


class RunSummary(Shape):
    """A run, ended or not."""

    status: str = Field(examples=["running", "success", "partial", "failed"])
    duration_seconds: float | None = Field(description="None until it has ended.")
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
    """The run that was asked for."""

    merged: bool = Field(description="Whether others had asked for it already.")
