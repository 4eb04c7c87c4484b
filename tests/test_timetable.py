"""When providers are due: slots, windows, jitter, retries, restarts, and two years of clocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing_sync.timetable import (
    Due,
    Plan,
    Retry,
    Window,
    first_due,
    is_open,
    next_due,
    next_opening,
    retry_at,
)

SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=n) for n in (1, 60, 3_600, 86_400))
DELAY = timedelta(seconds=30)

ZONES = ["Europe/Berlin", "America/New_York", "UTC", "Australia/Lord_Howe", "Asia/Kolkata"]
BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NOON = utc("2026-06-10 12:00")
#: Two years in which every zone that changes its clocks does so four times.
BEGIN, END = utc("2025-01-01"), utc("2027-01-01")


def window(text: str) -> Window:
    opens, closes = (time.fromisoformat(edge) for edge in text.split("-"))
    return Window(opens=opens, closes=closes)


def slot(plan: Plan, after: str, anchor: str = "2026-01-01", provider: str = "acme") -> datetime:
    return next_due(plan, provider, utc(after), utc(anchor))


def served(
    plan: Plan, after: datetime = BEGIN, until: datetime = END, takes: timedelta = timedelta(0)
) -> list[datetime]:
    """The due instants of a scheduler that is never late and whose readings take so long."""
    found = []
    while (due := next_due(plan, "acme", after, BEGIN)) < until:
        found.append(due)
        after = due + takes
    return found


def wall(zone: str, at: datetime) -> datetime:
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


# Plans.


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"time_zone": "Mars/Base"}, "time_zone: 'Mars/Base' is not a known zone"),
        ({"time_zone": "America"}, "time_zone: 'America' is not a known zone"),
        ({"time_zone": ""}, "time_zone: '' is not a known zone"),
        ({"time_zone": "../etc/passwd"}, "time_zone: '../etc/passwd' is not a known zone"),
        ({"cron": "61 * * * *"}, "cron: '61 [*] [*] [*] [*]': Bad minute"),
        ({"cron": "0 6 * *"}, "cron: '0 6 [*] [*]' has 4 fields, not 5"),
        ({"cron": "0 0 6 * * *"}, "has 6 fields, not 5"),
        ({"cron": ""}, "cron: '' has 0 fields, not 5"),
        ({"cron": "@daily"}, "has 1 fields, not 5"),
        ({"cron": "0 0 31 2 *"}, "Bad day-of-month"),
        ({"cron": "* * */20 * 1L"}, "never comes true"),
        ({"every": timedelta(0)}, "every: 0:00:00 is below a second"),
        ({"every": -HOUR}, "is below a second"),
        ({"jitter": -SECOND}, "is below zero"),
        ({"jitter": -SECOND, "cron": "0 6 * * *"}, "is below zero"),
        ({"jitter": 6 * HOUR}, "jitter: 6:00:00 is not below every 6:00:00"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(parts: dict[str, Any], why: str) -> None:
    """At once, and the text names the part."""
    with pytest.raises(ValueError, match=why):
        Plan(**parts)


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"initial": timedelta(0)}, "retry: initial 0:00:00 is not above zero"),
        ({"longest": SECOND}, "retry: longest 0:00:01 is below initial 0:01:00"),
        ({"factor": 0.5}, "retry: factor 0.5 is not a number of at least 1"),
        ({"factor": float("nan")}, "retry: factor nan"),
        ({"factor": float("inf")}, "retry: factor inf"),
        ({"attempts": -1}, "retry: attempts -1 is below zero"),
        ({"jitter": 1.5}, "retry: jitter 1.5 is not within 0 to 1"),
        ({"jitter": float("nan")}, "retry: jitter nan"),
    ],
)
def test_a_retry_that_cannot_be_followed_is_refused(parts: dict[str, Any], why: str) -> None:
    """At once, and the text names the part."""
    with pytest.raises(ValueError, match=why):
        Retry(**parts)


@pytest.mark.parametrize("edge", [time(9, 0, 30), time(9, 0, 0, 1), time(9, tzinfo=UTC)])
def test_a_window_has_whole_minutes_and_no_zone(edge: time) -> None:
    """Its zone is the plan's."""
    with pytest.raises(ValueError, match="is not a plain HH:MM"):
        Window(opens=edge, closes=time(17))
    with pytest.raises(ValueError, match="is not a plain HH:MM"):
        Window(opens=time(8), closes=edge)


