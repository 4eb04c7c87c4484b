"""The router of all pages."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter

from pricing_sync.app import PricingSync
from pricing_sync.web.pages import (
    assets,
    audit_log,
    changes,
    live,
    models,
    overview,
    providers,
    rejected,
    review,
    runs,
    search,
    sign_in,
)
from pricing_sync.web.pages.door import PagesDoor
from pricing_sync.web.routes import Declared, add_routes

SUBJECTS = (
    overview,
    review,
    rejected,
    changes,
    models,
    providers,
    runs,
    audit_log,
    search,
    live,
    sign_in,
    assets,
)


def declared_pages() -> Sequence[Declared]:
    """The routes of all pages."""
    return [route for subject in SUBJECTS for route in subject.routes.declared]


def dashboard(pricing: PricingSync, *, sign_in_code: str | None = None) -> APIRouter:
    """All pages, to be included in a host's app under any prefix.

    One signs in with a token of the settings, or once by `/sign-in?code=…` with *sign_in_code*.
    """
    found = APIRouter(include_in_schema=False)
    add_pages(found, pricing, sign_in_code)
    return found


def add_pages(
    router: APIRouter,
    pricing: PricingSync,
    sign_in_code: str | None,
    more: Sequence[Declared] = (),
) -> None:
    """Add the pages to a router, and *more* of them."""
    door = PagesDoor(pricing, sign_in_code)
    add_routes(router, pricing, [*declared_pages(), *more], door, prefix="page_", in_schema=False)
