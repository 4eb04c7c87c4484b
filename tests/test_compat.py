"""The four functions of the reference system."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from pricing_sync.compat import (
    get_scheduler_status,
    start_pricing_sync_scheduler,
    stop_pricing_sync_scheduler,
    trigger_manual_sync,
)
from pricing_sync.demo.faults import Fault
from pricing_sync.demo.server import DemoServer
from pricing_sync.errors import SettingsError, UnknownName

from service import service, settings_of


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer() as running:
        yield running


def test_start_trigger_status_stop(tmp_path: Path, server: DemoServer) -> None:
    """The results have the format of the reference system."""
    server.fault("novita", Fault("server_error"))

    async def work() -> None:
        await start_pricing_sync_scheduler(service(settings_of(tmp_path, server)))
        try:
            result = await trigger_manual_sync()
            status = get_scheduler_status()
        finally:
            await stop_pricing_sync_scheduler()
        assert ("partial", 1) == (result["status"], result["total_errors"])
        assert (
            result["total_models_updated"] == result["results"]["openrouter"]["models_updated"] > 0
        )
        assert ("failed", 0) == (
            result["results"]["novita"]["status"],
            result["results"]["novita"]["models_updated"],
        )
        assert "503" in result["results"]["novita"]["errors"][0]
        assert isinstance(result["duration_seconds"], float)
        assert {"openrouter"} == status["last_syncs"].keys()
        assert (True, True) == (status["enabled"], status["running"])

    asyncio.run(work())


def test_status_and_trigger_before_the_start_are_errors(tmp_path: Path) -> None:
    """Stopping before the start is harmless, and nothing creates a database."""
    with pytest.raises(RuntimeError, match="start_pricing_sync_scheduler"):
        get_scheduler_status()
    with pytest.raises(RuntimeError, match="start_pricing_sync_scheduler"):
        asyncio.run(trigger_manual_sync())
    asyncio.run(stop_pricing_sync_scheduler())
    assert [] == list(tmp_path.iterdir())


def test_starting_twice_and_stopping_twice(tmp_path: Path, server: DemoServer) -> None:
    """The second start and the second stop do nothing."""

    async def work() -> None:
        first = service(settings_of(tmp_path, server))
        await start_pricing_sync_scheduler(first)
        await start_pricing_sync_scheduler(service(settings_of(tmp_path, server)))
        assert first.is_running
        with pytest.raises(UnknownName):
            await trigger_manual_sync(["nobody-at-all"])
        await stop_pricing_sync_scheduler()
        await stop_pricing_sync_scheduler()
        assert not first.is_running

    asyncio.run(work())


def test_a_failed_start_leaves_nothing_running(tmp_path: Path) -> None:
    """A second attempt with corrected settings can start."""
    bad_database = service(settings_of(tmp_path, None, database="mysql://nowhere"))
    unknown_provider = service(settings_of(tmp_path, None, ["opnrouter"]))
    for broken in (bad_database, unknown_provider):
        with pytest.raises(SettingsError):
            asyncio.run(start_pricing_sync_scheduler(broken))
        with pytest.raises(RuntimeError):
            get_scheduler_status()
        with pytest.raises(RuntimeError, match="not open"):
            broken.prices()


def test_the_default_settings_are_those_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The three variables of the reference system."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PRICING_SYNC_ENABLED", "false")
    monkeypatch.setenv("PRICING_SYNC_INTERVAL_HOURS", "12")
    monkeypatch.setenv("PRICING_SYNC_PROVIDERS", "openrouter, novita")

    async def work() -> None:
        await start_pricing_sync_scheduler()
        try:
            status = get_scheduler_status()
        finally:
            await stop_pricing_sync_scheduler()
        assert (False, 12, False, ["openrouter", "novita"], {}) == (
            status["enabled"],
            status["interval_hours"],
            status["running"],
            status["providers"],
            status["last_syncs"],
        )

    asyncio.run(work())
