"""The types of request fields: strict, and exact for money."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

from fastapi import Query
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    WithJsonSchema,
)

from pricing_sync.prices.model_ids import TIER_NAME
from pricing_sync.prices.rates import Per, Rate, When
from pricing_sync.sources.providers import CATALOG

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


class RequestBody(BaseModel):
    """The base of all request bodies. An unknown key is an error."""

    model_config = ConfigDict(extra="forbid")


def read_instant(written: Any) -> datetime:
    """The instant of `2026-07-17`, `2026-07-17T12:00` or `2026-07-17T12:00:00+02:00`.

    Without a zone it is UTC.

    Raises:
        ValueError: *written* has none of these forms, or is before 1970.
    """
    try:
        found = datetime.fromisoformat(written)
        found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("expected a date or time such as 2026-07-17T12:00Z") from None
    if found < _EARLIEST:
        raise ValueError("expected an instant after 1970")
    return found


def read_rate(written: Any) -> Rate:
    """The rate of a decimal string, in the currency per million units.

    Raises:
        ValueError: *written* is a JSON number, which may have lost digits, or is not a rate.
    """
    if not isinstance(written, str):
        raise ValueError('expected a decimal in a string, such as "2.5"')  # noqa: TRY004  pydantic's
    return Rate.of(written, Per.MILLION)


Instant: TypeAlias = Annotated[
    datetime,
    BeforeValidator(read_instant),
    WithJsonSchema(
        {"type": "string", "examples": ["2026-07-17", "2026-07-17T12:00:00Z"], "maxLength": 40}
    ),
]
RateText: TypeAlias = Annotated[
    Any,
    BeforeValidator(read_rate),
    WithJsonSchema({"type": "string", "examples": ["2.5"], "pattern": r"^[0-9]+(\.[0-9]+)?$"}),
]
#: The name of a provider, a model or a person.
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
Reason: TypeAlias = Annotated[str, Field(min_length=1, max_length=2000)]

ProviderFilter: TypeAlias = Annotated[
    str | None,
    Query(max_length=200, description="Only this provider."),
    AfterValidator(lambda name: name and name.removeprefix(CATALOG)),
]
ModelFilter: TypeAlias = Annotated[
    str | None, Query(max_length=200, description="Only this model.")
]
Cursor: TypeAlias = Annotated[
    str | None, Query(max_length=500, description="The `next` of the previous page.")
]


class Condition(RequestBody):
    """The condition of a rate, if it is not the card's base rate."""

    min_input_tokens: StrictInt | None = Field(default=None, ge=0, le=10**12)
    service_tier: Annotated[str, Field(pattern=f"^{TIER_NAME}$")] | None = None
    region: Name | None = None


def read_condition(written: Condition | None) -> When | None:
    """The condition; None for the base rate."""
    when = When(**written.model_dump()) if written else When()
    return None if when == When() else when