def test_a_cron_plan_may_have_any_jitter() -> None:
    """There is no interval to compare it with."""
    assert 2 * DAY == Plan(cron="0 6 * * *", jitter=2 * DAY).jitter


def test_a_fingerprint_is_the_same_in_every_version() -> None:
    """It is stored: another text would make every plan look changed."""
    assert "every 6:00:00; UTC; always; jitter 0:00:00" == Plan().fingerprint()
    plan = Plan(
        cron="30  2 * * *", time_zone=BERLIN, window=window("22:00-04:00"), jitter=5 * MINUTE
    )
    assert "cron 30 2 * * *; Europe/Berlin; 22:00-04:00; jitter 0:05:00" == plan.fingerprint()


@pytest.mark.parametrize(
    "parts",
    [
        {"every": HOUR},
        {"cron": "0 6 * * *"},
        {"time_zone": BERLIN},
        {"window": window("09:00-17:00")},
        {"jitter": MINUTE},
    ],
)
def test_a_plan_that_is_due_at_other_times_has_another_fingerprint(parts: dict[str, Any]) -> None:
    """Each part by itself."""
    assert Plan().fingerprint() != Plan(**parts).fingerprint()


def test_a_fingerprint_leaves_out_what_does_not_concern_the_slots() -> None:
    """Another retry is no reason to forget when a provider is due."""
    other = Plan(priority=5, dry_run=True, retry=Retry(attempts=0))
    assert Plan().fingerprint() == other.fingerprint()
    daily = Plan(cron="0 6 * * *")
    assert daily.fingerprint() == replace(daily, every=HOUR).fingerprint()


# Slots of an interval.


@pytest.mark.parametrize(
    ("after", "due"),
    [
        ("2026-01-01 00:00", "2026-01-01 06:00"),
        ("2026-01-01 05:59:59.999999", "2026-01-01 06:00"),
        ("2026-01-01 06:00", "2026-01-01 12:00"),
        ("2026-01-04 07:00", "2026-01-04 12:00"),
        ("2025-12-31 20:00", "2026-01-01 00:00"),
        ("2025-12-31 13:00", "2025-12-31 18:00"),
    ],
)
def test_slots_of_an_interval_lie_whole_intervals_from_the_anchor(after: str, due: str) -> None:
    """On both sides of it, and strictly later than asked."""
    assert utc(due) == slot(Plan(every=6 * HOUR), after)


def test_an_interval_is_real_time_when_the_clock_is_changed() -> None:
    """Four slots a day in Berlin, on the day of 23 hours too."""
    plan = Plan(every=6 * HOUR, time_zone=BERLIN)
    assert [
        utc("2026-03-28 18:00"),
        utc("2026-03-29 00:00"),
        utc("2026-03-29 06:00"),
    ] == served(plan, utc("2026-03-28 12:00"), utc("2026-03-29 12:00"))


def test_three_days_of_downtime_are_one_reading() -> None:
    """Twelve slots were missed; they are not made up for."""
    stored = kept(Plan(), due_at=utc("2026-06-10 18:00"))
    back = utc("2026-06-13 13:00")
    first = start(Plan(), stored, at=back, last_success=NOON)
    assert utc("2026-06-13 13:00:30") == first
    assert utc("2026-06-13 18:00") == next_due(Plan(), "acme", first, stored.anchor_at)


# Slots of a cron.


