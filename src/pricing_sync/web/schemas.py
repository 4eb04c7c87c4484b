"""The responses, as the OpenAPI document describes them. Any of them may get more keys later."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from pricing_sync.prices.statements import PriceState

T = TypeVar("T")

#: ISO 8601, UTC.
Instant: TypeAlias = Annotated[
    str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-01-26T12:00:00Z"])
]


class Schema(BaseModel):
    """The base of all responses."""

    model_config = ConfigDict(extra="allow")


class Problem(Schema):
    """An error (RFC 9457)."""

    type: str = Field(examples=["about:blank"])
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] = Field(
        default=[], description="The invalid parts of a request, and why."
    )


class LastSync(Schema):
    timestamp: Instant
    seconds_ago: int | None = Field(description="Null if the timestamp is in the future.")


class NextSync(Schema):
    timestamp: Instant
    seconds_until: int
    is_retry: bool
    failures: int = Field(description="Failed readings in a row.")
    plan: str = Field(description="The plan that gives this time.")


class Active(Schema):
    provider: str
    run_id: str
    state: str = Field(examples=["reading"])


class EndingOverride(Schema):
    """An override that ends in the next 30 days."""

    provider: str
    model: str
    meters: list[str]
    until: Instant


class Notice(Schema):
    """What a provider's list says about the end of a model."""

    ends_on: date | None = Field(default=None, description="The day on which it ends.")
    deprecated: bool = False
    replaced_by: str | None = None


class Ending(Notice):
    """A model that ends soon."""

    provider: str
    model: str
    days: int | None = Field(description="How many days are left.")


class Status(Schema):
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
    leader: dict[str, Any] | None
    dry_run: bool
    at: Instant
    problem: str | None = Field(description="Why the database cannot be opened.")
    overrides_ending: list[EndingOverride] = Field(
        description="What ends in the next 30 days, the next one first."
    )
    ending: list[Ending] = Field(description="The models that end within 30 days.")


class ReadingSummary(Schema):
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


class RunSummary(Schema):
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


class Page(Schema, Generic[T]):
    """A page of a list."""

    items: list[T]
    next: str | None = Field(description="The cursor of the next page; null on the last page.")


class ModelCounts(Schema):
    priced: int
    unpriced: int
    unreadable: int
    missing: int


class LastError(Schema):
    at: Instant
    kind: str | None
    message: str | None
    run_id: str


class Plan(Schema):
    """When a provider is read."""

    every: str | None
    cron: str | None
    window: str | None
    time_zone: str
    dry_run: bool


class ProviderState(Schema):
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


class ProviderStates(Schema):
    """A list of providers."""

    items: list[ProviderState]


Rates: TypeAlias = Annotated[
    dict[str, str],
    Field(description="The currency per million units.", examples=[{"input": "2.5"}]),
]


class Conditional(Schema):
    """Rates that replace the base rates of their meters when the condition holds."""

    when: dict[str, Any]
    rates: Rates


_CONFIRMED = (
    "When the provider last listed this price. An override does not change it."
    " Null if it never did."
)
_AGE = "Seconds since `confirmed_at`. Null if that is null, or in the future."


class CardShape(Schema):
    """The price of a model, or the reason why it is not known."""

    currency: str | None
    rates: Rates | None = Field(description="Null if no price is known. Null does not mean zero.")
    conditional_rates: list[Conditional] = Field(
        description="Conditional rates. If several match, the last one applies."
    )
    reason: str | None = Field(
        default=None, description="Why no price is known, or why the price is not confirmed."
    )
    since: Instant | None
    recorded_at: Instant | None
    source: str | None = Field(examples=["api", "catalog", "curated", "override"])


class PriceShape(CardShape, Notice):
    """The price of a model."""

    model_config = ConfigDict(extra="allow", title="Price")

    provider: str
    model: str
    state: str | None = Field(
        description="What the last successful reading says of this price. Null for the price of"
        " another instant, and for a model that no provider lists.",
        examples=[state.value for state in PriceState],
    )
    confirmed_at: Instant | None = Field(description=_CONFIRMED)
    read_at: Instant | None = Field(description="The same as `confirmed_at`.")
    age_seconds: int | None = Field(description=_AGE)
    resolved_to: str | None = Field(
        default=None, description="The model whose price it is, if `model` is another name of it."
    )


_STALE = "Since when the prices may be out of date; null while the database can be read."


