"""A real headless Chromium, and the pages of a service in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from server_process import ADMIN

CHROMIUM = Path("/usr/bin/chromium")
_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=[*_ARGUMENTS])
        try:
            yield running
        finally:
            running.close()


def signed_in(context: BrowserContext, url: str, token: str = ADMIN, author: str = "ann") -> Page:
    """A page of somebody who signed in by the form."""
    page = context.new_page()
    page.goto(f"{url}/")
    page.get_by_label("Token").fill(token)
    page.get_by_label("Your name").fill(author)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{url}/")
    return page