@pytest.mark.parametrize(
    ("zone", "cron", "after", "due"),
    [
        ("Asia/Kolkata", "15 9 * * *", "2026-06-10 00:00", "2026-06-10 03:45"),
        (BERLIN, "15 9 * * 1-5", "2026-06-12 12:00", "2026-06-15 07:15"),
        ("UTC", "0 0 29 2 *", "2026-01-01 00:00", "2028-02-29 00:00"),
        # Spring: 02:00 to 03:00 is skipped, and what was due then comes when it is over.
        (BERLIN, "30 2 * * *", "2026-03-28 12:00", "2026-03-29 01:00"),
        (BERLIN, "30 2 * * *", "2026-03-29 01:00", "2026-03-30 00:30"),
        (BERLIN, "15,45 2 * * *", "2026-03-29 00:00", "2026-03-29 01:00"),
        (BERLIN, "15,45 2 * * *", "2026-03-29 01:00", "2026-03-30 00:15"),
        (BERLIN, "30 2,3 * * *", "2026-03-29 01:00", "2026-03-29 01:30"),
        ("America/New_York", "30 2 * * *", "2026-03-08 00:00", "2026-03-08 07:00"),
        ("Africa/Cairo", "0 0 * * *", "2026-04-23 12:00", "2026-04-23 22:00"),
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-03 12:00", "2026-10-03 15:30"),
        ("Australia/Lord_Howe", "0 */6 * * *", "2026-10-03 15:00", "2026-10-03 19:00"),
        # Autumn: 02:00 to 03:00 repeats, and counts the first time.
        (BERLIN, "30 2 * * *", "2026-10-24 12:00", "2026-10-25 00:30"),
        (BERLIN, "30 2 * * *", "2026-10-25 00:30", "2026-10-26 01:30"),
        (BERLIN, "30 2 * * *", "2026-10-25 01:10", "2026-10-26 01:30"),
        (BERLIN, "*/30 * * * *", "2026-10-25 00:00", "2026-10-25 00:30"),
        (BERLIN, "*/30 * * * *", "2026-10-25 00:30", "2026-10-25 02:00"),
        (BERLIN, "*/30 * * * *", "2026-10-25 01:10", "2026-10-25 02:00"),
        ("Australia/Lord_Howe", "0 */6 * * *", "2026-04-04 15:00", "2026-04-04 19:30"),
    ],
)
def test_slots_of_a_cron_follow_the_clock_on_the_wall(
    zone: str, cron: str, after: str, due: str
) -> None:
    """A time that is skipped comes after the gap; a time that repeats comes once."""
    assert utc(due) == slot(Plan(cron=cron, time_zone=zone), after)


def passed(zone: str, wanted: Callable[[datetime], bool]) -> Iterator[datetime]:
    """When the wall clock first comes to a wanted quarter of an hour, or passes it.

    Worked out by looking at the clock four times an hour for two years.
    """
    quarter = timedelta(minutes=15)
    at = BEGIN
    seen = wall(zone, at)
    while (at := at + quarter) < END:
        is_due = False
        while seen < wall(zone, at):
            seen += quarter
            is_due |= wanted(seen)
        if is_due:
            yield at


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("cron", "wanted"),
    [
        ("30 2 * * *", lambda at: (at.hour, at.minute) == (2, 30)),
        ("0 */6 * * *", lambda at: at.hour in {0, 6, 12, 18} and at.minute == 0),
        ("15 9 * * 1-5", lambda at: (at.hour, at.minute) == (9, 15) and at.weekday() < 5),
        ("*/15 1-3 * * *", lambda at: at.hour in {1, 2, 3}),
        ("0 0 1 * *", lambda at: at.day == 1 and at.hour == at.minute == 0),
    ],
)
def test_two_years_of_a_cron_serve_every_slot_once(
    zone: str, cron: str, wanted: Callable[[datetime], bool]
) -> None:
    """None is lost and none comes twice, over four changes of the clock."""
    assert list(passed(zone, wanted)) == served(Plan(cron=cron, time_zone=zone))


@pytest.mark.parametrize("zone", ZONES)
def test_a_clock_that_is_set_back_an_hour_serves_no_slot_twice(zone: str) -> None:
    """It is set back after every reading, and still each slot of two years comes once."""
    plan = Plan(cron="0,30 * * * *", time_zone=zone, jitter=10 * MINUTE)
    due = next_due(plan, "acme", BEGIN, BEGIN)
    found = [due]
    while due < utc("2025-05-01"):
        set_back = due + 20 * SECOND - HOUR
        due = next_due(plan, "acme", max(set_back, due), BEGIN)
        found.append(due)
    assert found == served(plan, until=found[-1] + SECOND)
    assert all(one < other for one, other in pairwise(found))


# Windows.


