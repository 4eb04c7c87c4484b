"""What is asked, and how it is read: strictly, and exact where it is money."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

from fastapi import Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from pricing_sync.prices.rates import Per, Rate

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


class RequestBody(BaseModel):
    """The base of all bodies. A key that nobody reads is a mistake."""

    model_config = ConfigDict(extra="forbid")


def read_instant(written: Any) -> datetime:
    """`2026-07-17`, `2026-07-17T12:00` or `2026-07-17T12:00:00+02:00`; UTC if it says no zone.

    Raises:
        ValueError: it is none of these, or before 1970.
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
    """A rate as people write it: the currency per million units, in a string.

    Raises:
        ValueError: it is a number, which may have lost the price on its way, or no rate.
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
#: Of a provider, a model, a person.
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
Reason: TypeAlias = Annotated[str, Field(min_length=1, max_length=2000)]

OfProvider: TypeAlias = Annotated[
    str | None, Query(max_length=200, description="Only this provider.")
]
OfModel: TypeAlias = Annotated[str | None, Query(max_length=200, description="Only this model.")]
Cursor: TypeAlias = Annotated[
    str | None, Query(max_length=500, description="`next` of the page before.")
]
