"""The schedule over HTTP: its status, and manual runs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urljoin

import pytest
from fastapi import FastAPI

from pricing_sync.demo.faults import Fault
from pricing_sync.demo.server import DemoServer
from pricing_sync.web import router
from pricing_sync.web.prefer import wait_preference

from server_process import ADMIN, Api, api, caller, serving
from service import service, settings_of

TRIGGER = "/admin/pricing/sync/trigger"


def test_the_status_has_the_keys_of_the_reference(api: Api) -> None:
    """Before the first reading, and after it."""
    before = api.get("/admin/pricing/scheduler/status")
    assert (True, 6, True, ["openrouter", "novita"], {}) == tuple(
        before[key] for key in ("enabled", "interval_hours", "running", "providers", "last_syncs")
    )
    assert '"interval_hours":6,' in api.reader.get("/admin/pricing/scheduler/status").text
    api.sync(providers=["novita"])
    last = api.get("/admin/pricing/scheduler/status")["last_syncs"]
    assert ["novita"] == list(last)
    assert 0 <= last["novita"]["seconds_ago"] < 10
    assert last["novita"]["timestamp"].endswith("Z")


def test_a_trigger_without_a_body_reads_all_providers_and_returns_the_result(
    api: Api,
) -> None:
    """The response has the keys of the reference."""
    answer = api.admin.post(TRIGGER)
    assert 200 == answer.status_code
    run = answer.json()
    assert ("success", 42, 0, 0, False, "api") == tuple(
        run[key]
        for key in (
            *("status", "total_models_updated", "total_models_skipped", "total_errors"),
            *("merged", "started_by"),
        )
    )
    assert {"openrouter", "novita"} == run["results"].keys()
    assert ("success", 28, 0, []) == tuple(
        run["results"]["openrouter"][key]
        for key in ("status", "models_updated", "models_skipped", "errors")
    )
    assert run["duration_seconds"] > 0


def test_new_prices_are_served_right_after_the_trigger(api: Api) -> None:
    """The response to a trigger and the prices after it never disagree."""
    api.sync()
    assert "2.5" == api.get("/v1/prices/openrouter/openai/gpt-4o")["rates"]["input"]
    api.providers.set_rate("openrouter", "openai/gpt-4o", "input", "2.6")
    api.sync()
    assert "2.6" == api.get("/v1/prices/openrouter/openai/gpt-4o")["rates"]["input"]


def test_only_the_requested_providers_are_read_and_a_dry_run_changes_nothing(api: Api) -> None:
    """The dry run reports what it would change."""
    run = api.sync(providers=["novita"], dry_run=True)
    assert (["novita"], True) == (run["providers"], run["dry_run"])
    assert 14 == run["results"]["novita"]["models_updated"]
    assert [] == api.get("/v1/prices")["items"]


@pytest.mark.parametrize(
    ("broken", "status", "errors"),
    [(["novita"], "partial", 1), (["novita", "openrouter"], "failed", 2)],
)
def test_failures_are_reported_by_provider(
    api: Api, broken: list[str], status: str, errors: int
) -> None:
    """A run that read no provider has failed; no run is a success by default."""
    for name in broken:
        api.providers.fault(name, Fault("server_error"))
    run = api.sync()
    assert (status, errors) == (run["status"], run["total_errors"])
    assert "failed" == run["results"]["novita"]["status"]
    assert "503" in run["results"]["novita"]["errors"][0]


def test_an_asynchronous_trigger_returns_the_location_of_the_run(api: Api) -> None:
    """The response is 202 at once, and the run can be polled."""
    api.providers.fault("novita", Fault("latency", seconds=0.5))
    answer = api.admin.post(TRIGGER, headers={"Prefer": "respond-async"})
    run = answer.json()
    assert (202, "running", None, "respond-async") == (
        answer.status_code,
        run["status"],
        run["duration_seconds"],
        answer.headers["preference-applied"],
    )
    assert f"/admin/pricing/runs/{run['run_id']}" == answer.headers["location"]
    assert run["run_id"] == api.get(answer.headers["location"])["run_id"]


def test_the_wait_can_be_chosen(api: Api) -> None:
    """`wait=0` is the same as not waiting; a long wait ends with the run."""
    api.providers.fault("novita", Fault("latency", seconds=0.3))
    short = api.admin.post(TRIGGER, headers={"Prefer": "wait=0"})
    assert (202, "wait=0") == (short.status_code, short.headers["preference-applied"])
    long = api.admin.post(TRIGGER, headers={"Prefer": "wait=60"})
    assert (200, "wait=60", "success") == (
        long.status_code,
        long.headers["preference-applied"],
        long.json()["status"],
    )


def test_by_default_a_trigger_waits_as_long_as_the_settings_say(
    tmp_path: Path, providers: DemoServer
) -> None:
    """A provider that takes longer does not delay the caller."""
    providers.fault("novita", Fault("latency", seconds=0.5))
    with api(tmp_path, providers, trigger_wait_seconds=0.05) as running:
        assert 202 == running.admin.post(TRIGGER).status_code


@pytest.mark.parametrize(
    ("headers", "seconds", "applied"),
    [
        ([], 20, ""),
        (["wait=5"], 5, "wait=5"),
        (['WAIT = "5"; foo=bar'], 5, "wait=5"),
        (["wait=5, wait=9"], 5, "wait=5"),
        (["wait=5", "wait=9"], 5, "wait=5"),
        (["respond-async, wait=3"], 3, "respond-async, wait=3"),
        (["Respond-Async"], 0, "respond-async"),
        (["wait=9999"], 600, "wait=600"),
        (["wait=-1"], 20, ""),
        (["wait=1.5"], 20, ""),
        (["wait"], 20, ""),
        (["return=minimal; wait=5"], 20, ""),
        ([", ,;=,\x00"], 20, ""),
    ],
)
def test_the_prefer_header_is_parsed_as_in_rfc_7240(
    headers: list[str], seconds: float, applied: str
) -> None:
    """Invalid preferences are ignored."""
    assert (seconds, applied) == wait_preference(headers, 20)


def test_ten_concurrent_triggers_make_at_most_two_runs(api: Api) -> None:
    """One in progress and one queued; every caller gets the result of one of them."""
    api.providers.fault("novita", Fault("latency", seconds=0.3))

    def trigger(_: int) -> tuple[int, str]:
        answer = api.admin.post(TRIGGER)
        return answer.status_code, answer.json()["run_id"]

    with ThreadPoolExecutor(10) as callers:
        answers = list(callers.map(trigger, range(10)))
    assert [200] * 10 == [status for status, _ in answers]
    assert len({run_id for _, run_id in answers}) <= 2


def test_an_unknown_provider_is_not_found(api: Api) -> None:
    """Then no provider is read, not even the known ones."""
    answer = api.admin.post(TRIGGER, json={"providers": ["novita", "nowhere"]})
    assert (404, "nowhere") == (answer.status_code, answer.json()["detail"].partition(":")[0])
    assert [] == api.get("/admin/pricing/runs")["items"]


@pytest.mark.parametrize(
    "body",
    [
        {"providers": []},
        {"providers": "novita"},
        {"provider": ["novita"]},
        {"providers": [""]},
        {"dry_run": 1},
        {"dry_run": "yes"},
        [],
        "novita",
    ],
)
def test_an_ambiguous_body_is_refused(api: Api, body: object) -> None:
    """A misspelled key must not start a real reading of all providers."""
    assert 422 == api.admin.post(TRIGGER, json=body).status_code
    assert [] == api.get("/admin/pricing/runs")["items"]


@pytest.mark.parametrize("root_path", ["", "/behind/a/proxy"])
def test_the_location_includes_the_prefix(
    tmp_path: Path, providers: DemoServer, root_path: str
) -> None:
    """A host may mount the router anywhere, behind a proxy that strips a part of the path."""
    pricing = service(settings_of(tmp_path, providers, admin_token=ADMIN))
    host = FastAPI(lifespan=pricing.lifespan)
    host.include_router(router(pricing), prefix="/pricing")
    with serving(host, root_path) as url, caller(url, ADMIN) as admin:
        answer = admin.post(f"/pricing{TRIGGER}", headers={"Prefer": "respond-async"})
        run_id = answer.json()["run_id"]
        location = answer.headers["location"]
        assert f"{root_path}/pricing/admin/pricing/runs/{run_id}" == location
        found = admin.get(urljoin(url, location.removeprefix(root_path)))
        assert run_id == found.json()["run_id"]
