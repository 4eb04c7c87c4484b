"""Errors over HTTP: one shape, on our routes only, and without secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from starlette.exceptions import HTTPException

from pricing_sync.app import PricingSync
from pricing_sync.demo.faults import Fault, Kind
from pricing_sync.demo.server import DemoServer
from pricing_sync.sources.providers import built_in
from pricing_sync.sync.access import ProviderAccess
from pricing_sync.web import router, standalone
from pricing_sync.web.router import SUBJECTS

from databases import console
from server_process import ADMIN, READ, Api, caller, serving
from service import service, settings_of

TRIGGER = "/admin/pricing/sync/trigger"
CSP = "default-src 'none'; frame-ancestors 'none'"


def problem(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, title and detail of an error, which has no other form."""
    assert "application/problem+json" == answer.headers["content-type"]
    document = answer.json()
    assert ("about:blank", answer.status_code) == (document["type"], document["status"])
    return document["status"], document["title"], document["detail"]


def test_every_error_is_a_problem(api: Api) -> None:
    """Errors of the framework too."""
    assert (404, "Not Found", "Not Found") == problem(api.admin.get("/nothing"))
    assert (405, "Method Not Allowed", "Method Not Allowed") == problem(api.admin.get(TRIGGER))
    assert 422 == problem(api.admin.get("/v1/prices?limit=0"))[0]
    assert 422 == problem(api.admin.post(TRIGGER, content=b"{"))[0]
    text = {"Content-Type": "text/plain"}
    assert 422 == problem(api.admin.post(TRIGGER, content=b"novita", headers=text))[0]
    assert 404 == problem(api.admin.get("/redoc"))[0]
    assert 404 == problem(api.admin.get("/redoc"))[0]


def test_a_validation_error_names_the_place_and_not_the_value(api: Api) -> None:
    """The value may be a secret in the wrong place."""
    answer = api.admin.post(TRIGGER, json={"providers": [{"key": "canary-5417"}], "dry_run": 7})
    assert 422 == problem(answer)[0]
    assert [["body", "providers", "0"], ["body", "dry_run"]] == [
        error["loc"] for error in answer.json()["errors"]
    ]
    assert "canary" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        b'{"providers": ["\\ud800"]}',
        b'{"\\ud800": 1}',
        b'{"providers": ["\\u0000"]}',
        b"[" * 500_000,
        b'{"providers": ' + b"1" * 5000 + b"}",
        b"\xff\xfe",
        b"NaN",
        b'{"dry_run": 1e999}',
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_hostile_body_is_refused(api: Api, body: bytes) -> None:
    """The error is the caller's, and no provider is read."""
    headers = {"Content-Type": "application/json"}
    answer = api.admin.post(TRIGGER, content=body, headers=headers)
    assert problem(answer)[0] in {400, 404, 422}
    assert [] == api.get("/admin/pricing/runs")["items"]


def large() -> Iterator[bytes]:
    """Two megabytes in pieces, without a `Content-Length`."""
    for _ in range(200):
        yield b" " * 10_000


@pytest.mark.parametrize("content", [lambda: b" " * 2_000_000, large], ids=["whole", "pieces"])
def test_a_large_body_is_not_read(api: Api, content: Callable[[], Any]) -> None:
    """With or without a `Content-Length`."""
    try:
        answer = api.admin.post(TRIGGER, content=content())
    except httpx.TransportError:
        return  # the server closed the connection before all of the body was sent
    assert (413, "the body is larger than 1000000 bytes") == problem(answer)[::2]
    assert [] == api.get("/admin/pricing/runs")["items"]


def test_an_endless_body_is_read_up_to_the_limit(tmp_path: Path) -> None:
    """Without a valid token nothing of it is read."""
    app = standalone(service(settings_of(tmp_path, None, admin_token=ADMIN)))
    received: list[int] = []

    async def status_of(headers: list[tuple[bytes, bytes]]) -> int:
        sent: list[Any] = []
        received.clear()

        async def receive() -> Any:
            received.append(100_000)
            return {"type": "http.request", "body": b" " * 100_000, "more_body": True}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": TRIGGER,
            "raw_path": TRIGGER.encode(),
            "query_string": b"",
            "headers": headers,
            "client": ("::1", 1),
            "root_path": "",
            "http_version": "1.1",
            "scheme": "http",
            "server": ("::1", 80),
        }
        await app(scope, receive, send)
        status: int = sent[0]["status"]
        return status

    right = [(b"authorization", f"Bearer {ADMIN}".encode())]
    assert (413, 1_100_000) == (asyncio.run(status_of(right)), sum(received))
    assert (401, 0) == (asyncio.run(status_of([])), sum(received))


def test_every_response_has_the_security_headers(api: Api) -> None:
    """Responses to requests without a token too."""
    paths = ["/health", "/v1/prices", "/nothing", "/openapi.json", "/metrics"]
    for client in (api.anonymous, api.reader):
        for path in paths:
            headers = client.get(path).headers
            assert ("nosniff", "no-store", CSP) == (
                headers["x-content-type-options"],
                headers["cache-control"],
                headers["content-security-policy"],
            )


