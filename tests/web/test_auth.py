"""Who may use what, and what becomes of whoever guesses."""

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


def asked(app: FastAPI, headers: list[tuple[bytes, bytes]], path: str) -> tuple[int, bytes]:
    """The status and the `WWW-Authenticate` of the answer to headers that no client would send."""
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


def test_the_routes_of_the_app_are_those_that_are_declared(tmp_path: Path) -> None:
    """There is no other way in: `/openapi.json` is the one route that only the app has."""
    app = standalone(service(settings_of(tmp_path, None)))
    document = app.openapi()["paths"]
    served = [(method.upper(), path) for path in document for method in document[path]]
    plain = [(method, path.replace(":path", "")) for method, path in DECLARED]
    assert sorted(plain) == sorted(served)
    open_to_all = [
        route for subject in SUBJECTS for route in subject.declared if route.scope is Scope.PUBLIC
    ]
    assert PUBLIC == {route.path for route in open_to_all}


@pytest.mark.parametrize(("method", "path"), [*DECLARED, ("GET", "/openapi.json")])
def test_every_route_but_the_probes_takes_a_token(api: Api, method: str, path: str) -> None:
    """Without one the answer is 401, and says how to do better."""
    answer = api.nobody.request(method, filled(path))
    assert (200 if path in PUBLIC else 401) == answer.status_code
    assert path in PUBLIC or answer.headers["www-authenticate"] == "Bearer"


def test_whoever_may_read_may_not_write(api: Api) -> None:
    """Every route that writes is for the admin token alone."""
    writes = [path for method, path in DECLARED if method == "POST"]
    assert len(writes) > 7
    for path in writes:
        answer = api.reader.post(filled(path), json={})
        assert (403, "this takes the admin token") == (answer.status_code, answer.json()["detail"])


def test_whoever_may_write_may_read(api: Api) -> None:
    """The admin token opens everything, whatever the case of the scheme."""
    for scheme in ("Bearer", "bearer", "BEARER"):
        headers = {"Authorization": f"{scheme} {ADMIN}"}
        assert 200 == api.nobody.get("/admin/pricing/runs", headers=headers).status_code


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: repr(header[:30]))
def test_an_odd_header_is_no_token(tmp_path: Path, header: bytes) -> None:
    """It is refused before anything of the body is read, and never breaks anything."""
    app = standalone(service(settings_of(tmp_path, None, admin_token=ADMIN, read_token=READ)))
    trigger = "/admin/pricing/sync/trigger"
    assert (401, b"Bearer") == asked(app, [(b"authorization", header)], trigger)
    right = (b"authorization", b"Bearer " + ADMIN.encode())
    assert (401, b"Bearer") == asked(app, [right, (b"authorization", header)], trigger)


def test_a_header_of_a_megabyte_is_refused_by_the_server_too(api: Api) -> None:
    """Over a real connection it is refused, one way or another, and the next caller is served."""
    large = {"Authorization": "Bearer " + "a" * 1_000_000}
    # The server may close the connection before all of it is sent.
    with suppress(httpx.TransportError):
        assert api.nobody.get("/v1/prices", headers=large).status_code in {400, 401, 431}
    assert 200 == api.reader.get("/v1/prices").status_code


@pytest.fixture
def unset(tmp_path: Path) -> FastAPI:
    return standalone(service(settings_of(tmp_path, None)))


@pytest.mark.parametrize("header", [b"", b"Bearer ", b"Bearer None", b"Bearer null"])
def test_without_tokens_in_the_settings_nobody_gets_in(unset: FastAPI, header: bytes) -> None:
    """No token is not an open door."""
    assert (401, b"Bearer") == asked(
        unset, [(b"authorization", header)], "/admin/pricing/runs/x/cancel"
    )


def test_it_is_said_that_the_token_is_not_set(tmp_path: Path) -> None:
    """By the name of the variable that has to be."""
    app = standalone(service(settings_of(tmp_path, None)))

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get("/v1/prices")

    assert (
        "ADMIN_TOKEN is not set, so there is no token that is right"
        == asyncio.run(ask()).json()["detail"]
    )


def test_a_token_to_read_alone_can_be_set(tmp_path: Path) -> None:
    """Then there is nobody who may write."""
    app = standalone(service(settings_of(tmp_path, None, read_token=READ)))
    bearer = [(b"authorization", f"Bearer {READ}".encode())]
    assert (403, b"") == asked(app, bearer, "/admin/pricing/sync/trigger")


def test_whoever_guesses_is_listened_to_less_and_less(api: Api) -> None:
    """After twenty failures the rest get 429; whoever has a right token is not held up."""
    with caller(api.url, "a-wrong-token-of-somebody") as guesser:
        answers = [guesser.get("/v1/prices") for _ in range(25)]
    assert [401] * 20 + [429] * 5 == [answer.status_code for answer in answers]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 61
    assert 200 == api.reader.get("/v1/prices").status_code
    assert 403 == api.reader.post("/admin/pricing/sync/trigger").status_code


def test_failures_are_forgotten_after_a_minute_and_by_address() -> None:
    """Each address has twenty in any minute; what is remembered of all is bounded."""
    failures = Failures()
    assert [None] * 20 == [failures.add("a", float(second)) for second in range(20)]
    assert 41 == failures.add("a", 20.0)
    assert failures.add("b", 20.0) is None
    assert failures.add("a", 60.0) is None
    assert failures.add("a", 60.5) is not None
    for number in range(10_000):
        failures.add(str(number), 61.0)
    assert len(failures._times) <= 4096


def test_a_route_without_a_scope_is_for_nobody(tmp_path: Path) -> None:
    """Whatever is added to the router by hand does not open by itself."""
    pricing = service(settings_of(tmp_path, None, admin_token=ADMIN))
    added = router(pricing)

    @added.get("/leak")
    def leak() -> str:
        return "secret"

    app = FastAPI()
    app.include_router(added)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get("/leak", headers={"Authorization": f"Bearer {ADMIN}"})

    answer = asyncio.run(ask())
    assert 403 == answer.status_code
    assert "secret" not in answer.text
    assert isinstance(added, APIRouter)
    assert all(isinstance(route, APIRoute) for route in added.routes)
