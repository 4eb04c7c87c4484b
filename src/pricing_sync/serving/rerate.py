"""Usage that is priced in bulk, each row as of its own time, by the rules of `cost`.

DuckDB joins the rows to the cells of `price_cells.py` and sums whole numbers of 10⁻¹⁵ of the
currency in 128 bits. There is no floating number between a quantity and its cost, and a sum that
would not fit is an error.
"""

from __future__ import annotations

import os
import re
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from pricing_sync.errors import NoPrice, SettingsError
from pricing_sync.prices.book import PriceBook
from pricing_sync.prices.exchange import ExchangeRate
from pricing_sync.prices.rates import Meter
from pricing_sync.prices.usage import PARENTS
from pricing_sync.serving.duck import create_table, literal, open_duckdb, quoted
from pricing_sync.serving.price_cells import Cell, Instead, Traffic, cells
from pricing_sync.serving.usage_columns import Columns
from pricing_sync.serving.usage_file import Given, UsageFile, kind_of, open_usage

#: What is added to each row.
COST, CURRENCY = "rerated_cost", "rerated_currency"
SINCE, REASON = "rerated_since", "rerated_reason"
CONVERTED, EXCHANGE = "rerated_converted", "rerated_exchange"
DIFFERENCE = "rerated_difference"

#: The steps of which progress is told.
STEPS = ("reading", "pricing", "summing up")
_POLL_SECONDS = 0.25

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY_MICROS = 86_400_000_000
#: A model with more spans than this is joined day by day, so that no row is compared with many.
_MOST_SPANS = 16
#: Beyond any instant, any count and any span.
_END = 2**62
#: Parquet keeps numbers as they are. Text has them without zeros at the end.
_FORMATS = {
    "csv": "FORMAT csv, HEADER true",
    "jsonl": "FORMAT json",
    "parquet": "FORMAT parquet",
}

#: The rate that converts from one currency to another at an instant.
FindExchange: TypeAlias = Callable[[str, str, datetime], ExchangeRate]
#: Told the step, and how far it is, from 0 to 1. It is called in a thread of its own.
OnProgress: TypeAlias = Callable[[str, float], None]


@dataclass(frozen=True, kw_only=True)
class Rerating:
    """What is priced, by which prices, and where to."""

    usage: Path
    out: Path
    columns: Columns
    #: The prices of the time from an instant on.
    book_since: Callable[[datetime], PriceBook]
    #: The id of a provider by any of its names.
    provider_id: Callable[[str], str]
    instead: Instead
    #: Also in this currency.
    currency: str | None
    find_exchange: FindExchange
    #: Whether the given costs are compared with the new ones.
    compare: bool
    #: Whether the rows may change places: then all cores write.
    any_order: bool = False


class ReportLine(NamedTuple):
    """The rows of one model that are in one currency."""

    provider: str | None
    model: str | None
    #: None for the rows without a price.
    currency: str | None
    rows: int
    unpriced: int
    new: Decimal | None
    #: In the currency that was asked for; None if none was, or if nothing could be converted.
    converted: Decimal | None
    #: The sum of the given costs.
    old: Decimal | None
    #: New minus old, of the rows that have both in one currency.
    difference: Decimal | None
    #: Why the first of the unpriced rows have no price.
    reason: str | None


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
    with _database(wanted.usage) as connection:
        with _watched(connection, STEPS[0], on_progress):
            file = open_usage(connection, wanted.usage, kind)
            fields = file.fields(wanted.columns)
            _check(wanted, file, fields)
            used = _Used(connection, file, fields)
            groups = used.groups()
            old_currency = used.currency()
        prices = _PriceTables(connection, used.meters)
        prices.fill(wanted, groups)
        query = _Query(file, fields, wanted, used.meters, old_currency, prices)
        with _replacing(wanted.out) as beside:
            with _watched(connection, STEPS[1], on_progress):
                if not wanted.any_order:
                    # Joins in several threads do not keep the order of the rows.
                    connection.execute("SET threads = 1")
                written = connection.execute(query.copy(beside, out_kind)).fetchone()
                connection.execute("RESET threads")
            if written != (sum(group.rows for group in groups),):
                raise SettingsError(f"{wanted.usage}: it was changed while it was read")
            with _watched(connection, STEPS[2], on_progress):
                return _report(connection, open_usage(connection, beside, out_kind), wanted)


