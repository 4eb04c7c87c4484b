"""Errors in the stored prices, independent of any reading. Pure: stored rows in, findings out.

The gate judges changes only. It never sees a value that was written directly into the database, or
that was stored before a rule existed. The audit judges every card in force as if it were new.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from pricing_sync.changes.diff import Change, Kind
from pricing_sync.gate import RULES, Context, Peers, Reason, Rule, Thresholds, judge
from pricing_sync.prices.age import age
from pricing_sync.prices.model_ids import is_named_free
from pricing_sync.prices.overrides import counting
from pricing_sync.prices.rates import Rate, RateCard
from pricing_sync.prices.statements import MeterOverride, ModelState, Statement

#: Three readings at the usual interval of six hours.
MAX_AGE = timedelta(hours=18)


class Severity(StrEnum):
    """Whether a finding is certainly an error, or only worth a look."""

    ERROR = "error"
    WARNING = "warning"


class Check(StrEnum):
    """A check in addition to the gate's rules."""

    UNREADABLE = "unreadable"
    OVERLAP = "overlap"
    AGE = "age"
    UNCONFIRMED = "unconfirmed"
    OVERRIDE_MOVED = "override_moved"
    OVERRIDE_WAITS = "override_waits"


@dataclass(frozen=True, slots=True)
class Unloadable:
    """A stored row that cannot be read: which row, where and why."""

    provider: str
    model: str
    #: The column, or the meter of a rate; None for the row as a whole.
    column: str | None
    why: str
    is_override: bool = False


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two stored rows of one model that are in force at the same time."""

    provider: str
    model: str
    since: str
    #: None when the row has no end.
    until: str | None
    next_since: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """The stored rows to audit."""

    cards: Sequence[Statement | Unloadable] = ()
    #: The overrides in force now.
    overrides: Sequence[MeterOverride | Unloadable] = ()
    overlaps: Sequence[Overlap] = ()
    #: When each provider was last read successfully.
    read_at: Mapping[str, datetime] = field(default_factory=dict)
    #: By provider and model, the models whose price the last reading did not confirm.
    unconfirmed: Mapping[tuple[str, str], ModelState] = field(default_factory=dict)
    #: By provider and model.
    peers: Mapping[tuple[str, str], Peers] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.cards or self.overrides)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A problem, and where it is."""

    provider: str
    #: None when the finding applies to the provider as a whole.
    model: str | None = None
    #: The meter, or the column of a row that cannot be read.
    meter: str | None = None
    #: The name of one of the gate's rules or of a `Check`.
    rule: str
    detail: str
    severity: Severity


#: Rules for new models only. In the audit they would report the same models every night.
_ONLY_FOR_NEW = frozenset({Rule.EXTREME, Rule.NO_PEERS})
#: Rules that a few true prices break too: in 0.26 % of live models output costs less than input.
_WARNING_RULES = frozenset({Rule.RELATION, Rule.TIER}) | {
    rule for rule, rule_card in RULES.items() if not rule_card.hard
}


