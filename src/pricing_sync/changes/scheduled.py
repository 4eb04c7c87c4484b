"""The plan for prices that are published for later. Timelines and verdicts in, a plan out.

A timeline is what a model's later listings are, the next one first. The gate judges each of them
when it is published, as the change of the listing before it that it will be. While one is held,
what was scheduled for its instant before stays.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from pricing_sync.changes.diff import Change, Kind, Known, Stored
from pricing_sync.changes.held import HeldChange
from pricing_sync.changes.run import Reading
from pricing_sync.prices.rates import Answer, Scheduled, Unreadable

Timeline: TypeAlias = tuple[Scheduled, ...]
#: A model and the instant for which something is scheduled.
Key: TypeAlias = tuple[str, datetime]
#: The names of the rules that hold each change, by model. All changes are of one instant.
Judge: TypeAlias = Callable[[Sequence[Change]], Mapping[str, Sequence[str]]]


@dataclass(frozen=True, slots=True)
class ScheduledPlan:
    """What one reading does to the prices of later."""

    #: The timeline of each model with a later listing, before or after the reading, if its timeline
    #: or its listing in force changes.
    timelines: Mapping[str, Timeline] = field(default_factory=dict)
    #: The listings that were not scheduled before, as the changes that they will be.
    added: Sequence[Change] = ()
    #: What was scheduled and is no longer.
    withdrawn: Sequence[Key] = ()
    #: Changes that are newly held, and those that were held already and are the same; those that
    #: the source no longer publishes; those that were held long enough.
    hold: Sequence[HeldChange] = ()
    still_held: Sequence[HeldChange] = ()
    lapsed: Sequence[HeldChange] = ()
    released: Sequence[HeldChange] = ()

    def counts(self) -> dict[str, int]:
        """The number of listings by what is done with them, without what there is none of."""
        counts = {
            "scheduled": len(self.added),
            "withdrawn": len(self.withdrawn),
            "scheduled_held": len(self.hold) + len(self.still_held),
        }
        return {name: count for name, count in counts.items() if count}


def plan_scheduled(
    reading: Reading,
    stored: Mapping[str, Stored],
    answer: Answer,
    in_force: Mapping[str, Known | None],
    judge: Judge,
    *,
    replaced: Collection[str] = (),
    open_held: Mapping[Key, HeldChange],
    rejected: Collection[Change] = (),
    held_now: int = 0,
) -> ScheduledPlan:
    """The plan for a complete answer.

    A model that the answer lacks, or lists in a way that cannot be read, keeps its timeline. What a
    source no longer schedules is withdrawn at once: the price in force was judged already.

    Args:
        in_force: The listing of each model after the reading; None for one that it retires.
        replaced: The models whose listing in force the reading replaces.
        held_now: The number of changes of the listing in force that the reading newly holds.
    """
    before = {model: known.scheduled for model, known in stored.items() if known.scheduled}
    stated = {
        model: answer.scheduled.get(model, ())
        for model in dict.fromkeys((*answer.scheduled, *before, *(model for model, _ in open_held)))
        if _is_read(answer, model)
    }
    found: dict[str, dict[datetime, Known]] = {
        model: _kept(before.get(model, ()), published) for model, published in stated.items()
    }
    added: list[Change] = []
    hold: list[HeldChange] = []
    still_held: list[HeldChange] = []
    for starts_at in _new_instants(before, stated):
        changes = [
            change
            for change in _changes_at(starts_at, before, stated, found, in_force)
            if change not in rejected
        ]
        reasons = judge(changes) if changes else {}
        for change in changes:
            why = tuple(reasons.get(change.model, ()))
            if not why:
                _put(found[change.model], starts_at, change.new)
                added.append(change)
            elif (item := open_held.get(key_of(change))) and item.change == change:
                still_held.append(replace(item, reasons=why))
            else:
                hold.append(HeldChange.of(reading, held_now + len(hold), change, why, item))
    after = {model: _timeline(found[model], in_force.get(model)) for model in stated}
    gone = [model for model in before if in_force.get(model) is None]
    after |= dict.fromkeys(gone, ())
    released = [
        item
        for change in added
        if (item := open_held.get(key_of(change))) and item.change == change
    ]
    kept = {item.id for item in (*released, *still_held)}
    return ScheduledPlan(
        timelines=_changed_timelines(before, after, replaced),
        added=added,
        withdrawn=_withdrawn(before, after),
        hold=hold,
        still_held=still_held,
        lapsed=[
            item
            for (model, _), item in open_held.items()
            if (model in stated or model in gone) and item.id not in kept
        ],
        released=released,
    )


def carry_on(
    before: Mapping[str, Timeline],
    *,
    in_force: Mapping[str, Known | None],
    replaced: Collection[str] = (),
    retired: Collection[str] = (),
    released: Sequence[HeldChange] = (),
) -> ScheduledPlan:
    """The plan for an answer that is not decoded, as its bytes are those of the last one."""
    after = dict(before) | dict.fromkeys((model for model in retired if model in before), ())
    changes = [item.change for item in released]
    after |= timelines_with(before, in_force, changes)
    return ScheduledPlan(
        timelines=_changed_timelines(before, after, replaced),
        added=changes,
        withdrawn=_withdrawn(before, after),
        released=released,
    )


def timelines_with(
    before: Mapping[str, Timeline], in_force: Mapping[str, Known | None], changes: Sequence[Change]
) -> dict[str, Timeline]:
    """The timelines of the models of *changes*, with these changes in them."""
    found = {change.model: _kept(before.get(change.model, ()), None) for change in changes}
    for change in changes:
        _put(found[change.model], key_of(change)[1], change.new)
    return {model: _timeline(entries, in_force.get(model)) for model, entries in found.items()}


def preceding(
    timeline: Iterable[Scheduled], starts_at: datetime, in_force: Known | None
) -> Known | None:
    """The listing that is in force just before an instant."""
    earlier = [one for one in timeline if one.since < starts_at]
    return known_listing(earlier[-1]) if earlier else in_force


def known_listing(one: Scheduled) -> Known:
    """The listing of an entry. One that cannot be read is never scheduled."""
    assert not isinstance(one.listing, Unreadable)  # noqa: S101  `read_answer` leaves them out
    return one.listing


def key_of(change: Change) -> Key:
    """The model and the instant of a change of a later day."""
    assert change.starts_at is not None  # noqa: S101  a change of a later day
    return change.model, change.starts_at


def _is_read(answer: Answer, model: str) -> bool:
    listing = answer.listings.get(model)
    return listing is not None and not isinstance(listing, Unreadable)


def _kept(before: Timeline, published: Timeline | None) -> dict[datetime, Known]:
    """The stored entries of the instants that are published still; all if *published* is None.

    One with another listing now stays until that has passed the gate.
    """
    stated = None if published is None else {one.since for one in published}
    return {
        one.since: known_listing(one) for one in before if stated is None or one.since in stated
    }


def _new_instants(before: Mapping[str, Timeline], stated: Mapping[str, Timeline]) -> list[datetime]:
    """The instants for which something is published that is not scheduled, the next one first."""
    return sorted(
        {
            one.since
            for model, published in stated.items()
            for one in published
            if one not in before.get(model, ())
        }
    )


def _changes_at(
    starts_at: datetime,
    before: Mapping[str, Timeline],
    stated: Mapping[str, Timeline],
    found: Mapping[str, Mapping[datetime, Known]],
    in_force: Mapping[str, Known | None],
) -> Iterator[Change]:
    for model, published in stated.items():
        for one in published:
            if one.since != starts_at or one in before.get(model, ()):
                continue
            old = preceding(_entries(found[model]), starts_at, in_force.get(model))
            if old != one.listing:
                yield Change(model, Kind.SCHEDULED, old, known_listing(one), starts_at)


def _put(entries: dict[datetime, Known], starts_at: datetime, listing: Known | None) -> None:
    if listing is not None:
        entries[starts_at] = listing


def _entries(found: Mapping[datetime, Known]) -> list[Scheduled]:
    return [Scheduled(since, found[since]) for since in sorted(found)]


def _timeline(found: Mapping[datetime, Known], in_force: Known | None) -> Timeline:
    """The entries, without those that change nothing."""
    entries = _entries(found)
    return tuple(
        one
        for index, one in enumerate(entries)
        if one.listing != (entries[index - 1].listing if index else in_force)
    )


def _changed_timelines(
    before: Mapping[str, Timeline], after: Mapping[str, Timeline], replaced: Collection[str]
) -> dict[str, Timeline]:
    return {
        model: timeline
        for model, timeline in after.items()
        if timeline != before.get(model, ()) or (timeline and model in replaced)
    }


def _withdrawn(before: Mapping[str, Timeline], after: Mapping[str, Timeline]) -> list[Key]:
    """What was scheduled for an instant at which nothing is scheduled any more."""
    return [
        (model, one.since)
        for model, timeline in before.items()
        for one in timeline
        if model in after and one.since not in {later.since for later in after[model]}
    ]
