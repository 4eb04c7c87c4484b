"""What each kind of event says, as JSON that fits into a webhook.

What does not fit is counted under `omitted`; `link` is where all of it can be read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import Any
from urllib.parse import quote

from pricing_sync.changes.diff import Change, Kind, Known
from pricing_sync.changes.held import HeldChange
from pricing_sync.changes.plan import ChangePlan
from pricing_sync.changes.run import Reading, Run
from pricing_sync.changes.scheduled import ScheduledPlan
from pricing_sync.gate.moves import write_moves
from pricing_sync.prices.card_json import write_instant, write_listing
from pricing_sync.prices.rates import RateCard
from pricing_sync.prices.reconciliation import UnpricedModel

#: Of one payload. A webhook should have less than 20 kB, with what it says around the payload.
MOST_BYTES = 16_000
#: Where less is left, nothing more fits.
_SMALLEST_ITEM = 500

Payload = dict[str, Any]


def fitted(payload: Mapping[str, Any], name: str, items: Iterable[Payload], count: int) -> Payload:
    """The payload with as many of the *count* items as fit, and the number of the others."""
    left = MOST_BYTES - len(json.dumps(payload)) - len(name) - len(', "": [], "omitted": 10000000')
    kept: list[Payload] = []
    for item in items:
        size = len(json.dumps(item)) + len(", ")
        if size <= left:
            kept.append(item)
            left -= size
        elif left < _SMALLEST_ITEM:
            break
    return {**payload, name: kept, "omitted": count - len(kept)}


def changed(
    plan: ChangePlan, *, provider: str, reading_id: str, at: datetime, **more: str
) -> Payload:
    """The prices that changed, from *at* on. First what costs something else now."""
    payload = {
        "provider": provider,
        "reading": reading_id,
        "at": write_instant(at),
        "counts": plan.counts(),
        "link": f"/v1/prices?provider={quote(provider)}",
        **more,
    }
    in_order = sorted(plan.apply, key=lambda change: change.kind is Kind.ADDED)
    retired: Iterable[Payload] = (
        {"model": model, "kind": "retired", "new": None, "moves": []} for model in plan.retire
    )
    count = len(plan.apply) + len(plan.retire)
    return fitted(payload, "changes", chain(map(_change, in_order), retired), count)


def scheduled(reading: Reading, plan: ScheduledPlan) -> Payload:
    """What a list says of later prices, before anything of it is in force."""
    payload = {
        "provider": reading.provider,
        "reading": reading.id,
        "at": write_instant(reading.at),
        "counts": plan.counts(),
        "link": f"/v1/scheduled?provider={quote(reading.provider)}",
    }
    withdrawn = (
        {"model": model, "kind": "withdrawn", "starts_at": write_instant(starts_at), "new": None}
        for model, starts_at in plan.withdrawn
    )
    count = len(plan.added) + len(plan.withdrawn)
    return fitted(payload, "changes", chain(map(_change, plan.added), withdrawn), count)


def held(reading: Reading, items: Sequence[HeldChange], waiting: int) -> Payload:
    """The changes that a reading newly holds. *waiting* is how many its provider has in all."""
    rules = Counter(rule for item in items for rule in {_rule(reason) for reason in item.reasons})
    payload = {
        "provider": reading.provider,
        "reading": reading.id,
        "at": write_instant(reading.at),
        "counts": {"held": len(items), "waiting": waiting},
        "rules": dict(rules.most_common()),
        "link": f"/admin/pricing/held?provider={quote(reading.provider)}",
    }
    changes = ({**_change(item.change), **_why(item)} for item in items)
    return fitted(payload, "changes", changes, len(items))


def failed(reading: Reading, since: datetime, failures: int) -> Payload:
    """That a provider cannot be read, from the first of *failures* readings in a row on."""
    return {
        "provider": reading.provider,
        "reading": reading.id,
        "run": reading.run_id,
        "since": write_instant(since),
        "failures": failures,
        "error_kind": reading.error_kind,
        "error": (reading.error or "")[:1000],
        "link": _provider_link(reading.provider),
    }


def stale(provider: str, last_read: datetime, interval: str) -> Payload:
    """That three slots of a provider passed without a reading. *interval* is its plan in words."""
    return {
        "provider": provider,
        "since": write_instant(last_read),
        "interval": interval,
        "link": _provider_link(provider),
    }


def recovered(reading: Reading, since: datetime, was: Sequence[str]) -> Payload:
    """That a provider is read again, which was `failed` or `stale` since then."""
    return {
        "provider": reading.provider,
        "reading": reading.id,
        "was": list(was),
        "since": write_instant(since),
        "at": write_instant(reading.at),
        "link": _provider_link(reading.provider),
    }


def run_finished(run: Run, readings: Sequence[Reading]) -> Payload:
    """The outcome of a run, and of each of its readings."""
    counts: Counter[str] = Counter()
    for reading in readings:
        counts.update(reading.model_counts())
    payload = {
        "run": run.id,
        "outcome": run.outcome and run.outcome.value,
        "started_by": run.started_by[:100],
        "dry_run": run.dry_run,
        "started_at": write_instant(run.started_at),
        "finished_at": run.finished_at and write_instant(run.finished_at),
        "counts": dict(counts),
        "link": f"/admin/pricing/runs/{quote(run.id)}",
    }
    # Those that failed first.
    in_order = sorted(readings, key=lambda reading: (not reading.is_failed, reading.provider))
    return fitted(payload, "readings", map(_reading, in_order), len(readings))


def unpriced_traffic(found: Sequence[UnpricedModel]) -> Payload:
    """The models with requests without a price that nobody was told of yet."""
    items = [
        {
            "provider": one.provider,
            "model": one.model,
            "reason": one.reason,
            "requests": one.requests,
            "first": write_instant(one.first),
            "last": write_instant(one.last),
        }
        for one in found
    ]
    payload = {"counts": {"models": len(found)}, "link": "/v1/unpriced"}
    return fitted(payload, "models", items, len(items))


def dead_letters(endpoint: str, error: str, since: datetime) -> Payload:
    """That an endpoint did not take events."""
    return {
        "endpoint": endpoint,
        "error": error[:1000],
        "since": write_instant(since),
        "link": "/admin/pricing/webhooks",
    }


def _change(change: Change) -> Payload:
    written: Payload = {
        "model": change.model,
        "kind": change.kind.value,
        "new": None if change.new is None else write_listing(change.new),
        "moves": _moves(change),
    }
    if change.starts_at is not None:
        written["starts_at"] = write_instant(change.starts_at)
    return written


def _moves(change: Change) -> list[Payload]:
    """Each rate that differs, with its old and new value, and by how many percent it moved."""
    if not _is_card(change.old):
        return []
    return [
        {name: move[name] for name in ("meter", "when", "old", "new")}
        | {"percent": _percent(move["ratio"])}
        for move in write_moves(change)
    ]


def _is_card(listing: Known | None) -> bool:
    return isinstance(listing, RateCard)


def _percent(ratio: str | None) -> str | None:
    """`-20` for a ratio of 0.8, without an exponent."""
    if ratio is None:
        return None
    return f"{(Decimal(ratio) - 1) * 100:+.2f}".rstrip("0").rstrip(".")


def _why(item: HeldChange) -> Payload:
    return {"id": item.id, "reasons": [reason[:300] for reason in item.reasons[:10]]}


def _rule(reason: str) -> str:
    return reason.partition(":")[0]


def _reading(reading: Reading) -> Payload:
    written = {"provider": reading.provider, "status": reading.state, **reading.model_counts()}
    if reading.error is not None:
        written["error"] = reading.error[:300]
    return written


def _provider_link(provider: str) -> str:
    return f"/admin/pricing/providers/{quote(provider, safe='')}"
