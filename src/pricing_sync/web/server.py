"""The routes as a standalone app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from pricing_sync.app import PricingSync
from pricing_sync.version import VERSION
from pricing_sync.web.auth import Scope
from pricing_sync.web.pages import api_docs
from pricing_sync.web.pages.door import error_page
from pricing_sync.web.pages.rendering import API_DOCS
from pricing_sync.web.pages.router import add_pages
from pricing_sync.web.problems import MEDIA_TYPE, Problem, problem_of
from pricing_sync.web.router import SUBJECTS
from pricing_sync.web.routes import Routes, add_routes

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

_document = Routes("document")


def standalone(pricing: PricingSync, *, sign_in_code: str | None = None) -> FastAPI:
    """An app with these routes and the pages only. It opens *pricing* when it starts.

    `/sign-in?code=…` signs in once with *sign_in_code*.
    """
    app = _App(
        title="pricing-sync",
        summary="The prices that an LLM gateway bills by, their history, and their checks.",
        version=VERSION,
        lifespan=pricing.lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    declared = [route for subject in (*SUBJECTS, _document) for route in subject.declared]
    # Not by `include_router`: it searches the routes twice for each request.
    add_routes(app.router, pricing, declared)
    add_pages(app.router, pricing, sign_in_code, api_docs.routes.declared)
    setattr(app.state, API_DOCS, True)
    app.add_middleware(_SecurityHeaders)
    app.add_exception_handler(HTTPException, _error_response)
    app.add_exception_handler(Exception, _error_response)
    return app


class _App(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """The document, with the media type that errors are really sent with.

        FastAPI gives every response of a route the media type of its successful one.
        """
        if self.openapi_schema is None:
            for path in super().openapi()["paths"].values():
                for operation in path.values():
                    for response in operation["responses"].values():
                        if "content" in response:  # a 304 has none
                            response["content"] = _typed(response["content"])
        return super().openapi()


def _typed(content: Mapping[str, Any]) -> dict[str, Any]:
    return {
        MEDIA_TYPE if item["schema"].get("$ref", "").endswith("/Problem") else media_type: item
        for media_type, item in content.items()
    }


@_document.get("/openapi.json", Scope.READ, include_in_schema=False)
def openapi_document(request: Request) -> dict[str, Any]:
    """The OpenAPI document of this API."""
    found: dict[str, Any] = request.app.openapi()
    return found


async def _error_response(request: Request, error: Exception) -> Response:
    """The response for an unknown path, or for a bug in a route."""
    if isinstance(error, HTTPException):
        problem = problem_of(error)
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            return error_page(request, problem)
        return problem.response()
    return Problem(500, "something is wrong here; the log says what").response()


class _SecurityHeaders:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
