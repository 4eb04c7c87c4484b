"""Usage: taken in, what has no price, and our costs beside those that providers report."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, TypeAlias

import msgspec
from fastapi import Depends, Header, Query, Request
from msgspec import Raw

from pricing_sync.errors import BadUsage
from pricing_sync.json_views.usage import (
    Reconciliation,
    UnpricedModel,
    UnpricedModels,
    UsageReceipt,
)
from pricing_sync.prices.rates import Meter
from pricing_sync.prices.reported_usage import CONVENTIONS
from pricing_sync.web.auth import Scope
from pricing_sync.web.problems import Problem
from pricing_sync.web.request_types import Cursor, ModelFilter, ProviderFilter
from pricing_sync.web.routes import Pricing, Routes

routes = Routes("usage")

MOST_ROWS = 10_000
#: A row with a provider's whole usage object is some 700 bytes.
MOST_BYTES = 16_000_000

_Days: TypeAlias = Annotated[
    int, Query(ge=1, le=400, description="How many days back from now are looked at.")
]


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    """The body: rows that are decoded one by one, so that each has its own error."""

    rows: Annotated[list[Raw], msgspec.Meta(max_length=MOST_ROWS)]


_NAME = {"type": "string", "minLength": 1, "maxLength": 200}
_ROW = {
    "type": "object",
    "description": "One request. Either `usage`, or `reported` with `as`.",
    "required": ["provider", "model", "at"],
    "additionalProperties": False,
    "properties": {
        "provider": _NAME,
        "model": _NAME,
        "at": {"type": "string", "format": "date-time", "description": "With a time zone."},
        "usage": {
            "type": "object",
            "description": "Totals by meter: cached tokens are part of `input`, reasoning of"
            " `output`.",
            "additionalProperties": False,
            "properties": {meter.value: {"type": "integer", "minimum": 0} for meter in Meter},
        },
        "reported": {
            "type": "object",
            "description": "The provider's response, or its usage object. A cost in it counts as"
            " `cost`: OpenRouter's, unless the key was one's own, and xAI's.",
        },
        "as": {"type": "string", "enum": list(CONVENTIONS)},
        "service_tier": {"type": "string", "minLength": 1, "maxLength": 100},
        "region": {"type": "string", "minLength": 1, "maxLength": 100},
        "cost": {
            "type": "string",
            "description": "What the provider says that it cost.",
            "examples": ["0.0125"],
        },
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["USD"]},
    },
}
_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["rows"],
                "additionalProperties": False,
                "properties": {"rows": {"type": "array", "maxItems": MOST_ROWS, "items": _ROW}},
            }
        }
    },
}


async def _body(request: Request) -> bytes:
    """The bytes of the body: amounts in it are read exactly, and nothing is decoded twice."""
    return await request.body()


@routes.post(
    "/v1/usage",
    Scope.ADMIN,
    response_model=UsageReceipt,
    max_bytes=MOST_BYTES,
    openapi_extra={"requestBody": _BODY},
)
def add_usage(
    pricing: Pricing,
    body: Annotated[bytes, Depends(_body)],
    idempotency_key: Annotated[
        str | None,
        Header(description="A batch that is sent again with its key counts once."),
    ] = None,
) -> dict[str, Any]:
    """Take in usage: all rows of the batch, or none when one of them is bad.

    Each row is priced as of its own time. A row without a price is no error: it is counted.
    """
    try:
        batch = msgspec.json.decode(body, type=_Batch)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(422, f"body: {error}") from None
    try:
        return pricing.usage.add(map(bytes, batch.rows), key=idempotency_key)
    except BadUsage as error:
        errors = [
            {"loc": ["body", "rows", str(number - 1)], "row": number, "msg": why}
            for number, why in error.rows
        ]
        raise Problem(422, str(error), errors=errors) from None


@routes.get("/v1/unpriced", Scope.READ, response_model=UnpricedModels)
def list_unpriced(pricing: Pricing, days: _Days = 7) -> dict[str, Any]:
    """The models in traffic without a price, those with the most requests first."""
    return {"items": map(UnpricedModel.of, pricing.usage.unpriced(timedelta(days=days)))}


@routes.get("/v1/reconcile", Scope.READ, response_model=Reconciliation)
def reconcile_costs(
    pricing: Pricing,
    provider: ProviderFilter = None,
    model: ModelFilter = None,
    days: _Days = 7,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Cursor = None,
) -> Reconciliation:
    """Our costs beside those that providers reported, and the rates that these imply."""
    found = pricing.usage.reconcile(timedelta(days=days), provider, model)
    return Reconciliation.of(found, pricing.usage.most_drift, limit, cursor)
