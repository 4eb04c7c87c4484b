"""The store: readings, the ledger, held changes, evidence and overrides."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pricing_sync.changes.diff import Change, Kind, Known, diff
from pricing_sync.changes.held import HeldChange
from pricing_sync.changes.plan import ChangePlan, plan_changes
from pricing_sync.changes.run import Outcome, Run, Status
from pricing_sync.errors import SettingsError, StoreError
from pricing_sync.prices.rates import (
    Answer,
    ConditionalRates,
    Listing,
    Meter,
    Per,
    Rate,
    RateCard,
    Unpriced,
    Unreadable,
    When,
    Why,
)
from pricing_sync.store import Store, open_store

from counting import counted
from databases import database_url, databases
from invented_readings import reading

DAY = datetime(2026, 7, 17, 12, tzinfo=UTC)
CHEAP = RateCard({Meter.INPUT: Rate.of("2.5", Per.MILLION), Meter.OUTPUT: Rate.of(10, Per.MILLION)})
DEAR = RateCard({Meter.INPUT: Rate.of(3, Per.MILLION), Meter.OUTPUT: Rate.of(15, Per.MILLION)})
TIERED = RateCard(
    {Meter.INPUT: Rate.of("1.25", Per.MILLION), Meter.WEB_SEARCH: Rate.of("0.01", Per.ONE)},
    (
        ConditionalRates(
            When(min_input_tokens=200_001), {Meter.INPUT: Rate.of("2.5", Per.MILLION)}
        ),
        ConditionalRates(
            When(hours=(990, 30), weekdays=frozenset({6, 7}), time_zone="Asia/Shanghai"),
            {Meter.INPUT: Rate.of("0.6", Per.MILLION)},
        ),
        ConditionalRates(When(service_tier="batch", region="eu"), {Meter.INPUT: Rate(625_000_000)}),
    ),
    "CNY",
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(database_url(tmp_path), create=True) as opened:
        opened.queue.insert_run(Run("run", "test", DAY, None, None, False, ("acme",)))
        yield opened


def read_once(
    store: Store, listings: dict[str, Listing], at: datetime, *, nameless: int = 0
) -> ChangePlan:
    """One reading of acme, with the steps of a real one, but without a gate."""
    answer = Answer(listings, ("row 0: no id",) * nameless)
    with store.transaction():
        stored = store.ledger.known_models("acme")
        plan = plan_changes(
            reading(at), diff(stored, answer), {}, stored, answer, open_held=open_held(store)
        )
        store.save_reading(reading(at), plan)
    return plan


def open_held(store: Store) -> dict[str, HeldChange]:
    return {item.change.model: item for item in store.review.held("acme")}


def in_force(store: Store, at: datetime, known_at: datetime | None = None) -> dict[str, Known]:
    return {s.model: s.listing for s in store.statements("acme", at=at, known_at=known_at)}


@pytest.mark.parametrize("meter", Meter)
def test_the_ledger_keeps_the_rate_of_every_meter(store: Store, meter: Meter) -> None:
    """Each meter has a column of its own."""
    card = RateCard({meter: Rate(7)})
    read_once(store, {"m": card}, DAY)
    [statement] = store.statements("acme", "m")
    assert card == statement.listing


@pytest.mark.parametrize(
    "listing", [CHEAP, TIERED, Unpriced(Why.VARIES, "at -1"), RateCard({Meter.INPUT: Rate(0)})]
)
def test_a_listing_comes_back_as_it_was_stored(store: Store, listing: Known) -> None:
    """Exactly, with its conditional rates, its currency and its zeros."""
    read_once(store, {"m": listing}, DAY)
    assert listing == store.statements("acme", "m")[0].listing
    assert listing == store.ledger.known_models("acme")["m"].listing


def test_a_changed_price_is_dated_on_both_clocks(store: Store) -> None:
    """The old card ends at the reading. Until then, it was known without an end."""
    later = DAY + timedelta(days=1)
    read_once(store, {"m": CHEAP}, DAY)
    read_once(store, {"m": DEAR}, later)
    history = store.history("acme", "m")
    assert [(CHEAP, DAY, later), (DEAR, later, None)] == [
        (s.listing, s.since, s.until) for s in history
    ]
    superseded = [s for s in store.history("acme", "m", everything=True) if s.superseded_at]
    assert [(CHEAP, DAY, None, DAY, later)] == [
        (s.listing, s.since, s.until, s.recorded_at, s.superseded_at) for s in superseded
    ]
    assert history[0].card_id == superseded[0].card_id


def test_a_card_depends_on_the_instant_and_on_what_was_known(store: Store) -> None:
    """A bill of 14:02 used the card that was known at 14:02."""
    later = DAY + timedelta(days=1)
    read_once(store, {"m": CHEAP}, DAY)
    read_once(store, {"m": DEAR}, later)
    assert {"m": CHEAP} == in_force(store, later - timedelta(seconds=1))
    assert {"m": DEAR} == in_force(store, later)
    assert {"m": CHEAP} == in_force(store, later, known_at=later - timedelta(seconds=1))
    assert {} == in_force(store, DAY - timedelta(seconds=1))


def test_a_model_is_retired_by_the_second_complete_reading_without_it(store: Store) -> None:
    """One reading without a model is weak evidence. The card stays in the history."""
    days = [DAY + timedelta(days=n) for n in range(5)]
    read_once(store, {"m": CHEAP, "n": CHEAP}, days[0])
    assert ["m"] == read_once(store, {"n": CHEAP}, days[1]).missing
    assert days[1] == store.ledger.known_models("acme")["m"].missing_since
    assert {"m", "n"} == set(in_force(store, days[1]))
    assert ["m"] == read_once(store, {"n": CHEAP}, days[2]).retire
    assert {"n": CHEAP} == in_force(store, days[2])
    assert [(CHEAP, days[0], days[2])] == [
        (s.listing, s.since, s.until) for s in store.history("acme", "m")
    ]
    assert [] == read_once(store, {"n": CHEAP}, days[3]).retire


def test_a_model_that_was_missing_once_keeps_its_card(store: Store) -> None:
    """One reading without it adds no row to the ledger."""
    read_once(store, {"m": CHEAP, "n": CHEAP}, DAY)
    read_once(store, {"n": CHEAP}, DAY + timedelta(days=1))
    assert ["m"] == read_once(store, {"m": CHEAP, "n": CHEAP}, DAY + timedelta(days=2)).back
    assert None is store.ledger.known_models("acme")["m"].missing_since
    read_once(store, {"n": CHEAP}, DAY + timedelta(days=3))
    assert {"m", "n"} == set(in_force(store, DAY + timedelta(days=3)))
    assert 1 == len(store.history("acme", "m", everything=True))


def test_a_retired_model_returns_with_a_new_card(store: Store) -> None:
    """No price was true between retirement and return, even when it returns at the same price."""
    for day, listings in enumerate([{"m": CHEAP, "n": CHEAP}, {"n": CHEAP}, {"n": CHEAP}]):
        read_once(store, dict(listings), DAY + timedelta(days=day))
    back = DAY + timedelta(days=3)
    plan = read_once(store, {"m": CHEAP, "n": CHEAP}, back)
    assert [Kind.RETURNED] == [change.kind for change in plan.apply]
    assert [(DAY, DAY + timedelta(days=2)), (back, None)] == [
        (s.since, s.until) for s in store.history("acme", "m")
    ]
    assert {"n": CHEAP} == in_force(store, back - timedelta(seconds=1))


def test_no_model_is_missing_when_a_row_has_no_id(store: Store) -> None:
    """The row may be the model that seems to be missing."""
    read_once(store, {"m": CHEAP, "n": CHEAP}, DAY)
    plan = read_once(store, {"n": CHEAP}, DAY + timedelta(days=1), nameless=1)
    assert [] == plan.missing


def test_an_unreadable_listing_leaves_the_price_in_force(store: Store) -> None:
    """The reason is stored until the listing can be read again."""
    read_once(store, {"m": CHEAP}, DAY)
    read_once(store, {"m": Unreadable("pricing.prompt: true")}, DAY + timedelta(days=1))
    assert {"m": CHEAP} == in_force(store, DAY + timedelta(days=1))
    assert "pricing.prompt: true" == store.model_states("acme")["acme", "m"].unreadable
    read_once(store, {"m": CHEAP}, DAY + timedelta(days=2))
    assert None is store.model_states("acme")["acme", "m"].unreadable


def test_a_repeated_change_is_held_once_and_lapses_when_it_is_withdrawn(store: Store) -> None:
    """The same change on the next day is the same item, with the time of the first reading."""
    read_once(store, {"m": CHEAP}, DAY)
    for day in (1, 2):
        hold_all(store, {"m": DEAR}, DAY + timedelta(days=day))
    held = store.review.held("acme")
    assert [(DAY + timedelta(days=1), ("doubt",), CHEAP, DEAR)] == [
        (item.since, item.reasons, item.change.old, item.change.new) for item in held
    ]
    assert {"m": CHEAP} == in_force(store, DAY + timedelta(days=2))
    read_once(store, {"m": CHEAP}, DAY + timedelta(days=3))
    assert [] == store.review.held()


def hold_all(store: Store, listings: dict[str, Listing], at: datetime) -> ChangePlan:
    """One reading of acme, with a gate that holds every change."""
    answer = Answer(listings)
    with store.transaction():
        stored = store.ledger.known_models("acme")
        verdicts = dict.fromkeys(listings, ("doubt",))
        plan = plan_changes(
            reading(at), diff(stored, answer), verdicts, stored, answer, open_held=open_held(store)
        )
        store.save_reading(reading(at), plan)
    return plan


def test_a_failed_transaction_changes_nothing(store: Store) -> None:
    """It adds no card, no reading and no event."""
    read_once(store, {"m": CHEAP}, DAY)
    events = store.outbox.pending()
    with pytest.raises(RuntimeError), store.transaction():
        plan = ChangePlan(apply=[Change("m", Kind.CHANGED, CHEAP, DEAR)])
        store.save_reading(reading(DAY + timedelta(days=1)), plan)
        raise RuntimeError
    assert {"m": CHEAP} == in_force(store, DAY + timedelta(days=1))
    assert DAY == store.last_reading("acme").at  # type: ignore[union-attr]
    assert events == store.outbox.pending()


def test_a_changed_price_adds_an_event_in_the_same_transaction(store: Store) -> None:
    """A reading with changes adds one event; a reading without changes adds none."""
    read_once(store, {"m": CHEAP}, DAY)
    read_once(store, {"m": CHEAP}, DAY + timedelta(days=1))
    ((_, kind, payload),) = store.outbox.pending()
    assert ("price.changed", "acme", 1) == (kind, payload["provider"], payload["counts"]["added"])


def test_the_rows_of_the_ledger_are_written_in_one_file() -> None:
    """For readings and for people's decisions alike."""
    writes = re.compile(r"(INSERT INTO|UPDATE|DELETE FROM) pricing_(ledger|models)\b")
    folder = resources.files("pricing_sync.store")
    files = [entry for entry in folder.iterdir() if entry.name.endswith((".sql", ".py"))]
    assert ["ledger.sql"] == [f.name for f in files if writes.search(f.read_text("utf-8"))]


