"""When providers are due: slots, windows, jitter, retries, restarts, and clock changes."""

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
    stale_at,
)

SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=n) for n in (1, 60, 3_600, 86_400))
DELAY = timedelta(seconds=30)

ZONES = ["Europe/Berlin", "America/New_York", "UTC", "Australia/Lord_Howe", "Asia/Kolkata"]
BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NOON = utc("2026-06-10 12:00")
#: Two years. Every zone with summer time changes its clock four times in them.
BEGIN, END = utc("2025-01-01"), utc("2027-01-01")


def window(text: str) -> Window:
    opens, closes = (time.fromisoformat(edge) for edge in text.split("-"))
    return Window(opens=opens, closes=closes)


def due_after(
    plan: Plan, after: str, anchor: str = "2026-01-01", provider: str = "acme"
) -> datetime:
    return next_due(plan, provider, utc(after), utc(anchor))


def due_instants(
    plan: Plan, after: datetime = BEGIN, until: datetime = END, takes: timedelta = timedelta(0)
) -> list[datetime]:
    """The due instants of a scheduler that is never late and whose readings last *takes*."""
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
def test_an_invalid_plan_is_refused(parts: dict[str, Any], why: str) -> None:
    """The constructor refuses it, and the error names the field."""
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
def test_an_invalid_retry_is_refused(parts: dict[str, Any], why: str) -> None:
    """The constructor refuses it, and the error names the field."""
    with pytest.raises(ValueError, match=why):
        Retry(**parts)


@pytest.mark.parametrize("edge", [time(9, 0, 30), time(9, 0, 0, 1), time(9, tzinfo=UTC)])
def test_a_window_has_whole_minutes_and_no_zone(edge: time) -> None:
    """The plan has the time zone of the window."""
    with pytest.raises(ValueError, match="is not a plain HH:MM"):
        Window(opens=edge, closes=time(17))
    with pytest.raises(ValueError, match="is not a plain HH:MM"):
        Window(opens=time(8), closes=edge)


def test_a_cron_plan_may_have_any_jitter() -> None:
    """A cron has no interval to compare the jitter with."""
    assert 2 * DAY == Plan(cron="0 6 * * *", jitter=2 * DAY).jitter


def test_a_fingerprint_is_the_same_in_every_version() -> None:
    """Fingerprints are stored. With another text, every plan would seem changed."""
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
    """Each field alone changes the fingerprint."""
    assert Plan().fingerprint() != Plan(**parts).fingerprint()


def test_a_fingerprint_ignores_fields_that_do_not_affect_the_slots() -> None:
    """A changed retry must not discard the stored due instant."""
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
    """Before and after the anchor. The slot found is strictly later than *after*."""
    assert utc(due) == due_after(Plan(every=6 * HOUR), after)


def test_an_interval_is_real_time_when_the_clock_is_changed() -> None:
    """Slots in Berlin are six hours from each other, also on the day of 23 hours."""
    plan = Plan(every=6 * HOUR, time_zone=BERLIN)
    assert [
        utc("2026-03-28 18:00"),
        utc("2026-03-29 00:00"),
        utc("2026-03-29 06:00"),
    ] == due_instants(plan, utc("2026-03-28 12:00"), utc("2026-03-29 12:00"))


def test_three_days_of_downtime_cause_one_reading() -> None:
    """The twelve missed slots are not made up for."""
    stored = stored_due(Plan(), due_at=utc("2026-06-10 18:00"))
    back = utc("2026-06-13 13:00")
    first = due_after_start(Plan(), stored, at=back, last_success=NOON)
    assert utc("2026-06-13 13:00:30") == first
    assert utc("2026-06-13 18:00") == next_due(Plan(), "acme", first, stored.anchor_at)


# Slots of a cron.


