"""The price book cache: complete books, soon up to date, available while the database is not."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing_sync.app import PricingSync
from pricing_sync.changes.diff import diff
from pricing_sync.changes.held import State
from pricing_sync.changes.plan import plan_changes
from pricing_sync.changes.run import Run
from pricing_sync.errors import NoPrice, StoreError
from pricing_sync.prices.book import PriceBook, prices
from pricing_sync.prices.rates import Answer, Listing, Meter, Per, Rate, RateCard, Unpriced, Why
from pricing_sync.prices.snapshot import read_snapshot, write_snapshot
from pricing_sync.prices.statements import PriceState
from pricing_sync.prices.usage import Usage
from pricing_sync.serving import book_cache
from pricing_sync.serving.book_cache import REFRESH_SECONDS
from pricing_sync.settings import Settings
from pricing_sync.store import Store, open_store
from pricing_sync.store.books import Revision
from pricing_sync.sync.recorded import RecordedAnswer
from pricing_sync.web.prices import price_in_memory

from built import catalogue, openrouter, priced
from counting import counted
from databases import console, database_url, databases
from invented_readings import reading

DAY = datetime(2026, 7, 17, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CHEAP = RateCard({Meter.INPUT: Rate.of("2.5", Per.MILLION), Meter.OUTPUT: Rate.of(10, Per.MILLION)})
DEAR = RateCard({Meter.INPUT: Rate.of(3, Per.MILLION), Meter.OUTPUT: Rate.of(15, Per.MILLION)})
MODEL = "maker/model-0"
MILLION = Usage(input=1_000_000)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[PricingSync]:
    with PricingSync(Settings(database=database_url(tmp_path))) as opened:
        yield opened


@pytest.fixture
def no_refresh_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call queries the revision."""
    monkeypatch.setattr(book_cache, "REFRESH_SECONDS", 0.0)


def read_once(app: PricingSync, body: bytes, at: datetime | None = None) -> None:
    asyncio.run(app.replay("openrouter", [RecordedAnswer(body, at)]))


def override(app: PricingSync) -> None:
    """Set the input rate of the model to two dollars per million."""
    rates = {Meter.INPUT: Rate.of(2, Per.MILLION)}
    app.set_override("openrouter", MODEL, rates, author="me", reason="test")


def total(book: PriceBook) -> Decimal:
    """The cost of a million input tokens of the model."""
    return book.cost("openrouter", MODEL, MILLION).total


def served(app: PricingSync) -> tuple[Decimal, str]:
    """The cost of a million input tokens now, and whether the book is stale."""
    cost = app.cost("openrouter", MODEL, MILLION).total
    return cost, "fresh" if app.stale_since is None else "stale"


# The book and the revision of the store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with new_store(tmp_path) as store:
        yield store


@contextmanager
def new_store(folder: Path) -> Iterator[Store]:
    with databases.released(), open_store(database_url(folder), create=True) as store:
        store.queue.insert_run(Run("run", "test", DAY, None, None, False, ("acme",)))
        yield store


def save_reading(
    store: Store, at: datetime, listing: Listing | None, *reasons: str, number: int = 0
) -> None:
    """Save a reading in which acme lists *listing* for the model m, or does not list m.

    With *reasons* the change is held.
    """
    answer = Answer({} if listing is None else {"m": listing})
    with store.transaction():
        stored = store.ledger.known_models("acme")
        one = reading(at, id=f"reading-{number}-{at.isoformat()}")
        plan = plan_changes(one, diff(stored, answer), {"m": reasons}, stored, answer)
        store.save_reading(one, plan)


def set_override(store: Store, rate: int, since: datetime, until: datetime | None = None) -> None:
    store.set_overrides(
        "acme",
        "m",
        {Meter.INPUT: Rate(rate)},
        currency="USD",
        author="me",
        reason="test",
        since=since,
        until=until,
        now=since,
    )


def end_overrides(store: Store, at: datetime) -> None:
    store.end_overrides("acme", "m", tuple(Meter), at, at)


