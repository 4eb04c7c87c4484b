"""A price book as a file: JSON Lines, one record a line, loaded with the standard library alone.

The first line says which format and version it is, the ledger's revision, when the ledger was read,
from when on the book holds every card, and how many lines follow:

    {"format": "pricing-sync price book", "version": 1, "revision": "7", "read_at": "…Z",
     "since": null, "records": 2}
    {"kind": "card", "provider": "openrouter", "model": "openai/gpt-4o", …}
    {"kind": "read", "provider": "openrouter", "at": "…Z"}

A reader refuses another version, an unknown kind, and a file with fewer or more lines: a price that
is missing or not understood would otherwise be taken for one that does not exist. Lines are short,
so that neither writing nor reading holds the interpreter for long.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from sys import intern
from typing import Any, TypeAlias

from pricing_sync.prices.book import PriceBook
from pricing_sync.prices.card_json import (
    read_listing,
    read_when,
    write_instant,
    write_listing,
    write_when,
)
from pricing_sync.prices.instants import refuse_naive
from pricing_sync.prices.rates import Meter, Notice, Per, Rate
from pricing_sync.prices.statements import (
    Confirmations,
    MeterOverride,
    ModelState,
    PriceState,
    Statement,
)

FORMAT = "pricing-sync price book"
VERSION = 1

_Record: TypeAlias = dict[str, Any]
_Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that a price book is made of, as it was in the ledger at `read_at`."""

    revision: str
    read_at: datetime
    #: From when on every card is here; None: the cards in force.
    since: datetime | None
    cards: Sequence[Statement]
    overrides: Sequence[MeterOverride]
    confirmations: Confirmations
    aliases: Mapping[_Key, str]
    notices: Mapping[_Key, Notice]

    def book(self) -> PriceBook:
        """The price book."""
        return PriceBook(
            self.cards,
            self.overrides,
            read_at=self.read_at,
            since=self.since,
            revision=self.revision,
            confirmations=self.confirmations,
            aliases=self.aliases,
            notices=self.notices,
        )


def write_snapshot(snapshot: Snapshot) -> bytes:
    """The file of a snapshot. The same snapshot gives the same bytes."""
    lines = [json.dumps(record, separators=(",", ":")) for record in _records(snapshot)]
    head = {
        "format": FORMAT,
        "version": VERSION,
        "revision": snapshot.revision,
        "read_at": write_instant(snapshot.read_at),
        "since": _optional(snapshot.since),
        "records": len(lines),
    }
    return "\n".join([json.dumps(head), *lines, ""]).encode()


def read_snapshot(body: bytes) -> Snapshot:
    """The snapshot in a file.

    Raises:
        ValueError: it is not such a file, is of another version, or is not complete; with the line.
    """
    lines = _lines(body)
    found = _read_head(next(lines))
    count = max(0, body.count(b"\n") - 1)
    if not body.endswith(b"\n") or count != found["records"]:
        raise ValueError(f"{count} of {found['records']} records: not complete")
    reader = _Reader()
    for number, line in enumerate(lines, start=2):
        try:
            record = json.loads(line)
            _READ[record.pop("kind")](reader, record)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise ValueError(f"line {number}: {type(error).__name__}: {error}") from None
    return Snapshot(
        revision=found["revision"],
        read_at=_instant(found["read_at"]),
        since=_optional_instant(found["since"]),
        cards=reader.cards,
        overrides=reader.overrides,
        confirmations=Confirmations(reader.read_at, reader.states),
        aliases=reader.aliases,
        notices=reader.notices,
    )


def _lines(body: bytes) -> Iterator[bytes]:
    """The lines one by one: all at once would double the memory that a load takes."""
    start = 0
    while (end := body.find(b"\n", start)) >= 0:
        yield body[start:end]
        start = end + 1
    if start < len(body) or not body:
        yield body[start:]


def _read_head(line: bytes) -> _Record:
    try:
        head = json.loads(line)
        is_ours = head["format"] == FORMAT
    except (ValueError, TypeError, LookupError, RecursionError):
        is_ours, head = False, {}
    if not is_ours:
        raise ValueError(f"line 1: not a {FORMAT}")
    if head.get("version") != VERSION:
        raise ValueError(f"line 1: version {head.get('version')!r}, and this reads {VERSION}")
    missing = {"revision", "read_at", "since", "records"} - head.keys()
    if missing:
        raise ValueError(f"line 1: no {', '.join(sorted(missing))}")
    return dict(head)


def _records(snapshot: Snapshot) -> Iterator[_Record]:
    for statement in snapshot.cards:
        yield {"kind": "card"} | _write_card(statement)
    for override in snapshot.overrides:
        yield {"kind": "override"} | _write_override(override)
    for provider, at in sorted(snapshot.confirmations.read_at.items()):
        yield {"kind": "read", "provider": provider, "at": write_instant(at)}
    for _, state in sorted(snapshot.confirmations.unconfirmed.items()):
        yield {"kind": "state"} | _write_state(state)
    for (provider, name), model in sorted(snapshot.aliases.items()):
        yield {"kind": "name", "provider": provider, "name": name, "model": model}
    for (provider, model), notice in sorted(snapshot.notices.items()):
        yield {"kind": "notice", "provider": provider, "model": model} | _write_notice(notice)


