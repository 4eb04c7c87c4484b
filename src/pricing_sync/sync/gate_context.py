"""Builds the gate's context of a reading, and decides which of its changes are held."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pricing_sync.changes.diff import Change, Stored
from pricing_sync.gate import (
    Anchors,
    Announced,
    Context,
    Held,
    Peers,
    Reason,
    Rule,
    Thresholds,
    Verdict,
    Waiting,
    judge,
    may_release,
    worth_reporting,
)
from pricing_sync.gate.families import families, root
from pricing_sync.gate.lost_rates import has_parts
from pricing_sync.gate.moves import is_free, moves_on
from pricing_sync.prices.model_ids import is_named_free
from pricing_sync.prices.rates import Meter, RateCard, Source
from pricing_sync.sources.provider import Provider
from pricing_sync.store.review import HeldChange
from pricing_sync.store.store import Store

_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class GateResult:
    """The reasons of the held changes, by model, and the announcements that matched a change."""

    reasons: Mapping[str, Sequence[str]]
    used: Sequence[Announced] = ()


def judge_reading(
    provider: Provider,
    at: datetime,
    changes: Sequence[Change],
    stored: Mapping[str, Stored],
    held: Mapping[str, HeldChange],
    store: Store,
    thresholds: Thresholds | None = None,
    free: Collection[str] = (),
) -> GateResult:
    """The gate's verdict on the changes of one reading.

    A change that is held already, is still the same and may be released has no reasons here.
    """
    in_force = [known.listing for known in stored.values() if known.retired_at is None]
    priced = sum(isinstance(card, RateCard) and not is_free(card) for card in in_force)
    models = [change.model for change in changes]
    peers = store.peers.peers(provider.id, models, thresholds) if changes else {}
    context = Context(
        provider=provider.id,
        at=at,
        listed=len(in_force),
        priced=priced,
        with_parts=sum(isinstance(card, RateCard) and has_parts(card) for card in in_force),
        first_reading=not stored,
        trusted=provider.source is Source.API,
        currency=provider.currency,
        anchors=_anchors(provider, at, models, store, thresholds)
        if models and stored
        else Anchors(),
        peers=peers,
        catalogs_are_old=_are_catalogs_old(store, at, thresholds) if changes else False,
        siblings=_siblings(changes, stored) if changes else {},
        free=frozenset((*free, *_free_models(changes, stored))),
        announced=store.review.announced(provider.id, at) if changes else (),
        curated=provider.curated.cards if provider.curated else {},
        waiting=_waiting(changes, held),
    )
    verdicts = judge(changes, context, thresholds)
    reasons = {
        change.model: [str(reason) for reason in verdicts[change.model].reasons]
        for change in changes
        if verdicts[change.model].holds
        and not _is_releasable(change, verdicts[change.model], held, at, priced, peers, thresholds)
    }
    used = [entry for verdict in verdicts.values() for entry in verdict.used]
    return GateResult(reasons, used)


def _are_catalogs_old(store: Store, at: datetime, thresholds: Thresholds | None) -> bool:
    """Whether the newest good read of a catalog is old; False if no list was ever compared."""
    reads = store.peers.last_good_reads().values()
    newest = max((read.at for read in reads), default=at)
    return at - newest > (thresholds or Thresholds()).catalogs_old_after


def _waiting(changes: Iterable[Change], held: Mapping[str, HeldChange]) -> dict[str, Held]:
    """The changes that wait already, by model.

    A row of a wrong list that moves on is a part of it still.
    """
    found = {}
    for change in changes:
        item = held.get(change.model)
        if item is None:
            continue
        reasons = [read_reason(text) for text in item.reasons]
        if item.change != change:
            of_list = [r for r in reasons if r.rule in (Rule.MASS, Rule.MASS_GONE)]
            reasons = of_list if moves_on(item.change, change) else []
        if reasons:
            found[change.model] = Held(item.since, reasons)
    return found


def releasable_changes(
    provider: Provider,
    at: datetime,
    store: Store,
    thresholds: Thresholds | None = None,
) -> list[Change]:
    """The held changes that may be released now, if the provider's answer is still the same."""
    held = store.review.held(provider.id)
    if not held:
        return []
    counts = store.model_counts()[provider.id]
    peers = store.peers.peers(provider.id, [item.change.model for item in held], thresholds)
    return [
        item.change
        for item in held
        if may_release(
            Waiting(item.change, [read_reason(text) for text in item.reasons], item.since),
            at,
            held_models=_held_together(item, held, thresholds),
            priced=counts.priced,
            peers=peers.get(item.change.model, {}),
            thresholds=thresholds,
        )
    ]


