"""Usage that is priced in bulk, each row as of its own time, by the rules of `cost`.

The rows of a file are a view in DuckDB (`usage_file.py`). They are joined to tables of what is
charged (`price_tables.py`) and priced in SQL (`priced_rows.py`); the written file is summed up
(`report.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pricing_sync.errors import SettingsError
from pricing_sync.prices.rates import Meter
from pricing_sync.rerating.connection import OnProgress, open_connection, watched
from pricing_sync.rerating.price_tables import Prices, create_price_tables
from pricing_sync.rerating.priced_rows import copy, create_views
from pricing_sync.rerating.report import ReportLine, sum_up
from pricing_sync.rerating.usage_columns import Columns
from pricing_sync.rerating.usage_fields import Given, find_fields
from pricing_sync.rerating.usage_file import UsageFile, kind_of, open_usage
from pricing_sync.rerating.usage_view import Group, create_usage_view, groups_of, one_currency
from pricing_sync.serving.duck import MEMORY

#: The steps of which progress is told.
STEPS = ("reading", "pricing", "summing up")


@dataclass(frozen=True, kw_only=True)
class Rerating:
    """What is priced, by which prices, and where to."""

    usage: Path
    out: Path
    columns: Columns
    prices: Prices
    #: Whether the given costs are compared with the new ones.
    compare: bool = False
    #: Whether the rows may change places: then all cores write.
    any_order: bool = False
    #: How much DuckDB may hold in memory.
    memory: str = MEMORY


def rerate_usage(wanted: Rerating, on_progress: OnProgress) -> list[ReportLine]:
    """Write the usage with what it costs, and sum it up by provider, model and currency.

    The file is written whole or not at all.

    Raises:
        SettingsError: DuckDB is not installed, or the usage cannot be read or written. The message
            has the row, counted from 1 without a heading.
        StoreError: the prices cannot be read.
    """
    kind, out_kind = kind_of(wanted.usage, "USAGE"), kind_of(wanted.out, "--output")
    if wanted.out.exists() and wanted.usage.exists() and wanted.out.samefile(wanted.usage):
        raise SettingsError(f"--output: {wanted.out}: this is the usage itself")
    with open_connection(wanted.usage, wanted.memory) as connection:
        with watched(connection, STEPS[0], on_progress):
            file = open_usage(connection, wanted.usage, kind)
            fields = find_fields(file, wanted.columns)
            _check(wanted, file, fields)
            create_usage_view(connection, file, fields, out_kind)
            groups = groups_of(connection, file, fields)
            old_currency = one_currency(connection, file, fields)
        _prepare(connection, wanted, fields, groups, out_kind)
        with _replacing(wanted.out) as beside:
            with watched(connection, STEPS[1], on_progress):
                statement = copy(
                    file,
                    out_kind,
                    beside,
                    currency=wanted.prices.currency,
                    old_currency=old_currency if wanted.compare else None,
                )
                written = _write(connection, statement, any_order=wanted.any_order)
            if written != sum(group.rows for group in groups):
                raise SettingsError(f"{wanted.usage}: it was changed while it was read")
            if not written:
                return []
            with watched(connection, STEPS[2], on_progress):
                return sum_up(connection, open_usage(connection, beside, out_kind), wanted.columns)


def _check(wanted: Rerating, file: UsageFile, fields: Mapping[str, Given]) -> None:
    there = [name for name in file.types if name.startswith("rerated_")]
    if there:
        raise SettingsError(f"{file.path}: the column {there[0]!r} is there: it is priced already")
    if wanted.compare and "cost" not in fields:
        raise SettingsError(f"{file.path}: no column for 'cost', with which --compare compares")


def _prepare(
    connection: Any,
    wanted: Rerating,
    fields: Mapping[str, Given],
    groups: Sequence[Group],
    out_kind: str,
) -> None:
    """Create the tables of prices and the views that price the rows."""
    meters = [meter for meter in Meter if meter in fields]
    # A table of text has instants in ISO 8601, as they are written everywhere.
    since = "TIMESTAMPTZ" if out_kind == "parquet" else "VARCHAR"
    used = [group.traffic for group in groups]
    shape = create_price_tables(connection, used, meters, wanted.prices, since)
    converts = wanted.prices.currency is not None
    create_views(connection, meters, shape, are_sums="requests" in fields, converts=converts)


def _write(connection: Any, statement: str, *, any_order: bool) -> int:
    """How many rows were written."""
    if not any_order:
        # Joins in several threads do not keep the order of the rows.
        connection.execute("SET threads = 1")
    (rows,) = connection.execute(statement).fetchone()
    connection.execute("RESET threads")
    return int(rows)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A file beside *path*, which takes its place when the block ends without an error."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    if not path.parent.is_dir():
        raise SettingsError(f"--output: {path}: no such folder")
    try:
        yield beside
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise SettingsError(f"--output: {path}: {error.strerror}") from None
    finally:
        beside.unlink(missing_ok=True)
