"""`backup` and `restore`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pricing_sync.demo.server import DemoServer

from command import Run
from server_process import api


def without_ages(prices: Any) -> Any:
    return [{**price, "age_seconds": None} for price in prices]


def test_a_backup_of_a_running_service_is_restored(run: Run, tmp_path: Path) -> None:
    """The service goes on; it must be stopped before the restore. Prices are as they were."""
    database = ("--database", f"sqlite:///{tmp_path / 'prices.db'}")
    with DemoServer() as providers, api(tmp_path, providers) as service:
        service.sync()
        before = run(*database, "prices", "--json").json
        code, out, err = run(*database, "backup", "b.db")
        assert (0, "") == (code, err)
        assert out.startswith("b.db: ")
        run(*database, "override", "set", "openrouter", "openai/gpt-4o", "input=9", "--reason", "x")
        code, _, err = run(*database, "restore", "b.db")
        assert 1 == code
        assert err.endswith("prices.db: another process uses it; stop that first\n")
        assert service.get("/health")
    assert 0 == run(*database, "restore", "b.db", "--dry-run").code
    assert without_ages(before) != without_ages(run(*database, "prices", "--json").json)
    code, out, err = run(*database, "restore", "b.db", "--reason", "a test", "--author", "ann")
    assert (0, "") == (code, err)
    assert out.startswith("restored: b.db, ")
    assert without_ages(before) == without_ages(run(*database, "prices", "--json").json)
    assert "restore: a test" in run(*database, "audit-log").out


def test_both_answer_as_json(run: Run, tmp_path: Path) -> None:
    """Files, sizes, a digest and counts, for a script that keeps backups."""
    assert 0 == run("migrate").code
    made = run("backup", "b.db", "--json").json
    assert made["size_bytes"] == Path("b.db").stat().st_size
    assert {"schema_version", "cards", "prices", "overrides", "readings", "last_reading_at"} == {
        *made["contents"]
    }
    done = run("restore", "b.db", "--json").json
    assert made == done["backup"]
    assert json.dumps(done["kept"]).startswith('"pricing-sync.db.replaced-')
    assert tmp_path / done["kept"] in tmp_path.iterdir()


def test_what_cannot_be_done_is_one_line(run: Run) -> None:
    """Bad input is 2, a database that cannot be used is 1."""
    assert 1 == run("backup", "b.db").code
    run("migrate")
    assert 0 == run("backup", "b.db").code
    assert (2, "", "error: backup: b.db exists (--force replaces it)\n") == run("backup", "b.db")
    assert 0 == run("backup", "b.db", "--force").code
    assert (1, "", "error: restore: c.db: No such file or directory\n") == run("restore", "c.db")
    assert 2 == run("restore", "pricing-sync.db").code
