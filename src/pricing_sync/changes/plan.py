"""What to do about the changes of one reading. The changes and their verdicts in, a plan out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from pricing_sync.changes.diff import Change, Kind, Stored
from pricing_sync.prices.rates import Answer, Unreadable

#: Why a change waits: the names of the rules that hold it, none if it counts.
Verdicts = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Held:
    """A change that waits, and the rules that hold it."""

    change: Change
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChangePlan:
    """What one reading does to the store."""

    #: In force from the reading on.
    apply: Sequence[Change] = ()
    #: Absent for the first time, and for the second.
    missing: Sequence[str] = ()
    retire: Sequence[str] = ()
    #: Listed again, with nothing new that counts, before they were retired.
    back: Sequence[str] = ()
    #: Held now, and held before in the same words.
    hold: Sequence[Held] = ()
    still_held: Sequence[Held] = ()
    #: Models whose held change is no longer what the provider says.
    lapsed: Sequence[str] = ()
    #: Models whose held change stood long enough, and now counts.
    released: Sequence[str] = ()
    #: Models seen for the first time or in another state: why the listing cannot be read, or None.
    seen: Mapping[str, str | None] = field(default_factory=dict)
    #: Whether all that changes is too little to tell anybody; it is recorded all the same.
    is_minor: bool = False

    def counts(self) -> dict[str, int]:
        """How many models, by what is done."""
        kinds = {kind: sum(change.kind is kind for change in self.apply) for kind in Kind}
        return {
            "added": kinds[Kind.ADDED],
            "changed": kinds[Kind.CHANGED],
            "returned": kinds[Kind.RETURNED],
            "back": len(self.back),
            "missing": len(self.missing),
            "retired": len(self.retire),
            "held": len(self.hold) + len(self.still_held),
        }


def plan_changes(
    changes: Sequence[Change],
    verdicts: Verdicts,
    stored: Mapping[str, Stored],
    answer: Answer,
    *,
    open_held: Mapping[str, Change] = MappingProxyType({}),
    rejected: Collection[Change] = (),
) -> ChangePlan:
    """What a complete answer does to the store.

    A model is retired when a second complete answer in a row does not have it: absence is weak
    evidence. A change that is held already stays the same held change, and is released when no
    verdict holds it any more. What a person has *rejected* neither counts nor waits.
    """
    judged = [change for change in changes if change not in rejected]
    held = {
        change.model: Held(change, tuple(verdicts[change.model]))
        for change in judged
        if verdicts.get(change.model)
    }
    passed = [change for change in judged if change.model not in held]
    gone = [change.model for change in passed if change.kind is Kind.VANISHED]
    apply = [change for change in passed if change.new is not None and change.new != change.old]
    apply += [change for change in passed if _is_revived(change, stored)]
    standing = {model for model, item in held.items() if open_held.get(model) == item.change}
    released = [change.model for change in apply if open_held.get(change.model) == change]
    return ChangePlan(
        apply=apply,
        missing=[model for model in gone if stored[model].missing_since is None],
        retire=[model for model in gone if stored[model].missing_since is not None],
        back=_back(stored, answer, {change.model for change in apply}),
        hold=[item for model, item in held.items() if model not in standing],
        still_held=[item for model, item in held.items() if model in standing],
        lapsed=[model for model in open_held if model not in standing and model not in released],
        released=released,
        seen=_seen(stored, answer),
    )


def _is_revived(change: Change, stored: Mapping[str, Stored]) -> bool:
    """Whether a retired model is sold again at its last price, for which it needs a new card."""
    return (
        change.kind is Kind.RETURNED
        and change.new == change.old
        and stored[change.model].retired_at is not None
    )


def _back(stored: Mapping[str, Stored], answer: Answer, applied: set[str]) -> list[str]:
    """The models that went missing and are listed again, however they are listed."""
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
    states = {
        model: listing.why if isinstance(listing, Unreadable) else None
        for model, listing in answer.listings.items()
    }
    return {
        model: why
        for model, why in states.items()
        if model not in stored or stored[model].unreadable != why
    }


def plan_unchanged(missing: Sequence[str], released: Sequence[Change]) -> ChangePlan:
    """What the same bytes as last time do: what was *missing* is missing again, and what was held
    long enough is *released*."""
    return ChangePlan(
        apply=released, retire=missing, released=[change.model for change in released]
    )
