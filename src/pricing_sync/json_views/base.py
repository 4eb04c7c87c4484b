"""What the answers are made of: instants, rates, conditions, listings."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from pricing_sync.prices.card_json import write_instant, write_listing, write_when
from pricing_sync.prices.rates import RateCard, Unpriced, When


class View(BaseModel):
    """An answer or a part of one. Any of them may get more keys later.

    Where the names are the same, a view is made from a record by `model_validate`.
    """

    # Most programs need only a few of the views: each one is built when it is first used.
    model_config = ConfigDict(
        extra="allow", from_attributes=True, populate_by_name=True, defer_build=True
    )


#: ISO 8601, UTC, exact.
Instant: TypeAlias = Annotated[
    datetime,
    PlainSerializer(write_instant, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-01-26T12:00:00Z"]}),
]
#: A `Rate` as a decimal string: the currency per million units.
RateText: TypeAlias = Annotated[str, BeforeValidator(str)]


def _written_condition(when: object) -> object:
    return write_when(when) if isinstance(when, When) else when


#: A `When` without the parts that are None.
Condition: TypeAlias = Annotated[dict[str, Any], BeforeValidator(_written_condition)]

Rates: TypeAlias = Annotated[
    dict[str, str],
    Field(description="The currency per million units.", examples=[{"input": "2.5"}]),
]


class Conditional(View):
    """Rates that replace the base rates of their meters when the condition holds."""

    when: dict[str, Any]
    rates: Rates


class Listing(View):
    """A provider's listing of a model: its rates, or `unpriced` with the reason."""

    rates: Rates | None
    currency: str | None = None
    conditional_rates: list[Conditional] = []
    unpriced: str | None = None
    note: str | None = None


def _written_listing(listing: object) -> object:
    return write_listing(listing) if isinstance(listing, RateCard | Unpriced) else listing


#: A `RateCard` or an `Unpriced`.
Listed: TypeAlias = Annotated[Listing, BeforeValidator(_written_listing)]
