"""DuckDB in memory, which the extra `bulk` brings: opened with bounds, and filled with tables."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pricing_sync.errors import SettingsError

#: How much it may hold in memory. What is more goes to a temporary folder.
MEMORY = "2GB"
_CHUNK = 50_000


@contextmanager
def open_duckdb(purpose: str, memory: str = MEMORY) -> Iterator[tuple[Any, Path]]:
    """A connection to an empty database, and a temporary folder that goes with it.

    Raises:
        SettingsError: DuckDB is not installed.
    """
    # An optional extra, so it is imported only when it is used.
    try:
        import duckdb
    except ImportError:
        raise SettingsError(f"{purpose}: pip install 'pricing-sync[bulk]' to use it") from None
    with tempfile.TemporaryDirectory(prefix="pricing-sync-") as folder:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory,
            "temp_directory": folder,
            # Everything that is needed is in the package. Nothing is fetched.
            "autoinstall_known_extensions": "false",
        }
        with duckdb.connect(config=settings) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection, Path(folder)


def create_table(
    connection: Any, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[object]]
) -> None:
    """A table of these rows; *columns* are the names and types of their values."""
    named = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
    connection.execute(f"CREATE TEMP TABLE {table} ({named})")
    places = ", ".join(f"unnest(${n}::{kind}[])" for n, kind in enumerate(columns.values(), 1))
    for start in range(0, len(rows), _CHUNK):
        lists = [[*column] for column in zip(*rows[start : start + _CHUNK], strict=True)]
        connection.execute(f"INSERT INTO {table} SELECT {places}", lists)


def quoted(name: str) -> str:
    """The name of a column in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"
