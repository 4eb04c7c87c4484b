"""Rows of usage as they are sent: JSON objects, read strictly, with amounts exact."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from pricing_sync.prices.reported_usage import CONVENTIONS, reported_cost
from pricing_sync.prices.usage import Usage
from pricing_sync.prices.usage_sums import UsageRow
from pricing_sync.sources.providers import CATALOG

#: A clock that is ahead by no more than this dates rows that are taken.
MOST_AHEAD = timedelta(minutes=10)
#: Of one meter in one request: more is a mistake.
_MOST_UNITS = 10**15
_LONGEST_REASON = 300
#: A plain decimal, or one with an exponent, of a length that is safe to add up.
_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}")

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Word = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    provider: _Name
    model: _Name
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    usage: dict[str, Any] | None = None
    reported: msgspec.Raw = msgspec.Raw()
    convention: str | None = msgspec.field(default=None, name="as")
    service_tier: _Word | None = None
    region: _Word | None = None
    cost: str | None = None
    currency: str | None = None


_DECODER = msgspec.json.Decoder(_Row)
# A cost in a provider's object keeps its digits.
_REPORTED = msgspec.json.Decoder(dict[str, Any] | None, float_hook=Decimal)


def read_usage_row(line: bytes, *, after: datetime, now: datetime) -> UsageRow:
    """The usage of one request, as JSON.

    `{"provider": …, "model": …, "at": …, "usage": {"input": 1000, "output": 20}}`, or instead of
    `usage` what the provider reports as `reported`, and as `as` in which convention: see
    `reported_usage.CONVENTIONS`. Optional are `service_tier`, `region`, and `cost` with `currency`:
    what the provider says that it cost, as a decimal in a string; else it is what is in `reported`.

    Raises:
        ValueError: the row says something else, or is dated before *after* or later than *now*.
    """
    try:
        row = _DECODER.decode(line)
        _check(row, after, now)
        reported = _REPORTED.decode(row.reported) if bytes(row.reported) else None
        usage = _usage(row, reported)
        cost, currency = _cost(row, reported)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(str(error)[:_LONGEST_REASON]) from None
    return UsageRow(
        provider=row.provider.removeprefix(CATALOG),
        model=row.model,
        at=row.at.astimezone(UTC),
        usage=usage,
        reported_cost=cost,
        reported_currency=currency,
    )


def _check(row: _Row, after: datetime, now: datetime) -> None:
    for name in ("provider", "model", "service_tier", "region"):
        text = getattr(row, name)
        if text is not None and not text.isprintable():
            raise ValueError(f"{name}: has a character that cannot be printed")
    if row.at < after:
        raise ValueError(f"at: {row.at.isoformat()} is before what is kept")
    if row.at > now + MOST_AHEAD:
        raise ValueError(f"at: {row.at.isoformat()} is in the future")


def _usage(row: _Row, reported: dict[str, Any] | None) -> Usage:
    if (row.usage is None) is (reported is None):
        raise ValueError("expected either usage or reported")
    if (reported is None) is not (row.convention is None):
        raise ValueError("reported and as belong together")
    if row.usage is not None:
        usage = _own(row.usage)
    elif row.convention is not None and row.convention in CONVENTIONS:
        usage = Usage.reported_as(row.convention, reported)
    else:
        raise ValueError(f"as: expected one of {', '.join(CONVENTIONS)}")
    if not usage.parts:
        raise ValueError("usage: nothing was used")
    if max(quantity for _, quantity in usage.parts) > _MOST_UNITS:
        raise ValueError(f"usage: more than {_MOST_UNITS} units in one request")
    if row.service_tier is None and row.region is None:
        return usage
    return replace(
        usage,
        service_tier=row.service_tier or usage.service_tier,
        region=row.region or usage.region,
    )


def _own(quantities: dict[str, Any]) -> Usage:
    for name in ("service_tier", "region"):
        if name in quantities:
            raise ValueError(f"usage: {name} stands beside usage, not in it")
    return Usage(**quantities)


def _cost(row: _Row, reported: dict[str, Any] | None) -> tuple[Decimal | None, str | None]:
    """What the provider says that it cost, and the currency."""
    if (row.cost is None) is not (row.currency is None):
        raise ValueError("cost and currency belong together")
    if row.cost is None or row.currency is None:
        found = None if row.convention is None else reported_cost(row.convention, reported)
        if found is not None and not _AMOUNT.fullmatch(str(found)):
            raise ValueError(f"cost: {found} is no amount of a request")
        return found, None if found is None else "USD"
    if not _AMOUNT.fullmatch(row.cost):
        raise ValueError("cost: expected a decimal in a string, such as 0.0125")
    if not _CURRENCY.fullmatch(row.currency):
        raise ValueError("currency: expected a code such as USD (ISO 4217)")
    return Decimal(row.cost), row.currency
