"""What is special about PostgreSQL: its tables, its errors, its locks and its connections."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest

from pricing_sync.changes.diff import Change, Kind
from pricing_sync.changes.plan import ChangePlan
from pricing_sync.changes.run import Run
from pricing_sync.errors import LostClaim, SettingsError, StoreBusy, StoreError
from pricing_sync.prices.rates import Meter, Rate, RateCard
from pricing_sync.store import Store, connect, open_store, postgres
from pricing_sync.store.audit_log import Action
from pricing_sync.store.connection import migrations, newest_version

from databases import WITH_PASSWORD, PostgresServer, database_url, require_server
from invented_readings import reading

pytestmark = pytest.mark.postgres
DAY = datetime(2026, 7, 17, 12, tzinfo=UTC)
NEWEST = newest_version("postgres")
T = TypeVar("T")


@pytest.fixture
def server() -> PostgresServer:
    return require_server()


@pytest.fixture
def empty(server: PostgresServer) -> Iterator[str]:
    """The URL of a database without tables."""
    name = server.create()
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return database_url(tmp_path)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url) as opened:
        opened.queue.insert_run(Run("run", "test", DAY, None, None, False, ("acme",)))
        yield opened


def at_once(*work: Callable[[], T]) -> list[T | Exception]:
    """The results of functions that begin at the same moment, each in a thread of its own."""
    barrier = threading.Barrier(len(work))

    def begin(one: Callable[[], T]) -> T | Exception:
        barrier.wait()
        try:
            return one()
        except StoreError as error:
            return error

    with ThreadPoolExecutor(len(work)) as threads:
        return list(threads.map(begin, work))


def name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


# The tables


def test_the_tables_are_those_of_sqlite(tmp_path: Path, url: str) -> None:
    """The same tables, columns and primary keys, in the same order. The types are its own."""
    with (
        open_store(f"sqlite:///{tmp_path / 'x.db'}", create=True) as file,
        open_store(url) as other,
    ):
        expected, found = file._connection.tables(), other._connection.tables()
    assert expected.keys() == found.keys()
    for name, table in expected.items():
        assert (name, list(table.columns)) == (name, list(found[name].columns))
        assert (name, table.key) == (name, found[name].key)


def test_the_indexes_are_those_of_sqlite(tmp_path: Path, url: str) -> None:
    """By name: what is sought there is sought here."""
    with open_store(f"sqlite:///{tmp_path / 'x.db'}", create=True) as file:
        expected = file._connection.fetch_all(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL", {}
        )
    with open_store(url) as store:
        found = store._connection.fetch_all(
            "SELECT indexname FROM pg_indexes WHERE tablename LIKE 'pricing%'"
            " AND indexname NOT LIKE '%_pkey'",
            {},
        )
    assert sorted(expected) == sorted(found)


def test_instants_days_json_and_decimals_have_their_own_types(store: Store) -> None:
    """People and Grafana query them."""
    kinds = {
        (table.name, column): kind
        for table in store._connection.tables().values()
        for column, kind in table.columns.items()
    }
    instant = "timestamp with time zone"
    assert instant == kinds["pricing_ledger", "since"]
    assert "jsonb" == kinds["pricing_ledger", "conditional_rates"]
    assert "bigint" == kinds["pricing_ledger", "input"]
    assert "bytea" == kinds["pricing_evidence", "body"]
    assert "date" == kinds["pricing_exchange_rates", "day"]
    assert "numeric" == kinds["pricing_usage", "cost"]
    # An instant that is kept as text would be named like the others.
    endings = ("_at", "since", "until", "_seen", "_before")
    texts = [key for key, kind in kinds.items() if key[1].endswith(endings) and kind != instant]
    assert [] == texts


def test_the_newest_migration_is_that_of_sqlite() -> None:
    """A migration of one has a twin for the other, with the same number."""
    numbers = [version for version, _ in migrations("sqlite") if version >= 18]
    assert numbers == [version for version, _ in migrations("postgres")]


def test_several_nodes_that_start_at_once_migrate_once(empty: str) -> None:
    """One makes the tables, and the others wait for it."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(connect(empty)) for _ in range(4)]
        applied = at_once(*(node.migrate for node in nodes))
        every = [number for number, _ in migrations("postgres")]
        assert [[], [], [], every] == sorted(applied, key=len)  # type: ignore[arg-type]
        assert {NEWEST} == {node.version for node in nodes}