def all_rows(store: Store) -> tuple[object, object]:
    """Every row of the ledger and of the overrides."""
    ledger = store._connection.fetch_all("SELECT * FROM pricing_ledger", {})
    overrides = store._connection.fetch_all("SELECT * FROM pricing_overrides", {})
    return sorted(ledger, key=repr), sorted(overrides, key=repr)


def test_a_new_database_has_a_revision_and_an_empty_book(store: Store) -> None:
    """A database without readings is no error."""
    assert ("0", "0", []) == (store.revision(), store.book().revision, list(store.book()))


def test_a_card_that_ends_when_it_began_is_a_new_revision(store: Store) -> None:
    """Its row ends and no row is added, so the newest instant in the ledger stays the same."""
    save_reading(store, DAY, CHEAP)
    save_reading(store, DAY, None, number=1)
    before, newest = store.revision(), _newest(store)
    save_reading(store, DAY, None, number=2)
    assert newest == _newest(store)
    assert before != store.revision()
    assert [] == list(store.book())


def _newest(store: Store) -> object:
    return store._connection.fetch_all("SELECT MAX(recorded_at) FROM pricing_ledger", {})


def test_an_accepted_change_is_a_new_revision(store: Store) -> None:
    """A held one too: it changes the state of the price, not the price."""
    save_reading(store, DAY, CHEAP)
    first = store.revision()
    save_reading(store, DAY + HOUR, DEAR, "moves")
    before = store.revision()
    assert first != before
    (item,) = store.review.held("acme")
    held = store.book().price("acme", "m")
    assert (CHEAP, PriceState.HELD, DAY) == (held.listing, held.state, held.confirmed_at)
    now = DAY + 2 * HOUR
    store.review.decide(State.ACCEPTED, [item], author="me", reason="test", now=now)
    assert before != store.revision()
    assert DEAR == store.book().price("acme", "m").listing


Step: TypeAlias = Callable[[Store, datetime, int], None]
_STEPS: Mapping[str, Step] = {
    "cheap": lambda store, at, number: save_reading(store, at, CHEAP, number=number),
    "dear": lambda store, at, number: save_reading(store, at, DEAR, number=number),
    "varies": lambda store, at, number: save_reading(
        store, at, Unpriced(Why.VARIES), number=number
    ),
    "gone": lambda store, at, number: save_reading(store, at, None, number=number),
    "set": lambda store, at, number: set_override(store, number, at + HOUR, at + 3 * HOUR),
    "set at once": lambda store, at, number: set_override(store, number, at),
    "end": lambda store, at, _: end_overrides(store, at),
}
steps = st.sampled_from(sorted(_STEPS))
hours = st.integers(0, 5).map(lambda n: DAY + n * HOUR)


@settings(max_examples=40)
@given(steps_at=st.lists(st.tuples(steps, hours), max_size=8))
def test_one_revision_never_has_two_contents(
    tmp_path_factory: pytest.TempPathFactory, steps_at: Sequence[tuple[str, datetime]]
) -> None:
    """After any steps, also when the clock is set back. No revision is used again."""
    with new_store(tmp_path_factory.mktemp("revisions")) as store:
        found = {store.revision(): all_rows(store)}
        for number, (step, at) in enumerate(steps_at):
            _STEPS[step](store, at + timedelta(microseconds=number), number)
            rows = all_rows(store)
            assert rows == found.setdefault(store.revision(), rows)


@settings(max_examples=40)
@given(names=st.lists(steps, max_size=8), instants=st.lists(hours, min_size=1, max_size=5))
def test_the_book_and_the_ledger_give_the_same_price(
    tmp_path_factory: pytest.TempPathFactory, names: Sequence[str], instants: Sequence[datetime]
) -> None:
    """At every instant since the card in force began, also with overrides that have ended."""
    with new_store(tmp_path_factory.mktemp("book")) as store:
        for number, step in enumerate(names):
            _STEPS[step](store, DAY + number * HOUR / 2, number)
        book = store.book()
        for card in store.statements("acme", "m"):
            for at in instants:
                if at >= card.since:
                    (expected,) = prices(
                        store.statements(at=at), store.overrides(at=at), store.confirmations()
                    )
                    assert expected == book.find("acme", "m", at)


