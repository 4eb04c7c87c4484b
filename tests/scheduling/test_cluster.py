"""A real cluster that loses its parts, and two processes that race for the same reading."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier

import pytest

from clockwork import HOUR, START, Clockwork
from pricing_sync.errors import LostClaim
from pricing_sync.scheduling.scheduler import WORKERS, FinishClaim, Scheduler
from pricing_sync.store import open_store
from pricing_sync.sync.access import ProviderAccess

from cluster import PROVIDERS, running_cluster
from cluster_demo import scenario
from databases import NoServer, _programs
from service import settings_of

#: Due instants, and rounds of a race.
_SLOTS = 100
_ROUNDS = 20


@pytest.fixture
def _postgres_programs() -> None:
    try:
        _programs()
    except NoServer as error:
        if os.environ.get("CI"):
            pytest.fail(f"PostgreSQL: {error}")
        pytest.skip(f"PostgreSQL: {error}")


@pytest.mark.usefixtures("_postgres_programs")
def test_a_cluster_survives_the_loss_of_a_worker_and_of_its_database() -> None:
    """Three services, three workers: each slot is read once, whatever is killed or frozen."""
    account: list[str] = []
    with running_cluster(services=3, workers=3) as cluster:
        broken = scenario(cluster, account.append)
        assert [] == broken, "\n".join([*account, cluster.log()[-3000:]])
        assert "Traceback" not in cluster.log()


def test_one_of_two_processes_gets_a_claim_and_the_other_is_refused(tmp_path: Path) -> None:
    """Both see the reading queued. Whoever claims it is the only one that can end it."""
    settings = settings_of(tmp_path, None)
    access = ProviderAccess(settings)
    with open_store(settings.database, create=True) as one, open_store(settings.database) as two:
        both = [
            (store, Scheduler(settings, store, access.provider, datetime.now(UTC)))
            for store in (one, two)
        ]
        starting = Barrier(2)

        def claim(scheduler: Scheduler) -> int:
            starting.wait()
            return len(scheduler.claim(datetime.now(UTC), most=1, runs={run.id}))

        with ThreadPoolExecutor(2) as threads:
            for _ in range(_ROUNDS):
                run, _ = both[0][1].trigger(["openrouter"], started_by="test")
                claimed = list(threads.map(claim, [scheduler for _, scheduler in both]))
                assert [0, 1] == sorted(claimed)
                store, winner = both[claimed.index(1)]
                loser_store, loser = both[claimed.index(0)]
                (active,) = store.queue.active()
                assert "reading" == active.state
                (claimed_row,) = store.queue.expired_claims(datetime(2100, 1, 1, tzinfo=UTC))
                assert winner.owner == claimed_row.owner
                # Another process takes the claim away; what the first one would store is refused.
                assert loser.fail(claimed_row, "abandoned", "a test") is not None
                finish = FinishClaim.of(claimed_row, settings.plan("openrouter"))
                _, (reading,) = loser_store.run(run.id)
                with pytest.raises(LostClaim), store.transaction():
                    finish(store, reading, None)


def test_two_workers_that_plan_at_once_start_what_is_due_once(tmp_path: Path) -> None:
    """One plans and starts while the other one, which leads too, is about to save its plans."""
    settings = settings_of(tmp_path, None, PROVIDERS, first_delay_seconds=0)
    with ExitStack() as stack:
        stores = [stack.enter_context(open_store(settings.database, create=True)) for _ in range(2)]
        slow, other = [Clockwork(settings, store, leads_as=WORKERS) for store in stores]
        threads = stack.enter_context(ThreadPoolExecutor(1))
        latest = stores[0].latest_successes

        def meanwhile() -> dict[str, datetime]:
            found = latest()
            ticking = threads.submit(other.tick, START)
            with suppress(TimeoutError):  # it has to wait until this one has planned
                ticking.result(0.5)
            return found

        stores[0].latest_successes = meanwhile  # type: ignore[method-assign]
        slow.tick(START)
        threads.shutdown()
        assert [START] * len(PROVIDERS) == [at for _, at in slow.read + other.read]


def test_of_100_slots_three_workers_read_each_once(tmp_path: Path) -> None:
    """They tick and claim at the same instant: no slot is missed, and none is read twice."""
    settings = settings_of(tmp_path, None, PROVIDERS, first_delay_seconds=0, interval_hours=1)
    with ExitStack() as stack:
        stores = [stack.enter_context(open_store(settings.database, create=True)) for _ in range(3)]
        workers = [Clockwork(settings, store, leads_as=WORKERS) for store in stores]
        threads = stack.enter_context(ThreadPoolExecutor(len(workers)))
        together = Barrier(len(workers))

        def work(worker: Clockwork, now: datetime) -> None:
            together.wait()
            worker.tick(now)

        for step in range(2 * _SLOTS):
            now = START + step * HOUR / 2
            for _ in threads.map(work, workers, [now] * len(workers)):
                pass
        runs = stores[0].runs(3 * _SLOTS)
        readings = [reading for _, of_run in runs for reading in of_run]
    slots = [START + slot * HOUR for slot in range(_SLOTS)]
    for provider in PROVIDERS:
        assert slots == sorted(one.at for one in readings if one.provider == provider)
    assert len(runs) == _SLOTS
    assert all(worker.read for worker in workers)
