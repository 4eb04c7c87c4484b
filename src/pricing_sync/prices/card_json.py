"""Listings as JSON, for the database, the command line and HTTP.

Rates are decimal strings, in the currency per million units of the meter: `{"input": "2.5"}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pricing_sync.prices.instants import refuse_naive
from pricing_sync.prices.rates import (
    ConditionalRates,
    Meter,
    Per,
    Rate,
    RateCard,
    Rates,
    Unpriced,
    When,
    Why,
)


def write_rates(rates: Rates) -> dict[str, str]:
    """Rates in the order of the meters, so that equal rates give equal JSON."""
    return {meter.value: str(rates[meter]) for meter in Meter if meter in rates}


def read_rates(written: Mapping[str, str]) -> dict[Meter, Rate]:
    """The rates written by `write_rates`.

    Raises:
        ValueError: a meter is unknown, or an amount is no rate.
    """
    return {Meter(meter): Rate.of(amount, Per.MILLION) for meter, amount in written.items()}


def write_when(when: When) -> dict[str, Any]:
    """The parts of a condition that are not None."""
    written: dict[str, Any] = {}
    if when.min_input_tokens is not None:
        written["min_input_tokens"] = when.min_input_tokens
    if when.service_tier is not None:
        written["service_tier"] = when.service_tier
    if when.hours is not None:
        written["hours"] = [f"{minute // 60:02}:{minute % 60:02}" for minute in when.hours]
    if when.weekdays is not None:
        written["weekdays"] = sorted(when.weekdays)
    if when.hours is not None or when.weekdays is not None:
        written["time_zone"] = when.time_zone
    if when.region is not None:
        written["region"] = when.region
    return written


def read_when(written: Mapping[str, Any]) -> When:
    """The condition written by `write_when`."""
    hours = written.get("hours")
    weekdays = written.get("weekdays")
    return When(
        min_input_tokens=written.get("min_input_tokens"),
        service_tier=written.get("service_tier"),
        hours=None if hours is None else (_minute(hours[0]), _minute(hours[1])),
        weekdays=None if weekdays is None else frozenset(weekdays),
        time_zone=written.get("time_zone", "UTC"),
        region=written.get("region"),
    )


def _minute(clock: str) -> int:
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)


def write_conditional_rates(entries: tuple[ConditionalRates, ...]) -> list[dict[str, Any]]:
    """A card's conditional rates, in the card's order."""
    return [
        {"when": write_when(entry.when), "rates": write_rates(entry.rates)} for entry in entries
    ]


def read_conditional_rates(written: list[dict[str, Any]]) -> tuple[ConditionalRates, ...]:
    """The conditional rates written by `write_conditional_rates`."""
    return tuple(
        ConditionalRates(read_when(entry["when"]), read_rates(entry["rates"])) for entry in written
    )


def write_listing(listing: RateCard | Unpriced) -> dict[str, Any]:
    """A listing with its currency and rates, or with the reason why it has none."""
    if isinstance(listing, Unpriced):
        return {"rates": None, "unpriced": listing.why.value, "note": listing.note}
    return {
        "currency": listing.currency,
        "rates": write_rates(listing.rates),
        "conditional_rates": write_conditional_rates(listing.conditional_rates),
    }


def read_listing(written: Mapping[str, Any]) -> RateCard | Unpriced:
    """The listing written by `write_listing`."""
    if written["rates"] is None:
        return Unpriced(Why(written["unpriced"]), written.get("note", ""))
    return RateCard(
        read_rates(written["rates"]),
        read_conditional_rates(written["conditional_rates"]),
        written["currency"],
    )


def write_instant(instant: datetime) -> str:
    """An instant in UTC as ISO 8601, exact: `2026-01-26T12:00:00Z`."""
    refuse_naive(instant)
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
