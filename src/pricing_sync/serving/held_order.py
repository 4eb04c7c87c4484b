"""The order of held changes: by what is at stake in the traffic of their models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from pricing_sync.changes.held import HeldChange
from pricing_sync.prices.blast_radius import BlastRadius


class Rank(NamedTuple):
    """The place of a held change among others: the smallest comes first."""

    is_without_traffic: bool
    #: Below zero, so that the largest comes first.
    at_stake: Decimal
    held_id: str


def rank(item: HeldChange, weights: Mapping[str, BlastRadius]) -> Rank:
    """The place of a held change, given the blast radius of each that has traffic."""
    radius = weights.get(item.id)
    return Rank(radius is None, -radius.at_stake if radius else Decimal(0), item.id)


def by_blast_radius(
    items: Iterable[HeldChange], weights: Mapping[str, BlastRadius]
) -> list[HeldChange]:
    """Held changes, the largest difference first; those without traffic last, the oldest first."""
    return sorted(items, key=lambda item: rank(item, weights))


def write_cursor(place: Rank) -> str:
    """A place as the cursor of a page: `-12.5/ID`, or the id alone without traffic."""
    return place.held_id if place.is_without_traffic else f"{place.at_stake:f}/{place.held_id}"


def read_cursor(cursor: str | None) -> Rank | None:
    """The place that `write_cursor` wrote; the first place for anything else."""
    if cursor is None:
        return None
    at_stake, separator, held_id = cursor.rpartition("/")
    if not separator:
        return Rank(True, Decimal(0), held_id)  # noqa: FBT003  the field of a tuple
    try:
        found = Decimal(at_stake)
    except InvalidOperation:
        return None
    return Rank(False, found, held_id) if found.is_finite() else None  # noqa: FBT003
