"""Announcements: price moves that a person approves before they happen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from pricing_sync.errors import SettingsError
from pricing_sync.gate import Announced
from pricing_sync.json_views.changes import Announcement
from pricing_sync.prices.model_ids import is_model_id, is_tier
from pricing_sync.prices.rates import Meter
from pricing_sync.web.auth import Scope
from pricing_sync.web.request_types import (
    Condition,
    Instant,
    Name,
    ProviderFilter,
    RateText,
    Reason,
    RequestBody,
    read_condition,
)
from pricing_sync.web.routes import Pricing, Routes
from pricing_sync.web.schemas import Announcements

routes = Routes("announcements")


class AnnouncementRequest(RequestBody):
    """A move with its exact rates, in the currency per million units."""

    provider: Name
    model: Name
    meter: Meter
    old: RateText | None = Field(default=None, description="Null if the card has no such rate yet.")
    new: RateText
    not_before: Instant
    when: Condition | None = None
    reason: Reason
    author: Name


class AnnouncementEnd(RequestBody):
    """Who withdraws the announcement, and why."""

    reason: Reason
    author: Name


@routes.get("/admin/pricing/announcements", Scope.READ, response_model=Announcements)
def list_announcements(
    pricing: Pricing, provider: ProviderFilter = None, *, include_used: bool = False
) -> dict[str, Any]:
    """The open announcements; with `include_used` also the used and the ended ones."""
    found = pricing.store.announcements.find(provider, include_used=include_used)
    return {"items": [Announcement.of(entry) for entry in found]}


@routes.post("/admin/pricing/announcements", Scope.ADMIN, response_model=Announcement)
def announce(pricing: Pricing, body: AnnouncementRequest) -> Announcement:
    """Approve a move that a provider has announced. Exactly this move passes the gate, once."""
    provider = pricing.access.provider(body.provider).id
    if not is_model_id(body.model):
        raise SettingsError(f"announce: {body.model!r} is not a model id")
    when = read_condition(body.when)
    if when and when.service_tier and not is_tier(when.service_tier):
        raise SettingsError(f"announce: {when.service_tier!r} has the base rates")
    move = Announced(
        model=body.model,
        meter=body.meter,
        old=body.old,
        new=body.new,
        not_before=body.not_before,
        when=when,
    )
    made = pricing.store.announcements.add(
        provider, move, author=body.author, reason=body.reason, now=datetime.now(UTC)
    )
    return Announcement.of(made)


@routes.post(
    "/admin/pricing/announcements/{announcement_id}/end", Scope.ADMIN, response_model=Announcement
)
def end_announcement(pricing: Pricing, announcement_id: str, body: AnnouncementEnd) -> Announcement:
    """Withdraw an announcement."""
    ended = pricing.store.announcements.end(
        announcement_id, author=body.author, reason=body.reason, now=datetime.now(UTC)
    )
    return Announcement.of(ended)
