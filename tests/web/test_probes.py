"""What those ask who start, stop and watch the service."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from pricing_sync.demo.faults import Fault
from pricing_sync.web import standalone

from server_process import Api
from service import service, settings_of


def test_the_process_is_healthy_and_ready_before_anything_was_read(api: Api) -> None:
    """A service that waits for its first reading can answer."""
    assert {"status": "ok"} == api.nobody.get("/health").json()
    answer = api.nobody.get("/ready")
    assert (200, {"ready": True, "oldest_reading_seconds": None, "never_read": 2}) == (
        answer.status_code,
        answer.json(),
    )


def test_a_provider_that_is_down_does_not_take_the_service_down(api: Api) -> None:
    """It only shows in how old the oldest reading is."""
    api.providers.fault("novita", Fault("server_error"))
    api.sync()
    answer = api.nobody.get("/ready")
    assert (200, True, 1) == (
        answer.status_code,
        answer.json()["ready"],
        answer.json()["never_read"],
    )
    assert 0 <= answer.json()["oldest_reading_seconds"] < 10


def test_without_its_database_the_service_is_healthy_and_not_ready(api: Api) -> None:
    """Nobody restarts it, and nobody sends it anything."""
    api.pricing.store._connection._reader.close()  # type: ignore[attr-defined]
    answer = api.nobody.get("/ready")
    assert (503, False) == (answer.status_code, answer.json()["ready"])
    assert 200 == api.nobody.get("/health").status_code


def test_before_the_start_the_service_is_not_ready(tmp_path: Path) -> None:
    """As when a host does not run its lifespan."""
    app = standalone(service(settings_of(tmp_path, None)))

    async def ask(path: str) -> int:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return (await client.get(path)).status_code

    assert (503, 200) == (asyncio.run(ask("/ready")), asyncio.run(ask("/health")))


def test_a_database_that_hangs_is_one_that_does_not_answer(api: Api) -> None:
    """After two seconds, whatever it waits for."""
    with api.pricing.store._connection._reading:  # type: ignore[attr-defined]
        answer = api.nobody.get("/ready")
    assert (503, False) == (answer.status_code, answer.json()["ready"])
    assert 200 == api.nobody.get("/ready").status_code


def test_metrics_are_there_for_prometheus(api: Api) -> None:
    """For whoever may read, in the format that is asked for."""
    api.sync()
    answer = api.reader.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    stamps = families["pricing_last_sync_timestamp"].samples
    assert {"openrouter", "novita"} == {sample.labels["provider"] for sample in stamps}
    open_metrics = api.reader.get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text")
    assert open_metrics.text.endswith("# EOF\n")
