"""Somebody who opens the pages by HTTP alone: a session, its forms, and what a page says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from html.parser import HTMLParser
from typing import Any, ClassVar
from urllib.parse import urljoin

import httpx

from server_process import ADMIN, caller

COOKIE = "pricing_sync_session"
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
        self._is_script = False
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._is_script = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._is_script = False

    def handle_data(self, data: str) -> None:
        if self._is_script:
            self.scripts.append(data)
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        """The visible words, with single blanks."""
        return " ".join("".join(self.words).split())

    def links(self, base: str) -> list[str]:
        """Where links, forms and files lead to, from a page at *base*."""
        names = {"a": "href", "form": "action", "link": "href", "script": "src"}
        found = (values.get(names.get(tag, "")) for tag, values in self.elements)
        return [urljoin(base, unescape(target)) for target in found if target is not None]

    def forms(self) -> list[dict[str, str | None]]:
        """The attributes of the forms that write."""
        return [
            values
            for tag, values in self.elements
            if tag == "form" and values.get("method") == "post"
        ]
