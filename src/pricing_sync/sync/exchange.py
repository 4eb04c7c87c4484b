"""Reads the exchange rates of the European Central Bank into the database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import httpx

from pricing_sync.errors import DecodeError
from pricing_sync.sources.formats import ecb
from pricing_sync.sources.http import Fetched
from pricing_sync.sources.provider import Provider
from pricing_sync.sources.rows import Page
from pricing_sync.sources.strict_json import Malformed
from pricing_sync.store.exchange_rates import DayRate, ExchangeRateTable
from pricing_sync.sync.access import ProviderAccess

#: Its name in the settings and in errors: `[provider."exchange:ecb"]`.
ID = "exchange:ecb"
#: When a day's rates are certainly published: 16:00 in Frankfurt, winter and summer, and an hour.
_PUBLISHED = time(16, tzinfo=UTC)
_FRIDAY, _DAY = 4, timedelta(days=1)
_SAME_TIME = timedelta(days=30)
SOURCE = Provider(
    id=ID,
    name="European Central Bank",
    url="https://www.ecb.europa.eu/stats/eurofxref/eurofxref-hist-90d.xml",
    decode=lambda _: Page([]),
    page="https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates/",
)


@dataclass(frozen=True, slots=True)
class ExchangeRead:
    """What a read of exchange rates has stored."""

    added: int
    #: The newest day that it lists.
    newest: date
    #: Rates that the source states otherwise now. The stored ones stay.
    differing: tuple[DayRate, ...] = ()


def is_due(table: ExchangeRateTable, now: datetime) -> bool:
    """Whether rates should have been published that are not stored."""
    newest = max((rate.day for rate in table.newest()), default=date.min)
    day = now.astimezone(UTC).date()
    if now < datetime.combine(day, _PUBLISHED):
        day -= _DAY
    while day.weekday() > _FRIDAY:
        day -= _DAY
    return newest < day


async def read_exchange_rates(
    client: httpx.AsyncClient, access: ProviderAccess, table: ExchangeRateTable, now: datetime
) -> ExchangeRead:
    """Fetch the rates of the last 90 days and store what is new.

    Raises:
        ReadingError: they could not be fetched, or are not in the format.
        StoreError: the database cannot be written.
    """
    fetched = await access.fetcher(SOURCE, client)(None)
    assert isinstance(fetched, Fetched)  # noqa: S101  without an ETag there is no 304
    return await asyncio.to_thread(store_exchange_rates, fetched.all_pages()[0], table, now)


def store_exchange_rates(body: bytes, table: ExchangeRateTable, now: datetime) -> ExchangeRead:
    """Store what is new in a file of the European Central Bank.

    Raises:
        DecodeError: it is not in the format, or says a day that has not come.
        StoreError: the database cannot be written.
    """
    try:
        days = ecb.read(body)
        _refuse_future(days, now)
        _refuse_far(days, table.newest())
    except Malformed as error:
        raise DecodeError(ID, error.where, error.why) from None
    added, differing = table.add(days, now)
    return ExchangeRead(added, max(days), tuple(differing))


def _refuse_future(days: Iterable[date], now: datetime) -> None:
    if (newest := max(days)) > now.astimezone(UTC).date():
        raise Malformed(f"{newest}", "has not come yet")


def _refuse_far(days: Mapping[date, Mapping[str, Decimal]], stored: Sequence[DayRate]) -> None:
    """Raise `Malformed` if a rate is far from the newest stored one of about the same time."""
    for rate in stored:
        near = [
            (abs(day - rate.day), rates[rate.currency])
            for day, rates in days.items()
            if rate.currency in rates and abs(day - rate.day) <= _SAME_TIME
        ]
        if near:
            _, listed = min(near)
            if max(listed, rate.per_euro) > min(listed, rate.per_euro) * ecb.LARGEST_MOVE:
                raise Malformed(
                    rate.currency, f"{listed} per euro, where {rate.per_euro} was on {rate.day}"
                )
