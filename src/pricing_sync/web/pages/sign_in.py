"""Signing in and out."""

from __future__ import annotations

from time import time
from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse

from pricing_sync.web.auth import Scope
from pricing_sync.web.pages.door import OfDoor, OfSession, PagesDoor, SentForm, first
from pricing_sync.web.pages.links import Links
from pricing_sync.web.pages.rendering import render
from pricing_sync.web.pages.session import COOKIE
from pricing_sync.web.routes import Routes

routes = Routes("pages")

#: The author of what somebody decides who gave no name.
_NOBODY = "admin"
_LONGEST_NAME = 80


@routes.get("/sign-in", Scope.PUBLIC)
def sign_in(
    request: Request,
    door: OfDoor,
    session: OfSession,
    to: Annotated[str, Query(max_length=2000)] = "",
    code: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """The form; with the code that `serve` prints, signs in at once."""
    if code and door.take_code(code):
        return _open_session(request, door, Scope.ADMIN, _NOBODY, to)
    if session is not None:
        return RedirectResponse(_local(request, to), status_code=303)
    error = "That address has been used: it signs in once." if code else ""
    return render(request, "sign_in.html", to=to, error=error)


@routes.post("/sign-in", Scope.PUBLIC)
def open_session(request: Request, door: OfDoor, form: SentForm) -> Response:
    """Signs in with a token."""
    to = first(form, "to")
    scope = door.auth.scope_of(first(form, "token").encode() or None)
    if scope is not None:
        author = first(form, "author")[:_LONGEST_NAME] or _NOBODY
        return _open_session(request, door, scope, author, to)
    too_many = door.auth.too_many(request)
    if too_many is not None:
        raise too_many
    return render(request, "sign_in.html", 403, to=to, error="That is not one of the tokens.")


@routes.post("/sign-out", Scope.READ)
def close_session(request: Request) -> Response:
    """Signs out."""
    links = Links(request)
    response = RedirectResponse(links("sign-in"), status_code=303)
    response.delete_cookie(COOKIE, path=links())
    return response


def _open_session(
    request: Request, door: PagesDoor, scope: Scope, author: str, to: str
) -> Response:
    response = RedirectResponse(_local(request, to), status_code=303)
    response.set_cookie(
        COOKIE,
        door.sessions.cookie(scope, author, round(time()) + door.session_seconds),
        max_age=door.session_seconds,
        path=Links(request)(),
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


def _local(request: Request, to: str) -> str:
    """*to* if it is a page of ours, else the overview."""
    home = Links(request)()
    plain = to.isascii() and to.isprintable() and "\\" not in to
    return to if plain and to.startswith(home) and not to.startswith("//") else home
