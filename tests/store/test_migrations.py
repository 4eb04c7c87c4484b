"""The migrations of the schema, and its views."""

from __future__ import annotations

import json
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from pricing_sync.errors import StoreError
from pricing_sync.prices.card_json import write_listing
from pricing_sync.prices.rates import ConditionalRates, Meter, Rate, RateCard, When
from pricing_sync.store import connect, open_store
from pricing_sync.store.connection import migrations
from pricing_sync.store.rows import write_json

pytestmark = pytest.mark.sqlite("those of PostgreSQL: test_postgres.py")


def schema(path: Path) -> set[tuple[str, str]]:
    with sqlite3.connect(path) as database:
        found = database.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        rows = set(found.fetchall())
    database.close()
    return rows


@pytest.mark.parametrize("version", [version for version, _ in migrations("sqlite")])
def test_every_older_version_migrates_to_the_fresh_schema(tmp_path: Path, version: int) -> None:
    """A migrated database and a new one have the same tables, indexes and views."""
    with open_store(f"sqlite:///{tmp_path / 'fresh.db'}", create=True):
        pass
    with connect(f"sqlite:///{tmp_path / 'old.db'}", create=True) as old:
        old.migrate(upto=version)
        assert version == old.version
        old.migrate()
    assert schema(tmp_path / "fresh.db") == schema(tmp_path / "old.db")


def test_migrations_are_numbered_without_gaps() -> None:
    """The newest number is also their count."""
    numbers = [version for version, _ in migrations("sqlite")]
    assert list(range(1, len(numbers) + 1)) == numbers


def test_migrating_again_does_nothing(tmp_path: Path) -> None:
    """It can run at every start."""
    with connect(f"sqlite:///{tmp_path / 'prices.db'}", create=True) as store:
        assert [version for version, _ in migrations("sqlite")] == store.migrate()
        assert [] == store.migrate()


def test_migration_5_renames_the_rule_in_held_changes(tmp_path: Path) -> None:
    """The rule `company` became `neighbours`. The rest of each reason does not change."""
    path = tmp_path / "prices.db"
    with connect(f"sqlite:///{path}", create=True) as store:
        store.migrate(upto=4)
    old = '["unit: input: 1 to 1000","company: 5 of 9 are off by a unit","company"]'
    with sqlite3.connect(path) as database:
        database.execute(
            "INSERT INTO pricing_held"
            " (id, reading_id, provider, model, kind, reasons, since, state)"
            " VALUES ('h', 'r', 'acme', 'm', 'added', ?, '2026-01-01T00:00:00.000000Z', 'open')",
            (old,),
        )
    database.close()
    with connect(f"sqlite:///{path}") as store:
        store.migrate()
    with sqlite3.connect(path) as database:
        (reasons,) = database.execute("SELECT reasons FROM pricing_held").fetchone()
    database.close()
    assert [
        "unit: input: 1 to 1000",
        "neighbours: 5 of 9 are off by a unit",
        "neighbours",
    ] == json.loads(reasons)


def test_migration_8_moves_what_was_set_under_the_prefixed_name(tmp_path: Path) -> None:
    """An override that was set as `models.dev/acme` was in force for no price of `acme`."""
    path = tmp_path / "prices.db"
    with connect(f"sqlite:///{path}", create=True) as store:
        store.migrate(upto=7)
    with sqlite3.connect(path) as database:
        for number, provider, meter in (
            ("1", "models.dev/acme", "input"),
            ("2", "models.dev/acme", "output"),
            ("3", "acme", "output"),
        ):
            database.execute(
                "INSERT INTO pricing_overrides VALUES (?, ?, 'm', ?, 7, 'USD',"
                " '2026-01-02T00:00:00.000000Z', NULL, '2026-01-02T00:00:00.000000Z', NULL, 'me',"
                " 'x', NULL)",
                (number, provider, meter),
            )
    database.close()
    with connect(f"sqlite:///{path}") as store:
        store.migrate()
    with sqlite3.connect(path) as database:
        found = database.execute("SELECT id, provider FROM pricing_overrides ORDER BY id")
        assert [("1", "acme"), ("2", "models.dev/acme"), ("3", "acme")] == found.fetchall()
    database.close()