@pytest.mark.parametrize(
    ("hours", "zone", "at", "opening"),
    [
        ("09:00-17:00", "UTC", "2026-06-10 09:00", "2026-06-10 09:00"),
        ("09:00-17:00", "UTC", "2026-06-10 16:59:59", "2026-06-10 16:59:59"),
        ("09:00-17:00", "UTC", "2026-06-10 17:00", "2026-06-11 09:00"),
        ("09:00-17:00", "UTC", "2026-06-10 08:59:59.5", "2026-06-10 09:00"),
        ("09:00-17:00", BERLIN, "2026-06-10 00:00", "2026-06-10 07:00"),
        ("09:00-17:00", "Asia/Kolkata", "2026-06-10 00:00", "2026-06-10 03:30"),
        ("22:00-04:00", "UTC", "2026-06-10 23:00", "2026-06-10 23:00"),
        ("22:00-04:00", "UTC", "2026-06-10 03:59", "2026-06-10 03:59"),
        ("22:00-04:00", "UTC", "2026-06-10 04:00", "2026-06-10 22:00"),
        ("00:00-00:00", "UTC", "2026-06-10 23:59", "2026-06-10 23:59"),
        ("07:00-07:00", "UTC", "2026-06-10 06:59", "2026-06-10 06:59"),
        # Spring: the clock goes from 02:00 straight into the window, or over it.
        ("02:30-03:30", BERLIN, "2026-03-28 23:00", "2026-03-29 01:00"),
        ("02:00-03:00", BERLIN, "2026-03-28 12:00", "2026-03-30 00:00"),
        # Autumn: what was open from 01:30 to 02:30 opens again when the clock goes back to 02:00.
        ("01:30-02:30", BERLIN, "2026-10-24 12:00", "2026-10-24 23:30"),
        ("01:30-02:30", BERLIN, "2026-10-25 00:40:17", "2026-10-25 01:00"),
        ("02:30-02:45", BERLIN, "2026-10-25 00:50", "2026-10-25 01:30"),
        ("03:00-04:00", BERLIN, "2026-10-25 00:30", "2026-10-25 02:00"),
    ],
)
def test_a_window_opens_by_the_clock_on_the_wall(
    hours: str, zone: str, at: str, opening: str
) -> None:
    """From its first minute to before its last, over midnight and over changes of the clock."""
    assert utc(opening) == next_opening(Plan(window=window(hours), time_zone=zone), utc(at))


def test_without_a_window_it_is_always_open() -> None:
    """Which is the default."""
    assert is_open(Plan(), NOON)
    assert NOON == next_opening(Plan(), NOON)


def test_slots_outside_the_window_meet_at_its_next_opening() -> None:
    """Sixteen hourly slots of a night are one, and a reading that is over soon is not repeated."""
    plan = Plan(every=HOUR, window=window("09:00-11:00"))
    assert [
        utc("2026-06-10 10:00"),
        utc("2026-06-11 09:00"),
        utc("2026-06-11 10:00"),
        utc("2026-06-12 09:00"),
    ] == served(plan, utc("2026-06-10 09:30"), utc("2026-06-12 10:00"))


times = st.builds(time, st.integers(0, 23), st.integers(0, 59))
windows = st.none() | st.builds(Window, opens=times, closes=times)
#: Around the days on which one of the zones changes its clock, and any others.
instants = st.builds(
    lambda day, offset: utc(day) + offset,
    st.sampled_from(
        [
            "2026-03-29",
            "2026-10-25",
            "2026-03-08",
            "2026-11-01",
            "2026-04-04",
            "2026-10-03",
            "2026-06-10",
        ]
    ),
    st.timedeltas(-DAY, 2 * DAY),
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    crons = ["30 2 * * *", "*/5 * * * *", "0 */6 * * *", "59 23 * * 0"]
    every = draw(st.timedeltas(SECOND, 7 * DAY))
    return Plan(
        every=every,
        cron=draw(st.none() | st.sampled_from(crons)),
        time_zone=draw(st.sampled_from(ZONES)),
        window=draw(windows),
        jitter=draw(st.floats(0, 0.99)) * every,
    )


@settings(max_examples=150, deadline=None)
@given(plan=plans(), at=instants)
def test_an_opening_is_the_first_open_instant(plan: Plan, at: datetime) -> None:
    """It is open, and neither the microsecond before it is nor any minute on the way."""
    opening = next_opening(plan, at)
    assert at <= opening
    assert is_open(plan, opening)
    assert opening == at or not is_open(plan, opening - timedelta(microseconds=1))
    while at < opening:
        assert not is_open(plan, at)
        at += MINUTE


@settings(max_examples=150, deadline=None)
@given(plan=plans(), after=instants, anchor=instants)
def test_a_due_instant_is_later_and_in_the_window(
    plan: Plan, after: datetime, anchor: datetime
) -> None:
    """Whatever the plan, and again when it follows from the one before."""
    due = next_due(plan, "acme", after, anchor)
    assert after < due < next_due(plan, "acme", due, anchor)
    assert is_open(plan, due)
    plain = next_due(replace(plan, jitter=timedelta(0)), "acme", after, anchor)
    assert timedelta(0) <= due - plain <= plan.jitter


@given(every=st.timedeltas(SECOND, 400 * DAY), after=instants, anchor=instants)
def test_an_interval_leaves_no_slot_out(
    every: timedelta, after: datetime, anchor: datetime
) -> None:
    """The next slot is at most an interval away, and whole intervals from the anchor."""
    due = next_due(Plan(every=every), "acme", after, anchor)
    assert timedelta(0) < due - after <= every
    assert timedelta(0) == (due - anchor) % every


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("hours", "is_within"),
    [
        ("22:30-02:15", lambda at: at >= time(22, 30) or at < time(2, 15)),
        ("01:45-03:30", lambda at: time(1, 45) <= at < time(3, 30)),
    ],
)
def test_two_years_of_a_window_with_jitter(
    zone: str, hours: str, is_within: Callable[[time], bool]
) -> None:
    """Every due instant is inside, later than the one before, and no night goes by without one."""
    plan = Plan(every=HOUR, time_zone=zone, window=window(hours), jitter=20 * MINUTE)
    found = served(plan, takes=40 * SECOND)
    assert all(is_within(wall(zone, at).time()) for at in found)
    assert all(one < other for one, other in pairwise(found))
    assert all(other - one <= 26 * HOUR for one, other in pairwise(found))


