"""Rolling a provider back to what was believed at an instant."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from pricing_sync.json_views.changes import Rollback
from pricing_sync.web.auth import Scope
from pricing_sync.web.request_types import Instant, Name, Reason, RequestBody
from pricing_sync.web.routes import Pricing, Routes
from pricing_sync.web.schemas import Rollbacks

routes = Routes("rollback")


class RollbackRequest(RequestBody):
    """The provider, and the instant whose prices it gets again."""

    provider: Name
    to: Instant
    model: Name | None = Field(default=None, description="Only this model.")
    reason: Reason
    author: Name
    dry_run: bool = Field(default=False, description="Only show what would be done.")


@routes.post("/admin/pricing/rollback", Scope.ADMIN, response_model=Rollbacks)
def roll_back(pricing: Pricing, body: RollbackRequest) -> dict[str, Any]:
    """Put a provider's prices of an instant in force again, as they were known then.

    They hold from that instant on. What came after counts as rejected and stays in the history.
    """
    done = pricing.rollback(
        body.provider,
        body.to,
        model=body.model,
        author=body.author,
        reason=body.reason,
        dry_run=body.dry_run,
    )
    return {"dry_run": body.dry_run, "items": [Rollback.model_validate(one) for one in done]}
