"""The exchange rates of the database, by day."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from pricing_sync.prices.exchange import BASE, MAX_AGE, ExchangeRates
from pricing_sync.store.connection import Connection, NamedQueries, load_queries
from pricing_sync.store.rows import write_instant

_QUERIES = load_queries({}, "exchange_rates.sql")


@dataclass(frozen=True, slots=True)
class DayRate:
    """Units of a currency per euro, published on a day."""

    currency: str
    day: date
    per_euro: Decimal


class ExchangeRateTable(NamedQueries):
    """The exchange rates of a `Store`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, _QUERIES)

    def newest(self) -> list[DayRate]:
        """The newest rate of each currency."""
        return [
            DayRate(currency, date.fromisoformat(day), Decimal(per_euro))
            for currency, day, per_euro in self._fetch("newest")
        ]

    def newest_day(self) -> date | None:
        """The day of the newest rates, by the dollar's, which every day has; None without any."""
        day = self._fetch("newest_day", currency="USD")[0][0]
        return None if day is None else date.fromisoformat(day)

    def between(
        self, currencies: Collection[str], since: datetime, until: datetime
    ) -> ExchangeRates:
        """The rates that convert amounts of these currencies, of instants in that span."""
        days: dict[date, dict[str, Decimal]] = {}
        first = since.astimezone(UTC).date() - MAX_AGE
        last = until.astimezone(UTC).date()
        for currency in set(currencies) - {BASE}:
            for rate in self._of(currency, first, last):
                days.setdefault(rate.day, {})[currency] = rate.per_euro
        return ExchangeRates(days)

    def _of(self, currency: str, first: date, last: date) -> list[DayRate]:
        found = self._fetch(
            "between", currency=currency, first=first.isoformat(), last=last.isoformat()
        )
        return [
            DayRate(currency, date.fromisoformat(day), Decimal(per_euro))
            for day, currency, per_euro in found
        ]

    def add(
        self, days: Mapping[date, Mapping[str, Decimal]], at: datetime
    ) -> tuple[int, list[DayRate]]:
        """Store the rates that are new; returns how many, and those that differ from stored ones.

        A stored rate stays as it is: amounts were converted by it.
        """
        with self._connection.transaction():
            stored = self._stored(days)
            new = [
                DayRate(currency, day, rate)
                for day, rates in days.items()
                for currency, rate in rates.items()
                if (currency, day) not in stored
            ]
            recorded_at = write_instant(at)
            self._execute_many(
                "add",
                [
                    {
                        "currency": rate.currency,
                        "day": rate.day.isoformat(),
                        "per_euro": str(rate.per_euro),
                        "recorded_at": recorded_at,
                    }
                    for rate in new
                ],
            )
        differing = [
            DayRate(currency, day, rate)
            for day, rates in days.items()
            for currency, rate in rates.items()
            if stored.get((currency, day), rate) != rate
        ]
        return len(new), differing

    def _stored(
        self, days: Mapping[date, Mapping[str, Decimal]]
    ) -> dict[tuple[str, date], Decimal]:
        currencies = {currency for rates in days.values() for currency in rates}
        return {
            (rate.currency, rate.day): rate.per_euro
            for currency in currencies
            for rate in self._of(currency, min(days), max(days))
        }