@settings(max_examples=40)
@given(
    names=st.lists(steps, max_size=8),
    instants=st.lists(hours, min_size=1, max_size=5),
    since=hours,
)
def test_a_book_of_a_span_and_the_ledger_give_the_same_price(
    tmp_path_factory: pytest.TempPathFactory,
    names: Sequence[str],
    instants: Sequence[datetime],
    since: datetime,
) -> None:
    """At every instant of the span: earlier cards, their overrides, and the time without a card."""
    with new_store(tmp_path_factory.mktemp("span")) as store:
        for number, step in enumerate(names):
            _STEPS[step](store, DAY + number * HOUR / 2, number)
        book = store.book(since)
        again = read_snapshot(write_snapshot(store.books.snapshot(since))).book()
        for at in instants:
            if at < since:
                with pytest.raises(NoPrice, match="is before the price book"):
                    book.price("acme", "m", at)
                continue
            expected = prices(store.statements(at=at), store.overrides(at=at))
            found = [book.find("acme", "m", at), again.find("acme", "m", at)]
            assert [next(iter(expected), None)] * 2 == [
                price and replace(price, state=None, confirmed_at=None, doubt=None)
                for price in found
            ]
        assert list(store.book()) == list(book)


def test_a_snapshot_does_not_see_later_commits(store: Store, tmp_path: Path) -> None:
    """A commit by another process is visible after the snapshot, not within it."""
    save_reading(store, DAY, CHEAP)
    with open_store(database_url(tmp_path)) as other:
        with store.snapshot():
            before = store.revision()
            save_reading(other, DAY + HOUR, DEAR)
            assert [CHEAP] == [card.listing for card in store.statements()]
            assert before == store.revision()
        assert [DEAR] == [card.listing for card in store.statements()]


def test_a_snapshot_inside_a_transaction_sees_its_writes(store: Store) -> None:
    """The writes of the transaction are visible before the commit."""
    save_reading(store, DAY, CHEAP)
    with store.transaction():
        store._connection.execute(
            "UPDATE pricing_ledger SET input = 3000000000, output = 15000000000", {}
        )
        with store.snapshot():
            assert [DEAR] == [card.listing for card in store.statements()]


@pytest.mark.sqlite("PostgreSQL refuses such a row")
def test_a_corrupt_ledger_row_is_an_error(store: Store) -> None:
    """The book is not read without the row: then the model would seem unknown."""
    save_reading(store, DAY, CHEAP)
    store._connection.execute("UPDATE pricing_ledger SET since = 'yesterday'", {})
    with pytest.raises(StoreError, match=r"database: the price book: .*yesterday"):
        store.book()


# The book of a process


def test_an_override_set_by_this_process_is_in_force_at_once(app: PricingSync) -> None:
    """It does not wait for the next regular query of the revision."""
    read_once(app, catalogue(3))
    assert Decimal("2.5") == total(app.book())
    override(app)
    assert Decimal(2) == total(app.book())
    app.end_override("openrouter", MODEL)
    assert Decimal("2.5") == total(app.book())


def test_what_an_app_does_is_in_its_book_at_once(app: PricingSync) -> None:
    """A reading, and each decision about a held change. Nobody has to refresh the book."""

    def doubt(model: str) -> tuple[str, str | None]:
        price = app.book().price("openrouter", model)
        return str(price.state), price.doubt

    read_once(app, catalogue(3))
    assert Decimal("2.5") == total(app.book())
    read_once(app, catalogue(3, "0.000003"))
    assert Decimal(3) == total(app.book())
    read_once(app, catalogue(3, "0.00003"))
    first, second, third = app.held("openrouter")
    assert {"held"} == {doubt(item.change.model)[0] for item in (first, second, third)}
    app.accept([first], author="ann", reason="their blog")
    assert "confirmed" == doubt(first.change.model)[0]
    assert Decimal(30) == total(app.book())
    app.reject([second, third], author="ann", reason="a slip")
    assert ("rejected", "rejected: by ann: a slip") == doubt(second.change.model)
    app.reconsider("openrouter", second.change.model, author="ann", reason="no slip")
    assert ("rejected", "rejected: the next reading judges it again") == doubt(second.change.model)
    assert ("rejected", "rejected: by ann: a slip") == doubt(third.change.model)


