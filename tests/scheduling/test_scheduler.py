"""What is due, who asked for it, and what follows from how a reading ends; by a clock of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pricing_sync.changes.run import Outcome, Reading, Status
from pricing_sync.errors import LostClaim, TransportError, UnknownName
from pricing_sync.scheduling.scheduler import FinishClaim, Scheduler
from pricing_sync.settings import RetrySettings, Settings
from pricing_sync.sources.providers import find
from pricing_sync.store import Store, open_store
from pricing_sync.store.queue import MODELS, RUNS, Claim

from service import TWO, settings_of

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


class Clockwork:
    """A scheduler, a clock that moves when it is told to, and providers that answer at once."""

    def __init__(self, settings: Settings, store: Store, at: datetime = START) -> None:
        self.now = at
        self.settings, self.store = settings, store
        self.scheduler = Scheduler(settings, store, find, at)
        #: When each provider was read.
        self.read: list[tuple[str, datetime]] = []
        #: Providers that fail, and with what.
        self.failing: dict[str, Exception] = {}

    def pass_time(self, span: timedelta, step: timedelta = SECOND) -> None:
        """Tick, and take whatever may be taken, once a *step*."""
        end = self.now + span
        while self.now < end:
            self.now += step
            self.scheduler.tick(self.now)
            for claim in self.scheduler.claim(self.now, most=100, runs=None):
                self.read_once(claim)

    def read_once(self, claim: Claim) -> bool:
        """End a claimed reading as its provider is; whether the run has ended with it."""
        error = self.failing.get(claim.provider)
        reading = Reading(
            id=f"{claim.run_id}-{claim.provider}",
            run_id=claim.run_id,
            provider=claim.provider,
            at=self.now,
            started_at=self.now,
            finished_at=self.now,
            status=Status.FAILED if error else Status.READ,
            dry_run=claim.dry_run,
            listings={"priced": 5, "unpriced": 1, "unreadable": 1},
            changes={"added": 2, "held": 1},
            error_kind="transport" if error else None,
            error=str(error) if error else None,
        )
        self.read.append((claim.provider, self.now))
        ending = FinishClaim(claim, self.settings.plan(claim.provider), jitter=1)
        with self.store.transaction():
            self.store.add_reading(reading)
            return ending(self.store, reading, error)

    def restart(self) -> None:
        """The process dies without a word, and another one starts a lease later."""
        self.now += timedelta(seconds=self.settings.lease_seconds)
        self.scheduler = Scheduler(self.settings, self.store, find, self.now)

    def times(self, provider: str = "openrouter") -> list[timedelta]:
        """When a provider was read, from the start."""
        return [at - START for name, at in self.read if name == provider]


@contextmanager
def clockwork(folder: Path, **more: Any) -> Iterator[Clockwork]:
    settings = settings_of(folder, None, **{"first_delay_seconds": 30} | more)
    with open_store(settings.database, create=True) as store:
        yield Clockwork(settings, store)


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[Clockwork]:
    with clockwork(tmp_path) as made:
        yield made


# The schedule


def test_the_first_reading_is_30_s_after_the_start_and_the_next_an_interval_later(
    clock: Clockwork,
) -> None:
    """As the reference had it, for every provider, in one run each time."""
    clock.pass_time(timedelta(seconds=40))
    clock.pass_time(timedelta(hours=12, minutes=1), step=timedelta(seconds=10))
    expected = [
        timedelta(seconds=30),
        timedelta(hours=6, seconds=30),
        timedelta(hours=12, seconds=30),
    ]
    assert expected == clock.times("openrouter") == clock.times("novita")
    assert 3 == len(clock.store.runs(100))


def test_nothing_is_read_while_no_time_passes(clock: Clockwork) -> None:
    """The first look plans; it starts nothing."""
    clock.scheduler.tick(clock.now)
    assert [] == clock.scheduler.claim(clock.now, most=10, runs=None)
    assert {"openrouter", "novita"} == clock.store.queue.due_times().keys()


def test_a_missed_slot_is_served_once(clock: Clockwork) -> None:
    """Asleep for three days, it reads once and goes on."""
    clock.pass_time(timedelta(seconds=40))
    clock.now += timedelta(days=3)
    clock.pass_time(timedelta(seconds=10))
    assert 2 == len(clock.times())


def test_a_clock_that_goes_back_serves_no_slot_twice(clock: Clockwork) -> None:
    """Not in the repeated hour, and not at its end."""
    clock.pass_time(timedelta(seconds=40))
    clock.now -= HOUR
    clock.pass_time(timedelta(hours=2), step=timedelta(seconds=10))
    assert 1 == len(clock.times())


def test_a_clock_that_goes_back_leaves_the_leader_in_its_place(clock: Clockwork) -> None:
    """Its lease ends in a future that is now far away; it goes on all the same."""
    clock.pass_time(timedelta(seconds=40))
    clock.now -= timedelta(days=2)
    assert clock.scheduler.tick(clock.now)


def test_a_restart_does_not_hammer_the_providers(clock: Clockwork) -> None:
    """Read two minutes ago is read recently enough; read an hour ago is not."""
    clock.pass_time(timedelta(seconds=40))
    clock.restart()
    clock.pass_time(timedelta(minutes=10))
    assert 1 == len(clock.times())
    clock.now += HOUR
    clock.restart()
    clock.pass_time(timedelta(seconds=40))
    assert 2 == len(clock.times())


def test_a_process_that_dies_of_a_reading_over_and_over_does_not_hammer(tmp_path: Path) -> None:
    """Started again at once, a hundred times: the waits grow to a quarter of an hour."""
    steady = RetrySettings(jitter=0)
    with clockwork(tmp_path, providers=["openrouter"], retry=steady) as clock:
        begun = []
        for _ in range(100):
            clock.restart()
            for _ in range(40):
                clock.now += SECOND
                clock.scheduler.tick(clock.now)
                clock.scheduler.expire(clock.now)
                if clock.scheduler.claim(clock.now, most=10, runs=None):
                    begun.append(clock.now)
                    break
    gaps = [(later - earlier) / SECOND for earlier, later in pairwise(begun)]
    assert len(gaps) > 6
    least = [60, 120, 240, 480, *[900] * (len(gaps) - 4)]
    assert all(gap >= floor for gap, floor in zip(gaps, least, strict=True)), gaps


def test_a_failed_reading_is_tried_again_with_growing_waits(tmp_path: Path) -> None:
    """One minute, two, four …, an hour at most; eight times, then at the next slot."""
    with clockwork(tmp_path, providers=["openrouter"]) as clock:
        clock.failing["openrouter"] = TransportError("openrouter", "connection", "refused")
        clock.pass_time(timedelta(hours=13), step=timedelta(seconds=10))
        waits = [60, 120, 240, 480, 960, 1920, 3600, 3600]
        taken = [(later - earlier) / SECOND for earlier, later in pairwise(clock.times()[:9])]
        # The clock moves ten seconds at a time.
        assert all(0 <= was - wait < 10 for was, wait in zip(taken, waits, strict=True)), taken
        assert clock.times()[9] == timedelta(hours=6, seconds=30)


def test_a_success_ends_the_retries(clock: Clockwork) -> None:
    """The next reading is that of the next slot."""
    clock.failing["openrouter"] = TransportError("openrouter", "connection", "refused")
    clock.pass_time(timedelta(seconds=40))
    assert 1 == clock.store.queue.due_times()["openrouter"].failures
    clock.failing.clear()
    clock.pass_time(timedelta(minutes=5))
    due = clock.store.queue.due_times()["openrouter"]
    assert (0, None, 2) == (due.failures, due.retry_at, len(clock.times()))


def test_who_asks_to_be_left_alone_is_left_alone(clock: Clockwork) -> None:
    """Retry-After of a day goes before the retries, and before the regular slots."""
    wait = 86_400
    clock.failing["openrouter"] = TransportError("openrouter", "status 429", "slow", wait)
    clock.pass_time(timedelta(seconds=40))
    clock.pass_time(timedelta(hours=23), step=timedelta(minutes=1))
    assert (1, 4) == (len(clock.times("openrouter")), len(clock.times("novita")))
    clock.pass_time(timedelta(hours=2), step=timedelta(minutes=1))
    assert 2 == len(clock.times("openrouter"))


def test_each_provider_has_its_own_plan(tmp_path: Path) -> None:
    """An interval for one, a clock time in a zone for the other."""
    tables = {
        "openrouter": {"every": "1h"},
        "novita": {"cron": "30 3 * * *", "time_zone": "Asia/Tokyo"},
    }
    with clockwork(tmp_path, tables=tables) as clock:
        clock.pass_time(timedelta(seconds=40))
        clock.pass_time(timedelta(hours=24), step=timedelta(minutes=1))
        assert 25 == len(clock.times("openrouter"))
        # 03:30 in Tokyo is 18:30 UTC.
        assert ["12:00", "18:30"] == [f"{START + at:%H:%M}" for at in clock.times("novita")]


def test_a_window_holds_for_the_first_reading_and_the_retries(tmp_path: Path) -> None:
    """Started at noon, it waits until ten in the evening."""
    with clockwork(tmp_path, window="22:00-06:00", providers=["openrouter"]) as clock:
        clock.failing["openrouter"] = TransportError("openrouter", "connection", "refused")
        clock.pass_time(timedelta(hours=30), step=timedelta(minutes=1))
        hours = {(START + at).hour for at in clock.times()}
        assert (10, True) == (clock.times()[0] / HOUR, hours <= {22, 23, 0, 1, 2, 3, 4, 5})


def test_a_changed_plan_takes_effect_and_a_removed_provider_is_forgotten(tmp_path: Path) -> None:
    """At the next start, without anything left of the old one."""
    with clockwork(tmp_path) as clock:
        clock.pass_time(timedelta(seconds=40))
        before = clock.store.queue.due_times()
        clock.settings = settings_of(tmp_path, None, ["openrouter"], interval_hours=1)
        clock.restart()
        clock.pass_time(timedelta(seconds=5))
        after = clock.store.queue.due_times()
        assert {"openrouter"} == after.keys()
        assert after["openrouter"].due_at < before["openrouter"].due_at


def test_dry_run_by_setting_reads_and_changes_nothing(tmp_path: Path) -> None:
    """For all, the runs say so."""
    with clockwork(tmp_path, dry_run=True) as clock:
        clock.pass_time(timedelta(seconds=40))
        ((run, readings),) = clock.store.runs(5)
        assert run.dry_run
        assert [True, True] == [reading.dry_run for reading in readings]


# Priorities


def test_the_higher_priority_is_claimed_first(tmp_path: Path) -> None:
    """And what a person asks for before anything of the schedule."""
    names = ["openrouter", "novita", "deepinfra"]
    with clockwork(tmp_path, providers=names, tables={"novita": {"priority": 5}}) as clock:
        clock.now += timedelta(seconds=31)
        clock.scheduler.tick(clock.now)
        clock.now += timedelta(seconds=31)
        clock.scheduler.tick(clock.now)
        clock.scheduler.trigger(["chutes"], started_by="test", now=clock.now)
        order = []
        for _ in range(4):
            (claim,) = clock.scheduler.claim(clock.now, most=1, runs=None)
            order.append(claim.provider)
        assert ["chutes", "novita", "deepinfra", "openrouter"] == order


# Triggers


def test_identical_triggers_are_one_run_until_it_begins(clock: Clockwork) -> None:
    """Ten at once are one; the eleventh, while that is being read, is another."""
    ask = clock.scheduler.trigger
    found = [ask(TWO, started_by=f"person {n}", now=clock.now) for n in range(10)]
    assert 1 == len({run.id for run, _ in found})
    assert [False] + [True] * 9 == [merged for _, merged in found]
    assert 2 == len(clock.scheduler.claim(clock.now, most=10, runs=None))
    later, merged = ask(reversed(TWO), started_by="late", now=clock.now)
    assert (True, False) == (later.id != found[0][0].id, merged)


def test_other_triggers_are_other_runs(clock: Clockwork) -> None:
    """Of other providers, or dry."""
    ask = clock.scheduler.trigger
    runs = [
        ask(TWO, started_by="a", now=clock.now),
        ask(["openrouter"], started_by="b", now=clock.now),
        ask(TWO, started_by="c", dry_run=True, now=clock.now),
    ]
    assert 3 == len({run.id for run, _ in runs})


def test_a_trigger_of_nobody_known_is_refused(clock: Clockwork) -> None:
    """And nothing of it is queued."""
    with pytest.raises(UnknownName, match="opnrouter"):
        clock.scheduler.trigger(["openrouter", "opnrouter"], started_by="test")
    assert [] == clock.store.runs(5)


def test_no_provider_is_read_twice_at_once(clock: Clockwork) -> None:
    """Whatever started it: the second waits for the first."""
    clock.scheduler.trigger(["openrouter"], started_by="a", now=clock.now)
    (first,) = clock.scheduler.claim(clock.now, most=10, runs=None)
    clock.scheduler.trigger(["openrouter"], started_by="b", now=clock.now)
    assert [] == clock.scheduler.claim(clock.now, most=10, runs=None)
    clock.read_once(first)
    (second,) = clock.scheduler.claim(clock.now, most=10, runs=None)
    assert first.run_id != second.run_id


def test_a_slot_is_served_by_what_is_wanted_already(clock: Clockwork) -> None:
    """A manual run that waits when the slot comes is that slot's; a dry one is not."""
    clock.scheduler.trigger(["openrouter"], started_by="person", now=clock.now)
    clock.scheduler.trigger(["novita"], started_by="person", dry_run=True, now=clock.now)
    clock.scheduler.tick(clock.now)
    clock.now += timedelta(seconds=31)
    clock.scheduler.tick(clock.now)
    by_schedule = [run for run, _ in clock.store.runs(5) if run.started_by == "schedule"]
    assert [("novita",)] == [run.providers for run in by_schedule]


