"""The roles in `deploy/postgres`, and what each of them may do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from pricing_sync.app import PricingSync
from pricing_sync.demo.server import DemoServer
from pricing_sync.errors import StoreError
from pricing_sync.prices.rates import Meter, Rate
from pricing_sync.store import Store, connect, open_store
from pricing_sync.sync.access import ProviderAccess

from databases import PostgresServer, require_server
from service import KEYS, service, settings_of

pytestmark = pytest.mark.postgres

FILES = Path(__file__).parents[2] / "deploy" / "postgres"
NOW = datetime(2026, 7, 17, 12, tzinfo=UTC)
ROLES = ("pricing_sync_migrate", "pricing_sync_serve", "pricing_sync_read")


class Database:
    """An empty database with the three roles."""

    def __init__(self, server: PostgresServer, name: str) -> None:
        self._server, self._name = server, name

    def url(self, role: str | None = None) -> str:
        return self._server.url(self._name, role)

    def run(self, file: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as console:
            console.execute((FILES / file).read_bytes())

    def migrate(self) -> None:
        with connect(self.url("pricing_sync_migrate")) as store:
            assert store.migrate()


@pytest.fixture
def database() -> Iterator[Database]:
    server = require_server()
    name = server.create()
    made = Database(server, name)
    made.run("roles.sql")
    yield made
    server.drop(name)
    server.execute("DROP ROLE IF EXISTS anon")
    for role in ROLES:
        server.execute(f"DROP ROLE {role}")


def override(store: Store) -> None:
    store.set_overrides(
        *("acme", "m", {Meter.INPUT: Rate(1)}),
        currency="USD",
        author="ann",
        reason="test",
        since=NOW,
        until=None,
        now=NOW,
    )


def test_the_roles_can_do_what_they_are_for_and_no_more(database: Database) -> None:
    """One owns the tables, one changes rows, one reads. The files can be run again."""
    with pytest.raises(StoreError, match="permission denied"):
        open_store(database.url("pricing_sync_serve"), create=True)
    database.migrate()
    with open_store(database.url("pricing_sync_serve")) as serve:
        override(serve)
        with serve.transaction():
            serve.ledger.cards_from([("acme", "m", NOW)])  # needs a temporary table
        with pytest.raises(StoreError, match="must be owner"):
            serve._connection.execute("DROP TABLE pricing_ledger", {})
    with open_store(database.url("pricing_sync_read")) as reader:
        assert 1 == len(reader.overrides())
        assert 1 == len(list(reader.book()))
        with pytest.raises(StoreError, match="permission denied"):
            override(reader)
    database.run("roles.sql")


def test_a_service_that_may_change_no_table_reads_a_provider(
    database: Database, tmp_path: Path
) -> None:
    """With `migrate = false`, from its start on. Without the tables it says what to do."""
    url = database.url("pricing_sync_serve")
    with DemoServer() as providers:
        settings = settings_of(tmp_path, providers, ("novita",), database=url, migrate=False)

        async def prices() -> int:
            async with (app := service(settings)).lifespan():
                run = await app.sync(["novita"])
                assert not any(result.reading.is_failed for result in run.results)
                return len(app.prices())

        with pytest.raises(StoreError, match=r"schema 0, needed .*run `pricing-sync migrate`"):
            asyncio.run(prices())
        database.migrate()
        assert asyncio.run(prices()) > 0


def test_row_level_security_hides_tables_and_views_from_others(database: Database) -> None:
    """Also from a role that has got all rights to the tables, as Supabase gives them."""
    database.migrate()
    for _ in range(2):
        database.run("row_level_security.sql")
    with psycopg.connect(database.url(), autocommit=True) as console:
        console.execute("CREATE ROLE anon LOGIN")
        console.execute("GRANT USAGE ON SCHEMA pricing_sync TO anon")
        console.execute("GRANT SELECT ON ALL TABLES IN SCHEMA pricing_sync TO anon")
    with open_store(database.url("pricing_sync_serve")) as serve:
        override(serve)
    shown = "SELECT model, price_per_input_token FROM pricing_sync.model_pricing"
    with psycopg.connect(database.url("pricing_sync_read")) as reader:
        assert 1 == len(reader.execute(shown).fetchall())
    with psycopg.connect(database.url("anon")) as other:
        for table in ("pricing_overrides", "pricing_audit", "model_pricing"):
            found = other.execute(f"SELECT * FROM pricing_sync.{table}".encode()).fetchall()
            assert [] == found
    with psycopg.connect(database.url(), autocommit=True) as console:
        console.execute(
            "CREATE POLICY acme ON pricing_sync.pricing_overrides"
            " FOR SELECT TO anon USING (provider = 'acme')"
        )
    with psycopg.connect(database.url("anon")) as other:
        assert 1 == len(other.execute(shown).fetchall())
    with psycopg.connect(database.url(), autocommit=True) as console:
        console.execute("DROP OWNED BY anon")


def test_a_worker_needs_no_more_than_the_role_that_serves(database: Database) -> None:
    """Another role has made the tables of its jobs."""
    database.migrate()
    with connect(database.url("pricing_sync_migrate")) as store:
        assert store.migrate_transport()

    async def work(providers: DemoServer) -> None:
        settings = settings_of(
            Path(),
            providers,
            ["openrouter"],
            database=database.url("pricing_sync_serve"),
            engine="procrastinate",
            migrate=False,
        )
        access = ProviderAccess(settings, environment=KEYS)
        worker = PricingSync(settings, access=access, is_worker=True)
        async with worker.lifespan():
            run, _ = await worker.trigger()
            _, readings = await worker.wait(run.id, 20)
            assert ["read"] == [reading.state for reading in readings]

    with DemoServer() as providers:
        asyncio.run(work(providers))
