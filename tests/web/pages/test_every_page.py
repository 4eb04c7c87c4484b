"""What holds of every page: who sees it, its headers, and that nothing in it is code."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from pricing_sync.demo.server import DemoServer
from pricing_sync.web import standalone
from pricing_sync.web.auth import Scope
from pricing_sync.web.pages.router import declared_pages

from server_process import ADMIN, serving
from service import service, settings_of
from web.pages.conftest import Served
from web.pages.history import HOSTILE
from web.pages.visitor import Html, Visitor

GETS = [page.path for page in declared_pages() if page.method == "GET"]
POSTS = {page.path: page.scope for page in declared_pages() if page.method == "POST"}
#: Pages that need no session.
OPEN = {"/sign-in", "/static/{name}"}
GPT = "/models/openrouter/openai/gpt-4o"


def filled_in(served: Served, path: str) -> str:
    """An address of a page that exists."""
    run, _ = served.pricing.store.runs(1)[0]
    held = served.pricing.held("openrouter")[0]
    return (
        path.replace("{provider}/{model:path}", "openrouter/openai/gpt-4o")
        .replace("{provider}", "openrouter")
        .replace("{run_id}", run.id)
        .replace("{digest}", held.digest or "")
        .replace("{name}", "style.css")
    )


def every_address(served: Served) -> list[str]:
    """Each page, also with filters, with an error, and with nothing to show."""
    pages = [filled_in(served, path) for path in GETS if path not in ("/live", *OPEN)]
    more = [
        *("/review?provider=together", "/review?provider=groq", "/review?done=3+accepted"),
        *("/changes?direction=up&at_least=5&days=365&added=true", "/changes?direction=other"),
        *("/models?provider=openrouter", "/models?provider=nobody", f"{GPT}?input=48000&tier=x"),
        *(f"{GPT}?image=5", "/models?provider=openrouter&model=a/../b", "/models/openrouter/no"),
        *("/providers/xai", "/providers/nobody", "/providers/openrouter?state=held"),
        *("/search?q=gpt", "/search?q=nothing-like-it", "/runs/unknown", "/evidence/unknown"),
        *("/changes?days=0", "/audit-log?before=x", "/runs?before=x"),
        *(f"/models/openrouter/{quote(name)}" for name in HOSTILE),
        *(f"/search?q={quote(name)}" for name in HOSTILE),
    ]
    return [*pages, *more]


@pytest.mark.parametrize("path", [path for path in GETS if path not in OPEN])
def test_nobody_sees_a_page_without_a_session(served: Served, path: str) -> None:
    """One is led to the form, and from there back."""
    wanted = filled_in(served, path)
    answer = Visitor(served.url).get(wanted)
    assert 303 == answer.status_code
    to = "" if wanted == "/" else f"?to={quote(wanted, safe='')}"
    assert answer.headers["location"] in (f"/sign-in{to}", "/sign-in?to=%2F")
    assert "" == answer.text


@pytest.mark.parametrize("path", [path for path in POSTS if path != "/sign-in"])
def test_nobody_sends_a_form_without_its_secret(served: Served, path: str) -> None:
    """Neither without one, nor with a wrong one, nor with that of another session."""
    visitor, wanted = served.admin(), filled_in(served, path)
    for secret in ("", "0" * 64, "é", served.admin().secret()):
        answer = visitor.send(wanted, {"csrf": secret})
        assert (403, True) == (answer.status_code, "Not allowed" in Html(answer.text).text)
        assert "another session" in answer.text
    assert 403 == visitor.send(wanted, {}).status_code
    anonymous = Visitor(served.url).send(wanted, {"csrf": visitor.secret()})
    assert (303, "/sign-in") == (anonymous.status_code, anonymous.headers["location"])


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_no_form_of_another_site_is_taken(served: Served, path: str, site: str) -> None:
    answer = served.admin().post(filled_in(served, path), {}, **{"Sec-Fetch-Site": site})
    assert 403 == answer.status_code
    assert "from another site" in answer.text


@pytest.mark.parametrize("path", [path for path, scope in POSTS.items() if scope is Scope.ADMIN])
def test_the_read_token_changes_nothing(served: Served, path: str) -> None:
    answer = served.reader().post(filled_in(served, path))
    assert 403 == answer.status_code
    assert "takes the admin token" in answer.text


def test_whoever_may_only_look_sees_no_form_that_writes(served: Served) -> None:
    reader, admin = served.reader(), served.admin()
    for path in ("/review", GPT, "/providers/openrouter", "/runs"):
        assert ["/sign-out"] == [form["action"] for form in Html(reader.get(path).text).forms()]
        assert 1 < len(Html(admin.get(path).text).forms())


def test_every_form_names_its_session(served: Served) -> None:
    """And no page names another secret of ours."""
    visitor = served.admin()
    for path in every_address(served):
        page = visitor.get(path).text
        assert len(Html(page).forms()) == page.count('name="csrf"')
        assert ADMIN not in page


def test_nothing_in_a_page_is_code(served: Served) -> None:
    """No style, script or handler but in our files; the policy would stop it as well."""
    visitor = served.admin()
    answers = [visitor.get(path) for path in every_address(served)]
    for answer in [*answers, Visitor(served.url).get("/sign-in")]:
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        page = Html(answer.text)
        assert [] == page.scripts
        tags = {tag for tag, _ in page.elements}
        assert not tags & {"style", "iframe", "object", "embed", "base", "img", "template"}
        for tag, values in page.elements:
            assert not [name for name in values if name.startswith("on") or name == "style"]
            for name in ("href", "src", "action"):
                assert not (values.get(name) or "").lstrip().lower().startswith("javascript:")
            if tag == "script":
                assert "/static/page.js" == values["src"]


def test_every_answer_has_the_headers_that_protect_it(served: Served) -> None:
    visitor = served.admin()
    for path in [*every_address(served), "/sign-in", "/static/style.css", "/static/none.css"]:
        headers = visitor.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy, path
        assert "frame-ancestors 'none'" in policy, path
        assert "unsafe" not in policy
        assert "*" not in policy
        assert "nosniff" == headers["x-content-type-options"]
        assert "DENY" == headers["x-frame-options"]
        assert "same-origin" == headers["referrer-policy"]
        assert headers["cache-control"] == (
            "no-cache" if path.endswith("style.css") else "no-store"
        )


def test_every_link_leads_somewhere(served: Served) -> None:
    """Of every page, to a page of ours; only a provider's own price page is elsewhere."""
    visitor = served.admin()
    found: set[str] = set()
    for path in every_address(served):
        answer = visitor.get(path)
        if answer.headers["content-type"].startswith("text/html"):
            found.update(Html(answer.text).links(f"{served.url}{path}"))
    ours = {link for link in found if link.startswith(served.url)}
    assert not [link for link in found - ours if not re.match(r"https://[a-z.-]+/", link)]
    skipped = (
        "/sign-out",
        "/read",
        "/reconsider",
        "/override",
        "/override/end",
        "/cancel",
    )
    assert len(ours) > 100
    for link in ours:
        path = link.removeprefix(served.url).partition("#")[0]
        if not urlsplit(path).path.endswith(skipped):
            assert 200 == visitor.get(path).status_code, path


