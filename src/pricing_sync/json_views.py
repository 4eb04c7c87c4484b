"""Values as JSON, the same on the command line and over HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pricing_sync.changes.diff import Change
from pricing_sync.changes.held import HeldChange
from pricing_sync.changes.run import Reading, Run
from pricing_sync.changes.scheduled import known_listing
from pricing_sync.gate import RULES, Peers, moves
from pricing_sync.prices.age import age_seconds
from pricing_sync.prices.book import OverrideState, Price
from pricing_sync.prices.card_json import (
    write_conditional_rates,
    write_instant,
    write_listing,
    write_rates,
    write_when,
)
from pricing_sync.prices.exchange import ExchangeRate
from pricing_sync.prices.rates import Meter, Notice, Rate, RateCard, Scheduled, When
from pricing_sync.prices.statements import MeterOverride, ModelState, Statement
from pricing_sync.store.announcements import Announcement
from pricing_sync.store.audit_log import AuditEntry
from pricing_sync.store.changes import LedgerChange
from pricing_sync.store.names import Ending

#: The rules of the gate by name. A reason begins with the name of its rule.
RULE_CARDS = {rule.value: card for rule, card in RULES.items()}


def instant_json(instant: datetime | None) -> str | None:
    """An instant as ISO 8601 in UTC, exact."""
    return None if instant is None else write_instant(instant)


def price_json(price: Price, now: datetime) -> dict[str, Any]:
    """One entry of `prices --json`."""
    listing = price.listing
    record: dict[str, Any] = {"provider": price.provider, "model": price.model}
    if isinstance(listing, RateCard):
        record |= {
            "currency": listing.currency,
            "rates": write_rates(listing.rates),
            "conditional_rates": write_conditional_rates(listing.conditional_rates),
        }
    else:
        record |= {"currency": None, "rates": None, "conditional_rates": []}
    if price.resolved_to is not None:
        record["resolved_to"] = price.resolved_to
    if price.notice is not None:
        record |= notice_json(price.notice)
    if price.scheduled:
        record["scheduled"] = [scheduled_json(entry) for entry in price.scheduled]
    return record | {
        "reason": price.reason,
        "since": instant_json(price.since),
        "recorded_at": instant_json(price.recorded_at),
        "source": price.source,
        "state": price.state.value if price.state else None,
        "confirmed_at": instant_json(price.confirmed_at),
        "age_seconds": age_seconds(price.confirmed_at, now),
    }


def converted_json(exchange: ExchangeRate, total: Decimal) -> dict[str, Any]:
    """An amount in another currency, with the rate and the day of its publication."""
    return {
        "total": f"{exchange.convert(total):f}",
        "currency": exchange.target,
        "rate": f"{exchange.rounded():f}",
        "day": exchange.day.isoformat() if exchange.day else None,
        "source": "ECB",
    }


def scheduled_json(entry: Scheduled) -> dict[str, Any]:
    """A listing that is published for later, with the instant from which it holds."""
    return {"since": instant_json(entry.since), **write_listing(known_listing(entry))}


def notice_json(notice: Notice) -> dict[str, Any]:
    """What a list says about the end of a model."""
    return {
        "ends_on": notice.ends_on.isoformat() if notice.ends_on else None,
        "deprecated": notice.deprecated,
        "replaced_by": notice.replaced_by,
    }


def ending_json(ending: Ending, today: date) -> dict[str, Any]:
    """One entry of `ending` in the status."""
    ends_on = ending.notice.ends_on
    return {
        "provider": ending.provider,
        "model": ending.model,
        **notice_json(ending.notice),
        "days": None if ends_on is None else (ends_on - today).days,
    }


def cardless_json(state: ModelState, now: datetime) -> dict[str, Any]:
    """The entry of `prices --json` for a model without a card in force."""
    return {
        "provider": state.provider,
        "model": state.model,
        "currency": None,
        "rates": None,
        "conditional_rates": [],
        "reason": state.reason,
        "since": instant_json(state.first_seen),
        "recorded_at": instant_json(state.first_seen),
        "source": None,
        "state": state.state.value,
        "confirmed_at": instant_json(state.confirmed_at),
        "age_seconds": age_seconds(state.confirmed_at, now),
    }


def statement_json(statement: Statement) -> dict[str, Any]:
    """One entry of `history --json`."""
    return {
        "since": instant_json(statement.since),
        "until": instant_json(statement.until),
        "recorded_at": instant_json(statement.recorded_at),
        "superseded_at": instant_json(statement.superseded_at),
        **write_listing(statement.listing),
        "source": statement.source,
        "url": statement.url,
        "reading": statement.reading_id,
        "digest": statement.digest,
        "card": statement.card_id,
    }


def override_json(override: MeterOverride) -> dict[str, Any]:
    """One entry of `override list --json`."""
    upstream = override.upstream_rate
    return {
        "id": override.id,
        "provider": override.provider,
        "model": override.model,
        "meter": override.meter.value,
        "rate": str(override.rate),
        "currency": override.currency,
        "since": instant_json(override.since),
        "until": instant_json(override.until),
        "author": override.author,
        "reason": override.reason,
        "upstream_when_set": None if upstream is None else str(upstream),
        "layer": override.layer,
        "when": None if override.when is None else write_when(override.when),
        "flat": override.is_flat,
    }


def reported_json(
    override: MeterOverride, upstream: Rate | None, state: OverrideState, *, moved: bool
) -> dict[str, Any]:
    """An override with its state, the provider's rate now, and whether that has changed since."""
    return override_json(override) | {
        "upstream_now": None if upstream is None else str(upstream),
        "upstream_moved": moved,
        "state": state.value,
    }


