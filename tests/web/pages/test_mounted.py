"""The pages under a prefix of a host, and behind a proxy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI

from pricing_sync.demo.server import DemoServer
from pricing_sync.web import standalone
from pricing_sync.web.pages import dashboard

from server_process import ADMIN, serving
from service import service, settings_of
from web.pages.visitor import Html, Visitor

PREFIX = "/ops/prices"
PAGES = ("/", "/review", "/changes", "/models", "/runs", "/audit-log", "/search?q=gpt")


@pytest.fixture(params=["included", "mounted"])
def host(request: pytest.FixtureRequest, tmp_path: Path, providers: DemoServer) -> FastAPI:
    """A host's app with a page of its own, and with ours below it."""
    pricing = service(settings_of(tmp_path, providers, admin_token=ADMIN))
    app = FastAPI(lifespan=pricing.lifespan)
    if request.param == "included":
        app.include_router(dashboard(pricing), prefix=PREFIX)
    else:
        app.mount(PREFIX, standalone(pricing))

    @app.get("/")
    def home() -> str:
        return "the host's"

    return app


@pytest.fixture(params=["no proxy", "server knows", "app knows"])
def visitor(request: pytest.FixtureRequest, host: FastAPI) -> Iterator[Visitor]:
    """Somebody who sees the address that the proxy has; the proxy strips its part of it.

    Either the server is told that part, or the host's app.
    """
    proxy = "" if request.param == "no proxy" else "/behind/a/proxy"
    if request.param == "app knows":
        if "mounted" in request.node.name:
            pytest.skip("Starlette routes no mounted app then")
        host.root_path = proxy
    with serving(host, proxy if request.param == "server knows" else "") as url:
        found = Visitor(url, PREFIX)
        found.below = f"{proxy}{PREFIX}/"
        # The cookie's path has the proxy's part, which this client does not ask for.
        answer = found.send("/sign-in", {"token": ADMIN})
        found.http.headers["Cookie"] = answer.headers["set-cookie"].partition(";")[0]
        assert found.below == answer.headers["location"]
        yield found


def test_every_link_and_form_stays_below_the_prefix(visitor: Visitor) -> None:
    for path in (*PAGES, "/sign-in"):
        page = Html(visitor.get(path).text)
        for link in page.links("http://here/"):
            assert urlsplit(link).path.startswith(visitor.below), link
    overview = visitor.get("/").text
    assert f'data-live="{visitor.below}live?seen=' in overview
    assert f'<a href="{visitor.below}" aria-current="page">' in overview
    assert f'<a href="{visitor.below}runs" aria-current="page">' in visitor.get("/runs").text


def test_forms_lead_back_below_the_prefix(visitor: Visitor) -> None:
    secret = visitor.secret()
    answer = visitor.send("/read", {"csrf": secret, "provider": "novita"})
    assert 303 == answer.status_code
    assert answer.headers["location"].startswith(f"{visitor.below}runs/")
    answer = visitor.send("/sign-out", {"csrf": secret})
    assert f"{visitor.below}sign-in" == answer.headers["location"]


def test_the_form_leads_back_to_the_page_that_was_wanted(visitor: Visitor) -> None:
    visitor.http.headers.pop("Cookie")
    visitor.http.cookies.clear()
    answer = visitor.get("/models/openrouter/a%252Fb")
    assert 303 == answer.status_code
    assert answer.headers["location"].startswith(visitor.below)
    form = Html(visitor.get("/" + answer.headers["location"].removeprefix(visitor.below)).text)
    (to,) = [values["value"] for _, values in form.elements if values.get("name") == "to"]
    assert f"{visitor.below}models/openrouter/a%252Fb" == to
    answer = visitor.send("/sign-in", {"token": ADMIN, "to": str(to)})
    assert to == answer.headers["location"]
    for elsewhere in ("/", "/admin", f"{visitor.below[:-1]}-other/", f"//{visitor.below}"):
        answer = visitor.send("/sign-in", {"token": ADMIN, "to": elsewhere})
        assert visitor.below == answer.headers["location"]


def test_the_host_keeps_its_own_pages(visitor: Visitor) -> None:
    assert "the host's" == visitor.http.get("/").json()
    assert 404 == visitor.http.get("/no-page-of-the-host").status_code
