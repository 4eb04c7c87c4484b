"""Rates that a person sets in place of a provider's."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from pricing_sync.json_views import override_json, reported_json
from pricing_sync.prices.rates import Meter
from pricing_sync.web.auth import Scope
from pricing_sync.web.request_types import (
    Instant,
    Name,
    OfModel,
    OfProvider,
    RateText,
    Reason,
    RequestBody,
)
from pricing_sync.web.routes import Pricing, Routes
from pricing_sync.web.schemas import Overrides, ReportedOverrides

routes = Routes("overrides")


class OverrideRequest(RequestBody):
    """The rates to charge, the currency per million units."""

    provider: Name
    model: Name
    rates: Annotated[dict[Meter, RateText], Field(min_length=1)] = Field(
        examples=[{"input": "2.5", "output": "10"}]
    )
    reason: Reason
    author: Name
    since: Instant | None = Field(default=None, description="By default now.")
    until: Instant | None = Field(default=None, description="By default without an end.")
    currency: str | None = Field(
        default=None, pattern="^[A-Z]{3}$", description="By default the card's.", examples=["USD"]
    )


class OverrideEnd(RequestBody):
    """What to end."""

    provider: Name
    model: Name
    meters: list[Meter] = Field(default=[], description="By default all.")
    at: Instant | None = Field(default=None, description="By default now.")


@routes.get("/admin/pricing/overrides", Scope.READ, response_model=ReportedOverrides)
def list_overrides(
    pricing: Pricing, provider: OfProvider = None, model: OfModel = None
) -> dict[str, Any]:
    """The overrides in force or to come, and where the provider has moved since."""
    report = pricing.override_report(provider, model)
    return {"items": [reported_json(entry, rate, moved=moved) for entry, rate, moved in report]}


@routes.post("/admin/pricing/overrides", Scope.ADMIN, response_model=Overrides)
def set_override(pricing: Pricing, wanted: OverrideRequest) -> dict[str, Any]:
    """Charge these rates, whatever the provider says. Meters left out inherit."""
    made = pricing.set_override(
        wanted.provider,
        wanted.model,
        wanted.rates,
        author=wanted.author,
        reason=wanted.reason,
        since=wanted.since,
        until=wanted.until,
        currency=wanted.currency,
    )
    return {"items": [override_json(override) for override in made]}


@routes.post("/admin/pricing/overrides/end", Scope.ADMIN, response_model=Overrides)
def end_override(pricing: Pricing, wanted: OverrideEnd) -> dict[str, Any]:
    """Charge what the provider says again."""
    ended = pricing.end_override(wanted.provider, wanted.model, wanted.meters, at=wanted.at)
    return {"items": [override_json(override) for override in ended]}
