"""The command `migrate`, and commands on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from pricing_sync.store import open_store

from command import Run
from databases import database_url

UNREACHABLE = "postgresql://me:hidden@127.0.0.1:1/prices"


@pytest.mark.postgres
def test_a_database_is_copied_and_the_tables_are_named(run: Run, tmp_path: Path) -> None:
    """Each with its number of rows and its digest. A second time is refused."""
    old, new = f"sqlite:///{tmp_path / 'old.db'}", database_url(tmp_path)
    with open_store(old, create=True) as store:
        store.queue.increment({("x", ()): 7})
    copied = run("--database", new, "migrate", "--from", old)
    assert (0, "") == (copied.code, copied.err)
    assert "migrations applied: none needed; schema 22" == copied.out.splitlines()[0]
    assert "pricing_counters: 1 rows, digest " in copied.out
    assert "both databases have the same rows" == copied.out.splitlines()[-1]
    again = run("--database", new, "migrate", "--from", old)
    assert (1, "error: database: pricing_counters: has rows already, so nothing is copied") == (
        again.code,
        again.err.partition(" into it")[0],
    )
    back = run(
        "--database", f"sqlite:///{tmp_path / 'back.db'}", "migrate", "--from", new, "--json"
    )
    tables = {one["name"]: one for one in back.json["copied"]}
    assert 1 == tables["pricing_counters"]["rows"]
    assert 64 == len(tables["pricing_counters"]["digest"])


@pytest.mark.sqlite("no database is reached")
@pytest.mark.parametrize(
    "command", [("status",), ("config",), ("doctor",), ("migrate",), ("serve",)]
)
def test_no_command_shows_the_password_of_the_database(run: Run, command: tuple[str, ...]) -> None:
    """Whether the database can be reached or not."""
    result = run("--database", UNREACHABLE, *command)
    assert "hidden" not in result.out + result.err
    assert "postgresql://me:***@127.0.0.1:1/prices" in result.out + result.err
