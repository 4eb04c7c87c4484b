"""A newer program may migrate while processes of the version before still run.

So a migration only adds what those need not know. What nothing uses any more is dropped by a later
version than the one that stopped using it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.demo.server import DemoServer
from pricing_sync.errors import StoreError
from pricing_sync.prices.rates import Meter, Rate, RateCard
from pricing_sync.store import connect, open_store
from pricing_sync.store.connection import migrations

from databases import Console, require_server
from service import service, settings_of

#: The first version whose tables may meet a running program of the version before. No version was
#: published before it.
_FIRST = 20
#: Tables and columns that a version drops, which the program of the version before did not use.
_UNUSED: frozenset[str] = frozenset()


class Column(NamedTuple):
    type: str
    is_required: bool
    has_default: bool


class Schema(NamedTuple):
    columns: dict[str, Column]
    #: What may refuse a row: unique indexes, checks, foreign keys.
    rules: frozenset[str]


@contextmanager
def new_url(kind: str, folder: Path) -> Iterator[str]:
    """An empty database."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'expand.db'}"
        return
    running = require_server()
    name = running.create()
    yield running.url(name)
    running.drop(name)


def schema_of(url: str) -> Schema:
    with Console(url) as database:
        return _of_sqlite(database) if database.is_sqlite else _of_postgres(database)


def _of_sqlite(database: Console) -> Schema:
    columns = {
        f"{table}.{name}": Column(type_, bool(required or key), default is not None)
        for table, name, type_, required, default, key in database.execute(
            'SELECT m.name, c.name, c.type, c."notnull", c.dflt_value, c.pk'
            " FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
        )
    }
    unique = database.execute(
        "SELECT m.name, i.name, group_concat(c.name) FROM sqlite_master m,"
        " pragma_index_list(m.name) i, pragma_index_info(i.name) c"
        " WHERE m.type = 'table' AND i.\"unique\" GROUP BY 1, 2"
    )
    foreign = database.execute(
        'SELECT m.name, f."table", f."from" FROM sqlite_master m, pragma_foreign_key_list(m.name) f'
    )
    checks = database.execute("SELECT name, sql FROM sqlite_master WHERE sql LIKE '%CHECK%'")
    rules = [f"{table}: unique {of}" for table, _, of in unique]
    rules += [f"{table}: {column} of {other}" for table, other, column in foreign]
    rules += [f"{table}: {text.count('CHECK')} checks" for table, text in checks]
    return Schema(columns, frozenset(rules))


def _of_postgres(database: Console) -> Schema:
    columns = {
        f"{table}.{name}": Column(type_, required == "NO", default is not None)
        for table, name, type_, required, default in database.execute(
            "SELECT c.table_name, column_name, data_type, is_nullable, column_default"
            " FROM information_schema.columns c JOIN information_schema.tables t"
            " USING (table_schema, table_name)"
            " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
        )
    }
    rules = database.execute(
        "SELECT conrelid::regclass::text || ': ' || pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE contype IN ('c', 'f', 'u') AND connamespace = 'public'::regnamespace"
        " UNION ALL SELECT tablename || ': ' || indexdef FROM pg_indexes"
        " WHERE schemaname = 'public' AND indexdef LIKE 'CREATE UNIQUE%'"
    )
    return Schema(columns, frozenset(text for (text,) in rules))


def broken(before: Schema, after: Schema) -> list[str]:
    """What a program that knows the tables of before cannot do with those of after."""
    tables = {name.partition(".")[0] for name in before.columns}
    found = []
    for name, column in before.columns.items():
        now = after.columns.get(name)
        if now is None:
            found += [f"{name} is gone"] if name not in _UNUSED else []
        elif now.type != column.type:
            found.append(f"{name} is now {now.type}")
        elif now.is_required and not column.is_required:
            found.append(f"{name} is now required")
    for name in after.columns.keys() - before.columns.keys():
        column = after.columns[name]
        if name.partition(".")[0] in tables and column.is_required and not column.has_default:
            found.append(f"{name} is required, and has no default")
    return found + [
        f"new rule: {rule}"
        for rule in sorted(after.rules - before.rules)
        if rule.partition(":")[0] in tables
    ]


_VERSIONS = [version for version, _ in migrations("sqlite") if version >= _FIRST]