def test_the_statements_of_every_part_of_a_store_are_counted(store: Store) -> None:
    """The tests that limit their number would otherwise miss some."""
    parts = (
        store.revision,
        store.names.aliases,
        store.review.held,
        store.announcements.find,
        store.outbox.pending,
        store.peers.last_reads,
        store.queue.due_times,
        lambda: store.ledger.timelines("acme", DAY),
        lambda: store.audit_log.entries(1),
    )
    with counted(store) as counter:
        for part in parts:
            part()
    assert len(parts) == counter.statements


def test_recorded_at_never_decreases(store: Store) -> None:
    """Not even when the machine's clock is set back."""
    read_once(store, {"m": CHEAP}, DAY)
    wrong_clock = reading(DAY + timedelta(days=1), finished_at=DAY - timedelta(days=9))
    with store.transaction():
        store.save_reading(wrong_clock, ChangePlan(apply=[Change("m", Kind.CHANGED, CHEAP, DEAR)]))
    recorded = [s.recorded_at for s in store.history("acme", "m", everything=True)]
    assert sorted(recorded) == recorded
    assert DAY < max(recorded)


def test_readings_and_runs_come_back_as_written(store: Store) -> None:
    """With their counts and errors; the newest run comes first."""
    failed = reading(
        DAY, id="a", status=Status.FAILED, error_kind="transport", error="acme: request: timed out"
    )
    counted = reading(
        DAY + timedelta(days=1),
        id="b",
        listings={"priced": 3},
        changes={"added": 3},
        ignored={"pricing.extra": 2},
        etag='"x"',
    )
    store.add_reading(failed)
    store.add_reading(counted)
    with store.transaction():
        assert store.queue.finish_run_if_done("run", DAY + timedelta(days=2))
    ((run, readings),) = store.runs(limit=5)
    assert (Outcome.PARTIAL, DAY + timedelta(days=2)) == (run.outcome, run.finished_at)
    assert [failed, counted] == readings
    assert [] == store.runs(limit=5, before="run")
    assert {"acme": DAY + timedelta(days=1)} == store.latest_successes()