def test_pages_are_text_for_people_and_evidence_is_a_file(served: Served) -> None:
    """A browser never shows what a provider sent as a page."""
    visitor = served.admin()
    digest = served.pricing.held("openrouter")[0].digest
    answer = visitor.get(f"/evidence/{digest}")
    assert "text/plain; charset=utf-8" == answer.headers["content-type"]
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.json()["data"]
    assert 404 == visitor.get("/evidence/unknown").status_code


def test_what_does_not_exist_is_a_page_that_says_so(served: Served) -> None:
    visitor = served.admin()
    for path in ("/models/openrouter/none", "/providers/nobody", "/runs/none", "/evidence/none"):
        answer = visitor.get(path)
        assert 404 == answer.status_code
        assert "Not here" in Html(answer.text).text
    assert "nobody" in Html(visitor.get("/providers/nobody").text).text


def test_an_address_of_nothing_is_a_page_for_a_browser_only(served: Served) -> None:
    visitor = served.admin()
    answer = visitor.get("/no/such/page", Accept="text/html,*/*;q=0.8")
    assert (404, "text/html; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
    assert "Not here" in Html(answer.text).text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    answer = visitor.get("/no/such/page", Accept="application/json")
    assert (404, "application/problem+json") == (
        *(answer.status_code, answer.headers["content-type"]),
    )


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/changes?days=0", "days"),
        ("/changes?at_least=many", "at_least"),
        ("/changes?direction=sideways", "direction"),
        ("/search?q=" + "x" * 201, "q"),
        ("/providers/openrouter?state=odd", "state"),
        ("/review?done=Send+us+your+token", "done"),
    ],
)
def test_a_query_that_cannot_be_is_refused_by_name(served: Served, path: str, says: str) -> None:
    answer = served.admin().get(path)
    assert 422 == answer.status_code
    assert f"query.{says}:" in Html(answer.text).text


