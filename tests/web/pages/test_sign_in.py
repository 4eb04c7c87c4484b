"""Signing in to the pages and out of them."""

from __future__ import annotations

from http.cookies import SimpleCookie
from pathlib import Path
from time import time

import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from pricing_sync.demo.server import DemoServer
from pricing_sync.settings import Settings
from pricing_sync.web import standalone
from pricing_sync.web.auth import Scope
from pricing_sync.web.pages import dashboard
from pricing_sync.web.pages.session import Sessions

from server_process import ADMIN, READ, serving
from service import service, settings_of
from web.pages.conftest import Served
from web.pages.visitor import COOKIE, Html, Visitor

LATER = 2_000_000_000


def test_the_admin_token_signs_in_for_everything(served: Served) -> None:
    visitor = Visitor(served.url)
    answer = visitor.sign_in(ADMIN, to="/review")
    assert (303, "/review") == (answer.status_code, answer.headers["location"])
    assert "admin token" in Html(visitor.get("/").text).text


def test_the_read_token_signs_in_for_looking(served: Served) -> None:
    assert "read token: nothing can be changed" in Html(served.reader().get("/").text).text


@pytest.mark.parametrize("token", ["", "wrong", ADMIN[:-1], ADMIN + "x", ADMIN.upper(), "é\x00"])
def test_another_token_is_refused_on_the_form(served: Served, token: str) -> None:
    visitor = Visitor(served.url)
    answer = visitor.send("/sign-in", {"token": token, "to": "/review"})
    assert 403 == answer.status_code
    assert "That is not one of the tokens." in Html(answer.text).text
    assert 'name="to" value="/review"' in answer.text
    assert COOKIE not in visitor.http.cookies


def test_too_many_wrong_tokens_have_to_wait_and_a_right_one_has_not(
    tmp_path: Path, providers: DemoServer
) -> None:
    pricing = service(settings_of(tmp_path, providers, admin_token=ADMIN))
    with serving(standalone(pricing)) as url:
        visitor = Visitor(url)
        statuses = [visitor.sign_in("wrong").status_code for _ in range(21)]
        assert [*(20 * [403]), 429] == statuses
        answer = visitor.sign_in("wrong")
        assert "Too many tries" in Html(answer.text).text
        assert 0 < int(answer.headers["retry-after"]) <= 61
        assert 303 == visitor.sign_in().status_code


def test_the_cookie_is_for_this_site_and_no_script(served: Served) -> None:
    (cookie,) = SimpleCookie(
        Visitor(served.url).send("/sign-in", {"token": ADMIN}).headers["set-cookie"]
    ).values()
    assert COOKIE == cookie.key
    assert ("/", True, "strict", "") == (
        *(cookie["path"], cookie["httponly"], cookie["samesite"], cookie["secure"]),
    )
    assert str(round(served.pricing.settings.session_hours * 3600)) == cookie["max-age"]
    assert ADMIN not in cookie.value


def test_behind_https_the_cookie_is_secure(served: Served) -> None:
    """A proxy on this machine says so."""
    visitor = Visitor(served.url, **{"X-Forwarded-Proto": "https"})
    assert "secure" in visitor.send("/sign-in", {"token": ADMIN}).headers["set-cookie"].lower()


