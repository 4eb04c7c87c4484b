"""Replays the readings that made a ledger through the gate's rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from pricing_sync.changes.diff import Change, Kind, Known
from pricing_sync.gate import (
    Anchors,
    Context,
    Peers,
    Thresholds,
    judge,
)
from pricing_sync.gate.fates import Judged, Record, fate_of, standing
from pricing_sync.gate.lost_rates import has_parts
from pricing_sync.gate.moves import is_free
from pricing_sync.prices.model_ids import is_named_free
from pricing_sync.prices.rates import RateCard, Source
from pricing_sync.prices.statements import Statement


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
                self._recent(at, changes),
            ),
            peers=peers,
            free=frozenset(c.model for c in changes if self._may_be_zero(c.model)),
        )

    def _may_be_zero(self, model: str) -> bool:
        """Whether the id says that the model is free, and it has no price above zero."""
        card = self._in_force.get(model)
        paid = isinstance(card, RateCard) and not is_free(card)
        return is_named_free(model) and not paid

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
                fate_of(change, verdict, held, reading.context, t),
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