# Jitter.


def test_jitter_is_the_same_after_a_restart_and_in_every_version() -> None:
    """It is worked out from the provider and the slot, and nothing else."""
    plan = Plan(jitter=10 * MINUTE)
    openrouter = slot(plan, "2026-06-10 12:00", provider="openrouter")
    together = slot(plan, "2026-06-10 12:00", provider="together")
    assert utc("2026-06-10 18:04:16.364545") == openrouter
    assert utc("2026-06-10 18:02:00.487945") == together


def test_jitter_spreads_providers_over_its_whole_width() -> None:
    """A hundred of them in ten minutes: some in each, none at once."""
    plan = Plan(jitter=10 * MINUTE)
    due = [next_due(plan, f"provider-{n}", NOON, NOON) for n in range(100)]
    assert 100 == len(set(due))
    assert {*range(10)} == {at.minute for at in due}


def test_jitter_stops_before_the_window_closes() -> None:
    """Spread over what is left of it: the slot at 16:50 has ten minutes, not an hour."""
    plan = Plan(cron="50 16 * * *", window=window("09:00-17:00"), jitter=HOUR)
    due = [next_due(plan, f"provider-{n}", NOON, NOON) for n in range(100)]
    assert {*range(50, 60)} == {at.minute for at in due}
    assert {16} == {at.hour for at in due}


def test_a_window_of_the_whole_day_leaves_jitter_alone() -> None:
    """It never closes."""
    plan = Plan(jitter=HOUR)
    whole = replace(plan, window=window("18:30-18:30"))
    assert slot(plan, "2026-06-10 12:00") == slot(whole, "2026-06-10 12:00")
    assert utc("2026-06-10 18:00") < slot(whole, "2026-06-10 12:00")


def test_slots_that_meet_at_an_opening_are_due_together() -> None:
    """Wherever in the night one asks, the answer is the same."""
    plan = Plan(every=HOUR, window=window("09:00-17:00"), jitter=30 * MINUTE)
    assert slot(plan, "2026-06-10 18:30") == slot(plan, "2026-06-11 04:30")


@pytest.mark.parametrize("zone", ZONES)
def test_two_years_of_jitter_lose_no_slot(zone: str) -> None:
    """Each is due within its jitter, and after all before it."""
    plain = Plan(cron="0 */6 * * *", time_zone=zone)
    late = [
        due - at
        for due, at in zip(
            served(replace(plain, jitter=HOUR), until=END + HOUR), served(plain), strict=False
        )
    ]
    assert 2_900 < len(late)
    assert all(timedelta(0) <= wait < HOUR for wait in late)
    assert max(late) > 55 * MINUTE


# Starts and restarts.


def kept(plan: Plan, **parts: Any) -> Due:
    """What was stored at noon, when the provider was last read."""
    given: dict[str, Any] = {"anchor_at": NOON, "due_at": NOON + 6 * HOUR} | parts
    return Due(provider="acme", plan=plan.fingerprint(), **given)


def start(
    plan: Plan,
    stored: Due | None,
    *,
    at: datetime,
    last_success: datetime | None = None,
    last_attempt: datetime | None = None,
) -> datetime:
    return first_due(
        plan,
        "acme",
        started_at=at,
        delay=DELAY,
        last_success=last_success,
        last_attempt=last_attempt or last_success,
        stored=stored,
    )