class CurrentPrice(PriceShape):
    """The price of one model."""

    model_config = ConfigDict(extra="allow")

    stale_since: Instant | None = Field(description=_STALE)


class Prices(Page[PriceShape]):
    """A page of prices."""

    stale_since: Instant | None = Field(description=_STALE)


class ModelState(CardShape):
    """A model with its price and its state."""

    provider: str
    model: str
    state: str = Field(examples=["priced"])
    confirmed_at: Instant | None = Field(description=_CONFIRMED)
    age_seconds: int | None = Field(description=_AGE)
    held: str | None = Field(description="The id of its held change.")
    first_seen: Instant | None
    missing_since: Instant | None
    retired_at: Instant | None


class Listing(Schema):
    """A provider's listing of a model: its rates, or `unpriced` with the reason."""

    rates: Rates | None
    currency: str | None = None
    conditional_rates: list[Conditional] = []
    unpriced: str | None = None
    note: str | None = None


class Card(Listing):
    """A card of the ledger, in force from `since` until `until`, known since `recorded_at`."""

    since: Instant
    until: Instant | None
    recorded_at: Instant
    superseded_at: Instant | None
    source: str
    url: str
    reading: str
    digest: str | None = Field(description="SHA-256 of the provider's response.")
    card: str


class History(Schema):
    """Every card of a model."""

    provider: str
    model: str
    resolved_to: str | None = Field(description="As of a price.")
    items: list[Card]


class DecidedChange(Schema):
    """A held change with the decision about it."""

    id: str
    provider: str
    model: str
    kind: str = Field(examples=["changed"])
    old: Listing | None
    new: Listing | None
    reasons: list[str]
    since: Instant = Field(description="When this change was first read.")
    reading: str
    state: str = Field(examples=["open", "accepted", "rejected", "released", "lapsed"])
    decided_at: Instant | None
    decided_by: str | None
    decision: str | None


class HeldChange(DecidedChange):
    """A held change with the facts for a decision."""

    version: str = Field(description="A decision about this change must name it.")
    moves: list[dict[str, Any]]
    rules: list[dict[str, Any]]
    peers: dict[str, Any]
    listed: int
    url: str
    digest: str | None


class Override(Schema):
    """A person's rate for one meter."""

    id: str
    provider: str
    model: str
    meter: str
    rate: str
    currency: str
    since: Instant
    until: Instant | None
    author: str
    reason: str
    upstream_when_set: str | None
    layer: int = Field(
        description="Of the overrides of a rate in force, the one in the highest layer counts."
    )
    when: dict[str, Any] | None = Field(description="The condition; null for the base rate.")
    flat: bool = Field(description="Whether the rate holds under every condition of the card.")


class ReportedOverride(Override):
    """An override, compared with the provider's rate now."""

    upstream_now: str | None
    upstream_moved: bool
    state: str = Field(
        description="`in_force`; `covered` by a newer override; `waiting` while the card is in"
        " another currency; or `to_come`.",
    )


class Overrides(Schema):
    """Overrides, one for each meter."""

    items: list[Override]


class NewOverrides(Overrides):
    """Overrides, and the card before and after them."""

    before: CardShape | None
    after: CardShape | None


class ReportedOverrides(Schema):
    """Overrides, one for each meter."""

    items: list[ReportedOverride]


class Announcement(Schema):
    """An announced move. It passes the gate once."""

    id: str
    provider: str
    model: str
    meter: str
    when: dict[str, Any] | None
    old: str | None
    new: str
    not_before: Instant
    author: str
    reason: str
    recorded_at: Instant
    used_at: Instant | None
    used_by: str | None
    ended_at: Instant | None


class Announcements(Schema):
    """A list of announcements."""

    items: list[Announcement]


class Model(Schema):
    """A model as OpenRouter lists it."""

    id: str
    canonical_slug: str
    name: str
    created: int
    pricing: dict[str, Any] = Field(
        description="US dollars per single unit.",
        examples=[{"prompt": "0.0000025", "completion": "0.00001"}],
    )


class Models(Schema):
    """A list of models as OpenRouter returns it."""

    data: list[Model]


class Health(Schema):
    """The process responds."""

    status: str


class Ready(Schema):
    """Whether the database responds, and the age of the oldest reading."""

    ready: bool
    oldest_reading_seconds: int | None
    never_read: int | None
