"""The exports: documents in other tools' formats, from memory, with validators.

Each is at an address that takes a token, and at one whose path holds a secret, for tools that send
no header. Some tools insist on a path of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, TypeAlias

from fastapi import Path, Query, Request, Response
from pydantic import Field

from pricing_sync.app import PricingSync
from pricing_sync.errors import SettingsError
from pricing_sync.json_views.base import View
from pricing_sync.serving.export_formats import FORMATS
from pricing_sync.serving.exports import Rendered, Wanted
from pricing_sync.web import schemas
from pricing_sync.web.auth import Scope
from pricing_sync.web.documents import document_response
from pricing_sync.web.problems import Problem
from pricing_sync.web.request_types import Instant, ProviderFilter
from pricing_sync.web.routes import Pricing, Routes
from pricing_sync.web.schemas import Page

routes = Routes("exports")

#: The paths that tools append to an address of ours, and the formats that they read there.
TOOL_PATHS = {
    "/api.json": "models.dev",
    "/api/v1/models": "openrouter",
    "/api/ratio_config": "new-api",
}
#: The beginning of the paths with a secret.
SECRET = "/s/{secret}"  # noqa: S105  a path

_FormatName: TypeAlias = Annotated[
    str,
    Path(
        alias="format",
        description="The tool, or the kind of file.",
        json_schema_extra={"enum": [*FORMATS]},
    ),
]
_At: TypeAlias = Annotated[Instant | None, Query(description="The prices of this instant.")]
_Currency: TypeAlias = Annotated[
    str | None,
    Query(
        pattern="^[A-Za-z]{3}$", description="Cards of other currencies are converted to this one."
    ),
]
_Provider: TypeAlias = Annotated[str, Path(max_length=200, description="A provider's id.")]
_MEDIA_TYPES = sorted({format_.media_type.partition(";")[0] for format_ in FORMATS.values()})
#: The responses of every document but the document itself.
DOCUMENT_RESPONSES: dict[int | str, dict[str, Any]] = {
    304: {"description": "The document is the one that the client has."},
    404: {"model": schemas.Problem, "description": "Not found."},
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The document. `X-Pricing-Left-Out` counts what the format cannot say.",
        "content": {media_type: {"schema": {}} for media_type in _MEDIA_TYPES},
    },
    **DOCUMENT_RESPONSES,
}
_DIGEST_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The SHA-256 of the document, in hexadecimal.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    },
}


class LeftOut(View):
    """Something that the format cannot say of a price."""

    provider: str
    model: str
    part: str = Field(description="What is left out: `model`, `condition` or `meter`.")
    why: str


class LeftOuts(Page[LeftOut]):
    """What a format leaves out, and of how many models it has a price."""

    models: int
    revision: str
    converted: list[str] = Field(
        description="The exchange rates by which cards were converted, with their days."
    )


class _Document(Response):
    """A response whose media types are documented by themselves."""


@routes.get("/export/{format}/report", Scope.READ, response_model=LeftOuts)
async def export_report(
    pricing: Pricing,
    name: _FormatName,
    provider: ProviderFilter = None,
    at: _At = None,
    currency: _Currency = None,
) -> dict[str, Any]:
    """What the format cannot say of the prices, by name: it is not in the document."""
    rendered = await rendered_export(pricing, Wanted(name, provider, at, _code(currency)))
    return {
        "items": [entry._asdict() for entry in rendered.left_out],
        "next": None,
        "models": rendered.models,
        "revision": rendered.revision,
        "converted": [str(rate) for rate in rendered.rates],
    }


async def export_digest(
    pricing: Pricing,
    name: _FormatName,
    provider: ProviderFilter = None,
    at: _At = None,
    currency: _Currency = None,
) -> Response:
    """The SHA-256 of an export, for tools that compare it before they download."""
    rendered = await rendered_export(pricing, Wanted(name, provider, at, _code(currency)))
    return Response(f"{rendered.sha256}\n", media_type="text/plain", headers=_head(rendered))


async def export(
    pricing: Pricing,
    request: Request,
    name: _FormatName,
    provider: ProviderFilter = None,
    at: _At = None,
    currency: _Currency = None,
) -> Response:
    """The current prices in another tool's format."""
    return export_response(
        await rendered_export(pricing, Wanted(name, provider, at, _code(currency))), request
    )


async def export_portkey_file(pricing: Pricing, request: Request, provider: _Provider) -> Response:
    """Portkey's file of one provider."""
    return export_response(await rendered_export(pricing, Wanted("portkey", provider)), request)


def _tool_endpoint(name: str) -> Callable[..., Any]:
    async def endpoint(
        pricing: Pricing,
        request: Request,
        provider: ProviderFilter = None,
        currency: _Currency = None,
    ) -> Response:
        wanted = Wanted(name, provider, None, _code(currency))
        return export_response(await rendered_export(pricing, wanted), request)

    endpoint.__name__ = f"export_{name.replace('.', '_').replace('-', '_')}_path"
    endpoint.__doc__ = f"The export `{name}`, at the path where its readers ask for it."
    return endpoint


def _declare(path: str, endpoint: Callable[..., Any], responses: Any = _RESPONSES) -> None:
    """Declare a document for a token, and below the secret for tools that send none."""
    options: dict[str, Any] = {"response_class": _Document, "responses": responses}
    routes.get(path, Scope.READ, **options)(endpoint)
    routes.get(SECRET + path, Scope.EXPORT_SECRET, **options)(_copy(endpoint))


def _copy(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """The same endpoint as another function: the scope of a route is that of its endpoint."""

    @wraps(endpoint)
    async def below_secret(*arguments: Any, **named: Any) -> Any:
        return await endpoint(*arguments, **named)

    below_secret.__name__ = f"{endpoint.__name__}_below_secret"
    return below_secret


async def rendered_export(pricing: PricingSync, wanted: Wanted) -> Rendered:
    """The document, from memory; or rendered in a thread, so that the event loop does not wait.

    Raises:
        UnknownName: there is no such format, or the provider has no prices.
        Problem: 404 if the format cannot be written here; the detail says what is missing.
    """
    found = pricing.exports.in_memory(wanted)
    if found is not None:
        return found
    try:
        return await asyncio.to_thread(pricing.exports.get, wanted)
    except SettingsError as error:
        raise Problem(404, str(error)) from None


def export_response(rendered: Rendered, request: Request) -> Response:
    """The document as the client takes it; 304 if it has it."""
    return document_response(rendered, request, rendered.media_type, _head(rendered))


def _code(currency: str | None) -> str | None:
    return None if currency is None else currency.upper()


def _head(rendered: Rendered) -> dict[str, str]:
    return {
        "Cache-Control": "private, no-cache",
        "X-Pricing-Left-Out": str(len(rendered.left_out)),
        "X-Pricing-Revision": rendered.revision,
        **({"X-Pricing-Converted": "; ".join(map(str, rendered.rates))} if rendered.rates else {}),
    }


_declare("/export/{format}.sha256", export_digest, _DIGEST_RESPONSES)
_declare("/export/{format}", export)
_declare("/pricing/{provider}.json", export_portkey_file)
for _path, _name in TOOL_PATHS.items():
    _declare(_path, _tool_endpoint(_name))
