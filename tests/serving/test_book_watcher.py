"""Every process serves the newest revision soon, and nobody who reads waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.background import Guard
from pricing_sync.prices.book import Price
from pricing_sync.prices.rates import Meter, Rate, RateCard
from pricing_sync.serving.book_watcher import BookWatcher
from pricing_sync.store.books import Books, Revision

from counting import counted
from databases import server
from service import RecordingListener, service, settings_of, until

pytestmark = pytest.mark.postgres


def override(pricing: PricingSync, dollars: int) -> None:
    """A correction by a person."""
    rate = Rate(dollars * 10**9)
    pricing.set_override(
        "openrouter", "acme/one", {Meter.INPUT: rate}, author="ann", reason="a test"
    )


def input_rate(pricing: PricingSync) -> Rate | None:
    book = pricing.checked_book
    found = book.find("openrouter", "acme/one") if book else None
    return (
        found.listing.rates.get(Meter.INPUT)
        if isinstance(found, Price) and isinstance(found.listing, RateCard)
        else None
    )


def test_every_replica_is_told_of_a_correction(tmp_path: Path) -> None:
    """Three replicas, each with a connection that listens; the writer is another process's."""

    async def work() -> None:
        settings = settings_of(tmp_path, None, enabled=False)
        with service(settings) as writer:
            async with AsyncExitStack() as stack:
                replicas = [service(settings) for _ in range(3)]
                for replica in replicas:
                    await stack.enter_async_context(replica.lifespan())
                await until(lambda: all(one.checked_book is not None for one in replicas))
                for dollars in range(1, 6):
                    override(writer, dollars)
                    expected = Rate(dollars * 10**9)
                    await until(lambda: all(input_rate(one) == expected for one in replicas))  # noqa: B023
                assert {"notify", "poll"} >= {one.book_learned_by for one in replicas}
                assert len({one.book_revision for one in replicas}) == 1

    asyncio.run(work())


def test_a_reader_of_the_book_sends_no_statement(tmp_path: Path) -> None:
    """Not even when the book was checked long ago: that is the watcher's work."""

    async def work() -> None:
        pricing = service(settings_of(tmp_path, None, enabled=False))
        async with pricing.lifespan():
            await until(lambda: pricing.checked_book is not None)
            cache = pricing._parts.book_cache
            cache._next_check_at = 0.0
            with counted(pricing.store, most=0) as counter:
                # Nothing else runs in between: this coroutine does not wait.
                pricing.book()
                assert 0 == counter.statements

    asyncio.run(work())


def test_after_the_connections_were_lost_it_listens_again(tmp_path: Path) -> None:
    """What changed meanwhile is found, and the next change is told."""

    async def work() -> None:
        settings = settings_of(tmp_path, None, enabled=False)
        name = settings.database.rpartition("/")[2].partition("?")[0]
        with service(settings) as writer:
            replica = service(settings)
            async with replica.lifespan():
                await until(lambda: replica.checked_book is not None)
                for dollars in (1, 2, 3):
                    server().disconnect(name)
                    override(writer, dollars)
                    expected = Rate(dollars * 10**9)
                    await until(lambda: input_rate(replica) == expected)  # noqa: B023
                    assert replica.stale_since is None

    asyncio.run(work())


def test_without_notifications_it_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind a pooler that lets it listen, and passes nothing on."""
    monkeypatch.setattr("pricing_sync.store.notifications.REVISION_CHANNEL", "nothing_here")

    async def work() -> None:
        settings = settings_of(tmp_path, None, enabled=False)
        with service(settings) as writer:
            replica = service(settings)
            async with replica.lifespan():
                await until(lambda: replica.checked_book is not None)
                override(writer, 1)
                await until(lambda: input_rate(replica) == Rate(10**9))
                assert "poll" == replica.book_learned_by

    asyncio.run(work())


def test_a_fault_of_ours_does_not_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Meanwhile the last book is served, and says since when it is old. It is reported once."""
    recorder = RecordingListener()
    faults = 0

    def revision(_: Books) -> Revision:
        nonlocal faults
        faults += 1
        raise ZeroDivisionError(f"number {faults}")

    async def work() -> None:
        settings = settings_of(tmp_path, None, enabled=False)
        with service(settings) as writer:
            replica = service(settings, recorder)
            async with replica.lifespan():
                await until(lambda: replica.checked_book is not None)
                with monkeypatch.context() as broken:
                    broken.setattr(Books, "revision", revision)
                    await until(lambda: faults > 2)
                    assert replica.stale_since is not None
                    assert replica.checked_book is not None
                override(writer, 1)
                await until(lambda: input_rate(replica) == Rate(10**9))
                assert replica.stale_since is None

    asyncio.run(work())
    assert [("book", ZeroDivisionError)] == [(where, type(e)) for where, e in recorder.errors]


class _Deaf:
    """Notifications that take the first cancellation for a timeout, as a library may."""

    def __init__(self) -> None:
        self.cancellations = 0

    async def wait(self, seconds: float) -> bool:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.cancellations += 1
            if self.cancellations > 1:
                raise
        return False


def test_a_stop_ends_what_does_not_hear_it(tmp_path: Path) -> None:
    """It is cancelled until it ends."""
    deaf = _Deaf()

    @asynccontextmanager
    async def listen() -> AsyncIterator[_Deaf]:
        yield deaf

    async def work(pricing: PricingSync) -> None:
        guard = Guard(lambda *_: None)
        watcher = BookWatcher(pricing._parts.book_cache, listen, guard, "redis")
        watcher.start()
        await until(lambda: pricing.checked_book is not None)
        await asyncio.sleep(0.1)
        async with asyncio.timeout(10):
            await watcher.stop()

    with service(settings_of(tmp_path, None, enabled=False)) as pricing:
        asyncio.run(work(pricing))
    assert 2 == deaf.cancellations
