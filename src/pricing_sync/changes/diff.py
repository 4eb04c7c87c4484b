"""What an answer would change of what is stored. Two dictionaries in, a list of changes out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from pricing_sync.prices.rates import Answer, RateCard, Unpriced, Unreadable

#: What can be in force. An unreadable listing never is: the last one stands.
Known: TypeAlias = RateCard | Unpriced


class Kind(StrEnum):
    """How a model's listing differs from the stored one."""

    ADDED = "added"
    CHANGED = "changed"
    VANISHED = "vanished"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored of one model: its listing, or its last one when it is retired."""

    listing: Known | None
    #: Since the first complete reading without it; None while it is listed.
    missing_since: datetime | None = None
    retired_at: datetime | None = None
    #: Why its latest listing cannot be read; None when it can.
    unreadable: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A stored listing and the one that would replace it."""

    model: str
    kind: Kind
    #: In force until now; None for a model never seen with a price or a reason for having none.
    old: Known | None
    #: None when the model is gone.
    new: Known | None


def diff(stored: Mapping[str, Stored], answer: Answer) -> list[Change]:
    """The changes that *answer* makes to *stored*, in the answer's order, then what is gone.

    Compares exactly: a rate that moved by 10⁻¹⁵ has moved. A listing that cannot be read
    changes nothing, and a model is not gone while some row of the answer has no name.
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