@pytest.mark.parametrize(
    ("zone", "cron", "after", "due"),
    [
        ("Asia/Kolkata", "15 9 * * *", "2026-06-10 00:00", "2026-06-10 03:45"),
        (BERLIN, "15 9 * * 1-5", "2026-06-12 12:00", "2026-06-15 07:15"),
        ("UTC", "0 0 29 2 *", "2026-01-01 00:00", "2028-02-29 00:00"),
        # Spring: 02:00 to 03:00 is skipped, and slots in that hour are due at its end.
        (BERLIN, "30 2 * * *", "2026-03-28 12:00", "2026-03-29 01:00"),
        (BERLIN, "30 2 * * *", "2026-03-29 01:00", "2026-03-30 00:30"),
        (BERLIN, "15,45 2 * * *", "2026-03-29 00:00", "2026-03-29 01:00"),
        (BERLIN, "15,45 2 * * *", "2026-03-29 01:00", "2026-03-30 00:15"),
        (BERLIN, "30 2,3 * * *", "2026-03-29 01:00", "2026-03-29 01:30"),
        ("America/New_York", "30 2 * * *", "2026-03-08 00:00", "2026-03-08 07:00"),
        ("Africa/Cairo", "0 0 * * *", "2026-04-23 12:00", "2026-04-23 22:00"),
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-03 12:00", "2026-10-03 15:30"),
        ("Australia/Lord_Howe", "0 */6 * * *", "2026-10-03 15:00", "2026-10-03 19:00"),
        # Autumn: 02:00 to 03:00 repeats, and slots in that hour are due the first time.
        (BERLIN, "30 2 * * *", "2026-10-24 12:00", "2026-10-25 00:30"),
        (BERLIN, "30 2 * * *", "2026-10-25 00:30", "2026-10-26 01:30"),
        (BERLIN, "30 2 * * *", "2026-10-25 01:10", "2026-10-26 01:30"),
        (BERLIN, "*/30 * * * *", "2026-10-25 00:00", "2026-10-25 00:30"),
        (BERLIN, "*/30 * * * *", "2026-10-25 00:30", "2026-10-25 02:00"),
        (BERLIN, "*/30 * * * *", "2026-10-25 01:10", "2026-10-25 02:00"),
        ("Australia/Lord_Howe", "0 */6 * * *", "2026-04-04 15:00", "2026-04-04 19:30"),
    ],
)
def test_slots_of_a_cron_follow_the_wall_clock(zone: str, cron: str, after: str, due: str) -> None:
    """A skipped time is due after the gap. A repeated time is due once."""
    assert utc(due) == due_after(Plan(cron=cron, time_zone=zone), after)


