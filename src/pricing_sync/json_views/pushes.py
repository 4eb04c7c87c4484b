"""The nodes that prices are pushed to."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from pricing_sync.json_views.base import Instant, View
from pricing_sync.prices.age import age_seconds
from pricing_sync.store.pushes import PushStatus


class PushView(View):
    """What is known of one node."""

    target: str
    kind: str = Field(examples=["litellm"])
    is_behind: bool = Field(description="Whether it is not known to have the prices in force.")
    revision: str | None = Field(description="The ledger's revision that it was last known to have")
    checked_at: Instant | None = Field(description="When it was last known to have it.")
    behind_since: Instant | None
    behind_seconds: int | None = Field(description="Null if not behind, or not tried yet.")
    failures: int = Field(description="Failed pushes in a row.")
    error: str | None = Field(description="Why the last push failed; null after a success.")
    next_at: Instant = Field(description="When it is pushed to or checked next.")

    @classmethod
    def of(cls, status: PushStatus, now: datetime) -> PushView:
        """The view of a node at *now*."""
        state = status.state
        return cls(
            target=status.target,
            kind=status.kind,
            is_behind=status.is_behind,
            revision=state.revision,
            checked_at=state.checked_at,
            behind_since=state.behind_since,
            behind_seconds=age_seconds(state.behind_since, now),
            failures=state.failures,
            error=state.error,
            next_at=state.next_at,
        )
