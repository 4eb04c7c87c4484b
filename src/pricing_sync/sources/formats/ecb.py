"""The European Central Bank's daily reference rates, as its XML files list them.

`eurofxref-hist-90d.xml` has the last 90 days, `eurofxref-hist.xml` every day since 1999. An amount
is the units of a currency per euro. They are published on TARGET working days at about 16:00 in
Frankfurt. Read on 2026-11-26:
https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from xml.etree import ElementTree as ET

from pricing_sync.sources.strict_json import Malformed

_CUBE = "{http://www.ecb.int/vocabulary/2002-08-01/eurofxref}Cube"
_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
_CURRENCY = re.compile(r"[A-Z]{3}")
#: The largest factor between the rates of two published days that follow each other. The largest
#: that the list has ever had is about 1.2.
LARGEST_MOVE = Decimal("1.5")


def read(body: bytes) -> dict[date, dict[str, Decimal]]:
    """Units of each currency per euro, by day.

    Raises:
        Malformed: it is not that format, or a rate moves so much that it cannot be right.
    """
    days: dict[date, dict[str, Decimal]] = {}
    for cube in _parse(body).iter(_CUBE):
        if (written := cube.get("time")) is not None:
            day = _day(written)
            if day in days:
                raise Malformed(written, "is listed twice")
            days[day] = _rates(written, cube)
    if not days:
        raise Malformed("body", "lists no days")
    _refuse_jumps(days)
    return days


def _refuse_jumps(days: Mapping[date, Mapping[str, Decimal]]) -> None:
    """Raise `Malformed` for a rate that moved between two days as no exchange rate does."""
    last: dict[str, tuple[date, Decimal]] = {}
    for day in sorted(days):
        for currency, rate in days[day].items():
            if currency in last:
                before, old = last[currency]
                if max(rate, old) > min(rate, old) * LARGEST_MOVE:
                    raise Malformed(
                        f"{day} {currency}", f"moved from {old} to {rate} since {before}"
                    )
            last[currency] = (day, rate)


def _parse(body: bytes) -> ET.Element:
    # The format has no document type. One could define entities that expand without end.
    if b"<!" in body:
        raise Malformed("body", "has a document type or a comment, which the format has not")
    try:
        return ET.fromstring(body)  # noqa: S314  see above
    except ET.ParseError as error:
        raise Malformed("body", f"is not XML: {error}") from None


def _day(written: str) -> date:
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise Malformed("time", f"{written!r} is not a day") from None


def _rates(day: str, cube: ET.Element) -> dict[str, Decimal]:
    rates: dict[str, Decimal] = {}
    for entry in cube.iter(_CUBE):
        if entry is cube:
            continue
        currency, amount = entry.get("currency", ""), entry.get("rate", "")
        if not _CURRENCY.fullmatch(currency) or currency in rates:
            raise Malformed(day, f"the currency {currency!r} is not expected")
        # Currencies that have left the list have this instead of a rate.
        if amount == "N/A":
            continue
        if not _AMOUNT.fullmatch(amount) or not (rate := Decimal(amount)):
            raise Malformed(f"{day} {currency}", f"{amount!r} is not a rate above zero")
        rates[currency] = rate
    if not rates:
        raise Malformed(day, "lists no currencies")
    return rates
