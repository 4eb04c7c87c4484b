"""Reads thresholds from a settings file and checks each one."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

from pricing_sync.gate.thresholds import Bounds, Thresholds
from pricing_sync.prices.rates import Meter, Per, Rate
from pricing_sync.prices.usage import PARENTS

#: A factor above this would switch a rule off, and the gate has no off switch.
_LARGEST_FACTOR = 1_000
_SPAN = re.compile(r"([0-9]{1,4})([mhd])")
_SPAN_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_CURRENCY = re.compile("[A-Z]{3}")


def thresholds_from(written: Mapping[str, object], base: Thresholds | None = None) -> Thresholds:
    """*base* (by default the calibrated values) with the *written* values, by field name.

    Factors and shares are numbers, counts are whole numbers, `release_after` and
    `catalogs_old_after` are spans such as `24h`. `bounds` and `usual` are tables of meters, each
    `[low, high]` in dollars per million units, as text or whole numbers; `usual_proportions` is a
    table of meters, each `[low, high]` as numbers; `units_per_dollar` is a table of currencies.
    Entries that a table does not name keep their value.

    Raises:
        ValueError: a name is no threshold, or a value is not valid: which one, and why.
    """
    known = base or Thresholds()
    for name, value in written.items():
        if name not in _READERS:
            raise ValueError(f"{name}: no such threshold")
        try:
            read = _READERS[name](value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        if isinstance(read, Mapping):
            read = {**getattr(known, name), **read}
        known = replace(known, **{name: read})
    return known


def _factor(value: object) -> float:
    number = _number(value)
    if not 1 < number <= _LARGEST_FACTOR:
        raise ValueError(f"{value} is not a factor above 1, up to {_LARGEST_FACTOR}")
    return number


def _share(value: object) -> float:
    number = _number(value)
    if not 0 < number <= 1:
        raise ValueError(f"{value} is not a share above 0, up to 1")
    return number


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a number")
    return float(value)


def _count(value: object) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"{value!r} is not a whole number above 0")
    return value


def _powers(value: object) -> frozenset[int]:
    if not isinstance(value, (list, tuple)) or not value:
        raise ValueError(f"{value!r} is not a list of powers of ten, such as [3, 6]")
    return frozenset(_count(power) for power in value)


def _span(value: object) -> timedelta:
    match = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if match is None or not int(match[1]):
        raise ValueError(f"{value!r} is not a span of time, such as 24h, 90m or 2d")
    return timedelta(**{_SPAN_UNITS[match[2]]: int(match[1])})


def _units_per_dollar(value: object) -> Mapping[str, int]:
    table = _table(value)
    for currency in table:
        if not _CURRENCY.fullmatch(currency):
            raise ValueError(f"{currency!r} is not a currency of three letters")
    return {currency: _count(units) for currency, units in table.items()}


def _bounds(value: object) -> Bounds:
    return dict(_bound(name, pair) for name, pair in _table(value).items())


def _bound(name: str, pair: object) -> tuple[Meter, tuple[Rate, Rate]]:
    if name not in set(Meter):
        raise ValueError(f"{name!r} is no meter")
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        raise ValueError(f'{name}: {pair!r} is not a pair such as ["0.002", "200"]')
    try:
        low, high = (Rate.of(amount, Per.MILLION) for amount in pair)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from None
    if not 0 < low < high:
        raise ValueError(f"{name}: {low} … {high} is not from low to high, above 0")
    return Meter(name), (low, high)


def _proportions(value: object) -> Mapping[Meter, tuple[float, float]]:
    return dict(_proportion(name, pair) for name, pair in _table(value).items())


def _proportion(name: str, pair: object) -> tuple[Meter, tuple[float, float]]:
    if name not in PARENTS:
        raise ValueError(f"{name!r} is no meter with a parent")
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        raise ValueError(f"{name}: {pair!r} is not a pair such as [0.05, 1]")
    low, high = (_number(part) for part in pair)
    if not 1 / _LARGEST_FACTOR <= low < high <= _LARGEST_FACTOR:
        raise ValueError(f"{name}: {low} … {high} is not from low to high, 0.001 to 1000")
    return Meter(name), (low, high)


def _table(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is not a table")  # noqa: TRY004  one kind of error to catch
    return value


_SPECIAL: Mapping[str, Callable[[object], Any]] = {
    "bounds": _bounds,
    "usual": _bounds,
    "usual_proportions": _proportions,
    "units_per_dollar": _units_per_dollar,
    "unit_powers": _powers,
    "unit_tolerance": _share,
    "release_after": _span,
    "catalogs_old_after": _span,
}


def _reader(name: str, kind: str) -> Callable[[object], Any]:
    if name.endswith("_share"):
        return _share
    return _count if kind == "int" else _factor


#: The function that reads each threshold.
_READERS: Mapping[str, Callable[[object], Any]] = {
    # The annotations of `Thresholds` are strings.
    **{field.name: _reader(field.name, str(field.type)) for field in fields(Thresholds)},
    **_SPECIAL,
}
