"""The schedule, triggers, claims, leadership and counters, with a simulated clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from clockwork import HOUR, SECOND, START, Clockwork, clockwork
from pricing_sync.changes.run import Outcome
from pricing_sync.errors import LostClaim, TransportError, UnknownName
from pricing_sync.scheduling.scheduler import Scheduler
from pricing_sync.settings import RetrySettings
from pricing_sync.sources.providers import find
from pricing_sync.store.queue import MODELS, RUNS

from service import TWO, settings_of


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[Clockwork]:
    with clockwork(tmp_path) as running:
        yield running


# The schedule


def test_the_first_reading_is_30_s_after_the_start_and_the_next_an_interval_later(
    clock: Clockwork,
) -> None:
    """As in the reference: every provider, in one run each time."""
    clock.pass_time(timedelta(seconds=40))
    clock.pass_time(timedelta(hours=12, minutes=1), step=timedelta(seconds=10))
    expected = [
        timedelta(seconds=30),
        timedelta(hours=6, seconds=30),
        timedelta(hours=12, seconds=30),
    ]
    assert expected == clock.times("openrouter") == clock.times("novita")
    assert 3 == len(clock.store.runs(100))


def test_the_first_tick_plans_and_starts_nothing(clock: Clockwork) -> None:
    """It saves the due times; no provider is due yet."""
    clock.scheduler.tick(clock.now)
    assert [] == clock.scheduler.claim(clock.now, most=10, runs=None)
    assert {"openrouter", "novita"} == clock.store.queue.due_times().keys()


def test_a_missed_slot_is_served_once(clock: Clockwork) -> None:
    """After three days without a tick, a provider is read once, and then on schedule."""
    clock.pass_time(timedelta(seconds=40))
    clock.now += timedelta(days=3)
    clock.pass_time(timedelta(seconds=10))
    assert 2 == len(clock.times())


def test_no_slot_is_served_twice_after_the_clock_was_set_back(clock: Clockwork) -> None:
    """Neither during the repeated hour nor at its end."""
    clock.pass_time(timedelta(seconds=40))
    clock.now -= HOUR
    clock.pass_time(timedelta(hours=2), step=timedelta(seconds=10))
    assert 1 == len(clock.times())


def test_the_leader_keeps_leading_after_the_clock_was_set_back(clock: Clockwork) -> None:
    """Its lease now ends far in the future; it still leads."""
    clock.pass_time(timedelta(seconds=40))
    clock.now -= timedelta(days=2)
    assert clock.scheduler.tick(clock.now)


def test_a_restart_does_not_hammer_the_providers(clock: Clockwork) -> None:
    """A reading of two minutes ago is recent enough; one of an hour ago is not."""
    clock.pass_time(timedelta(seconds=40))
    clock.restart()
    clock.pass_time(timedelta(minutes=10))
    assert 1 == len(clock.times())
    clock.now += HOUR
    clock.restart()
    clock.pass_time(timedelta(seconds=40))
    assert 2 == len(clock.times())


@pytest.mark.parametrize("who", ["cli", "schedule"])
def test_a_dry_run_of_a_person_does_not_delay_the_first_reading(clock: Clockwork, who: str) -> None:
    """It was a check before the start. One of the schedule was a request like any other."""
    clock.scheduler.trigger(["openrouter"], started_by=who, dry_run=True)
    clock.pass_time(timedelta(seconds=5))
    assert 1 == len(clock.times())
    clock.restart()
    clock.pass_time(timedelta(seconds=40))
    assert (2 if who == "cli" else 1) == len(clock.times())


def test_a_process_that_dies_in_every_reading_does_not_hammer_the_provider(tmp_path: Path) -> None:
    """It restarts at once, a hundred times: the waits grow to a quarter of an hour."""
    steady = RetrySettings(jitter=0)
    with clockwork(tmp_path, providers=["openrouter"], retry=steady) as clock:
        started = []
        for _ in range(100):
            clock.restart()
            for _ in range(40):
                clock.now += SECOND
                clock.scheduler.tick(clock.now)
                clock.scheduler.expire(clock.now)
                if clock.scheduler.claim(clock.now, most=10, runs=None):
                    started.append(clock.now)
                    break
    gaps = [(later - earlier) / SECOND for earlier, later in pairwise(started)]
    assert len(gaps) > 6
    least = [60, 120, 240, 480, *[900] * (len(gaps) - 4)]
    assert all(gap >= floor for gap, floor in zip(gaps, least, strict=True)), gaps


def test_a_failed_reading_is_tried_again_with_growing_waits(tmp_path: Path) -> None:
    """After 1, 2, 4 … minutes, at most an hour; eight times, then at the next slot."""
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


def test_retry_after_delays_retries_and_regular_slots(clock: Clockwork) -> None:
    """With a Retry-After of one day, the provider is read once in that day."""
    wait = 86_400
    clock.failing["openrouter"] = TransportError("openrouter", "status 429", "slow", wait)
    clock.pass_time(timedelta(seconds=40))
    clock.pass_time(timedelta(hours=23), step=timedelta(minutes=1))
    assert (1, 4) == (len(clock.times("openrouter")), len(clock.times("novita")))
    clock.pass_time(timedelta(hours=2), step=timedelta(minutes=1))
    assert 2 == len(clock.times("openrouter"))


def test_each_provider_has_its_own_plan(tmp_path: Path) -> None:
    """One has an interval, the other a cron time in a time zone."""
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
    """It starts at noon, and its first reading is at ten in the evening."""
    with clockwork(tmp_path, window="22:00-06:00", providers=["openrouter"]) as clock:
        clock.failing["openrouter"] = TransportError("openrouter", "connection", "refused")
        clock.pass_time(timedelta(hours=30), step=timedelta(minutes=1))
        hours = {(START + at).hour for at in clock.times()}
        assert (10, True) == (clock.times()[0] / HOUR, hours <= {22, 23, 0, 1, 2, 3, 4, 5})


def test_a_changed_plan_takes_effect_and_a_removed_provider_is_forgotten(tmp_path: Path) -> None:
    """At the next start. Nothing of the old plan remains."""
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
    """The scheduled run and all its readings are dry."""
    with clockwork(tmp_path, dry_run=True) as clock:
        clock.pass_time(timedelta(seconds=40))
        ((run, readings),) = clock.store.runs(5)
        assert run.dry_run
        assert [True, True] == [reading.dry_run for reading in readings]


# Priorities


def test_the_higher_priority_is_claimed_first(tmp_path: Path) -> None:
    """And a person's trigger before all scheduled readings."""
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
    """Ten triggers are one run; the eleventh, while that is being read, is another."""
    trigger = clock.scheduler.trigger
    triggered = [trigger(TWO, started_by=f"person {n}", now=clock.now) for n in range(10)]
    assert 1 == len({run.id for run, _ in triggered})
    assert [False] + [True] * 9 == [merged for _, merged in triggered]
    assert 2 == len(clock.scheduler.claim(clock.now, most=10, runs=None))
    later, merged = trigger(reversed(TWO), started_by="late", now=clock.now)
    assert (True, False) == (later.id != triggered[0][0].id, merged)


