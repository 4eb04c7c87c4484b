"""The documentation of the API: Swagger UI from a package, shown without another host's help."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from fastapi import Path, Request, Response

from pricing_sync.serving.packed import Packed
from pricing_sync.web.auth import Scope
from pricing_sync.web.documents import document_response
from pricing_sync.web.pages.assets import HEADERS
from pricing_sync.web.pages.rendering import render
from pricing_sync.web.problems import Problem
from pricing_sync.web.routes import Routes

#: Only of an app of our own: the document is that of the whole app.
routes = Routes("pages")

_MEDIA_TYPES = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}


@routes.get("/docs", Scope.READ)
def api_docs(request: Request) -> Response:
    """Every operation of the API, with a form to try it."""
    return render(request, "api_docs.html")


@routes.get("/docs/openapi.json", Scope.READ)
def api_document(request: Request) -> dict[str, Any]:
    """The OpenAPI document, for a browser that has signed in."""
    found: dict[str, Any] = request.app.openapi()
    return found


@routes.get("/docs/{name}", Scope.PUBLIC)
async def api_docs_asset(request: Request, name: Annotated[str, Path(max_length=100)]) -> Response:
    """A file of Swagger UI."""
    document = _assets().get(name)
    if document is None:
        raise Problem(404, "there is no such file")
    return document_response(document, request, _MEDIA_TYPES[name], HEADERS)


@cache
def _assets() -> Mapping[str, Packed]:
    folder = files("fastapi_swagger") / "resources"
    return {name: Packed((folder / name).read_bytes()) for name in _MEDIA_TYPES}
