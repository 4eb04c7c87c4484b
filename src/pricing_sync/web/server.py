"""The routes as an app of their own."""

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
from pricing_sync.web.problems import MEDIA_TYPE, Problem, problem_of
from pricing_sync.web.router import SUBJECTS
from pricing_sync.web.routes import Routes, build

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

_document = Routes("document")


def standalone(pricing: PricingSync) -> FastAPI:
    """An app that opens *pricing* when it starts, and serves nothing else."""
    app = _App(
        title="pricing-sync",
        summary="The prices that an LLM gateway bills by, and how they are kept true.",
        version=VERSION,
        lifespan=pricing.lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    declared = [route for subject in (*SUBJECTS, _document) for route in subject.declared]
    app.include_router(build(pricing, declared))
    app.add_middleware(_SecurityHeaders)
    app.add_exception_handler(HTTPException, _answer)
    app.add_exception_handler(Exception, _answer)
    return app


class _App(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """The document, in which errors have the type that they are sent with. FastAPI says of
        every answer of a route that it has the type of its best."""
        if self.openapi_schema is None:
            for path in super().openapi()["paths"].values():
                for operation in path.values():
                    for response in operation["responses"].values():
                        response["content"] = _typed(response["content"])
        return super().openapi()


def _typed(content: Mapping[str, Any]) -> dict[str, Any]:
    return {
        MEDIA_TYPE if described["schema"].get("$ref", "").endswith("/Problem") else said: described
        for said, described in content.items()
    }


@_document.get("/openapi.json", Scope.READ, include_in_schema=False)
def openapi_document(request: Request) -> dict[str, Any]:
    """This interface, as OpenAPI has it."""
    found: dict[str, Any] = request.app.openapi()
    return found


async def _answer(_request: Request, error: Exception) -> Response:
    """What is answered where no route of ours is, or where one has a bug."""
    if isinstance(error, HTTPException):
        return problem_of(error).response()
    return Problem(500, "something is wrong here; the log says what").response()


class _SecurityHeaders:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_on)