def test_other_triggers_are_other_runs(clock: Clockwork) -> None:
    """A trigger of other providers, or a dry one, is not merged."""
    trigger = clock.scheduler.trigger
    runs = [
        trigger(TWO, started_by="a", now=clock.now),
        trigger(["openrouter"], started_by="b", now=clock.now),
        trigger(TWO, started_by="c", dry_run=True, now=clock.now),
    ]
    assert 3 == len({run.id for run, _ in runs})


def test_a_trigger_of_an_unknown_provider_is_refused(clock: Clockwork) -> None:
    """None of its providers is queued."""
    with pytest.raises(UnknownName, match="opnrouter"):
        clock.scheduler.trigger(["openrouter", "opnrouter"], started_by="test")
    assert [] == clock.store.runs(5)


def test_no_provider_is_read_twice_at_once(clock: Clockwork) -> None:
    """The second reading waits for the first, whatever started them."""
    clock.scheduler.trigger(["openrouter"], started_by="a", now=clock.now)
    (first,) = clock.scheduler.claim(clock.now, most=10, runs=None)
    clock.scheduler.trigger(["openrouter"], started_by="b", now=clock.now)
    assert [] == clock.scheduler.claim(clock.now, most=10, runs=None)
    clock.read_once(first)
    (second,) = clock.scheduler.claim(clock.now, most=10, runs=None)
    assert first.run_id != second.run_id