def test_a_failed_or_dry_reading_is_not_the_last_one(store: Store) -> None:
    """The next reading is compared with the last one that was stored with its changes."""
    store.add_reading(reading(DAY, id="a"))
    store.add_reading(reading(DAY + timedelta(days=1), id="b", status=Status.FAILED))
    store.add_reading(reading(DAY + timedelta(days=2), id="c", dry_run=True))
    last = store.last_reading("acme")
    assert last is not None
    assert ("a", DAY) == (last.id, last.at)
    assert None is store.last_reading("nobody")


def test_an_override_is_a_layer_that_no_reading_touches(store: Store) -> None:
    """A new override of a meter covers the earlier one from then on; an end ends both."""
    read_once(store, {"m": CHEAP}, DAY)
    noon = DAY + timedelta(days=1)
    _override(store, {Meter.INPUT: Rate(1), Meter.OUTPUT: Rate(2)}, since=DAY, now=DAY)
    _override(store, {Meter.INPUT: Rate(3)}, since=noon, now=noon)
    read_once(store, {"m": DEAR}, DAY + timedelta(days=2))

    def rates(at: datetime, known_at: datetime | None = None) -> dict[Meter, Rate]:
        found = store.overrides("acme", "m", at=at, known_at=known_at)
        return {override.meter: override.rate for override in found}

    assert {Meter.INPUT: Rate(1), Meter.OUTPUT: Rate(2)} == rates(DAY)
    assert {Meter.INPUT: Rate(3), Meter.OUTPUT: Rate(2)} == rates(noon)
    assert {Meter.INPUT: Rate(1), Meter.OUTPUT: Rate(2)} == rates(noon, known_at=DAY)
    ended = store.end_overrides(
        "acme", "m", [Meter.INPUT], noon + timedelta(days=1), noon + timedelta(1)
    )
    assert [Rate(1), Rate(3)] == [override.rate for override in ended]
    assert {Meter.OUTPUT: Rate(2)} == rates(noon + timedelta(days=1))
    assert {Rate.of("2.5", Per.MILLION), Rate.of(10, Per.MILLION)} == {
        override.upstream_rate for override in store.overrides("acme", "m", at=DAY)
    }