def test_a_refresh_without_a_reading_keeps_the_book(app: PricingSync) -> None:
    """A dry run and a failed reading change nothing. A good reading changes the prices' age."""
    read_once(app, catalogue(3))
    before = app.book()
    again = [RecordedAnswer(catalogue(3) + b" ", None)]
    asyncio.run(app.replay("openrouter", again, dry_run=True))
    read_once(app, b"not a list")
    app._refresh_book()
    assert before is app.book()
    read_once(app, catalogue(3) + b" ")
    app._refresh_book()
    old, new = before.price("openrouter", MODEL), app.book().price("openrouter", MODEL)
    assert old.confirmed_at is not None
    assert new.confirmed_at is not None
    assert (old.listing, True) == (new.listing, old.confirmed_at < new.confirmed_at)


@pytest.mark.usefixtures("no_refresh_interval")
def test_threads_do_not_wait_while_another_thread_reads_a_book(app: PricingSync) -> None:
    """They use the old book. The snapshot here blocks the reading thread."""
    read_once(app, catalogue(3))
    before = app.book()
    override(app)
    cache = app._parts.book_cache
    cache.last, cache._revision = before, Revision(0, None)
    reader = threading.Thread(target=app.book)
    with app.store.snapshot():
        reader.start()
        while not app._parts.book_cache._refresh_lock.locked():
            time.sleep(0.001)
        assert before is app.book()
    reader.join()
    assert Decimal(2) == total(app.book())


READINGS = 200
MODELS = 8


def numbered_list(number: int) -> bytes:
    """A price list in which every price ends in the number of the list."""
    price = f"0.0000025{number:06}"
    return openrouter({f"maker/model-{n}": priced(price) for n in range(MODELS)})


