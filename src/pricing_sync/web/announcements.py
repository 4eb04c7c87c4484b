"""Moves that a person approves before they happen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field, StrictInt

from pricing_sync.errors import SettingsError
from pricing_sync.gate import Announced
from pricing_sync.json_views import announcement_json
from pricing_sync.prices.rates import Meter, When
from pricing_sync.sources.strict_json import is_model_id
from pricing_sync.web.auth import Scope
from pricing_sync.web.request_types import Instant, Name, OfProvider, RateText, Reason, RequestBody
from pricing_sync.web.routes import Pricing, Routes
from pricing_sync.web.schemas import Announcement, Announcements

routes = Routes("announcements")


class Condition(RequestBody):
    """Of a rate that is not the card's base rate."""

    min_input_tokens: StrictInt | None = Field(default=None, ge=0, le=10**12)
    service_tier: Literal["batch", "flex", "priority"] | None = None
    region: Name | None = None


class AnnouncementRequest(RequestBody):
    """The move, to the digit: the currency per million units."""

    provider: Name
    model: Name
    meter: Meter
    old: RateText | None = Field(default=None, description="None if there is no such rate yet.")
    new: RateText
    not_before: Instant
    when: Condition | None = None
    reason: Reason
    author: Name


class AnnouncementEnd(RequestBody):
    """Who takes it back, and why."""

    reason: Reason
    author: Name


@routes.get("/admin/pricing/announcements", Scope.READ, response_model=Announcements)
def list_announcements(
    pricing: Pricing, provider: OfProvider = None, *, include_used: bool = False
) -> dict[str, Any]:
    """The moves that are yet to come, or all."""
    found = pricing.store.review.announcements(provider, include_used=include_used)
    return {"items": [announcement_json(entry) for entry in found]}


@routes.post("/admin/pricing/announcements", Scope.ADMIN, response_model=Announcement)
def announce(pricing: Pricing, wanted: AnnouncementRequest) -> dict[str, Any]:
    """Approve a move that a provider has announced. Exactly it passes the gate, once."""
    pricing.access.provider(wanted.provider)
    if not is_model_id(wanted.model):
        raise SettingsError(f"announce: {wanted.model!r} is not a model id")
    when = When(**wanted.when.model_dump()) if wanted.when else When()
    move = Announced(
        model=wanted.model,
        meter=wanted.meter,
        old=wanted.old,
        new=wanted.new,
        not_before=wanted.not_before,
        when=None if when == When() else when,
    )
    made = pricing.store.review.announce(
        wanted.provider, move, author=wanted.author, reason=wanted.reason, now=datetime.now(UTC)
    )
    return announcement_json(made)


@routes.post(
    "/admin/pricing/announcements/{announcement_id}/end", Scope.ADMIN, response_model=Announcement
)
def end_announcement(
    pricing: Pricing, announcement_id: str, wanted: AnnouncementEnd
) -> dict[str, Any]:
    """Take an announcement back."""
    ended = pricing.store.review.end_announcement(
        announcement_id, author=wanted.author, reason=wanted.reason, now=datetime.now(UTC)
    )
    return announcement_json(ended)
