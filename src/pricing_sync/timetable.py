"""When providers are due: arithmetic on instants, all of them in UTC.

`every` follows real time. `cron` and the window follow the wall clock of the plan's time zone. On
the two days of a year on which that clock changes:

- A slot at a time that is skipped is due at the first instant after the gap, together with any
  other slot of that instant: `30 2 * * *` in Berlin is due at 03:00 in spring.
- A slot at a time that repeats is due once, the first time: 02:30 summer time in autumn. A cron
  with several slots an hour has no slot while the hour repeats; `every` has.
- The window is open whenever the wall clock shows a time within it, both times if it repeats.

Debian's cron has the first two rules for jobs at a set time. It treats an hour field that begins
with a star differently. So does cronsim, which also loses slots where the clock changes by half an
hour, and goes back in time from within a repeated hour (2.8, read 2026-11). Therefore cronsim is
given a wall clock without a time zone here, and the zone is applied to its results.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from hashlib import sha256
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)

#: A provider is fresh, and a restart does not read it again, if it was read within this time …
_FRESH = timedelta(minutes=15)
#: … and within its interval divided by this number.
_FRESH_SHARE = 4

#: A provider is stale when this many of its slots have passed since it was read.
_STALE_SLOTS = 3

#: The largest error of a clock that is expected. A stored due instant is ignored if the clock that
#: wrote it was further ahead than this.
_CLOCK_ERROR = timedelta(hours=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How a failed reading is retried before the next regular slot."""

    initial: timedelta = timedelta(seconds=60)
    #: Each wait is the previous one times this factor, up to `longest`.
    factor: float = 2
    longest: timedelta = timedelta(hours=1)
    #: Retries in a row. After the last one, the next regular slot is used.
    attempts: int = 8
    #: The random share of the wait: 0 for none of it, 1 for all of it.
    jitter: float = 1

    def __post_init__(self) -> None:
        if self.initial <= timedelta(0):
            raise ValueError(f"retry: initial {self.initial} is not above zero")
        if self.longest < self.initial:
            raise ValueError(f"retry: longest {self.longest} is below initial {self.initial}")
        if not 1 <= self.factor < math.inf:
            raise ValueError(f"retry: factor {self.factor} is not a number of at least 1")
        if self.attempts < 0:
            raise ValueError(f"retry: attempts {self.attempts} is below zero")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"retry: jitter {self.jitter} is not within 0 to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The hours of a day in which a provider may be read, by the wall clock of the plan's zone.

    From *opens* (inclusive) to *closes* (exclusive). If *closes* is earlier than *opens*, the
    window includes midnight. Equal times mean the whole day.
    """

    opens: time
    closes: time

    def __post_init__(self) -> None:
        for edge in (self.opens, self.closes):
            if edge.second or edge.microsecond or edge.tzinfo is not None:
                raise ValueError(f"window: {edge.isoformat()} is not a plain HH:MM")

    def __str__(self) -> str:
        return f"{self.opens:%H:%M}-{self.closes:%H:%M}"

    def contains(self, wall: time) -> bool:
        if self.opens < self.closes:
            return self.opens <= wall < self.closes
        return wall >= self.opens or wall < self.closes


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """When one provider is read.

    Raises:
        ValueError: a field is out of its range, the zone is unknown, or the cron expression cannot
            be read or never matches. The text names the field, not the provider.
    """

    #: The real time between two slots, at least a second.
    every: timedelta = timedelta(hours=6)
    #: A cron expression of five fields, used instead of `every`.
    cron: str | None = None
    #: The time zone of `cron` and `window`.
    time_zone: str = "UTC"
    window: Window | None = None
    #: A reading is due at most this time after its slot.
    jitter: timedelta = timedelta(0)
    #: Providers with a higher number are read first.
    priority: int = 0
    retry: Retry = Retry()
    dry_run: bool = False

    def __post_init__(self) -> None:
        _check_zone(self.time_zone)
        if self.cron is not None:
            _check_cron(self.cron)
        elif self.every < timedelta(seconds=1):
            raise ValueError(f"every: {self.every} is below a second")
        elif self.jitter >= self.every:
            raise ValueError(f"jitter: {self.jitter} is not below every {self.every}")
        if self.jitter < timedelta(0):
            raise ValueError(f"jitter: {self.jitter} is below zero")

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def fingerprint(self) -> str:
        """A text that is equal for plans that are due at the same instants. It may be stored."""
        slots = f"every {self.every}" if self.cron is None else f"cron {self.cron}"
        window = "always" if self.window is None else str(self.window)
        return "; ".join((" ".join(slots.split()), self.time_zone, window, f"jitter {self.jitter}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """The stored state of one provider's schedule between two readings."""

    provider: str
    #: The fingerprint of the plan from which `due_at` was computed.
    plan: str
    #: One slot of `every`. The others are whole intervals before or after it.
    anchor_at: datetime
    due_at: datetime
    #: None while no retry is pending.
    retry_at: datetime | None = None
    #: Failed readings in a row.
    failures: int = 0

    @property
    def at(self) -> datetime:
        """The earlier of `due_at` and `retry_at`."""
        return self.due_at if self.retry_at is None else min(self.due_at, self.retry_at)


