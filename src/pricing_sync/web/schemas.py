"""The answers that only HTTP has: pages and lists, problems, probes, OpenRouter's format."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import Field, SerializeAsAny

from pricing_sync.json_views.base import Instant, View
from pricing_sync.json_views.changes import Announcement, AppliedChange, Rollback
from pricing_sync.json_views.overrides import Override, ReportedOverride
from pricing_sync.json_views.prices import (
    AGE_SECONDS,
    CONFIRMED_AT,
    Card,
    CardShape,
    PriceShape,
)
from pricing_sync.json_views.providers import ProviderState
from pricing_sync.json_views.webhooks import DeadLetter, WebhookView

T = TypeVar("T")


class Problem(View):
    """An error (RFC 9457)."""

    type: str = Field(examples=["about:blank"])
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] = Field(
        default=[], description="The invalid parts of a request, and why."
    )


class Page(View, Generic[T]):
    """A page of a list."""

    items: list[T]
    next: str | None = Field(description="The cursor of the next page; null on the last page.")


class ProviderStates(View):
    """A list of providers."""

    items: list[ProviderState]


class Rollbacks(View):
    """The models that are as they were."""

    dry_run: bool
    items: list[Rollback]


class ScheduledPrices(View):
    """What is to change."""

    items: list[AppliedChange]


_STALE = "Since when the prices may be out of date; null while the database can be read."


class CurrentPrice(PriceShape):
    """The price of one model."""

    stale_since: Instant | None = Field(description=_STALE)


class Prices(Page[PriceShape]):
    """A page of prices."""

    stale_since: Instant | None = Field(description=_STALE)


class ModelState(CardShape):
    """A model with its price and its state."""

    provider: str
    model: str
    state: str = Field(examples=["priced"])
    confirmed_at: Instant | None = Field(description=CONFIRMED_AT)
    age_seconds: int | None = Field(description=AGE_SECONDS)
    held: str | None = Field(description="The id of its held change.")
    first_seen: Instant | None
    missing_since: Instant | None
    retired_at: Instant | None


class History(View):
    """Every card of a model."""

    provider: str
    model: str
    resolved_to: str | None = Field(description="As of a price.")
    items: list[Card]


class Overrides(View):
    """Overrides, one for each meter."""

    items: list[Override]


class NewOverrides(Overrides):
    """Overrides, and the card before and after them."""

    before: SerializeAsAny[CardShape] | None
    after: SerializeAsAny[CardShape] | None


class ReportedOverrides(View):
    """Overrides, one for each meter."""

    items: list[ReportedOverride]


class Announcements(View):
    """A list of announcements."""

    items: list[Announcement]


class Webhooks(View):
    """The endpoints that events are sent to."""

    items: list[WebhookView]


class DeadLetters(View):
    """A list of dead letters."""

    items: list[DeadLetter]


class TriedWebhook(View):
    """Whether an endpoint took a test."""

    delivered: bool
    error: str | None = Field(description="Why it did not.")


class Replayed(View):
    """What is sent again."""

    queued: int = Field(description="How many events.")


class Model(View):
    """A model as OpenRouter lists it."""

    id: str
    canonical_slug: str
    name: str
    created: int
    pricing: dict[str, Any] = Field(
        description="US dollars per single unit.",
        examples=[{"prompt": "0.0000025", "completion": "0.00001"}],
    )


class Models(View):
    """A list of models as OpenRouter returns it."""

    data: list[Model]


class Health(View):
    """The process responds."""

    status: str


class Ready(View):
    """Whether the database responds, and the age of the oldest reading."""

    ready: bool
    book_revision: int | None = Field(
        description="The revision of the ledger that this process serves; null before the first."
    )
    book_learned_by: str | None = Field(
        description="How it learned of that revision: PostgreSQL or Redis told it, or it asked.",
        examples=["notify", "redis", "poll"],
    )
    oldest_reading_seconds: int | None
    never_read: int | None