def expected_slots(zone: str, wanted: Callable[[datetime], bool]) -> Iterator[datetime]:
    """The instants at which the wall clock first reaches or passes a wanted quarter of an hour.

    Computed by reading the clock four times an hour for two years.
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
def test_two_years_of_a_cron_have_every_slot_once(
    zone: str, cron: str, wanted: Callable[[datetime], bool]
) -> None:
    """No slot is lost or repeated over four clock changes."""
    assert list(expected_slots(zone, wanted)) == due_instants(Plan(cron=cron, time_zone=zone))


@pytest.mark.parametrize("zone", ZONES)
def test_a_clock_that_is_set_back_an_hour_serves_no_slot_twice(zone: str) -> None:
    """The clock is set back after every reading, and still each slot comes once."""
    plan = Plan(cron="0,30 * * * *", time_zone=zone, jitter=10 * MINUTE)
    due = next_due(plan, "acme", BEGIN, BEGIN)
    found = [due]
    while due < utc("2025-05-01"):
        set_back = due + 20 * SECOND - HOUR
        due = next_due(plan, "acme", max(set_back, due), BEGIN)
        found.append(due)
    assert found == due_instants(plan, until=found[-1] + SECOND)
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
        # Spring: the clock jumps from 02:00 into the window, or over it.
        ("02:30-03:30", BERLIN, "2026-03-28 23:00", "2026-03-29 01:00"),
        ("02:00-03:00", BERLIN, "2026-03-28 12:00", "2026-03-30 00:00"),
        # Autumn: a window from 01:30 to 02:30 opens again when the clock goes back to 02:00.
        ("01:30-02:30", BERLIN, "2026-10-24 12:00", "2026-10-24 23:30"),
        ("01:30-02:30", BERLIN, "2026-10-25 00:40:17", "2026-10-25 01:00"),
        ("02:30-02:45", BERLIN, "2026-10-25 00:50", "2026-10-25 01:30"),
        ("03:00-04:00", BERLIN, "2026-10-25 00:30", "2026-10-25 02:00"),
    ],
)
def test_a_window_follows_the_wall_clock(hours: str, zone: str, at: str, opening: str) -> None:
    """From *opens* to before *closes*, over midnight and over clock changes."""
    assert utc(opening) == next_opening(Plan(window=window(hours), time_zone=zone), utc(at))


def test_a_plan_without_a_window_is_always_open() -> None:
    """That is the default."""
    assert is_open(Plan(), NOON)
    assert NOON == next_opening(Plan(), NOON)


def test_slots_outside_the_window_become_one_slot_at_the_next_opening() -> None:
    """All hourly slots while the window is closed become one. It causes only one reading."""
    plan = Plan(every=HOUR, window=window("09:00-11:00"))
    assert [
        utc("2026-06-10 10:00"),
        utc("2026-06-11 09:00"),
        utc("2026-06-11 10:00"),
        utc("2026-06-12 09:00"),
    ] == due_instants(plan, utc("2026-06-10 09:30"), utc("2026-06-12 10:00"))


times = st.builds(time, st.integers(0, 23), st.integers(0, 59))
windows = st.none() | st.builds(Window, opens=times, closes=times)
#: Instants around the days on which one of the zones changes its clock, and around another day.
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


@settings(max_examples=150)
@given(plan=plans(), at=instants)
def test_an_opening_is_the_first_open_instant(plan: Plan, at: datetime) -> None:
    """It is open. The microsecond before it and every minute before it are not."""
    opening = next_opening(plan, at)
    assert at <= opening
    assert is_open(plan, opening)
    assert opening == at or not is_open(plan, opening - timedelta(microseconds=1))
    while at < opening:
        assert not is_open(plan, at)
        at += MINUTE


@settings(max_examples=150)
@given(plan=plans(), after=instants, anchor=instants)
def test_a_due_instant_is_later_and_in_the_window(
    plan: Plan, after: datetime, anchor: datetime
) -> None:
    """For any plan, and also for the due instant that follows it."""
    due = next_due(plan, "acme", after, anchor)
    assert after < due < next_due(plan, "acme", due, anchor)
    assert is_open(plan, due)
    plain = next_due(replace(plan, jitter=timedelta(0)), "acme", after, anchor)
    assert timedelta(0) <= due - plain <= plan.jitter


@given(every=st.timedeltas(SECOND, 400 * DAY), after=instants, anchor=instants)
def test_an_interval_skips_no_slot(every: timedelta, after: datetime, anchor: datetime) -> None:
    """The next slot is at most one interval away, and whole intervals from the anchor."""
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
    """Due instants are in the window and ascend, and every night has one."""
    plan = Plan(every=HOUR, time_zone=zone, window=window(hours), jitter=20 * MINUTE)
    found = due_instants(plan, takes=40 * SECOND)
    assert all(is_within(wall(zone, at).time()) for at in found)
    assert all(one < other for one, other in pairwise(found))
    assert all(other - one <= 26 * HOUR for one, other in pairwise(found))


# Jitter.


def test_jitter_is_the_same_after_a_restart_and_in_every_version() -> None:
    """It depends only on the provider and the slot."""
    plan = Plan(jitter=10 * MINUTE)
    openrouter = due_after(plan, "2026-06-10 12:00", provider="openrouter")
    together = due_after(plan, "2026-06-10 12:00", provider="together")
    assert utc("2026-06-10 18:04:16.364545") == openrouter
    assert utc("2026-06-10 18:02:00.487945") == together


def test_jitter_spreads_providers_over_its_whole_width() -> None:
    """A hundred providers in ten minutes: some in each minute, no two at the same instant."""
    plan = Plan(jitter=10 * MINUTE)
    due = [next_due(plan, f"provider-{n}", NOON, NOON) for n in range(100)]
    assert 100 == len(set(due))
    assert {*range(10)} == {at.minute for at in due}


def test_jitter_stops_before_the_window_closes() -> None:
    """The slot at 16:50 has ten minutes of jitter, not an hour."""
    plan = Plan(cron="50 16 * * *", window=window("09:00-17:00"), jitter=HOUR)
    due = [next_due(plan, f"provider-{n}", NOON, NOON) for n in range(100)]
    assert {*range(50, 60)} == {at.minute for at in due}
    assert {16} == {at.hour for at in due}


def test_a_window_of_the_whole_day_does_not_limit_jitter() -> None:
    """Such a window never closes."""
    plan = Plan(jitter=HOUR)
    whole = replace(plan, window=window("18:30-18:30"))
    assert due_after(plan, "2026-06-10 12:00") == due_after(whole, "2026-06-10 12:00")
    assert utc("2026-06-10 18:00") < due_after(whole, "2026-06-10 12:00")


def test_slots_that_move_to_one_opening_have_one_due_instant() -> None:
    """The due instant is the same for every hour of the night."""
    plan = Plan(every=HOUR, window=window("09:00-17:00"), jitter=30 * MINUTE)
    assert due_after(plan, "2026-06-10 18:30") == due_after(plan, "2026-06-11 04:30")


@pytest.mark.parametrize("zone", ZONES)
def test_two_years_of_jitter_lose_no_slot(zone: str) -> None:
    """Each slot is due within its jitter, in order."""
    plain = Plan(cron="0 */6 * * *", time_zone=zone)
    late = [
        due - at
        for due, at in zip(
            due_instants(replace(plain, jitter=HOUR), until=END + HOUR),
            due_instants(plain),
            strict=False,
        )
    ]
    assert 2_900 < len(late)
    assert all(timedelta(0) <= wait < HOUR for wait in late)
    assert max(late) > 55 * MINUTE


# Starts and restarts.


def stored_due(plan: Plan, **parts: Any) -> Due:
    """The stored schedule of a provider that was last read at noon."""
    fields: dict[str, Any] = {"anchor_at": NOON, "due_at": NOON + 6 * HOUR} | parts
    return Due(provider="acme", plan=plan.fingerprint(), **fields)


def due_after_start(
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
def test_a_provider_that_was_never_read_is_read_after_the_delay(plan: Plan) -> None:
    """With a cron too: an empty ledger does not wait for the next slot."""
    assert utc("2026-06-10 12:00:30") == due_after_start(plan, None, at=NOON)


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
def test_a_restart_reads_old_providers_and_not_fresh_ones(plan: Plan, at: str, due: str) -> None:
    """Fresh means read within 15 minutes and a quarter of the interval.

    With a cron the provider is read at the start only if its slot was missed.
    """
    stored = stored_due(plan, due_at=next_due(plan, "acme", NOON, NOON))
    assert utc(due) == due_after_start(plan, stored, at=utc(at), last_success=NOON)


def test_a_changed_plan_keeps_the_stored_anchor() -> None:
    """The slots of the new plan are counted from the stored anchor."""
    stored = stored_due(Plan(every=6 * HOUR), anchor_at=NOON - 10 * MINUTE)
    found = due_after_start(Plan(every=HOUR), stored, at=NOON + MINUTE, last_success=NOON)
    assert utc("2026-06-10 12:50") == found
    weekly = Plan(cron="0 6 * * 1")
    assert utc("2026-06-15 06:00") == due_after_start(
        weekly, stored, at=NOON + MINUTE, last_success=NOON
    )


def test_slots_are_counted_from_the_last_success_when_nothing_is_stored() -> None:
    """The last success is known from the ledger."""
    assert utc("2026-06-10 18:00") == due_after_start(
        Plan(), None, at=NOON + MINUTE, last_success=NOON
    )
    assert utc("2026-06-10 18:00") == due_after_start(
        DAILY, None, at=NOON + MINUTE, last_success=NOON
    )


def test_a_slot_that_was_served_by_a_manual_run_is_not_missed() -> None:
    """A success after the stored due instant serves that slot."""
    stored = stored_due(DAILY, due_at=utc("2026-06-10 18:00"))
    at, success = utc("2026-06-10 19:00"), utc("2026-06-10 18:05")
    assert utc("2026-06-11 18:00") == due_after_start(DAILY, stored, at=at, last_success=success)


def test_a_start_outside_the_window_waits_for_it() -> None:
    """This is true for the first reading of a provider too."""
    night = Plan(window=window("22:00-04:00"))
    assert utc("2026-06-10 22:00") == due_after_start(night, None, at=NOON)


def test_a_pending_retry_survives_a_restart() -> None:
    """It is not replaced by tomorrow's slot, and the restart does not make it earlier."""
    stored = stored_due(
        DAILY, due_at=utc("2026-06-11 18:00"), retry_at=utc("2026-06-10 18:40"), failures=5
    )
    success, attempt = NOON, utc("2026-06-10 18:08")
    at = utc("2026-06-10 18:10")
    assert utc("2026-06-10 18:40") == due_after_start(
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
    """Perhaps a person has fixed the cause and restarted: the wait is 15 minutes at most."""
    stored = stored_due(Plan(), failures=9, retry_at=utc(retry) if retry else None)
    at = utc("2026-06-10 12:05")
    assert utc(due) == due_after_start(Plan(), stored, at=at, last_attempt=NOON)


@pytest.mark.parametrize(
    ("plan", "readings", "is_read"),
    [
        (Plan(), 4, False),
        (Plan(), 4, True),
        (DAILY, 4, False),
        (DAILY, 1, True),
    ],
)
def test_a_hundred_crashes_in_an_hour_cause_at_most_four_readings(
    plan: Plan, readings: int, *, is_read: bool
) -> None:
    """A process that crashes during or right after each reading does not flood the provider."""
    last_success = last_attempt = stored = None
    found = []
    for restart in range(100):
        at = NOON + restart * timedelta(seconds=35)
        due = due_after_start(
            plan, stored, at=at, last_success=last_success, last_attempt=last_attempt
        )
        if due < at + timedelta(seconds=35):
            found.append(due)
            last_attempt = due
            if is_read:
                last_success = due
                stored = stored_due(plan, anchor_at=due, due_at=next_due(plan, "acme", due, due))
    assert readings == len(found)
    assert all(other - one >= 15 * MINUTE for one, other in pairwise(found))


def test_a_hundred_crashes_make_no_retry_earlier() -> None:
    """A recorded failure is retried at its retry instant, or after 15 minutes."""
    stored, last_attempt = stored_due(Plan()), None
    found = []
    for restart in range(100):
        at = NOON + restart * timedelta(seconds=35)
        due = due_after_start(Plan(), stored, at=at, last_attempt=last_attempt)
        if due < at + timedelta(seconds=35):
            found.append((due, stored.retry_at))
            failures, last_attempt = stored.failures + 1, due
            stored = replace(
                stored, failures=failures, retry_at=retry_at(Plan(), failures, due, chance=1)
            )
    first, *others = [due for due, _ in found]
    assert utc("2026-06-10 12:00:30") == first
    # Waits of 1, 2, 4, 8, then 15 minutes, each extended to the next restart.
    assert 7 == len(found)
    assert all(
        other >= min(retry, one + 15 * MINUTE)
        for (one, _), (other, retry) in pairwise(found)
        if retry is not None
    )
    assert others[-1] - others[-2] >= 15 * MINUTE


def test_a_due_instant_from_a_clock_that_was_ahead_is_not_waited_for() -> None:
    """The clock was in the year 2036 once. The next slot is today's."""
    stored = stored_due(DAILY, due_at=utc("2036-01-01 18:00"))
    assert utc("2026-06-10 18:00") == due_after_start(
        DAILY, stored, at=NOON, last_success=NOON - DAY
    )


def test_a_success_in_the_future_is_not_fresh() -> None:
    """Otherwise nothing would be read until that instant."""
    stored = stored_due(Plan(), due_at=utc("2036-01-01 18:00"))
    ahead = utc("2036-01-01 12:00")
    assert utc("2026-06-10 12:00:30") == due_after_start(
        Plan(), stored, at=NOON, last_success=ahead
    )


def test_an_attempt_in_the_future_delays_a_start_by_minutes() -> None:
    """The delay is 15 minutes, not years."""
    ahead = utc("2036-01-01 12:00")
    assert utc("2026-06-10 12:15") == due_after_start(Plan(), None, at=NOON, last_attempt=ahead)


def test_a_clock_that_is_set_back_an_hour_and_a_restart_serve_no_slot_twice() -> None:
    """The stored due instant is tomorrow's, although today's 18:00 is in the future again."""
    stored = stored_due(DAILY, due_at=utc("2026-06-11 18:00"))
    at, success = utc("2026-06-10 17:10"), utc("2026-06-10 18:00:05")
    assert utc("2026-06-11 18:00") == due_after_start(DAILY, stored, at=at, last_success=success)


@settings(max_examples=150)
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
    """For anything that is stored, written by any clock."""
    stored = stored_due(plan, due_at=due, retry_at=retry, failures=failures)
    first = due_after_start(plan, stored, at=at, last_success=success, last_attempt=attempt)
    assert at + DELAY <= first
    assert is_open(plan, first)
    assert first <= next_opening(
        plan, max(next_due(plan, "acme", at + 2 * HOUR, NOON) + plan.jitter, at + 15 * MINUTE)
    )


def test_the_earlier_of_slot_and_retry_is_due() -> None:
    """Without a pending retry the slot is due."""
    assert NOON + 6 * HOUR == stored_due(Plan()).at
    assert NOON + MINUTE == stored_due(Plan(), retry_at=NOON + MINUTE).at
    assert NOON + 6 * HOUR == stored_due(Plan(), retry_at=NOON + 7 * HOUR).at


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
    """The first wait is a minute, when *chance* is 1."""
    found = retry_at(Plan(), failures, NOON, chance=1)
    assert found is not None
    assert wait == str(found - NOON)


def test_after_the_last_retry_the_provider_waits_for_the_next_slot() -> None:
    """A plan has eight retries by default, and may have none."""
    assert retry_at(Plan(), 8, NOON, chance=1) is not None
    assert retry_at(Plan(), 9, NOON, chance=1) is None
    assert retry_at(Plan(), 9, NOON, chance=1, retry_after_seconds=60) is None
    assert retry_at(Plan(retry=Retry(attempts=0)), 1, NOON, chance=1) is None


def test_chance_shortens_the_random_share_of_the_wait() -> None:
    """All of the wait, half of it, or none of it is random. The wait is at least a second."""
    assert NOON + SECOND == retry_at(Plan(), 3, NOON, chance=0)
    assert NOON + 2 * MINUTE == retry_at(Plan(), 3, NOON, chance=0.5)
    half = Plan(retry=Retry(jitter=0.5))
    assert NOON + 2 * MINUTE == retry_at(half, 3, NOON, chance=0)
    assert NOON + 3 * MINUTE == retry_at(half, 3, NOON, chance=0.5)
    assert NOON + 4 * MINUTE == retry_at(Plan(retry=Retry(jitter=0)), 3, NOON, chance=0)


def test_a_retry_does_not_wait_longer_than_the_interval() -> None:
    """A cron has no interval."""
    plan = Plan(every=5 * MINUTE)
    assert NOON + 5 * MINUTE == retry_at(plan, 7, NOON, chance=1)
    assert NOON + HOUR == retry_at(replace(plan, cron="*/5 * * * *"), 7, NOON, chance=1)


@pytest.mark.parametrize(
    ("retry_after", "due"),
    [
        (None, "2026-06-10 12:04"),
        (0, "2026-06-10 12:04"),
        (239.5, "2026-06-10 12:04"),
        (300, "2026-06-10 12:05"),
        (86_400, "2026-06-11 12:00"),
    ],
)
def test_a_longer_retry_after_is_respected(retry_after: float | None, due: str) -> None:
    """It may exceed the longest wait of the plan."""
    assert utc(due) == retry_at(Plan(), 3, NOON, chance=1, retry_after_seconds=retry_after)


def test_a_retry_waits_for_the_window() -> None:
    """A failure half a minute before 17:00 is retried the next morning."""
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
    """For any retry settings, and after up to a million failures."""
    found = retry_at(Plan(cron="0 6 * * *", retry=retry), failures, NOON, chance)
    assert found is not None
    assert SECOND <= found - NOON <= retry.longest


@pytest.mark.parametrize(
    ("plan", "read_at", "stale"),
    [
        (Plan(), "2026-07-16T00:00", "2026-07-16T18:00"),
        (Plan(every=timedelta(hours=1)), "2026-07-16T00:10", "2026-07-16T03:10"),
        # A Thursday: Friday, Monday, Tuesday.
        (Plan(cron="15 3 * * 1-5"), "2026-07-16T03:15", "2026-07-21T03:15"),
        # 22:00, when the window opens, 22:30 and 23:30.
        (
            Plan(
                every=timedelta(hours=1),
                window=Window(opens=time(22), closes=time(6)),
            ),
            "2026-07-16T05:30",
            "2026-07-16T23:30",
        ),
    ],
)
def test_prices_are_stale_at_the_third_slot(plan: Plan, read_at: str, stale: str) -> None:
    """Counted by the provider's own plan, not by a number of hours for all."""
    assert utc(stale) == stale_at(plan, "xai", utc(read_at))
