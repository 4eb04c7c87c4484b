"""The rules for the reading as a whole. They hold every card of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import median

from pricing_sync.changes.diff import Change, Kind
from pricing_sync.changes.held import HeldChange
from pricing_sync.gate.case import Case, Context, Reason
from pricing_sync.gate.families import families
from pricing_sync.gate.lost_rates import survey_losses
from pricing_sync.gate.moves import CORE, Sweep, survey
from pricing_sync.gate.rules import RULES, Rule
from pricing_sync.gate.thresholds import Thresholds


def reading_reasons(
    changes: Sequence[Change],
    cases: Mapping[str, Case],
    own_reasons: Mapping[str, Sequence[Reason]],
    context: Context,
    t: Thresholds,
    sweep: Sweep | None,
) -> dict[str, tuple[Reason, ...]]:
    """The reasons that the reading as a whole gives to hold each change, by model."""
    fresh = [change for change in changes if change.model not in context.waiting]
    judged = [change for change in fresh if change.model in cases]
    family = families(judged)
    # A model that is declared free moves to zero on purpose. That says nothing of the others.
    moved = [change for change in judged if not cases[change.model].is_declared_free]
    of_moved = family if len(moved) == len(judged) else None
    sweep = sweep or survey(moved, context.priced, t, of_moved)
    shared = _shared_reasons(sweep, [cases[c.model] for c in judged], own_reasons, family, t)
    mass_gone = _mass_gone([cases[change.model] for change in judged], family, context, t)
    vanished = _vanished(fresh, context, t)
    found = _kept_reasons(context.waiting, cases, own_reasons, t)
    for change in fresh:
        case = cases.get(change.model)
        found[change.model] = (
            (shared if case else ())
            + (mass_gone if case and case.lost else ())
            + (vanished if change.kind is Kind.VANISHED else ())
        )
    return found


def _kept_reasons(
    waiting: Mapping[str, HeldChange],
    cases: Mapping[str, Case],
    own_reasons: Mapping[str, Sequence[Reason]],
    t: Thresholds,
) -> dict[str, tuple[Reason, ...]]:
    """The reasons of the readings in which the waiting changes came, by model.

    A change that only its neighbours hold is free when those that still wait with it are no longer
    wrong together: the provider has corrected them, or a person has decided.
    """
    together: dict[datetime, list[str]] = {}
    for model, held in waiting.items():
        together.setdefault(held.since, []).append(model)
    wrong = {
        since for since, models in together.items() if _is_wrong(models, cases, own_reasons, t)
    }
    return {
        model: tuple(
            reason
            for reason in map(Reason.of, held.reasons)
            if RULES[reason.rule].of_reading
            and (reason.rule is not Rule.NEIGHBOURS or held.since in wrong)
        )
        for model, held in waiting.items()
    }


def _is_wrong(
    models: Sequence[str],
    cases: Mapping[str, Case],
    own_reasons: Mapping[str, Sequence[Reason]],
    t: Thresholds,
) -> bool:
    """Whether the changes that came in one reading and still wait cast doubt on each other."""
    doubtful = sum(bool(own_reasons.get(model)) for model in models)
    known = [cases[model] for model in models if model in cases]
    own_family = {model: model for model in models}
    return doubtful >= t.neighbours_models or _offset(known, own_family, t) is not None


def _shared_reasons(
    sweep: Sweep,
    cases: Sequence[Case],
    own_reasons: Mapping[str, Sequence[Reason]],
    family: Mapping[str, str],
    t: Thresholds,
) -> tuple[Reason, ...]:
    reasons = []
    if sweep.is_mass(t):
        factor = 10**sweep.median_log10
        reasons.append(
            Reason(Rule.MASS, None, f"{sweep.moved} of {sweep.priced} models, median x{factor:.4g}")
        )
    of_cases = {case.model: own_reasons[case.model] for case in cases}
    unit_errors = len({family[m] for m, found in of_cases.items() if _is_unit_error(found)})
    doubtful = len({family[model] for model, found in of_cases.items() if found})
    total = len({family[case.model] for case in cases})
    if unit_errors >= max(t.neighbours_models, t.neighbours_share * total):
        reasons.append(Reason(Rule.NEIGHBOURS, None, f"{unit_errors} of {total} are off by a unit"))
    elif doubtful >= max(t.doubtful_models, t.doubtful_share * total):
        reasons.append(Reason(Rule.NEIGHBOURS, None, f"{doubtful} of {total} are doubtful"))
    elif (offset := _offset(cases, family, t)) is not None:
        reasons.append(
            Reason(Rule.NEIGHBOURS, None, f"new models are x{offset:.4g} of their peers")
        )
    return tuple(reasons)


def _mass_gone(
    cases: Sequence[Case], family: Mapping[str, str], context: Context, t: Thresholds
) -> tuple[Reason, ...]:
    lost = {case.model: case.stays for case in cases if case.lost}
    losses = survey_losses(lost, family, context.priced, context.with_parts)
    return (Reason(Rule.MASS_GONE, None, str(losses)),) if losses.is_mass(t) else ()


def _is_unit_error(reasons: Sequence[Reason]) -> bool:
    return any(reason.rule in (Rule.OUT_OF_BOUNDS, Rule.UNIT) for reason in reasons)


def _offset(cases: Sequence[Case], family: Mapping[str, str], t: Thresholds) -> float | None:
    """The median factor of the new models to their peers; None when it is not too far.

    Of each family the first row counts.
    """
    new = {
        family[case.model]: case
        for case in sorted(cases, key=lambda case: case.model, reverse=True)
        if case.is_new and case.has_peers
    }
    found = [
        distance
        for case in new.values()
        for distance in (case.log10_to_peers(meter) for meter in CORE)
        if distance is not None
    ]
    offset = median(found) if len(found) >= t.offset_rates else 0.0
    return 10**offset if abs(offset) > math.log10(t.peer_factor) else None


def _vanished(changes: Sequence[Change], context: Context, t: Thresholds) -> tuple[Reason, ...]:
    vanished = sum(change.kind is Kind.VANISHED for change in changes)
    if vanished < max(t.vanished_models, t.vanished_share * context.listed):
        return ()
    return (Reason(Rule.MASS_VANISH, None, f"{vanished} of {context.listed} models"),)