# Ends


def test_the_outcome_follows_from_the_readings(clock: Clockwork) -> None:
    """All failed is failed, some failed is partial, and only none failed is a success."""
    broken = TransportError("x", "connection", "refused")
    outcomes = []
    for failing in ((), ("openrouter",), TWO):
        clock.failing = dict.fromkeys(failing, broken)
        run, _ = clock.scheduler.trigger(TWO, started_by="test", now=clock.now)
        claims = clock.scheduler.claim(clock.now, most=10, runs=None)
        assert [False, True] == [clock.read_once(claim) for claim in claims]
        outcomes.append(clock.store.queue.run(run.id).outcome)
    assert [Outcome.SUCCESS, Outcome.PARTIAL, Outcome.FAILED] == outcomes


def test_who_was_given_up_for_dead_cannot_store_its_reading(clock: Clockwork) -> None:
    """The process was frozen, not dead. What it read is refused; the run has ended without it."""
    clock.scheduler.trigger(["openrouter"], started_by="test", now=clock.now)
    (claim,) = clock.scheduler.claim(clock.now, most=10, runs=None)
    other = Scheduler(clock.settings, clock.store, find, clock.now)
    assert [] == other.expire(clock.now + timedelta(seconds=14))
    ((reading, finished_run),) = other.expire(clock.now + timedelta(seconds=16))
    assert ("abandoned", True) == (reading.error_kind, finished_run)
    with pytest.raises(LostClaim):
        clock.read_once(claim)
    assert Outcome.FAILED is clock.store.queue.run(claim.run_id).outcome