def list_numbers(book: PriceBook) -> list[int]:
    """The number of the list that each price of the book is from."""
    cards = [price.listing for price in book if isinstance(price.listing, RateCard)]
    return [(card.rates[Meter.INPUT] - 2_500_000_000) // 100 for card in cards]


@pytest.mark.usefixtures("no_refresh_interval")
def test_every_book_is_one_committed_reading(app: PricingSync) -> None:
    """Each reading changes every price while four threads get books.

    Every book has every model, all at the prices of one reading. No thread gets an older book
    after a newer one.
    """
    read_once(app, numbered_list(0))
    stop, found = threading.Event(), [list[PriceBook]() for _ in range(4)]
    threads = [threading.Thread(target=_collect_books, args=(app, books, stop)) for books in found]
    for thread in threads:
        thread.start()
    try:
        lists = [RecordedAnswer(numbered_list(number)) for number in range(1, READINGS)]
        asyncio.run(app.replay("openrouter", lists))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for books in found:
        lists_of_books = [list_numbers(book) for book in books]
        assert all([numbers[0]] * MODELS == numbers for numbers in lists_of_books)
        assert sorted(lists_of_books) == lists_of_books
    assert len({book.revision for books in found for book in books}) > 20
    assert [READINGS - 1] * MODELS == list_numbers(app.book())


def _collect_books(app: PricingSync, books: list[PriceBook], stop: threading.Event) -> None:
    """Append every book that differs from the previous one."""
    while not stop.wait(0.001):
        book = app.book()
        if not books or book is not books[-1]:
            books.append(book)


UPDATES = 1000


@pytest.mark.usefixtures("no_refresh_interval")
def test_eight_threads_see_one_committed_revision_during_a_thousand_updates(
    app: PricingSync,
) -> None:
    """Every book has all models at the prices of one revision, whichever way it is read."""
    read_once(app, numbered_list(0))
    first = int(app.store.revision())
    stop, mixed = threading.Event(), list[str]()
    newest = [0] * 8
    ways: Sequence[Callable[[], PriceBook]] = (
        app.book,
        lambda: read_snapshot(app.rendered_book().body).book(),
        lambda: app.book(DAY),
        app.book,
    )

    def read(number: int) -> None:
        while not stop.wait(0.002):
            book = ways[number % len(ways)]()
            expected = int(book.revision) - first
            if list_numbers(book) != [expected] * MODELS or expected < newest[number]:
                mixed.append(f"{book.revision}: {list_numbers(book)}")
            newest[number] = expected

    threads = [threading.Thread(target=read, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for number in range(1, UPDATES + 1):
        with app.store.transaction():
            values = {"rate": 2_500_000_000 + 100 * number}
            app.store._connection.execute("UPDATE pricing_ledger SET input = :rate", values)
            app.store._connection.new_revision({"openrouter"})
    stop.set()
    for thread in threads:
        thread.join()
    assert [] == mixed
    assert all(newest)
    app._refresh_book()
    assert [UPDATES] * MODELS == list_numbers(app.book())


# Each line that it reads moves its clock by as many seconds, or corrects the price.
_WORKER = """
import sys
from pricing_sync.app import PricingSync
from pricing_sync.prices.rates import Meter, Per, Rate
from pricing_sync.serving import book_cache
from pricing_sync.settings import Settings

now = 0.0
book_cache.monotonic = lambda: now

with PricingSync(Settings(database=sys.argv[1])) as app:
    def rate():
        return app.book().price("openrouter", "maker/model-0").listing.rates[Meter.INPUT]
    print(rate(), flush=True)
    for line in sys.stdin:
        if line == "correct it\\n":
            two_dollars = {Meter.INPUT: Rate.of(2, Per.MILLION)}
            app.set_override(
                "openrouter", "maker/model-0", two_dollars, author="me", reason="test"
            )
        else:
            now += float(line)
        print(rate(), flush=True)
"""


def test_three_processes_see_a_corrected_price_within_the_bound(
    app: PricingSync, tmp_path: Path
) -> None:
    """The process that corrects the price has it at once, the others after `REFRESH_SECONDS`."""
    read_once(app, catalogue(3))
    program = [sys.executable, "-c", _WORKER, database_url(tmp_path)]

    def ask(worker: subprocess.Popen[str], line: str) -> str:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(f"{line}\n")
        worker.stdin.flush()
        return worker.stdout.readline()

    with ExitStack() as stack:
        first, *others = [stack.enter_context(_piped(program)) for _ in range(3)]
        assert ["2.5\n"] * 3 == [w.stdout.readline() for w in (first, *others) if w.stdout]
        assert "2\n" == ask(first, "correct it")
        for other in others:
            assert "2.5\n" == ask(other, str(REFRESH_SECONDS * 0.99))
            assert "2\n" == ask(other, str(REFRESH_SECONDS * 0.01))


@contextmanager
def _piped(program: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(program, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


# While the database cannot be read


@pytest.mark.usefixtures("no_refresh_interval")
def test_the_last_book_serves_while_the_database_cannot_be_read(
    app: PricingSync, tmp_path: Path
) -> None:
    """It is marked as stale. Changes are in force as soon as the database can be read again."""
    read_once(app, catalogue(3))
    began = datetime.now(UTC)
    assert (Decimal("2.5"), "fresh") == served(app)
    before_failure = datetime.now(UTC)
    with console(tmp_path) as other:
        other.execute("ALTER TABLE pricing_counters RENAME TO elsewhere")
        assert [(Decimal("2.5"), "stale")] * 2 == [served(app), served(app)]
        assert app.stale_since is not None
        assert began <= app.stale_since <= before_failure
        other.execute("ALTER TABLE elsewhere RENAME TO pricing_counters")
    override(app)
    assert (Decimal(2), "fresh") == served(app)


@pytest.mark.sqlite("of a file")
@pytest.mark.usefixtures("no_refresh_interval")
def test_the_last_book_serves_while_the_file_is_corrupt(app: PricingSync, tmp_path: Path) -> None:
    """The file has other bytes, and SQLite's cache of the right bytes is empty."""
    read_once(app, catalogue(3))
    assert (Decimal("2.5"), "fresh") == served(app)
    path = tmp_path / "prices.db"
    app.store._connection.fetch_all("PRAGMA wal_checkpoint(TRUNCATE)", {})
    with path.open("r+b") as file:
        file.write(b"\xff" * path.stat().st_size)
    app.store._connection.fetch_all("PRAGMA shrink_memory", {})
    with pytest.raises(StoreError, match="not a database"):
        app.store.book()
    assert (Decimal("2.5"), "stale") == served(app)


@pytest.mark.usefixtures("no_refresh_interval")
def test_a_long_write_does_not_block_the_book(app: PricingSync, tmp_path: Path) -> None:
    """Another process has the write lock. The committed prices are read, and are not stale."""
    read_once(app, catalogue(3))
    override(app)
    app._parts.book_cache.last = None
    with console(tmp_path) as other:
        other.lock()
        other.execute("UPDATE pricing_ledger SET input = 1")
        assert [(Decimal(2), "fresh")] * 2 == [served(app), served(app)]


def test_without_any_book_the_error_is_raised(app: PricingSync, tmp_path: Path) -> None:
    """An empty book is no substitute."""
    with console(tmp_path) as other:
        other.execute("ALTER TABLE pricing_ledger RENAME TO elsewhere")
    with pytest.raises(StoreError, match=r"no such table|does not exist"):
        app.book()


# The cost of usages


def test_a_past_usage_has_the_price_of_its_time(app: PricingSync) -> None:
    """The present price is from the book, a past price from the ledger."""
    read_once(app, catalogue(3), DAY)
    read_once(app, catalogue(3, "0.000003"), DAY + HOUR)
    assert [Decimal("2.5"), Decimal(3), Decimal(3)] == [
        app.cost("openrouter", MODEL, MILLION, at).total for at in (DAY, DAY + HOUR, None)
    ]


def test_costs_without_a_price_are_counted_by_reason(app: PricingSync) -> None:
    """For the present and for the past. A cost with a price is not counted."""
    read_once(app, openrouter({MODEL: priced(), "varies": priced("-1", "-1")}), DAY)
    without_price: list[tuple[str, Usage, datetime | None]] = [
        ("unknown", MILLION, None),
        (MODEL, MILLION, DAY - HOUR),
        ("varies", MILLION, None),
        (MODEL, Usage(image=1), None),
        (MODEL, Usage(image=1), DAY),
        (MODEL, Usage(page=1), DAY),
    ]
    for model, usage, at in without_price:
        with pytest.raises(NoPrice, match=f"openrouter: {model}: "):
            app.cost("openrouter", model, usage, at)
    app.cost("openrouter", MODEL, MILLION)
    assert {"unknown_model": 2, "unpriced": 1, "no_rate": 3} == app.unpriced


def test_a_price_is_answered_from_memory_without_the_database_or_not_at_all(
    app: PricingSync,
) -> None:
    """The event loop never waits for the database: it leaves the query to a thread."""
    read_once(app, catalogue(1))
    assert price_in_memory(app, "openrouter", MODEL) is None
    app.book()
    with counted(app.store) as counter:
        response = price_in_memory(app, "openrouter", MODEL)
        assert response is not None
        assert MODEL == json.loads(bytes(response.body))["model"]
        assert price_in_memory(app, "openrouter", "maker/unknown") is None
    assert 0 == counter.statements
    app._parts.book_cache._next_check_at = 0.0
    assert price_in_memory(app, "openrouter", MODEL) is None
