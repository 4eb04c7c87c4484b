"""The price book of a database: whole, soon up to date, and there when the database is not."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing_sync.app import PricingSync
from pricing_sync.changes.diff import diff
from pricing_sync.changes.plan import plan_changes
from pricing_sync.changes.run import Reading, Run, Status
from pricing_sync.errors import NoPrice, StoreError
from pricing_sync.prices.book import PriceBook, prices
from pricing_sync.prices.rates import Answer, Listing, Meter, Per, Rate, RateCard, Unpriced, Why
from pricing_sync.prices.usage import Usage
from pricing_sync.serving import book_cache
from pricing_sync.serving.book_cache import REFRESH_SECONDS
from pricing_sync.settings import Settings
from pricing_sync.store import Store, open_store
from pricing_sync.store.review import PinnedChange, State
from pricing_sync.sync.recorded import RecordedAnswer

from built import catalogue, openrouter, priced

DAY = datetime(2026, 7, 17, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CHEAP = RateCard({Meter.INPUT: Rate.of("2.5", Per.MILLION), Meter.OUTPUT: Rate.of(10, Per.MILLION)})
DEAR = RateCard({Meter.INPUT: Rate.of(3, Per.MILLION), Meter.OUTPUT: Rate.of(15, Per.MILLION)})
MODEL = "maker/model-0"
MILLION = Usage(input=1_000_000)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[PricingSync]:
    with PricingSync(Settings(database=f"sqlite:///{tmp_path / 'prices.db'}")) as opened:
        yield opened


@pytest.fixture
def always_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is asked each time whether anything has changed."""
    monkeypatch.setattr(book_cache, "REFRESH_SECONDS", 0.0)


def read_once(app: PricingSync, body: bytes, at: datetime | None = None) -> None:
    asyncio.run(app.replay("openrouter", [RecordedAnswer(body, at)]))


def override(app: PricingSync) -> None:
    """Two dollars per million tokens into the model."""
    rates = {Meter.INPUT: Rate.of(2, Per.MILLION)}
    app.set_override("openrouter", MODEL, rates, author="me", reason="test")


def total(book: PriceBook) -> Decimal:
    """What a million tokens into the model cost."""
    return book.cost("openrouter", MODEL, MILLION).total


def served(app: PricingSync) -> tuple[Decimal, str]:
    """What they cost now, and whether that was known to hold just now."""
    cost = app.cost("openrouter", MODEL, MILLION).total
    return cost, "fresh" if app.stale_since is None else "stale"


# What the store says


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


