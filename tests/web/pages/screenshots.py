"""Write a picture of every page into a folder: wide, narrow, and dark.

PYTHONPATH=src:tests python -m web.pages.screenshots [FOLDER] [PART OF A NAME]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from pricing_sync.demo.server import DemoServer
from pricing_sync.web import standalone

from server_process import serving
from web.pages.browser import chromium, signed_in
from web.pages.history import HOSTILE, filled

WIDE, NARROW = (1280, 900), (320, 700)
PATHS = {
    "overview": "/",
    "review": "/review",
    "review-provider": "/review?provider=openrouter",
    "changes": "/changes",
    "changes-none": "/changes?direction=up&at_least=900",
    "models": "/models?provider=openrouter",
    "model": "/models/openrouter/openai/gpt-4o?input=48000&output=2100",
    "model-held": "/models/openrouter/anthropic/claude-sonnet-4.5",
    "model-override": "/models/openrouter/z-ai/glm-5.2",
    "model-long": f"/models/openrouter/{HOSTILE[4]}",
    "model-peers": "/models/deepinfra/moonshotai/Kimi-K2.5",
    "provider": "/providers/openrouter",
    "provider-failing": "/providers/xai",
    "runs": "/runs",
    "audit-log": "/audit-log",
    "search": "/search?q=openai",
    "search-none": "/search?q=nothing-like-this",
    "not-found": "/models/openrouter/no/such-model",
}


def write(folder: Path, part: str) -> None:
    """Fill a ledger, and write the pictures of the pages whose names have *part*."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as database, DemoServer() as providers:
        pricing = filled(Path(database), providers)
        with serving(standalone(pricing)) as url, chromium() as browser:
            paths = PATHS | {"run": f"/runs/{pricing.store.runs(1)[0][0].id}"}
            chosen = {name: path for name, path in paths.items() if part in name}
            _pictures(browser, url, folder, "wide", WIDE, chosen)
            _pictures(browser, url, folder, "narrow", NARROW, chosen)
            _pictures(browser, url, folder, "dark", WIDE, chosen)


def _pictures(
    browser: Browser,
    url: str,
    folder: Path,
    kind: str,
    size: tuple[int, int],
    paths: dict[str, str],
) -> None:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if kind == "dark" else "light",
    )
    page = context.new_page()
    page.goto(f"{url}/sign-in")
    page.screenshot(path=folder / f"sign-in-{kind}.png")
    page = signed_in(context, url)
    for name, path in paths.items():
        page.goto(f"{url}{path}")
        # As high as the page, so that nothing of it sticks to an edge of the window.
        height = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": size[0], "height": max(size[1], height)})
        page.screenshot(path=folder / f"{name}-{kind}.png")
        page.set_viewport_size({"width": size[0], "height": size[1]})
    context.close()


if __name__ == "__main__":
    arguments = sys.argv[1:]
    write(Path(arguments[0] if arguments else "screenshots"), "".join(arguments[1:2]))
