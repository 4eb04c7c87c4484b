"""Strict reading of JSON: exact amounts, and the errors of answers that cannot be read.

A price field stays raw JSON text (`msgspec.Raw`) until it is decoded here, because general parsers
accept too much: `Decimal` accepts "1_000" and Arabic digits, `float` loses the exact price, and
both accept "NaN". Only a JSON number, bare or in a string, is accepted as a price.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import TypeVar

import msgspec
from msgspec import Raw

from pricing_sync.prices.rates import CurrencyUnit, Per, Rate

__all__ = [
    "envelope",
]

#: The value of an absent field. Like `null`, it means that there is no price.
ABSENT = Raw()
ABSENT_OR_NULL = (b"", b"null")
NUMBER = re.compile(
    rb'(?P<quote>"?)(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?P=quote)'
)
_LONGEST_NUMBER = 80
_LARGEST_EXPONENT = 60
_LARGEST_COUNT = 10**12
#: What msgspec raises for bytes that are not JSON, or not of the type that is asked for.
MISREAD = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)

Decoded = TypeVar("Decoded")


class Malformed(ValueError):
    """The whole answer, or one page of it, is not in the expected format."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")
        self.where = where
        self.why = why


class Incomplete(Malformed):
    """A part of the answer is missing."""


class BadAmount(ValueError):
    """One field does not hold a valid amount."""


def is_named(raw: Raw) -> bool:
    """Whether the field is present and not null."""
    return bytes(raw) not in ABSENT_OR_NULL


def number(raw: Raw, where: str) -> Decimal | None:
    """The exact number in a field; None when the field is absent or null.

    Raises:
        BadAmount: it is neither a JSON number nor a string that holds one.
    """
    text = bytes(raw)
    if text in ABSENT_OR_NULL:
        return None
    try:
        return _number(text)
    except ValueError as error:
        raise BadAmount(f"{where}: {error}") from None


@lru_cache(maxsize=65_536)  # a list of thousands of models repeats a few hundred prices
def _number(text: bytes) -> Decimal:
    return Decimal(_literal(text))


def _literal(text: bytes) -> str:
    """The digits of a JSON number, bare or in a string."""
    match = NUMBER.fullmatch(text) if len(text) <= _LONGEST_NUMBER else None
    if match is None:
        raise ValueError(f"{shorten(text)} is not a number")
    literal = match[2].decode("ascii")
    # A number outside these bounds is neither a price nor a count, and could fill the memory.
    if abs(Decimal(literal).adjusted()) > _LARGEST_EXPONENT:
        raise ValueError(f"{shorten(text)} is not a plausible number")
    return literal


def whole(raw: Raw, where: str) -> int | None:
    """The count in a field, such as a number of tokens; None when the field is absent or null.

    Raises:
        BadAmount: it is not a whole number from 0 to a trillion.
    """
    value = number(raw, where)
    if value is None:
        return None
    if value != value.to_integral_value() or not 0 <= value <= _LARGEST_COUNT:
        raise BadAmount(f"{where}: {value} is not a count")
    return int(value)


def rate(
    raw: Raw, where: str, per: Per, currency_unit: CurrencyUnit = CurrencyUnit.WHOLE
) -> Rate | None:
    """The rate in a price field; None when the field is absent or null.

    Raises:
        BadAmount: it is not a number, or not a rate (below zero, or out of bounds).
    """
    text = bytes(raw)
    if text in ABSENT_OR_NULL:
        return None
    try:
        return _rate(text, per, currency_unit)
    except ValueError as error:
        raise BadAmount(f"{where}: {error}") from None


@lru_cache(maxsize=65_536)  # as for `_number`
def _rate(text: bytes, per: Per, currency_unit: CurrencyUnit) -> Rate:
    return Rate.of(_literal(text), per, currency_unit)


def envelope(body: bytes, kind: type[Decoded], where: str = "body") -> Decoded:
    """The outermost object or list of an answer, or of a part of it.

    Raises:
        Malformed: it is not JSON, or not of type *kind*.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise Malformed(where, str(error)) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(where, f"not JSON ({error}): {shorten(body)}") from error


def shorten(text: bytes, longest: int = 40) -> str:
    """The first bytes of a text as one line of ASCII, and an ellipsis if there are more."""
    start = text[:longest].decode("utf-8", "replace")
    return ascii(start)[1:-1] + ("…" if len(text) > longest else "")