def test_who_says_that_it_is_alive_is_not_given_up(clock: Clockwork) -> None:
    """However long its reading takes."""
    clock.scheduler.trigger(["openrouter"], started_by="test", now=clock.now)
    claims = clock.scheduler.claim(clock.now, most=10, runs=None)
    for _ in range(20):
        clock.now += timedelta(seconds=10)
        clock.scheduler.renew(claims, clock.now)
        assert [] == clock.scheduler.expire(clock.now)
    assert clock.read_once(claims[0])


def test_a_lease_from_before_the_clock_went_back_does_not_hold_for_ever(clock: Clockwork) -> None:
    """A dead process cannot be alive until next year."""
    clock.scheduler.trigger(["openrouter"], started_by="test", now=clock.now)
    clock.scheduler.claim(clock.now + timedelta(days=300), most=10, runs=None)
    assert 1 == len(clock.scheduler.expire(clock.now))


def test_cancelling_ends_what_waits_and_asks_for_the_end_of_what_goes_on(clock: Clockwork) -> None:
    """What waited has a reading that says so; the run ends with the last."""
    run, _ = clock.scheduler.trigger(TWO, started_by="test", now=clock.now)
    (claim,) = clock.scheduler.claim(clock.now, most=1, runs=None)
    ((waited, finished_run),) = clock.scheduler.cancel(run.id, clock.now)
    assert ("cancelled", "cancelled", False) == (waited.error_kind, waited.state, finished_run)
    assert [claim] == clock.scheduler.cancelled([claim])
    assert [waited] == clock.store.run(run.id)[1]
    given_up = clock.scheduler.fail(claim, "cancelled", "left off", clock.now)
    assert given_up is not None
    assert (True, Outcome.FAILED) == (given_up[1], clock.store.queue.run(run.id).outcome)


