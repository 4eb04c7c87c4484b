"""The rules for one card: each is one small function."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from pricing_sync.gate.case import Case, Context, Reason
from pricing_sync.gate.lost_rates import new_rates
from pricing_sync.gate.moves import CACHE, CORE, Move, broken_relations, proportion, views
from pricing_sync.gate.rules import Rule
from pricing_sync.gate.thresholds import Thresholds
from pricing_sync.prices.rates import Meter, RateCard, Rates, Unpriced
from pricing_sync.prices.usage import PARENTS


def currency(
    old: RateCard | Unpriced | None, new: RateCard, context: Context, t: Thresholds
) -> Iterator[Reason]:
    """Whether the currency changed, is not the declared one, or has no bounds."""
    if isinstance(old, RateCard) and old.currency != new.currency:
        yield Reason(Rule.CURRENCY, None, f"{old.currency} to {new.currency}")
    if context.currency not in (None, new.currency):
        yield Reason(Rule.CURRENCY, None, f"{new.currency}, declared {context.currency}")
    if new.currency not in t.units_per_dollar:
        yield Reason(Rule.CURRENCY, None, f"{new.currency} has no bounds")


# In logarithms. A distance of exactly the factor counts as inside.
_ROUNDING = 1e-9
# Lists state cache writes at zero where they are not charged, and units at zero where they are not
# sold.
_RARELY_ZERO = frozenset({*CORE, *PARENTS.keys() - {Meter.CACHE_WRITE, Meter.CACHE_WRITE_1H}})


def _zero(case: Case) -> Iterator[Reason]:
    if case.may_be_zero:
        return
    for move in case.moves:
        if not move.new and (move.old or move.meter in _RARELY_ZERO):
            yield Reason(Rule.ZERO, move.meter, str(move))


def _out_of_bounds(case: Case) -> Iterator[Reason]:
    for move in case.moves:
        if case.is_outside(case.t.bounds, move.meter, move.new):
            yield Reason(Rule.OUT_OF_BOUNDS, move.meter, str(move))


def _relation(case: Case) -> Iterator[Reason]:
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


def _tier(case: Case) -> Iterator[Reason]:
    for move in case.moves:
        base = case.new.rates.get(move.meter)
        if move.when is None or move.old is not None or not base:
            continue
        if Move(move.when, move.meter, base, move.new).exceeds(
            case.t.tier_factor, case.t.tier_factor
        ):
            yield Reason(Rule.TIER, move.meter, f"{move.new} compared with {base}")


def _curated(case: Case) -> Iterator[Reason]:
    curated = case.context.curated.get(case.model)
    for meter, rate in curated.rates.items() if curated else ():
        if case.new.rates.get(meter) != rate:
            yield Reason(
                Rule.CURATED, meter, f"{case.new.rates.get(meter, 'none')}, and {rate} on the page"
            )


def _meter_gone(case: Case) -> Iterator[Reason]:
    for meter in CORE:
        if case.old and meter in case.old.rates and meter not in case.new.rates:
            yield Reason(Rule.METER_GONE, meter, f"{case.old.rates[meter]} to none")


def _unit(case: Case) -> Iterator[Reason]:
    width = math.log10(1 + case.t.unit_tolerance)
    for move in case.moves:
        power = move.log10 and round(abs(move.log10))
        if power in case.t.unit_powers and abs(abs(move.log10 or 0) - power) <= width:
            yield Reason(Rule.UNIT, move.meter, str(move))


def _swapped(case: Case) -> Iterator[Reason]:
    old = [case.old.rates.get(meter) for meter in CORE] if case.old else []
    new = [case.new.rates.get(meter) for meter in CORE]
    if None not in new and old == new[::-1] and old != new:
        yield Reason(Rule.SWAPPED, None, f"{old[0]}/{old[1]} to {new[0]}/{new[1]}")


def _rate_gone(case: Case) -> Iterator[Reason]:
    for lost in case.lost:
        held = case.stays or lost.exceeds(case.t.gone_band)
        if held and not case.is_return(lost.when, lost.meter):
            yield Reason(Rule.RATE_GONE, lost.meter, str(lost))


def _band(case: Case) -> Iterator[Reason]:
    came = new_rates(case.old, case.new) if case.old else ()
    known = {(move.when, move.meter) for move in case.moves}
    for move in (*case.moves, *(move for move in came if (move.when, move.meter) in known)):
        if _is_out_of_band(move, case.t) and not case.is_return(move.when, move.meter):
            yield Reason(Rule.BAND, move.meter, str(move))


def _is_out_of_band(move: Move, t: Thresholds) -> bool:
    if move.meter in CACHE:
        return move.exceeds(t.cache_band_up, t.cache_band_down)
    return move.exceeds(t.band_up, t.band_down)


def _proportion(case: Case) -> Iterator[Reason]:
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


def _is_unusual(case: Case, meter: Meter, found: float | None) -> bool:
    """Whether no usual rate and no peer is in this proportion to its parent."""
    low, high = case.t.usual_proportions.get(meter, (0, math.inf))
    # In a first reading no model is known yet, so bounds and relations decide.
    if case.context.first_reading or found is None or low <= found <= high:
        return False
    theirs = proportion({meter: spread.median for meter, spread in case.peers.items()}, meter)
    return not theirs or abs(math.log10(found) - math.log10(theirs)) > math.log10(2) + _ROUNDING


def _from_zero(case: Case) -> Iterator[Reason]:
    for move in case.moves:
        if move.old == 0 and move.new:
            yield Reason(Rule.FROM_ZERO, move.meter, str(move))


def _anchor_7_days(case: Case) -> Iterator[Reason]:
    yield from _drifted(case)


def _drifted(case: Case) -> Iterator[Reason]:
    """The core rates that moved inside the band, but away from their anchor and out of its band."""
    anchor = case.context.anchors.days_7.get(case.model)
    if anchor is None or anchor.currency != case.new.currency:
        return
    for move in case.moves:
        if move.when is not None or move.meter not in CORE or _is_out_of_band(move, case.t):
            continue
        drift = Move(None, move.meter, anchor.rates.get(move.meter), move.new)
        away = (drift.log10 or 0) * (move.log10 or 0) > 0
        if away and _is_out_of_band(drift, case.t) and not case.is_return(None, move.meter):
            yield Reason(Rule.ANCHOR_7_DAYS, move.meter, str(drift))


def _peers(case: Case) -> Iterator[Reason]:
    factor = case.t.first_peer_factor if case.context.first_reading else case.t.peer_factor
    # In a first reading input and output decide, so that a person does not get too many.
    for meter in CORE if case.context.first_reading else case.new.rates:
        if meter not in case.new.rates:
            continue
        distance = case.log10_to_peers(meter) if meter in CORE else _outside_of_peers(case, meter)
        if distance is not None and abs(distance) > math.log10(factor) + _ROUNDING:
            detail = f"{case.new.rates[meter]} compared with {case.peers[meter]}"
            yield Reason(Rule.PEERS, meter, detail)


def _outside_of_peers(case: Case, meter: Meter) -> float | None:
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


def _without_peers(case: Case) -> Iterator[Reason]:
    # In a first reading no model is known yet, so bounds and relations decide.
    if case.context.first_reading or case.has_peers or case.siblings or case.is_declared_free:
        return
    for meter in CORE:
        rate = case.new.rates.get(meter)
        if rate and case.is_outside(case.t.usual, meter, rate):
            yield Reason(Rule.EXTREME, meter, str(rate))
    if not case.context.trusted:
        yield Reason(Rule.OLD_CATALOGS if case.context.catalogs_are_old else Rule.NO_PEERS)


def _siblings(case: Case) -> Iterator[Reason]:
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


def _half_a_price(case: Case) -> Iterator[Reason]:
    """A missing input or output.

    Embeddings and unit-priced models have no output, so only peers show that it is missing.
    """
    for meter in CORE:
        needed = meter in case.peers or (meter is Meter.INPUT and Meter.OUTPUT in case.new.rates)
        if needed and meter not in case.new.rates:
            yield Reason(Rule.HALF_A_PRICE, meter)


_RuleFunction = Callable[[Case], Iterator[Reason]]
RULES_OF_EVERY_CARD: tuple[_RuleFunction, ...] = (
    _zero,
    _out_of_bounds,
    _relation,
    _tier,
    _curated,
    _proportion,
)
RULES_OF_MOVES: tuple[_RuleFunction, ...] = (
    _meter_gone,
    _rate_gone,
    _unit,
    _swapped,
    _band,
    _from_zero,
    _anchor_7_days,
)
RULES_OF_NEW_CARDS: tuple[_RuleFunction, ...] = (
    _peers,
    _siblings,
    _without_peers,
    _half_a_price,
)
