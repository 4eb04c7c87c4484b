"""The endpoints that events are sent to, and what they did not take."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from pricing_sync.json_views.base import Instant, View
from pricing_sync.store.deliveries import Delivery, EndpointStatus


class WebhookView(View):
    """An endpoint and its queue."""

    name: str
    kind: str = Field(examples=["webhook"], description="`webhook` or `apprise`.")
    where: str = Field(description="The scheme and host; the rest may be secret.")
    events: list[str]
    providers: list[str] = Field(description="Empty for all.")
    disabled_at: Instant | None = Field(description="When it said that it is gone (410).")
    pending: int = Field(description="Events that wait to be sent.")
    oldest_pending: Instant | None
    dead_letters: int = Field(description="Events that it did not take for a day.")
    delivered: int
    failed: int = Field(description="Attempts that failed.")
    last_delivered_at: Instant | None
    failures: int = Field(description="Failed attempts in a row.")
    error: str | None = Field(description="Why the last attempt failed; null after a success.")
    paused_until: Instant | None = Field(description="Until then nothing is sent.")

    @classmethod
    def of(cls, status: EndpointStatus) -> Self:
        state, counts = status.state, status.counts
        return cls(
            name=status.name,
            kind=status.kind,
            where=status.where,
            events=[kind.value for kind in status.events],
            providers=list(status.providers),
            disabled_at=state.disabled_at,
            pending=counts.waiting,
            oldest_pending=counts.oldest,
            dead_letters=counts.dead,
            delivered=state.delivered,
            failed=state.failed,
            last_delivered_at=state.last_delivered_at,
            failures=state.failures,
            error=state.error,
            paused_until=state.paused_until,
        )


class DeadLetter(View):
    """An event that an endpoint did not take."""

    event: str = Field(description="The id of the event, the `webhook-id` of each attempt.")
    kind: str = Field(examples=["price.changed"])
    created_at: Instant
    attempts: int
    ended_at: Instant | None = Field(description="When it became a dead letter.")
    error: str | None = Field(description="Why the last attempt failed.")

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        event = delivery.event
        return cls(
            event=event.id,
            kind=event.kind.value,
            created_at=event.created_at,
            attempts=delivery.attempts,
            ended_at=delivery.ended_at,
            error=delivery.error,
        )
