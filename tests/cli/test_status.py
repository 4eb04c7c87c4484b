"""What the command line says of the schedule."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pricing_sync.settings import load_settings
from pricing_sync.store import open_store

from command import Run
from databases import database_url, databases
from service import service, settings_of


def test_without_a_service_the_schedule_is_empty(run: Run) -> None:
    """It says so, and which providers would be read."""
    run("migrate")
    code, out, _ = run("status")
    assert (0, True) == (code, out.startswith("no service reads on schedule now\n"))
    assert ["openrouter", "never"] == out.splitlines()[2].split()
    assert run("status", "--json").json["next_syncs"] == {}


def test_what_a_service_has_planned_is_shown(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another process, from the database, whatever its own settings say."""
    monkeypatch.setenv("PRICING_SYNC_REFERENCE_HOURS", "24")
    monkeypatch.setenv("PRICING_SYNC_PROVIDERS", "openrouter,novita")
    monkeypatch.setenv("PRICING_SYNC_DATABASE", database_url(tmp_path))

    async def work() -> tuple[int, str, str]:
        tables = {"novita": {"cron": "0 3 * * *"}}
        async with service(settings_of(tmp_path, None, tables=tables)).lifespan():
            await asyncio.sleep(0.3)
            return await asyncio.to_thread(run, "status")

    code, out, _ = asyncio.run(work())
    assert (0, True) == (code, out.startswith("a service reads on schedule, since 20"))
    openrouter, novita, *catalogs = out.splitlines()[2:]
    assert openrouter.endswith("  every 6h")
    assert novita.endswith("  cron 0 3 * * *, UTC")
    assert "catalog litellm: never read: due, and the next reading waits for it" in catalogs


def test_a_run_that_waits_is_cancelled(run: Run, tmp_path: Path) -> None:
    """And one that has ended, or never was, is not."""
    run("migrate")
    with open_store(load_settings().database) as store, store.transaction():
        made = store.queue.enqueue(
            {"openrouter": 0}, started_by="test", dry_run=False, now=datetime.now(UTC)
        )
    code, out, _ = run("cancel", made.id)
    assert (0, f"run {made.id}: failed\n") == (code, out)
    assert "failed" == run("cancel", made.id, "--json").json["status"]
    code, _, err = run("cancel", "nothing")
    assert (2, "error: run: 'nothing': no such run\n") == (code, err)
    assert (databases.kind == "sqlite") == (tmp_path / "pricing-sync.db").is_file()
