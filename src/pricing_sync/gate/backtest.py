"""Replays recorded updates through the gate's rules, and sums up what any replay gave.

Pure: parsed records in, a table out. The table shows the consequences of a threshold
before it is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from types import MappingProxyType

from pricing_sync.changes.diff import Change, Kind
from pricing_sync.gate import (
    Anchors,
    Context,
    Peers,
    Spread,
    Sweep,
    Thresholds,
    judge,
    survey,
)
from pricing_sync.gate.fates import Fate, Judged, Record, fate_of, standing
from pricing_sync.gate.injected_faults import Caught
from pricing_sync.prices.rates import Meter, Per, Rate, RateCard

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

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
            fate = fate_of(change, verdict, held, context, t)
            reasons = tuple(dict.fromkeys(reason.rule.value for reason in verdict.reasons))
            yield Judged(by_model[change.model], fate, reasons)


def _is_readable(record: Record) -> bool:
    return all(amount >= 0 for side in ("old", "new") for amount in record[side].values())


def is_harmful(record: Record) -> bool:
    """Whether a wrong update moves a rate to or from zero, or by a factor of ten or more."""
    return record["kind"] == "error" and any(
        (old > 0) != (new > 0) or not old * 10 > new > old / 10
        for old, new in record["changes"].values()
    )


# The table.


#: A provider with more genuine updates than this has a row of its own.
_MANY_UPDATES = 50


def groups(judged: Sequence[Judged]) -> dict[str, list[Judged]]:
    """The updates by kind, the harmful errors, and the genuine updates of the large providers."""
    found: dict[str, list[Judged]] = {}
    for entry in sorted(judged, key=lambda entry: str(entry.record["kind"])):
        found.setdefault(entry.record["kind"], []).append(entry)
    harmful = [entry for entry in judged if is_harmful(entry.record)]
    by_provider: dict[str, list[Judged]] = {}
    for entry in found.get("genuine", ()):
        by_provider.setdefault(f"genuine, {entry.record['provider']}", []).append(entry)
    large = {name: group for name, group in by_provider.items() if len(group) > _MANY_UPDATES}
    return found | ({"error, harmful": harmful} if harmful else {}) | dict(sorted(large.items()))


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
