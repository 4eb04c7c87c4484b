"""What the gate would have done: recorded changes and injected faults, replayed by its rules.

Pure: parsed records or rate cards in, a table out. A threshold is changed with its consequences
in view.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import partial
from itertools import groupby
from types import MappingProxyType
from typing import Any

from pricing_sync.changes.diff import Change, Kind, Known
from pricing_sync.gate import (
    Anchors,
    Context,
    Peers,
    Spread,
    Sweep,
    Thresholds,
    Verdict,
    Waiting,
    judge,
    may_release,
    survey,
)
from pricing_sync.gate.moves import is_free
from pricing_sync.prices.rates import ConditionalRates, Meter, Per, Rate, RateCard, Rates, Source
from pricing_sync.prices.statements import Statement

#: One line of a record of updates, as `json.loads(line, parse_float=Decimal)` makes it.
Record = Mapping[str, Any]

_CORE = (Meter.INPUT, Meter.OUTPUT)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
#: How the ids of models say that they are free.
_FREE = (":free", "-free")


class Fate(StrEnum):
    """What becomes of a change."""

    AT_ONCE = "at once"
    WITHIN_24_H = "within 24 h"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Judged:
    """A recorded update and what becomes of it."""

    record: Record
    fate: Fate
    #: The names of the rules that hold it.
    reasons: tuple[str, ...] = ()


# Recorded updates.


def reading_of(records: Sequence[Record]) -> tuple[list[Change], Context, Sweep]:
    """The changes that *records* of one source, provider and instant tell, and what was around.

    The records may be a part of the reading; how many models moved, and how far, they say.

    Raises:
        ValueError: an amount is no price. The reader refuses such a row before the gate sees it.
    """
    changes = [Change(r["model"], Kind.CHANGED, _card(r["old"]), _card(r["new"])) for r in records]
    first = records[0]
    total = int(first["provider_models_total"])
    context = Context(
        provider=first["provider"],
        at=datetime.fromisoformat(first["date"]),
        listed=total,
        priced=total,
        peers={r["model"]: _peers(r) for r in records},
    )
    sweep = replace(
        survey(changes, total),
        moved=int(first["provider_models_changed"]),
        median_log10=float(first["provider_median_log10_ratio"]),
    )
    return changes, context, sweep


def _card(amounts: Mapping[str, Decimal]) -> RateCard:
    return RateCard(
        {Meter(meter): Rate.of(amount, Per.MILLION) for meter, amount in amounts.items()}
    )


def _peers(record: Record) -> Peers:
    return {
        Meter(meter): Spread(record["peer_providers"][meter], rate, rate, rate)
        for meter, amount in record["peer_median"].items()
        if amount is not None
        for rate in (Rate.of(amount, Per.MILLION),)
        if rate
    }


_FIELDS = ("date", "source", "provider", "model", "kind", "old", "new", "changes", "peer_median")
_COUNTED = ("provider_models_changed", "provider_models_total", "provider_median_log10_ratio")


def checked(record: object) -> Record:
    """*record*, when it has what a recorded update has.

    Raises:
        ValueError: it has not: which field.
    """
    if not isinstance(record, dict):
        raise ValueError("not an object")  # noqa: TRY004  one kind of error to catch
    for name in (*_FIELDS, *_COUNTED, "peer_providers"):
        if name not in record:
            raise ValueError(f"no {name}")
    try:
        if datetime.fromisoformat(record["date"]).tzinfo is None:
            raise ValueError(f"{record['date']} has no time zone")
        if _is_readable(record):
            reading_of([record])
    except (TypeError, AttributeError, KeyError, ArithmeticError) as error:
        raise ValueError(f"{error!r}") from None
    return record


def last_cards(records: Iterable[Record]) -> tuple[dict[str, RateCard], dict[str, Peers]]:
    """The newest cards that were not errors, by model, and their peers."""
    cards: dict[str, RateCard] = {}
    known: dict[str, Peers] = {}
    for record in sorted(records, key=lambda record: str(record["date"])):
        if record["kind"] != "error" and record["new"] and _is_readable(record):
            cards[record["model"]] = _card(record["new"])
            known[record["model"]] = _peers(record)
    return cards, known


def replay(records: Iterable[Record], thresholds: Thresholds | None = None) -> list[Judged]:
    """What becomes of each recorded update, if every held one stands for a day."""
    t = thresholds or Thresholds()
    ordered = sorted(records, key=_reading_key)
    return [
        judged
        for _, reading in groupby(ordered, key=_reading_key)
        for judged in _replay_reading(list(reading), t)
    ]


def _reading_key(record: Record) -> tuple[str, str, str, str]:
    """Records that were summed up apart are judged apart."""
    median = str(record["provider_median_log10_ratio"])
    return record["source"], record["provider"], record["date"], median


def _replay_reading(records: Sequence[Record], t: Thresholds) -> Iterator[Judged]:
    readable = [record for record in records if _is_readable(record)]
    for record in records:
        if not _is_readable(record):
            yield Judged(record, Fate.HELD, ("unreadable",))
    # One source may tell a model twice in a reading: each time is judged with the others.
    while readable:
        once = {record["model"]: record for record in readable}
        readable = [record for record in readable if once[record["model"]] is not record]
        changes, context, sweep = reading_of(list(once.values()))
        verdicts = judge(changes, context, t, sweep)
        held = sum(verdict.holds for verdict in verdicts.values())
        for change in changes:
            verdict = verdicts[change.model]
            fate = _fate(change, verdict, held, context, t)
            reasons = tuple(dict.fromkeys(reason.rule.value for reason in verdict.reasons))
            yield Judged(once[change.model], fate, reasons)


def _is_readable(record: Record) -> bool:
    return all(amount >= 0 for side in ("old", "new") for amount in record[side].values())


def _fate(change: Change, verdict: Verdict, held: int, context: Context, t: Thresholds) -> Fate:
    if not verdict.holds:
        return Fate.AT_ONCE
    released = may_release(
        Waiting(change, verdict.reasons, _LONG_AGO),
        _LONG_AGO + t.release_after,
        held_models=held,
        priced=context.priced,
        peers=context.peers.get(change.model, {}),
        thresholds=t,
    )
    return Fate.WITHIN_24_H if released else Fate.HELD


def is_harmful(record: Record) -> bool:
    """Whether a wrong update does real harm: a rate to or from zero, or ten times off."""
    return record["kind"] == "error" and any(
        (old > 0) != (new > 0) or not old * 10 > new > old / 10
        for old, new in record["changes"].values()
    )


# The ledger.


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerReading:
    """What one reading changed in the ledger, and what was around it."""

    changes: Sequence[Change]
    context: Context
    source: str


def from_ledger(
    history: Iterable[Statement],
    peers: Mapping[tuple[str, str], Peers] = MappingProxyType({}),
) -> list[LedgerReading]:
    """The readings that made the ledger, oldest first, each with the cards of its time around it.

    *history* is every statement that is known now. It holds what counted: what waited and was
    never let through is not in it. Peers, if there are any, are those of today.
    """
    by_provider: dict[str, list[Statement]] = {}
    for statement in history:
        by_provider.setdefault(statement.provider, []).append(statement)
    found = [
        reading
        for provider, statements in by_provider.items()
        for reading in _of_provider(provider, statements, peers)
    ]
    return sorted(found, key=lambda reading: (reading.context.at, reading.context.provider))


def _of_provider(
    provider: str, statements: Sequence[Statement], peers: Mapping[tuple[str, str], Peers]
) -> Iterator[LedgerReading]:
    begun, ended = _by_instant(statements)
    past = _Past()
    for at in sorted({*begun, *ended}):
        changes = past.changes(begun.get(at, []), ended.get(at, []))
        around = {
            change.model: known
            for change in changes
            if (known := peers.get((provider, change.model))) is not None
        }
        source = (begun.get(at) or ended[at])[0].source
        context = past.context(provider, at, changes, around)
        context = replace(context, trusted=source == Source.API)
        yield LedgerReading(changes=changes, context=context, source=source)
        past.turn(at, begun.get(at, []), ended.get(at, []))


def _by_instant(
    statements: Sequence[Statement],
) -> tuple[dict[datetime, list[Statement]], dict[datetime, list[Statement]]]:
    """The statements by when they begin, and by when they end."""
    begun: dict[datetime, list[Statement]] = {}
    ended: dict[datetime, list[Statement]] = {}
    for statement in statements:
        begun.setdefault(statement.since, []).append(statement)
        if statement.until is not None:
            ended.setdefault(statement.until, []).append(statement)
    return begun, ended


class _Past:
    """What was in force at one provider, from one reading to the next."""

    def __init__(self) -> None:
        self._in_force: dict[str, Known] = {}
        self._last: dict[str, Known] = {}
        self._cards: dict[str, list[tuple[datetime, Known | None]]] = {}

    def changes(self, begun: Sequence[Statement], ended: Sequence[Statement]) -> list[Change]:
        """What the statements that begin and end at one instant change."""
        started = {statement.model for statement in begun}
        return [
            Change(s.model, self._kind(s.model), self._last.get(s.model), s.listing) for s in begun
        ] + [
            Change(s.model, Kind.VANISHED, s.listing, None) for s in ended if s.model not in started
        ]

    def _kind(self, model: str) -> Kind:
        if model in self._in_force:
            return Kind.CHANGED
        return Kind.RETURNED if model in self._last else Kind.ADDED

    def context(
        self, provider: str, at: datetime, changes: Sequence[Change], peers: Mapping[str, Peers]
    ) -> Context:
        cards = [card for card in self._in_force.values() if isinstance(card, RateCard)]
        return Context(
            provider=provider,
            at=at,
            listed=len(self._in_force),
            priced=sum(not is_free(card) for card in cards),
            first_reading=not self._last,
            anchors=Anchors(
                self._anchors(at - timedelta(days=7), changes),
                self._anchors(at - timedelta(days=30), changes),
            ),
            peers=peers,
            free=frozenset(c.model for c in changes if self._may_be_zero(c.model)),
        )

    def _may_be_zero(self, model: str) -> bool:
        """By what the id says, unless it is sold for money."""
        card = self._in_force.get(model)
        paid = isinstance(card, RateCard) and not is_free(card)
        return model.lower().endswith(_FREE) and not paid

    def _anchors(self, at: datetime, changes: Sequence[Change]) -> dict[str, RateCard]:
        found = {}
        for change in changes:
            then = [card for since, card in self._cards.get(change.model, ()) if since <= at]
            if then and isinstance(then[-1], RateCard):
                found[change.model] = then[-1]
        return found

    def turn(self, at: datetime, begun: Sequence[Statement], ended: Sequence[Statement]) -> None:
        """Let the statements that begin and end at an instant do so."""
        for statement in ended:
            self._in_force.pop(statement.model, None)
            self._cards.setdefault(statement.model, []).append((at, None))
        for statement in begun:
            self._in_force[statement.model] = self._last[statement.model] = statement.listing
            self._cards.setdefault(statement.model, []).append((at, statement.listing))


def replay_ledger(
    readings: Iterable[LedgerReading], thresholds: Thresholds | None = None
) -> Iterator[Judged]:
    """What would have become of each change in the ledger, if every held one stood for a day."""
    t = thresholds or Thresholds()
    for reading in readings:
        verdicts = judge(reading.changes, reading.context, t)
        held = sum(verdict.holds for verdict in verdicts.values())
        for change in reading.changes:
            verdict = verdicts[change.model]
            yield Judged(
                _ledger_record(reading, change),
                _fate(change, verdict, held, reading.context, t),
                tuple(dict.fromkeys(reason.rule.value for reason in verdict.reasons)),
            )


def _ledger_record(reading: LedgerReading, change: Change) -> Record:
    """As much of a record as tells the change's reading. The ledger takes it to be genuine."""
    return {
        "source": reading.source,
        "provider": reading.context.provider,
        "date": reading.context.at.isoformat(),
        "provider_median_log10_ratio": Decimal(0),
        "model": change.model,
        "kind": change.kind.value,
    }


