"""Routes with their checks: scope first, then body size; every error becomes a response."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypeAlias, TypeVar

from fastapi import APIRouter, Depends, Path, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from pricing_sync.app import PricingSync
from pricing_sync.errors import PricingSyncError
from pricing_sync.settings import Settings
from pricing_sync.web.auth import Scope, TokenAuth
from pricing_sync.web.body_limit import MAX_BODY_BYTES, limited
from pricing_sync.web.problems import problem_of
from pricing_sync.web.schemas import Problem

Endpoint: TypeAlias = Callable[..., Any]
RouteError: TypeAlias = PricingSyncError | HTTPException | RequestValidationError
#: The response to a request without a query, from what is in memory, given the path's parameters;
#: None when the endpoint has to find it.
Direct: TypeAlias = Callable[..., Response | None]
_Handler: TypeAlias = Callable[[Request], Coroutine[Any, Any, Response]]
_E = TypeVar("_E", bound=Endpoint)

_PRICING = "pricing_sync"
# Only for the document: `TokenAuth` checks the header before FastAPI reads anything.
_BEARER = HTTPBearer(
    scheme_name="bearer",
    auto_error=False,
    description="The admin token, or for reading the read token.",
)
_PROBLEMS = {
    400: "The request cannot be carried out.",
    401: "The token is missing or wrong.",
    403: "The token does not allow this.",
    404: "Not found.",
    409: "The state has changed in the meantime.",
    413: "The body is too large.",
    422: "The request does not match this document.",
    429: "Too many requests without a valid token.",
    503: "The database cannot be used.",
}


@dataclass(frozen=True, slots=True)
class Declared:
    """A route with its scope."""

    method: str
    path: str
    scope: Scope
    endpoint: Endpoint
    direct: Direct | None
    more: Mapping[str, Any]
    #: The largest body.
    max_bytes: int = MAX_BODY_BYTES


class Door(Protocol):
    """Who may use some routes, and what others get."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What every response has, unless the route says otherwise."""

    async def check(self, request: Request, scope: Scope | None) -> None:
        """Check that a request may use a route of this scope; None is that of nobody.

        Raises:
            HTTPException: it may not.
        """

    def response(self, request: Request, error: RouteError) -> Response:
        """The response for an error."""


class ApiDoor:
    """The door of the API: a token in a header; errors are problem documents."""

    headers: Mapping[str, str] = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}

    def __init__(self, settings: Settings) -> None:
        self._auth = TokenAuth(settings)

    async def check(self, request: Request, scope: Scope | None) -> None:
        self._auth.check(request, scope)

    def response(self, request: Request, error: RouteError) -> Response:  # noqa: ARG002
        return problem_of(error).response()


class Routes:
    """The routes of one subject. Each is declared with a scope."""

    def __init__(self, tag: str) -> None:
        self._tag = tag
        self.declared: list[Declared] = []

    def get(
        self, path: str, scope: Scope, *, direct: Direct | None = None, **more: Any
    ) -> Callable[[_E], _E]:
        """Declare a route that reads. *direct* is tried first, in the event loop."""
        return self._declare("GET", path, scope, more, direct)

    def post(
        self, path: str, scope: Scope, *, max_bytes: int = MAX_BODY_BYTES, **more: Any
    ) -> Callable[[_E], _E]:
        """Declare a route that writes."""
        return self._declare("POST", path, scope, more, max_bytes=max_bytes)

    def _declare(
        self,
        method: str,
        path: str,
        scope: Scope,
        more: Mapping[str, Any],
        direct: Direct | None = None,
        max_bytes: int = MAX_BODY_BYTES,
    ) -> Callable[[_E], _E]:
        def declare(endpoint: _E) -> _E:
            options = {"tags": [self._tag], **more}
            self.declared.append(
                Declared(method, path, scope, endpoint, direct, options, max_bytes)
            )
            return endpoint

        return declare