def _override(store: Store, rates: dict[Meter, Rate], *, since: datetime, now: datetime) -> None:
    store.set_overrides(
        "acme",
        "m",
        rates,
        currency="USD",
        author="me",
        reason="contract",
        since=since,
        until=None,
        now=now,
    )


rates = st.dictionaries(
    st.sampled_from(Meter), st.integers(0, 2**63 - 1).map(Rate), min_size=1, max_size=5
)
conditions = st.builds(
    When,
    min_input_tokens=st.none() | st.integers(0, 10**9),
    service_tier=st.none() | st.sampled_from(["batch", "flex", "priority"]),
    hours=st.none() | st.tuples(st.integers(0, 1440), st.integers(0, 1440)),
    weekdays=st.none() | st.frozensets(st.integers(1, 7)),
    time_zone=st.just("UTC"),
    region=st.none() | st.text(max_size=5),
)
cards = st.builds(
    RateCard,
    rates,
    st.lists(st.builds(ConditionalRates, conditions, rates), max_size=3).map(tuple),
    st.sampled_from(["USD", "CNY", "EUR"]),
)


@settings(max_examples=60)
@given(card=cards)
def test_any_card_survives_a_round_trip_through_the_store(
    tmp_path_factory: pytest.TempPathFactory, card: RateCard
) -> None:
    """With any meters, conditions and rates in range, to the last digit."""
    folder = tmp_path_factory.mktemp("card")
    with databases.released(), open_store(database_url(folder), create=True) as store:
        store.queue.insert_run(Run("run", "test", DAY, None, None, False, ("acme",)))
        read_once(store, {"m": card}, DAY)
        assert card == store.statements("acme", "m")[0].listing


listings = st.sampled_from([CHEAP, DEAR, TIERED, Unpriced(Why.VARIES), Unreadable("x")])
catalogues = st.dictionaries(st.sampled_from("abc"), listings, max_size=3)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(days=st.lists(catalogues, min_size=1, max_size=8))
def test_a_ledger_never_has_two_cards_true_and_known_at_once(
    tmp_path_factory: pytest.TempPathFactory, days: list[dict[str, Listing]]
) -> None:
    """For any listings from day to day, at every instant, as known at every instant."""
    folder = tmp_path_factory.mktemp("ledger")
    with databases.released(), open_store(database_url(folder), create=True) as store:
        store.queue.insert_run(Run("run", "test", DAY, None, None, False, ("acme",)))
        instants = [DAY + timedelta(days=n) for n in range(len(days))]
        for at, catalogue in zip(instants, days, strict=True):
            read_once(store, catalogue, at)
        for at in instants:
            for known_at in instants:
                found = [s.model for s in store.statements("acme", at=at, known_at=known_at)]
                assert sorted(set(found)) == found