@pytest.mark.parametrize("root_path", ["", "/behind/a/proxy"])
def test_the_cookie_is_sent_to_the_pages_only(
    tmp_path: Path, providers: DemoServer, root_path: str
) -> None:
    pricing = service(settings_of(tmp_path, providers, admin_token=ADMIN))
    host = FastAPI(lifespan=pricing.lifespan)
    host.include_router(dashboard(pricing), prefix="/ops/prices")
    with serving(host, root_path) as url:
        answer = Visitor(url).send("/ops/prices/sign-in", {"token": ADMIN})
        (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
        assert f"{root_path}/ops/prices/" == cookie["path"] == answer.headers["location"]


def test_signing_out_ends_the_session(served: Served) -> None:
    visitor = served.admin()
    answer = visitor.post("/sign-out")
    assert (303, "/sign-in") == (answer.status_code, answer.headers["location"])
    assert COOKIE not in visitor.http.cookies
    assert 303 == visitor.get("/").status_code


def test_who_has_signed_in_is_not_asked_again(served: Served) -> None:
    answer = served.admin().get("/sign-in?to=/runs")
    assert (303, "/runs") == (answer.status_code, answer.headers["location"])


def test_an_address_with_a_code_signs_in_once(tmp_path: Path, providers: DemoServer) -> None:
    pricing = service(settings_of(tmp_path, providers, admin_token=ADMIN))
    with serving(standalone(pricing, sign_in_code="a-code")) as url:
        for wrong in ("", "b", "a-code-", "é"):
            assert 200 == Visitor(url).get(f"/sign-in?code={wrong}").status_code
        first, second = Visitor(url), Visitor(url)
        assert 303 == first.get("/sign-in?code=a-code").status_code
        assert 200 == first.get("/").status_code
        answer = second.get("/sign-in?code=a-code")
        assert "it signs in once" in Html(answer.text).text
        assert COOKIE not in second.http.cookies


def test_without_a_code_no_address_signs_in(served: Served) -> None:
    for query in ("code=", "code=None", "code=x"):
        visitor = Visitor(served.url)
        visitor.get(f"/sign-in?{query}")
        assert COOKIE not in visitor.http.cookies


def sessions(admin: str = ADMIN, read: str | None = READ) -> Sessions:
    return Sessions(
        Settings(admin_token=SecretStr(admin), read_token=SecretStr(read) if read else None)
    )


@pytest.mark.parametrize("scope", [Scope.ADMIN, Scope.READ])
def test_a_cookie_gives_its_session_back(scope: Scope) -> None:
    found = sessions().read(sessions().cookie(scope, "Ann Lee", LATER), time())
    assert found is not None
    assert (scope, "Ann Lee", LATER) == (found.scope, found.author, found.expires)


def test_a_cookie_ends_at_its_second() -> None:
    made = sessions()
    cookie = made.cookie(Scope.ADMIN, "ann", 1000)
    assert made.read(cookie, 999.9) is not None
    assert made.read(cookie, 1000) is None


def test_no_changed_cookie_is_a_session() -> None:
    """Whichever byte is another one, is missing, or is there twice."""
    made = sessions()
    cookie = made.cookie(Scope.READ, "ann", LATER)
    for place, byte in enumerate(cookie):
        for other in {"A", "0", ".", "=", "é", "\x00"} - {byte}:
            assert made.read(cookie[:place] + other + cookie[place + 1 :], time()) is None
        assert made.read(cookie[:place] + cookie[place + 1 :], time()) is None
        assert made.read(cookie[:place] + byte + cookie[place:], time()) is None
    assert made.read(cookie.replace("read", "admin"), time()) is None


@pytest.mark.parametrize(
    "cookie", ["", ".", "....", "public.1.a.b.c", "admin.x.YQ==.b.", "é", "a" * 9000]
)
def test_what_is_no_cookie_of_ours_is_no_session(served: Served, cookie: str) -> None:
    assert sessions().read(cookie, time()) is None
    visitor = Visitor(served.url)
    raw = f"{COOKIE}={cookie}".encode()
    answer = visitor.http.get("/", headers=[(b"cookie", raw)])
    assert answer.status_code == 303


def test_another_token_ends_the_sessions_of_the_old_one() -> None:
    old = sessions("the-old-token-of-the-tests")
    cookie = old.cookie(Scope.ADMIN, "ann", LATER)
    assert sessions().read(cookie, time()) is None
    assert sessions(read=None).read(sessions().cookie(Scope.READ, "ann", LATER), time()) is None


@pytest.mark.parametrize(
    "author",
    ["<b>Ann</b>", "a.b.c", "ann;path=/", 'an"n', "Zoë 李", "x" * 300, "a\r\nSet-Cookie: b"],
)
def test_a_name_is_kept_as_it_is(served: Served, author: str) -> None:
    """It neither breaks the cookie nor a page, and the audit log has it."""
    visitor = served.admin(author=author)
    fields = {"provider": "openrouter", "model": "qwen/qwen3-max", "rate_output": "3"}
    assert 303 == visitor.post("/override", {**fields, "reason": "a test"}).status_code
    shown = " ".join(author[:80].split())
    assert shown in Html(visitor.get("/audit-log").text).text


def test_each_session_has_a_secret_of_its_own(served: Served) -> None:
    assert served.admin().secret() != served.admin().secret()


@pytest.mark.parametrize(
    "to",
    [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example/",
        "https:evil.example",
        "javascript:alert(1)",
        "/\n/evil.example",
        "/\t/evil.example",
        "\t//evil.example",
        " //evil.example",
        "/é",
        "evil.example",
        "",
    ],
)
def test_nobody_is_sent_to_another_site(served: Served, to: str) -> None:
    """By none of the ways in."""
    answer = Visitor(served.url).send("/sign-in", {"token": ADMIN, "to": to})
    assert (303, "/") == (answer.status_code, answer.headers["location"])
    answer = served.admin().http.get("/sign-in", params={"to": to})
    assert (303, "/") == (answer.status_code, answer.headers["location"])


def test_an_encoded_address_stays_a_path_of_ours(served: Served) -> None:
    for to in ("/%2F/evil.example", "/%5Cevil.example", "/%0d%0aX: y"):
        location = served.admin().http.get("/sign-in", params={"to": to}).headers["location"]
        assert location.startswith(("/%2F/", "/%5C", "/%0d%0a"))


@pytest.mark.parametrize("path", ["/models/openrouter/a%252Fb%2500", "/models/x/a%3Fb?input=1"])
def test_one_gets_to_where_one_wanted_to_go(served: Served, path: str) -> None:
    """The address comes back as it was asked for, whatever is encoded in it."""
    visitor = Visitor(served.url)
    asked = visitor.get(path)
    assert 303 == asked.status_code
    form = visitor.get(asked.headers["location"]).text
    assert f'name="to" value="{path}"' in form
    assert path == visitor.sign_in(to=path).headers["location"]


def test_a_link_from_another_site_is_asked_for_again(served: Served) -> None:
    """The browser has held the cookie back; asked by a page of ours, it sends it."""
    answer = Visitor(served.url).get("/review?provider=x", **{"Sec-Fetch-Site": "cross-site"})
    assert 200 == answer.status_code
    assert 'content="0;url=/review?provider=x"' in answer.text
    assert 303 == Visitor(served.url).get("/review").status_code
