"""When a held change releases itself, and when a change is worth reporting."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta

from pricing_sync.changes.diff import Change, Known
from pricing_sync.gate.case import Reason
from pricing_sync.gate.moves import CORE, Move, moves, proportion, views
from pricing_sync.gate.peers import Peers
from pricing_sync.gate.rules import RULES, Rule
from pricing_sync.gate.thresholds import COMMON_PROPORTIONS, Thresholds
from pricing_sync.prices.rates import Meter, Rate, RateCard
from pricing_sync.prices.usage import PARENTS

#: The rules whose doubt no peer can confirm or refute.
_NO_PEERS = frozenset({Rule.RATE_GONE, Rule.ANCHOR_7_DAYS, Rule.OLD_CATALOGS})


def may_release(
    change: Change,
    reasons: Sequence[Reason],
    waited: timedelta,
    *,
    held_models: int,
    priced: int,
    peers: Peers,
    thresholds: Thresholds | None = None,
) -> bool:
    """Whether a softly held change can be released: every reading has repeated it exactly.

    It must have waited long enough, few other models of the provider may wait, and peers must
    confirm the price. Time alone proves nothing: only 12 % of errors are undone within a day.

    No peer says that a rate is gone, that two steps are one too many, or that a model is too new
    for the catalogs: such a change must be alone. So must one that moved input and output by
    different factors, which no wrong unit does: it needs no peer.

    *held_models* is the number of the provider's models (families) that began to wait with this
    one, itself included; *priced* is the number of its models with a price.
    """
    t = thresholds or Thresholds()
    new = change.new
    if not isinstance(new, RateCard) or any(RULES[r.rule].hard for r in reasons):
        return False
    if waited < t.release_after:
        return False
    is_crowd = held_models >= t.release_crowd
    if is_crowd and held_models >= t.release_crowd_share * priced:
        return False
    doubts = [reason for reason in reasons if reason.rule not in _NO_PEERS]
    if is_crowd and len(doubts) < len(reasons):
        return False
    if not doubts or _peers_agree(change, new, reasons, peers, t):
        return True
    return not is_crowd and _moved_apart(change, new, reasons, peers, t)


def _peers_agree(
    change: Change, new: RateCard, reasons: Sequence[Reason], peers: Peers, t: Thresholds
) -> bool:
    """Whether the new rates are near their peers, or moved moderately towards them."""
    units_per_dollar = t.units_per_dollar.get(new.currency)
    if units_per_dollar is None:
        return False
    medians = {meter: spread.median * units_per_dollar for meter, spread in peers.items()}
    compared = {meter for meter in CORE if meter in new.rates and meter in medians}
    unpriced_before = {r.meter for r in reasons if r.rule is Rule.FROM_ZERO and r.meter}
    if not compared or not unpriced_before <= medians.keys():
        return False
    required = compared | unpriced_before
    factor = t.release_factor
    if _moved_far(change, new, t):
        required = {meter for meter in required if peers[meter].count >= t.release_far_peers}
        factor = t.release_far_factor
    near = bool(required) and all(
        _is_near(new.rates.get(meter), medians[meter], factor) for meter in required
    )
    if not near and not _moves_towards(change, new, medians, t):
        return False
    return all(
        _is_part_confirmed(move, change, reasons, medians, factor, t)
        for move in moves(_card(change.old), new)
        if move.when is not None or move.meter not in CORE
    )


def _moved_apart(
    change: Change, new: RateCard, reasons: Sequence[Reason], peers: Peers, t: Thresholds
) -> bool:
    """Whether input and output moved the same way by different factors, and only a band held that.

    A wrong unit, currency or tier moves both by one factor. A wrong row can move them so, and then
    peers must not be far.
    """
    units_per_dollar = t.units_per_dollar.get(new.currency)
    if units_per_dollar is None or any(r.rule is not Rule.BAND for r in reasons):
        return False
    moved = moves(_card(change.old), new)
    core = {move.meter: move for move in moved if move.when is None and move.meter in CORE}
    logs = [move.log10 or 0.0 for move in core.values()]
    if len(logs) < len(CORE) or min(logs) * max(logs) <= 0:
        return False
    if max(logs) - min(logs) < math.log10(t.release_apart_factor):
        return False
    if any(move.exceeds(t.release_apart_move, t.release_apart_move) for move in core.values()):
        return False
    medians = {meter: spread.median * units_per_dollar for meter, spread in peers.items()}
    return all(
        _is_near(rate, medians[meter], t.first_peer_factor)
        for meter, rate in new.rates.items()
        if meter in CORE and meter in medians
    ) and all(
        _is_part_confirmed(move, change, reasons, medians, t.release_factor, t)
        for move in moved
        if move not in core.values()
    )


def _is_part_confirmed(
    move: Move,
    change: Change,
    reasons: Sequence[Reason],
    medians: Mapping[Meter, int],
    factor: float,
    t: Thresholds,
) -> bool:
    """Whether nothing speaks against a moved rate that is not a base rate of input or output.

    A base rate that a rule named must be within *factor* of the peers. Any other one must be within
    `peer_factor`: peers have no conditional rates, so theirs is the base rate. A named rate that no
    peer has must be in proportion to its parent.
    """
    is_named = any(reason.meter is move.meter for reason in reasons)
    if move.meter in medians:
        within = factor if is_named and move.when is None else t.peer_factor
        return _is_near(move.new, medians[move.meter], within)
    return not is_named or _is_in_proportion(move, change, t)


def _card(listing: Known | None) -> RateCard | None:
    return listing if isinstance(listing, RateCard) else None


def _is_in_proportion(move: Move, change: Change, t: Thresholds) -> bool:
    """Whether a rate kept its proportion to its parent, or has one that other models have.

    A common proportion is enough. A usual one must be near the old one, unless that was unusual.
    """
    if move.meter not in PARENTS:
        return False
    before, after = (
        proportion(dict(views(card)).get(move.when, {}), move.meter) if card else None
        for card in (_card(change.old), _card(change.new))
    )
    if after is None:
        return False
    common = COMMON_PROPORTIONS.get(move.meter, ())
    if any(_is_within(after, known, 1 + t.unit_tolerance) for known in common):
        return True
    if before is not None and _is_within(after, before, t.release_factor):
        return True
    low, high = t.usual_proportions.get(move.meter, (math.inf, 0))
    was_usual = before is not None and low <= before <= high
    is_near = before is None or _is_within(after, before, t.proportion_factor)
    return low <= after <= high and (is_near or not was_usual)


def _is_within(one: float, other: float, factor: float) -> bool:
    return one <= other * factor and other <= one * factor


def _moved_far(change: Change, new: RateCard, t: Thresholds) -> bool:
    """Whether a core rate moved as far as an error of currency or unit would move it."""
    old = _card(change.old)
    return any(
        move.meter in CORE and move.exceeds(t.release_move, t.release_move)
        for move in moves(old, new)
    )


def _is_near(rate: Rate | None, median: int, factor: float) -> bool:
    return rate is not None and median <= rate * factor and rate <= median * factor


def _moves_towards(
    change: Change, new: RateCard, medians: Mapping[Meter, int], t: Thresholds
) -> bool:
    """Whether every base rate that moved far is nearer to its peers now, and near enough."""
    old = _card(change.old)
    far = [
        move
        for move in moves(old, new)
        if move.when is None and move.exceeds(t.release_factor, t.release_factor)
    ]
    return bool(far) and all(_is_nearer(move, medians, t) for move in far)


def _is_nearer(move: Move, medians: Mapping[Meter, int], t: Thresholds) -> bool:
    median = medians.get(move.meter)
    if not median or not move.old or move.exceeds(t.release_move, t.release_move):
        return False
    before, after = (abs(math.log10(rate) - math.log10(median)) for rate in (move.old, move.new))
    return after < before and _is_near(move.new, median, t.peer_factor)


def worth_reporting(
    old: Known | None, new: Known | None, thresholds: Thresholds | None = None
) -> bool:
    """Whether a change is larger than the drift of a currency. Every change is recorded.

    *old* is the listing that was reported last, not the one that was stored last: a hundred
    small steps add up to a large one.
    """
    t = thresholds or Thresholds()
    if not isinstance(old, RateCard) or not isinstance(new, RateCard):
        return old != new
    if old.currency != new.currency or len(old.every_rate()) != len(new.every_rate()):
        return True
    return any(_is_worth_reporting(move, t) for move in moves(old, new))


def _is_worth_reporting(move: Move, t: Thresholds) -> bool:
    return not move.old or abs(move.new - move.old) >= t.notice_share * move.old
