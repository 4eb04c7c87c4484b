"""A host whose database cannot be opened."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from pricing_sync import Usage, app
from pricing_sync.app import PricingSync
from pricing_sync.demo.server import DemoServer
from pricing_sync.errors import SettingsError, StoreError
from pricing_sync.web import router

from databases import require_server
from server_process import ADMIN
from service import RecordingListener, settings_of, until


@pytest.mark.sqlite("of a file that cannot be opened; for PostgreSQL: test_postgres.py")
def test_by_default_the_host_does_not_start(tmp_path: Path) -> None:
    """The error is that of the database."""
    (tmp_path / "prices.db").mkdir()

    async def work() -> None:
        async with PricingSync(settings_of(tmp_path, None)).lifespan():
            pass

    with pytest.raises(StoreError, match="unable to open"):
        asyncio.run(work())


@pytest.mark.sqlite("of a file that cannot be opened; for PostgreSQL: test_postgres.py")
def test_a_host_that_asks_for_it_starts_without_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own routes answer, ours with 503. The status says why, and when the database is back all
    goes on without a restart."""
    monkeypatch.setattr(app, "RETRY_SECONDS", 0.1)
    (tmp_path / "prices.db").mkdir()
    recorder = RecordingListener()

    async def work(pricing: PricingSync) -> None:
        host = FastAPI()
        host.include_router(router(pricing))
        host.add_api_route("/ping", lambda: "pong")
        headers = {"Authorization": f"Bearer {ADMIN}"}
        transport = httpx.ASGITransport(host)
        async with (
            pricing.lifespan(),
            httpx.AsyncClient(transport=transport, base_url="http://here", headers=headers) as http,
        ):
            assert "pong" == (await http.get("/ping")).json()
            assert 503 == (await http.get("/ready")).status_code
            for path in ("/v1/prices", "/v1/models", "/metrics", "/admin/pricing/runs"):
                assert 503 == (await http.get(path)).status_code, path
            trigger = await http.post("/admin/pricing/sync/trigger", json={})
            assert 503 == trigger.status_code
            with pytest.raises(StoreError):
                pricing.cost("openrouter", "openai/gpt-4o", Usage(input=1))
            status = (await http.get("/admin/pricing/scheduler/status")).json()
            assert (False, True) == (status["running"], "unable to open" in status["problem"])
            await asyncio.sleep(0.5)
            assert [("database", StoreError)] == [
                (where, type(error)) for where, error in recorder.errors
            ]
            (tmp_path / "prices.db").rmdir()
            await until(lambda: pricing.is_running)
            await until(lambda: recorder.runs)
            after = (await http.get("/admin/pricing/scheduler/status")).json()
            assert after.keys() == status.keys()
            assert (True, None) == (after["running"], after["problem"])
            assert 200 == (await http.get("/v1/prices")).status_code
        assert not pricing.is_running

    with DemoServer() as server:
        settings = settings_of(
            tmp_path, server, ("openrouter",), first_delay_seconds=0, admin_token=ADMIN
        )
        pricing = PricingSync(settings, listeners=[recorder], on_error="serve_without")
        asyncio.run(work(pricing))


@pytest.mark.sqlite("of a file that cannot be opened; for PostgreSQL: test_postgres.py")
def test_a_host_that_stops_before_the_database_is_back_stops_at_once(tmp_path: Path) -> None:
    """And a wrong setting is never served without."""
    (tmp_path / "prices.db").mkdir()

    async def work(**settings: object) -> None:
        found = settings_of(tmp_path, None).model_copy(update=settings)
        async with (
            asyncio.timeout(3),
            PricingSync(found, on_error="serve_without").lifespan(),
        ):
            pass

    asyncio.run(work())
    with pytest.raises(SettingsError, match="is neither of the form"):
        asyncio.run(work(database="mysql://db"))
    with pytest.raises(SettingsError, match="no such provider"):
        asyncio.run(work(providers=("togethr",)))


@pytest.mark.postgres
def test_a_postgresql_that_comes_later_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then the status says why, without the password. Then its tables are made."""
    monkeypatch.setattr(app, "RETRY_SECONDS", 0.1)
    server = require_server()
    name = server.create()
    url = server.url(name)
    server.drop(name)

    async def work(pricing: PricingSync) -> None:
        async with pricing.lifespan():
            assert "does not exist" in pricing.status()["problem"]
            server.create_again(name)
            await until(lambda: pricing.is_running)
            assert pricing.status()["problem"] is None
            assert 18 <= pricing.store.version

    try:
        asyncio.run(
            work(PricingSync(settings_of(tmp_path, None, database=url), on_error="serve_without"))
        )
    finally:
        server.drop(name)
