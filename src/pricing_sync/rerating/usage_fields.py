"""The fields of a file of usage as SQL: how each is found in its columns, and when it is bad.

Nothing is guessed: in text files every value is a text until a field needs it as something else,
and a value that is not what its field needs is named with its row.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pricing_sync.errors import SettingsError
from pricing_sync.prices.rates import Meter
from pricing_sync.rerating.usage_columns import REQUIRED, Columns
from pricing_sync.rerating.usage_file import UsageFile
from pricing_sync.serving.duck import literal, quoted

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


#: What a price depends on besides quantities and time. They are in every row, empty if not given.
KEYS = ("provider", "model", "service_tier", "region")


def find_fields(file: UsageFile, columns: Columns) -> dict[str, Given]:
    """The fields that the file has, and the keys.

    Raises:
        SettingsError: a column is missing.
    """
    found = {name: _field(file, name, text) for name, text in columns.named.items()}
    for name, text in columns.usual.items():
        if _has(file, text):
            found[name] = _field(file, name, text)
    if columns.provider is not None:
        found["provider"] = _constant(columns.provider)
    needed = [*REQUIRED] if any(meter.value in found for meter in Meter) else [*REQUIRED, "input"]
    for name in needed:
        if name not in found:
            raise _missing(file, columns.usual.get(name, name), name)
    for name in KEYS:
        found.setdefault(name, _constant(""))
    if "batch" in found:
        found["service_tier"] = _batch_or(found["service_tier"], found["batch"])
    return found


def _missing(file: UsageFile, column: str, name: str) -> SettingsError:
    what = f"no column {column!r}" + (f" for {name!r}" if column != name else "")
    return SettingsError(f"{file.path}: {what}; its columns are {', '.join(file.types)}")


def _has(file: UsageFile, text: str) -> bool:
    return any(_column(file, one) for step in _STEP.split(text)[::2] for one in step.split("|"))


def _column(file: UsageFile, text: str) -> str | None:
    """The name of the column that *text* names or begins with; None if there is none."""
    if text in file.types:
        return text
    name = text.partition(".")[0]
    return name if name in file.types and name != text else None


def _field(file: UsageFile, name: str, text: str) -> Given:
    if name in _READERS:
        return _READERS[name](_first(file, text, name))
    first, *rest = _STEP.split(text) if text not in file.types else [text]
    steps = [("+", first), *zip(rest[::2], rest[1::2], strict=True)]
    return _sum(
        [
            (sign, _count(_first(file, step, name)))
            for sign, step in steps
            if sign == "+" or _has(file, step)
        ]
    )


def _first(file: UsageFile, text: str, name: str) -> _Source:
    """The first of the alternatives that has a value."""
    sources = [
        _source(file, one, column)
        for one in ([text] if text in file.types else text.split("|"))
        if (column := _column(file, one)) is not None
    ]
    if not sources:
        raise _missing(file, text, name)
    if len(sources) == 1:
        return sources[0]
    texts = ", ".join(source.as_text() for source in sources)
    return _Source(f"coalesce({texts})", "VARCHAR", " OR ".join(s.is_broken for s in sources))


def _source(file: UsageFile, text: str, column: str) -> _Source:
    """The value of a column, or of a path inside it."""
    name, kind = quoted(column), file.types[column]
    is_text = kind == "VARCHAR"
    if text == column:
        return _Source(file.text(column), "VARCHAR" if kind == "JSON" else kind, "false")
    whole = name if kind in ("JSON", "VARCHAR") else f"to_json({name})"
    valid = f"json_valid({whole})" if is_text else "true"
    path = "$" + "".join(f'."{key}"' for key in text.split(".")[1:])
    value = f"json_extract_string(CASE WHEN {valid} THEN {whole} END, {literal(path)})"
    is_broken = f"({whole} IS NOT NULL AND NOT {valid})" if is_text else "false"
    return _Source(value, "VARCHAR", is_broken)


def _batch_or(tier: Given, batch: Given) -> Given:
    return tier._replace(value=f"CASE WHEN {batch.value} THEN 'batch' ELSE {tier.value} END")


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


_READERS = {
    **dict.fromkeys(("provider", "model", "service_tier", "region", "currency"), _text),
    "at": _instant,
    "cost": _amount,
    "batch": _truth,
}