@pytest.mark.parametrize("version", _VERSIONS)
def test_a_migration_leaves_what_the_version_before_needs(
    tmp_path: Path, database_kind: str, version: int
) -> None:
    """If it does not: leave the old column, write both, and drop the old one a version later."""
    with new_url(database_kind, tmp_path) as url, connect(url, create=True) as store:
        store.migrate(upto=version - 1)
        before = schema_of(url)
        store.migrate(upto=version)
        assert [] == broken(before, schema_of(url))


_HARMFUL = {
    "ALTER TABLE pricing_runs RENAME COLUMN started_by TO who": "pricing_runs.started_by is gone",
    "ALTER TABLE pricing_held DROP COLUMN decision": "pricing_held.decision is gone",
    "DROP TABLE pricing_exchange_rates": "pricing_exchange_rates.currency is gone",
    "CREATE UNIQUE INDEX one_run ON pricing_runs (started_by)": "new rule: pricing_runs: ",
    "ALTER TABLE pricing_runs ADD COLUMN a INTEGER CHECK (a > 0)": "new rule: pricing_runs: ",
}
_HARMLESS = (
    "ALTER TABLE pricing_runs ADD COLUMN note TEXT",
    "ALTER TABLE pricing_runs ADD COLUMN number INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX of_runs ON pricing_runs (started_by)",
    "CREATE TABLE pricing_new (id TEXT PRIMARY KEY, at TEXT NOT NULL UNIQUE)",
)


def test_the_comparison_finds_what_is_harmful(tmp_path: Path, database_kind: str) -> None:
    """And nothing else. Each is undone before the next."""
    with new_url(database_kind, tmp_path) as url:
        open_store(url, create=True).close()
        before = schema_of(url)
        for statement, problem in _HARMFUL.items():
            found = broken(before, _after(url, statement))
            assert any(each.startswith(problem) for each in found), (statement, found)
        for statement in _HARMLESS:
            assert [] == broken(before, _after(url, statement)), statement


def _after(url: str, statement: str) -> Schema:
    """The schema after a statement that is not committed."""
    with Console(url) as database:
        for view in ("model_pricing", "model_pricing_history", "pricing_sync_log"):
            database.execute(f"DROP VIEW IF EXISTS {view}")
        database.execute("BEGIN")
        database.execute(statement)
        found = _of_sqlite(database) if database.is_sqlite else _of_postgres(database)
        database.execute("ROLLBACK")
    return found


#: As one of a later version may be.
_LATER = """
ALTER TABLE pricing_ledger ADD COLUMN later TEXT;
ALTER TABLE pricing_overrides ADD COLUMN later INTEGER NOT NULL DEFAULT 7;
ALTER TABLE pricing_readings ADD COLUMN later TEXT;
CREATE TABLE pricing_later (id TEXT PRIMARY KEY);
INSERT INTO pricing_migrations (version, applied_at) VALUES ({version}, '2030-01-01T00:00:00Z');
"""


def test_a_service_goes_on_while_a_newer_one_migrates(tmp_path: Path, database_kind: str) -> None:
    """It reads, judges, and changes prices. When it is started again, it says what is wrong."""

    async def work(pricing: PricingSync) -> None:
        async with pricing.lifespan():
            _migrate_later(pricing.settings.database, pricing.store.newest_version + 1)
            run, _ = await pricing.trigger()
            _, (reading,) = await pricing.wait(run.id, 30)
            assert ("read", None) == (reading.state, reading.error)
            pricing.set_override(
                "openrouter", "acme/one", {Meter.INPUT: Rate(1)}, author="ann", reason="a test"
            )
            price = pricing.price("openrouter", "acme/one")
            assert RateCard({Meter.INPUT: Rate(1)}) == price.listing

    with DemoServer() as server, new_url(database_kind, tmp_path) as url:
        settings = settings_of(tmp_path, server, ["openrouter"], database=url, enabled=False)
        pricing = service(settings)
        asyncio.run(work(pricing))
        with pytest.raises(StoreError, match=r"schema \d+ is newer than this program's \d+"):
            pricing.open()


def _migrate_later(url: str, version: int) -> None:
    with Console(url) as database:
        for statement in filter(str.strip, _LATER.format(version=version).split(";")):
            database.execute(statement)