DAILY = Plan(cron="0 18 * * *")


@pytest.mark.parametrize("plan", [Plan(), DAILY])
def test_what_was_never_read_is_read_after_the_delay(plan: Plan) -> None:
    """By a cron too: an empty ledger does not wait for the night."""
    assert utc("2026-06-10 12:00:30") == start(plan, None, at=NOON)


@pytest.mark.parametrize(
    ("plan", "at", "due"),
    [
        (Plan(), "2026-06-10 12:14:59", "2026-06-10 18:00"),
        (Plan(), "2026-06-10 12:15", "2026-06-10 12:15:30"),
        (Plan(every=20 * MINUTE), "2026-06-10 12:04:59", "2026-06-10 12:20"),
        (Plan(every=20 * MINUTE), "2026-06-10 12:05", "2026-06-10 12:05:30"),
        (DAILY, "2026-06-10 12:01", "2026-06-10 18:00"),
        (DAILY, "2026-06-10 17:59", "2026-06-10 18:00"),
        (DAILY, "2026-06-10 17:59:45", "2026-06-10 18:00:15"),
        (DAILY, "2026-06-10 18:00", "2026-06-10 18:00:30"),
        (DAILY, "2026-06-10 23:00", "2026-06-10 23:00:30"),
    ],
)
def test_a_restart_reads_what_is_old_and_leaves_what_is_fresh(
    plan: Plan, at: str, due: str
) -> None:
    """Fresh is 15 minutes or a quarter of the interval. A cron waits unless its slot was missed."""
    stored = kept(plan, due_at=next_due(plan, "acme", NOON, NOON))
    assert utc(due) == start(plan, stored, at=utc(at), last_success=NOON)


def test_the_slots_go_on_when_the_plan_has_changed() -> None:
    """By the new plan, from the anchor that was stored."""
    stored = kept(Plan(every=6 * HOUR), anchor_at=NOON - 10 * MINUTE)
    found = start(Plan(every=HOUR), stored, at=NOON + MINUTE, last_success=NOON)
    assert utc("2026-06-10 12:50") == found
    weekly = Plan(cron="0 6 * * 1")
    assert utc("2026-06-15 06:00") == start(weekly, stored, at=NOON + MINUTE, last_success=NOON)


def test_slots_are_counted_from_the_last_success_when_nothing_is_stored() -> None:
    """The ledger knows when it was, even if the schedule does not."""
    assert utc("2026-06-10 18:00") == start(Plan(), None, at=NOON + MINUTE, last_success=NOON)
    assert utc("2026-06-10 18:00") == start(DAILY, None, at=NOON + MINUTE, last_success=NOON)


def test_a_slot_that_was_served_by_hand_was_not_missed() -> None:
    """A success after the stored due instant is that slot's."""
    stored = kept(DAILY, due_at=utc("2026-06-10 18:00"))
    at, success = utc("2026-06-10 19:00"), utc("2026-06-10 18:05")
    assert utc("2026-06-11 18:00") == start(DAILY, stored, at=at, last_success=success)


def test_a_start_outside_the_window_waits_for_it() -> None:
    """First readings, too."""
    night = Plan(window=window("22:00-04:00"))
    assert utc("2026-06-10 22:00") == start(night, None, at=NOON)


def test_a_pending_retry_outlives_the_restart() -> None:
    """It is not lost to tomorrow's slot, and not brought forward by the restart."""
    stored = kept(
        DAILY, due_at=utc("2026-06-11 18:00"), retry_at=utc("2026-06-10 18:40"), failures=5
    )
    success, attempt = NOON, utc("2026-06-10 18:08")
    at = utc("2026-06-10 18:10")
    assert utc("2026-06-10 18:40") == start(
        DAILY, stored, at=at, last_success=success, last_attempt=attempt
    )


@pytest.mark.parametrize(
    ("retry", "due"),
    [
        ("2026-06-10 12:08", "2026-06-10 12:08"),
        ("2026-06-10 12:03", "2026-06-10 12:05:30"),
        ("2026-06-10 12:50", "2026-06-10 12:15"),
        (None, "2026-06-10 12:15"),
    ],
)
def test_a_restart_after_a_failure_waits_for_the_retry_but_not_for_long(
    retry: str | None, due: str
) -> None:
    """A person who restarts it has mended something: 15 minutes at most."""
    stored = kept(Plan(), failures=9, retry_at=utc(retry) if retry else None)
    at = utc("2026-06-10 12:05")
    assert utc(due) == start(Plan(), stored, at=at, last_attempt=NOON)


