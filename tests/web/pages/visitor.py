"""Somebody who opens the pages by HTTP alone: a session, its forms, and what a page says."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any, ClassVar
from urllib.parse import urljoin

import httpx

from server_process import ADMIN, caller

COOKIE = "pricing_sync_session"
_READ = ("a", "h1", "h2", "pre", "script", "style")
_CSRF = re.compile(r'name="csrf" value="([0-9a-f]+)"')


class Visitor:
    """A client with cookies, which follows no redirect by itself."""

    #: All that a test has made, to be closed when it ends.
    made: ClassVar[list[Visitor]] = []

    def __init__(self, url: str, prefix: str = "", **headers: str) -> None:
        self.made.append(self)
        self.http = caller(url)
        self.http.headers.update(headers)
        self.prefix = prefix
        #: Where the pages are, as a browser sees it.
        self.below = f"{prefix}/"
        self._csrf = ""

    def sign_in(self, token: str = ADMIN, **fields: str) -> httpx.Response:
        """Send the form of the sign-in page."""
        answer = self.send("/sign-in", {"token": token, **fields})
        if answer.status_code == 303:
            self._csrf = self.secret()
        return answer

    def secret(self) -> str:
        """What each form of the session has to name."""
        found = _CSRF.search(self.get("/").text)
        assert found, "the overview has no form"
        return found[1]

    def wait_for_the_end_of(self, run: str) -> str:
        """The page of a run once it has ended."""
        for _ in range(600):
            page = self.get(run).text
            if "Cancel</button>" not in page:
                return page
            time.sleep(0.05)
        raise AssertionError("the run did not end")

    def seen_by_live(self) -> None:
        """Follow the events until the first one: the page saw another state."""
        with self.http.stream("GET", f"{self.prefix}/live?seen=another") as answer:
            assert any("changed" in line for line in answer.iter_lines())

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.http.get(self.prefix + path, headers=headers)

    def send(self, path: str, fields: Mapping[str, Any], **headers: str) -> httpx.Response:
        """Send a form without the session's secret."""
        return self.http.post(self.prefix + path, data=fields, headers=headers)

    def post(self, path: str, fields: Mapping[str, Any] = {}, **headers: str) -> httpx.Response:
        """Send a form of this session."""
        return self.send(path, {"csrf": self._csrf, **fields}, **headers)


class Html(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        #: The texts of headings, of preformatted blocks, and of links by their place in `elements`.
        self.headings: list[str] = []
        self.preformatted = ""
        self.link_texts: dict[int, str] = {}
        self._open: list[tuple[str, int, int]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.words.append(" ")
        if tag in _READ:
            self._open.append((tag, len(self.elements) - 1, len(self.words)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in _READ or not self._open:
            return
        _, place, start = self._open.pop()
        text = "".join(self.words[start:])
        if tag == "a":
            self.link_texts[place] = " ".join(text.split())
        elif tag == "pre":
            self.preformatted += text
        elif tag in ("h1", "h2"):
            self.headings.append(" ".join(text.split()))

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1][0] in ("script", "style") and data.strip():
            self.scripts.append(data)
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        """The visible words, with single blanks."""
        return " ".join("".join(self.words).split())

    def links(self, base: str) -> list[str]:
        """Where links, forms and files lead to, from a page at *base*; not those within it."""
        names = {"a": "href", "form": "action", "link": "href", "script": "src"}
        found = (values.get(names.get(tag, "")) for tag, values in self.elements)
        return [urljoin(base, target) for target in found if target and target[0] != "#"]

    def forms(self) -> list[dict[str, str | None]]:
        """The attributes of the forms that write."""
        return [
            values
            for tag, values in self.elements
            if tag == "form" and values.get("method") == "post"
        ]