def test_what_was_cancelled_is_no_failure_of_the_provider(clock: Clockwork) -> None:
    """It is due when it was due."""
    clock.scheduler.tick(clock.now)
    before = clock.store.queue.due_times()
    run, _ = clock.scheduler.trigger(TWO, started_by="test", now=clock.now)
    clock.scheduler.cancel(run.id, clock.now)
    assert before == clock.store.queue.due_times()


def test_cancelling_what_has_ended_changes_nothing(clock: Clockwork) -> None:
    """Neither its outcome nor its end."""
    run, _ = clock.scheduler.trigger(["novita"], started_by="test", now=clock.now)
    clock.read_once(clock.scheduler.claim(clock.now, most=1, runs=None)[0])
    ended = clock.store.run(run.id)
    clock.scheduler.cancel(run.id, clock.now + HOUR)
    assert ended == clock.store.run(run.id)


# Leading


def test_one_leads_until_its_lease_ends(clock: Clockwork) -> None:
    """The other takes over then, and the first one notices."""
    other = Scheduler(clock.settings, clock.store, find, clock.now)
    assert (True, False) == (clock.scheduler.tick(clock.now), other.tick(clock.now))
    later = clock.now + timedelta(seconds=16)
    assert (True, False) == (other.tick(later), clock.scheduler.tick(later))
    leader = clock.store.queue.leader()
    assert leader is not None
    assert (other.owner, 2) == (leader.owner, leader.term)