# Injected faults.


Fault = Callable[[RateCard], RateCard | None]


def _times(numerator: int, denominator: int = 1, meters: Sequence[Meter] = tuple(Meter)) -> Fault:
    return partial(_map_rates, partial(_scale, numerator, denominator, frozenset(meters)))


def _scale(numerator: int, denominator: int, meters: frozenset[Meter], rates: Rates) -> Rates:
    return {
        meter: Rate(rate * numerator // denominator) if meter in meters else rate
        for meter, rate in rates.items()
    }


def _swap(rates: Rates) -> Rates:
    into, out = (rates.get(meter) for meter in _CORE)
    swapped = dict(rates)
    if into is not None and out is not None:
        swapped |= {Meter.INPUT: out, Meter.OUTPUT: into}
    return swapped


def _map_rates(change: Callable[[Rates], Rates], card: RateCard) -> RateCard | None:
    """The card with every set of rates changed; None when that leaves it as it is."""
    try:
        spoilt = replace(
            card,
            rates=change(card.rates),
            conditional_rates=tuple(
                ConditionalRates(o.when, change(o.rates)) for o in card.conditional_rates
            ),
        )
    except ValueError:  # too large for a rate: the reader refuses it before the gate sees it
        return None
    return spoilt if spoilt != card else None


#: What goes wrong with one card, by name.
FAULTS: Mapping[str, Fault] = {
    "x1e3": _times(1_000),
    "x1e6": _times(1_000_000),
    "x100": _times(100),
    "/1e3": _times(1, 1_000),
    "/1e6": _times(1, 1_000_000),
    "/100": _times(1, 100),
    "swapped": partial(_map_rates, _swap),
    "zero": _times(0),
    "output zero": _times(0, 1, [Meter.OUTPUT]),
    "cache x1e3": _times(1_000, 1, [Meter.CACHE_READ]),
    "x10": _times(10),
    "/10": _times(1, 10),
    "x7.2": _times(72, 10),
    "/7.2": _times(10, 72),
}
#: What goes wrong with all cards of a provider at once.
SWEEPING_FAULTS: Mapping[str, Fault] = {
    "all x0.5": _times(1, 2),
    "all x2": _times(2),
    "all x4": _times(4),
}


@dataclass(frozen=True, slots=True)
class Caught:
    """How many injected faults were held, of how many."""

    injected: int = 0
    held: int = 0
    #: Of those held, how many a day and the peers would let through.
    released: int = 0

    def __add__(self, other: Caught) -> Caught:
        return Caught(
            self.injected + other.injected, self.held + other.held, self.released + other.released
        )

    @property
    def share_held(self) -> float:
        """For good, of 1."""
        return (self.held - self.released) / self.injected if self.injected else 1.0


def inject(
    cards: Mapping[str, RateCard],
    context: Context,
    thresholds: Thresholds | None = None,
    *,
    as_new: bool = False,
) -> dict[str, Caught]:
    """How many of each fault are caught, in the cards of one provider.

    *as_new*: the model is not known yet, and comes in with the fault.
    """
    t, kind = thresholds or Thresholds(), Kind.ADDED if as_new else Kind.CHANGED
    found: dict[str, Caught] = {}
    for name, fault in FAULTS.items():
        each = (_inject({model: card}, fault, context, t, kind) for model, card in cards.items())
        found[name] = sum(each, Caught())
    for name, fault in SWEEPING_FAULTS.items() if not as_new else ():
        found[name] = _inject(cards, fault, context, t, kind)
    return found


def _inject(
    cards: Mapping[str, RateCard], fault: Fault, context: Context, t: Thresholds, kind: Kind
) -> Caught:
    changes = [
        Change(model, kind, None if kind is Kind.ADDED else card, spoilt)
        for model, card in cards.items()
        if (spoilt := fault(card)) is not None
    ]
    verdicts = judge(changes, context, t)
    held = sum(verdict.holds for verdict in verdicts.values())
    fates = [_fate(change, verdicts[change.model], held, context, t) for change in changes]
    return Caught(len(changes), held, fates.count(Fate.WITHIN_24_H))


# The table.


def groups(judged: Sequence[Judged]) -> dict[str, list[Judged]]:
    """The updates by kind, and once more the errors that do real harm."""
    found: dict[str, list[Judged]] = {}
    for entry in sorted(judged, key=lambda entry: str(entry.record["kind"])):
        found.setdefault(entry.record["kind"], []).append(entry)
    harmful = [entry for entry in judged if is_harmful(entry.record)]
    return found | ({"error, harmful": harmful} if harmful else {})


def summarize(judged: Sequence[Judged], caught: Mapping[str, Caught] | None = None) -> str:
    """The table, as plain text."""
    lines = [f"{'updates':<24}{'number':>8}{'at once':>10}{'in 24 h':>10}{'held':>10}"]
    lines += [_row(name, group) for name, group in groups(judged).items()]
    if true := legitimate(judged):
        lines.append(f"review batches a week: {batches_per_week(true):.2f} for each source")
    if caught:
        lines.append(f"\n{'injected fault':<24}{'number':>8}{'held':>10}")
        lines += [
            f"{name:<24}{found.injected:>8}{100 * found.share_held:>9.2f}%"
            for name, found in caught.items()
        ]
    return "\n".join(lines)


def legitimate(judged: Sequence[Judged]) -> list[Judged]:
    """The updates that are labelled genuine; all, when none is labelled (a ledger's)."""
    return [entry for entry in judged if entry.record["kind"] == "genuine"] or [
        entry for entry in judged if entry.record["kind"] in set(Kind)
    ]


def _row(name: str, judged: Sequence[Judged]) -> str:
    at_once, in_time = shares(judged)
    return (
        f"{name:<24}{len(judged):>8}"
        f"{100 * at_once:>9.2f}%{100 * in_time:>9.2f}%{100 * (1 - in_time):>9.2f}%"
    )


def shares(judged: Sequence[Judged]) -> tuple[float, float]:
    """The shares applied at once, and within 24 hours, of 1."""
    at_once = sum(entry.fate is Fate.AT_ONCE for entry in judged)
    later = sum(entry.fate is Fate.WITHIN_24_H for entry in judged)
    return at_once / max(len(judged), 1), (at_once + later) / max(len(judged), 1)


def batches_per_week(judged: Sequence[Judged]) -> float:
    """Readings with something for a person to do, for one source and provider and week."""
    held = {_reading_key(entry.record) for entry in judged if entry.fate is Fate.HELD}
    weeks = timedelta()
    for _, entries in groupby(
        sorted(judged, key=lambda entry: _reading_key(entry.record)),
        key=lambda entry: _reading_key(entry.record)[:2],
    ):
        dates = [datetime.fromisoformat(entry.record["date"]) for entry in entries]
        weeks += max(max(dates) - min(dates), timedelta(weeks=1))
    return len(held) / (weeks / timedelta(weeks=1)) if weeks else 0.0
