"""When providers are due: arithmetic on instants, in UTC from end to end.

Real time rules `every`; the clock on the wall of the zone rules `cron` and the window. On the two
days on which that clock is changed:

- A slot at a time that is skipped comes at the first instant after the gap, together with whatever
  is due then: `30 2 * * *` in Berlin is due at 03:00 in spring.
- A slot at a time that repeats comes once, the first time: 02:30 summer time in autumn. A cron of
  several slots an hour rests while the hour repeats. `every` does not.
- The window is open whenever the wall clock reads a time within it, both times when that repeats.

The first two are what Debian's cron does with jobs at a set time. It treats an hour field that
begins with a star differently, and so does cronsim, which on top of that loses slots where the
clock is changed by half an hour, and goes back in time from within a repeated hour (2.8, read
2026-11). So cronsim here reads a wall clock that knows no zone; the zone is applied to its words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)

#: A provider that was read this recently is not read again only because of a restart …
_FRESH = timedelta(minutes=15)
#: … nor one that was read within this share of its interval.
_FRESH_SHARE = 4

#: A clock may have been wrong by so much. A due instant that was written by one that was further
#: ahead than this is not waited for.
_CLOCK_ERROR = timedelta(hours=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How a failed reading is tried again before the next regular slot."""

    initial: timedelta = timedelta(seconds=60)
    #: Each wait is so many times the one before, up to `longest`.
    factor: float = 2
    longest: timedelta = timedelta(hours=1)
    #: In a row; after that the next regular slot.
    attempts: int = 8
    #: The share of the wait that is left to chance: 0 none, 1 all of it.
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

    From *opens* (inclusive) to *closes* (exclusive), over midnight when it closes before it opens.
    Equal times are the whole day.
    """

    opens: time
    closes: time

    def __post_init__(self) -> None:
        for edge in (self.opens, self.closes):
            if edge.second or edge.microsecond or edge.tzinfo is not None:
                raise ValueError(f"window: {edge.isoformat()} is not a plain HH:MM")

    def __str__(self) -> str:
        return f"{self.opens:%H:%M}-{self.closes:%H:%M}"

    def has(self, wall: time) -> bool:
        if self.opens < self.closes:
            return self.opens <= wall < self.closes
        return wall >= self.opens or wall < self.closes


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """When one provider is read.

    Raises:
        ValueError: a part is out of its range, the zone is unknown, or the cron expression cannot
            be read or never comes true. The text names the part, not the provider.
    """

    #: In real time, at least a second.
    every: timedelta = timedelta(hours=6)
    #: Five fields, instead of `every`.
    cron: str | None = None
    #: Of `cron` and `window`.
    time_zone: str = "UTC"
    window: Window | None = None
    #: A slot is due up to so much later.
    jitter: timedelta = timedelta(0)
    #: Higher goes first.
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
        """A text that two plans share if they are due at the same instants; it may be stored."""
        slots = f"every {self.every}" if self.cron is None else f"cron {self.cron}"
        window = "always" if self.window is None else str(self.window)
        return "; ".join((" ".join(slots.split()), self.time_zone, window, f"jitter {self.jitter}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What is kept of one provider between two readings."""

    provider: str
    #: The fingerprint of the plan by which `due_at` was worked out.
    plan: str
    #: A slot of `every`, from which the others are counted.
    anchor_at: datetime
    due_at: datetime
    #: None while no retry is pending.
    retry_at: datetime | None = None
    #: In a row.
    failures: int = 0

    @property
    def at(self) -> datetime:
        """The earlier of `due_at` and `retry_at`."""
        return self.due_at if self.retry_at is None else min(self.due_at, self.retry_at)


def next_due(plan: Plan, provider: str, after: datetime, anchor: datetime) -> datetime:
    """The first due instant that follows from a slot later than *after*, and so is later itself.

    The slots of `every` are *anchor* and what lies whole intervals from it, before or after. A slot
    outside the window moves to its next opening, where several may meet. From there it is due
    within `jitter`, but before the window closes: how much later is told by a digest of provider
    and slot, so it survives a restart and differs between providers.

    Slots before *after* are not made up for. *after* is the present, or the due instant that was
    just served if that is later: then a clock that was set back serves no slot twice.
    """
    if plan.cron is None:
        slot = _every_slot(plan.every, after, anchor)
    else:
        slot = _cron_slot(plan.cron, plan.zone, after)
    slot = next_opening(plan, slot)
    return slot + _share(provider, slot, _leeway(plan, slot))


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
    """When a scheduler that started at *started_at* first reads a provider: after *delay* or later.

    - By `every`: after the delay, unless the provider was read in the last 15 minutes or quarter of
      its interval. Then, and by `cron` in any case, at the stored due instant; at the next slot
      if there is none, or the plan has changed.
    - By `cron` after the delay nevertheless if the provider was never read, or the stored due
      instant has passed unserved.
    - A pending retry outlives the restart. A provider whose last attempt did not succeed rests for
      those 15 minutes unless a retry is pending earlier: whoever dies of a reading and is started
      again does not hammer it.
    - Not outside the window.

    Times in the future come from a clock that was ahead, and hold nothing up for longer than that.

    Args:
        last_attempt: When it last began to be read, whatever became of that.
    """
    start = started_at + delay
    due = start
    if not _is_wanted(plan, started_at, last_success, stored):
        due = _kept(plan, provider, started_at, stored) or next_due(
            plan, provider, started_at, _anchor(stored, last_success, started_at)
        )
    rested = _rested(plan, started_at, last_success, last_attempt)
    if stored is not None and stored.retry_at is not None:
        due = min(due, stored.retry_at)
        rested = min(rested, stored.retry_at)
    return next_opening(plan, max(start, due, rested))


