"""When a replayed change is applied, if it stays the same: at once, after a day, or never."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pricing_sync.changes.diff import Change
from pricing_sync.gate import (
    Context,
    Thresholds,
    Verdict,
    may_release,
)
from pricing_sync.prices.rates import RateCard

#: A recorded update: one line of a file, parsed by `json.loads(line, parse_float=Decimal)`.
Record = Mapping[str, Any]


class Fate(StrEnum):
    """When a change is applied."""

    AT_ONCE = "at once"
    WITHIN_24_H = "within 24 h"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Judged:
    """A recorded update and its fate."""

    record: Record
    fate: Fate
    #: The names of the rules that hold it.
    reasons: tuple[str, ...] = ()


def fate_of(change: Change, verdict: Verdict, held: int, context: Context, t: Thresholds) -> Fate:
    """The fate of a change that was judged in a reading that holds *held* changes."""
    if not verdict.holds:
        return Fate.AT_ONCE
    released = may_release(
        change,
        verdict.reasons,
        t.release_after,
        held_models=held,
        priced=context.priced,
        peers=context.peers.get(change.model, {}),
        thresholds=t,
    )
    return Fate.WITHIN_24_H if released else Fate.HELD


def standing(
    cards: Sequence[tuple[datetime, RateCard | None]], at: datetime, span: timedelta
) -> list[RateCard]:
    """The cards of the week before *at* that were in force for *span*. Each starts at its time."""
    ends = [*(since for since, _ in cards), at][1:]
    return [
        card
        for (since, card), until in zip(cards, ends, strict=True)
        if card is not None and until - since >= span and until > at - timedelta(days=7)
    ]