def test_a_database_that_is_gone_is_a_page_that_says_so(
    tmp_path: Path, providers: DemoServer
) -> None:
    """It names no file of the server."""
    pricing = service(settings_of(tmp_path, providers, admin_token=ADMIN))
    with serving(standalone(pricing)) as url:
        visitor = Visitor(url)
        visitor.sign_in()
        for file in tmp_path.glob("prices.db*"):
            file.write_bytes(b"no database")
        for path in ("/runs", "/review", "/", "/providers/openrouter", "/audit-log"):
            answer = visitor.get(path)
            assert 503 == answer.status_code, path
            assert "The database cannot be used" in Html(answer.text).text
            assert str(tmp_path) not in answer.text
            assert answer.headers["retry-after"]


def test_a_service_without_a_reading_has_every_page(tmp_path: Path, providers: DemoServer) -> None:
    """Each says what would stand there."""
    pricing = service(settings_of(tmp_path, providers, admin_token=ADMIN))
    with serving(standalone(pricing)) as url:
        visitor = Visitor(url)
        visitor.sign_in()
        for path in ("/", "/review", "/changes", "/models", "/runs", "/audit-log", "/search"):
            answer = visitor.get(path)
            assert 200 == answer.status_code
            assert 'class="nothing"' in answer.text, path
        answer = visitor.get("/providers/novita")
        assert "It was never read." in Html(answer.text).text


def test_the_files_of_the_pages_are_revalidated(served: Served) -> None:
    """Not fetched again while they are the same."""
    visitor = Visitor(served.url)
    for name, kind in (("style.css", "css"), ("page.js", "javascript"), ("icon.svg", "svg+xml")):
        answer = visitor.get(f"/static/{name}")
        assert 200 == answer.status_code
        assert kind in answer.headers["content-type"]
        again = visitor.get(f"/static/{name}", **{"If-None-Match": answer.headers["etag"]})
        assert 304 == again.status_code
    for name in ("none.css", "..%2F__init__.py", "__init__.py", "%2e%2e/router.py"):
        assert 404 == visitor.get(f"/static/{name}").status_code


def test_a_form_that_is_too_long_or_no_text_is_refused(served: Served) -> None:
    visitor = served.admin()
    assert 413 == visitor.post("/review", {"reason": "x" * 1_100_000}).status_code
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"\xff", b"a=%ff", b"a=1&" * 20_001):
        answer = visitor.http.post("/review", content=body, headers=kind)
        assert (400, True) == (answer.status_code, "cannot be read" in answer.text)
