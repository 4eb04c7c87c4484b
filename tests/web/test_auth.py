"""Access to routes: tokens, scopes, and the limit on failures."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from pricing_sync.web import router, standalone
from pricing_sync.web.auth import Failures, Scope
from pricing_sync.web.router import SUBJECTS

from server_process import ADMIN, READ, Api, caller
from service import service, settings_of

PUBLIC = {"/health", "/ready"}
DECLARED = [(route.method, route.path) for subject in SUBJECTS for route in subject.declared]
HEADERS = [
    b"",
    b" ",
    b"Bearer",
    b"Bearer ",
    b"Bearer  " + ADMIN.encode(),
    b"Bearer " + ADMIN.encode() + b" ",
    b"Bearer\t" + ADMIN.encode(),
    b"Basic " + ADMIN.encode(),
    ADMIN.encode(),
    b"Bearer ' OR 1=1--",
    b"Bearer \xc3\xa9",
    b"Bearer \xe9\xff",
    b"Bearer \x00",
    b"Bearer " + ADMIN.encode() + b"\x00",
    b"Bearer " + ADMIN[:-1].encode(),
    b"Bearer " + ADMIN.upper().encode(),
    b"Bearer " + b"a" * 1_000_000,
    b"Bearer " + ADMIN.encode() + b", Bearer " + ADMIN.encode(),
]


def filled(path: str) -> str:
    return re.sub(r"\{[^}]+\}", "anything", path)


def send_raw(app: FastAPI, headers: list[tuple[bytes, bytes]], path: str) -> tuple[int, bytes]:
    """The status and `WWW-Authenticate` of the response to headers that no client would send."""
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body must not be read")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "root_path": "",
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
    }
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]).get(b"www-authenticate", b"")


def test_the_app_serves_exactly_the_declared_routes(tmp_path: Path) -> None:
    """The only other route is `/openapi.json`, which is not in the document."""
    app = standalone(service(settings_of(tmp_path, None)))
    document = app.openapi()["paths"]
    served = [(method.upper(), path) for path in document for method in document[path]]
    plain = [(method, path.replace(":path", "")) for method, path in DECLARED]
    assert sorted(plain) == sorted(served)
    public = [
        route for subject in SUBJECTS for route in subject.declared if route.scope is Scope.PUBLIC
    ]
    assert PUBLIC == {route.path for route in public}


@pytest.mark.parametrize(("method", "path"), [*DECLARED, ("GET", "/openapi.json")])
def test_every_route_but_the_probes_takes_a_token(api: Api, method: str, path: str) -> None:
    """Without a token the answer is 401, and its header names the scheme.

    Below a secret that is not the one in the settings, there is nothing.
    """
    answer = api.anonymous.request(method, filled(path))
    if path.startswith("/s/{secret}/"):
        assert 404 == answer.status_code
        return
    assert (200 if path in PUBLIC else 401) == answer.status_code
    assert path in PUBLIC or answer.headers["www-authenticate"] == "Bearer"


def test_the_read_token_may_not_write(api: Api) -> None:
    """Every route that writes requires the admin token."""
    writes = [path for method, path in DECLARED if method == "POST"]
    assert len(writes) > 7
    for path in writes:
        answer = api.reader.post(filled(path), json={})
        assert (403, "this takes the admin token") == (answer.status_code, answer.json()["detail"])


def test_the_admin_token_may_read(api: Api) -> None:
    """It opens every route, and the case of the scheme does not matter."""
    for scheme in ("Bearer", "bearer", "BEARER"):
        headers = {"Authorization": f"{scheme} {ADMIN}"}
        assert 200 == api.anonymous.get("/admin/pricing/runs", headers=headers).status_code


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: repr(header[:30]))
def test_an_odd_authorization_header_is_refused(tmp_path: Path, header: bytes) -> None:
    """It is refused before the body is read, also as a second header next to a valid one."""
    app = standalone(service(settings_of(tmp_path, None, admin_token=ADMIN, read_token=READ)))
    trigger = "/admin/pricing/sync/trigger"
    assert (401, b"Bearer") == send_raw(app, [(b"authorization", header)], trigger)
    right = (b"authorization", b"Bearer " + ADMIN.encode())
    assert (401, b"Bearer") == send_raw(app, [right, (b"authorization", header)], trigger)


def test_a_header_of_a_megabyte_is_refused_by_the_server_too(api: Api) -> None:
    """A real server sends an error or closes the connection, and the next caller is served."""
    large = {"Authorization": "Bearer " + "a" * 1_000_000}
    # The server may close the connection before all of it is sent.
    with suppress(httpx.TransportError):
        assert api.anonymous.get("/v1/prices", headers=large).status_code in {400, 401, 431}
    assert 200 == api.reader.get("/v1/prices").status_code


@pytest.fixture
def unset(tmp_path: Path) -> FastAPI:
    return standalone(service(settings_of(tmp_path, None)))


@pytest.mark.parametrize("header", [b"", b"Bearer ", b"Bearer None", b"Bearer null"])
def test_without_tokens_in_the_settings_every_request_is_refused(
    unset: FastAPI, header: bytes
) -> None:
    """A token that is not set does not open the API."""
    assert (401, b"Bearer") == send_raw(
        unset, [(b"authorization", header)], "/admin/pricing/runs/x/cancel"
    )


def test_the_error_says_which_token_is_not_set(tmp_path: Path) -> None:
    """It names the environment variable."""
    app = standalone(service(settings_of(tmp_path, None)))

    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get("/v1/prices")

    assert (
        "ADMIN_TOKEN is not set, so there is no token that is right"
        == asyncio.run(request()).json()["detail"]
    )


def test_the_read_token_can_be_set_alone(tmp_path: Path) -> None:
    """Then no token may write."""
    app = standalone(service(settings_of(tmp_path, None, read_token=READ)))
    bearer = [(b"authorization", f"Bearer {READ}".encode())]
    assert (403, b"") == send_raw(app, bearer, "/admin/pricing/sync/trigger")


def test_too_many_wrong_tokens_get_429(api: Api) -> None:
    """Twenty failures get 401, the rest get 429; valid tokens are still served."""
    with caller(api.url, "a-wrong-token") as guesser:
        answers = [guesser.get("/v1/prices") for _ in range(25)]
    assert [401] * 20 + [429] * 5 == [answer.status_code for answer in answers]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 61
    assert 200 == api.reader.get("/v1/prices").status_code
    assert 403 == api.reader.post("/admin/pricing/sync/trigger").status_code


def test_failures_are_counted_by_address_and_expire_after_a_minute() -> None:
    """Each address has twenty in any minute; the number of stored addresses is bounded."""
    failures = Failures()
    assert [None] * 20 == [failures.add("a", float(second)) for second in range(20)]
    assert 41 == failures.add("a", 20.0)
    assert failures.add("b", 20.0) is None
    assert failures.add("a", 60.0) is None
    assert failures.add("a", 60.5) is not None
    for number in range(10_000):
        failures.add(str(number), 61.0)
    assert len(failures._times) <= 4096


def test_a_route_without_a_scope_is_refused(tmp_path: Path) -> None:
    """A route that is added to the router by hand is closed by default."""
    pricing = service(settings_of(tmp_path, None, admin_token=ADMIN))
    routes = router(pricing)

    @routes.get("/leak")
    def leak() -> str:
        return "secret"

    app = FastAPI()
    app.include_router(routes)

    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get("/leak", headers={"Authorization": f"Bearer {ADMIN}"})

    answer = asyncio.run(request())
    assert 403 == answer.status_code
    assert "secret" not in answer.text
    assert isinstance(routes, APIRouter)
    assert all(isinstance(route, APIRoute) for route in routes.routes)