@contextmanager
def _watched(connection: Any, step: str, on_progress: OnProgress) -> Iterator[None]:
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


def _check(wanted: Rerating, file: UsageFile, fields: Mapping[str, Given]) -> None:
    there = [name for name in file.types if name.startswith("rerated_")]
    if there:
        raise SettingsError(f"{file.path}: the column {there[0]!r} is there: it is priced already")
    if wanted.compare and "cost" not in fields:
        raise SettingsError(f"{file.path}: no column for 'cost', with which --compare compares")


@contextmanager
def _database(usage: Path) -> Iterator[Any]:
    """A database in memory, whose errors are those of the usage."""
    with open_duckdb("rerate") as (connection, _):
        import duckdb

        connection.execute("SET enable_progress_bar = true")
        connection.execute("SET enable_progress_bar_print = false")
        # So the rows always stream past the prices, in the order of the file.
        connection.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
        try:
            yield connection
        except duckdb.Error as error:
            raise SettingsError(f"{usage}: {_one_line(str(error))}") from None


def _one_line(message: str) -> str:
    """What DuckDB says in many lines, with the row.

    It counts the heading of a table as a line, and the lines of JSON from 2.
    """
    text = message.partition(" Error: ")[2] or message
    csv_line = re.search(r"CSV Error on Line: (\d+)", text)
    json_line = re.search(r"in line (\d+): ([^\n]*)", text)
    if csv_line:
        whys = (
            r"Expected Number of Columns: \d+ Found: \d+",
            r"Invalid unicode[^\n.]*",
            r"Value[^\n]*",
        )
        why = next((found[0] for one in whys if (found := re.search(one, text))), "not readable")
        return f"row {int(csv_line[1]) - 1}: {why}"
    if json_line:
        return f"row {int(json_line[1]) - 1}: {json_line[2].rstrip('. ')}"
    return text.partition("\n")[0].strip()


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


class _Group(NamedTuple):
    traffic: Traffic
    rows: int


class _Used:
    """What the usage holds: its meters, its models, its currency; and that it can be read."""

    def __init__(self, connection: Any, file: UsageFile, fields: Mapping[str, Given]) -> None:
        self._connection, self._file, self._fields = connection, file, fields
        self.meters = [meter for meter in Meter if meter.value in fields]

    def groups(self) -> list[_Group]:
        """The requests of each model, tier and region.

        Raises:
            SettingsError: a value is not what it must be.
        """
        keys = ", ".join(_key(self._fields).values())
        at = self._fields["at"].value
        found = self._connection.execute(
            f"SELECT {keys}, min({at}), max({at}), count(*), count_if({self._is_bad()})"  # noqa: S608
            f" FROM {self._file.rows} GROUP BY 1, 2, 3, 4"
        ).fetchall()
        if any(bad for *_, bad in found):
            raise self._bad_value()
        return [
            _Group(Traffic._make([*key, _from_micros(first), _from_micros(last)]), rows)
            for *key, first, last, rows, _ in found
        ]

    def _is_bad(self) -> str:
        return " OR ".join(f"coalesce({given.is_bad}, true)" for given in self._fields.values())

    def _bad_value(self) -> SettingsError:
        """The first value that is not what it must be, with its row."""
        checks = ", ".join(
            f"CASE WHEN coalesce({given.is_bad}, true) THEN coalesce({given.text}, '') END"
            for given in self._fields.values()
        )
        row, *texts = self._connection.execute(
            f"SELECT row, {checks} FROM {self._numbered()} WHERE {self._is_bad()}"  # noqa: S608
            " ORDER BY row LIMIT 1"
        ).fetchone()
        name, text = next(
            (name, text) for name, text in zip(self._fields, texts, strict=True) if text is not None
        )
        shown = f"{text[:40]!r} is not {self._fields[name].wanted}" if text else "nothing is there"
        return SettingsError(f"{self._file.path}: row {row}: {name}: {shown}")

    def _numbered(self) -> str:
        return f"(SELECT row_number() OVER () AS row, * FROM {self._file.rows})"  # noqa: S608

    def currency(self) -> str:
        """The one currency of the given costs; dollars if no column says it.

        Raises:
            SettingsError: there are several.
        """
        given = self._fields.get("currency")
        if given is None:
            return "USD"
        found = self._connection.execute(
            f"SELECT min(row), {given.value} FROM {self._numbered()}"  # noqa: S608
            f" WHERE {given.value} IS NOT NULL GROUP BY 2 ORDER BY 1 LIMIT 2"
        ).fetchall()
        if len(found) > 1:
            (_, first), (row, other) = found
            raise SettingsError(
                f"{self._file.path}: row {row}: currency: {other!r}, where the rows before are in"
                f" {first!r}"
            )
        return str(found[0][1]) if found else "USD"