def next_due(plan: Plan, provider: str, after: datetime, anchor: datetime) -> datetime:
    """The due instant of the first slot that is later than *after*.

    The slots of `every` are *anchor* and all instants whole intervals before or after it. A slot
    outside the window moves to the next opening, where several slots may become one. The due
    instant is within `jitter` after the slot and before the window closes. The jitter is computed
    from a digest of provider and slot, so it is the same after a restart and differs between
    providers.

    Missed slots are not made up for. The caller passes as *after* the present, or the due instant
    that was just served if that is later: then a clock that was set back serves no slot twice.
    """
    if plan.cron is None:
        slot = _every_slot(plan.every, after, anchor)
    else:
        slot = _cron_slot(plan.cron, plan.zone, after)
    slot = next_opening(plan, slot)
    return slot + _jitter(provider, slot, _longest_jitter(plan, slot))


def first_due(
    plan: Plan,
    provider: str,
    *,
    started_at: datetime,
    delay: timedelta,
    last_success: datetime | None,
    last_attempt: datetime | None,
    stored: Due | None,
) -> datetime:
    """When a scheduler that started at *started_at* first reads a provider.

    - Never before *delay* has passed, and never outside the window.
    - With `every`: after the delay, unless the provider is fresh: read within the last 15 minutes
      and within the last quarter of its interval. A fresh provider is read at its stored due
      instant, or at the next slot if none is stored or the plan has changed.
    - With `cron`: at the stored due instant or the next slot, as a fresh provider. After the delay
      if the provider was never read, or has not been read since a stored due instant that passed.
    - A pending retry stays pending. A provider whose last attempt did not succeed is not read for
      15 minutes (or a quarter of its interval, if shorter) unless a retry is pending earlier. So a
      process that crashes in each reading and is restarted does not flood the provider.

    Instants in the future were written by a clock that was ahead. They cause no longer delay than
    those 15 minutes.

    Args:
        last_attempt: When the last reading began, with any outcome.
    """
    start = started_at + delay
    due = start
    if not _is_due_at_start(plan, started_at, last_success, stored):
        due = _stored_due(plan, provider, started_at, stored) or next_due(
            plan, provider, started_at, _anchor(stored, last_success, started_at)
        )
    rest_end = _rest_end(plan, started_at, last_success, last_attempt)
    if stored is not None and stored.retry_at is not None:
        due = min(due, stored.retry_at)
        rest_end = min(rest_end, stored.retry_at)
    return next_opening(plan, max(start, due, rest_end))


def retry_at(
    plan: Plan,
    failures: int,
    now: datetime,
    chance: float,
    retry_after_seconds: float | None = None,
) -> datetime | None:
    """When a reading that has failed *failures* times in a row is retried; 1 is the first failure.

    None when no retry is left. Then the provider is read at the next regular slot.

    Args:
        chance: A random number from 0 to 1.
        retry_after_seconds: The provider's `Retry-After`. It may exceed the plan's longest wait.
    """
    retry = plan.retry
    if failures > retry.attempts:
        return None
    wait = _backoff(retry, failures)
    if plan.cron is None:
        wait = min(wait, plan.every)
    wait *= 1 - retry.jitter + retry.jitter * chance
    return next_opening(plan, now + max(wait, _SECOND, timedelta(seconds=retry_after_seconds or 0)))


@lru_cache(maxsize=1024)  # every scrape of the metrics asks for each provider
def stale_at(plan: Plan, provider: str, last_success: datetime) -> datetime:
    """When the prices of a provider count as stale: at its third slot after the last success."""
    at = last_success
    for _ in range(_STALE_SLOTS):
        at = next_due(plan, provider, at, last_success)
    return at


def is_open(plan: Plan, at: datetime) -> bool:
    """Whether *at* is in the plan's window. A plan without a window is always open."""
    return plan.window is None or plan.window.contains(_wall(plan.zone, at).time())


def next_opening(plan: Plan, at: datetime) -> datetime:
    """The first instant from *at* on that is in the window: *at* itself if the window is open."""
    if plan.window is None:
        return at
    return _first_within(plan.window, plan.zone, at)