def _held_together(
    item: HeldChange, held: Iterable[HeldChange], thresholds: Thresholds | None
) -> int:
    """The families of models that began to wait at about the same time as *item*, with its own.

    A change that has waited for longer is no evidence about this one.
    """
    span = (thresholds or Thresholds()).release_after
    together = [other.change for other in held if abs(other.since - item.since) < span]
    return len(set(families(together).values()))


def is_minor(
    provider: Provider,
    applied: Sequence[Change],
    store: Store,
    thresholds: Thresholds | None = None,
) -> bool:
    """Whether all applied changes are too small to notify about.

    They are compared with the prices of the last notification. Compared with the last stored
    prices, a hundred small steps would never be notified.
    """
    reported_at = store.last_reported(provider.id)
    if reported_at is None or not applied:
        return False
    reported = store.anchors(provider.id, reported_at, {change.model for change in applied})
    return not any(
        worth_reporting(reported.get(change.model, change.old), change.new, thresholds)
        for change in applied
    )


def _is_releasable(
    change: Change,
    verdict: Verdict,
    held: Mapping[str, HeldChange],
    at: datetime,
    priced: int,
    peers: Mapping[str, Peers],
    thresholds: Thresholds | None,
) -> bool:
    """Whether the same change has been held long enough to be released without a person."""
    item = held.get(change.model)
    if item is None or item.change != change:
        return False
    return may_release(
        Waiting(change, verdict.reasons, item.since),
        at,
        held_models=_held_together(item, held.values(), thresholds),
        priced=priced,
        peers=peers.get(change.model, {}),
        thresholds=thresholds,
    )


def _anchors(
    provider: Provider,
    at: datetime,
    models: Iterable[str],
    store: Store,
    thresholds: Thresholds | None,
) -> Anchors:
    changed = frozenset(models)
    week, standing = at - _WEEK, (thresholds or Thresholds()).release_after
    return Anchors(
        store.anchors(provider.id, week, changed),
        store.recent_cards(provider.id, week, standing, changed),
    )


def _siblings(changes: Iterable[Change], stored: Mapping[str, Stored]) -> dict[str, list[RateCard]]:
    """The cards in force of the other rows of each changed model."""
    rows: dict[str, dict[str, RateCard]] = {}
    for model, known in stored.items():
        if known.retired_at is None and isinstance(known.listing, RateCard):
            rows.setdefault(root(model), {})[model] = known.listing
    return {
        change.model: [card for model, card in others.items() if model != change.model]
        for change in changes
        if (others := rows.get(root(change.model)))
    }


def _free_models(changes: Iterable[Change], stored: Mapping[str, Stored]) -> Iterable[str]:
    """The changed models that have a free id and no paid card in force."""
    for change in changes:
        known = stored.get(change.model)
        card = known.listing if known else None
        paid = isinstance(card, RateCard) and not is_free(card)
        if is_named_free(change.model) and not paid:
            yield change.model


def read_reason(text: str) -> Reason:
    """The reason in *text*, which `str(reason)` wrote."""
    rule, *rest = text.split(": ", 2)
    meter = Meter(rest[0]) if rest and rest[0] in set(Meter) else None
    return Reason(Rule(rule), meter, ": ".join(rest[1:] if meter else rest))
