"""Probes for orchestrators, and metrics for Prometheus."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Header, Response

from pricing_sync.app import PricingSync
from pricing_sync.errors import StoreError
from pricing_sync.observe.metrics import PricingMetrics
from pricing_sync.prices.age import age_seconds
from pricing_sync.web.auth import Scope
from pricing_sync.web.routes import Pricing, Routes
from pricing_sync.web.schemas import Health, Ready

routes = Routes("probes")

READY_SECONDS = 2.0
_TEXT = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}


class _Text(Response):
    media_type = "text/plain"


@routes.get("/health", Scope.PUBLIC, response_model=Health)
async def health() -> dict[str, Any]:
    """Whether the process responds."""
    return {"status": "ok"}


@routes.get(
    "/ready",
    Scope.PUBLIC,
    response_model=Ready,
    responses={503: {"model": Ready, "description": "The database does not respond."}},
)
async def ready(pricing: Pricing, response: Response) -> dict[str, Any]:
    """Whether the database responds. A provider that is down does not make the service unready."""
    try:
        async with asyncio.timeout(READY_SECONDS):
            return await asyncio.to_thread(_freshness, pricing)
    except (StoreError, TimeoutError, RuntimeError):  # RuntimeError: *pricing* is not open yet
        response.status_code = 503
        return {
            "ready": False,
            "book_revision": None,
            "book_learned_by": None,
            "oldest_reading_seconds": None,
            "never_read": None,
        }


def _freshness(pricing: PricingSync) -> dict[str, Any]:
    now, successes = datetime.now(UTC), pricing.store.latest_successes()
    read_at = [successes[name] for name in pricing.settings.providers if name in successes]
    skipped = pricing.store.skipped()
    expected = [name for name in pricing.settings.providers if name not in skipped]
    return {
        "ready": True,
        "book_revision": pricing.book_revision,
        "book_learned_by": pricing.book_learned_by,
        "oldest_reading_seconds": age_seconds(min(read_at, default=None), now),
        "never_read": sum(name not in successes for name in expected),
    }


@routes.get("/metrics", Scope.READ, response_class=_Text, responses=_TEXT)
def metrics(
    pricing: Pricing, accept: Annotated[str, Header(include_in_schema=False)] = ""
) -> Response:
    """The metrics, for Prometheus."""
    content, content_type = collector(pricing).render(accept)
    return Response(content, headers={"Content-Type": content_type})


def collector(pricing: PricingSync) -> PricingMetrics:
    """The metrics of *pricing* as a collector, for the host's registry: `registry.register(…)`."""
    settings = pricing.settings
    return PricingMetrics(
        pricing.store,
        settings.providers,
        is_running=lambda: pricing.is_running and pricing.reads,
        unpriced=lambda: pricing.unpriced,
        plan=settings.plan,
        book_revision=lambda: pricing.book_revision,
        stale_since=lambda: pricing.stale_since,
        book_unconfirmed=lambda: pricing.book_unconfirmed_seconds,
        left_out=lambda: pricing.exports.left_out,
        most_drift=pricing.usage.most_drift,
        pushes=pricing.push_states,
        exchanges=settings.exchange_rates or settings.export_currency is not None,
        webhooks=pricing.webhooks,
    )