def test_a_slot_is_served_by_a_run_that_is_queued_already(clock: Clockwork) -> None:
    """A manual run that is queued at the slot serves it; a dry run does not."""
    clock.scheduler.trigger(["openrouter"], started_by="person", now=clock.now)
    clock.scheduler.trigger(["novita"], started_by="person", dry_run=True, now=clock.now)
    clock.scheduler.tick(clock.now)
    clock.now += timedelta(seconds=31)
    clock.scheduler.tick(clock.now)
    by_schedule = [run for run, _ in clock.store.runs(5) if run.started_by == "schedule"]
    assert [("novita",)] == [run.providers for run in by_schedule]


# How readings and runs end


def test_the_outcome_follows_from_the_readings(clock: Clockwork) -> None:
    """Failed if all readings failed, partial if some did, success only if none did."""
    broken = TransportError("x", "connection", "refused")
    outcomes = []
    for failing in ((), ("openrouter",), TWO):
        clock.failing = dict.fromkeys(failing, broken)
        run, _ = clock.scheduler.trigger(TWO, started_by="test", now=clock.now)
        claims = clock.scheduler.claim(clock.now, most=10, runs=None)
        assert [False, True] == [clock.read_once(claim) for claim in claims]
        outcomes.append(clock.store.queue.run(run.id).outcome)
    assert [Outcome.SUCCESS, Outcome.PARTIAL, Outcome.FAILED] == outcomes


def test_a_process_with_an_expired_claim_cannot_store_its_reading(clock: Clockwork) -> None:
    """The process was frozen, not dead. Its reading is refused; the run has ended already."""
    clock.scheduler.trigger(["openrouter"], started_by="test", now=clock.now)
    (claim,) = clock.scheduler.claim(clock.now, most=10, runs=None)
    other = Scheduler(clock.settings, clock.store, find, clock.now)
    assert [] == other.expire(clock.now + timedelta(seconds=14))
    ((reading, finished_run),) = other.expire(clock.now + timedelta(seconds=16))
    assert ("abandoned", True) == (reading.error_kind, finished_run)
    with pytest.raises(LostClaim):
        clock.read_once(claim)
    assert Outcome.FAILED is clock.store.queue.run(claim.run_id).outcome


def test_a_claim_whose_lease_is_renewed_does_not_expire(clock: Clockwork) -> None:
    """However long the reading lasts."""
    clock.scheduler.trigger(["openrouter"], started_by="test", now=clock.now)
    claims = clock.scheduler.claim(clock.now, most=10, runs=None)
    for _ in range(20):
        clock.now += timedelta(seconds=10)
        clock.scheduler.renew(claims, clock.now)
        assert [] == clock.scheduler.expire(clock.now)
    assert clock.read_once(claims[0])


def test_a_lease_from_before_the_clock_was_set_back_expires(clock: Clockwork) -> None:
    """A lease that ends too far in the future counts as ended."""
    clock.scheduler.trigger(["openrouter"], started_by="test", now=clock.now)
    clock.scheduler.claim(clock.now + timedelta(days=300), most=10, runs=None)
    assert 1 == len(clock.scheduler.expire(clock.now))