class _Reader:
    """What the lines of a file have said so far."""

    def __init__(self) -> None:
        self.cards: list[Statement] = []
        self.overrides: list[MeterOverride] = []
        self.read_at: dict[str, datetime] = {}
        self.states: dict[_Key, ModelState] = {}
        self.aliases: dict[_Key, str] = {}
        self.notices: dict[_Key, Notice] = {}
        self._instants: dict[str, datetime] = {}

    def _instant(self, text: str) -> datetime:
        """The same object for the same text: most cards of a reading have the same instants."""
        return self._instants.get(text) or self._instants.setdefault(text, _instant(text))

    def card(self, record: _Record) -> None:
        listing = read_listing(record)
        self.cards.append(
            Statement(
                card_id=record["id"],
                provider=intern(record["provider"]),
                model=record["model"],
                since=self._instant(record["since"]),
                until=_optional_instant(record["until"]),
                recorded_at=self._instant(record["recorded_at"]),
                superseded_at=None,
                source=intern(record["source"]),
                url=intern(record["url"]),
                reading_id=intern(record["reading"]),
                digest=record["digest"] and intern(record["digest"]),
                listing=listing,
            )
        )

    def override(self, record: _Record) -> None:
        upstream, when = record["upstream_rate"], record["when"]
        self.overrides.append(
            MeterOverride(
                id=record["id"],
                provider=record["provider"],
                model=record["model"],
                meter=Meter(record["meter"]),
                rate=Rate.of(record["rate"], Per.MILLION),
                currency=record["currency"],
                since=_instant(record["since"]),
                until=_optional_instant(record["until"]),
                recorded_at=_instant(record["recorded_at"]),
                superseded_at=None,
                author=record["author"],
                reason=record["reason"],
                upstream_rate=None if upstream is None else Rate.of(upstream, Per.MILLION),
                layer=record["layer"],
                when=None if when is None else read_when(when),
                is_flat=record["flat"],
            )
        )

    def read(self, record: _Record) -> None:
        self.read_at[record["provider"]] = _instant(record["at"])

    def state(self, record: _Record) -> None:
        state = ModelState(
            provider=record["provider"],
            model=record["model"],
            first_seen=_instant(record["first_seen"]),
            missing_since=_optional_instant(record["missing_since"]),
            retired_at=_optional_instant(record["retired_at"]),
            unreadable=record["unreadable"],
            state=PriceState(record["state"]),
            confirmed_at=_optional_instant(record["confirmed_at"]),
            doubt=record["doubt"],
        )
        self.states[state.provider, state.model] = state

    def name(self, record: _Record) -> None:
        self.aliases[record["provider"], record["name"]] = record["model"]

    def notice(self, record: _Record) -> None:
        day = record["ends_on"]
        self.notices[record["provider"], record["model"]] = Notice(
            ends_on=None if day is None else date.fromisoformat(day),
            deprecated=record["deprecated"],
            replaced_by=record["replaced_by"],
        )


_READ: Mapping[str, Callable[[_Reader, _Record], None]] = {
    "card": _Reader.card,
    "override": _Reader.override,
    "read": _Reader.read,
    "state": _Reader.state,
    "name": _Reader.name,
    "notice": _Reader.notice,
}


def _write_card(statement: Statement) -> _Record:
    return {
        "provider": statement.provider,
        "model": statement.model,
        "since": write_instant(statement.since),
        "until": _optional(statement.until),
        **write_listing(statement.listing),
        "id": statement.card_id,
        "recorded_at": write_instant(statement.recorded_at),
        "source": statement.source,
        "url": statement.url,
        "reading": statement.reading_id,
        "digest": statement.digest,
    }


def _write_override(override: MeterOverride) -> _Record:
    upstream, when = override.upstream_rate, override.when
    return {
        "provider": override.provider,
        "model": override.model,
        "meter": override.meter.value,
        "rate": str(override.rate),
        "currency": override.currency,
        "when": None if when is None else write_when(when),
        "flat": override.is_flat,
        "layer": override.layer,
        "since": write_instant(override.since),
        "until": _optional(override.until),
        "id": override.id,
        "recorded_at": write_instant(override.recorded_at),
        "author": override.author,
        "reason": override.reason,
        "upstream_rate": None if upstream is None else str(upstream),
    }


def _write_state(state: ModelState) -> _Record:
    return {
        "provider": state.provider,
        "model": state.model,
        "state": state.state.value,
        "first_seen": write_instant(state.first_seen),
        "missing_since": _optional(state.missing_since),
        "retired_at": _optional(state.retired_at),
        "unreadable": state.unreadable,
        "confirmed_at": _optional(state.confirmed_at),
        "doubt": state.doubt,
    }


def _write_notice(notice: Notice) -> _Record:
    return {
        "ends_on": notice.ends_on.isoformat() if notice.ends_on else None,
        "deprecated": notice.deprecated,
        "replaced_by": notice.replaced_by,
    }


def _optional(instant: datetime | None) -> str | None:
    return None if instant is None else write_instant(instant)


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    refuse_naive(instant)
    return instant


def _optional_instant(text: str | None) -> datetime | None:
    return None if text is None else _instant(text)
