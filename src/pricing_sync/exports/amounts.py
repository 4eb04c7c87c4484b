"""Rates as decimal text, exact: digits of a whole number with a point among them."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from pricing_sync.prices.rates import CurrencyUnit, Per

#: A rate counts 10⁻¹⁵ of the currency per unit.
_PLACES = 15
_WHOLE = CurrencyUnit.WHOLE


def decimal_text(rate: int, per: Per, currency_unit: CurrencyUnit = _WHOLE) -> str:
    """The amount for *per* units as a plain decimal, without trailing zeros: `0.0000025`."""
    digits = str(rate * per * currency_unit).rjust(_PLACES + 1, "0")
    whole, part = digits[:-_PLACES], digits[-_PLACES:].rstrip("0")
    return f"{whole}.{part}" if part else whole


def number(rate: int, per: Per, currency_unit: CurrencyUnit = _WHOLE) -> Raw:
    """The amount for *per* units as a JSON number with all its digits."""
    return Raw(decimal_text(rate, per, currency_unit).encode())


def json_object(rows: list[tuple[str, bytes]]) -> bytes:
    """A JSON object with a row on each line. A row is JSON already.

    Encoding row by row keeps a large document from holding the interpreter for long.
    """
    return b"{\n" + b",\n".join(_key(name) + b":" + row for name, row in rows) + b"\n}\n"


def json_list(rows: list[bytes]) -> bytes:
    """A JSON list with a row on each line. A row is JSON already."""
    return b"[\n" + b",\n".join(rows) + b"\n]\n"


def _key(name: str) -> bytes:
    return msgspec.json.encode(name)
