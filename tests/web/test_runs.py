"""Runs over HTTP: list, show, follow, cancel."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from pricing_sync.demo.faults import Fault
from pricing_sync.demo.server import DemoServer
from pricing_sync.scheduling.local_engine import LocalEngine

from server_process import Api, api

RUNS = "/admin/pricing/runs"
ASYNC = {"Prefer": "respond-async"}


class Event(NamedTuple):
    id: str
    name: str
    content: dict[str, Any]


def events(response: httpx.Response) -> Iterator[Event]:
    """The events of a stream as they come."""
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "event" in fields:
            yield Event(fields["id"], fields["event"], json.loads(fields["data"]))
            fields = {}


def start_run(api: Api) -> str:
    """Start a run and return its id at once."""
    answer = api.admin.post("/admin/pricing/sync/trigger", headers=ASYNC)
    run_id: str = answer.json()["run_id"]
    return run_id


def test_pages_of_runs_list_every_run_once_newest_first(api: Api) -> None:
    """The page length does not matter."""
    made = [api.sync(providers=["novita"])["run_id"] for _ in range(5)]
    for limit in (1, 2, 5, 100):
        found, cursor = [], None
        while True:
            page = api.get(RUNS, limit=limit, **({"cursor": cursor} if cursor else {}))
            found += [item["run_id"] for item in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert made[::-1] == found


def test_runs_are_found_by_outcome_and_by_provider(api: Api) -> None:
    """A provider that failed in a run counts too."""
    good = api.sync(providers=["openrouter"])["run_id"]
    api.providers.fault("novita", Fault("server_error"))
    bad = api.sync(providers=["novita"])["run_id"]
    mixed = api.sync()["run_id"]

    def ids(**query: str) -> list[str]:
        return [item["run_id"] for item in api.get(RUNS, **query)["items"]]

    assert [bad] == ids(status="failed")
    assert [mixed] == ids(status="partial")
    assert [] == ids(status="running")
    assert [mixed, good] == ids(provider="openrouter")
    assert [mixed, bad] == ids(provider="novita")
    assert [mixed] == ids(provider="novita", status="partial", limit="1")
    found = api.get(RUNS, provider="novita", status="failed")["items"][0]
    assert ["novita"] == list(found["results"])


def test_a_run_shows_the_state_of_each_provider(api: Api) -> None:
    """While it is in progress, and after its end."""
    api.providers.fault("novita", Fault("hang"))
    run_id = start_run(api)
    wanted = {"openrouter": "read", "novita": "reading"}
    deadline = time.monotonic() + 10
    while api.get(f"{RUNS}/{run_id}")["steps"] != wanted:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert [run_id] == [item["run_id"] for item in api.get(RUNS, status="running")["items"]]
    assert 200 == api.admin.post(f"{RUNS}/{run_id}/cancel").status_code
    while api.get(f"{RUNS}/{run_id}")["status"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    ended = api.get(f"{RUNS}/{run_id}")
    assert {"openrouter": "read", "novita": "cancelled"} == ended["steps"]
    assert "partial" == ended["status"]


def test_a_run_that_has_ended_cannot_be_cancelled(api: Api) -> None:
    """An unknown run cannot be cancelled either."""
    run_id = api.sync()["run_id"]
    answer = api.admin.post(f"{RUNS}/{run_id}/cancel")
    assert (409, f"run {run_id} has ended already") == (
        answer.status_code,
        answer.json()["detail"],
    )
    assert 404 == api.admin.post(f"{RUNS}/nothing/cancel").status_code
    assert 404 == api.reader.get(f"{RUNS}/nothing").status_code
    assert 404 == api.reader.get(f"{RUNS}/nothing/events").status_code


def test_a_run_can_be_followed_to_its_end(api: Api) -> None:
    """The steps of a provider come in order, its reading when it ends, and the run last."""
    api.providers.fault("novita", Fault("latency", seconds=0.7))
    run_id = start_run(api)
    with api.reader.stream("GET", f"{RUNS}/{run_id}/events") as response:
        assert "text/event-stream; charset=utf-8" == response.headers["content-type"]
        assert "no-store" == response.headers["cache-control"]
        received = list(events(response))
    novita = [
        (event.name, event.content.get("state"))
        for event in received
        if event.content.get("provider") == "novita"
    ]
    assert [("reading", None), ("step", "read")] == novita[-2:]
    assert ("step", "reading") in novita
    assert "run" == received[-1].name
    assert ("success", run_id) == (received[-1].content["status"], received[-1].content["run_id"])
    readings = [event for event in received if event.name == "reading"]
    assert ["openrouter", "novita"] == [event.content["provider"] for event in readings]
    assert (
        received[-1].content["results"]["novita"]["reading_id"]
        == readings[-1].content["reading_id"]
    )


def test_a_quiet_stream_sends_heartbeats(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are comments, which no reader takes for an event."""
    monkeypatch.setattr("pricing_sync.web.events.HEARTBEAT_SECONDS", 0.1)
    api.providers.fault("novita", Fault("latency", seconds=1))
    run_id = start_run(api)
    with api.reader.stream("GET", f"{RUNS}/{run_id}/events") as response:
        lines = list(response.iter_lines())
    assert ": still running" in lines
    assert "event: run" in lines


def test_a_reader_that_was_cut_off_receives_the_rest(api: Api) -> None:
    """With the id of any event, the stream continues there and leaves nothing out."""
    run_id = api.sync()["run_id"]
    path = f"{RUNS}/{run_id}/events"
    with api.reader.stream("GET", path) as response:
        received = list(events(response))
    assert ["reading", "step", "reading", "step", "run"] == [event.name for event in received]
    for place, event in enumerate(received):
        with api.reader.stream("GET", path, headers={"Last-Event-ID": event.id}) as response:
            rest = list(events(response))
        # A reading has the id from before its step, so the reader receives it again.
        first = place if event.name in ("reading", "run") else place + 1
        assert received[first:] == rest


@pytest.mark.parametrize("event_id", ["x", "dddd", "d", "zz", "dd" * 500])
def test_an_invalid_event_id_is_ignored(api: Api, event_id: str) -> None:
    """The stream then sends all events."""
    run_id = api.sync()["run_id"]
    headers = {"Last-Event-ID": event_id}
    with api.reader.stream("GET", f"{RUNS}/{run_id}/events", headers=headers) as response:
        assert 5 == len(list(events(response)))


def test_a_stream_ends_when_the_service_stops(tmp_path: Path, providers: DemoServer) -> None:
    """A reader of a stream does not delay a stop."""
    providers.fault("novita", Fault("hang"))
    with api(tmp_path, providers, stop_seconds=0) as running:
        run_id = start_run(running)
        with running.reader.stream("GET", f"{RUNS}/{run_id}/events") as response:
            stream = events(response)
            assert "step" == next(stream).name
            engine = running.pricing._parts.runs._engine
            assert isinstance(engine, LocalEngine)
            engine._stopping = True
            stopped_at = time.monotonic()
            rest = list(stream)
            assert "run" not in [event.name for event in rest]
        assert time.monotonic() - stopped_at < 3