@contextmanager
def opened(folder: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{folder / 'prices.db'}", create=True) as store:
        store.queue.insert_run(Run("run", "test", DAY, None, None, False, ("acme",)))
        yield store


def read(
    store: Store, at: datetime, listing: Listing | None, *reasons: str, number: int = 0
) -> None:
    """A reading in which acme lists the model m so, or not at all; with *reasons* it waits."""
    answer = Answer({} if listing is None else {"m": listing})
    with store.transaction():
        stored = store.known_models("acme")
        decision = plan_changes(diff(stored, answer), {"m": reasons}, stored, answer)
        reading = Reading(
            id=f"reading-{number}-{at.isoformat()}",
            run_id="run",
            provider="acme",
            at=at,
            started_at=at,
            finished_at=at,
            status=Status.READ,
            digest="d" * 64,
            decoder="1",
        )
        store.save_reading(reading, decision)


def set_rate(store: Store, rate: int, since: datetime, until: datetime | None = None) -> None:
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


def end_rates(store: Store, at: datetime) -> None:
    store.end_overrides("acme", "m", tuple(Meter), at, at)


def what_counts(store: Store) -> tuple[object, object]:
    """Every row of the ledger and of the overrides."""
    ledger = store._connection.fetch_all("SELECT * FROM pricing_ledger ORDER BY rowid", {})
    return ledger, store._connection.fetch_all("SELECT * FROM pricing_overrides ORDER BY rowid", {})


def test_a_new_database_has_a_revision_and_an_empty_book(store: Store) -> None:
    """Nothing was read yet. That is no error."""
    assert ("0", "0", []) == (store.revision(), store.book().revision, list(store.book()))


def test_a_card_that_ends_when_it_began_is_a_new_revision(store: Store) -> None:
    """Its row ends and no other is added: the newest time in the ledger does not tell."""
    read(store, DAY, CHEAP)
    read(store, DAY, None, number=1)
    before, newest = store.revision(), _newest(store)
    read(store, DAY, None, number=2)
    assert newest == _newest(store)
    assert before != store.revision()
    assert [] == list(store.book())


def _newest(store: Store) -> object:
    return store._connection.fetch_all("SELECT MAX(recorded_at) FROM pricing_ledger", {})


def test_an_accepted_change_is_a_new_revision(store: Store) -> None:
    """What waits, and what is rejected, is none."""
    read(store, DAY, CHEAP)
    before = store.revision()
    read(store, DAY + HOUR, DEAR, "moves")
    (item,) = store.review.held("acme")
    assert (before, CHEAP) == (store.revision(), store.book().price("acme", "m").listing)
    pin = PinnedChange(item.id, CHEAP, DEAR)
    now = DAY + 2 * HOUR
    store.review.decide(State.ACCEPTED, [pin], author="me", reason="test", now=now)
    assert before != store.revision()
    assert DEAR == store.book().price("acme", "m").listing


Step: TypeAlias = Callable[[Store, datetime, int], None]
_STEPS: Mapping[str, Step] = {
    "cheap": lambda store, at, number: read(store, at, CHEAP, number=number),
    "dear": lambda store, at, number: read(store, at, DEAR, number=number),
    "varies": lambda store, at, number: read(store, at, Unpriced(Why.VARIES), number=number),
    "gone": lambda store, at, number: read(store, at, None, number=number),
    "set": lambda store, at, number: set_rate(store, number, at + HOUR, at + 3 * HOUR),
    "set at once": lambda store, at, number: set_rate(store, number, at),
    "end": lambda store, at, _: end_rates(store, at),
}
steps = st.sampled_from(sorted(_STEPS))
hours = st.integers(0, 5).map(lambda n: DAY + n * HOUR)


@settings(max_examples=40, deadline=None)
@given(taken=st.lists(st.tuples(steps, hours), max_size=8))
def test_what_counts_never_changes_under_one_revision(
    tmp_path_factory: pytest.TempPathFactory, taken: Sequence[tuple[str, datetime]]
) -> None:
    """Whatever is done, and although the clock is set back; and no revision comes twice."""
    with opened(tmp_path_factory.mktemp("revisions")) as store:
        found = {store.revision(): what_counts(store)}
        for number, (step, at) in enumerate(taken):
            _STEPS[step](store, at + timedelta(microseconds=number), number)
            counts = what_counts(store)
            assert counts == found.setdefault(store.revision(), counts)


@settings(max_examples=40, deadline=None)
@given(taken=st.lists(steps, max_size=8), asked=st.lists(hours, min_size=1, max_size=5))
def test_the_book_says_what_the_ledger_says(
    tmp_path_factory: pytest.TempPathFactory, taken: Sequence[str], asked: Sequence[datetime]
) -> None:
    """At every instant since the card in force began, overrides that have ended included."""
    with opened(tmp_path_factory.mktemp("book")) as store:
        for number, step in enumerate(taken):
            _STEPS[step](store, DAY + number * HOUR / 2, number)
        book = store.book()
        for card in store.statements("acme", "m"):
            for at in asked:
                if at >= card.since:
                    (expected,) = prices(store.statements(at=at), store.overrides(at=at))
                    assert expected == book.find("acme", "m", at)


def test_a_snapshot_is_of_one_moment(store: Store, tmp_path: Path) -> None:
    """What another process commits meanwhile is seen by who asks after it."""
    read(store, DAY, CHEAP)
    with open_store(f"sqlite:///{tmp_path / 'prices.db'}") as other:
        with store.snapshot():
            before = store.revision()
            read(other, DAY + HOUR, DEAR)
            assert [CHEAP] == [card.listing for card in store.statements()]
            assert before == store.revision()
        assert [DEAR] == [card.listing for card in store.statements()]


def test_a_snapshot_inside_a_transaction_has_what_it_wrote(store: Store) -> None:
    """Nobody reads what was before their own words."""
    read(store, DAY, CHEAP)
    with store.transaction():
        store._connection.execute(
            "UPDATE pricing_ledger SET input = 3000000000, output = 15000000000", {}
        )
        with store.snapshot():
            assert [DEAR] == [card.listing for card in store.statements()]


def test_a_row_that_somebody_spoilt_is_no_book(store: Store) -> None:
    """A price that is left out would be a model that is not sold."""
    read(store, DAY, CHEAP)
    store._connection.execute("UPDATE pricing_ledger SET since = 'yesterday'", {})
    with pytest.raises(StoreError, match=r"database: the price book: .*yesterday"):
        store.book()


# What a process answers from


def test_what_is_overridden_here_counts_at_once(app: PricingSync) -> None:
    """Although the database would not be asked again for a second."""
    read_once(app, catalogue(3))
    assert Decimal("2.5") == total(app.book())
    override(app)
    assert Decimal(2) == total(app.book())
    app.end_override("openrouter", MODEL)
    assert Decimal("2.5") == total(app.book())


def test_what_is_written_to_the_store_counts_when_the_book_is_forgotten(app: PricingSync) -> None:
    """As after a held change was accepted."""
    read_once(app, catalogue(3))
    before = app.book()
    read_once(app, catalogue(3, "0.000003"))
    assert before is app.book()
    app.refresh_book()
    assert Decimal(3) == total(app.book())


def test_a_book_that_still_holds_is_kept(app: PricingSync) -> None:
    """Nothing is read again for a reading that changed no price."""
    read_once(app, catalogue(3))
    before = app.book()
    read_once(app, catalogue(3) + b" ")
    app.refresh_book()
    assert before is app.book()


@pytest.mark.usefixtures("always_asking")
def test_nobody_waits_for_a_book_that_another_thread_reads(app: PricingSync) -> None:
    """They go on with the old one. The reader is kept from the database here, by a snapshot."""
    read_once(app, catalogue(3))
    before = app.book()
    override(app)
    app._parts.book_cache.last = before
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


def numbered(number: int) -> bytes:
    """A list in which every price ends in the number of the list."""
    price = f"0.0000025{number:06}"
    return openrouter({f"maker/model-{n}": priced(price) for n in range(MODELS)})


def numbers(book: PriceBook) -> list[int]:
    """Of the list that each price is from."""
    cards = [price.listing for price in book if isinstance(price.listing, RateCard)]
    return [(card.rates[Meter.INPUT] - 2_500_000_000) // 100 for card in cards]


@pytest.mark.usefixtures("always_asking")
def test_every_book_is_one_committed_reading(app: PricingSync) -> None:
    """Each reading changes every price while four threads ask. Every book has every model, all at
    the prices of one reading, and nobody gets an older one after a newer one."""
    read_once(app, numbered(0))
    over, found = threading.Event(), [list[PriceBook]() for _ in range(4)]
    threads = [threading.Thread(target=_ask, args=(app, books, over)) for books in found]
    for thread in threads:
        thread.start()
    try:
        lists = [RecordedAnswer(numbered(number)) for number in range(1, READINGS)]
        asyncio.run(app.replay("openrouter", lists))
    finally:
        over.set()
        for thread in threads:
            thread.join()
    for books in found:
        read = [numbers(book) for book in books]
        assert all([of_book[0]] * MODELS == of_book for of_book in read)
        assert sorted(read) == read
    assert len({book.revision for books in found for book in books}) > 20
    assert [READINGS - 1] * MODELS == numbers(app.book())


def _ask(app: PricingSync, books: list[PriceBook], over: threading.Event) -> None:
    """Note every book that is not the one before."""
    while not over.wait(0.001):
        book = app.book()
        if not books or book is not books[-1]:
            books.append(book)


_WORKER = """
import sys, time
from pricing_sync.app import PricingSync
from pricing_sync.prices.rates import Meter, Per, Rate
from pricing_sync.settings import Settings

TWO_DOLLARS = Rate.of(2, Per.MILLION)

with PricingSync(Settings(database=sys.argv[1])) as app:
    def rate():
        return app.book().price("openrouter", "maker/model-0").listing.rates[Meter.INPUT]
    print(rate(), flush=True)
    if sys.stdin.readline() == "correct it\\n":
        app.set_override(
            "openrouter", "maker/model-0", {Meter.INPUT: TWO_DOLLARS}, author="me", reason="test"
        )
    while rate() != TWO_DOLLARS:
        time.sleep(0.01)
    print(time.monotonic(), flush=True)
"""


def test_three_processes_see_a_corrected_price_within_the_bound(
    app: PricingSync, tmp_path: Path
) -> None:
    """One corrects it and has it at once. The others have it a second later at most, and the time
    that it takes to read."""
    read_once(app, catalogue(3))
    program = [sys.executable, "-c", _WORKER, f"sqlite:///{tmp_path / 'prices.db'}"]
    with ExitStack() as stack:
        workers = [stack.enter_context(_piped(program)) for _ in range(3)]
        assert ["2.5\n"] * 3 == [worker.stdout.readline() for worker in workers if worker.stdout]
        began = time.monotonic()
        told = ["correct it\n", "look\n", "look\n"]
        seen = [
            float(worker.communicate(word, timeout=30)[0]) - began
            for worker, word in zip(workers, told, strict=True)
        ]
    assert max(seen) < REFRESH_SECONDS + 1


@contextmanager
def _piped(program: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(program, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


# While the database cannot be read


@pytest.mark.usefixtures("always_asking")
def test_the_last_book_serves_while_the_database_cannot_be_read(
    app: PricingSync, tmp_path: Path
) -> None:
    """It says so, and what came meanwhile counts as soon as the database is back."""
    read_once(app, catalogue(3))
    began = datetime.now(UTC)
    assert (Decimal("2.5"), "fresh") == served(app)
    held = datetime.now(UTC)
    other = sqlite3.connect(tmp_path / "prices.db")
    other.execute("ALTER TABLE pricing_counters RENAME TO elsewhere")
    assert [(Decimal("2.5"), "stale")] * 2 == [served(app), served(app)]
    assert app.stale_since is not None
    assert began <= app.stale_since <= held
    other.execute("ALTER TABLE elsewhere RENAME TO pricing_counters")
    other.close()
    override(app)
    assert (Decimal(2), "fresh") == served(app)


@pytest.mark.usefixtures("always_asking")
def test_the_last_book_serves_while_the_file_is_spoilt(app: PricingSync, tmp_path: Path) -> None:
    """The disk gives other bytes. What SQLite remembers of the right ones is dropped here."""
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


@pytest.mark.usefixtures("always_asking")
def test_who_writes_for_long_keeps_nobody_from_the_book(app: PricingSync, tmp_path: Path) -> None:
    """Another process holds the write lock. What was committed before is read, and not stale."""
    read_once(app, catalogue(3))
    override(app)
    app._parts.book_cache.last = None
    other = sqlite3.connect(tmp_path / "prices.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    other.execute("UPDATE pricing_ledger SET input = 1")
    assert [(Decimal(2), "fresh")] * 2 == [served(app), served(app)]
    other.close()


def test_without_any_book_the_failure_is_told(app: PricingSync, tmp_path: Path) -> None:
    """Nothing is made up in its place."""
    with sqlite3.connect(tmp_path / "prices.db") as other:
        other.execute("ALTER TABLE pricing_ledger RENAME TO elsewhere")
    other.close()
    with pytest.raises(StoreError, match="no such table"):
        app.book()


# What usages cost


def test_a_past_usage_costs_what_counted_then(app: PricingSync) -> None:
    """Now is by the book, then by the ledger."""
    read_once(app, catalogue(3), DAY)
    read_once(app, catalogue(3, "0.000003"), DAY + HOUR)
    assert [Decimal("2.5"), Decimal(3), Decimal(3)] == [
        app.cost("openrouter", MODEL, MILLION, at).total for at in (DAY, DAY + HOUR, None)
    ]


def test_what_has_no_price_is_counted_by_its_reason(app: PricingSync) -> None:
    """In this process, now and then; what has one is not counted."""
    read_once(app, openrouter({MODEL: priced(), "varies": priced("-1", "-1")}), DAY)
    asked: list[tuple[str, Usage, datetime | None]] = [
        ("unheard-of", MILLION, None),
        (MODEL, MILLION, DAY - HOUR),
        ("varies", MILLION, None),
        (MODEL, Usage(image=1), None),
        (MODEL, Usage(image=1), DAY),
        (MODEL, Usage(page=1), DAY),
    ]
    for model, usage, at in asked:
        with pytest.raises(NoPrice, match=f"openrouter: {model}: "):
            app.cost("openrouter", model, usage, at)
    app.cost("openrouter", MODEL, MILLION)
    assert {"unknown_model": 2, "unpriced": 1, "no_rate": 3} == app.unpriced
