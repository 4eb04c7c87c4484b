"""Probes and metrics over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from pricing_sync.demo.faults import Fault
from pricing_sync.web import standalone

from databases import held_up, take_away
from server_process import Api
from service import service, settings_of


def test_the_service_is_healthy_and_ready_before_the_first_reading(api: Api) -> None:
    """It can already respond to requests."""
    assert {"status": "ok"} == api.anonymous.get("/health").json()
    answer = api.anonymous.get("/ready")
    found = answer.json()
    assert (200, True) == (answer.status_code, found["ready"])
    assert (None, 2) == (found["oldest_reading_seconds"], found["never_read"])


def test_a_provider_that_is_down_does_not_make_the_service_unready(api: Api) -> None:
    """The response only counts it as never read."""
    api.providers.fault("novita", Fault("server_error"))
    api.sync()
    answer = api.anonymous.get("/ready")
    assert (200, True, 1) == (
        answer.status_code,
        answer.json()["ready"],
        answer.json()["never_read"],
    )
    assert 0 <= answer.json()["oldest_reading_seconds"] < 10


def test_without_its_database_the_service_is_healthy_and_not_ready(api: Api) -> None:
    """An orchestrator sends no requests to it, and does not restart it."""
    take_away(api.pricing.store)
    answer = api.anonymous.get("/ready")
    assert (503, False) == (answer.status_code, answer.json()["ready"])
    assert 200 == api.anonymous.get("/health").status_code


def test_before_the_start_the_service_is_not_ready(tmp_path: Path) -> None:
    """For example when a host does not run the lifespan."""
    app = standalone(service(settings_of(tmp_path, None)))

    async def status_of(path: str) -> int:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return (await client.get(path)).status_code

    assert (503, 200) == (asyncio.run(status_of("/ready")), asyncio.run(status_of("/health")))


def test_a_database_that_hangs_makes_the_service_unready(api: Api, tmp_path: Path) -> None:
    """The probe fails after two seconds."""
    with held_up(api.pricing.store, tmp_path):
        answer = api.anonymous.get("/ready")
    assert (503, False) == (answer.status_code, answer.json()["ready"])
    assert 200 == api.anonymous.get("/ready").status_code


def test_metrics_are_served_in_the_requested_format(api: Api) -> None:
    """The read token is sufficient."""
    api.sync()
    answer = api.reader.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    stamps = families["pricing_last_sync_timestamp"].samples
    assert {"openrouter", "novita"} == {sample.labels["provider"] for sample in stamps}
    open_metrics = api.reader.get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text")
    assert open_metrics.text.endswith("# EOF\n")