def test_cancelling_a_run_ends_queued_readings_and_requests_the_end_of_others(
    clock: Clockwork,
) -> None:
    """A queued provider gets a cancelled reading; the run ends with the last reading."""
    run, _ = clock.scheduler.trigger(TWO, started_by="test", now=clock.now)
    (claim,) = clock.scheduler.claim(clock.now, most=1, runs=None)
    ((dequeued, finished_run),) = clock.scheduler.cancel(run.id, clock.now)
    assert ("cancelled", "cancelled", False) == (dequeued.error_kind, dequeued.state, finished_run)
    assert [claim] == clock.scheduler.cancelled([claim])
    assert [dequeued] == clock.store.run(run.id)[1]
    failed = clock.scheduler.fail(claim, "cancelled", "left off", clock.now)
    assert failed is not None
    assert (True, Outcome.FAILED) == (failed[1], clock.store.queue.run(run.id).outcome)


def test_a_cancelled_reading_is_no_failure_of_the_provider(clock: Clockwork) -> None:
    """Its due time stays the same."""
    clock.scheduler.tick(clock.now)
    before = clock.store.queue.due_times()
    run, _ = clock.scheduler.trigger(TWO, started_by="test", now=clock.now)
    clock.scheduler.cancel(run.id, clock.now)
    assert before == clock.store.queue.due_times()


def test_cancelling_a_finished_run_changes_nothing(clock: Clockwork) -> None:
    """Neither its outcome nor its end time."""
    run, _ = clock.scheduler.trigger(["novita"], started_by="test", now=clock.now)
    clock.read_once(clock.scheduler.claim(clock.now, most=1, runs=None)[0])
    ended = clock.store.run(run.id)
    clock.scheduler.cancel(run.id, clock.now + HOUR)
    assert ended == clock.store.run(run.id)


# Leadership


def test_one_process_leads_until_its_lease_ends(clock: Clockwork) -> None:
    """Then the other process leads, and the first one does not."""
    other = Scheduler(clock.settings, clock.store, find, clock.now)
    assert (True, False) == (clock.scheduler.tick(clock.now), other.tick(clock.now))
    later = clock.now + timedelta(seconds=16)
    assert (True, False) == (other.tick(later), clock.scheduler.tick(later))
    leader = clock.store.queue.leader()
    assert leader is not None
    assert (other.owner, 2) == (leader.owner, leader.term)


def test_released_leadership_is_taken_over_at_once(clock: Clockwork) -> None:
    """A rolling restart does not wait for the lease to end."""
    other = Scheduler(clock.settings, clock.store, find, clock.now)
    clock.scheduler.tick(clock.now)
    clock.scheduler.release_leadership(clock.now)
    assert other.tick(clock.now)


def test_a_new_leader_continues_the_schedule(clock: Clockwork) -> None:
    """A process that was a follower for hours does not restart the intervals."""
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
    """They are stored in the database."""
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
    """It updated no model."""
    clock.scheduler.trigger(TWO, started_by="test", dry_run=True, now=clock.now)
    for claim in clock.scheduler.claim(clock.now, most=10, runs=None):
        clock.read_once(claim)
    assert {} == clock.store.queue.counters()


def test_the_status_has_the_shape_of_the_reference(clock: Clockwork) -> None:
    """The same keys, the same format of instants, and the age in whole seconds."""
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
    """It is read from the database, not from memory."""
    with clockwork(tmp_path) as clock:
        clock.pass_time(timedelta(seconds=40))
        before = clock.scheduler.status(clock.now)
    with clockwork(tmp_path) as again:
        after = again.scheduler.status(clock.now)
        assert before["last_syncs"] == after["last_syncs"]
        assert before["next_syncs"] == after["next_syncs"]


def test_a_failed_provider_outside_the_schedule_is_not_retried(clock: Clockwork) -> None:
    """Only the caller can trigger it again."""
    clock.scheduler.tick(clock.now)
    clock.scheduler.trigger(["chutes"], started_by="test", now=clock.now)
    (claim,) = clock.scheduler.claim(clock.now, most=1, runs=None)
    clock.failing["chutes"] = TransportError("chutes", "connection", "refused")
    assert clock.read_once(claim)
    assert set(TWO) == clock.store.queue.due_times().keys()
