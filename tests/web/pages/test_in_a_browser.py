"""The pages in a real browser: by mouse, by keyboard, and without a script."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

from pricing_sync.prices.rates import Meter, RateCard

from web.pages.browser import CHROMIUM, chromium, signed_in
from web.pages.conftest import Served
from web.pages.history import HOSTILE

pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists() and "CI" not in os.environ, reason="there is no Chromium"
)
MODEL = "/models/openrouter/mistralai/codestral-2508"
PAGES = (
    *("/", "/review", "/changes?days=90", "/models?provider=openrouter", "/providers/openrouter"),
    *("/providers/xai", "/models/openrouter/openai/gpt-4o?input=48000", MODEL, "/runs"),
    *("/models/openrouter/openai/gpt-oss-120b", "/models/openrouter/z-ai/glm-5.2"),
    *(
        f"/models/openrouter/{HOSTILE[4]}",
        "/search?q=very-long",
        "/audit-log",
        "/rejected",
        "/none",
    ),
)
WIDE, NARROW = (1280, 900), (320, 700)
#: Only some rules depend on the colours.
LOOKS: tuple[tuple[tuple[int, int], Literal["light", "dark"], tuple[str, ...]], ...] = (
    (WIDE, "light", ()),
    (NARROW, "dark", ()),
    (NARROW, "light", ("color-contrast",)),
    (WIDE, "dark", ("color-contrast",)),
)


@pytest.fixture(scope="module")
def browser(served: Served) -> Iterator[Browser]:  # noqa: ARG001
    """It comes after the service, which cannot be filled while the browser's loop runs here."""
    with chromium() as running:
        yield running


class Watched:
    """A context of which everything is noted that a page should not do."""

    def __init__(self, browser: Browser, url: str, **options: object) -> None:
        self.context: BrowserContext = browser.new_context(**options)  # type: ignore[arg-type]
        self.context.set_default_timeout(15_000)
        self.wrong: list[str] = []
        self.context.on("weberror", lambda error: self.wrong.append(str(error.error)))
        self.context.on("console", self._note_message)
        self.context.on("request", self._note_request)
        self._url = url

    def _note_message(self, message: ConsoleMessage) -> None:
        # Chromium reports each status from 400 on as an error of the console.
        is_status = "the server responded with a status of 4" in message.text
        if message.type in ("error", "warning") and not is_status:
            self.wrong.append(message.text)

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith(self._url):
            self.wrong.append(request.url)


@pytest.fixture(params=[True, False], ids=["script", "no script"])
def page(request: pytest.FixtureRequest, browser: Browser, served: Served) -> Iterator[Page]:
    """The overview, with a script and without: whatever one does works in both."""
    watched = Watched(browser, served.url, java_script_enabled=request.param)
    yield signed_in(watched.context, served.url)
    watched.context.close()
    assert [] == watched.wrong


@pytest.fixture
def scripted(browser: Browser, served: Served) -> Iterator[Page]:
    watched = Watched(browser, served.url)
    yield signed_in(watched.context, served.url)
    watched.context.close()
    assert [] == watched.wrong


def read(served: Served, provider: str, model: str, rate: str) -> None:
    """Have a provider change the input of a model, and read it."""
    served.providers.set_rate(provider, model, "input", rate)
    bob = served.admin(author="bob")
    bob.wait_for_the_end_of(bob.post("/read", {"provider": provider}).headers["location"])


def test_a_held_change_is_accepted(served: Served, page: Page) -> None:
    """Found on the overview, decided on the review page, seen on the page of the model."""
    model = nebius(served)
    rate = str(1000 * Decimal(price_of(served, model)))
    read(served, "nebius", model, rate)
    page.goto(served.url)
    page.get_by_role("link", name=re.compile("changes? waits?")).first.click()
    form = page.locator("form.group").filter(has=page.get_by_role("heading", name="nebius"))
    form.get_by_role("checkbox", name=model, exact=True).check()
    form.get_by_label("Reason", exact=True).fill("their page says so")
    form.get_by_role("button", name="Accept").click()
    expect(page.get_by_role("status").filter(has_text="1 accepted.")).to_be_visible()
    page.goto(f"{served.url}/models/nebius/{model}")
    expect(page.locator("section", has=page.get_by_role("heading", name="Price"))).to_contain_text(
        f"{Decimal(rate).normalize():,f}"
    )
    page.get_by_role("link", name="Audit log").click()
    expect(page.locator("tbody tr").first).to_contain_text("their page says so")


def nebius(served: Served) -> str:
    """The first of its models with an input price."""
    return next(price.model for price in served.pricing.book() if price.provider == "nebius")


def price_of(served: Served, model: str) -> str:
    card = served.pricing.price("nebius", model).listing
    assert isinstance(card, RateCard)
    return str(card.rates[Meter.INPUT])


