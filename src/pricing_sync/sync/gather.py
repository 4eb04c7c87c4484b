"""Collects what the store knows that bears on one reading, in a constant number of statements."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pricing_sync.changes.diff import diff
from pricing_sync.changes.held import State
from pricing_sync.changes.run import Reading
from pricing_sync.gate import Anchors, Thresholds
from pricing_sync.prices.rates import Answer
from pricing_sync.store.store import Store
from pricing_sync.sync.decide import StoredFacts

_WEEK, _MONTH = timedelta(days=7), timedelta(days=30)


def gather(
    store: Store,
    reading: Reading,
    last: Reading | None,
    answer: Answer | None,
    thresholds: Thresholds,
) -> StoredFacts:
    """The facts that bear on an answer, or, without one, on the bytes of the last reading.

    They are not read in one snapshot, which would keep other readers of the database waiting. The
    claim keeps out other readings of the provider, and `StoredFacts.entries` shows whether a person
    has decided something since.
    """
    provider, ledger = reading.provider, store.ledger
    entries = store.audit_log.count(provider)
    held = {item.change.model: item for item in store.review.held(provider)}
    stored = ledger.known_models(provider) if answer or held else {}
    facts = StoredFacts(last=last, entries=entries, held=held, stored=stored)
    if answer is None:
        return replace(
            facts,
            missing=ledger.missing_models(provider),
            peers=store.peers.peers(provider, held, thresholds) if held else {},
        )
    rejected = [item.change for item in store.review.held(provider, state=State.REJECTED)]
    found = diff(stored, answer)
    changes = [change for change in found if change not in rejected]
    facts = replace(
        facts, changes=changes, rejected=[change for change in found if change in rejected]
    )
    if not changes:
        return facts
    week, reported_at = reading.at - _WEEK, store.outbox.last_reported(provider)
    return replace(
        facts,
        announced=store.announcements.due(provider, reading.at),
        peers=store.peers.peers(provider, [change.model for change in changes], thresholds),
        anchors=Anchors(
            ledger.anchors(provider, week),
            ledger.anchors(provider, reading.at - _MONTH),
            ledger.recent_cards(provider, week, thresholds.release_after),
        )
        if stored
        else Anchors(),
        reported=ledger.anchors(provider, reported_at) if reported_at else None,
    )
