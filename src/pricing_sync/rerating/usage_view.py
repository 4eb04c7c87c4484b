"""The view `usage`: the rows of a file with their fields, and what is in it as a whole.

The columns of the file are `c0`, `c1`, …, so that none can have the name of a field. Instants are
microseconds since 1970. `fault` is the first field that is not what it must be, and its text.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from pricing_sync.errors import SettingsError
from pricing_sync.rerating.price_cells import Traffic
from pricing_sync.rerating.usage_fields import KEYS, Given
from pricing_sync.rerating.usage_file import UsageFile
from pricing_sync.serving.duck import literal, quoted

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_SHOWN = 40


def create_usage_view(
    connection: Any, file: UsageFile, fields: Mapping[str, Given], written_to: str
) -> None:
    """The view of a file whose columns go to a file of the kind *written_to*."""
    values = {f"c{n}": value for n, value in enumerate(file.written_to(written_to))}
    values |= {name: given.value for name, given in fields.items()}
    values |= {name: f"coalesce({fields[name].value}, '')" for name in KEYS}
    values.setdefault("input", "0")
    faults = "".join(
        f" WHEN {given.is_bad} THEN [{literal(name)}, coalesce({given.text}, '')]"
        for name, given in fields.items()
        if given.is_bad != "false"
    )
    values["fault"] = f"CASE{faults} END"
    selected = ", ".join(f"{value} AS {quoted(name)}" for name, value in values.items())
    connection.execute(f"CREATE TEMP VIEW usage AS SELECT {selected} FROM {file.rows}")  # noqa: S608


class Group(NamedTuple):
    """The rows that differ in their quantities and instants only."""

    traffic: Traffic
    rows: int


def groups_of(connection: Any, file: UsageFile, fields: Mapping[str, Given]) -> list[Group]:
    """The rows by model, tier and region.

    Raises:
        SettingsError: a value is not what it must be.
    """
    found = connection.execute(
        'SELECT provider, model, service_tier, region, min("at"), max("at"), count(*),'
        " count(fault) FROM usage GROUP BY ALL"
    ).fetchall()
    if any(faults for *_, faults in found):
        raise _first_fault(connection, file, fields)
    return [
        Group(Traffic._make([*key, _from_micros(first), _from_micros(last)]), rows)
        for *key, first, last, rows, _ in found
    ]


def _from_micros(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


def _first_fault(connection: Any, file: UsageFile, fields: Mapping[str, Given]) -> SettingsError:
    row, (name, text) = connection.execute(
        "SELECT * FROM (SELECT row_number() OVER (), fault FROM usage) t(number, fault)"
        " WHERE fault IS NOT NULL ORDER BY number LIMIT 1"
    ).fetchone()
    wanted = fields[name].wanted
    shown = f"{text[:_LONGEST_SHOWN]!r} is not {wanted}" if text else "nothing is there"
    return SettingsError(f"{file.path}: row {row}: {name}: {shown}")


def one_currency(connection: Any, file: UsageFile, fields: Mapping[str, Given]) -> str:
    """The one currency of the given costs; dollars if no column says it.

    Raises:
        SettingsError: there are several.
    """
    if "currency" not in fields:
        return "USD"
    found = connection.execute(
        "SELECT min(number), currency"
        " FROM (SELECT row_number() OVER () AS number, currency FROM usage)"
        " WHERE currency IS NOT NULL GROUP BY currency ORDER BY 1 LIMIT 2"
    ).fetchall()
    if len(found) > 1:
        (_, first), (row, other) = found
        raise SettingsError(
            f"{file.path}: row {row}: currency: {other!r}, where the rows before are in {first!r}"
        )
    return str(found[0][1]) if found else "USD"
