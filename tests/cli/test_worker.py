"""`worker`, and what `migrate` makes for it."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from pricing_sync.store import open_store
from pricing_sync.store.transport_tables import migrate_transport

from command import Run
from databases import database_url

_ENGINE = "PRICING_SYNC_ENGINE"


def test_a_worker_needs_the_engine_of_workers(run: Run) -> None:
    """A service that reads by itself would otherwise read beside it, unnoticed."""
    code, _, err = run("worker")
    assert (2, "PRICING_SYNC_ENGINE: expected procrastinate") == (
        code,
        err[err.index("PRI") :][:43],
    )


@pytest.mark.sqlite("the error")
def test_workers_need_postgresql(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite is for one host."""
    monkeypatch.setenv(_ENGINE, "procrastinate")
    for command in ("worker", "serve"):
        code, _, err = run(command)
        assert (2, True) == (code, "procrastinate needs a database in PostgreSQL" in err)


@pytest.mark.postgres
def test_migrate_makes_the_tables_of_procrastinate_once(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Their version is noted beside them; a second time there is nothing to do."""
    url = database_url(tmp_path)
    monkeypatch.setenv("PRICING_SYNC_DATABASE", url)
    assert 0 == run("migrate").code
    assert [] == _tables(url)
    monkeypatch.setenv(_ENGINE, "procrastinate")
    assert [0, 0] == [run("migrate").code for _ in range(2)]
    assert "procrastinate_jobs" in _tables(url)
    with open_store(url) as store, psycopg.connect(url, autocommit=True) as connection:
        assert [] == store.migrate_transport()
        # As if an older version had made them: only what came later is applied.
        note = "made by pricing-sync, migration 03.04.00_01_pre_add_retry_failed_job_procedure"
        connection.execute(f"COMMENT ON TABLE procrastinate_jobs IS '{note}'".encode())
        assert ["03.04.00_50_post_add_retry_failed_job_procedure"] == store.migrate_transport()


@pytest.mark.postgres
def test_the_tables_of_another_program_are_used_as_they_are(tmp_path: Path) -> None:
    """The operator may run Procrastinate for other work, in its own version."""
    url = database_url(tmp_path)
    with open_store(url, create=True) as store, psycopg.connect(url, autocommit=True) as connection:
        store.migrate_transport()
        connection.execute("COMMENT ON TABLE procrastinate_jobs IS NULL")
        assert [] == migrate_transport(store._connection)


def _tables(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT tablename FROM pg_tables WHERE tablename LIKE 'procrastinate%'"
        )
        return [name for (name,) in found]
