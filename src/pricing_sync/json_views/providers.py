"""The state of the schedule and of each provider."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from pricing_sync.json_views.base import Instant, View
from pricing_sync.json_views.prices import Ending
from pricing_sync.json_views.pushes import PushView
from pricing_sync.json_views.usage import Drift
from pricing_sync.json_views.webhooks import WebhookView


class LastSync(View):
    timestamp: Instant
    seconds_ago: int | None = Field(description="Null if the timestamp is in the future.")


class NextSync(View):
    timestamp: Instant
    seconds_until: int
    is_retry: bool
    failures: int = Field(description="Failed readings in a row.")
    plan: str = Field(description="The plan that gives this time.")


class Active(View):
    provider: str
    run_id: str
    state: str = Field(examples=["reading"])


class EndingOverride(View):
    """An override that ends in the next 30 days."""

    provider: str
    model: str
    meters: list[str]
    until: Instant


class CatalogState(View):
    """How old a reference catalog is."""

    last_good: Instant | None = Field(description="When it was read last; null for never.")
    age_seconds: int | None
    error: str | None = Field(description="Why the last read failed.")
    unread_price_keys: dict[str, int] = Field(
        description="Its price keys that are not read, and how often each occurs."
    )
    waits: bool = Field(description="Whether it is due, and the next readings wait for it.")


class WorkerState(View):
    """A process that reads for others."""

    process: str = Field(description="Its host, and the number of its process.")
    since: Instant
    last_seen: Instant
    is_alive: bool = Field(description="Whether it was seen within the time of a lease.")


class Status(View):
    """The state of the schedule."""

    enabled: bool
    interval_hours: int | float
    running: bool = Field(description="Whether the scheduler runs in any process.")
    providers: list[str]
    last_syncs: dict[str, LastSync]
    next_syncs: dict[str, NextSync]
    skipped: dict[str, str] = Field(
        description="The providers that cannot be asked, and the variable that is not set."
    )
    active: list[Active]
    unread_price_keys: dict[str, dict[str, int]] = Field(
        default={},
        description="By provider: the keys of its newest answer that may hold a price and are not"
        " read, and how often each occurs.",
    )
    catalogs: dict[str, CatalogState] = Field(
        description="The reference catalogs that changes are compared with; empty if none is read."
    )
    leader: dict[str, Any] | None
    workers: list[WorkerState] = Field(
        description="The processes that read for others; empty if each service reads by itself."
    )
    dry_run: bool
    at: Instant
    problem: str | None = Field(description="Why the database cannot be opened.")
    overrides_ending: list[EndingOverride] = Field(
        description="What ends in the next 30 days, the next one first."
    )
    ending: list[Ending] = Field(description="The models that end within 30 days.")
    pushes: list[PushView] = Field(description="The nodes of other tools that get our prices.")
    webhooks: list[WebhookView] = Field(description="The endpoints that events are sent to.")
    scheduled: list[dict[str, Any]] = Field(
        description="The prices that lists state for the next 30 days, as in `/v1/scheduled`."
    )
    unpriced: list[dict[str, Any]] = Field(
        description="Models with requests without a price in the last 7 days, as in `/v1/unpriced`."
    )
    drifting: list[Drift] = Field(
        description="Models whose reported costs of the last day differ too much from ours."
    )


class ModelCounts(View):
    priced: int
    unpriced: int
    unreadable: int
    missing: int


class LastError(View):
    at: Instant
    kind: str | None
    message: str | None
    run_id: str


class Plan(View):
    """When a provider is read."""

    every: str | None
    cron: str | None
    window: str | None
    time_zone: str
    dry_run: bool


class ProviderState(View):
    """A provider, with the state of its readings."""

    provider: str
    name: str
    is_scheduled: bool
    models: ModelCounts
    last_success: Instant | None
    age_seconds: int | None = Field(description="Seconds since the last success.")
    next_due: Instant | None
    is_retry: bool
    failures: int = Field(description="Failed readings in a row.")
    last_error: LastError | None = Field(description="Null after the next successful reading.")
    skipped: str | None = Field(description="Why the last reading was skipped; else null.")
    held: int
    oldest_held: Instant | None
    plan: Plan
    source: str | None
    key_set: bool | None = Field(description="Null if no key is needed.")
    missing_variables: list[str]


class ProviderRecord(ProviderState):
    """A provider with where it is read and what its key is called, which the command line shows."""

    url: str | None
    page: str | None
    key_variables: list[str]
    key_required: bool
    other_variables: dict[str, bool] = Field(description="Whether each is set.")
