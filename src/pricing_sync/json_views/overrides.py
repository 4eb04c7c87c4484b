"""A person's overrides."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from pricing_sync.json_views.base import Condition, Instant, RateText, View
from pricing_sync.prices.overrides import OverrideState
from pricing_sync.prices.rates import Rate
from pricing_sync.prices.statements import MeterOverride


class Override(View):
    """A person's rate for one meter."""

    id: str
    provider: str
    model: str
    meter: str
    rate: RateText
    currency: str
    since: Instant
    until: Instant | None
    author: str
    reason: str
    upstream_when_set: RateText | None = Field(validation_alias="upstream_rate")
    layer: int = Field(
        description="Of the overrides of a rate in force, the one in the highest layer counts."
    )
    when: Condition | None = Field(description="The condition; null for the base rate.")
    flat: bool = Field(
        validation_alias="is_flat",
        description="Whether the rate holds under every condition of the card.",
    )


class ReportedOverride(Override):
    """An override, compared with the provider's rate now."""

    upstream_now: RateText | None
    upstream_moved: bool
    state: str = Field(
        description="`in_force`; `covered` by a newer override; `waiting` while the card is in"
        " another currency; or `to_come`.",
    )

    @classmethod
    def of(
        cls, override: MeterOverride, upstream: Rate | None, state: OverrideState, *, moved: bool
    ) -> Self:
        """The override with its state, the provider's rate now, and whether that has changed."""
        return cls(
            **dict(Override.model_validate(override)),
            upstream_now=None if upstream is None else str(upstream),
            upstream_moved=moved,
            state=state,
        )
