"""`backup` and `restore`."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from pricing_sync.demo.server import DemoServer
from pricing_sync.store import connect

from command import Run
from server_process import api

pytestmark = pytest.mark.sqlite("PostgreSQL has tools of its own")


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


def test_a_database_is_backed_up_before_it_is_migrated(run: Run, tmp_path: Path) -> None:
    """An upgrade is undone by that file; a new database, and one that needs nothing, have none."""
    with connect(f"sqlite:///{tmp_path / 'pricing-sync.db'}", create=True) as store:
        store.migrate(upto=16)
    done = run("migrate", "--json").json
    assert [17, 18] == done["applied"][:2]
    assert done["backup"].startswith("pricing-sync.db.schema-16-")
    assert f"schema {done['version']}" in run("migrate").out
    assert 0 == run("restore", done["backup"]).code
    with connect(f"sqlite:///{tmp_path / 'pricing-sync.db'}") as store:
        assert 16 == store.version
    assert run("--database", "sqlite:///new.db", "migrate", "--json").json["backup"] is None
    assert run("--database", "sqlite:///new.db", "migrate", "--json").json["backup"] is None


def test_nothing_is_migrated_without_a_backup(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is found before anything has changed."""
    with connect(f"sqlite:///{tmp_path / 'pricing-sync.db'}", create=True) as store:
        store.migrate(upto=16)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    code, _, err = run("migrate")
    assert (1, True) == (code, err.endswith(": No space left on device\n"))
    with connect(f"sqlite:///{tmp_path / 'pricing-sync.db'}") as store:
        assert 16 == store.version
