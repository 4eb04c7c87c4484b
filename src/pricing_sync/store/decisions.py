"""What people did beside the decisions in the audit log: overrides they set, runs they started."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from pricing_sync.changes.run import SCHEDULE
from pricing_sync.prices.card_json import write_instant, write_when
from pricing_sync.prices.rates import Rate
from pricing_sync.prices.statements import MeterOverride
from pricing_sync.store.audit_log import AuditEntry
from pricing_sync.store.connection import Connection, NamedQueries, load_queries
from pricing_sync.store.rows import read_instant

_QUERIES = load_queries({}, "decisions.sql")


class Decisions(NamedQueries):
    """The overrides and the manual runs of a `Store`, as entries of the audit log."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, _QUERIES)

    def entries(self, limit: int, before: str | None = None) -> list[AuditEntry]:
        """The newest of them, newest first; *before* is the last id already seen."""
        overrides = self._fetch("overrides_set", limit=limit, before=before)
        runs = self._fetch("triggered_runs", limit=limit, before=before, schedule=SCHEDULE)
        found = [*map(_override_set, overrides), *map(_run_triggered, runs)]
        return sorted(found, key=lambda entry: entry.id, reverse=True)[:limit]


def _override_set(row: tuple[Any, ...]) -> AuditEntry:
    id_, at, author, provider, model, reason, meter, rate, currency, condition, flat = row
    return AuditEntry(
        id=id_,
        at=read_instant(at),
        who=author,
        action="override_set",
        provider=provider,
        model=model,
        subject=id_,
        what={
            "meter": meter,
            "rate": str(Rate(rate)),
            "currency": currency,
            "when": None if condition is None else json.loads(condition),
            "flat": bool(flat),
        },
        reason=reason,
    )


def override_end(override: MeterOverride, at: datetime) -> dict[str, Any]:
    """The entry of the audit log for an override that ends at an instant."""
    return {
        "provider": override.provider,
        "model": override.model,
        "subject": override.id,
        "what": {
            "meter": override.meter.value,
            "rate": str(override.rate),
            "currency": override.currency,
            "when": None if override.when is None else write_when(override.when),
            "flat": override.is_flat,
            "until": write_instant(at),
            "set_by": override.author,
            "set_for": override.reason,
        },
    }


def _run_triggered(row: tuple[Any, ...]) -> AuditEntry:
    id_, at, started_by, written, dry_run = row
    providers = json.loads(written)
    return AuditEntry(
        id=id_,
        at=read_instant(at),
        who=started_by,
        action="trigger",
        provider=providers[0] if len(providers) == 1 else None,
        model=None,
        subject=id_,
        what={"providers": providers, "dry_run": bool(dry_run)},
        reason="",
    )
