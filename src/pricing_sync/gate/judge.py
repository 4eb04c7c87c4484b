"""Judges every change of a reading by the rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pricing_sync.changes.diff import Change
from pricing_sync.gate.card_rules import (
    RULES_OF_EVERY_CARD,
    RULES_OF_MOVES,
    RULES_OF_NEW_CARDS,
    currency,
)
from pricing_sync.gate.case import Announced, Case, Context, Reason, Verdict
from pricing_sync.gate.lost_rates import lost_rates, stays
from pricing_sync.gate.moves import CORE, Sweep, is_free, moves
from pricing_sync.gate.reading_rules import reading_reasons
from pricing_sync.gate.rules import Rule
from pricing_sync.gate.thresholds import Thresholds
from pricing_sync.prices.rates import RateCard, Unpriced


def judge(
    changes: Sequence[Change],
    context: Context,
    thresholds: Thresholds | None = None,
    sweep: Sweep | None = None,
) -> dict[str, Verdict]:
    """The verdict on each change, by model.

    *sweep* is the sweep of the whole reading. It is needed when *changes* are only a part of it.

    What the reading as a whole says is judged by the changes that are new in it. A change that
    waits already keeps the reasons of the reading in which it came: see `reading_rules.py`.
    """
    t = thresholds or Thresholds()
    used = {change.model: _used(change, context) for change in changes}
    cases = {
        change.model: case
        for change in changes
        if (case := _case(change, used[change.model], context, t))
    }
    own_reasons = {
        change.model: tuple(_reasons(change, cases.get(change.model), context, t))
        for change in changes
    }
    of_reading = reading_reasons(changes, cases, own_reasons, context, t, sweep)
    return {
        change.model: Verdict(
            reasons=own_reasons[change.model] + of_reading[change.model],
            used=used[change.model],
        )
        for change in changes
    }


def _used(change: Change, context: Context) -> tuple[Announced, ...]:
    """The announcements that *change* matches."""
    if not isinstance(change.new, RateCard) or not context.announced:
        return ()
    old = change.old if isinstance(change.old, RateCard) else None
    moved = {(move.when, move.meter, move.old, move.new) for move in moves(old, change.new)}
    return tuple(
        entry
        for entry in context.announced
        if entry.model == change.model
        and entry.not_before <= context.at
        and (entry.when, entry.meter, entry.old, entry.new) in moved
    )


def _case(
    change: Change, used: Sequence[Announced], context: Context, t: Thresholds
) -> Case | None:
    """The case of a change; None when no rate moved or went missing, except announced moves."""
    if not isinstance(change.new, RateCard):
        return None
    old = change.old if isinstance(change.old, RateCard) else None
    if old and old.currency != change.new.currency:
        old = None
    announced = {(entry.when, entry.meter) for entry in used}
    moved = [move for move in moves(old, change.new) if (move.when, move.meter) not in announced]
    if old and is_free(old):
        old, moved = None, [replace(move, old=None) for move in moved]
    lost = lost_rates(old, change.new) if old else []
    core_lost = old is not None and any(
        meter in old.rates and meter not in change.new.rates for meter in CORE
    )
    if not moved and not lost and not core_lost:
        return None
    return Case(
        model=change.model,
        old=old,
        new=change.new,
        moves=moved,
        lost=lost,
        stays=old is not None and stays(old, change.new, t),
        peers=context.peers.get(change.model, {}),
        context=context,
        t=t,
    )


def _reasons(
    change: Change, case: Case | None, context: Context, t: Thresholds
) -> Iterator[Reason]:
    """The rules that one change breaks, without regard to other changes."""
    if isinstance(change.old, RateCard) and isinstance(change.new, Unpriced):
        yield Reason(Rule.WITHDRAWN, None, str(change.new))
    if isinstance(change.new, RateCard):
        yield from currency(change.old, change.new, context, t)
    if case is not None:
        for rule in RULES_OF_EVERY_CARD + (RULES_OF_NEW_CARDS if case.is_new else RULES_OF_MOVES):
            yield from rule(case)
