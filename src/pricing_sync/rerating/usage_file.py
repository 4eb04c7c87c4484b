"""A file of usage as a relation of DuckDB. In text files every value is a text."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pricing_sync.errors import SettingsError
from pricing_sync.serving.duck import literal, quoted

KINDS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


@dataclass(frozen=True)
class UsageFile:
    """A file of usage that has been opened: its columns are known."""

    path: Path
    kind: str
    #: SQL: the rows of the file.
    rows: str
    #: The type of each column, by its name, in the order of the file.
    types: Mapping[str, str]

    def text(self, column: str) -> str:
        """SQL: the value of a column; of a column of JSON, as a text."""
        return f"({quoted(column)} ->> '$')" if self.types[column] == "JSON" else quoted(column)

    def written_to(self, kind: str) -> Iterator[str]:
        """SQL: each column as a file of a kind has it. JSON lines keep JSON."""
        for name, type_ in self.types.items():
            column = quoted(name)
            if type_ == "JSON" and kind != "jsonl":
                is_text = f"json_type({column}) = 'VARCHAR'"
                yield f"CASE WHEN {is_text} THEN {self.text(name)} ELSE {column}::VARCHAR END"
            else:
                yield column


def kind_of(path: Path, what: str) -> str:
    """`csv`, `jsonl` or `parquet`, by the ending.

    Raises:
        SettingsError: it has another one.
    """
    try:
        return KINDS[path.suffix.lower()]
    except KeyError:
        endings = ", ".join(KINDS)
        raise SettingsError(f"{what}: {path}: its name ends with none of {endings}") from None


def open_usage(connection: Any, path: Path, kind: str) -> UsageFile:
    """A file of usage of this kind; its columns are read.

    Raises:
        SettingsError: it cannot be read.
    """
    if not path.is_file():
        raise SettingsError(f"{path}: no such file")
    if not path.stat().st_size:
        raise SettingsError(f"{path}: it is empty")
    if set("*?[") & set(str(path)):
        raise SettingsError(f"{path}: a name with one of * ? [ stands for several files")
    name = literal(str(path))
    if kind == "csv":
        types = dict.fromkeys(_header(path), "VARCHAR")
        columns = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in types)
        # Every part of the dialect is stated: a guess would differ from file to file.
        rows = (
            f"read_csv({name}, auto_detect=false, header=true, delim=',', quote='\"', escape='\"',"
            f" nullstr='', columns={{{columns}}})"
        )
        return UsageFile(path, kind, rows, types)
    if kind == "jsonl":
        rows = f"read_ndjson({name}, maximum_depth=1, sample_size=-1)"
    else:
        rows = f"read_parquet({name})"
    found = connection.execute(f"DESCRIBE SELECT * FROM {rows}").fetchall()  # noqa: S608
    types = {column: kind_ for column, kind_, *_ in found}
    if kind == "jsonl":
        if [*types] == ["json"]:
            raise SettingsError(f"{path}: row 1: not an object")
        types = dict.fromkeys(types, "JSON")
        columns = ", ".join(f"{literal(column)}: 'JSON'" for column in types)
        rows = f"read_ndjson({name}, columns={{{columns}}})"
    return UsageFile(path, kind, rows, types)


def _header(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"{path}: row 0: {error}") from None
    if not names:
        raise SettingsError(f"{path}: it is empty")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SettingsError(f"{path}: the column {twice!r} is there twice")
    return names