@pytest.mark.sqlite("PostgreSQL has no file")
def test_opening_for_reading_does_not_create_a_database(tmp_path: Path) -> None:
    """A misspelt file name must not give an empty database."""
    with pytest.raises(StoreError, match="does not exist"):
        open_store(f"sqlite:///{tmp_path / 'prices.db'}")
    assert [] == list(tmp_path.iterdir())


@pytest.mark.sqlite("PostgreSQL has no file")
def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """The file does not change."""
    path = tmp_path / "prices.db"
    path.write_text("not a database, but long enough to be taken for one" * 10)
    with pytest.raises(StoreError, match="not a database"):
        open_store(f"sqlite:///{path}", create=True)
    assert path.read_text().startswith("not a database")


@pytest.mark.parametrize("url", ["", "prices.db", "mysql://x/y", "sqlite:///", "x.postgresql://x"])
def test_a_url_of_an_unsupported_database_is_refused(url: str) -> None:
    """The message gives the supported form."""
    with pytest.raises(SettingsError, match="sqlite:///FILE"):
        open_store(url, create=True)


@pytest.mark.sqlite("PostgreSQL has no file")
@pytest.mark.parametrize("replaced", [False, True])
def test_a_removed_or_replaced_file_is_detected(tmp_path: Path, *, replaced: bool) -> None:
    """Otherwise all rows would go to a deleted file and be lost when the process ends."""
    path = tmp_path / "prices.db"
    with open_store(f"sqlite:///{path}", create=True) as store:
        path.rename(tmp_path / "elsewhere.db")
        if replaced:
            path.touch()
        for use in (store.revision, lambda: store.use_evidence("x", DAY)):
            with pytest.raises(StoreError, match="was removed or replaced while it was open"):
                use()
        with pytest.raises(StoreError, match="removed"), store.transaction():
            pass
        path.unlink(missing_ok=True)
        (tmp_path / "elsewhere.db").rename(path)
        assert "0" == store.revision()


def test_many_rows_are_stored_together_or_not_at_all(store: Store) -> None:
    """Also outside a transaction: the rows before a refused one do not stay."""
    events = [
        {
            "id": name,
            "kind": "price.changed",
            "provider": None,
            "created_at": "2026-07-17",
            "payload": "{}",
        }
        for name in ("first", "second", "first")
    ]
    with pytest.raises(StoreError, match=r"UNIQUE|unique"):
        store.outbox._execute_many("add_event", events)
    assert [] == store.outbox.pending()
    store.outbox._execute_many("add_event", events[:2])
    assert ["first", "second"] == [name for name, _, _ in store.outbox.pending()]


@pytest.mark.parametrize("year", [1, 800, 9999])
def test_an_instant_of_any_year_is_stored(store: Store, year: int) -> None:
    """With four digits for the year, so that it sorts before the later ones."""
    since, now = datetime(year, 1, 1, tzinfo=UTC), datetime.now(UTC)
    store.set_overrides(
        *("acme", "m", {Meter.INPUT: Rate(1)}),
        currency=None,
        author="ann",
        reason="test",
        since=since,
        until=None,
        now=now,
    )
    assert [since] == [override.since for override in store.overrides_not_ended(at=now)]
    assert (year < 2000) == bool(store.overrides("acme", "m"))


@pytest.mark.parametrize(("day", "hours"), [((1, 1, 1), 10), ((9999, 12, 31, 23), -10)])
def test_an_instant_outside_the_years_of_utc_is_refused(
    store: Store, day: tuple[int, ...], hours: int
) -> None:
    """Such as the first hour of the year 1 in Brisbane."""
    at = datetime(*day, tzinfo=timezone(timedelta(hours=hours)))  # type: ignore[misc, arg-type]
    with pytest.raises(ValueError, match="outside the years 1 to 9999"):
        store.statements("acme", "m", at=at)


@pytest.mark.sqlite("PostgreSQL has no file")
def test_what_is_committed_is_on_the_disk(tmp_path: Path) -> None:
    """SQLite waits for the disk at each commit (2 is FULL). The tests themselves do not."""
    program = (
        "import sys; from pricing_sync.store import open_store\n"
        "with open_store(sys.argv[1], create=True) as store:\n"
        "    print(store._connection._connection.execute('PRAGMA synchronous').fetchone())"
    )
    url = database_url(tmp_path, "durable")
    ran = subprocess.run(
        [sys.executable, "-c", program, url], capture_output=True, text=True, check=True
    )
    assert "(2,)\n" == ran.stdout