def test_who_resigns_is_followed_at_once(clock: Clockwork) -> None:
    """A rolling restart loses no time."""
    other = Scheduler(clock.settings, clock.store, find, clock.now)
    clock.scheduler.tick(clock.now)
    clock.scheduler.release_leadership(clock.now)
    assert other.tick(clock.now)


def test_who_takes_over_goes_on_with_the_schedule(clock: Clockwork) -> None:
    """A follower that has been waiting for hours does not begin anew."""
    follower = Scheduler(clock.settings, clock.store, find, clock.now)
    clock.pass_time(timedelta(seconds=40))
    clock.pass_time(timedelta(hours=5), step=timedelta(minutes=1))
    before = clock.store.queue.due_times()
    clock.scheduler = follower
    clock.pass_time(timedelta(minutes=5))
    assert before == clock.store.queue.due_times()
    assert 1 == len(clock.times())


# Counters and status


def test_counters_survive_a_restart(tmp_path: Path) -> None:
    """They are kept where the events are."""
    with clockwork(tmp_path) as clock:
        clock.failing["novita"] = TransportError("novita", "connection", "refused")
        clock.pass_time(timedelta(seconds=40))
    with clockwork(tmp_path) as again:
        counters = again.store.queue.counters()
        assert {(("status", "partial"),): 1} == counters[RUNS]
        assert {"updated": 2, "skipped": 1, "unchanged": 3, "held": 1} == {
            dict(labels)["status"]: count for labels, count in counters[MODELS].items()
        }


def test_a_dry_run_counts_no_models(clock: Clockwork) -> None:
    """It updated none."""
    clock.scheduler.trigger(TWO, started_by="test", dry_run=True, now=clock.now)
    for claim in clock.scheduler.claim(clock.now, most=10, runs=None):
        clock.read_once(claim)
    assert {} == clock.store.queue.counters()


def test_the_status_has_the_shape_of_the_reference(clock: Clockwork) -> None:
    """Its keys, its spelling of an instant, and the age in whole seconds."""
    clock.pass_time(timedelta(seconds=40))
    status = clock.scheduler.status(clock.now + timedelta(seconds=100))
    assert (True, 6, list(TWO)) == (
        status["enabled"],
        status["interval_hours"],
        status["providers"],
    )
    assert {"timestamp": "2026-03-01T12:00:30Z", "seconds_ago": 110} == status["last_syncs"][
        "novita"
    ]
    assert "2026-03-01T18:00:30Z" == status["next_syncs"]["novita"]["timestamp"]


def test_the_status_is_right_after_a_restart(tmp_path: Path) -> None:
    """It is read from the database, not remembered."""
    with clockwork(tmp_path) as clock:
        clock.pass_time(timedelta(seconds=40))
        before = clock.scheduler.status(clock.now)
    with clockwork(tmp_path) as again:
        after = again.scheduler.status(clock.now)
        assert before["last_syncs"] == after["last_syncs"]
        assert before["next_syncs"] == after["next_syncs"]


def test_a_provider_that_is_not_scheduled_is_not_due_because_it_failed(clock: Clockwork) -> None:
    """Who asked for it asks again."""
    clock.scheduler.tick(clock.now)
    clock.scheduler.trigger(["chutes"], started_by="test", now=clock.now)
    (claim,) = clock.scheduler.claim(clock.now, most=1, runs=None)
    clock.failing["chutes"] = TransportError("chutes", "connection", "refused")
    assert clock.read_once(claim)
    assert set(TWO) == clock.store.queue.due_times().keys()