def add_routes(
    router: APIRouter,
    pricing: PricingSync,
    declared: Iterable[Declared],
    door: Door | None = None,
    *,
    prefix: str = "",
    in_schema: bool = True,
) -> None:
    """Add these routes to a router, behind *door*, by default that of the API.

    A request tries them in this order. *prefix* is that of their names.
    """
    routes, door = list(declared), door or ApiDoor(pricing.settings)
    router.route_class = _guarded(pricing, {route.endpoint: route for route in routes}, door)
    for route in routes:
        router.add_api_route(
            route.path,
            route.endpoint,
            methods=[route.method],
            operation_id=f"pricing_{route.endpoint.__name__}",
            # The prefix prevents a collision with a route name of the host.
            name=f"pricing_{prefix}{route.endpoint.__name__}",
            summary=route.endpoint.__name__.replace("_", " ").capitalize(),
            dependencies=_documented(route.scope),
            **{"include_in_schema": in_schema, **route.more, "responses": _responses(route)},
        )
    for route in routes:
        if route.method == "GET":
            # Not in the document: it would repeat every operation.
            router.add_api_route(
                route.path,
                route.endpoint,
                methods=["HEAD"],
                name=f"pricing_head_{prefix}{route.endpoint.__name__}",
                **{**route.more, "include_in_schema": False},
            )


def _guarded(
    pricing: PricingSync, routes: Mapping[Endpoint, Declared], door: Door
) -> type[APIRoute]:
    """The class of routes that check who asks before anything else."""

    class Guarded(APIRoute):
        def get_route_handler(self) -> _Handler:
            handler, declared = super().get_route_handler(), routes.get(self.endpoint)
            scope, direct = (declared.scope, declared.direct) if declared else (None, None)
            max_bytes = declared.max_bytes if declared else MAX_BODY_BYTES

            async def guarded(request: Request) -> Response:
                response = None
                try:
                    await door.check(request, scope)
                    if direct is not None and not request.scope["query_string"]:
                        response = direct(pricing, **request.path_params)
                    if response is None:
                        request.scope[_PRICING] = pricing
                        response = await handler(limited(request, max_bytes))
                except (PricingSyncError, HTTPException, RequestValidationError) as error:
                    response = door.response(request, error)
                for name, value in door.headers.items():
                    response.headers.setdefault(name, value)
                return _without_body(response) if request.method == "HEAD" else response

            return guarded

    return Guarded


def _without_body(response: Response) -> Response:
    """The same status and headers. A stream of events is not begun."""
    empty = Response(status_code=response.status_code)
    empty.raw_headers = response.raw_headers
    return empty


async def _pricing(request: Request) -> PricingSync:
    found: PricingSync = request.scope[_PRICING]
    return found


#: The parameter type by which an endpoint receives the `PricingSync`.
Pricing: TypeAlias = Annotated[PricingSync, Depends(_pricing)]


async def _secret_of_path(
    secret: Annotated[
        str, Path(max_length=200, description="The value of PRICING_SYNC_EXPORT_SECRET.")
    ],
) -> None:
    """Only for the document: `TokenAuth` checks the secret before FastAPI reads anything."""


def _documented(scope: Scope) -> list[Any]:
    if scope is Scope.EXPORT_SECRET:
        return [Depends(_secret_of_path)]
    return [] if scope is Scope.PUBLIC else [Security(_BEARER, scopes=[scope.value])]


def _responses(route: Declared) -> dict[int, dict[str, Any]]:
    statuses = {413} if route.scope is Scope.PUBLIC else {401, 413, 422, 429, 503}
    if route.scope is Scope.ADMIN:
        statuses |= {400, 403, 409}
    if route.scope is Scope.ADMIN or "{" in route.path:
        statuses.add(404)
    problems = {
        status: {"model": Problem, "description": text}
        for status, text in _PROBLEMS.items()
        if status in statuses
    }
    return {**problems, **route.more.get("responses", {})}
