"""Conversion of database rows to values and back.

Instants are stored as UTC text of fixed width, which sorts by time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from functools import lru_cache
from threading import Lock
from typing import Any, TypeVar

import msgspec

from pricing_sync.changes.diff import Known
from pricing_sync.changes.run import Reading, Run
from pricing_sync.errors import StoreError
from pricing_sync.prices.card_json import (
    read_conditional_rates,
    read_when,
    write_conditional_rates,
    write_when,
)
from pricing_sync.prices.instants import in_utc
from pricing_sync.prices.rates import Meter, Rate, RateCard, Unpriced, Why
from pricing_sync.prices.statements import MeterOverride, ModelState, PriceState, Statement

T = TypeVar("T")

#: A NUL character in JSON: its backslash is none that stands for itself.
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_METERS = tuple(Meter)
_PLAIN = frozenset({type(None), str, int})
#: The dataclasses that msgspec knows already.
_learned: set[type] = set()
_learning = Lock()
#: The columns of a listing: a rate card, or the reason why there is no price.
CARD_COLUMNS = (
    "currency",
    "unpriced",
    "note",
    "conditional_rates",
    *(meter.value for meter in _METERS),
)
STATEMENT_COLUMNS = (
    *("card_id", "provider", "model", "since", "until", "recorded_at", "superseded_at"),
    *("source", "url", "reading_id", "digest"),
)
READING_COLUMNS = (
    *("id", "run_id", "provider", "at", "started_at", "finished_at", "status", "dry_run"),
    *("source", "url", "etag", "digest", "decoder", "size_bytes"),
    *("listings", "changes", "ignored", "error_kind", "error"),
)
RUN_COLUMNS = (
    *("id", "started_by", "started_at", "finished_at", "outcome", "dry_run", "providers"),
)
#: Of `pricing_models m`, and of the held change `h` that the state refers to.
MODEL_STATE_COLUMNS = (
    *("m.provider", "m.model", "m.first_seen", "m.missing_since", "m.retired_at", "m.unreadable"),
    *("m.state", "m.confirmed_at", "h.reasons", "h.decided_by", "h.decision"),
)
OVERRIDE_COLUMNS = (
    *("id", "provider", "model", "meter", "rate", "currency", "since", "until"),
    *("recorded_at", "superseded_at", "author", "reason", "upstream_rate", "layer"),
    *("condition", "flat"),
)


def write_instant(instant: datetime) -> str:
    """An instant as `2026-01-26T12:00:00.000000Z`. Later instants are greater texts.

    Raises:
        ValueError: it has no time zone, or its year in UTC is before 1 or after 9999.
    """
    # `strftime` writes the year 800 with three digits, which would sort after 2026.
    return in_utc(instant).isoformat(timespec="microseconds").replace("+00:00", "Z")


def write_optional_instant(instant: datetime | None) -> str | None:
    return None if instant is None else write_instant(instant)


def read_instant(text: str) -> datetime:
    """The instant written by `write_instant`."""
    return datetime.fromisoformat(text)


def read_optional_instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def write_json(value: object) -> str:
    """Canonical JSON: equal values give equal text, without the NUL that PostgreSQL refuses."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return _NUL.sub("\\1\ufffd", text) if "\\u0000" in text else text


def convert(kind: type[T], values: Mapping[str, Any]) -> T:
    """A value of that type from values by the names of its fields: instants as text, enums, rates.

    Raises:
        ValueError: a value does not fit its field.
    """
    if kind not in _learned:
        _learn(kind)
    return msgspec.convert(values, kind, strict=False, dec_hook=lambda kind, value: kind(value))


def _learn(kind: type) -> None:
    """Let msgspec look at a dataclass, in one thread at a time.

    It does so at the first conversion. Two threads that were both at their first one have ended the
    process with a segmentation fault (msgspec 0.22.0).
    """
    with _learning:
        msgspec.json.Decoder(kind)
        _learned.add(kind)


def read_row(
    kind: type[T], columns: Sequence[str], row: Sequence[Any], **read: Callable[[Any], Any]
) -> T:
    """A value of that type from the columns of its fields. *read* reads a column first."""
    values = dict(zip(columns, row, strict=True))
    return convert(kind, values | {name: read[name](values[name]) for name in read})


def write_row(value: object, columns: Iterable[str]) -> dict[str, Any]:
    """The columns of a value: its fields of these names, as `read_row` reads them."""
    return {
        name: one if type(one := getattr(value, name)) in _PLAIN else _write(one)
        for name in columns
    }


def _write(value: Any) -> Any:
    if isinstance(value, datetime):
        return write_instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping | tuple):
        return write_json(value)
    return int(value) if isinstance(value, int) else value  # a flag or a rate


