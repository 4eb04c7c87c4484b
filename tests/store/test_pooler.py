"""Through a pooler in transaction mode, each transaction has another session of the database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from pooler import POOL_SIZE, pooled
from pricing_sync.app import PricingSync
from pricing_sync.changes.run import Outcome
from pricing_sync.demo.server import DemoServer
from pricing_sync.prices.rates import Meter, Rate, RateCard
from pricing_sync.settings import Settings
from pricing_sync.store import connect
from pricing_sync.sync.access import ProviderAccess

from databases import require_server
from service import KEYS, TWO, settings_of, until

pytestmark = pytest.mark.postgres
GPT = "openai/gpt-4o"
#: More than the pool has connections.
_THREADS = 4 * POOL_SIZE


@pytest.fixture
def direct() -> Iterator[str]:
    """The URL of an empty database, without the pooler."""
    server = require_server()
    name = server.create()
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def url(direct: str) -> Iterator[str]:
    """The URL of the same database through the pooler."""
    with pooled(urlsplit(direct).path[1:]) as through:
        yield through


@pytest.fixture
def providers() -> Iterator[DemoServer]:
    with DemoServer() as running:
        yield running


def settings_with(folder: Path, providers: DemoServer, url: str, **more: object) -> Settings:
    return settings_of(folder, providers, TWO, database=url, **more)


def process(settings: Settings, *, is_worker: bool = False) -> PricingSync:
    access = ProviderAccess(settings, environment=KEYS)
    return PricingSync(settings, access=access, is_worker=is_worker)


def leftovers(direct: str) -> list[tuple[object, ...]]:
    """What a session of the database still holds after its transactions."""
    with psycopg.connect(direct, autocommit=True) as connection:
        return connection.execute(
            "SELECT 'lock', pid::text FROM pg_locks WHERE locktype = 'advisory'"
            " UNION ALL SELECT 'table', relname FROM pg_class WHERE relpersistence = 't'"
        ).fetchall()


def test_a_reading_and_a_correction(
    tmp_path: Path, providers: DemoServer, url: str, direct: str
) -> None:
    """The tables are made, and what is read through it is what the database has."""
    with process(settings_with(tmp_path, providers, url)) as pricing:
        result = asyncio.run(pricing.sync(TWO))
        assert result.outcome is Outcome.SUCCESS
        correct(pricing, GPT, 1)
        read = pricing.store.statements()
        assert pricing.store.newest_version == pricing.store.version
    with connect(direct) as store:
        assert len(read) > 20
        assert read == store.statements()
        assert [1] == [one.rate for one in store.overrides()]
    assert [] == leftovers(direct)


def test_many_threads_share_few_sessions(
    tmp_path: Path, providers: DemoServer, url: str, direct: str
) -> None:
    """Each sees its own transaction, with its own temporary table and its own time limits."""
    with process(settings_with(tmp_path, providers, url)) as pricing:
        asyncio.run(pricing.sync(TWO))
        before = pricing.store.revision()

        def override(number: int) -> int:
            correct(pricing, f"a/model-{number}", number)
            (found,) = pricing.store.overrides("openrouter", f"a/model-{number}")
            return found.rate

        with ThreadPoolExecutor(_THREADS) as threads:
            found = list(threads.map(override, range(5 * _THREADS)))
        assert list(range(5 * _THREADS)) == found
        assert int(pricing.store.revision()) == int(before) + 5 * _THREADS
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as client:
        for _ in range(4 * POOL_SIZE):
            row = client.execute(
                "SELECT current_setting('lock_timeout'),"
                " (SELECT COUNT(*) FROM pg_prepared_statements)"
            ).fetchone()
            assert ("0", 0) == row
    assert [] == leftovers(direct)


def test_workers_and_services(tmp_path: Path, providers: DemoServer, url: str, direct: str) -> None:
    """What is triggered at a service is read by a worker, and each service sees a correction."""
    settings = settings_with(tmp_path, providers, url, engine="procrastinate")
    services = [process(settings), process(settings)]
    worker = process(settings, is_worker=True)

    async def work() -> None:
        one, other = services
        async with one.lifespan(), other.lifespan(), worker.lifespan():
            run, _ = await one.trigger(TWO)
            ended, readings = await one.wait(run.id, 60)
            assert ended.outcome is Outcome.SUCCESS
            assert len(readings) == len(TWO)
            correct(one, GPT, 7)
            await until(lambda: 7 == rate_at(other), 30)
            await until(lambda: other.book_learned_by is not None, 30)
            assert "poll" == other.book_learned_by

    asyncio.run(work())
    assert [] == leftovers(direct)


def correct(pricing: PricingSync, model: str, rate: int) -> None:
    """Set a person's rate for the input of a model of OpenRouter."""
    pricing.set_override(
        "openrouter", model, {Meter.INPUT: Rate(rate)}, author="a person", reason="a test"
    )


def rate_at(pricing: PricingSync) -> int | None:
    listing = pricing.price("openrouter", GPT).listing
    return listing.rates.get(Meter.INPUT) if isinstance(listing, RateCard) else None
