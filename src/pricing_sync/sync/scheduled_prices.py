"""What a reading does to the prices that its provider publishes for later. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from pricing_sync.changes.diff import Change, Known, Stored
from pricing_sync.changes.held import HeldChange
from pricing_sync.changes.plan import ChangePlan, plan_unchanged
from pricing_sync.changes.run import Reading
from pricing_sync.changes.scheduled import Key, ScheduledPlan, carry_on, plan_scheduled
from pricing_sync.prices.rates import Answer

#: The reasons to hold each change of one later day, by model. Given are the changes, the models as
#: the reading leaves them, and the changes of that day that are held already, by model.
JudgeDay: TypeAlias = Callable[
    [Sequence[Change], Mapping[str, Stored], Mapping[str, HeldChange]],
    Mapping[str, Sequence[str]],
]


def plan_later(
    reading: Reading,
    answer: Answer,
    stored: Mapping[str, Stored],
    plan: ChangePlan,
    judge_day: JudgeDay,
    *,
    held: Mapping[Key, HeldChange],
    rejected: Collection[Change],
) -> ScheduledPlan:
    """The plan for what is published for later, beside *plan* for what holds now.

    Each instant is judged like a reading of its own, by the same rules.
    """
    if not answer.scheduled and not held and not any(one.scheduled for one in stored.values()):
        return ScheduledPlan()
    in_force = _in_force(stored, plan)
    # A first reading has no other models to compare with than its own.
    after = {model: Stored(listing) for model, listing in in_force.items() if listing is not None}

    def judge(changes: Sequence[Change]) -> Mapping[str, Sequence[str]]:
        starts_at = changes[0].starts_at
        waiting = {model: item for (model, start), item in held.items() if start == starts_at}
        return judge_day(changes, after, waiting)

    return plan_scheduled(
        reading,
        stored,
        answer,
        in_force,
        judge,
        replaced={change.model for change in plan.apply},
        open_held=held,
        rejected=rejected,
        held_now=len(plan.hold),
    )


def plan_same_bytes(
    at: datetime,
    missing: Sequence[str],
    releasable: Sequence[HeldChange],
    stored: Mapping[str, Stored],
) -> ChangePlan:
    """The plan for an answer with the same bytes as the last one, which is not decoded.

    What is scheduled stays so. What was held for a day that has come is not released: the answer is
    decoded on that day, see `Review.has_begun_unseen`.
    """
    now = [item for item in releasable if item.change.starts_at is None]
    later = [item for item in releasable if item.change.starts_at and item.change.starts_at > at]
    plan = plan_unchanged(missing, now)
    before = {model: known.scheduled for model, known in stored.items() if known.scheduled}
    if not before and not later:
        return plan
    scheduled = carry_on(
        before,
        in_force=_in_force(stored, plan),
        replaced={item.change.model for item in now},
        retired=missing,
        released=later,
    )
    return replace(plan, scheduled=scheduled)


def _in_force(stored: Mapping[str, Stored], plan: ChangePlan) -> dict[str, Known | None]:
    """The listing of each model after a reading; None for one that is retired."""
    found = {model: known.listing for model, known in stored.items() if known.retired_at is None}
    found |= {change.model: change.new for change in plan.apply}
    return found | dict.fromkeys(plan.retire)
