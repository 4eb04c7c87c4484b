"""The reference rates of the European Central Bank, and what is refused."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from pricing_sync.sources.formats import ecb
from pricing_sync.sources.strict_json import Malformed

from exchange_rates_file import answer

DAY = "2026-11-20"


def test_rates_are_read_by_day() -> None:
    """Exactly as they are written; a currency that left the list has no rate."""
    found = ecb.read(
        answer({"2026-11-20": {"USD": "1.0823", "RUB": "N/A"}, "2026-11-19": {"USD": "1.0800"}})
    )
    assert {
        date(2026, 11, 20): {"USD": Decimal("1.0823")},
        date(2026, 11, 19): {"USD": Decimal("1.0800")},
    } == found


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "body: is not XML"),
        (b"{}", "body: is not XML"),
        (b"<html></html>", "body: lists no days"),
        (answer({}), "body: lists no days"),
        (answer({DAY: {}}), f"{DAY}: lists no currencies"),
        (answer({"20.11.2026": {"USD": "1.1"}}), "is not a day"),
        (answer({DAY: {"USD": "0"}}), f"{DAY} USD: '0' is not a rate above zero"),
        (answer({DAY: {"USD": "-1.1"}}), "'-1.1' is not a rate"),
        (answer({DAY: {"USD": "1,1"}}), "'1,1' is not a rate"),
        (answer({DAY: {"USD": "1e3"}}), "'1e3' is not a rate"),
        (answer({DAY: {"USD": "NaN"}}), "'NaN' is not a rate"),
        (answer({DAY: {"dollar": "1.1"}}), "the currency 'dollar' is not expected"),
        (answer({DAY: {"USD": "1.1"}}) * 2, "is not XML"),
        (answer({DAY: {"USD": "1.1"}}, head='<!DOCTYPE x [<!ENTITY a "b">]>'), "document type"),
        (
            answer({DAY: {"USD": "110"}, "2026-11-19": {"USD": "1.10"}}),
            f"{DAY} USD: moved from 1.10 to 110 since 2026-11-19",
        ),
    ],
)
def test_what_is_not_the_format_is_refused(body: bytes, why: str) -> None:
    """As a whole: a rate that is read wrongly would convert every amount wrongly."""
    with pytest.raises(Malformed, match=why):
        ecb.read(body)


def test_a_day_or_a_currency_is_listed_once() -> None:
    """Two rates of one day contradict each other."""
    once = answer({DAY: {"USD": "1.1"}})
    day = once[once.index(b"<Cube time") : once.rindex(b"</Cube></gesmes")]
    with pytest.raises(Malformed, match=f"{DAY}: is listed twice"):
        ecb.read(once.replace(day, day + day))
    currency = b'<Cube currency="USD" rate="1.1"/>'
    with pytest.raises(Malformed, match="'USD' is not expected"):
        ecb.read(once.replace(currency, currency * 2))
