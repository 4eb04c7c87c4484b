"""Collects what the store knows that bears on one reading, in a constant number of statements."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from pricing_sync.changes.diff import diff
from pricing_sync.changes.held import State
from pricing_sync.changes.run import Reading
from pricing_sync.changes.scheduled import key_of
from pricing_sync.gate import Anchors, Thresholds
from pricing_sync.prices.rates import Answer
from pricing_sync.store.peers import PeerTable
from pricing_sync.store.store import Store
from pricing_sync.sync.decide import StoredFacts

_WEEK = timedelta(days=7)


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
    waiting = store.review.held(provider)
    is_needed = answer or waiting or ledger.timelines(provider, reading.at)
    facts = StoredFacts(
        last=last,
        entries=entries,
        held={item.change.model: item for item in waiting if item.change.starts_at is None},
        held_later={key_of(item.change): item for item in waiting if item.change.starts_at},
        stored=ledger.known_models(provider, reading.at) if is_needed else {},
    )
    if answer is not None:
        return _with_answer(facts, store, reading, answer, thresholds)
    models = {item.change.model for item in waiting}
    return replace(
        facts,
        missing=ledger.missing_models(provider),
        peers=store.peers.peers(provider, models, thresholds) if models else {},
    )


def _with_answer(
    facts: StoredFacts, store: Store, reading: Reading, answer: Answer, thresholds: Thresholds
) -> StoredFacts:
    """The facts, with what the answer changes and what that is compared with."""
    provider, ledger = reading.provider, store.ledger
    rejected = [item.change for item in store.review.held(provider, state=State.REJECTED)]
    found = diff(facts.stored, answer)
    changes = [change for change in found if change not in rejected]
    facts = replace(
        facts,
        changes=changes,
        rejected=[change for change in found if change in rejected],
        rejected_later=[change for change in rejected if change.starts_at is not None],
    )
    models = {change.model for change in changes} | _newly_scheduled(facts, answer)
    if not models:
        return facts
    week, reported_at = reading.at - _WEEK, store.outbox.last_reported(provider)
    return replace(
        facts,
        announced=store.announcements.due(provider, reading.at),
        peers=store.peers.peers(provider, models, thresholds),
        catalogs_are_old=_are_catalogs_old(store.peers, reading.at, thresholds),
        anchors=Anchors(
            ledger.anchors(provider, week, models),
            ledger.recent_cards(provider, week, thresholds.release_after, models),
        )
        if facts.stored
        else Anchors(),
        reported=ledger.anchors(provider, reported_at, models) if reported_at else None,
    )


def _newly_scheduled(facts: StoredFacts, answer: Answer) -> set[str]:
    """The models with something published for later that is not stored."""
    known = {model: stored.scheduled for model, stored in facts.stored.items()}
    return {
        model
        for model, timeline in answer.scheduled.items()
        if any(one not in known.get(model, ()) for one in timeline)
    }


def _are_catalogs_old(peers: PeerTable, at: datetime, thresholds: Thresholds) -> bool:
    """Whether the newest good read of a catalog is old; False if no list was ever compared."""
    newest = max((read.at for read in peers.last_good_reads().values()), default=at)
    return at - newest > thresholds.catalogs_old_after
