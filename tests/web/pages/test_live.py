"""The events that keep an open page current, and runs that one follows."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

import httpx
import pytest

from pricing_sync.demo.faults import Fault
from pricing_sync.demo.server import DemoServer
from pricing_sync.web import standalone
from pricing_sync.web.pages import live

from server_process import ADMIN, Api, serving
from service import service, settings_of
from web.pages.visitor import Html, Visitor

SECONDS = 20


@pytest.fixture(autouse=True)
def _heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that was closed notices it at the next line."""
    monkeypatch.setattr(live, "HEARTBEAT_SECONDS", 0.5)


@contextmanager
def followed(visitor: Visitor) -> Iterator[Queue[str]]:
    """The lines of the events, as they come; the last one is `end`."""
    lines: Queue[str] = Queue()
    seen = re.search(r'data-live="/live\?seen=(\w+)"', visitor.get("/").text)
    assert seen
    with visitor.http.stream("GET", f"/live?seen={seen[1]}") as answer:
        assert 200 == answer.status_code
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "no-store" == answer.headers["cache-control"]

        def read() -> None:
            try:
                for line in answer.iter_lines():
                    lines.put(line)
            except httpx.HTTPError:
                pass
            lines.put("end")

        reader = Thread(target=read, daemon=True)
        reader.start()
        yield lines
        visitor.http.close()
    reader.join(SECONDS)
    assert not reader.is_alive()


def next_line(lines: Queue[str], wanted: str) -> None:
    """Take lines until one begins with *wanted*."""
    until = time.monotonic() + SECONDS
    while True:
        try:
            line = lines.get(timeout=max(0.01, until - time.monotonic()))
        except Empty:
            raise AssertionError(f"no line {wanted!r}") from None
        if line.startswith(wanted):
            return


@pytest.fixture
def ann(api: Api) -> Visitor:
    visitor = Visitor(api.url)
    visitor.sign_in(author="ann")
    return visitor


def test_a_reading_and_a_decision_are_events(api: Api, ann: Visitor) -> None:
    with followed(ann) as lines:
        next_line(lines, "retry: ")
        api.sync()
        next_line(lines, "event: changed")
        api.providers.set_rate("openrouter", "openai/gpt-4o", "input", "2500")
        api.sync()
        next_line(lines, "event: changed")
        (held,) = api.pricing.held()
        api.pricing.reject([held], author="bob", reason="a test")
        next_line(lines, "event: changed")


def test_what_changed_before_the_page_listened_is_an_event(api: Api, ann: Visitor) -> None:
    """A short run ends before the browser has connected."""
    page = ann.get("/").text
    api.sync()
    seen = re.search(r"seen=(\w+)", page)
    assert seen
    with ann.http.stream("GET", f"/live?seen={seen[1]}") as answer:
        (event,) = [
            line for line, _ in zip(answer.iter_lines(), range(4), strict=False) if "event" in line
        ]
    assert "event: changed" == event


def test_the_events_end_with_the_service(tmp_path: Path, providers: DemoServer) -> None:
    """A stopping service does not wait for open pages."""
    pricing = service(settings_of(tmp_path, providers, admin_token=ADMIN))
    lines: Queue[str] = Queue()
    with serving(standalone(pricing)) as url:
        visitor = Visitor(url)
        visitor.sign_in()
        context = followed(visitor)
        lines = context.__enter__()
        next_line(lines, "retry: ")
        started = time.monotonic()
    assert time.monotonic() - started < 10
    next_line(lines, "end")
    context.__exit__(None, None, None)


def test_the_events_need_a_session(api: Api) -> None:
    assert 303 == Visitor(api.url).get("/live").status_code
    assert 200 == Visitor(api.url).http.head("/sign-in").status_code


def test_read_now_leads_to_the_run(ann: Visitor) -> None:
    """Of one provider, or of all; the run says who began it."""
    for fields, count in (({"provider": "novita"}, 1), ({}, 2)):
        answer = ann.post("/read", fields)
        assert 303 == answer.status_code
        page = Html(ann.wait_for_the_end_of(answer.headers["location"]))
        assert f"{count} of {count} provider" in page.text
        assert "by ann" in page.text
    assert 303 == ann.post("/read", {"provider": "novita", "dry_run": "on"}).status_code
    assert 404 == ann.post("/read", {"provider": "nobody"}).status_code


def test_a_run_is_cancelled_from_its_page(api: Api, ann: Visitor) -> None:
    api.providers.fault("openrouter", Fault("hang"))
    run = ann.post("/read").headers["location"]
    assert "Cancel" in ann.get(run).text
    assert 303 == ann.post(f"{run}/cancel").status_code
    assert "cancelled" in Html(ann.wait_for_the_end_of(run)).text
    answer = ann.post(f"{run}/cancel")
    assert (409, True) == (answer.status_code, "has ended already" in answer.text)


def test_a_run_that_failed_says_why(api: Api, ann: Visitor) -> None:
    api.providers.fault("novita", Fault("server_error"))
    page = Html(ann.wait_for_the_end_of(ann.post("/read").headers["location"]))
    assert "novita failed" in page.text
    assert "503" in page.text
    overview = Html(ann.get("/").text).text
    assert "1 provider needs a look" in overview
    assert "503" in Html(ann.get("/providers/novita").text).text
