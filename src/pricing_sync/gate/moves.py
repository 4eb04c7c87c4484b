"""The moves of one change, meter by meter, and of all changes of a reading together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from pricing_sync.changes.diff import Change, Kind
from pricing_sync.gate.families import families
from pricing_sync.gate.thresholds import Thresholds
from pricing_sync.prices.card_json import write_when
from pricing_sync.prices.rates import Meter, Rate, RateCard, Rates, When
from pricing_sync.prices.usage import PARENTS

CORE = (Meter.INPUT, Meter.OUTPUT)
CACHE = frozenset(
    {Meter.CACHE_READ, Meter.CACHE_READ_AUDIO, Meter.CACHE_WRITE, Meter.CACHE_WRITE_1H}
)

#: Stands for the logarithm of a fall to zero: a larger fall than any other.
_TO_ZERO = -9.0


@dataclass(frozen=True, slots=True)
class Move:
    """One rate before and after a change. `when` is None for the base rate."""

    when: When | None
    meter: Meter
    #: None for a rate that did not exist before.
    old: Rate | None
    new: Rate

    @property
    def log10(self) -> float | None:
        """The logarithm of the factor; None when one of the two rates is zero or missing."""
        return math.log10(self.new) - math.log10(self.old) if self.old and self.new else None

    def exceeds(self, up: float, down: float) -> bool:
        """Whether the rate rose by more than the factor *up* or fell by more than *down*."""
        if not self.old or not self.new:
            return False
        return self.new > self.old * up or self.new * down < self.old

    def __str__(self) -> str:
        factor = f", x{self.new / self.old:.4g}" if self.old and self.new else ""
        where = "" if self.when is None else " (under a condition)"
        return f"{'none' if self.old is None else self.old} to {self.new}{factor}{where}"


def moves(old: RateCard | None, new: RateCard) -> list[Move]:
    """The rates of *new* that are different or missing in *old* under the same condition."""
    before = _by_condition(old) if old else {}
    return [
        Move(when, meter, known.get(meter), rate)
        for when, rates in _by_condition(new).items()
        for known in (before.get(when, {}),)
        for meter, rate in rates.items()
        if known.get(meter) != rate
    ]


def _by_condition(card: RateCard) -> Mapping[When | None, Rates]:
    found: dict[When | None, Rates] = {None: card.rates}
    for conditional in card.conditional_rates:
        found[conditional.when] = {**found.get(conditional.when, {}), **conditional.rates}
    return found


def write_moves(change: Change) -> list[dict[str, Any]]:
    """Every rate that differs, with its factor; None for a rate that does not exist."""
    old, new = (card if isinstance(card, RateCard) else None for card in (change.old, change.new))
    changed = moves(old, new) if new else []
    kept = {(when, meter) for when, meter, _ in new.every_rate()} if new else set()
    gone = [
        (when, meter, rate)
        for when, meter, rate in (old.every_rate() if old else [])
        if (when, meter) not in kept
    ]
    return [write_move(move.when, move.meter, move.old, move.new) for move in changed] + [
        write_move(when, meter, rate, None) for when, meter, rate in gone
    ]


def write_move(
    when: When | None, meter: Meter, old: Rate | None, new: Rate | None
) -> dict[str, Any]:
    """One rate before and after, as JSON; None for one that does not exist."""
    return {
        "meter": meter.value,
        "when": None if when is None else write_when(when),
        "old": None if old is None else str(old),
        "new": None if new is None else str(new),
        "ratio": f"{new / old:.4g}" if old and new else None,
    }


def moves_on(held: Change, change: Change, thresholds: Thresholds | None = None) -> bool:
    """Whether a change goes further the way of a held one, and not back to the card in force.

    What the held card lacks is still missing; or its input and output moved far, and are nearer to
    the held ones than to those in force.
    """
    old, wrong, new = change.old, held.new, change.new
    if not isinstance(old, RateCard) or not isinstance(wrong, RateCard):
        return False
    if not isinstance(new, RateCard) or held.old != old:
        return False
    lacking = {meter for meter in old.rates if meter not in wrong.rates}
    if lacking:
        return not lacking & new.rates.keys()
    t = thresholds or Thresholds()
    core = [move for move in moves(old, wrong) if move.when is None and move.meter in CORE]
    return any(move.exceeds(t.mass_factor, t.mass_factor) for move in core) and all(
        abs(new.rates[move.meter] - move.new) < abs(new.rates[move.meter] - (move.old or 0))
        for move in core
        if move.meter in new.rates
    )


def views(card: RateCard) -> Iterator[tuple[When | None, Rates]]:
    """The rates in force without a condition, and under each condition alone."""
    yield None, card.rates
    for conditional in card.conditional_rates:
        yield conditional.when, {**card.rates, **conditional.rates}


def proportion(rates: Rates, meter: Meter) -> float | None:
    """The rate of *meter* over that of its parent; None when one of them is zero or missing."""
    rate, parent = rates.get(meter), rates.get(PARENTS[meter])
    return rate / parent if rate and parent else None


def is_free(card: RateCard) -> bool:
    """Whether all rates of the card are zero."""
    return not any(card.rates.values()) and not any(
        rate for conditional in card.conditional_rates for rate in conditional.rates.values()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """How far and how widely the prices of a provider moved in one reading."""

    #: Models whose input or output moved, and all models that had a price above zero.
    moved: int = 0
    priced: int = 0
    #: The families of the models that moved.
    families: int = 0
    #: The median logarithm of all moves of input and output.
    median_log10: float = 0.0
    #: The largest number of models that moved by one factor, of those that moved far, and the
    #: largest number of families.
    by_one_factor: int = 0
    families_by_one_factor: int = 0

    def is_mass(self, t: Thresholds) -> bool:
        """Whether the prices moved wider and further than in real price changes."""
        size = abs(self.median_log10)
        share = self.moved / max(self.priced, 1)
        wide = (self.moved >= t.mass_models and share >= t.mass_share) or (
            self.moved >= t.wide_mass_models and share >= t.wide_mass_share
        )
        far = self.families >= t.far_mass_models and share >= t.far_mass_share
        return (
            (wide and size >= math.log10(t.mass_factor))
            or (far and size >= math.log10(t.far_mass_factor))
            or self._is_one_factor(t)
        )

    def _is_one_factor(self, t: Thresholds) -> bool:
        rows, share = self.by_one_factor, self.by_one_factor / max(self.priced, 1)
        return (
            (self.families_by_one_factor >= t.same_factor_models and share >= t.same_factor_share)
            or (rows >= t.same_factor_models and share >= t.wide_mass_share)
            or (rows >= t.same_factor_few_models and share >= t.mass_share)
        )


def survey(
    changes: Sequence[Change],
    priced: int,
    thresholds: Thresholds | None = None,
    family: Mapping[str, str] | None = None,
) -> Sweep:
    """The sweep of *changes* at a provider with *priced* models above zero.

    *family* has the family of each change, where `families` was asked already.
    """
    t, family = thresholds or Thresholds(), family or families(changes)
    logs = {change.model: found for change in changes if (found := _core_logs(change))}
    width = math.log10(t.same_factor_tolerance)
    far = [
        (found[0], family[model])
        for model, found in logs.items()
        if max(found) - min(found) <= width and abs(found[0]) >= math.log10(t.mass_factor)
    ]
    clusters = [_largest_cluster(far, width)]
    for part in _part_logs(changes, family, t):
        size = _largest_cluster(part, width)
        clusters += [size] if size[0] >= t.same_factor_models else []
    rows, distinct = (max(sizes) for sizes in zip(*clusters, strict=True))
    # Promotions that end on one day do so by one factor, and their source has announced the day. A
    # large share of the list is doubtful all the same.
    if changes and all(change.starts_at for change in changes):
        distinct = 0
    return Sweep(
        moved=len(logs),
        priced=priced,
        families=len({family[model] for model in logs}),
        median_log10=median([log for found in logs.values() for log in found]) if logs else 0.0,
        by_one_factor=rows,
        families_by_one_factor=distinct,
    )


def _core_logs(change: Change) -> list[float]:
    """The logarithms of the factors of input and output; empty when none can be compared."""
    if change.kind is Kind.VANISHED:
        return []
    if not isinstance(change.old, RateCard) or not isinstance(change.new, RateCard):
        return []
    if change.old.currency != change.new.currency:
        return []
    return list(_logs(change.old.rates, change.new.rates))


def _part_logs(
    changes: Sequence[Change], family: Mapping[str, str], t: Thresholds
) -> Iterator[list[tuple[float, str]]]:
    """For each meter but input and output, the logarithms of its far moves, with the families."""
    found: dict[Meter, list[tuple[float, str]]] = {}
    for change in changes:
        if not isinstance(change.old, RateCard) or not isinstance(change.new, RateCard):
            continue
        before = change.old.rates
        for meter, rate in change.new.rates.items():
            if meter in CORE or before.get(meter) == rate:
                continue
            move = Move(None, meter, before.get(meter), rate)
            if move.exceeds(t.mass_factor, t.mass_factor):
                found.setdefault(meter, []).append((move.log10 or 0.0, family[change.model]))
    yield from found.values()


def _logs(old: Rates, new: Rates) -> Iterator[float]:
    for meter in CORE:
        before, after = old.get(meter), new.get(meter)
        if before and after == 0:
            yield _TO_ZERO
        elif before and after and before != after:
            yield math.log10(after) - math.log10(before)


def _largest_cluster(logs: Sequence[tuple[float, str]], width: float) -> tuple[int, int]:
    """The largest numbers of rows and of families whose logarithms are within *width*."""
    ordered = sorted(logs)
    first = rows = distinct = 0
    inside: Counter[str] = Counter()
    for last, (log, family) in enumerate(ordered):
        inside[family] += 1
        while log - ordered[first][0] > width:
            left = ordered[first][1]
            inside[left] -= 1
            if not inside[left]:
                del inside[left]
            first += 1
        rows, distinct = max(rows, last - first + 1), max(distinct, len(inside))
    return rows, distinct


def broken_relations(rates: Rates, t: Thresholds) -> Mapping[str, Meter]:
    """The relations that *rates* break, each with its meter. Very few models break any."""
    found: dict[str, Meter] = {}
    into, out = rates.get(Meter.INPUT), rates.get(Meter.OUTPUT)
    read = rates.get(Meter.CACHE_READ)
    if into and out and out < into:
        found["output under input"] = Meter.OUTPUT
    if into and out and out > into * t.output_to_input:
        found[f"output over {t.output_to_input:g} times input"] = Meter.OUTPUT
    if into and read and read > into:
        found["cache_read over input"] = Meter.CACHE_READ
    return found
