"""What a clock that was ahead has dated in the future counts now, and its age is not known."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.changes.held import State
from pricing_sync.errors import NoPrice
from pricing_sync.json_views.prices import PriceShape
from pricing_sync.prices.rates import Meter, Per, Rate
from pricing_sync.prices.usage import Usage
from pricing_sync.settings import Settings
from pricing_sync.sync.recorded import RecordedAnswer

from built import catalogue, openrouter, priced
from command import Run
from databases import console, database_url

MODEL = "maker/model-0"
MILLION = Usage(input=1_000_000)
#: The instants of each table that a clock writes.
INSTANTS = {
    "pricing_readings": ("at", "started_at", "finished_at"),
    "pricing_ledger": ("since", "until", "recorded_at", "superseded_at"),
    "pricing_overrides": ("since", "recorded_at"),
    "pricing_models": ("first_seen", "missing_since", "retired_at", "confirmed_at"),
    "pricing_held": ("since",),
}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[PricingSync]:
    with PricingSync(Settings(database=database_url(tmp_path))) as opened:
        yield opened


def read(app: PricingSync, body: bytes) -> None:
    run = asyncio.run(app.replay("openrouter", [RecordedAnswer(body, None)]))
    assert not any(result.reading.is_failed for result in run.results), run


def set_back(folder: Path, tables: Sequence[str] = tuple(INSTANTS), where: str = "TRUE") -> None:
    """Set the clock back by three days: what is stored is three days later now."""
    with console(folder) as database:
        for table in tables:
            later = ", ".join(f"{column} = {database.later(column)}" for column in INSTANTS[table])
            database.execute(f"UPDATE {table} SET {later} WHERE {where}")


def totals(app: PricingSync, at: datetime | None = None) -> set[Decimal]:
    """The cost of a million input tokens now, by the ledger and by the book."""
    now = at or datetime.now(UTC)
    app._refresh_book()
    return {
        app.cost("openrouter", MODEL, MILLION, at).total,
        app.cost("openrouter", MODEL, MILLION, now).total,
        app.book().cost("openrouter", MODEL, MILLION, now).total,
        app.price("openrouter", MODEL, at=now).cost(MILLION, now).total,
    }


def test_a_price_that_begins_in_the_future_is_in_force_now(
    app: PricingSync, tmp_path: Path
) -> None:
    """Also for the usages of the last hour; not for those of yesterday."""
    read(app, catalogue(3))
    set_back(tmp_path)
    now = datetime.now(UTC)
    for at in (None, now, now - timedelta(minutes=50), now + timedelta(days=1)):
        assert {Decimal("2.5")} == totals(app, at)
    for by in (app, app.book()):
        with pytest.raises(NoPrice):
            by.cost("openrouter", MODEL, MILLION, now - timedelta(days=1))
    known_now = app.price("openrouter", MODEL, known_at=now)
    assert known_now.listing == app.price("openrouter", MODEL).listing


def test_a_change_in_the_future_has_replaced_the_price_now(
    app: PricingSync, tmp_path: Path
) -> None:
    """The old price ends in the future too, and does not count any more."""
    read(app, catalogue(3))
    read(app, openrouter({f"maker/model-{n}": priced(f"0.0000026{n}") for n in range(3)}))
    set_back(tmp_path)
    with console(tmp_path) as database:
        database.execute(
            "UPDATE pricing_ledger SET since = '2026-01-01T00:00:00.000000Z'"
            " WHERE input = 2500000000"
        )
    assert {Decimal("2.6")} == totals(app)


def test_a_change_after_the_clock_was_set_back_counts_now(app: PricingSync, tmp_path: Path) -> None:
    """Its answer is dated after the last one, which is in the future; the ledger knows why."""
    read(app, catalogue(3))
    read(app, catalogue(3))
    set_back(tmp_path, ["pricing_readings"], "id = (SELECT MAX(id) FROM pricing_readings)")
    read(app, openrouter({f"maker/model-{n}": priced(f"0.0000026{n}") for n in range(3)}))
    assert app.price("openrouter", MODEL).since > datetime.now(UTC)
    assert {Decimal("2.6")} == totals(app)


def test_an_accepted_change_in_the_future_counts_now(app: PricingSync, tmp_path: Path) -> None:
    """A person accepts it by the right clock."""
    others = {f"maker/model-{n}": priced() for n in range(1, 9)}
    read(app, openrouter(others | {MODEL: priced()}))
    read(app, openrouter(others | {MODEL: priced("0.00005")}))
    set_back(tmp_path, ["pricing_readings", "pricing_held"], "TRUE")
    (item,) = app.store.review.held()
    app.store.review.decide(State.ACCEPTED, [item], author="a", reason="b", now=datetime.now(UTC))
    assert {Decimal(50)} == totals(app)


def test_an_override_that_was_set_in_the_future_counts_now(
    app: PricingSync, tmp_path: Path
) -> None:
    """In the view for SQL too. One that was meant to begin later does not."""
    read(app, catalogue(3))
    rates = {Meter.INPUT: Rate.of(2, Per.MILLION)}
    app.set_override("openrouter", MODEL, rates, author="me", reason="x")
    later = {Meter.INPUT: Rate.of(1, Per.MILLION)}
    begin = datetime.now(UTC) + timedelta(days=1)
    app.set_override("openrouter", "maker/model-1", later, author="me", reason="x", since=begin)
    set_back(tmp_path)
    assert {Decimal(2)} == totals(app)
    with console(tmp_path) as database:
        shown = dict(database.execute("SELECT model, source FROM model_pricing"))
    assert {MODEL: "override", "maker/model-1": "api", "maker/model-2": "api"} == shown


def test_an_age_is_unknown_until_the_next_reading(app: PricingSync, tmp_path: Path) -> None:
    """That one knows the time, although its answer is dated after the last one."""
    read(app, catalogue(3))
    set_back(tmp_path)
    now = datetime.now(UTC)
    price = app.price("openrouter", MODEL)
    assert (None, "confirmed") == (price.age(now), price.state)
    assert PriceShape.of(price, now).age_seconds is None
    app.settings = app.settings.model_copy(update={"providers": ("openrouter",)})
    assert app.status()["last_syncs"]["openrouter"]["seconds_ago"] is None
    read(app, catalogue(3))
    age = app.price("openrouter", MODEL).age(datetime.now(UTC))
    assert age is not None
    assert age < timedelta(minutes=1)


def test_doctor_and_audit_say_that_a_clock_was_ahead(
    app: PricingSync,
    tmp_path: Path,
    run: Run,
) -> None:
    """Of readings and of prices."""
    database = ("--database", database_url(tmp_path))
    read(app, catalogue(3))
    assert 0 == run(*database, "doctor", "openrouter", "--offline").code
    assert 0 == run(*database, "audit").code
    set_back(tmp_path)
    result = run(*database, "doctor", "openrouter", "--offline", "--json")
    assert 1 == result.code
    of_reading, of_prices = result.json["database"]["ahead"]
    assert "openrouter: last read at " in of_reading
    assert "openrouter: 3 prices in force since the future" in of_prices
    assert "a clock was ahead" in run(*database, "doctor", "openrouter", "--offline").out
    result = run(*database, "audit", "--json")
    assert [("age", True)] == [
        (e["rule"], "clock that was ahead" in e["detail"]) for e in result.json
    ]