def test_a_busy_database_gets_503_with_retry_after(
    tmp_path: Path, providers: DemoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller may retry after one second, and gets no details of the server."""
    monkeypatch.setattr("pricing_sync.store.sqlite.BUSY_SECONDS", 0.1)
    monkeypatch.setattr("pricing_sync.store.postgres.BUSY_SECONDS", 0.1)
    pricing = service(settings_of(tmp_path, providers, admin_token=ADMIN, enabled=False))
    with (
        serving(standalone(pricing)) as url,
        caller(url, ADMIN) as admin,
        console(tmp_path) as other,
    ):
        other.lock()
        answer = admin.post(TRIGGER)
    assert (503, "the database cannot be used") == problem(answer)[::2]
    assert "1" == answer.headers["retry-after"]
    assert str(tmp_path) not in answer.text


def test_a_bug_gets_500_without_its_traceback(
    tmp_path: Path, providers: DemoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the log has the traceback."""

    def broken(_: PricingSync) -> None:
        raise ZeroDivisionError("canary-9911")

    monkeypatch.setattr(PricingSync, "status", broken)
    pricing = service(settings_of(tmp_path, providers, admin_token=ADMIN))
    with serving(standalone(pricing)) as url, caller(url, ADMIN) as admin:
        answer = admin.get("/admin/pricing/scheduler/status")
    assert (500, "something is wrong here; the log says what") == problem(answer)[::2]
    assert "canary" not in answer.text


def test_no_response_contains_a_secret(tmp_path: Path, providers: DemoServer) -> None:
    """Neither tokens nor provider keys, for every route and every kind of failure."""
    names = tuple(built_in())
    keys = {
        variable: f"canary-{variable.lower()}"
        for provider in built_in().values()
        for variable in (*provider.variables, *(provider.key.variables if provider.key else ()))
    }
    kinds: tuple[Kind, ...] = ("unauthorized", "server_error", "html", "redirect", "truncated")
    for name, kind in zip(names, cycle(kinds), strict=False):
        providers.fault(name, Fault(kind, status=500))
    settings = settings_of(tmp_path, providers, names, admin_token=ADMIN, read_token=READ)
    pricing = PricingSync(settings, access=ProviderAccess(settings, environment=keys))
    answers: list[httpx.Response] = []
    with serving(standalone(pricing)) as url, caller(url, ADMIN) as admin:
        answers.append(admin.post(TRIGGER))
        run_id = answers[0].json()["run_id"]
        for route in (route for subject in SUBJECTS for route in subject.declared):
            path = route.path.replace("{run_id}", run_id).replace("{provider}", "together")
            answers.append(admin.request(route.method, path))
            answers.append(admin.request(route.method, path, json={"token": ADMIN, "reason": READ}))
        with caller(url, READ) as reader:
            answers.append(reader.post(TRIGGER, headers={"X-Key": ADMIN}))
        answers.append(httpx.get(f"{url}/v1/prices", headers={"Authorization": f"Basic {ADMIN}"}))
    assert "failed" == answers[0].json()["status"]
    text = "\n".join(f"{answer.headers} {answer.text}" for answer in answers)
    assert len(text) > 20_000
    for secret in ("canary", READ, ADMIN):
        assert secret not in text


# In a host's app


@pytest.fixture
def host(tmp_path: Path, providers: DemoServer) -> FastAPI:
    """A host app with its own error handlers, and a route with the name of one of ours."""
    pricing = service(settings_of(tmp_path, providers, admin_token=ADMIN))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> Any:
        async with pricing.lifespan(app):
            yield

    app = FastAPI(lifespan=lifespan)

    @app.exception_handler(HTTPException)
    async def on_http(_request: Request, error: HTTPException) -> Response:
        return PlainTextResponse(f"host: {error.detail}", error.status_code)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(_request: Request, _error: RequestValidationError) -> Response:
        return PlainTextResponse("host: invalid", 422)

    app.include_router(router(pricing), prefix="/pricing")

    @app.get("/health")
    async def pricing_health(number: int = 0) -> dict[str, int]:
        return {"host": number}

    return app


def test_a_host_keeps_its_own_error_responses(host: FastAPI) -> None:
    """It also keeps its own routes, headers and document."""
    with serving(host) as url, caller(url, ADMIN) as admin:
        assert "host: Not Found" == admin.get("/nothing").text
        assert "host: invalid" == admin.get("/health?number=x").text
        health = admin.get("/health?number=3")
        assert ({"host": 3}, False) == (health.json(), "x-content-type-options" in health.headers)
        assert 200 == admin.get("/docs").status_code
        assert "/pricing/v1/prices" in admin.get("/openapi.json").json()["paths"]


def test_our_errors_in_a_hosts_app_are_problems(host: FastAPI) -> None:
    """The host's error handlers are not called for them."""
    with serving(host) as url, caller(url, ADMIN) as admin, caller(url) as anonymous:
        assert 401 == problem(anonymous.get("/pricing/v1/prices"))[0]
        assert 422 == problem(admin.get("/pricing/v1/prices?limit=x"))[0]
        assert 404 == problem(admin.get("/pricing/v1/prices/novita/nothing"))[0]
        assert 413 == problem(admin.post(f"/pricing{TRIGGER}", content=b" " * 1_000_001))[0]
        good = admin.post(f"/pricing{TRIGGER}")
        assert ("success", "nosniff") == (
            good.json()["status"],
            good.headers["x-content-type-options"],
        )
