"""Decides what a reading does. The answer and the stored facts in, a plan out; no store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pricing_sync.changes.diff import Change, Known, Stored
from pricing_sync.changes.held import HeldChange
from pricing_sync.changes.plan import ChangePlan, plan_changes
from pricing_sync.changes.run import NEW_KEYS, Reading, Status
from pricing_sync.changes.scheduled import Key, ScheduledPlan
from pricing_sync.gate import (
    Anchors,
    Announced,
    Context,
    Peers,
    Reason,
    Rule,
    Thresholds,
    Verdict,
    judge,
    may_release,
    worth_reporting,
)
from pricing_sync.gate.families import families, root
from pricing_sync.gate.lost_rates import has_parts
from pricing_sync.gate.moves import is_free, moves_on
from pricing_sync.prices.model_ids import is_named_free
from pricing_sync.prices.rates import Answer, RateCard, Source
from pricing_sync.sources.provider import Provider
from pricing_sync.sync.answer import find_new_keys, listing_counts, refuse_if_renamed
from pricing_sync.sync.scheduled_prices import plan_later, plan_same_bytes

#: The rules of a wrong list, of which a row that moves on is a part still.
_OF_LIST = (Rule.MASS, Rule.MASS_GONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFacts:
    """What the store knows that bears on one reading of a provider. `gather` collects it."""

    #: The newest successful reading before this one; None before the first.
    last: Reading | None
    #: The number of entries in the audit log. Another number later means that the facts may be old.
    entries: int
    #: The stored models. For the same bytes as last time they are read only if changes are held or
    #: prices of later are known.
    stored: Mapping[str, Stored]
    #: The open held changes of the price now, by model, and those of later.
    held: Mapping[str, HeldChange]
    held_later: Mapping[Key, HeldChange] = field(default_factory=dict)
    #: What the answer changes in `stored`, without the changes that a person has rejected. Those
    #: neither count nor wait, so they are no evidence about the others either.
    changes: Sequence[Change] = ()
    rejected: Sequence[Change] = ()
    #: The changes of later that a person has rejected.
    rejected_later: Sequence[Change] = ()
    #: The models that were missing at the last reading. Only for the same bytes as last time.
    missing: Sequence[str] = ()
    #: The announced moves that may happen now.
    announced: tuple[Announced, ...] = ()
    anchors: Anchors = field(default_factory=Anchors)
    #: The peers of the changed models, or of the held ones for the same bytes as last time.
    peers: Mapping[str, Peers] = field(default_factory=dict)
    #: Whether the catalogs that the peers are from were read too long ago.
    catalogs_are_old: bool = False
    #: The cards at the last notification that changed since, by model; None before the first one.
    reported: Mapping[str, RateCard] | None = None

    def in_force(self) -> list[Known | None]:
        """The listings in force: a model that could never be read has None."""
        return [known.listing for known in self.stored.values() if known.retired_at is None]

    def cards(self) -> list[RateCard]:
        """The cards in force."""
        return [card for card in self.in_force() if isinstance(card, RateCard)]

    def priced(self) -> int:
        """The number of models with a price above zero."""
        return sum(not is_free(card) for card in self.cards())


@dataclass(frozen=True, slots=True)
class Decision:
    """A reading, and what it does to the store."""

    reading: Reading
    plan: ChangePlan
    #: The announcements that match an applied change.
    used: Sequence[Announced] = ()


def decide(
    provider: Provider,
    reading: Reading,
    answer: Answer | None,
    facts: StoredFacts,
    *,
    thresholds: Thresholds,
    free: Collection[str] = (),
) -> Decision:
    """What an answer does, or, without one, the same bytes as last time.

    Raises:
        DecodeError: a price key of the answer seems to be renamed.
    """
    if answer is None:
        return _decide_unchanged(reading, facts, thresholds)
    new_keys = find_new_keys(facts.last, reading, answer)
    refuse_if_renamed(provider, facts.stored, answer, new_keys)
    reading = replace(
        reading, status=Status.READ, listings=listing_counts(answer), ignored=answer.ignored
    )
    verdicts, reasons = _judge(provider, reading.at, facts, thresholds, free)
    plan = plan_changes(
        reading,
        [*facts.changes, *facts.rejected],
        reasons,
        facts.stored,
        answer,
        open_held=facts.held,
        rejected=facts.rejected,
    )
    later = _plan_later(provider, reading, answer, facts, plan, thresholds, free)
    is_minor = _is_minor(plan, facts.reported, thresholds)
    plan = replace(plan, is_minor=is_minor, scheduled=later)
    applied = {change.model for change in plan.apply}
    used = [entry for found in verdicts.values() for entry in found.used if entry.model in applied]
    new = {NEW_KEYS: len(new_keys)} if new_keys else {}
    return Decision(replace(reading, changes={**plan.counts(), **new}), plan, used)


def _decide_unchanged(reading: Reading, facts: StoredFacts, t: Thresholds) -> Decision:
    """The same bytes can still retire missing models, and release what was held long enough."""
    priced = facts.priced()
    released = [
        item
        for item in (*facts.held.values(), *facts.held_later.values())
        if _may_release(item, list(map(Reason.of, item.reasons)), reading.at, facts, priced, t)
    ]
    plan = plan_same_bytes(reading.at, facts.missing, released, facts.stored)
    reading = replace(
        reading,
        status=Status.UNCHANGED,
        listings=facts.last.listings if facts.last else {},
        ignored=facts.last.ignored if facts.last else {},
        changes=plan.counts(),
    )
    return Decision(reading, plan)


def _plan_later(
    provider: Provider,
    reading: Reading,
    answer: Answer,
    facts: StoredFacts,
    plan: ChangePlan,
    thresholds: Thresholds,
    free: Collection[str],
) -> ScheduledPlan:
    def judge_day(
        changes: Sequence[Change], after: Mapping[str, Stored], waiting: Mapping[str, HeldChange]
    ) -> dict[str, list[str]]:
        of_day = replace(facts, changes=changes, stored=after, held=waiting, held_later={})
        return _judge(provider, reading.at, of_day, thresholds, free)[1]

    return plan_later(
        reading,
        answer,
        facts.stored,
        plan,
        judge_day,
        held=facts.held_later,
        rejected=facts.rejected_later,
    )


def _judge(
    provider: Provider,
    at: datetime,
    facts: StoredFacts,
    thresholds: Thresholds,
    free: Collection[str],
) -> tuple[Mapping[str, Verdict], dict[str, list[str]]]:
    """The verdict on each change of the facts, and the reasons to hold it, by model."""
    if not facts.changes:
        return {}, {}
    context = _context(provider, at, facts, free)
    verdicts = judge(facts.changes, context, thresholds)
    return verdicts, _reasons(verdicts, context, facts, thresholds)


def _context(
    provider: Provider, at: datetime, facts: StoredFacts, free: Collection[str]
) -> Context:
    changes = facts.changes
    return Context(
        provider=provider.id,
        at=at,
        listed=len(facts.in_force()),
        priced=facts.priced(),
        with_parts=sum(map(has_parts, facts.cards())),
        first_reading=not facts.stored,
        trusted=provider.source is Source.API,
        currency=provider.currency,
        anchors=facts.anchors,
        peers=facts.peers,
        catalogs_are_old=facts.catalogs_are_old,
        siblings=_siblings(changes, facts.stored),
        free=frozenset((*free, *_free_models(changes, facts.stored))),
        announced=facts.announced,
        curated=provider.curated.cards if provider.curated else {},
        waiting=_waiting(changes, facts.held),
    )


def _reasons(
    verdicts: Mapping[str, Verdict], context: Context, facts: StoredFacts, t: Thresholds
) -> dict[str, list[str]]:
    """The reasons to hold each change, by model; none for a held one that may be released now."""
    repeated = {
        change.model: item
        for change in facts.changes
        if (item := facts.held.get(change.model)) and item.change == change
    }
    return {
        model: [str(reason) for reason in verdict.reasons]
        for model, verdict in verdicts.items()
        if verdict.holds
        and not (
            model in repeated
            and _may_release(repeated[model], verdict.reasons, context.at, facts, context.priced, t)
        )
    }


def _may_release(
    item: HeldChange,
    reasons: Sequence[Reason],
    at: datetime,
    facts: StoredFacts,
    priced: int,
    t: Thresholds,
) -> bool:
    """Whether a change has been held long enough to be released without a person."""
    return may_release(
        item.change,
        reasons,
        at - item.since,
        held_models=_held_together(item, facts, t),
        priced=priced,
        peers=facts.peers.get(item.change.model, {}),
        thresholds=t,
    )


def _held_together(item: HeldChange, facts: StoredFacts, t: Thresholds) -> int:
    """The families of models that began to wait at about the same time as *item*, with its own.

    A change that has waited for longer, or is for another day, is no evidence about this one.
    """
    together = [
        other.change
        for other in (*facts.held.values(), *facts.held_later.values())
        if other.change.starts_at == item.change.starts_at
        and abs(other.since - item.since) < t.release_after
    ]
    return len(set(families(together).values()))


def _is_minor(
    plan: ChangePlan, reported: Mapping[str, RateCard] | None, thresholds: Thresholds
) -> bool:
    """Whether all applied changes are too small to notify about.

    They are compared with the prices of the last notification. Compared with the last stored
    prices, a hundred small steps would never be notified.
    """
    if reported is None or not plan.apply or plan.retire:
        return False
    return not any(
        worth_reporting(reported.get(change.model, change.old), change.new, thresholds)
        for change in plan.apply
    )


def _waiting(changes: Iterable[Change], held: Mapping[str, HeldChange]) -> dict[str, HeldChange]:
    """The changes that wait already, by model.

    A row of a wrong list that moves on is a part of it still.
    """
    found = {}
    for change in changes:
        item = held.get(change.model)
        if item is None:
            continue
        reasons = item.reasons
        if item.change != change:
            of_list = (text for text in reasons if Reason.of(text).rule in _OF_LIST)
            reasons = tuple(of_list) if moves_on(item.change, change) else ()
        if reasons:
            found[change.model] = replace(item, reasons=reasons)
    return found


def _siblings(changes: Iterable[Change], stored: Mapping[str, Stored]) -> dict[str, list[RateCard]]:
    """The cards in force of the other rows of each changed model."""
    rows: dict[str, dict[str, RateCard]] = {root(change.model): {} for change in changes}
    for model, known in stored.items():
        others = rows.get(root(model))
        if others is not None and known.retired_at is None and isinstance(known.listing, RateCard):
            others[model] = known.listing
    return {
        change.model: [card for model, card in others.items() if model != change.model]
        for change in changes
        if (others := rows[root(change.model)])
    }


def _free_models(changes: Iterable[Change], stored: Mapping[str, Stored]) -> Iterable[str]:
    """The changed models that have a free id and no paid card in force."""
    for change in changes:
        known = stored.get(change.model)
        card = known.listing if known else None
        paid = isinstance(card, RateCard) and not is_free(card)
        if is_named_free(change.model) and not paid:
            yield change.model