def retry_at(
    plan: Plan, failures: int, now: datetime, chance: float, asked_seconds: float | None = None
) -> datetime | None:
    """When a reading is tried again that has failed *failures* times in a row, 1 for the first.

    None when no attempt is left: then the next regular slot is its turn.

    Args:
        chance: From 0 to 1, drawn by the caller.
        asked_seconds: What the provider asked for (`Retry-After`); it may exceed the longest wait.
    """
    retry = plan.retry
    if failures > retry.attempts:
        return None
    wait = _backoff(retry, failures)
    if plan.cron is None:
        wait = min(wait, plan.every)
    wait *= 1 - retry.jitter + retry.jitter * chance
    return next_opening(plan, now + max(wait, _SECOND, timedelta(seconds=asked_seconds or 0)))


def is_open(plan: Plan, at: datetime) -> bool:
    """Whether *at* lies in the plan's window; always, without one."""
    return plan.window is None or plan.window.has(_wall(plan.zone, at).time())


def next_opening(plan: Plan, at: datetime) -> datetime:
    """The first instant from *at* on that lies in the window: *at* itself when it is open."""
    if plan.window is None:
        return at
    return _first_within(plan.window, plan.zone, at)


def _check_zone(key: str) -> None:
    try:
        ZoneInfo(key)
    # "", "Mars/Base" and "America", which is a folder, each fail in their own way.
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
    # While an hour repeats, what the wall clock comes to next may have been served the first time.
    return next(slot for slot in (_instant(zone, wall) for wall in walls) if slot > after)


def _wall(zone: ZoneInfo, at: datetime) -> datetime:
    """What the clock on the wall reads."""
    return at.astimezone(zone).replace(tzinfo=None)


def _instant(zone: ZoneInfo, wall: datetime) -> datetime:
    """The first instant at which the wall clock reads *wall*, or after the gap that skips it."""
    while True:
        at = wall.replace(tzinfo=zone).astimezone(UTC)
        if _wall(zone, at) == wall:
            return at
        wall += _MINUTE


def _first_within(window: Window, zone: ZoneInfo, at: datetime) -> datetime:
    while not window.has((wall := _wall(zone, at)).time()):
        opening = at + (datetime.combine(wall, window.opens) - wall) % _DAY
        if opening.astimezone(zone).utcoffset() == at.astimezone(zone).utcoffset():
            return opening
        # The clock is changed on the way, perhaps into the window: look at every minute.
        at = at.replace(second=0, microsecond=0) + _MINUTE
    return at


def _leeway(plan: Plan, slot: datetime) -> timedelta:
    """How much later than *slot*, which is in the window, it may be due."""
    if plan.window is None or plan.window.opens == plan.window.closes:
        return plan.jitter
    shut = Window(opens=plan.window.closes, closes=plan.window.opens)
    return min(plan.jitter, _first_within(shut, plan.zone, slot) - slot)


def _share(provider: str, slot: datetime, leeway: timedelta) -> timedelta:
    """From zero up to but not including *leeway*, evenly over providers and slots."""
    digest = sha256(f"{provider} {slot.isoformat()}".encode()).digest()
    microseconds = leeway // timedelta(microseconds=1)
    return timedelta(microseconds=microseconds * int.from_bytes(digest[:8], "big") >> 64)


def _is_wanted(
    plan: Plan, started_at: datetime, last_success: datetime | None, stored: Due | None
) -> bool:
    """Whether a provider is read because of the start, without waiting for its slot."""
    if last_success is None:
        return True
    if plan.cron is None:
        return not timedelta(0) <= started_at - last_success < _quiet(plan)
    return stored is not None and last_success < stored.due_at <= started_at


def _quiet(plan: Plan) -> timedelta:
    """For how long a provider that was read is left alone by whoever starts."""
    return _FRESH if plan.cron is not None else min(_FRESH, plan.every / _FRESH_SHARE)


def _kept(plan: Plan, provider: str, started_at: datetime, stored: Due | None) -> datetime | None:
    """The stored due instant, if it is to come and the same plan would say so."""
    if stored is None or stored.plan != plan.fingerprint() or stored.due_at <= started_at:
        return None
    farthest = next_due(plan, provider, started_at + _CLOCK_ERROR, stored.anchor_at)
    return stored.due_at if stored.due_at <= farthest else None


def _anchor(stored: Due | None, last_success: datetime | None, started_at: datetime) -> datetime:
    return stored.anchor_at if stored is not None else last_success or started_at


def _rested(
    plan: Plan,
    started_at: datetime,
    last_success: datetime | None,
    last_attempt: datetime | None,
) -> datetime:
    """When a provider whose last attempt came to nothing has been left alone for long enough."""
    if last_attempt is None or (last_success is not None and last_success >= last_attempt):
        return started_at
    return min(last_attempt, started_at) + _quiet(plan)


def _backoff(retry: Retry, failures: int) -> timedelta:
    try:
        return min(retry.longest, retry.initial * retry.factor ** (failures - 1))
    except OverflowError:
        return retry.longest
