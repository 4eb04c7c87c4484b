"""Who may open the pages: those who signed in. Errors are pages too."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from time import time
from typing import Annotated, TypeAlias
from urllib.parse import parse_qs

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse

from pricing_sync.app import PricingSync
from pricing_sync.web.auth import Scope, TokenAuth
from pricing_sync.web.body_limit import limited
from pricing_sync.web.pages.links import Links, path_of
from pricing_sync.web.pages.rendering import SEEN, render
from pricing_sync.web.pages.session import COOKIE, Session, Sessions
from pricing_sync.web.pages.state import state_of
from pricing_sync.web.problems import Problem, problem_of
from pricing_sync.web.routes import RouteError

_SESSION, _FORM, _DOOR = "pricing_sync_session", "pricing_sync_form", "pricing_sync_door"
#: A form of all held changes of a provider is a few hundred kilobytes.
MAX_FORM_BYTES = 1_000_000
_MOST_FIELDS = 20_000

Form: TypeAlias = Mapping[str, list[str]]


class PagesDoor:
    """The door of the pages: a session, and for forms the session's own secret."""

    headers: Mapping[str, str] = {
        "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self';"
        " img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
    }

    def __init__(self, pricing: PricingSync, sign_in_code: str | None) -> None:
        settings = pricing.settings
        self._pricing = pricing
        self.auth = TokenAuth(settings)
        self.sessions = Sessions(settings)
        self.session_seconds = round(settings.session_hours * 3600)
        self._code = sign_in_code

    def take_code(self, code: str) -> bool:
        """Whether *code* is the one that signs in; it does so once."""
        if self._code is None or not hmac.compare_digest(self._code.encode(), code.encode()):
            return False
        self._code = None
        return True

    async def check(self, request: Request, scope: Scope | None) -> None:
        """Check the session, and of a form its secret; 403 if it does not allow *scope*."""
        request.scope[_DOOR] = self
        session = self.sessions.read(request.cookies.get(COOKIE, ""), time())
        request.scope[_SESSION] = session
        if scope is None:
            raise Problem(403, "this page declares no scope, so nobody may open it")
        form = await _read_form(request) if request.method == "POST" else {}
        if scope is Scope.PUBLIC:
            return
        if session is None:
            raise Problem(401, "sign in first")
        if scope is Scope.ADMIN and not session.may_write:
            raise Problem(403, "this takes the admin token; you signed in with the one that reads")
        if request.method == "POST":
            # One that is not ASCII is no secret of ours.
            sent = first(form, "csrf").encode()
            if not hmac.compare_digest(sent, session.csrf.encode()):
                raise Problem(403, "this form is of another session; go back and load it again")
        else:
            # Before the page looks, so that what changes meanwhile is told to it.
            request.scope[SEEN] = await asyncio.to_thread(state_of, self._pricing)

    def response(self, request: Request, error: RouteError) -> Response:
        problem = problem_of(error)
        if problem.status_code == 401:
            return _to_sign_in(request)
        return error_page(request, problem)


def error_page(request: Request, problem: Problem) -> Response:
    """An error for somebody with a browser."""
    response = render(request, "error.html", problem.status_code, problem=problem)
    response.headers.update({**PagesDoor.headers, **(problem.headers or {})})
    return response


async def _read_form(request: Request) -> Form:
    """The fields of a form, which is sent from one of our pages."""
    # Browsers say where a form was sent from; other clients have no session that is used unknown.
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise Problem(403, "this form was sent from another site")
    body = await limited(request, MAX_FORM_BYTES).body()
    try:
        form = parse_qs(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise Problem(400, "the form cannot be read") from None
    request.scope[_FORM] = form
    return form


def _to_sign_in(request: Request) -> Response:
    """The form to sign in, from which one gets to where one wanted to go."""
    # A link from elsewhere comes without the cookie (it is `SameSite=Strict`). Asked again by our
    # own page, the browser sends it.
    if request.method == "GET" and request.headers.get("sec-fetch-site") == "cross-site":
        return render(request, "again.html", to=_here(request))
    to = _here(request) if request.method in ("GET", "HEAD") else None
    return RedirectResponse(Links(request)("sign-in", to=to), status_code=303)


def _here(request: Request) -> str:
    path, query = path_of(request), request.url.query
    return f"{path}?{query}" if query else path


def first(form: Form, name: str, default: str = "") -> str:
    """The first value of a field, without the blanks around it."""
    return form.get(name, [default])[0].strip()


async def _form(request: Request) -> Form:
    found: Form = request.scope[_FORM]
    return found


async def _session(request: Request) -> Session | None:
    found: Session | None = request.scope[_SESSION]
    return found


async def _door(request: Request) -> PagesDoor:
    found: PagesDoor = request.scope[_DOOR]
    return found


#: The parameter types by which a page receives its form, its session, its door.
SentForm: TypeAlias = Annotated[Form, Depends(_form)]
OfSession: TypeAlias = Annotated[Session | None, Depends(_session)]
OfDoor: TypeAlias = Annotated[PagesDoor, Depends(_door)]
