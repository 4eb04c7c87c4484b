"""Overrides: rates that a person sets instead of a provider's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field

from pricing_sync.json_views.overrides import ReportedOverride
from pricing_sync.json_views.prices import PriceShape
from pricing_sync.prices.rates import Meter
from pricing_sync.web.auth import Scope
from pricing_sync.web.request_types import (
    Condition,
    Instant,
    ModelFilter,
    Name,
    ProviderFilter,
    RateText,
    Reason,
    RequestBody,
    read_condition,
)
from pricing_sync.web.routes import Pricing, Routes
from pricing_sync.web.schemas import NewOverrides, Overrides, ReportedOverrides

routes = Routes("overrides")


class OverrideRequest(RequestBody):
    """The rates to charge, in the currency per million units."""

    provider: Name
    model: Name
    rates: Annotated[dict[Meter, RateText], Field(min_length=1)] = Field(
        examples=[{"input": "2.5", "output": "10"}]
    )
    reason: Reason
    author: Name
    since: Instant | None = Field(default=None, description="By default now.")
    until: Instant | None = Field(default=None, description="By default no end.")
    currency: str | None = Field(
        default=None,
        pattern="^[A-Z]{3}$",
        description="By default that of the card.",
        examples=["USD"],
    )
    when: Condition | None = Field(
        default=None, description="The condition of the rates. By default the base rates."
    )
    flat: bool = Field(
        default=False,
        description="The rates hold under every condition of the card. By default its other"
        " conditional rates stay.",
    )


class OverrideEnd(RequestBody):
    """The overrides to end."""

    provider: Name
    model: Name
    meters: list[Meter] = Field(default=[], description="By default all meters.")
    at: Instant | None = Field(default=None, description="By default now.")
    newest_only: bool = Field(
        default=False,
        description="End only the overrides that were set last; those that they cover hold again.",
    )


@routes.get("/admin/pricing/overrides", Scope.READ, response_model=ReportedOverrides)
def list_overrides(
    pricing: Pricing,
    provider: ProviderFilter = None,
    model: ModelFilter = None,
    *,
    ending: Annotated[bool, Query(description="Only those that end in the next 30 days.")] = False,
) -> dict[str, Any]:
    """The current and future overrides, and whether the provider's rates have changed since."""
    states = pricing.override_states(provider, model)
    report = pricing.override_report(provider, model, ending=ending)
    return {
        "items": [
            ReportedOverride.of(entry, rate, states[entry.id], moved=moved)
            for entry, rate, moved in report
            if entry.id in states
        ]
    }


@routes.post("/admin/pricing/overrides", Scope.ADMIN, response_model=NewOverrides)
def set_override(pricing: Pricing, body: OverrideRequest) -> dict[str, Any]:
    """Set rates that replace the provider's. Meters that are not named keep the provider's rate.

    The card is in the response before and after, both as of the beginning of the overrides.
    """
    begin = body.since or datetime.now(UTC)
    before = _card(pricing, body, begin)
    overrides = pricing.set_override(
        body.provider,
        body.model,
        body.rates,
        author=body.author,
        reason=body.reason,
        since=begin,
        until=body.until,
        currency=body.currency,
        when=read_condition(body.when),
        flat=body.flat,
    )
    return {
        "items": overrides,
        "before": before,
        "after": _card(pricing, body, begin),
    }


def _card(pricing: Pricing, body: OverrideRequest, at: datetime) -> PriceShape | None:
    found = pricing.prices(body.provider, body.model, at=at)
    return PriceShape.of(found[0], datetime.now(UTC)) if found else None


@routes.post("/admin/pricing/overrides/end", Scope.ADMIN, response_model=Overrides)
def end_override(pricing: Pricing, body: OverrideEnd) -> dict[str, Any]:
    """End overrides: the provider's rates apply again."""
    ended = pricing.end_override(
        body.provider,
        body.model,
        body.meters,
        at=body.at,
        newest_only=body.newest_only,
        author="admin",
    )
    return {"items": ended}
