"""What a reading does to the prices that its provider publishes for later."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from pricing_sync.changes.diff import Change, Known, Stored
from pricing_sync.changes.plan import ChangePlan, plan_unchanged
from pricing_sync.changes.scheduled import ScheduledPlan, carry_on, key_of, plan_scheduled
from pricing_sync.gate import Thresholds
from pricing_sync.prices.rates import Answer
from pricing_sync.sources.provider import Provider
from pricing_sync.store.review import HeldChange
from pricing_sync.store.store import Store
from pricing_sync.sync.gate_context import judge_reading


def plan_later(
    provider: Provider,
    at: datetime,
    answer: Answer,
    stored: Mapping[str, Stored],
    plan: ChangePlan,
    store: Store,
    *,
    rejected: Collection[Change],
    thresholds: Thresholds | None,
    free: Collection[str],
) -> ScheduledPlan:
    """The plan for what is published for later, beside *plan* for what holds now.

    Each instant is judged like a reading of its own, by the same rules.
    """
    held = {key_of(item.change): item for item in held_later(store.review.held(provider.id))}
    if not answer.scheduled and not held and not any(one.scheduled for one in stored.values()):
        return ScheduledPlan()

    def judge(changes: Sequence[Change]) -> Mapping[str, Sequence[str]]:
        starts_at = changes[0].starts_at
        waiting = {model: item for (model, start), item in held.items() if start == starts_at}
        found = judge_reading(provider, at, changes, after, waiting, store, thresholds, free)
        return found.reasons

    in_force = _in_force(stored, plan)
    # A first reading has no other models to compare with than its own.
    after = {model: Stored(listing) for model, listing in in_force.items() if listing is not None}

    return plan_scheduled(
        stored,
        answer,
        in_force,
        judge,
        replaced={change.model for change in plan.apply},
        open_held={key: item.change for key, item in held.items()},
        rejected=rejected,
    )


def plan_same_bytes(
    at: datetime, missing: Sequence[str], releasable: Sequence[Change], provider: str, store: Store
) -> ChangePlan:
    """The plan for an answer with the same bytes as the last one, which is not decoded.

    What is scheduled stays so. What was held for a day that has come is not released: the answer is
    decoded on that day, see `ScheduledCards.has_begun_unseen`.
    """
    now = [change for change in releasable if change.starts_at is None]
    later = [change for change in releasable if change.starts_at and change.starts_at > at]
    plan = plan_unchanged(missing, now)
    before = store.scheduled.timelines(provider, at)
    if not before and not later:
        return plan
    scheduled = carry_on(
        before,
        in_force=_in_force(store.known_models(provider, at), plan),
        replaced={change.model for change in now},
        retired=missing,
        released=later,
    )
    return replace(plan, scheduled=scheduled)


def held_later(items: Iterable[HeldChange]) -> list[HeldChange]:
    """The held changes of later days."""
    return [item for item in items if item.change.starts_at is not None]


def _in_force(stored: Mapping[str, Stored], plan: ChangePlan) -> dict[str, Known | None]:
    """The listing of each model after a reading; None for one that is retired."""
    found = {model: known.listing for model, known in stored.items() if known.retired_at is None}
    found |= {change.model: change.new for change in plan.apply}
    return found | dict.fromkeys(plan.retire)