def test_migration_10_keeps_what_older_overrides_did(tmp_path: Path) -> None:
    """They replaced the conditional rates of their meter too: they are flat."""
    path = tmp_path / "prices.db"
    with connect(f"sqlite:///{path}", create=True) as store:
        store.migrate(upto=9)
    with sqlite3.connect(path) as database:
        database.execute(
            "INSERT INTO pricing_overrides (id, provider, model, meter, rate, currency, since,"
            " recorded_at, author, reason) VALUES ('o', 'acme', 'm', 'output', 7, 'USD',"
            " '2026-01-02T00:00:00.000000Z', '2026-01-02T00:00:00.000000Z', 'me', 'x')"
        )
    database.close()
    with connect(f"sqlite:///{path}") as store:
        store.migrate()
        (override,) = store.overrides()
    assert (0, None, True) == (override.layer, override.when, override.is_flat)


def test_migration_12_names_the_conditional_rates_of_stored_cards(tmp_path: Path) -> None:
    """A held change that waits is as canonical as one that is stored later."""
    path = tmp_path / "prices.db"
    rates = RateCard(
        {Meter.INPUT: Rate(3_000_000_000)},
        (ConditionalRates(When(service_tier="batch"), {Meter.INPUT: Rate(1_500_000_000)}),),
    )
    written = write_json(write_listing(rates))
    older = write_listing(rates)
    older["overrides"] = older.pop("conditional_rates")
    with connect(f"sqlite:///{path}", create=True) as store:
        store.migrate(upto=11)
    with sqlite3.connect(path) as database:
        database.execute(
            "INSERT INTO pricing_held (id, reading_id, provider, model, kind, old, new, reasons,"
            " since, state) VALUES ('h', 'r', 'acme', 'm', 'changed', ?, NULL, '[]',"
            " '2026-01-02T00:00:00.000000Z', 'open')",
            (write_json(older),),
        )
    database.close()
    with connect(f"sqlite:///{path}") as store:
        store.migrate()
    with sqlite3.connect(path) as database:
        assert [(written, None)] == database.execute("SELECT old, new FROM pricing_held").fetchall()
    database.close()


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    """An old program cannot know the schema of a newer one."""
    path = tmp_path / "prices.db"
    with open_store(f"sqlite:///{path}", create=True):
        pass
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO pricing_migrations VALUES (999, 'later')")
    database.close()
    with pytest.raises(StoreError, match="schema 999 is newer"):
        open_store(f"sqlite:///{path}", create=True)


def test_a_database_without_our_tables_must_be_migrated_first(tmp_path: Path) -> None:
    """Opening it for reading adds no tables to the file."""
    path = tmp_path / "prices.db"
    sqlite3.connect(path).close()
    with pytest.raises(StoreError, match="pricing-sync migrate"):
        open_store(f"sqlite:///{path}")


def test_the_views_show_exact_decimals_and_null_for_unknown_prices(tmp_path: Path) -> None:
    """They show the price per token, with overrides. An unknown price is never a zero."""
    path = tmp_path / "prices.db"
    with open_store(f"sqlite:///{path}", create=True):
        pass
    with sqlite3.connect(path) as database:
        database.execute(
            "INSERT INTO pricing_ledger (card_id, provider, model, since, recorded_at, source, url,"
            " reading_id, currency, input, output) VALUES"
            " ('c', 'acme', 'm', '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z',"
            " 'api', '', 'r', 'USD', 83333333, 15000000000)"
        )
        database.execute(
            "INSERT INTO pricing_overrides (id, provider, model, meter, rate, currency, since,"
            " recorded_at, author, reason, upstream_rate) VALUES"
            " ('o', 'acme', 'm', 'output', 7000000001, 'USD', '2026-01-02T00:00:00.000000Z',"
            " '2026-01-02T00:00:00.000000Z', 'me', 'x', 15000000000)"
        )
        row = database.execute(
            "SELECT price_per_input_token, price_per_output_token, price_per_image, source"
            " FROM model_pricing"
        ).fetchone()
        history = database.execute(
            "SELECT price_per_output_token FROM model_pricing_history"
        ).fetchall()
        logged = database.execute("SELECT COUNT(*) FROM pricing_sync_log").fetchone()
    database.close()
    assert (Decimal("0.000000083333333"), Decimal("0.000007000000001"), None, "override") == (
        Decimal(row[0]),
        Decimal(row[1]),
        *row[2:],
    )
    assert [("0.000015000000000",)] == history
    assert (0,) == logged