def write_card(listing: Known) -> dict[str, Any]:
    """The columns `CARD_COLUMNS` of a listing."""
    card: dict[str, Any] = dict.fromkeys(CARD_COLUMNS)
    if isinstance(listing, Unpriced):
        return card | {"unpriced": listing.why.value, "note": listing.note}
    card["currency"] = listing.currency
    if listing.conditional_rates:
        card["conditional_rates"] = write_json(write_conditional_rates(listing.conditional_rates))
    for meter, rate in listing.rates.items():
        card[meter.value] = int(rate)
    return card


def read_card(columns: Sequence[Any], *whose: str) -> Known:
    """The listing in the columns `CARD_COLUMNS`. *whose* are its provider and model, for an error.

    Raises:
        StoreError: the columns are not a valid listing, for example after a manual edit.
    """
    try:
        return _card(tuple(columns))
    except (TypeError, ValueError, LookupError, AttributeError, RecursionError) as error:
        model = " ".join(whose) or "a model"
        raise StoreError(f"database: {model}: its card cannot be read: {error}") from error


@lru_cache(maxsize=16_384)  # thousands of models have a few hundred cards, which never change
def _card(columns: Sequence[Any]) -> Known:
    currency, unpriced, note, conditional_rates = columns[:4]
    if currency is None:
        return Unpriced(Why(unpriced), note or "")
    rates = {
        meter: Rate(value)
        for meter, value in zip(_METERS, columns[4:], strict=True)
        if value is not None
    }
    return RateCard(
        rates,
        read_conditional_rates(json.loads(conditional_rates)) if conditional_rates else (),
        currency,
    )


def write_statement(statement: Statement) -> dict[str, Any]:
    """The columns `STATEMENT_COLUMNS` and `CARD_COLUMNS` of a ledger row."""
    return write_row(statement, STATEMENT_COLUMNS) | write_card(statement.listing)


def read_statement(row: Sequence[Any]) -> Statement:
    """The ledger row in the columns `STATEMENT_COLUMNS` and `CARD_COLUMNS`."""
    split = len(STATEMENT_COLUMNS)
    card_id, provider, model, since, until, recorded_at, superseded_at, *evidence = row[:split]
    source, url, reading_id, digest = evidence
    return Statement(
        card_id=card_id,
        provider=provider,
        model=model,
        since=read_instant(since),
        until=read_optional_instant(until),
        recorded_at=read_instant(recorded_at),
        superseded_at=read_optional_instant(superseded_at),
        source=source,
        url=url,
        reading_id=reading_id,
        digest=digest,
        listing=read_card(row[split:], provider, model),
    )


def read_model_state(row: Sequence[Any], confirmed_at: Mapping[str, datetime]) -> ModelState:
    """The model in the columns `MODEL_STATE_COLUMNS`.

    *confirmed_at* is, by provider, when confirmed prices were last confirmed.
    """
    provider, model, first_seen, missing, retired, unreadable, name, confirmed, *held = row
    state = PriceState(name)
    is_confirmed = state is PriceState.CONFIRMED
    return ModelState(
        provider,
        model,
        read_instant(first_seen),
        read_optional_instant(missing),
        read_optional_instant(retired),
        unreadable,
        state,
        confirmed_at.get(provider) if is_confirmed else read_optional_instant(confirmed),
        _read_doubt(state, *held),
    )


def _read_doubt(
    state: PriceState, reasons: str | None, decided_by: str | None, decision: str | None
) -> str | None:
    """Why a change is held or rejected."""
    if state is PriceState.HELD and reasons is not None:
        return ", ".join(json.loads(reasons))
    if state is PriceState.REJECTED:
        # A person may have withdrawn the rejection since.
        return f"by {decided_by}: {decision}" if decided_by else "the next reading judges it again"
    return None


_JSON_COLUMNS = ("listings", "changes", "ignored")


def read_reading(row: Sequence[Any]) -> Reading:
    """The reading in the columns `READING_COLUMNS`."""
    return read_row(Reading, READING_COLUMNS, row, **dict.fromkeys(_JSON_COLUMNS, json.loads))


def read_run(row: Sequence[Any]) -> Run:
    """The run in the columns `RUN_COLUMNS`."""
    return read_row(Run, RUN_COLUMNS, row, providers=json.loads)


def write_override(override: MeterOverride) -> dict[str, Any]:
    """The columns `OVERRIDE_COLUMNS` of an override."""
    row = write_row(override, (name for name in OVERRIDE_COLUMNS if hasattr(override, name)))
    when = override.when and write_json(write_when(override.when))
    return row | {"condition": when, "flat": int(override.is_flat)}


def read_override(columns: Sequence[Any]) -> MeterOverride:
    """The override in the columns `OVERRIDE_COLUMNS`."""
    row: dict[str, Any] = dict(zip(OVERRIDE_COLUMNS, columns, strict=True))
    when = row["condition"] and read_when(json.loads(row["condition"]))
    return convert(MeterOverride, row | {"when": when, "is_flat": row["flat"]})