def reading_json(reading: Reading) -> dict[str, Any]:
    """A reading as `sync --json` and `runs --json` show it."""
    return {
        "id": reading.id,
        "provider": reading.provider,
        "at": instant_json(reading.at),
        "status": reading.status.value,
        "dry_run": reading.dry_run,
        "listings": dict(reading.listings),
        "changes": dict(reading.changes),
        "ignored": dict(reading.ignored),
        "url": reading.url,
        "digest": reading.digest,
        "size_bytes": reading.size_bytes,
        "started_at": instant_json(reading.started_at),
        "finished_at": instant_json(reading.finished_at),
        "error_kind": reading.error_kind,
        "error": reading.error,
    }


def run_json(run: Run, readings: Sequence[Reading]) -> dict[str, Any]:
    """One entry of `runs --json`."""
    return {
        "run": run.id,
        "started_by": run.started_by,
        "started_at": instant_json(run.started_at),
        "finished_at": instant_json(run.finished_at),
        "outcome": run.outcome.value if run.outcome else None,
        "dry_run": run.dry_run,
        "providers": list(run.providers),
        "readings": [reading_json(reading) for reading in readings],
    }


def change_json(change: Change) -> dict[str, Any]:
    """A change with its old and new listing."""
    return {
        "model": change.model,
        "kind": change.kind.value,
        "old": None if change.old is None else write_listing(change.old),
        "new": None if change.new is None else write_listing(change.new),
        **({"starts_at": instant_json(change.starts_at)} if change.starts_at else {}),
    }


def ledger_change_json(entry: LedgerChange) -> dict[str, Any]:
    """One entry of `changes --json`."""
    return {
        "provider": entry.provider,
        "at": instant_json(entry.at),
        **change_json(entry.change),
        "moves": _move_jsons(entry.change),
    }


def held_change_json(item: HeldChange) -> dict[str, Any]:
    """A held change, without the facts for a decision."""
    return {
        "id": item.id,
        "provider": item.provider,
        **change_json(item.change),
        "reasons": list(item.reasons),
        "since": instant_json(item.since),
        "reading": item.reading_id,
    }


def held_json(item: HeldChange, peers: Peers) -> dict[str, Any]:
    """One entry of `held --json`: a held change with the facts for a decision."""
    return held_change_json(item) | {
        "peers": {
            meter.value: {
                "count": spread.count,
                "median": str(spread.median),
                "low": str(spread.low),
                "high": str(spread.high),
            }
            for meter, spread in peers.items()
        },
        "listed": item.listed,
        "url": item.url,
        "digest": item.digest,
        "moves": _move_jsons(item.change),
        "rules": [
            {"rule": name, "why": card.why, "hard": card.hard}
            for name in by_rule(item.reasons)
            if (card := RULE_CARDS.get(name))
        ],
    }


def decided_json(item: HeldChange) -> dict[str, Any]:
    """A held change with the decision about it."""
    return held_change_json(item) | {
        "state": item.state.value,
        "decided_at": instant_json(item.decided_at),
        "decided_by": item.decided_by,
        "decision": item.decision,
    }


def by_rule(reasons: Iterable[str]) -> dict[str, list[str]]:
    """The details of the reasons, by rule."""
    found: dict[str, list[str]] = {}
    for reason in reasons:
        rule, _, detail = reason.partition(": ")
        found.setdefault(rule, []).extend([detail] if detail else [])
    return found


def _move_jsons(change: Change) -> list[dict[str, Any]]:
    """Every rate that differs, with its factor; None for a rate that does not exist."""
    old, new = (card if isinstance(card, RateCard) else None for card in (change.old, change.new))
    changed = moves(old, new) if new else []
    kept = {(when, meter) for when, meter, _ in new.every_rate()} if new else set()
    gone = [
        (when, meter, rate)
        for when, meter, rate in (old.every_rate() if old else [])
        if (when, meter) not in kept
    ]
    return [_move_json(move.when, move.meter, move.old, move.new) for move in changed] + [
        _move_json(when, meter, rate, None) for when, meter, rate in gone
    ]


def _move_json(
    when: When | None, meter: Meter, old: Rate | None, new: Rate | None
) -> dict[str, Any]:
    return {
        "meter": meter.value,
        "when": None if when is None else write_when(when),
        "old": None if old is None else str(old),
        "new": None if new is None else str(new),
        "ratio": f"{new / old:.4g}" if old and new else None,
    }


def announcement_json(entry: Announcement) -> dict[str, Any]:
    """One entry of `announcements --json`."""
    move = entry.move
    return {
        "id": entry.id,
        "provider": entry.provider,
        "model": move.model,
        **_move_json(move.when, move.meter, move.old, move.new),
        "not_before": instant_json(move.not_before),
        "author": entry.author,
        "reason": entry.reason,
        "recorded_at": instant_json(entry.recorded_at),
        "used_at": instant_json(entry.used_at),
        "used_by": entry.used_by,
        "ended_at": instant_json(entry.ended_at),
    }


def audit_json(entry: AuditEntry) -> dict[str, Any]:
    """One entry of `audit-log --json`."""
    return {
        "id": entry.id,
        "at": instant_json(entry.at),
        "who": entry.who,
        "action": entry.action,
        "provider": entry.provider,
        "model": entry.model,
        "subject": entry.subject,
        "what": dict(entry.what),
        "reason": entry.reason,
    }
