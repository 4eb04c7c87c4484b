"""The plan for the changes of one reading. Changes and their verdicts in, a plan out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from pricing_sync.changes.diff import Change, Kind, Stored
from pricing_sync.changes.held import HeldChange
from pricing_sync.changes.run import Reading
from pricing_sync.changes.scheduled import ScheduledPlan
from pricing_sync.prices.rates import Answer, Unreadable
from pricing_sync.prices.statements import PriceState

#: By model, the reasons to hold its change. A change without reasons counts.
Verdicts = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class ChangePlan:
    """What one reading does to the store."""

    #: Changes that come into force with the reading.
    apply: Sequence[Change] = ()
    #: Models that are absent for the first time, and for the second time.
    missing: Sequence[str] = ()
    retire: Sequence[str] = ()
    #: Models listed again before they were retired, without a new listing that counts.
    back: Sequence[str] = ()
    #: Changes that are newly held, and changes that were already held and are the same.
    hold: Sequence[HeldChange] = ()
    still_held: Sequence[HeldChange] = ()
    #: Held changes that the provider no longer publishes.
    lapsed: Sequence[HeldChange] = ()
    #: Held changes that were held long enough and count now.
    released: Sequence[HeldChange] = ()
    #: Models that are new, or became readable or unreadable: why they cannot be read, or None.
    seen: Mapping[str, str | None] = field(default_factory=dict)
    #: Models that are new, or whose price got another state with this reading.
    states: Mapping[str, PriceState] = field(default_factory=dict)
    #: Whether all changes are too small to be reported. They are recorded either way.
    is_minor: bool = False
    #: What is done to the prices of later.
    scheduled: ScheduledPlan = field(default_factory=ScheduledPlan)

    def counts(self) -> dict[str, int]:
        """The number of models by what is done with them."""
        kinds = {kind: sum(change.kind is kind for change in self.apply) for kind in Kind}
        return {
            "added": kinds[Kind.ADDED],
            "changed": kinds[Kind.CHANGED],
            "returned": kinds[Kind.RETURNED],
            "back": len(self.back),
            "missing": len(self.missing),
            "retired": len(self.retire),
            "held": len(self.hold) + len(self.still_held),
            **self.scheduled.counts(),
        }


def plan_changes(
    reading: Reading,
    changes: Sequence[Change],
    verdicts: Verdicts,
    stored: Mapping[str, Stored],
    answer: Answer,
    *,
    open_held: Mapping[str, HeldChange] = MappingProxyType({}),
    rejected: Collection[Change] = (),
) -> ChangePlan:
    """The plan for a complete answer.

    A model is retired when a second complete answer in a row lacks it: one absence is weak
    evidence. A change that is already held stays the same held change; it is released when no
    rule holds it any more. A change that a person *rejected* neither counts nor waits.
    """
    judged = [change for change in changes if change not in rejected]
    not_counted = {change.model for change in changes if change in rejected}
    #: The open held changes that the answer repeats.
    repeated = {
        change.model: item
        for change in judged
        if (item := open_held.get(change.model)) and item.change == change
    }
    held = {change.model: change for change in judged if verdicts.get(change.model)}
    new = {model: change for model, change in held.items() if model not in repeated}
    passed = [change for change in judged if change.model not in held]
    vanished = [change.model for change in passed if change.kind is Kind.VANISHED]
    apply = [change for change in passed if change.new is not None and change.new != change.old]
    apply += [change for change in passed if _is_revived(change, stored)]
    applied = {change.model for change in apply}
    retire = [model for model in vanished if stored[model].missing_since is not None]
    return ChangePlan(
        apply=apply,
        missing=[model for model in vanished if stored[model].missing_since is None],
        retire=retire,
        back=_back(stored, answer, applied),
        hold=[
            HeldChange.of(reading, number, change, tuple(verdicts[model]), open_held.get(model))
            for number, (model, change) in enumerate(new.items())
        ],
        still_held=[
            replace(item, reasons=tuple(verdicts[model]))
            for model, item in repeated.items()
            if model in held
        ],
        lapsed=[
            item
            for model, item in open_held.items()
            if model not in repeated or model not in held.keys() | applied
        ],
        released=[item for model, item in repeated.items() if model in applied],
        seen=_seen(stored, answer),
        states=_new_states(stored, answer, held, not_counted, retire),
    )


def _is_revived(change: Change, stored: Mapping[str, Stored]) -> bool:
    """Whether a retired model is sold again at its last price. It then needs a new card."""
    return (
        change.kind is Kind.RETURNED
        and change.new == change.old
        and stored[change.model].retired_at is not None
    )


def _back(stored: Mapping[str, Stored], answer: Answer, applied: set[str]) -> list[str]:
    """The missing models that are listed again, with any kind of listing."""
    return [
        model
        for model, known in stored.items()
        if known.missing_since is not None
        and known.retired_at is None
        and model in answer.listings
        and model not in applied
    ]


def _seen(stored: Mapping[str, Stored], answer: Answer) -> dict[str, str | None]:
    """The models that are new, and those that became readable or unreadable."""
    return {
        model: why
        for model, listing in answer.listings.items()
        for why in (listing.why if isinstance(listing, Unreadable) else None,)
        if (known := stored.get(model)) is None or known.unreadable != why
    }


def _new_states(
    stored: Mapping[str, Stored],
    answer: Answer,
    held: Collection[str],
    rejected: Collection[str],
    retire: Collection[str],
) -> dict[str, PriceState]:
    """The state of each model that is new, or whose state is another one now."""

    def state(model: str) -> PriceState:
        if isinstance(answer.listings.get(model), Unreadable):
            return PriceState.UNREADABLE
        if model in held:
            return PriceState.HELD
        if model in rejected:
            return PriceState.REJECTED
        if model in answer.listings:
            return PriceState.CONFIRMED
        is_retired = model in retire or stored[model].retired_at is not None
        return PriceState.RETIRED if is_retired else PriceState.MISSING

    return {
        model: now
        for model in dict.fromkeys((*stored, *answer.listings))
        for now in (state(model),)
        if model not in stored or stored[model].state is not now
    }


def plan_unchanged(missing: Sequence[str], released: Sequence[HeldChange]) -> ChangePlan:
    """The plan for an answer with the same bytes as the last one.

    The *missing* models are absent for the second time; the *released* changes were held long
    enough.
    """
    return ChangePlan(
        apply=[item.change for item in released],
        retire=missing,
        released=released,
        states={
            **dict.fromkeys(missing, PriceState.RETIRED),
            **{item.change.model: PriceState.CONFIRMED for item in released},
        },
    )
