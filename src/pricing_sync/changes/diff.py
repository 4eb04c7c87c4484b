"""The differences between an answer and the store. Two dictionaries in, a list out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from pricing_sync.prices.rates import Answer, RateCard, Scheduled, Unpriced, Unreadable
from pricing_sync.prices.statements import PriceState

#: A listing that can be in force. An unreadable one cannot: the last one stays in force.
Known: TypeAlias = RateCard | Unpriced


class Kind(StrEnum):
    """How a model's listing differs from the stored one."""

    ADDED = "added"
    CHANGED = "changed"
    VANISHED = "vanished"
    RETURNED = "returned"
    #: Published for later: another listing from then on.
    SCHEDULED = "scheduled"


@dataclass(frozen=True, slots=True)
class Stored:
    """The stored state of one model."""

    #: The last listing when the model is retired; None when no listing could ever be read.
    listing: Known | None
    #: The time of the first complete reading without the model; None while it is listed.
    missing_since: datetime | None = None
    retired_at: datetime | None = None
    #: Why the latest listing cannot be read; None when it can be read.
    unreadable: str | None = None
    #: What the last reading says about the listing in force.
    state: PriceState = PriceState.CONFIRMED
    #: When the listing came into force; None when there is none.
    since: datetime | None = None
    #: What is to replace the listing, the next one first.
    scheduled: tuple[Scheduled, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """A stored listing and the one that would replace it."""

    model: str
    kind: Kind
    #: The stored listing; None when the model never had a price or a reason for having none.
    old: Known | None
    #: The published listing; None when the model vanished.
    new: Known | None
    #: The instant for which it is published; None for a change of the listing in force.
    starts_at: datetime | None = None


def diff(stored: Mapping[str, Stored], answer: Answer) -> list[Change]:
    """The changes that *answer* makes to *stored*, in the answer's order, vanished models last.

    The comparison is exact: a rate that moved by 10⁻¹⁵ is a change. An unreadable listing
    changes nothing. No model counts as vanished while a row of the answer has no name.
    """
    changes = list(_listed(stored, answer))
    if not answer.nameless:
        changes += [
            Change(model, Kind.VANISHED, known.listing, None)
            for model, known in stored.items()
            if model not in answer.listings and known.retired_at is None
        ]
    return changes


def _listed(stored: Mapping[str, Stored], answer: Answer) -> Iterator[Change]:
    for model, listing in answer.listings.items():
        known = stored.get(model)
        if isinstance(listing, Unreadable):
            continue
        if known is None:
            yield Change(model, Kind.ADDED, None, listing)
        elif known.retired_at is not None or known.missing_since is not None:
            yield Change(model, Kind.RETURNED, known.listing, listing)
        elif known.listing is None:
            yield Change(model, Kind.ADDED, None, listing)
        elif known.listing != listing:
            yield Change(model, Kind.CHANGED, known.listing, listing)