def audit(
    stock: Stock,
    at: datetime,
    *,
    max_age: timedelta = MAX_AGE,
    thresholds: Thresholds | None = None,
    by_provider: Mapping[str, Thresholds] = MappingProxyType({}),
    free: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> list[Finding]:
    """Every finding, ordered by provider and model. Findings for a whole provider come first.

    *by_provider* has the thresholds of providers with their own thresholds. *free* has, by
    provider, the models that may be free although their id does not say so.
    """
    rows = (*stock.cards, *stock.overrides)
    statements = [card for card in stock.cards if isinstance(card, Statement)]
    general = thresholds or Thresholds()
    found = [_unreadable(row) for row in rows if isinstance(row, Unloadable)]
    found += [_overlap(overlap) for overlap in stock.overlaps]
    found += _ages({card.provider for card in stock.cards}, stock.read_at, at, max_age)
    found += _unconfirmed({(row.provider, row.model) for row in rows}, stock, at, max_age)
    for statement in statements:
        t = by_provider.get(statement.provider, general)
        may_be_free = free.get(statement.provider, ())
        found += _of_card(statement, stock.peers, at, t, may_be_free)
    found += _of_overrides(stock.overrides, statements, at, general, by_provider)
    return sorted(found, key=_order)


def _order(finding: Finding) -> tuple[str, str, str, str]:
    return finding.provider, finding.model or "", finding.rule, finding.meter or ""


def _unreadable(row: Unloadable) -> Finding:
    return Finding(
        provider=row.provider,
        model=row.model,
        meter=row.column,
        rule=Check.UNREADABLE,
        detail=f"override: {row.why}" if row.is_override else row.why,
        severity=Severity.ERROR,
    )


def _overlap(overlap: Overlap) -> Finding:
    return Finding(
        provider=overlap.provider,
        model=overlap.model,
        rule=Check.OVERLAP,
        detail=f"true from {overlap.since} until {overlap.until or 'now'}, "
        f"and another from {overlap.next_since}",
        severity=Severity.ERROR,
    )


def _ages(
    providers: Iterable[str], read_at: Mapping[str, datetime], at: datetime, max_age: timedelta
) -> Iterator[Finding]:
    for provider in providers:
        last = read_at.get(provider)
        old = age(last, at)
        if old is not None and old <= max_age:
            continue
        yield Finding(
            provider=provider,
            rule=Check.AGE,
            detail=_age_text(last, old),
            severity=Severity.ERROR,
        )


def _age_text(last: datetime | None, old: timedelta | None) -> str:
    if last is None:
        return "never read"
    if old is None:
        return f"last read at {last.isoformat()}, by a clock that was ahead"
    return f"last read {old / timedelta(hours=1):.1f} hours ago"


def _unconfirmed(
    priced: Iterable[tuple[str, str]], stock: Stock, at: datetime, max_age: timedelta
) -> Iterator[Finding]:
    """The prices in force that their provider does not confirm: an error when it lasts."""
    for key in priced:
        known = stock.unconfirmed.get(key)
        if known is None:
            continue
        old = age(known.confirmed_at, at)
        when = "at an unknown time" if old is None else f"{old / timedelta(hours=1):.1f} hours ago"
        yield Finding(
            provider=known.provider,
            model=known.model,
            rule=Check.UNCONFIRMED,
            detail=f"{known.reason}; last confirmed {when}",
            severity=Severity.ERROR if old is None or old > max_age else Severity.WARNING,
        )


def _of_card(
    statement: Statement,
    peers: Mapping[tuple[str, str], Peers],
    at: datetime,
    t: Thresholds,
    free: Collection[str],
) -> list[Finding]:
    """The findings of the gate's rules, as for a new card."""
    provider, model = statement.provider, statement.model
    if not isinstance(statement.listing, RateCard):
        return []
    spread = peers.get((provider, model))
    reasons = _reasons(provider, model, statement.listing, at, t, spread, free)
    return [_finding(provider, model, reason) for reason in reasons]


def _reasons(
    provider: str,
    model: str,
    card: RateCard,
    at: datetime,
    t: Thresholds,
    peers: Peers | None = None,
    free: Collection[str] = (),
) -> list[Reason]:
    is_free = model in free or is_named_free(model)
    context = Context(
        provider=provider,
        at=at,
        listed=1,
        priced=1,
        peers={model: peers} if peers else {},
        free=frozenset({model} if is_free else ()),
    )
    verdict = judge([Change(model, Kind.ADDED, None, card)], context, t)[model]
    return [reason for reason in verdict.reasons if reason.rule not in _ONLY_FOR_NEW]


def _finding(provider: str, model: str, reason: Reason, prefix: str = "") -> Finding:
    return Finding(
        provider=provider,
        model=model,
        meter=reason.meter,
        rule=reason.rule,
        detail=prefix + (reason.detail or RULES[reason.rule].why),
        severity=Severity.WARNING if reason.rule in _WARNING_RULES else Severity.ERROR,
    )


def _of_overrides(
    overrides: Iterable[MeterOverride | Unloadable],
    statements: Iterable[Statement],
    at: datetime,
    general: Thresholds,
    by_provider: Mapping[str, Thresholds],
) -> Iterator[Finding]:
    listed = {(card.provider, card.model): card.listing for card in statements}
    readable = [override for override in overrides if isinstance(override, MeterOverride)]
    by_model: dict[tuple[str, str], list[MeterOverride]] = {}
    for override in readable:
        by_model.setdefault((override.provider, override.model), []).append(override)
    count = {
        override.id
        for key, of_model in by_model.items()
        for override in counting(listed.get(key), of_model)
    }
    for override in readable:
        card = listed.get((override.provider, override.model))
        t = by_provider.get(override.provider, general)
        priced = RateCard({override.meter: override.rate}, currency=override.currency)
        reasons = [
            # A person may set a price of zero, and overrides one meter at a time.
            reason
            for reason in _reasons(override.provider, override.model, priced, at, t)
            if reason.rule in (Rule.OUT_OF_BOUNDS, Rule.CURRENCY)
        ]
        for reason in reasons:
            yield _finding(override.provider, override.model, reason, "override: ")
        if isinstance(card, RateCard) and card.currency != override.currency:
            if all(reason.rule is not Rule.CURRENCY for reason in reasons):
                yield _waits(override, card.currency)
        elif override.id in count and (
            (rate := override.listed_rate(card)) != override.upstream_rate
        ):
            yield _moved(override, rate)


def _waits(override: MeterOverride, currency: str) -> Finding:
    return Finding(
        provider=override.provider,
        model=override.model,
        meter=override.meter,
        rule=Check.OVERRIDE_WAITS,
        detail=f"the override is in {override.currency}, the card in {currency},"
        " and the card counts",
        severity=Severity.WARNING,
    )


def _moved(override: MeterOverride, rate: Rate | None) -> Finding:
    before, now = (
        "none" if known is None else str(known) for known in (override.upstream_rate, rate)
    )
    return Finding(
        provider=override.provider,
        model=override.model,
        meter=override.meter,
        rule=Check.OVERRIDE_MOVED,
        detail=f"the provider's {before} is {now} now, and {override.rate} counts",
        severity=Severity.WARNING,
    )