@pytest.mark.parametrize(
    ("plan", "readings", "is_read"),
    [
        (Plan(), 4, False),
        (Plan(), 4, True),
        (DAILY, 4, False),
        (DAILY, 1, True),
    ],
)
def test_a_hundred_crashes_in_an_hour_are_at_most_four_readings(
    plan: Plan, readings: int, *, is_read: bool
) -> None:
    """Whoever dies of a reading, or right after it, and is restarted leaves the provider alone."""
    last_success = last_attempt = stored = None
    found = []
    for restart in range(100):
        at = NOON + restart * timedelta(seconds=35)
        due = start(plan, stored, at=at, last_success=last_success, last_attempt=last_attempt)
        if due < at + timedelta(seconds=35):
            found.append(due)
            last_attempt = due
            if is_read:
                last_success = due
                stored = kept(plan, anchor_at=due, due_at=next_due(plan, "acme", due, due))
    assert readings == len(found)
    assert all(other - one >= 15 * MINUTE for one, other in pairwise(found))


def test_a_hundred_crashes_bring_no_retry_forward() -> None:
    """Failures that are recorded are tried again when their retry says, or after 15 minutes."""
    stored, last_attempt = kept(Plan()), None
    found = []
    for restart in range(100):
        at = NOON + restart * timedelta(seconds=35)
        due = start(Plan(), stored, at=at, last_attempt=last_attempt)
        if due < at + timedelta(seconds=35):
            found.append((due, stored.retry_at))
            failures, last_attempt = stored.failures + 1, due
            stored = replace(
                stored, failures=failures, retry_at=retry_at(Plan(), failures, due, chance=1)
            )
    first, *others = [due for due, _ in found]
    assert utc("2026-06-10 12:00:30") == first
    # A minute, two, four, eight, then fifteen: the wait for the life in which they fall included.
    assert 7 == len(found)
    assert all(
        other >= min(retry, one + 15 * MINUTE)
        for (one, _), (other, retry) in pairwise(found)
        if retry is not None
    )
    assert others[-1] - others[-2] >= 15 * MINUTE


def test_a_due_instant_from_a_clock_that_was_ahead_is_not_waited_for() -> None:
    """The machine had started in the year 2036; the next slot is today's."""
    stored = kept(DAILY, due_at=utc("2036-01-01 18:00"))
    assert utc("2026-06-10 18:00") == start(DAILY, stored, at=NOON, last_success=NOON - DAY)


def test_a_success_in_the_future_is_not_fresh() -> None:
    """Or nothing would be read until then."""
    stored = kept(Plan(), due_at=utc("2036-01-01 18:00"))
    ahead = utc("2036-01-01 12:00")
    assert utc("2026-06-10 12:00:30") == start(Plan(), stored, at=NOON, last_success=ahead)


def test_an_attempt_in_the_future_delays_a_start_by_minutes() -> None:
    """Not by years."""
    ahead = utc("2036-01-01 12:00")
    assert utc("2026-06-10 12:15") == start(Plan(), None, at=NOON, last_attempt=ahead)


def test_a_clock_that_is_set_back_an_hour_and_a_restart_serve_no_slot_twice() -> None:
    """What was stored for tomorrow stays, though today's 18:00 lies ahead once more."""
    stored = kept(DAILY, due_at=utc("2026-06-11 18:00"))
    at, success = utc("2026-06-10 17:10"), utc("2026-06-10 18:00:05")
    assert utc("2026-06-11 18:00") == start(DAILY, stored, at=at, last_success=success)


@settings(max_examples=150, deadline=None)
@given(
    plan=plans(),
    at=instants,
    success=st.none() | instants,
    attempt=st.none() | instants,
    due=instants,
    retry=st.none() | instants,
    failures=st.integers(0, 9),
)
def test_a_first_reading_is_neither_before_the_delay_nor_outside_the_window(
    plan: Plan,
    at: datetime,
    success: datetime | None,
    attempt: datetime | None,
    due: datetime,
    retry: datetime | None,
    failures: int,
) -> None:
    """Whatever was stored, and whichever clock wrote it."""
    stored = kept(plan, due_at=due, retry_at=retry, failures=failures)
    first = start(plan, stored, at=at, last_success=success, last_attempt=attempt)
    assert at + DELAY <= first
    assert is_open(plan, first)
    assert first <= next_opening(
        plan, max(next_due(plan, "acme", at + 2 * HOUR, NOON) + plan.jitter, at + 15 * MINUTE)
    )