def test_a_migration_that_fails_leaves_nothing(empty: str) -> None:
    """All of it is one transaction, so that no database is half migrated."""
    with connect(empty) as store:
        store._connection.execute_script("CREATE TABLE pricing_usage (x int)")
        with pytest.raises(StoreError, match="already exists"):
            store.migrate()
        assert ["pricing_usage"] == list(store._connection.tables())
        assert 0 == store.version


# What is refused, in one line


def test_a_server_that_cannot_be_reached() -> None:
    """The line has the reason, and no password."""
    with pytest.raises(StoreError) as caught:
        open_store("postgresql://me:hidden@127.0.0.1:1/prices")
    assert "database: postgresql://me:***@127.0.0.1:1/prices: " in str(caught.value)
    assert "refused" in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_password(server: PostgresServer, url: str) -> None:
    """It is in no message, whatever the cause."""
    user = WITH_PASSWORD
    server.execute(f"DROP ROLE IF EXISTS {user}")
    server.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'right'")
    name = name_of(url)
    try:
        if not server.asks_for_passwords(user):
            pytest.skip("the server of TEST_POSTGRES_URL asks for no password")
        with pytest.raises(StoreError, match="password authentication failed") as caught:
            open_store(server.url(name, user, "wr:ong@/hidden"))
        assert "hidden" not in str(caught.value)
        assert "\n" not in str(caught.value)
        with pytest.raises(StoreError, match="permission denied"):
            open_store(server.url(name, user, "right"))
    finally:
        server.execute(f"DROP ROLE {user}")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:x%zzhidden@host/prices",
        "postgresql://me:x@hidden@host/prices",
        "postgresql://me:1@/hidden@host/prices",
        "postgresql://me:hidden/x@host/prices",
    ],
)
def test_a_url_that_is_not_valid(url: str) -> None:
    """Such as a password that is not quoted. What the driver says of it would have a part of it."""
    with pytest.raises(SettingsError) as caught:
        open_store(url)
    assert "no valid URL" in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_the_parameters_of_a_url_count(url: str) -> None:
    """The others have our values."""
    shown = "SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()"
    for more, name in (("", "pricing-sync"), ("&application_name=billing", "billing")):
        with open_store(url + more) as store:
            assert [(name,)] == store._connection.fetch_all(shown, {})


def test_a_database_that_does_not_exist(server: PostgresServer) -> None:
    """It is not created: that takes other rights."""
    with pytest.raises(StoreError, match='database "nothing" does not exist'):
        open_store(server.url("nothing"), create=True)


