"""Judges every change of a reading by the rules. Each rule is one small function."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from statistics import median

from pricing_sync.changes.diff import Change, Kind
from pricing_sync.changes.held import HeldChange
from pricing_sync.gate.families import families
from pricing_sync.gate.lost_rates import (
    LostRate,
    billed,
    lost_rates,
    new_rates,
    stays,
    survey_losses,
)
from pricing_sync.gate.moves import (
    CACHE,
    CORE,
    Move,
    Sweep,
    broken_relations,
    is_free,
    moves,
    proportion,
    survey,
    views,
)
from pricing_sync.gate.peers import Peers
from pricing_sync.gate.rules import RULES, Rule
from pricing_sync.gate.thresholds import Bounds, Thresholds
from pricing_sync.prices.rates import Meter, Rate, RateCard, Rates, Unpriced, When
from pricing_sync.prices.usage import PARENTS


@dataclass(frozen=True, slots=True)
class Anchors:
    """The cards in force 7 days ago, or the later ones that a person accepted."""

    days_7: Mapping[str, RateCard] = field(default_factory=dict)
    #: The cards of the last 7 days that had been in force for a day, by model.
    recent: Mapping[str, Sequence[RateCard]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """A move that a person approved in advance, with its exact rates. It passes once."""

    model: str
    meter: Meter
    #: None for a rate that does not exist yet.
    old: Rate | None
    new: Rate
    not_before: datetime
    when: When | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the gate knows about the provider of one reading, besides the changes."""

    provider: str
    at: datetime
    #: The number of models listed before the reading, and of those with a price above zero.
    listed: int
    priced: int
    #: The number of models that had a rate besides input and output; None when it is not known.
    with_parts: int | None = None
    #: Whether nothing of this provider is stored yet. Then only peers are left to compare with.
    first_reading: bool = False
    #: Whether the source is trusted for new models without peers: the provider's own list.
    trusted: bool = True
    #: The declared currency of the provider; None when none is declared.
    currency: str | None = None
    anchors: Anchors = field(default_factory=Anchors)
    #: By model of this provider, without the prices of the provider itself.
    peers: Mapping[str, Peers] = field(default_factory=dict)
    #: Whether the catalogs are too old to have the newest models. Their prices still show the unit
    #: of a list; that they lack a model shows nothing.
    catalogs_are_old: bool = False
    #: The stored cards of the other rows of the same model, by model: see `families.root`.
    siblings: Mapping[str, Sequence[RateCard]] = field(default_factory=dict)
    #: The models whose price may be zero.
    free: frozenset[str] = frozenset()
    announced: tuple[Announced, ...] = ()
    #: The cards that a person read from the provider's page, by model.
    curated: Mapping[str, RateCard] = field(default_factory=dict)
    #: The models whose change waits already and is the same. They are no evidence about the changes
    #: that are new in this reading.
    waiting: Mapping[str, HeldChange] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule that a change breaks, with the meter and a detail."""

    rule: Rule
    #: None when the rule applies to the whole card or the whole reading.
    meter: Meter | None = None
    detail: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.rule, self.meter, self.detail) if part)

    @classmethod
    def of(cls, text: str) -> Reason:
        """The reason that `str` wrote."""
        rule, *rest = text.split(": ", 2)
        meter = Meter(rest[0]) if rest and rest[0] in set(Meter) else None
        return cls(Rule(rule), meter, ": ".join(rest[1:] if meter else rest))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a change is held, and why."""

    reasons: tuple[Reason, ...] = ()
    #: The announcements that match the change or a part of it. They are consumed.
    used: tuple[Announced, ...] = ()

    @property
    def holds(self) -> bool:
        return bool(self.reasons)

    @property
    def is_soft(self) -> bool:
        """Whether the change is held and can release itself: see `may_release`."""
        return self.holds and not any(RULES[reason.rule].hard for reason in self.reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One new card, and all that its rules need."""

    model: str
    #: None when there is no old price to compare with: the model is new, had no price, was free,
    #: or had a price in another currency.
    old: RateCard | None
    new: RateCard
    #: The moves that were not announced.
    moves: Sequence[Move]
    #: The rates that went, and whether the rest of the card stays.
    lost: Sequence[LostRate]
    stays: bool
    peers: Peers
    context: Context
    t: Thresholds

    @property
    def is_new(self) -> bool:
        return self.old is None

    @property
    def siblings(self) -> Sequence[RateCard]:
        """The other rows of the same model that have an input above zero."""
        return [
            card
            for card in self.context.siblings.get(self.model, ())
            if card.currency == self.new.currency and card.rates.get(Meter.INPUT)
        ]

    def is_return(self, when: When | None, meter: Meter) -> bool:
        """Whether the new card has the rate, or the lack of it, of a card of the last days."""
        return any(
            card.currency == self.new.currency
            and billed(card, when, meter) == billed(self.new, when, meter)
            for card in self.context.anchors.recent.get(self.model, ())
        )

    @property
    def has_peers(self) -> bool:
        """Whether input or output can be compared with peers."""
        return any(self.log10_to_peers(meter) is not None for meter in CORE)

    @property
    def may_be_zero(self) -> bool:
        return self.model in self.context.free

    @property
    def is_declared_free(self) -> bool:
        """Whether the card is all zeros, and may be."""
        return self.may_be_zero and is_free(self.new)

    @property
    def units_per_dollar(self) -> int:
        """The approximate units of the card's currency per dollar.

        1 for a currency without bounds: its card is held anyway.
        """
        return self.t.units_per_dollar.get(self.new.currency, 1)

    def is_outside(self, bounds: Bounds, meter: Meter, rate: Rate) -> bool:
        if meter not in bounds or not rate:
            return False
        low, high = bounds[meter]
        return not low <= rate <= high * self.units_per_dollar

    def log10_to_peers(self, meter: Meter) -> float | None:
        """The logarithm of the base rate over the peers' median; None when either is missing."""
        rate, spread = self.new.rates.get(meter), self.peers.get(meter)
        if not rate or spread is None:
            return None
        return math.log10(rate) - math.log10(spread.median * self.units_per_dollar)


def judge(
    changes: Sequence[Change],
    context: Context,
    thresholds: Thresholds | None = None,
    sweep: Sweep | None = None,
) -> dict[str, Verdict]:
    """The verdict on each change, by model.

    *sweep* is the sweep of the whole reading. It is needed when *changes* are only a part of it.

    What the reading as a whole says is judged by the changes that are new in it. A change that
    waits already keeps the reasons of the reading in which it came: see `_kept_reasons`.
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
    reading_reasons = _reading_reasons(changes, cases, own_reasons, context, t, sweep)
    return {
        change.model: Verdict(
            reasons=own_reasons[change.model] + reading_reasons[change.model],
            used=used[change.model],
        )
        for change in changes
    }


def _used(change: Change, context: Context) -> tuple[Announced, ...]:
    """The announcements that *change* matches."""
    if not isinstance(change.new, RateCard):
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
) -> _Case | None:
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
    return _Case(
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
    change: Change, case: _Case | None, context: Context, t: Thresholds
) -> Iterator[Reason]:
    """The rules that one change breaks, without regard to other changes."""
    if isinstance(change.old, RateCard) and isinstance(change.new, Unpriced):
        yield Reason(Rule.WITHDRAWN, None, str(change.new))
    if isinstance(change.new, RateCard):
        yield from _currency(change.old, change.new, context, t)
    if case is not None:
        for rule in _RULES_OF_EVERY_CARD + (
            _RULES_OF_NEW_CARDS if case.is_new else _RULES_OF_MOVES
        ):
            yield from rule(case)


def _currency(
    old: RateCard | Unpriced | None, new: RateCard, context: Context, t: Thresholds
) -> Iterator[Reason]:
    if isinstance(old, RateCard) and old.currency != new.currency:
        yield Reason(Rule.CURRENCY, None, f"{old.currency} to {new.currency}")
    if context.currency not in (None, new.currency):
        yield Reason(Rule.CURRENCY, None, f"{new.currency}, declared {context.currency}")
    if new.currency not in t.units_per_dollar:
        yield Reason(Rule.CURRENCY, None, f"{new.currency} has no bounds")


# In logarithms. A distance of exactly the factor counts as inside.
_ROUNDING = 1e-9


# Rules for every card with a new rate.

# Lists state cache writes at zero where they are not charged, and units at zero where they are not
# sold.
_RARELY_ZERO = frozenset({*CORE, *PARENTS.keys() - {Meter.CACHE_WRITE, Meter.CACHE_WRITE_1H}})


def _zero(case: _Case) -> Iterator[Reason]:
    if case.may_be_zero:
        return
    for move in case.moves:
        if not move.new and (move.old or move.meter in _RARELY_ZERO):
            yield Reason(Rule.ZERO, move.meter, str(move))


def _out_of_bounds(case: _Case) -> Iterator[Reason]:
    for move in case.moves:
        if case.is_outside(case.t.bounds, move.meter, move.new):
            yield Reason(Rule.OUT_OF_BOUNDS, move.meter, str(move))


def _relation(case: _Case) -> Iterator[Reason]:
    """The newly broken relations, for each condition.

    A relation is not new when the old card broke it, or when the peers of a new card break it.
    """
    before = dict(views(case.old)) if case.old else {}
    base = before.get(None) or {meter: spread.median for meter, spread in case.peers.items()}
    for when, rates in views(case.new):
        known = broken_relations(before.get(when, base), case.t)
        for relation, meter in broken_relations(rates, case.t).items():
            if relation not in known:
                yield Reason(Rule.RELATION, meter, relation)
        base = rates if when is None else base


def _tier(case: _Case) -> Iterator[Reason]:
    for move in case.moves:
        base = case.new.rates.get(move.meter)
        if move.when is None or move.old is not None or not base:
            continue
        if Move(move.when, move.meter, base, move.new).exceeds(
            case.t.tier_factor, case.t.tier_factor
        ):
            yield Reason(Rule.TIER, move.meter, f"{move.new} compared with {base}")


def _curated(case: _Case) -> Iterator[Reason]:
    curated = case.context.curated.get(case.model)
    for meter, rate in curated.rates.items() if curated else ():
        if case.new.rates.get(meter) != rate:
            yield Reason(
                Rule.CURATED, meter, f"{case.new.rates.get(meter, 'none')}, and {rate} on the page"
            )


# Rules for cards that replace another card.


def _meter_gone(case: _Case) -> Iterator[Reason]:
    for meter in CORE:
        if case.old and meter in case.old.rates and meter not in case.new.rates:
            yield Reason(Rule.METER_GONE, meter, f"{case.old.rates[meter]} to none")


def _unit(case: _Case) -> Iterator[Reason]:
    width = math.log10(1 + case.t.unit_tolerance)
    for move in case.moves:
        power = move.log10 and round(abs(move.log10))
        if power in case.t.unit_powers and abs(abs(move.log10 or 0) - power) <= width:
            yield Reason(Rule.UNIT, move.meter, str(move))


def _swapped(case: _Case) -> Iterator[Reason]:
    old = [case.old.rates.get(meter) for meter in CORE] if case.old else []
    new = [case.new.rates.get(meter) for meter in CORE]
    if None not in new and old == new[::-1] and old != new:
        yield Reason(Rule.SWAPPED, None, f"{old[0]}/{old[1]} to {new[0]}/{new[1]}")


def _rate_gone(case: _Case) -> Iterator[Reason]:
    for lost in case.lost:
        held = case.stays or lost.exceeds(case.t.gone_band)
        if held and not case.is_return(lost.when, lost.meter):
            yield Reason(Rule.RATE_GONE, lost.meter, str(lost))


def _band(case: _Case) -> Iterator[Reason]:
    came = new_rates(case.old, case.new) if case.old else ()
    known = {(move.when, move.meter) for move in case.moves}
    for move in (*case.moves, *(move for move in came if (move.when, move.meter) in known)):
        if _is_out_of_band(move, case.t) and not case.is_return(move.when, move.meter):
            yield Reason(Rule.BAND, move.meter, str(move))


def _is_out_of_band(move: Move, t: Thresholds) -> bool:
    if move.meter in CACHE:
        return move.exceeds(t.cache_band_up, t.cache_band_down)
    return move.exceeds(t.band_up, t.band_down)


def _proportion(case: _Case) -> Iterator[Reason]:
    """The cache rates that moved far in proportion to their parent, or are new and far from it.

    One that left the band of its own move is held already. One that cost as much as its parent had
    no discount, and any discount may come with a move of the card.
    """
    old, new = dict(views(case.old)) if case.old else {}, dict(views(case.new))
    for move in case.moves:
        if move.meter not in CACHE or _is_out_of_band(move, case.t):
            continue
        before, after = (proportion(view.get(move.when, {}), move.meter) for view in (old, new))
        if before == 1 and not case.stays:
            continue
        if before and after:
            power = abs(math.log10(after) - math.log10(before))
            odd = power > math.log10(case.t.proportion_factor) + _ROUNDING
        else:
            odd = case.is_new and move.when is None and _is_unusual(case, move.meter, after)
        if odd and not case.is_return(move.when, move.meter):
            yield Reason(
                Rule.PROPORTION, move.meter, f"{move}, {after:.4g} of {PARENTS[move.meter]}"
            )


def _is_unusual(case: _Case, meter: Meter, found: float | None) -> bool:
    """Whether no usual rate and no peer is in this proportion to its parent."""
    low, high = case.t.usual_proportions.get(meter, (0, math.inf))
    # In a first reading no model is known yet, so bounds and relations decide.
    if case.context.first_reading or found is None or low <= found <= high:
        return False
    theirs = proportion({meter: spread.median for meter, spread in case.peers.items()}, meter)
    return not theirs or abs(math.log10(found) - math.log10(theirs)) > math.log10(2) + _ROUNDING


def _from_zero(case: _Case) -> Iterator[Reason]:
    for move in case.moves:
        if move.old == 0 and move.new:
            yield Reason(Rule.FROM_ZERO, move.meter, str(move))


def _anchor_7_days(case: _Case) -> Iterator[Reason]:
    yield from _drifted(case)


def _drifted(case: _Case) -> Iterator[Reason]:
    """The core rates that moved inside the band, but away from their anchor and out of its band."""
    anchor = case.context.anchors.days_7.get(case.model)
    if anchor is None or anchor.currency != case.new.currency:
        return
    for move in case.moves:
        if move.when is not None or move.meter not in CORE or _is_out_of_band(move, case.t):
            continue
        drift = replace(move, old=anchor.rates.get(move.meter))
        away = (drift.log10 or 0) * (move.log10 or 0) > 0
        if away and _is_out_of_band(drift, case.t) and not case.is_return(None, move.meter):
            yield Reason(Rule.ANCHOR_7_DAYS, move.meter, str(drift))


# Rules for cards of models without an old price to compare with.


def _peers(case: _Case) -> Iterator[Reason]:
    factor = case.t.first_peer_factor if case.context.first_reading else case.t.peer_factor
    # In a first reading input and output decide, so that a person does not get too many.
    for meter in CORE if case.context.first_reading else case.new.rates:
        if meter not in case.new.rates:
            continue
        distance = case.log10_to_peers(meter) if meter in CORE else _outside_of_peers(case, meter)
        if distance is not None and abs(distance) > math.log10(factor) + _ROUNDING:
            detail = f"{case.new.rates[meter]} compared with {case.peers[meter]}"
            yield Reason(Rule.PEERS, meter, detail)


def _outside_of_peers(case: _Case, meter: Meter) -> float | None:
    """The logarithm of the factor to the nearest peer, for a rate below or above all of them.

    None when it costs as much as its parent: many sellers have no discount for a part.
    """
    rate, spread = case.new.rates[meter], case.peers.get(meter)
    if not rate or spread is None or not spread.low:
        return None
    if meter in PARENTS and rate == case.new.rates.get(PARENTS[meter]):
        return None
    dollars = math.log10(rate) - math.log10(case.units_per_dollar)
    low, high = math.log10(spread.low), math.log10(spread.high)
    return dollars - min(max(dollars, low), high)


def _without_peers(case: _Case) -> Iterator[Reason]:
    # In a first reading no model is known yet, so bounds and relations decide.
    if case.context.first_reading or case.has_peers or case.siblings or case.is_declared_free:
        return
    for meter in CORE:
        rate = case.new.rates.get(meter)
        if rate and case.is_outside(case.t.usual, meter, rate):
            yield Reason(Rule.EXTREME, meter, str(rate))
    if not case.context.trusted:
        yield Reason(Rule.OLD_CATALOGS if case.context.catalogs_are_old else Rule.NO_PEERS)


def _siblings(case: _Case) -> Iterator[Reason]:
    found = [_distances(case.new.rates, card.rates) for card in case.siblings]
    nearest = min(filter(None, found), key=lambda far: max(far.values()), default={})
    for meter, distance in nearest.items():
        if distance > math.log10(case.t.sibling_factor) + _ROUNDING:
            detail = f"{case.new.rates[meter]}, x{10**distance:.4g} off the nearest row"
            yield Reason(Rule.SIBLINGS, meter, detail)


def _distances(one: Rates, other: Rates) -> dict[Meter, float]:
    """The logarithms of the factors between two cards, without a sign, of input and output."""
    pairs = ((meter, one.get(meter), other.get(meter)) for meter in CORE)
    return {meter: abs(math.log10(a) - math.log10(b)) for meter, a, b in pairs if a and b}


def _half_a_price(case: _Case) -> Iterator[Reason]:
    """A missing input or output.

    Embeddings and unit-priced models have no output, so only peers show that it is missing.
    """
    for meter in CORE:
        needed = meter in case.peers or (meter is Meter.INPUT and Meter.OUTPUT in case.new.rates)
        if needed and meter not in case.new.rates:
            yield Reason(Rule.HALF_A_PRICE, meter)


_RuleFunction = Callable[[_Case], Iterator[Reason]]
_RULES_OF_EVERY_CARD: tuple[_RuleFunction, ...] = (
    _zero,
    _out_of_bounds,
    _relation,
    _tier,
    _curated,
    _proportion,
)
_RULES_OF_MOVES: tuple[_RuleFunction, ...] = (
    _meter_gone,
    _rate_gone,
    _unit,
    _swapped,
    _band,
    _from_zero,
    _anchor_7_days,
)
_RULES_OF_NEW_CARDS: tuple[_RuleFunction, ...] = (
    _peers,
    _siblings,
    _without_peers,
    _half_a_price,
)


# Rules for the reading as a whole. They hold every card of it.


def _reading_reasons(
    changes: Sequence[Change],
    cases: Mapping[str, _Case],
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
    sweep = sweep or survey(moved, context.priced, t)
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
    cases: Mapping[str, _Case],
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
    cases: Mapping[str, _Case],
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
    cases: Sequence[_Case],
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
    cases: Sequence[_Case], family: Mapping[str, str], context: Context, t: Thresholds
) -> tuple[Reason, ...]:
    lost = {case.model: case.stays for case in cases if case.lost}
    losses = survey_losses(lost, family, context.priced, context.with_parts)
    return (Reason(Rule.MASS_GONE, None, str(losses)),) if losses.is_mass(t) else ()


def _is_unit_error(reasons: Sequence[Reason]) -> bool:
    return any(reason.rule in (Rule.OUT_OF_BOUNDS, Rule.UNIT) for reason in reasons)


def _offset(cases: Sequence[_Case], family: Mapping[str, str], t: Thresholds) -> float | None:
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
