"""Charts as numbers: where the marks of a drawing are. The templates draw them as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import log10
from typing import NamedTuple

from pricing_sync.gate import Quote
from pricing_sync.prices.rates import Meter, Rate, RateCard
from pricing_sync.prices.statements import Statement

WIDTH, HEIGHT = 400, 110
_LEFT, _RIGHT, _TOP, _BOTTOM = 1, 3, 20, 4
#: The width of a character beside a step, at most.
_CHARACTER = 8
#: Beyond this factor between the dearest and the cheapest, an axis is logarithmic.
_LOG_FACTOR = 20
DOTS_WIDTH = 240
_DOTS_EDGE = 10


class Step(NamedTuple):
    """A rate for some time: where it is drawn, and what it is."""

    left: float
    right: float
    y: float
    rate: Rate
    since: datetime
    until: datetime | None

    @property
    def has_room(self) -> bool:
        """Whether its rate can be written above it."""
        return len(str(self.rate)) * _CHARACTER <= self.right - self.left


@dataclass(frozen=True, slots=True)
class StepChart:
    """How one meter's base rate moved. A gap is a time without a rate."""

    meter: Meter
    steps: Sequence[Step]
    path: str
    low: Rate
    high: Rate
    is_log: bool

    @property
    def is_flat(self) -> bool:
        return len(self.steps) == 1


class Dot(NamedTuple):
    """A price on a line."""

    x: float
    kind: str
    name: str
    rate: Rate


def step_charts(cards: Sequence[Statement], now: datetime) -> list[StepChart]:
    """A chart of each meter that any of the cards has, of all the time since the first card.

    The cards are those of one model, the oldest first.
    """
    meters = {
        meter
        for card in cards
        if isinstance(card.listing, RateCard)
        for meter in card.listing.rates
    }
    return [_step_chart(meter, cards, now) for meter in Meter if meter in meters]


def _step_chart(meter: Meter, cards: Sequence[Statement], now: datetime) -> StepChart:
    spans = _spans(meter, cards)
    rates = [rate for _, _, rate in spans]
    axis = _Axis(min(rates), max(rates))
    first = cards[0].since.timestamp()
    seconds = max(now.timestamp() - first, 1)

    def x(at: datetime | None) -> float:
        share = ((at or now).timestamp() - first) / seconds
        return round(_LEFT + min(share, 1) * (WIDTH - _LEFT - _RIGHT), 1)

    def y(rate: Rate) -> float:
        return round(HEIGHT - _BOTTOM - axis.share(rate) * (HEIGHT - _TOP - _BOTTOM), 1)

    steps = [Step(x(since), x(until), y(rate), rate, since, until) for since, until, rate in spans]
    return StepChart(meter, steps, _path(steps), min(rates), max(rates), axis.is_log)


def _spans(
    meter: Meter, cards: Sequence[Statement]
) -> list[tuple[datetime, datetime | None, Rate]]:
    """The rates of a meter one after the other; cards that name the same rate are one."""
    found: list[tuple[datetime, datetime | None, Rate]] = []
    for card in cards:
        rate = card.listing.rates.get(meter) if isinstance(card.listing, RateCard) else None
        if rate is None or card.since == card.until:
            continue
        if found and found[-1][2] == rate and found[-1][1] == card.since:
            found[-1] = (found[-1][0], card.until, rate)
        else:
            found.append((card.since, card.until, rate))
    return found


def _path(steps: Sequence[Step]) -> str:
    parts, last = [], None
    for step in steps:
        joined = last is not None and last.until == step.since
        parts.append(f"{'V' if joined else f'M{step.left} '}{step.y}H{step.right}")
        last = step
    return "".join(parts)


class _Axis:
    """Where a rate is between the edges of a drawing, from 0 to 1. It only draws."""

    def __init__(self, low: int, high: int) -> None:
        self.is_log = low > 0 and high / low > _LOG_FACTOR
        self._low = log10(low) if self.is_log else 0.0
        self._high = log10(high) if self.is_log else float(high)

    def share(self, rate: Rate) -> float:
        value = log10(rate) if self.is_log and rate else float(rate)
        width = self._high - self._low
        return (value - self._low) / width if width else 0.5


@dataclass(frozen=True, slots=True)
class DotPlot:
    """Where others' prices are, and the old and the new one."""

    #: Of others, as one path of dots.
    path: str
    others: str
    marks: Sequence[Dot]


def dot_plot(dots: Sequence[Dot]) -> DotPlot:
    """A drawing of these prices: one path for all others, which may be many."""
    peers = [dot for dot in dots if dot.kind == "peer"]
    rates = sorted(dot.rate for dot in peers)
    spread = str(rates[0]) if rates[0] == rates[-1] else f"{rates[0]!s} to {rates[-1]!s}"
    count = len({dot.name for dot in peers})
    return DotPlot(
        "".join(f"M{x} 12h0" for x in sorted({dot.x for dot in peers})),
        f"{count} other{'s' if count > 1 else ''} {spread}",
        [dot for dot in dots if dot.kind != "peer"],
    )


def dots(meter: Meter, old: Rate | None, new: Rate | None, quotes: Sequence[Quote]) -> list[Dot]:
    """The prices of other sellers for one meter, and the old and the new one, on a log scale.

    Prices of zero have no place on it.
    """
    named = [
        ("peer", quote.lineage, quote.card.rates[meter])
        for quote in quotes
        if quote.card.currency == "USD" and quote.card.rates.get(meter)
    ]
    named += [(kind, kind, rate) for kind, rate in (("old", old), ("new", new)) if rate]
    if not named:
        return []
    logs = [log10(rate) for _, _, rate in named]
    low, width = min(logs), max(max(logs) - min(logs), 0.3)
    return [
        Dot(
            round(_DOTS_EDGE + (at - low) / width * (DOTS_WIDTH - 2 * _DOTS_EDGE), 1),
            kind,
            name,
            rate,
        )
        for at, (kind, name, rate) in zip(logs, named, strict=True)
    ]