def test_an_override_is_set_and_ended(served: Served, page: Page) -> None:
    page.goto(f"{served.url}{MODEL}")
    page.get_by_text("Set an override").click()
    form = page.locator("form.fields").filter(has_text="Set")
    form.get_by_label("output").first.fill("0.77")
    form.get_by_label("Reason", exact=True).fill("a contract")
    form.get_by_role("button", name="Set", exact=True).click()
    expect(page.get_by_text("by ann: a contract")).to_be_visible()
    expect(page.locator("section[aria-labelledby=price]")).to_contain_text("0.77")
    page.get_by_role("button", name="End output").click()
    expect(page.get_by_text("The provider's own rates hold.")).to_be_visible()


def test_a_price_is_computed(served: Served, page: Page) -> None:
    page.goto(f"{served.url}{MODEL}")
    page.locator(".calculator").get_by_label("input", exact=True).fill("2,000,000")
    page.get_by_role("button", name="Compute").click()
    expect(page.locator("tfoot")).to_have_text(re.compile(r"Total\s*0.6"))


def test_a_search_by_form(page: Page) -> None:
    page.get_by_label("Search models").fill("gpt-4o search")
    page.get_by_label("Search models").press("Enter")
    page.get_by_role("link", name="openai/gpt-4o-search-preview").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("openai/gpt-4o-search-preview")


def test_signing_out(served: Served, page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto(f"{served.url}/runs")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_search_by_keyboard(scripted: Page) -> None:
    """`/`, the words, Enter, and the first model is one Tab away."""
    scripted.keyboard.press("/")
    scripted.keyboard.type("sonnet-4.5/")
    assert "sonnet-4.5/" == scripted.get_by_label("Search models").input_value()
    scripted.keyboard.press("Backspace")
    scripted.keyboard.press("Enter")
    scripted.wait_for_url("**/search?*")
    expect(scripted.get_by_role("heading", level=1)).to_contain_text("Models like")
    scripted.keyboard.press("Tab")
    expect(scripted.locator("a:focus")).to_have_text("anthropic/claude-sonnet-4.5")
    scripted.keyboard.press("Enter")
    expect(scripted.get_by_role("heading", level=1)).to_have_text("anthropic/claude-sonnet-4.5")


def test_the_first_tab_leads_past_the_links_of_every_page(scripted: Page) -> None:
    scripted.keyboard.press("Tab")
    expect(scripted.locator("a:focus")).to_have_text("Skip to the content")
    scripted.keyboard.press("Enter")
    expect(scripted.locator("main")).to_be_focused()


def test_a_run_is_followed_without_loading_the_page_again(served: Served, scripted: Page) -> None:
    """One presses the button, and the page fills by itself."""
    scripted.goto(f"{served.url}/providers/venice")
    scripted.get_by_role("button", name="Read now").click()
    scripted.wait_for_url("**/runs/*")
    scripted.evaluate("window.isTheSame = true")
    expect(scripted.get_by_text("1 of 1 provider")).to_be_visible()
    expect(scripted.locator("h1 .state")).to_have_text("success")
    assert scripted.evaluate("window.isTheSame")


def test_an_open_overview_shows_what_is_read(served: Served, scripted: Page) -> None:
    scripted.goto(served.url)
    scripted.evaluate("window.isTheSame = true")
    read(served, "deepinfra", "zai-org/GLM-4.7", "0.41")
    moved = scripted.locator("section[aria-labelledby=moved]")
    expect(moved).to_contain_text("zai-org/GLM-4.7", timeout=10_000)
    assert scripted.evaluate("window.isTheSame")


def test_a_page_that_is_being_filled_in_is_left_alone(served: Served, scripted: Page) -> None:
    """It says that something has changed, and keeps what one has typed."""
    scripted.goto(f"{served.url}/review?provider=together")
    scripted.get_by_label("Reason").fill("because")
    scripted.locator("body").click(position={"x": 2, "y": 2})
    read(served, "deepinfra", "Qwen/Qwen3-14B", "0.13")
    expect(scripted.locator("#live")).to_contain_text("Something has changed.", timeout=10_000)
    assert "because" == scripted.get_by_label("Reason").input_value()


@pytest.mark.parametrize("part", [0, 1])
def test_everybody_can_read_every_page(served: Served, browser: Browser, part: int) -> None:
    """Light or dark, wide or narrow: axe finds nothing serious, and nothing is cut off."""
    watched = Watched(browser, served.url)
    page = signed_in(watched.context, served.url)
    found = []
    for path in PAGES[part::2]:
        page.goto(f"{served.url}{path}")
        found += faults(page)
    page.goto(served.url)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    found += faults(page)
    watched.context.close()
    assert [] == found
    assert [] == watched.wrong


def faults(page: Page) -> list[str]:
    """What is wrong with a page, with everything open that can be opened."""
    found, axe = [], Axe()
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    for size, scheme, rules in LOOKS:
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(color_scheme=scheme)
        found += [f"{page.url} {scheme} {size[0]}: {one}" for one in judged(page, axe, rules)]
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > size[0]:
            found.append(f"{page.url} is {width} pixels wide")
    return found


def judged(page: Page, axe: Axe, rules: Sequence[str]) -> list[str]:
    """What axe calls serious or critical; of all rules, or of some."""
    options: dict[str, object] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = list(rules)
    violations = axe.run(page, options=options).response["violations"]
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in violations
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
