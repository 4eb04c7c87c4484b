"""Who decided what, when and why."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from pricing_sync.web.auth import Scope
from pricing_sync.web.pages.rendering import render
from pricing_sync.web.routes import Pricing, Routes

routes = Routes("pages")

_SHOWN = 100


@routes.get("/audit-log", Scope.READ)
def audit_log(
    pricing: Pricing, request: Request, before: Annotated[str | None, Query(max_length=100)] = None
) -> Response:
    """The decisions of people, newest first."""
    found = pricing.audit_log(_SHOWN + 1, before)
    return render(
        request,
        "audit_log.html",
        entries=found[:_SHOWN],
        before=before,
        next_before=found[_SHOWN - 1].id if len(found) > _SHOWN else None,
    )