def _check_zone(key: str) -> None:
    try:
        ZoneInfo(key)
    # "", "Mars/Base" and "America" (a folder) raise different errors.
    except (ValueError, LookupError, OSError) as error:
        raise ValueError(
            f"time_zone: {key!r} is not a known zone, such as Europe/Berlin"
        ) from error


def _check_cron(cron: str) -> None:
    fields = len(cron.split())
    if fields != 5:
        raise ValueError(f"cron: {cron!r} has {fields} fields, not 5")
    try:
        next(CronSim(cron, datetime(2000, 1, 1)))  # noqa: DTZ001  a wall clock
    except CronSimError as error:
        raise ValueError(f"cron: {cron!r}: {error}") from error
    except StopIteration as error:
        raise ValueError(f"cron: {cron!r} never comes true") from error


def _every_slot(every: timedelta, after: datetime, anchor: datetime) -> datetime:
    return anchor + ((after - anchor) // every + 1) * every


def _cron_slot(cron: str, zone: ZoneInfo, after: datetime) -> datetime:
    walls = CronSim(cron, _wall(zone, after))
    # While an hour repeats, the next slot of the wall clock may have been served the first time.
    return next(slot for slot in (_instant(zone, wall) for wall in walls) if slot > after)


def _wall(zone: ZoneInfo, at: datetime) -> datetime:
    """The time on the wall clock of the zone."""
    return at.astimezone(zone).replace(tzinfo=None)


def _instant(zone: ZoneInfo, wall: datetime) -> datetime:
    """The first instant at which the wall clock shows *wall*, or the end of the gap over it."""
    while True:
        at = wall.replace(tzinfo=zone).astimezone(UTC)
        if _wall(zone, at) == wall:
            return at
        wall += _MINUTE


def _first_within(window: Window, zone: ZoneInfo, at: datetime) -> datetime:
    while not window.contains((wall := _wall(zone, at)).time()):
        opening = at + (datetime.combine(wall, window.opens) - wall) % _DAY
        if opening.astimezone(zone).utcoffset() == at.astimezone(zone).utcoffset():
            return opening
        # The clock changes before the opening, perhaps into the window: check every minute.
        at = at.replace(second=0, microsecond=0) + _MINUTE
    return at


def _longest_jitter(plan: Plan, slot: datetime) -> timedelta:
    """The jitter of the plan, cut off where the window that contains *slot* closes."""
    if plan.window is None or plan.window.opens == plan.window.closes:
        return plan.jitter
    closed = Window(opens=plan.window.closes, closes=plan.window.opens)
    return min(plan.jitter, _first_within(closed, plan.zone, slot) - slot)


def _jitter(provider: str, slot: datetime, longest: timedelta) -> timedelta:
    """From zero (inclusive) to *longest* (exclusive), evenly over providers and slots."""
    digest = sha256(f"{provider} {slot.isoformat()}".encode()).digest()
    microseconds = longest // timedelta(microseconds=1)
    return timedelta(microseconds=microseconds * int.from_bytes(digest[:8], "big") >> 64)


def _is_due_at_start(
    plan: Plan, started_at: datetime, last_success: datetime | None, stored: Due | None
) -> bool:
    """Whether a provider is read after the start without waiting for its next slot."""
    if last_success is None:
        return True
    if plan.cron is None:
        return not timedelta(0) <= started_at - last_success < _fresh_for(plan)
    return stored is not None and last_success < stored.due_at <= started_at


def _fresh_for(plan: Plan) -> timedelta:
    """For how long after a reading a restart does not read the provider again."""
    return _FRESH if plan.cron is not None else min(_FRESH, plan.every / _FRESH_SHARE)


def _stored_due(
    plan: Plan, provider: str, started_at: datetime, stored: Due | None
) -> datetime | None:
    """The stored due instant, if it is in the future and plausible for this plan; else None."""
    if stored is None or stored.plan != plan.fingerprint() or stored.due_at <= started_at:
        return None
    farthest = next_due(plan, provider, started_at + _CLOCK_ERROR, stored.anchor_at)
    return stored.due_at if stored.due_at <= farthest else None


def _anchor(stored: Due | None, last_success: datetime | None, started_at: datetime) -> datetime:
    return stored.anchor_at if stored is not None else last_success or started_at


def _rest_end(
    plan: Plan,
    started_at: datetime,
    last_success: datetime | None,
    last_attempt: datetime | None,
) -> datetime:
    """The first instant at which a provider may be read again after an attempt that failed."""
    if last_attempt is None or (last_success is not None and last_success >= last_attempt):
        return started_at
    return min(last_attempt, started_at) + _fresh_for(plan)


def _backoff(retry: Retry, failures: int) -> timedelta:
    try:
        return min(retry.longest, retry.initial * retry.factor ** (failures - 1))
    except OverflowError:
        return retry.longest
