"""What people decided, and what they were refused. Rows are added, never changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pricing_sync.errors import SettingsError, StaleHeldChange, UnknownName
from pricing_sync.store.connection import Connection, NamedQueries, load_queries, placeholders
from pricing_sync.store.ids import new_id
from pricing_sync.store.rows import read_row, write_instant, write_json

_COLUMNS = ("id", "at", "who", "action", "provider", "model", "subject", "what", "reason")
_QUERIES = load_queries(
    {"entry": ", ".join(_COLUMNS), "places": placeholders(_COLUMNS)}, "audit_log.sql"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """An action, or a refused attempt: then `action` ends in `_refused`."""

    id: str
    at: datetime
    who: str
    action: str
    provider: str | None
    model: str | None
    #: The id of the held change or the announcement.
    subject: str | None
    what: Mapping[str, Any]
    reason: str


@dataclass(frozen=True, slots=True)
class Action:
    """An action of a person: its name, its author, the reason and the time."""

    name: str
    author: str
    reason: str
    now: datetime


class AuditLog(NamedQueries):
    """The audit log of a `Store`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, _QUERIES)

    def entries(self, limit: int, before: str | None = None) -> list[AuditEntry]:
        """The newest entries, newest first; *before* is the last id already seen."""
        found = self._fetch("entries", limit=limit, before=before)
        return [read_row(AuditEntry, _COLUMNS, row, what=json.loads) for row in found]

    def count(self, provider: str) -> int:
        """The number of entries about a provider. It never decreases."""
        return int(self._fetch("count", provider=provider)[0][0])

    def has_decision_since(self, provider: str, since: datetime) -> bool:
        """Whether a person has decided something about a provider since an instant."""
        return bool(self._fetch("decisions", provider=provider, at=write_instant(since))[0][0])

    def add(self, action: Action, entries: Sequence[Mapping[str, Any]]) -> None:
        """Add entries: of each its provider, model, subject and what, as JSON values."""
        first = new_id(action.now)
        self._execute_many(
            "add",
            [
                {
                    **entry,
                    "id": f"{first}-{index:05}",
                    "at": write_instant(action.now),
                    "who": action.author,
                    "action": action.name,
                    "what": write_json(entry["what"]),
                    "reason": action.reason,
                }
                for index, entry in enumerate(entries)
            ],
        )

    @contextmanager
    def transaction(
        self,
        action: Action,
        what: Mapping[str, Any],
        *,
        provider: str | None = None,
        model: str | None = None,
        subject: str | None = None,
    ) -> Iterator[None]:
        """A transaction. A refusal rolls it back, and is then stored in a transaction of its own.

        Raises:
            SettingsError: the author or the reason is blank.
        """
        try:
            with self._connection.transaction():
                _require_author(action)
                yield
        except (StaleHeldChange, UnknownName, SettingsError) as error:
            refused = {
                "provider": provider,
                "model": model,
                "subject": subject,
                "what": {**what, "refused": str(error)},
            }
            self.add(replace(action, name=f"{action.name}_refused"), [refused])
            raise


def _require_author(action: Action) -> None:
    if not action.author.strip() or not action.reason.strip():
        raise SettingsError(f"{action.name}: it needs an author and a reason")
