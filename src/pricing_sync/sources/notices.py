"""What lists say about a model beside its price: other names, an end, a successor.

Nothing here spoils a price: a field that cannot be read says nothing.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import msgspec
from msgspec import Raw

from pricing_sync.prices.model_ids import is_model_id
from pricing_sync.prices.rates import Notice
from pricing_sync.sources.strict_json import ABSENT, MISREAD, is_named

_NOTHING = Notice()
# Seconds since 1970: this century and no other.
_EARLIEST, _LATEST = 946_684_800, 4_102_444_800


def notice_of(
    *,
    names: Raw = ABSENT,
    stands_for: str | None = None,
    ends_on: Raw = ABSENT,
    deprecated: Raw = ABSENT,
    replaced_by: Raw = ABSENT,
) -> Notice | None:
    """The notice in these fields; None if they say nothing.

    *names* is one name or a list of them; *deprecated* is true, or the day or the instant.
    """
    mark = value(deprecated)
    marked_on = _day(mark)
    notice = Notice(
        names=_model_names(value(names)),
        stands_for=stands_for,
        ends_on=_day(value(ends_on)) or marked_on,
        deprecated=mark is True or marked_on is not None,
        replaced_by=next(iter(_model_names(value(replaced_by))), None),
    )
    return None if notice == _NOTHING else notice


def value(raw: Raw) -> Any:
    """The value of a field; None if it is absent, null, or not readable."""
    if not is_named(raw):
        return None
    try:
        return msgspec.json.decode(raw)
    except MISREAD:
        return None


def instant(raw: Raw) -> datetime | None:
    """The instant in a field: seconds since 1970, or ISO 8601; None if it cannot be read.

    A time without a zone is in UTC, and a day without a time begins at midnight.
    """
    found = value(raw)
    if isinstance(found, int) and _EARLIEST <= found < _LATEST:
        return datetime.fromtimestamp(found, UTC)
    try:
        read = datetime.fromisoformat(found) if isinstance(found, str) else None
    except ValueError:
        return None
    if (
        read is None
        or not _EARLIEST <= (read.replace(tzinfo=read.tzinfo or UTC)).timestamp() < _LATEST
    ):
        return None
    return read.replace(tzinfo=read.tzinfo or UTC).astimezone(UTC)


def _model_names(found: Any) -> tuple[str, ...]:
    listed = found if isinstance(found, list) else [found]
    return tuple(name for name in listed if isinstance(name, str) and is_model_id(name))


def _day(found: Any) -> date | None:
    """The day of `2026-08-10`, of an instant that begins so, or of seconds since 1970."""
    if isinstance(found, int) and _EARLIEST <= found < _LATEST:
        return datetime.fromtimestamp(found, UTC).date()
    try:
        return date.fromisoformat(found[:10]) if isinstance(found, str) else None
    except ValueError:
        return None
