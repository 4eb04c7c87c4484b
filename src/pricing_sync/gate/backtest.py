"""Replays recorded changes and injected faults through the gate's rules.

Pure: parsed records or rate cards in, a table out. The table shows the consequences of a threshold
before it is changed.
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
    judge,
    may_release,
    survey,
)
from pricing_sync.gate.lost_rates import has_parts, lost_rates
from pricing_sync.gate.moves import is_free
from pricing_sync.prices.rates import ConditionalRates, Meter, Per, Rate, RateCard, Rates, Source
from pricing_sync.prices.statements import Statement

#: A recorded update: one line of a file, parsed by `json.loads(line, parse_float=Decimal)`.
Record = Mapping[str, Any]

_CORE = (Meter.INPUT, Meter.OUTPUT)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
#: Suffixes of the ids of free models.
_FREE = (":free", "-free")


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


# Recorded updates.


def reading_of(
    records: Sequence[Record], recent: Mapping[str, Sequence[RateCard]] = MappingProxyType({})
) -> tuple[list[Change], Context, Sweep]:
    """The changes of *records* of one source, provider and instant, with context and sweep.

    *recent* are the cards of the last week that stood for a day, by model.

    The records may be only a part of the reading. The sweep is that of the whole reading, from the
    figures in the records.

    Raises:
        ValueError: an amount is no price. In production the decoder refuses such a row before the
            gate.
    """
    changes = [Change(r["model"], Kind.CHANGED, _card(r["old"]), _card(r["new"])) for r in records]
    first = records[0]
    total = int(first["provider_models_total"])
    context = Context(
        provider=first["provider"],
        at=datetime.fromisoformat(first["date"]),
        listed=total,
        priced=total,
        anchors=Anchors(recent=recent),
        peers={r["model"]: _peers(r) for r in records},
    )
    known = survey(changes, total)
    moved = int(first["provider_models_changed"])
    sweep = replace(
        known,
        moved=moved,
        families=max(known.families, moved - (known.moved - known.families)),
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
_READING_FIELDS = (
    "provider_models_changed",
    "provider_models_total",
    "provider_median_log10_ratio",
)


def checked(record: object) -> Record:
    """*record*, when it is a valid recorded update.

    Raises:
        ValueError: it is not valid; the message names the field.
    """
    if not isinstance(record, dict):
        raise ValueError("not an object")  # noqa: TRY004  one kind of error to catch
    for name in (*_FIELDS, *_READING_FIELDS, "peer_providers"):
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
    """The newest cards that are not errors, by model, and their peers."""
    cards: dict[str, RateCard] = {}
    known: dict[str, Peers] = {}
    for record in sorted(records, key=lambda record: str(record["date"])):
        if record["kind"] != "error" and record["new"] and _is_readable(record):
            cards[record["model"]] = _card(record["new"])
            known[record["model"]] = _peers(record)
    return cards, known


def replay(records: Iterable[Record], thresholds: Thresholds | None = None) -> list[Judged]:
    """The fate of each recorded update, if every held one stays the same for a day."""
    t = thresholds or Thresholds()
    ordered = sorted(records, key=_reading_key)
    found: list[Judged] = []
    for _, entries in groupby(ordered, key=lambda record: _reading_key(record)[:2]):
        timeline = _Timeline(t)
        for _, reading in groupby(entries, key=_reading_key):
            judged = list(_replay_reading(list(reading), t, timeline))
            timeline.add(judged)
            found += judged
    return found


class _Timeline:
    """The cards in force of one source and provider, as the replayed updates were applied."""

    def __init__(self, t: Thresholds) -> None:
        self._t = t
        self._cards: dict[str, list[tuple[datetime, RateCard]]] = {}

    def add(self, judged: Iterable[Judged]) -> None:
        """Put the updates that were applied in force, each at its time."""
        for entry in judged:
            if not _is_readable(entry.record):
                continue
            at = datetime.fromisoformat(entry.record["date"])
            first = [(_LONG_AGO, _card(entry.record["old"]))] if entry.record["old"] else []
            cards = self._cards.setdefault(entry.record["model"], first)
            if entry.record["new"] and entry.fate is not Fate.HELD:
                waited = self._t.release_after if entry.fate is Fate.WITHIN_24_H else timedelta()
                cards.append((at + waited, _card(entry.record["new"])))

    def recent(self, at: datetime) -> dict[str, list[RateCard]]:
        """By model the cards of the week before an instant that stood for a day."""
        return {
            model: standing(cards, at, self._t.release_after)
            for model, cards in self._cards.items()
        }


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


def _reading_key(record: Record) -> tuple[str, str, str, str]:
    """The reading of a record. Records with different summary figures are different readings."""
    median = str(record["provider_median_log10_ratio"])
    return record["source"], record["provider"], record["date"], median


def _replay_reading(
    records: Sequence[Record], t: Thresholds, timeline: _Timeline
) -> Iterator[Judged]:
    readable = [record for record in records if _is_readable(record)]
    for record in records:
        if not _is_readable(record):
            yield Judged(record, Fate.HELD, ("unreadable",))
    # A source may list a model twice in a reading. Each listing is judged with the other models.
    while readable:
        by_model = {record["model"]: record for record in readable}
        readable = [record for record in readable if by_model[record["model"]] is not record]
        recent = timeline.recent(datetime.fromisoformat(records[0]["date"]))
        changes, context, sweep = reading_of(list(by_model.values()), recent)
        verdicts = judge(changes, context, t, sweep)
        held = sum(verdict.holds for verdict in verdicts.values())
        for change in changes:
            verdict = verdicts[change.model]
            fate = _fate(change, verdict, held, context, t)
            reasons = tuple(dict.fromkeys(reason.rule.value for reason in verdict.reasons))
            yield Judged(by_model[change.model], fate, reasons)


def _is_readable(record: Record) -> bool:
    return all(amount >= 0 for side in ("old", "new") for amount in record[side].values())


def _fate(change: Change, verdict: Verdict, held: int, context: Context, t: Thresholds) -> Fate:
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


def is_harmful(record: Record) -> bool:
    """Whether a wrong update moves a rate to or from zero, or by a factor of ten or more."""
    return record["kind"] == "error" and any(
        (old > 0) != (new > 0) or not old * 10 > new > old / 10
        for old, new in record["changes"].values()
    )


# The ledger.


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerReading:
    """The changes of one reading in the ledger, with their context."""

    changes: Sequence[Change]
    context: Context
    source: str


def from_ledger(
    history: Iterable[Statement],
    peers: Mapping[tuple[str, str], Peers] = MappingProxyType({}),
    waiting: Mapping[str, Sequence[tuple[datetime, Change]]] = MappingProxyType({}),
) -> list[LedgerReading]:
    """The readings that made the ledger, oldest first, each with the context of its time.

    *history* is every statement that is known now: the changes that counted. *waiting* are those
    that are held still, by provider, each with the time of its reading. *peers* are those of today.
    """
    by_provider: dict[str, list[Statement]] = {}
    for statement in history:
        by_provider.setdefault(statement.provider, []).append(statement)
    found = [
        reading
        for provider, statements in by_provider.items()
        for reading in _of_provider(provider, statements, peers, waiting.get(provider, ()))
    ]
    return sorted(found, key=lambda reading: (reading.context.at, reading.context.provider))


def _of_provider(
    provider: str,
    statements: Sequence[Statement],
    peers: Mapping[tuple[str, str], Peers],
    waiting: Sequence[tuple[datetime, Change]],
) -> Iterator[LedgerReading]:
    starting, ending = _by_instant(statements)
    ledger = _LedgerState()
    for at in sorted({*starting, *ending, *(since for since, _ in waiting)}):
        changes = ledger.changes(starting.get(at, []), ending.get(at, []))
        changes += [change for since, change in waiting if since == at]
        peers_by_model = {
            change.model: known
            for change in changes
            if (known := peers.get((provider, change.model))) is not None
        }
        source = (starting.get(at) or ending.get(at) or statements)[0].source
        context = ledger.context(provider, at, changes, peers_by_model)
        context = replace(context, trusted=source == Source.API)
        yield LedgerReading(changes=changes, context=context, source=source)
        ledger.apply(at, starting.get(at, []), ending.get(at, []))


def _by_instant(
    statements: Sequence[Statement],
) -> tuple[dict[datetime, list[Statement]], dict[datetime, list[Statement]]]:
    """The statements by their start, and by their end."""
    starting: dict[datetime, list[Statement]] = {}
    ending: dict[datetime, list[Statement]] = {}
    for statement in statements:
        starting.setdefault(statement.since, []).append(statement)
        if statement.until is not None:
            ending.setdefault(statement.until, []).append(statement)
    return starting, ending


class _LedgerState:
    """The cards in force at one provider, as they were from one reading to the next."""

    def __init__(self) -> None:
        self._in_force: dict[str, Known] = {}
        self._last: dict[str, Known] = {}
        self._cards: dict[str, list[tuple[datetime, Known | None]]] = {}

    def changes(self, starting: Sequence[Statement], ending: Sequence[Statement]) -> list[Change]:
        """The changes made by the statements that start and end at one instant."""
        with_new_card = {statement.model for statement in starting}
        return [
            Change(s.model, self._kind(s.model), self._last.get(s.model), s.listing)
            for s in starting
        ] + [
            Change(s.model, Kind.VANISHED, s.listing, None)
            for s in ending
            if s.model not in with_new_card
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
            with_parts=sum(has_parts(card) for card in cards),
            first_reading=not self._last,
            anchors=Anchors(
                self._anchors(at - timedelta(days=7), changes),
                self._anchors(at - timedelta(days=30), changes),
                self._recent(at, changes),
            ),
            peers=peers,
            free=frozenset(c.model for c in changes if self._may_be_zero(c.model)),
        )

    def _may_be_zero(self, model: str) -> bool:
        """Whether the id says that the model is free, and it has no price above zero."""
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

    def _recent(self, at: datetime, changes: Sequence[Change]) -> dict[str, list[RateCard]]:
        span = Thresholds().release_after
        return {
            change.model: standing(
                [
                    (since, card if isinstance(card, RateCard) else None)
                    for since, card in self._cards.get(change.model, ())
                ],
                at,
                span,
            )
            for change in changes
        }

    def apply(
        self, at: datetime, starting: Sequence[Statement], ending: Sequence[Statement]
    ) -> None:
        """Start and end the statements of one instant."""
        for statement in ending:
            self._in_force.pop(statement.model, None)
            self._cards.setdefault(statement.model, []).append((at, None))
        for statement in starting:
            self._in_force[statement.model] = self._last[statement.model] = statement.listing
            self._cards.setdefault(statement.model, []).append((at, statement.listing))


def replay_ledger(
    readings: Iterable[LedgerReading], thresholds: Thresholds | None = None
) -> Iterator[Judged]:
    """The fate of each change in the ledger, if every held one stays the same for a day."""
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
    """The fields of a record that identify a change and its reading. It counts as genuine."""
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
    """The card with *change* applied to all its rates; None when the card stays the same."""
    try:
        faulty = replace(
            card,
            rates=change(card.rates),
            conditional_rates=tuple(
                ConditionalRates(o.when, change(o.rates)) for o in card.conditional_rates
            ),
        )
    except ValueError:  # too large for a rate: the decoder refuses it before the gate
        return None
    return faulty if faulty != card else None


def _lose_parts(card: RateCard) -> RateCard | None:
    """The card with input and output only; None when it has none, or is billed the same without."""
    core = {meter: rate for meter, rate in card.rates.items() if meter in _CORE}
    left = replace(card, rates=core, conditional_rates=()) if core else card
    return left if lost_rates(card, left) else None


#: Faults in one card, by name.
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
    "cache /10": _times(1, 10, [Meter.CACHE_READ]),
}
#: Faults that only a card can have that was complete before.
LOSSES: Mapping[str, Fault] = {"meters lost": _lose_parts}
#: Faults in all cards of a provider at once, by name.
SWEEPING_FAULTS: Mapping[str, Fault] = {
    "all x0.5": _times(1, 2),
    "all x2": _times(2),
    "all x4": _times(4),
    "all cache /10": _times(1, 10, [Meter.CACHE_READ]),
    "all meters lost": _lose_parts,
}
#: No fault: a maker cuts one model by 80 %, and a list of 345 models has it in five rows.
FAMILY_CUT = "no fault: 1 cut, 5 rows"
_FAMILY_ROWS = ("", "-pro", "~latest", ":batch", "-2026-07-01")
_FAMILY_LIST = 345


@dataclass(frozen=True, slots=True)
class Caught:
    """The number of injected faults, and how many of them were held."""

    injected: int = 0
    held: int = 0
    #: The number of held faults that would be released after the waiting time.
    released: int = 0

    def __add__(self, other: Caught) -> Caught:
        return Caught(
            self.injected + other.injected, self.held + other.held, self.released + other.released
        )

    @property
    def share_held(self) -> float:
        """The share of faults that are held and never released, of 1."""
        return (self.held - self.released) / self.injected if self.injected else 1.0

    @property
    def share_held_a_day(self) -> float:
        """The share of faults that are held at first, of 1."""
        return self.held / self.injected if self.injected else 1.0


def inject(
    cards: Mapping[str, RateCard],
    context: Context,
    thresholds: Thresholds | None = None,
    *,
    as_new: bool = False,
) -> dict[str, Caught]:
    """The number of faults that are caught in the cards of one provider, by fault.

    *as_new*: each model is a new model that has the fault from the start.
    """
    t, kind = thresholds or Thresholds(), Kind.ADDED if as_new else Kind.CHANGED
    context = replace(context, with_parts=sum(has_parts(card) for card in cards.values()))
    found: dict[str, Caught] = {}
    for name, fault in (FAULTS if as_new else {**FAULTS, **LOSSES}).items():
        each = (_inject({model: card}, fault, context, t, kind) for model, card in cards.items())
        found[name] = sum(each, Caught())
    for name, fault in SWEEPING_FAULTS.items() if not as_new else ():
        found[name] = _inject(cards, fault, context, t, kind)
    if not as_new:
        wide = replace(context, priced=_FAMILY_LIST)
        each = (_cut_family(model, card, wide, t) for model, card in cards.items())
        found[FAMILY_CUT] = sum(each, Caught())
    return found


def _cut_family(model: str, card: RateCard, context: Context, t: Thresholds) -> Caught:
    rows = {f"{model}{row}": card for row in _FAMILY_ROWS}
    return _inject(rows, _times(1, 5), context, t, Kind.CHANGED)


def _inject(
    cards: Mapping[str, RateCard], fault: Fault, context: Context, t: Thresholds, kind: Kind
) -> Caught:
    changes = [
        Change(model, kind, None if kind is Kind.ADDED else card, faulty)
        for model, card in cards.items()
        if (faulty := fault(card)) is not None
    ]
    verdicts = judge(changes, context, t)
    held = sum(verdict.holds for verdict in verdicts.values())
    fates = [_fate(change, verdicts[change.model], held, context, t) for change in changes]
    return Caught(len(changes), held, fates.count(Fate.WITHIN_24_H))


# The table.


def groups(judged: Sequence[Judged]) -> dict[str, list[Judged]]:
    """The updates by kind, and additionally the harmful errors."""
    found: dict[str, list[Judged]] = {}
    for entry in sorted(judged, key=lambda entry: str(entry.record["kind"])):
        found.setdefault(entry.record["kind"], []).append(entry)
    harmful = [entry for entry in judged if is_harmful(entry.record)]
    return found | ({"error, harmful": harmful} if harmful else {})


def summarize(judged: Sequence[Judged], caught: Mapping[str, Caught] | None = None) -> str:
    """The table, as plain text."""
    lines = [f"{'updates':<24}{'number':>8}{'at once':>10}{'in 24 h':>10}{'held':>10}"]
    lines += [_row(name, group) for name, group in groups(judged).items()]
    if genuine := legitimate(judged):
        lines.append(f"review batches a week: {batches_per_week(genuine):.2f} for each source")
    if caught:
        lines.append(f"\n{'injected fault':<24}{'number':>8}{'held':>10}{'for a day':>11}")
        lines += [
            f"{name:<24}{found.injected:>8}{100 * found.share_held:>9.2f}%"
            f"{100 * found.share_held_a_day:>10.2f}%"
            for name, found in caught.items()
        ]
    return "\n".join(lines)


def legitimate(judged: Sequence[Judged]) -> list[Judged]:
    """The updates that are labelled genuine. Those of a ledger have no label: all are returned."""
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
    """The shares that are applied at once, and within 24 hours, of 1."""
    at_once = sum(entry.fate is Fate.AT_ONCE for entry in judged)
    later = sum(entry.fate is Fate.WITHIN_24_H for entry in judged)
    return at_once / max(len(judged), 1), (at_once + later) / max(len(judged), 1)


def batches_per_week(judged: Sequence[Judged]) -> float:
    """The number of readings with held changes per week, for one source and provider."""
    held = {_reading_key(entry.record) for entry in judged if entry.fate is Fate.HELD}
    weeks = timedelta()
    for _, entries in groupby(
        sorted(judged, key=lambda entry: _reading_key(entry.record)),
        key=lambda entry: _reading_key(entry.record)[:2],
    ):
        dates = [datetime.fromisoformat(entry.record["date"]) for entry in entries]
        weeks += max(max(dates) - min(dates), timedelta(weeks=1))
    return len(held) / (weeks / timedelta(weeks=1)) if weeks else 0.0
