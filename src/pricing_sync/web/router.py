"""The router of all routes."""

from __future__ import annotations

from fastapi import APIRouter

from pricing_sync.app import PricingSync
from pricing_sync.web import (
    announcements,
    book,
    exports,
    held,
    models,
    overrides,
    prices,
    probes,
    providers,
    rollback,
    runs,
    scheduler,
    usage,
    webhooks,
)
from pricing_sync.web.routes import add_routes

#: A request tries the routes one after the other, so those that are requested most come first.
SUBJECTS = tuple(
    subject.routes
    for subject in (
        prices,
        book,
        exports,
        models,
        probes,
        scheduler,
        runs,
        providers,
        held,
        overrides,
        announcements,
        rollback,
        usage,
        webhooks,
    )
)


def router(pricing: PricingSync) -> APIRouter:
    """All routes, to be included in a host's app under any prefix.

    The routes answer their own errors; the host's error handlers are not called.
    """
    found = APIRouter()
    add_routes(found, pricing, (route for subject in SUBJECTS for route in subject.declared))
    return found
