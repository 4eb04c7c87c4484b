"""The documentation of the API, as a page of the service."""

from __future__ import annotations

import os

import pytest
from playwright.sync_api import expect

from web.pages.browser import CHROMIUM, chromium, signed_in
from web.pages.conftest import Served


def test_the_document_is_that_of_the_api(served: Served) -> None:
    """For a browser that has signed in; the API's own address of it takes a token."""
    visitor = served.admin()
    answer = visitor.get("/docs/openapi.json")
    assert 200 == answer.status_code
    assert "/v1/prices" in answer.json()["paths"]
    assert "/review" not in answer.json()["paths"]
    assert 401 == visitor.get("/openapi.json").status_code


@pytest.mark.skipif(not CHROMIUM.exists() and "CI" not in os.environ, reason="there is no Chromium")
def test_the_operations_are_shown_without_another_host(served: Served) -> None:
    """Swagger UI comes from the service, and its policy lets it run."""
    with chromium() as browser:
        context = browser.new_context()
        page = signed_in(context, served.url)
        wrong: list[str] = []
        page.on("console", lambda message: wrong.append(message.text))
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith((served.url, "data:")) else wrong.append(request.url)
            ),
        )
        page.get_by_role("link", name="API").click()
        page.get_by_role("button", name="Expand operation").or_(
            page.locator("#operations-tag-prices")
        ).first.click()
        expect(page.get_by_text("/v1/prices/{provider}/{model}").first).to_be_visible()
        context.close()
    assert [] == wrong
