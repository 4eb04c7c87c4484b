"""Names and texts that strangers choose are text on every page."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest

from web.pages.conftest import Served
from web.pages.history import HOSTILE
from web.pages.visitor import Html

#: Those that a list may have, so that the book has their prices.
LISTED = ("a/../b", "a?b=c&d", "a#b", "a%2Fb%00", "trailing/", HOSTILE[4])


def links_named(page: Html, name: str) -> list[str]:
    """Where the links of class `id` lead to whose text is *name*."""
    found, wanted = [], " ".join(name.split())
    places = [place for place, (tag, _) in enumerate(page.elements) if tag == "a"]
    for place in places:
        values = page.elements[place][1]
        if values.get("class") == "id" and page.link_texts.get(place) == wanted:
            found.append(str(values["href"]))
    return found


@pytest.mark.parametrize("name", HOSTILE)
def test_a_search_shows_a_name_as_text_and_leads_to_that_model(served: Served, name: str) -> None:
    answer = served.admin().http.get("/search", params={"q": name})
    page = Html(answer.text)
    assert " ".join(name.split()) in page.text
    if name in LISTED:
        (target,) = links_named(page, name)
        shown = Html(served.admin().get(target).text)
        assert name in shown.headings
        assert "Price" in shown.headings
        assert "no price" not in shown.text


@pytest.mark.parametrize("name", HOSTILE)
def test_traffic_without_a_price_leads_to_a_page_of_that_name(served: Served, name: str) -> None:
    """A client may send any text as a model."""
    visitor = served.admin()
    assert name in {one.model for one in served.pricing.usage.unpriced()}
    answer = visitor.http.get("/models", params={"provider": "openrouter", "model": name})
    assert 200 == answer.status_code
    assert " ".join(name.split()) in Html(answer.text).headings


def test_a_link_to_a_model_is_below_our_pages(served: Served) -> None:
    """Whatever its id has in it: no browser and no proxy makes another address of it."""
    visitor = served.admin()
    for path in ("/", "/models?provider=openrouter", "/providers/openrouter", "/search?q=a"):
        for link in Html(visitor.get(path).text).links(f"{served.url}{path}"):
            parts = urlsplit(link)
            if parts.netloc == urlsplit(served.url).netloc and "/models/" in parts.path:
                assert not {"", ".", ".."} & set(unquote(parts.path).split("/")[1:]), link


def test_a_reason_and_a_name_of_a_person_are_text(served: Served) -> None:
    visitor = served.admin()
    for path in ("/audit-log", "/models/openrouter/openai/gpt-4o"):
        text = Html(visitor.get(path).text).text
        assert HOSTILE[0] in text
        assert HOSTILE[1] in text


def test_a_raw_answer_is_text(served: Served) -> None:
    """The excerpt has what the provider sent, and makes no element of it."""
    served.providers.add("novita", "evil/</pre><script>alert(1)</script>", {"input": "1"})
    served.providers.set_rate("novita", "qwen/qwen3-8b-fp8", "input", "35000")
    visitor = served.admin()
    run = visitor.post("/read", {"provider": "novita"})
    assert 303 == run.status_code
    visitor.wait_for_the_end_of(run.headers["location"])
    page = visitor.get("/review?provider=novita").text
    assert "Raw answer" in page
    assert "<script>alert" not in page
    assert [] == Html(page).scripts
    assert "qwen/qwen3-8b-fp8" in Html(page).preformatted


def test_a_query_is_text(served: Served) -> None:
    """On the pages that repeat what was asked for."""
    visitor = served.admin()
    for name in HOSTILE:
        for path, field in (("/changes", "model"), ("/search", "q"), ("/models", "provider")):
            answer = visitor.http.get(path, params={field: name})
            assert answer.status_code in (200, 422)
            assert [] == Html(answer.text).scripts
            assert "<img" not in answer.text
