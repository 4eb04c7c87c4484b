"""The loop that one of several processes runs: what ends it, and what does not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pricing_sync.background import Guard
from pricing_sync.errors import StoreError
from pricing_sync.store import Store, open_store
from pricing_sync.store.leased_loop import LeasedLoop

from databases import database_url
from service import until


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(open_store(database_url(tmp_path), create=True)) as opened:
        yield opened


def guard_of(errors: list[tuple[str, Exception]]) -> Guard:
    """A guard that adds to *errors*."""
    return Guard(lambda where, error: errors.append((where, error)))


def is_free(store: Store) -> bool:
    """Whether another process can have the lease now."""
    lease, now = store.pushes.lease, datetime.now(UTC)
    if not lease.acquire("another", now):
        return False
    lease.release("another", now)
    return True


def test_no_error_ends_it(store: Store) -> None:
    """Neither one of the database nor a fault of ours; a kind that lasts is reported once."""
    looks = 0
    errors: list[tuple[str, Exception]] = []

    async def look() -> None:
        nonlocal looks
        looks += 1
        if looks < 4:
            raise ValueError(f"a fault of ours at {looks}")
        if looks == 4:
            raise StoreError("database: away")

    async def work() -> None:
        loop = LeasedLoop("test", store.pushes.lease, look, guard_of(errors), 0.01)
        loop.start()
        await until(lambda: looks > 5, 30)
        await loop.stop()

    asyncio.run(work())
    assert [("test", ValueError), ("test", StoreError)] == [
        (where, type(error)) for where, error in errors
    ]
    assert is_free(store)


def test_a_task_that_fails_is_reported_once_and_can_run_again(store: Store) -> None:
    """It ends nothing but itself."""
    runs = 0
    errors: list[tuple[str, Exception]] = []

    async def fail() -> None:
        nonlocal runs
        runs += 1
        raise ValueError("a fault of ours")

    async def work() -> None:
        async def look() -> None:
            loop.run("one", fail)

        loop = LeasedLoop("test", store.pushes.lease, look, guard_of(errors), 0.01)
        loop.start()
        await until(lambda: runs > 2, 30)
        await loop.stop()

    asyncio.run(work())
    assert [("test one", "a fault of ours")] == [(where, str(error)) for where, error in errors]


def test_another_process_has_the_lease_at_once_after_a_stop(store: Store, tmp_path: Path) -> None:
    """Even when it was stopped while a thread acquired the lease."""

    async def look() -> None:
        raise AssertionError("it was stopped before")

    async def work() -> None:
        loop = LeasedLoop("test", store.pushes.lease, look, guard_of([]), 0.01)
        with closing(open_store(database_url(tmp_path))) as other:
            with other.transaction():  # the thread waits for its end
                loop.start()
                await until(lambda: loop._acquiring is not None, 30)
                stopping = asyncio.create_task(loop.stop())
                await asyncio.sleep(0.1)
            await stopping
        assert loop._acquiring is not None
        assert loop._acquiring.done()

    asyncio.run(work())
    assert is_free(store)


def test_only_one_of_two_looks(store: Store) -> None:
    """The other one looks when the first has stopped, and ends its tasks when it has lost."""
    looked: list[str] = []

    async def work() -> None:
        def new(name: str) -> LeasedLoop:
            async def look() -> None:
                looked.append(name)

            return LeasedLoop(name, store.pushes.lease, look, guard_of([]), 0.01)

        first, second = new("first"), new("second")
        first.start()
        await until(lambda: looked, 30)
        second.start()
        await until(lambda: len(looked) > 10, 30)
        assert {"first"} == {*looked}
        await first.stop()
        await until(lambda: "second" in looked, 30)
        await second.stop()

    asyncio.run(work())
