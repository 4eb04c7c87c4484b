"""Overrides: rates that a person sets instead of a provider's."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from pricing_sync.json_views import override_json, reported_json
from pricing_sync.prices.rates import Meter
from pricing_sync.web.auth import Scope
from pricing_sync.web.request_types import (
    Instant,
    ModelFilter,
    Name,
    ProviderFilter,
    RateText,
    Reason,
    RequestBody,
)
from pricing_sync.web.routes import Pricing, Routes
from pricing_sync.web.schemas import Overrides, ReportedOverrides

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


class OverrideEnd(RequestBody):
    """The overrides to end."""

    provider: Name
    model: Name
    meters: list[Meter] = Field(default=[], description="By default all meters.")
    at: Instant | None = Field(default=None, description="By default now.")


@routes.get("/admin/pricing/overrides", Scope.READ, response_model=ReportedOverrides)
def list_overrides(
    pricing: Pricing, provider: ProviderFilter = None, model: ModelFilter = None
) -> dict[str, Any]:
    """The current and future overrides, and whether the provider's rates have changed since."""
    report = pricing.override_report(provider, model)
    return {"items": [reported_json(entry, rate, moved=moved) for entry, rate, moved in report]}


@routes.post("/admin/pricing/overrides", Scope.ADMIN, response_model=Overrides)
def set_override(pricing: Pricing, body: OverrideRequest) -> dict[str, Any]:
    """Set rates that replace the provider's. Meters that are not named keep the provider's rate."""
    overrides = pricing.set_override(
        body.provider,
        body.model,
        body.rates,
        author=body.author,
        reason=body.reason,
        since=body.since,
        until=body.until,
        currency=body.currency,
    )
    return {"items": [override_json(override) for override in overrides]}


@routes.post("/admin/pricing/overrides/end", Scope.ADMIN, response_model=Overrides)
def end_override(pricing: Pricing, body: OverrideEnd) -> dict[str, Any]:
    """End overrides: the provider's rates apply again."""
    ended = pricing.end_override(body.provider, body.model, body.meters, at=body.at)
    return {"items": [override_json(override) for override in ended]}