def test_a_version_that_is_too_old(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line has both versions."""
    monkeypatch.setattr(postgres, "OLDEST_VERSION", 99)
    with pytest.raises(StoreError, match=r"PostgreSQL \d+; 99 or later is needed"):
        open_store(url)


def test_another_encoding(server: PostgresServer) -> None:
    """The names of models may have any character."""
    server.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    try:
        with pytest.raises(StoreError, match="its encoding is LATIN1, UTF8 is needed"):
            open_store(server.url("latin"))
    finally:
        server.drop("latin")


def test_a_database_without_our_tables(empty: str) -> None:
    """Opening it for reading adds none."""
    with pytest.raises(
        StoreError,
        match=f"schema 0, needed {NEWEST}: run `pricing-sync migrate`",
    ):
        open_store(empty)


def test_a_newer_schema(server: PostgresServer) -> None:
    """An old program cannot know it."""
    name = server.create(server.template)
    try:
        with psycopg.connect(server.url(name), autocommit=True) as console:
            console.execute("INSERT INTO pricing_migrations VALUES (999, now())")
        with pytest.raises(StoreError, match="schema 999 is newer"):
            open_store(server.url(name), create=True)
    finally:
        server.drop(name)


def test_a_database_that_is_read_only_is_read(server: PostgresServer) -> None:
    """As a replica is. What would write says why it cannot."""
    name = server.create(server.template)
    try:
        server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        with open_store(server.url(name)) as store:
            assert [] == list(store.book())
            with pytest.raises(StoreError, match="read-only transaction"):
                store.queue.increment({("x", ()): 1})
            with pytest.raises(StoreError, match="read-only transaction"):
                save(store, "acme", 1)
    finally:
        server.drop(name)


def test_the_driver_is_not_loaded_for_sqlite(tmp_path: Path) -> None:
    """It is an optional dependency."""
    program = (
        "import sys; from pricing_sync.store import open_store\n"
        "open_store(sys.argv[1], create=True).close()\n"
        "assert not [name for name in sys.modules if name.startswith('psycopg')]"
    )
    file = f"sqlite:///{tmp_path / 'prices.db'}"
    subprocess.run([sys.executable, "-W", "error", "-c", program, file], check=True)


# Connections


def test_connections_that_the_server_has_closed_are_replaced(
    server: PostgresServer, store: Store, url: str
) -> None:
    """As after a restart: the next query and the next transaction work."""
    for use in (store.revision, lambda: save(store, "acme", 1)):
        with at_rest(store):
            server.disconnect(name_of(url))
        use()
    assert 1 == len(store.statements("acme"))


class at_rest:  # noqa: N801  it reads as a phrase
    """Several connections of the pool are open and unused at the end of the block."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __enter__(self) -> None:
        at_once(*[self._store.book] * 4)

    def __exit__(self, *_: object) -> None:
        pass


def test_a_database_that_is_away_is_an_error_at_once_and_is_found_again(
    server: PostgresServer,
) -> None:
    """No call waits for long while it is away, or after it is back."""
    name = server.create(server.template)
    try:
        with open_store(server.url(name)) as store:
            server.drop(name)
            began = time.monotonic()
            for use in (store.revision, store.book, lambda: save(store, "acme", 1)):
                with pytest.raises(StoreError, match="does not exist"):
                    use()
            server.create_again(name, server.template)
            assert "0" == store.revision()
            assert time.monotonic() - began < postgres.BUSY_SECONDS
    finally:
        server.drop(name)


def test_a_transaction_that_loses_its_connection_stores_nothing(
    server: PostgresServer, store: Store, url: str
) -> None:
    """The error is that of the database, and the next transaction works."""
    with pytest.raises(StoreError), store.transaction():
        store.queue.increment({("x", ()): 1})
        server.disconnect(name_of(url))
        store.queue.increment({("x", ()): 1})
    assert {} == store.queue.counters()
    store.queue.increment({("x", ()): 1})


def test_an_error_that_goes_no_further_does_not_commit_the_rest(store: Store) -> None:
    """PostgreSQL has rolled back then, and would say nothing."""
    with pytest.raises(StoreError, match="rolled back"), store.transaction():
        store.queue.increment({("x", ()): 1})
        with pytest.raises(StoreError):
            store._connection.execute("SELECT 1 FROM nothing", {})
    assert {} == store.queue.counters()


def test_nothing_depends_on_a_session(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pooler gives each transaction another session, which others have used before."""
    pool = store._connection._pool  # type: ignore[attr-defined]
    real = pool.putconn

    def put_back(connection: psycopg.Connection) -> None:
        connection.execute("DISCARD ALL")
        connection.execute("SET TIME ZONE 'Asia/Kathmandu'")
        real(connection)

    monkeypatch.setattr(pool, "putconn", put_back)
    for number in range(3):
        save(store, "acme", number)
    assert [DAY + timedelta(days=2)] == [card.since for card in store.statements("acme")]
    assert 3 == len(store.history("acme", "m"))
    (prepared,) = store._connection.fetch_all("SELECT COUNT(*) FROM pg_prepared_statements", {})
    assert (0,) == prepared


def test_a_reading_takes_as_many_round_trips_for_many_models(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are sent together."""
    sent: list[int] = []
    wait = psycopg.Connection.wait

    def counted(self: psycopg.Connection, *args: object, **options: object) -> object:
        sent.append(1)
        return wait(self, *args, **options)  # type: ignore[arg-type]

    def trips(models: int, number: int) -> int:
        sent.clear()
        save(store, "acme", number, models)
        return len(sent)

    monkeypatch.setattr(psycopg.Connection, "wait", counted)
    trips(5, 0), trips(500, 1)
    assert trips(5, 2) == trips(20, 3)
    # The rows of a COPY are sent in parts of some kilobytes.
    assert trips(500, 4) < trips(20, 5) + 20


# Races of two connections


def save(store: Store, provider: str, number: int, models: int = 1) -> None:
    """A reading that changes the price of each model."""
    at = DAY + timedelta(days=number)
    names = ["m", *(f"m{n}" for n in range(models - 1))]
    with store.transaction():
        known = store.ledger.known_models(provider)
        card = RateCard({Meter.INPUT: Rate(1 + number)})
        changes = [
            Change(name, Kind.CHANGED if name in known else Kind.ADDED, None, card)
            for name in names
        ]
        store.save_reading(
            reading(at, provider, id=f"{provider}-{number}"),
            ChangePlan(apply=changes, seen={name: None for name in names if name not in known}),
        )


def test_writers_of_two_processes_wait_for_each_other(store: Store, url: str) -> None:
    """What is recorded is recorded in the order of the commits, and every change is counted."""
    rounds = 12
    with open_store(url) as other:

        def write(one: Store, provider: str) -> None:
            for number in range(rounds):
                save(one, provider, number)

        done = at_once(lambda: write(store, "acme"), lambda: write(other, "emca"))
    assert [None, None] == done
    assert str(2 * rounds) == store.revision()
    instants = [
        (card.recorded_at, card.provider)
        for provider in ("acme", "emca")
        for card in store.history(provider, "m", everything=True)
        if card.until is None
    ]
    assert 2 * rounds == len(instants) == len({at for at, _ in instants})


def test_a_reader_never_sees_half_a_transaction(store: Store, url: str) -> None:
    """Each book is that of one revision: all its cards are of the same number."""
    stop = threading.Event()

    def write() -> None:
        for number in range(15):
            save(store, "acme", number, 20)
        stop.set()

    def read() -> set[int]:
        seen = set()
        with open_store(url) as other:
            while not stop.is_set():
                book = other.book()
                rates = {int(price.listing.rates[Meter.INPUT]) for price in book}  # type: ignore[union-attr]
                assert len(rates) <= 1
                assert {int(book.revision)} == rates or (book.revision, rates) == ("0", set())
                seen |= rates
        return seen

    _, seen = at_once(write, read)
    assert isinstance(seen, set)
    assert len(seen) > 1


def test_a_reading_is_claimed_by_one_of_two_processes(store: Store, url: str) -> None:
    """They look at the same moment, many times."""
    with open_store(url) as other:
        for number in range(20):
            now = DAY + timedelta(seconds=number)
            with store.transaction():
                run = store.queue.enqueue({"a": 1, "b": 2}, started_by="x", dry_run=False, now=now)
            later = now + timedelta(minutes=1)
            first, second = at_once(
                lambda: store.queue.claim("one", now, later, most=2),  # noqa: B023
                lambda: other.queue.claim("two", now, later, most=2),  # noqa: B023
            )
            assert isinstance(first, list)
            assert isinstance(second, list)
            claims = [*first, *second]
            assert ["a", "b"] == sorted(claim.provider for claim in claims)
            with store.transaction():
                for claim in claims:
                    store.queue.finish_claim(claim, "read")
                store.queue.finish_run_if_done(run.id, now)


def test_one_of_two_processes_leads(store: Store, url: str) -> None:
    """And one finishes a claim that both would: the other has lost it."""
    with open_store(url) as other:
        for number in range(20):
            now = DAY + timedelta(hours=number)
            until = now + timedelta(minutes=1)
            leads = at_once(
                lambda: store.queue.acquire_leadership("one", now, until),  # noqa: B023
                lambda: other.queue.acquire_leadership("two", now, until),  # noqa: B023
            )
            assert [False, True] == sorted(map(bool, leads))
        leader = store.queue.leader()
        assert leader is not None
        assert 20 == leader.term
        with store.transaction():
            store.queue.enqueue({"a": 1}, started_by="x", dry_run=False, now=DAY)
        (claim,) = store.queue.claim("one", DAY, DAY + timedelta(minutes=1), most=1)

        def finish(one: Store) -> bool:
            try:
                with one.transaction():
                    one.queue.finish_claim(claim, "read")
            except LostClaim:
                return False
            return True

        assert [False, True] == sorted(at_once(lambda: finish(store), lambda: finish(other)))  # type: ignore[type-var]


def test_two_identical_triggers_at_once_are_one_run(store: Store, url: str) -> None:
    """Both callers get the same id."""
    with open_store(url) as other:
        for number in range(10):
            now = DAY + timedelta(seconds=number)
            names = {f"p{number}": 1}
            first, second = at_once(
                lambda: store.queue.trigger(names, started_by="a", dry_run=False, now=now),  # noqa: B023
                lambda: other.queue.trigger(names, started_by="b", dry_run=False, now=now),  # noqa: B023
            )
            assert isinstance(first, tuple)
            assert isinstance(second, tuple)
            assert first[0].id == second[0].id
            assert [False, True] == sorted((first[1], second[1]))


def test_the_lock_of_a_writer_is_waited_for_and_then_refused(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As busy, so that it is tried again."""
    monkeypatch.setattr(postgres, "BUSY_SECONDS", 0.1)
    with open_store(url) as other, other.transaction():
        with pytest.raises(StoreBusy, match="lock timeout"), store.transaction():
            pass
        assert "0" == store.revision()
    with store.transaction():
        pass


def test_a_transaction_has_none_inside(store: Store) -> None:
    """It would wait for itself."""
    with pytest.raises(StoreError, match="within a transaction"), store.transaction():
        save(store, "acme", 1)


def test_a_frozen_writer_does_not_stop_the_others(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database ends its transaction, and what it would store after that is refused."""
    monkeypatch.setattr(postgres, "_IDLE_SECONDS", 0.2)
    with open_store(url) as frozen, pytest.raises(StoreError), frozen.transaction():
        frozen.queue.increment({("frozen", ()): 1})
        save(store, "acme", 1)  # waits until the other transaction has ended
        frozen.queue.increment({("frozen", ()): 1})
    assert {} == store.queue.counters().get("frozen", {})
    assert 1 == len(store.statements("acme"))


# Characters


@pytest.mark.parametrize("text", ["a\0b", "\\\0", "\\u0000", "%s :name 'x' \"y\" \\", "é ☃ 𝄞"])
def test_any_text_can_be_stored(store: Store, text: str) -> None:
    """PostgreSQL has no NUL character: another one takes its place, in JSON too."""
    stored = text.replace("\0", "\ufffd")
    for name in ("acme", text):  # what is sought can be anything too
        store.set_overrides(
            *(name, text, {Meter.INPUT: Rate(1)}),
            currency="USD",
            author=text,
            reason=text,
            since=DAY,
            until=None,
            now=DAY,
        )
        (override,) = store.overrides(name, text)
        assert [stored] * 3 == [override.model, override.author, override.reason]
    action = Action("test", text, text, DAY)
    store.audit_log.add(
        action, [{"provider": None, "model": None, "subject": None, "what": {text: text}}] * 9
    )
    assert {stored: stored} == store.audit_log.entries(1)[0].what