def test_the_earlier_of_slot_and_retry_is_next() -> None:
    """And the slot where no retry is pending."""
    assert NOON + 6 * HOUR == kept(Plan()).at
    assert NOON + MINUTE == kept(Plan(), retry_at=NOON + MINUTE).at
    assert NOON + 6 * HOUR == kept(Plan(), retry_at=NOON + 7 * HOUR).at


# Retries.


@pytest.mark.parametrize(
    ("failures", "wait"),
    [
        (1, "0:01:00"),
        (2, "0:02:00"),
        (3, "0:04:00"),
        (6, "0:32:00"),
        (7, "1:00:00"),
        (8, "1:00:00"),
    ],
)
def test_waits_double_up_to_an_hour(failures: int, wait: str) -> None:
    """From a minute, when chance leaves all of it."""
    found = retry_at(Plan(), failures, NOON, chance=1)
    assert found is not None
    assert wait == str(found - NOON)


def test_after_the_last_attempt_it_is_the_next_slots_turn() -> None:
    """Eight retries, or none at all."""
    assert retry_at(Plan(), 8, NOON, chance=1) is not None
    assert retry_at(Plan(), 9, NOON, chance=1) is None
    assert retry_at(Plan(), 9, NOON, chance=1, asked_seconds=60) is None
    assert retry_at(Plan(retry=Retry(attempts=0)), 1, NOON, chance=1) is None


def test_chance_takes_its_share_of_the_wait() -> None:
    """All of it, half of it, none of it; a second is left in any case."""
    assert NOON + SECOND == retry_at(Plan(), 3, NOON, chance=0)
    assert NOON + 2 * MINUTE == retry_at(Plan(), 3, NOON, chance=0.5)
    half = Plan(retry=Retry(jitter=0.5))
    assert NOON + 2 * MINUTE == retry_at(half, 3, NOON, chance=0)
    assert NOON + 3 * MINUTE == retry_at(half, 3, NOON, chance=0.5)
    assert NOON + 4 * MINUTE == retry_at(Plan(retry=Retry(jitter=0)), 3, NOON, chance=0)


def test_a_retry_does_not_wait_longer_than_the_interval() -> None:
    """Which a cron does not have."""
    plan = Plan(every=5 * MINUTE)
    assert NOON + 5 * MINUTE == retry_at(plan, 7, NOON, chance=1)
    assert NOON + HOUR == retry_at(replace(plan, cron="*/5 * * * *"), 7, NOON, chance=1)


@pytest.mark.parametrize(
    ("asked", "due"),
    [
        (None, "2026-06-10 12:04"),
        (0, "2026-06-10 12:04"),
        (239.5, "2026-06-10 12:04"),
        (300, "2026-06-10 12:05"),
        (86_400, "2026-06-11 12:00"),
    ],
)
def test_a_provider_that_asks_for_a_longer_wait_gets_it(asked: float | None, due: str) -> None:
    """Beyond the longest wait of the plan, too."""
    assert utc(due) == retry_at(Plan(), 3, NOON, chance=1, asked_seconds=asked)


def test_a_retry_waits_for_the_window() -> None:
    """A failure at a minute to five is tried again in the morning."""
    plan = Plan(window=window("09:00-17:00"))
    assert utc("2026-06-11 09:00") == retry_at(plan, 1, utc("2026-06-10 16:59:30"), chance=1)


@given(
    retry=st.builds(
        Retry,
        initial=st.timedeltas(timedelta(milliseconds=1), MINUTE),
        factor=st.floats(1, 1e300),
        longest=st.timedeltas(MINUTE, DAY),
        attempts=st.just(10**6),
        jitter=st.floats(0, 1),
    ),
    failures=st.integers(1, 10**6),
    chance=st.floats(0, 1),
)
def test_every_wait_is_between_a_second_and_the_longest(
    retry: Retry, failures: int, chance: float
) -> None:
    """For any policy, and after a million failures."""
    found = retry_at(Plan(cron="0 6 * * *", retry=retry), failures, NOON, chance)
    assert found is not None
    assert SECOND <= found - NOON <= retry.longest
