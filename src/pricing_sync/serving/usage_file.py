"""A file of usage as a relation of DuckDB: its rows, and the expressions of its fields.

Nothing is guessed: in text files every value is a text until a field needs it as something else,
and a value that is not what its field needs is named with its row.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pricing_sync.errors import SettingsError
from pricing_sync.prices.rates import Meter
from pricing_sync.serving.duck import literal, quoted
from pricing_sync.serving.usage_columns import OTHER_FIELDS, REQUIRED, Columns

KINDS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
#: The digits of the largest count of a row. With them no sum can overflow 128 bits: 19 meters times
#: 10¹⁵ units times the largest rate is below 2·10³⁵.
COUNT_DIGITS = 15
#: Unix seconds have at most this many digits; milliseconds have more, and are refused.
_SECONDS_DIGITS = 10
#: The largest amount of the given costs, in digits before the point.
_COST = "DECIMAL(38, 15)"
_INTEGERS = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?")
_STEP = re.compile(r" ([+-]) ")


class Given(NamedTuple):
    """A field of a row: its value, and when the file has something there that it cannot be."""

    value: str
    #: SQL: whether the value is there and cannot be used.
    is_bad: str
    #: SQL: the text of it, for the message.
    text: str
    #: What it should be, for the message.
    wanted: str


@dataclass(frozen=True)
class UsageFile:
    """A file of usage that has been opened: its columns are known."""

    path: Path
    kind: str
    #: SQL: the rows of the file.
    rows: str
    #: The type of each column, by its name, in the order of the file.
    types: Mapping[str, str]

    def fields(self, columns: Columns) -> dict[str, Given]:
        """The fields that the file has.

        Raises:
            SettingsError: a column is missing.
        """
        found: dict[str, Given] = {}
        for name, text in columns.named.items():
            found[name] = self._field(name, text)
        for name, text in columns.usual.items():
            if self._has(text):
                found[name] = self._field(name, text)
        if columns.provider is not None:
            found["provider"] = _constant(columns.provider)
        for name in REQUIRED:
            if name not in found:
                raise self._missing(columns.usual.get(name, name), name)
        if not any(meter.value in found for meter in Meter):
            raise self._missing(columns.usual.get("input", "input"), "input")
        return found

    def _missing(self, column: str, name: str) -> SettingsError:
        what = f"no column {column!r}" + (f" for {name!r}" if column != name else "")
        return SettingsError(f"{self.path}: {what}; its columns are {', '.join(self.types)}")

    def _has(self, text: str) -> bool:
        return any(self._find(one) for step in _STEP.split(text)[::2] for one in step.split("|"))

    def _find(self, text: str) -> str | None:
        """The name of the column that *text* names or begins with; None if there is none."""
        if text in self.types:
            return text
        name = text.partition(".")[0]
        return name if name in self.types and name != text else None

    def _field(self, name: str, text: str) -> Given:
        if name in OTHER_FIELDS and name != "requests":
            return _FIELDS[name](self._first(text, name))
        first, *rest = _STEP.split(text) if text not in self.types else [text]
        counts = [("+", first), *zip(rest[::2], rest[1::2], strict=True)]
        parts = [
            (sign, _count(self._first(step, name)))
            for sign, step in counts
            if sign == "+" or self._has(step)
        ]
        return _sum(parts)

    def _first(self, text: str, name: str) -> _Source:
        """The first of the alternatives that has a value."""
        sources = [
            self._source(one, column)
            for one in ([text] if text in self.types else text.split("|"))
            if (column := self._find(one)) is not None
        ]
        if not sources:
            raise self._missing(text, name)
        if len(sources) == 1:
            return sources[0]
        texts = ", ".join(source.as_text() for source in sources)
        return _Source(f"coalesce({texts})", "VARCHAR", " OR ".join(s.is_broken for s in sources))

    def _source(self, text: str, column: str) -> _Source:
        name, kind = quoted(column), self.types[column]
        if kind == "JSON":
            plain = _Source(f"{name} ->> '$'", "VARCHAR", "false")
            whole = name
        else:
            plain = _Source(name, kind, "false")
            whole = name if kind == "VARCHAR" else f"to_json({name})"
        if text == column:
            return plain
        path = "$" + "".join(f'."{key}"' for key in text.split(".")[1:])
        valid = f"json_valid({whole})" if kind == "VARCHAR" else "true"
        value = f"json_extract_string(CASE WHEN {valid} THEN {whole} END, {literal(path)})"
        is_broken = f"({whole} IS NOT NULL AND NOT {valid})" if kind == "VARCHAR" else "false"
        return _Source(value, "VARCHAR", is_broken)

    def values(self, *, as_json: bool) -> Iterator[str]:
        """SQL: each column as it is written: what was JSON as such, or as the text that it is."""
        for name, kind in self.types.items():
            column = quoted(name)
            if kind == "JSON" and not as_json:
                is_text, text = f"json_type({column}) = 'VARCHAR'", f"{column} ->> '$'"
                yield f"CASE WHEN {is_text} THEN {text} ELSE {column}::VARCHAR END AS {column}"
            else:
                yield column


class _Source(NamedTuple):
    """A value of a row as the file has it."""

    value: str
    kind: str
    #: SQL: whether the JSON around it cannot be read.
    is_broken: str

    def as_text(self) -> str:
        """SQL: the value as a text; NULL if it is empty."""
        text = self.value if self.kind == "VARCHAR" else f"({self.value})::VARCHAR"
        return f"nullif(trim({text}), '')"


def _constant(text: str) -> Given:
    return Given(literal(text), "false", literal(text), "")


def _text(source: _Source) -> Given:
    text = source.as_text()
    return Given(text, source.is_broken, source.value, "JSON")


def _count(source: _Source) -> Given:
    """A count. What is not there was not used."""
    value, kind = source.value, source.kind
    limit = 10**COUNT_DIGITS
    if _INTEGERS.fullmatch(kind):
        is_bad = f"({value} < 0 OR {value} >= {limit})"
        return Given(f"{value}::BIGINT", is_bad, f"({value})::VARCHAR", "a whole number")
    text = source.as_text()
    if kind in ("FLOAT", "DOUBLE") or kind.startswith("DECIMAL"):
        is_bad = f"NOT coalesce({value} >= 0 AND {value} < {limit} AND {value} = trunc({value}),"
        is_bad += f" {value} IS NULL)"
        return Given(f"TRY_CAST({value} AS BIGINT)", is_bad, text, "a whole number")
    # A table that has empty cells is often written with 12.0 for 12.
    pattern = literal(f"[0-9]{{1,{COUNT_DIGITS}}}(\\.0+)?")
    is_bad = f"({text} IS NOT NULL AND NOT regexp_full_match({text}, {pattern}))"
    value = f"TRY_CAST({text} AS BIGINT)"
    return Given(value, f"({is_bad} OR {source.is_broken})", text, "a whole number")


def _sum(parts: list[tuple[str, Given]]) -> Given:
    if len(parts) == 1:
        return parts[0][1]._replace(value=f"coalesce({parts[0][1].value}, 0)")
    value = "".join(f" {sign} coalesce({part.value}, 0)" for sign, part in parts)
    is_bad = " OR ".join(part.is_bad for _, part in parts)
    texts = ", ".join(f"CASE WHEN {part.is_bad} THEN {part.text} END" for _, part in parts)
    # A difference below zero contradicts itself, as parts that are more than their total do.
    return Given(
        f"(0{value})", f"({is_bad} OR (0{value}) < 0)", f"coalesce({texts}, (0{value})::VARCHAR)",
        "a whole number",
    )  # fmt: skip


def _instant(source: _Source) -> Given:
    """An instant in microseconds since 1970. A time without a zone is in UTC."""
    value, kind = source.value, source.kind
    text = source.as_text()
    if _INTEGERS.fullmatch(kind):
        micros = f"CASE WHEN abs({value}) < 10000000000 THEN {value}::BIGINT * 1000000 END"
    elif kind in ("FLOAT", "DOUBLE") or kind.startswith("DECIMAL"):
        micros = f"CASE WHEN abs({value}) < 1e10 THEN round({value} * 1000000)::BIGINT END"
    elif kind == "VARCHAR":
        digits = literal(f"[0-9]{{1,{_SECONDS_DIGITS}}}")
        micros = (
            f"CASE WHEN regexp_full_match({text}, {digits})"
            f" THEN TRY_CAST({text} AS BIGINT) * 1000000"
            f" ELSE epoch_us(TRY_CAST({text} AS TIMESTAMPTZ)) END"
        )
    elif kind.startswith("TIMESTAMP") or kind == "DATE":
        micros = f"epoch_us({value})"
    else:
        micros = f"epoch_us(TRY_CAST({text} AS TIMESTAMPTZ))"
    # Before the first model was sold, or in a year that is not a year, it is no time of a request.
    plausible = f"coalesce(({micros}) BETWEEN {_FIRST} AND {_LAST}, false)"
    is_bad = f"(NOT {plausible} OR {source.is_broken})"
    return Given(micros, is_bad, text, "a time of a request, such as 2026-07-17T12:00Z")


#: 2000-01-01 and 2100-01-01.
_FIRST, _LAST = 946_684_800_000_000, 4_102_444_800_000_000


def _amount(source: _Source) -> Given:
    """A given cost. A floating number is the decimal that it is written as."""
    text = source.as_text()
    value = f"TRY_CAST({text} AS {_COST})"
    is_bad = f"({text} IS NOT NULL AND {value} IS NULL)"
    return Given(value, f"({is_bad} OR {source.is_broken})", text, "an amount")


def _truth(source: _Source) -> Given:
    text = source.as_text()
    value = f"TRY_CAST({text} AS BOOLEAN)"
    is_bad = f"({text} IS NOT NULL AND {value} IS NULL)"
    return Given(value, f"({is_bad} OR {source.is_broken})", text, "true or false")


_FIELDS = {
    **dict.fromkeys(("provider", "model", "service_tier", "region", "currency"), _text),
    "at": _instant,
    "cost": _amount,
    "batch": _truth,
}


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
