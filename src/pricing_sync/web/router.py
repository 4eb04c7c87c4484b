"""The router of all routes."""

from __future__ import annotations

from fastapi import APIRouter

from pricing_sync.app import PricingSync
from pricing_sync.web import (
    announcements,
    exports,
    held,
    models,
    overrides,
    prices,
    probes,
    providers,
    runs,
    scheduler,
)
from pricing_sync.web.routes import build

SUBJECTS = tuple(
    subject.routes
    for subject in (
        scheduler,
        runs,
        providers,
        held,
        overrides,
        announcements,
        prices,
        models,
        exports,
        probes,
    )
)


def router(pricing: PricingSync) -> APIRouter:
    """All routes, to be included in a host's app under any prefix.

    The routes answer their own errors; the host's error handlers are not called.
    """
    return build(pricing, (route for subject in SUBJECTS for route in subject.declared))
