"""A connection to DuckDB for one file of usage: its errors in one line, and how far it is."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from pricing_sync.errors import SettingsError
from pricing_sync.serving.duck import open_duckdb

_POLL_SECONDS = 0.25
#: What is wrong with a line of a table, in DuckDB's words.
_CSV_REASONS = (
    re.compile(r"Expected Number of Columns: \d+ Found: \d+"),
    re.compile(r"Invalid unicode[^\n.]*"),
    re.compile(r"Value[^\n]*"),
)

#: Told the step, and how far it is, from 0 to 1. It is called in a thread of its own.
OnProgress: TypeAlias = Callable[[str, float], None]


@contextmanager
def open_connection(usage: Path, memory: str) -> Iterator[Any]:
    """A database in memory, whose errors are those of the usage.

    Raises:
        SettingsError: DuckDB is not installed, or the block failed in it.
    """
    with open_duckdb("rerate", memory) as (connection, _):
        # An optional extra: it is there, or the line above has said so.
        import duckdb

        connection.execute("SET enable_progress_bar = true")
        connection.execute("SET enable_progress_bar_print = false")
        # So the rows always stream past the prices, in the order of the file.
        connection.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
        try:
            yield connection
        except duckdb.Error as error:
            raise SettingsError(f"{usage}: {_one_line(str(error))}") from None


@contextmanager
def watched(connection: Any, step: str, on_progress: OnProgress) -> Iterator[None]:
    """Tell how far the statements of the block are, while they run."""
    is_done = threading.Event()

    def watch() -> None:
        while not is_done.wait(_POLL_SECONDS):
            on_progress(step, max(connection.query_progress(), 0.0) / 100)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_done.set()
        watcher.join()


def _one_line(message: str) -> str:
    """What DuckDB says in many lines, with the row.

    It counts the heading of a table as a line, and the lines of JSON from 2.
    """
    text = message.partition(" Error: ")[2] or message
    if csv_line := re.search(r"CSV Error on Line: (\d+)", text):
        why = next((found[0] for one in _CSV_REASONS if (found := one.search(text))), "unreadable")
        return f"row {int(csv_line[1]) - 1}: {why}"
    if json_line := re.search(r"in line (\d+): ([^\n]*)", text):
        return f"row {int(json_line[1]) - 1}: {json_line[2].rstrip('. ')}"
    return text.partition("\n")[0].strip()
