"""Runs over HTTP: listed, followed, ended."""

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


def begun(api: Api) -> str:
    answer = api.admin.post("/admin/pricing/sync/trigger", headers=ASYNC)
    run_id: str = answer.json()["run_id"]
    return run_id


def test_pages_of_runs_hold_every_run_once_the_newest_first(api: Api) -> None:
    """Whatever the length of a page."""
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
    """Also by a provider that failed in them."""
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


def test_a_run_says_how_far_it_has_come(api: Api) -> None:
    """By provider, while it goes on and after."""
    api.providers.fault("novita", Fault("hang"))
    run_id = begun(api)
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
    """Nor can one that there is not."""
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
    """Each provider's steps in order, its reading as it ends, and the run last of all."""
    api.providers.fault("novita", Fault("latency", seconds=0.7))
    run_id = begun(api)
    with api.reader.stream("GET", f"{RUNS}/{run_id}/events") as response:
        assert "text/event-stream; charset=utf-8" == response.headers["content-type"]
        assert "no-store" == response.headers["cache-control"]
        told = list(events(response))
    novita = [
        (event.name, event.content.get("state"))
        for event in told
        if event.content.get("provider") == "novita"
    ]
    assert [("reading", None), ("step", "read")] == novita[-2:]
    assert ("step", "reading") in novita
    assert "run" == told[-1].name
    assert ("success", run_id) == (told[-1].content["status"], told[-1].content["run_id"])
    readings = [event for event in told if event.name == "reading"]
    assert ["openrouter", "novita"] == [event.content["provider"] for event in readings]
    assert told[-1].content["results"]["novita"]["reading_id"] == readings[-1].content["reading_id"]


def test_a_quiet_stream_shows_that_it_is_alive(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """By comments, which no reader takes for an event."""
    monkeypatch.setattr("pricing_sync.web.events.HEARTBEAT_SECONDS", 0.1)
    api.providers.fault("novita", Fault("latency", seconds=1))
    run_id = begun(api)
    with api.reader.stream("GET", f"{RUNS}/{run_id}/events") as response:
        lines = list(response.iter_lines())
    assert ": still running" in lines
    assert "event: run" in lines


def test_whoever_was_cut_off_is_told_the_rest(api: Api) -> None:
    """By the id of the last event it has, of any, nothing is told twice and nothing left out."""
    run_id = api.sync()["run_id"]
    path = f"{RUNS}/{run_id}/events"
    with api.reader.stream("GET", path) as response:
        told = list(events(response))
    assert ["reading", "step", "reading", "step", "run"] == [event.name for event in told]
    for place, event in enumerate(told):
        with api.reader.stream("GET", path, headers={"Last-Event-ID": event.id}) as response:
            rest = list(events(response))
        # The id of a reading is of before its step: it is told again.
        begin = place if event.name in ("reading", "run") else place + 1
        assert told[begin:] == rest


@pytest.mark.parametrize("last", ["x", "dddd", "d", "zz", "dd" * 500])
def test_an_id_that_makes_no_sense_is_no_id(api: Api, last: str) -> None:
    """Everything is told then."""
    run_id = api.sync()["run_id"]
    headers = {"Last-Event-ID": last}
    with api.reader.stream("GET", f"{RUNS}/{run_id}/events", headers=headers) as response:
        assert 5 == len(list(events(response)))


def test_a_stream_ends_when_the_service_stops(tmp_path: Path, providers: DemoServer) -> None:
    """Nobody who follows a run holds up a stop."""
    providers.fault("novita", Fault("hang"))
    with api(tmp_path, providers, stop_seconds=0) as running:
        run_id = begun(running)
        with running.reader.stream("GET", f"{RUNS}/{run_id}/events") as response:
            stream = events(response)
            assert "step" == next(stream).name
            engine = running.pricing._parts.runs._engine
            assert engine is not None
            engine._stopping = True
            began = time.monotonic()
            rest = list(stream)
            assert "run" not in [event.name for event in rest]
        assert time.monotonic() - began < 3