def _key(fields: Mapping[str, Given]) -> dict[str, str]:
    """SQL: what the prices of a row depend on, besides its quantities and its time."""
    found = {
        name: fields[name].value if name in fields else "NULL"
        for name in ("provider", "model", "service_tier", "region")
    }
    if "batch" in fields:
        batch = f"CASE WHEN {fields['batch'].value} THEN 'batch' END"
        found["service_tier"] = f"coalesce({batch}, {found['service_tier']})"
    return {name: f"({value})::VARCHAR" for name, value in found.items()}


def _from_micros(micros: int | None) -> datetime:
    return _EPOCH + timedelta(microseconds=micros or 0)


def _micros(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND


class _PriceTables:
    """The tables that each row is joined to, each by a unique key, so that rows keep their order.

    `models` has the models, tiers and regions. `buckets` has their spans of time, by a few instants
    that a row is compared with, and the same for ranges of input. They give the number of a row in
    `cells`, which has what is charged.
    """

    def __init__(self, connection: Any, meters: Sequence[Meter]) -> None:
        self._connection, self._meters = connection, meters
        self._models: list[tuple[Any, ...]] = []
        self._buckets: list[_Bucket] = []
        self._cells: list[tuple[Any, ...]] = []
        self._days: set[tuple[str, int]] = set()

    def fill(self, wanted: Rerating, groups: Sequence[_Group]) -> None:
        """The prices of all rows."""
        if groups:
            book = wanted.book_since(min(group.traffic.first for group in groups))
            for traffic, _ in groups:
                found = _cells(book, traffic, wanted)
                self._add(traffic, found)
                if wanted.currency:
                    self._days.update(day for cell in found for day in _days(cell, traffic))
        exchange = _exchange(wanted, self._days) if wanted.currency else []
        create_table(self._connection, "models", _MODEL_COLUMNS, self._models)
        create_table(self._connection, "buckets", self._bucket_columns(), self._bucket_rows())
        rates = {f"rate_{meter}": "BIGINT" for meter in self._meters}
        create_table(self._connection, "cells", _CELL_COLUMNS | rates, self._cells)
        create_table(self._connection, "exchange", _EXCHANGE_COLUMNS, exchange)

    def _add(self, traffic: Traffic, found: Sequence[Cell]) -> None:
        lows = sorted({cell.min_input for cell in found})
        begins = sorted({cell.since for cell in found})
        first_cell = len(self._cells)
        # The first range that begins above zero, by the span of time.
        first_lows: dict[datetime, int] = {}
        for cell in found:
            if cell.min_input:
                first_lows.setdefault(cell.since, cell.min_input)
        for cell in found:
            charged = self._charged(cell, first_lows.get(cell.since))
            for low in lows:
                if low >= cell.min_input and (cell.below_input is None or low < cell.below_input):
                    self._cells.append((len(self._cells), *charged))
        width = _DAY_MICROS if len(begins) > _MOST_SPANS else _END
        self._models.append((len(self._models), *(text or "" for text in traffic[:4]), width))
        edges = [_micros(begin) for begin in begins]
        for number in range(edges[0] // width, _micros(traffic.last) // width + 1):
            inside = [edge for edge in edges[1:] if number * width < edge < (number + 1) * width]
            before = bisect_right(edges, max(number * width, edges[0])) - 1
            base = first_cell + before * len(lows)
            self._buckets.append(_Bucket(len(self._models) - 1, number, base, inside, lows))

    def _charged(self, cell: Cell, first_low: int | None) -> tuple[Any, ...]:
        charges = cell.charges
        rates = [
            None if charges is None or (charge := charges[meter]) is None else int(charge.rate)
            for meter in self._meters
        ]
        return (
            first_low,
            None if cell.price_since is None else _micros(cell.price_since),
            cell.currency,
            charges is not None and charges.of_tier,
            cell.reason,
            *rates,
        )

    @cached_property
    def edges(self) -> int:
        """The most instants that a row is compared with."""
        return max((len(bucket.edges) for bucket in self._buckets), default=0)

    @cached_property
    def lows(self) -> int:
        """The most ranges of input tokens that a model has."""
        return max((len(bucket.lows) for bucket in self._buckets), default=1)

    def _bucket_columns(self) -> dict[str, str]:
        names = ("id", "bucket", "base", "ranges")
        compared = [f"edge_{n}" for n in range(self.edges)]
        compared += [f"low_{n}" for n in range(1, self.lows)]
        return dict.fromkeys((*names, *compared), "BIGINT")

    def _bucket_rows(self) -> list[tuple[Any, ...]]:
        return [
            (
                *(bucket.model, bucket.number, bucket.base, len(bucket.lows)),
                *bucket.edges,
                *[_END] * (self.edges - len(bucket.edges)),
                *bucket.lows[1:],
                *[_END] * (self.lows - len(bucket.lows)),
            )
            for bucket in self._buckets
        ]


class _Bucket(NamedTuple):
    """A part of the time of a model, and the cells in it."""

    model: int
    number: int
    #: The number of the first of its cells.
    base: int
    #: The instants in it at which other cells begin, ascending.
    edges: Sequence[int]
    #: The least input of each range of input tokens, ascending.
    lows: Sequence[int]


_MODEL_COLUMNS = {
    "id": "BIGINT",
    **dict.fromkeys(("provider", "model", "service_tier", "region"), "VARCHAR"),
    "width": "BIGINT",
}
_CELL_COLUMNS = {
    "number": "BIGINT",
    "first_low": "BIGINT",
    "price_since": "BIGINT",
    "currency": "VARCHAR",
    "of_tier": "BOOLEAN",
    "reason": "VARCHAR",
}
_EXCHANGE_COLUMNS = {
    "currency": "VARCHAR",
    "day": "BIGINT",
    "numerator": "HUGEINT",
    "denominator": "HUGEINT",
    "text": "VARCHAR",
}


def _cells(book: PriceBook, traffic: Traffic, wanted: Rerating) -> list[Cell]:
    if not traffic.provider or not traffic.model:
        missing = "provider" if not traffic.provider else "model"
        reason = f"the row has no {missing}"
        return [Cell(traffic.first, None, 0, None, None, None, None, reason)]
    named = traffic._replace(provider=wanted.provider_id(traffic.provider))
    return [*cells(book, named, wanted.instead)]


def _days(cell: Cell, traffic: Traffic) -> Iterator[tuple[str, int]]:
    """The currency and each day of a cell."""
    if cell.currency is None:
        return
    until = traffic.last if cell.until is None else min(cell.until, traffic.last)
    for day in range(_micros(cell.since) // _DAY_MICROS, _micros(until) // _DAY_MICROS + 1):
        yield cell.currency, day


def _exchange(wanted: Rerating, days: set[tuple[str, int]]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for currency, day in sorted(days):
        try:
            found = wanted.find_exchange(
                currency, wanted.currency or currency, _EPOCH + timedelta(days=day)
            )
        except NoPrice as error:
            rows.append((currency, day, None, None, str(error)))
        else:
            value = found.value
            rows.append((currency, day, value.numerator, value.denominator, str(found)))
    return rows


def _exact(femtos: str) -> str:
    """SQL: a whole number of 10⁻¹⁵ as a decimal."""
    return f"({femtos}::DECIMAL(38, 0) * 0.000000000000001::DECIMAL(15, 15))"


class _Query:
    """The SQL that prices each row."""

    def __init__(
        self,
        file: UsageFile,
        fields: Mapping[str, Given],
        wanted: Rerating,
        meters: Sequence[Meter],
        old_currency: str,
        prices: _PriceTables,
    ) -> None:
        self._file, self._fields, self._wanted = file, fields, wanted
        self._meters, self._old_currency, self._prices = meters, old_currency, prices

    def copy(self, path: Path, kind: str) -> str:
        """The statement that writes the rows with what they cost."""
        own = ", ".join(f"r.{quoted(name)}" for name in self._file.types)
        added = ", ".join(f"{value} AS {name}" for name, value in self._added(kind).items())
        return (
            f"COPY (SELECT {own}, {added} FROM ({self._summed(kind)}) r)"  # noqa: S608
            f" TO {literal(str(path))} ({_FORMATS[kind]})"
        )

    def _added(self, kind: str) -> dict[str, str]:
        def written(amount: str) -> str:
            return amount if kind == "parquet" else f"rtrim(rtrim(({amount})::VARCHAR, '0'), '.')"

        new, converted = _exact('r."__femtos"'), _exact('r."__converted"')
        found = {
            COST: written(new),
            CURRENCY: 'CASE WHEN r."__femtos" IS NOT NULL THEN r."__currency" END',
            SINCE: 'CASE WHEN r."__femtos" IS NOT NULL THEN'
            ' make_timestamptz(r."__price_since") END',
            REASON: 'r."__reason"',
        }
        if self._wanted.currency:
            found[CONVERTED] = written(converted)
            found[EXCHANGE] = 'CASE WHEN r."__femtos" IS NOT NULL THEN r."__exchange" END'
        if self._wanted.compare:
            is_same = f'r."__currency" = {literal(self._old_currency)}'
            other = f" ELSE {converted}" if self._wanted.currency == self._old_currency else ""
            found[DIFFERENCE] = written(f'CASE WHEN {is_same} THEN {new}{other} END - r."__old"')
        return found

    def _summed(self, kind: str) -> str:
        """The rows with their costs in whole numbers of 10⁻¹⁵, or the reason of having none."""
        sums = " + ".join(
            f'CASE WHEN "__part_{meter}" = 0 THEN 0::HUGEINT'
            f' ELSE "__part_{meter}"::HUGEINT * "rate_{meter}" END'
            for meter in self._meters
        )
        inner = (
            f'SELECT *, CASE WHEN "__reason" IS NULL THEN {sums} END AS "__femtos"'  # noqa: S608
            f' FROM (SELECT *, {self._reason()} AS "__reason" FROM ({self._joined(kind)}))'
        )
        if not self._wanted.currency:
            return inner
        scaled = '("__femtos" * numerator)'
        quotient, rest = f"({scaled} // denominator)", f"({scaled} % denominator)"
        is_up = f"2 * {rest} > denominator OR (2 * {rest} = denominator AND {quotient} % 2 = 1)"
        return (
            f'SELECT p.*, x.text AS "__exchange", {quotient} + CASE WHEN {is_up} THEN 1 ELSE 0'  # noqa: S608
            f' END AS "__converted" FROM ({inner}) p LEFT JOIN exchange x'
            f' ON x.currency = p."__currency" AND x.day = p."__at" // {_DAY_MICROS}'
        )

    def _reason(self) -> str:
        """SQL: why a row has no price, in the words and the order of `cost`; else NULL."""
        cases = [
            f'WHEN "__part_{meter}" < 0 THEN \'{meter}: its parts are \' || -"__part_{meter}"'
            " || ' more than the total'"
            for meter in self._meters
            if any(PARENTS.get(part) is meter for part in self._meters)
        ]
        cases.append("WHEN cell_reason IS NOT NULL THEN cell_reason")
        if "requests" in self._fields:
            cases.append(
                'WHEN "__requests" > 1 AND "__input" >= first_low THEN'
                " 'the sum of ' || \"__requests\" || ' requests: which of them have ' || first_low"
                " || ' input tokens or more is not known'"
            )
        cases += [
            f'WHEN "__part_{meter}" <> 0 AND "rate_{meter}" IS NULL THEN \'{meter}: \''
            f" || \"__part_{meter}\" || ' used, and the card names no rate for it'"
            " || CASE WHEN of_tier THEN ' in this service tier' ELSE '' END"
            for meter in self._meters
        ]
        return f"CASE {' '.join(cases)} END"

    def _joined(self, kind: str) -> str:
        """The rows with their cells, and each meter's quantity without its parts."""
        parts = "".join(f', {self._part(meter)} AS "__part_{meter}"' for meter in self._meters)
        rates = "".join(f', c."rate_{meter}"' for meter in self._meters)
        keys = " AND ".join(
            f"m.{name} = coalesce(u.\"__{name}\", '')"
            for name in ("provider", "model", "service_tier", "region")
        )
        spans = "".join(f' + (u."__at" >= b.edge_{n})::BIGINT' for n in range(self._prices.edges))
        ranges = "".join(
            f' + (u."__input" >= b.low_{n})::BIGINT' for n in range(1, self._prices.lows)
        )
        return (
            f'SELECT u.*{parts}, c.currency AS "__currency", c.price_since AS "__price_since",'  # noqa: S608
            f" c.reason AS cell_reason, c.of_tier, c.first_low{rates}"
            f" FROM ({self._read(kind)}) u JOIN models m ON {keys}"
            ' JOIN buckets b ON b.id = m.id AND b.bucket = u."__at" // m.width'
            f" JOIN cells c ON c.number = b.base + (0{spans}) * b.ranges + (0{ranges})"
        )

    def _part(self, meter: Meter) -> str:
        parts = [part for part in self._meters if PARENTS.get(part) is meter]
        return " - ".join(f'u."__{name}"' for name in (meter, *parts))

    def _read(self, kind: str) -> str:
        """The rows of the file with their fields."""
        fields = {**_key(self._fields), "at": self._fields["at"].value, "input": "0"}
        counts = [*(meter.value for meter in self._meters), "requests"]
        fields |= {name: self._fields[name].value for name in counts if name in self._fields}
        if "cost" in self._fields:
            fields["old"] = self._fields["cost"].value
        values = ", ".join(f'{value} AS "__{name}"' for name, value in fields.items())
        own = ", ".join(self._file.values(as_json=kind == "jsonl"))
        return f"SELECT {own}, {values} FROM {self._file.rows}"  # noqa: S608


def _report(connection: Any, written: UsageFile, wanted: Rerating) -> list[ReportLine]:
    """What was written, summed up by provider, model and currency."""
    fields = written.fields(wanted.columns)

    def amount(name: str) -> str:
        if name not in written.types:
            return "NULL"
        kind = written.types[name]
        value = f"{quoted(name)} ->> '$'" if kind == "JSON" else quoted(name)
        return f"sum(({value})::DECIMAL(38, 15))"

    def text(name: str) -> str:
        kind = written.types[name]
        return f"{quoted(name)} ->> '$'" if kind == "JSON" else quoted(name)

    key = _key(fields)
    old = f"sum({fields['cost'].value})" if "cost" in fields else "NULL"
    found = connection.execute(
        f"SELECT {key['provider']}, {key['model']}, {text(CURRENCY)}, count(*),"  # noqa: S608
        f" count({text(REASON)}), {amount(COST)}, {amount(CONVERTED)}, {old},"
        f" {amount(DIFFERENCE)}, min({text(REASON)})"
        f" FROM {written.rows} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    ).fetchall()
    return _merged([ReportLine(*line) for line in found])


def _merged(lines: Sequence[ReportLine]) -> list[ReportLine]:
    """The lines, with the unpriced rows of a model in the line of its one currency."""
    merged: list[ReportLine] = []
    for line in lines:
        last = merged[-1] if merged else None
        if (
            line.currency is None
            and last is not None
            and line[:2] == last[:2]
            and [other[:2] for other in lines].count(line[:2]) == 2
        ):
            merged[-1] = last._replace(
                rows=last.rows + line.rows,
                unpriced=line.unpriced,
                old=_plus(last.old, line.old),
                reason=line.reason,
            )
        else:
            merged.append(line)
    return merged


def _plus(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return other if one is None else one if other is None else one + other
