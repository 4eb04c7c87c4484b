"""Bulk pricing as tests call it: usages in, rows out."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pricing_sync.prices.book import PriceBook
from pricing_sync.prices.exchange import ExchangeRates
from pricing_sync.prices.rates import Meter
from pricing_sync.prices.statements import MeterOverride
from pricing_sync.prices.usage import Usage
from pricing_sync.rerating.connection import OnProgress
from pricing_sync.rerating.price_tables import Prices
from pricing_sync.rerating.report import ReportLine
from pricing_sync.rerating.rerate import Rerating, rerate_usage
from pricing_sync.rerating.usage_columns import columns
from pricing_sync.serving.duck import MEMORY

NAMES = ("provider", "model", "at", "service_tier", "region", *(meter.value for meter in Meter))


def row(model: str, at: datetime, usage: Usage, provider: str = "acme") -> dict[str, Any]:
    """A row of a usage file with a column for each field."""
    return {
        "provider": provider,
        "model": model,
        "at": at.isoformat(),
        "service_tier": usage.service_tier or "",
        "region": usage.region or "",
        **{meter.value: getattr(usage, meter) for meter in Meter},
    }


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    rows = [*rows]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0]] if rows else NAMES)
        writer.writeheader()
        writer.writerows(rows)


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a file of any kind; nothing is None."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return [{k: v or None for k, v in row.items()} for row in csv.DictReader(file)]
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute(f"SELECT * FROM read_parquet('{path}')")
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, values, strict=True)) for values in found.fetchall()]


def reprice(
    usage: Path,
    out: Path,
    book: PriceBook | Callable[[datetime], PriceBook],
    *,
    preset: str | None = None,
    named: str | None = None,
    provider: str | None = None,
    currency: str | None = None,
    exchange: ExchangeRates | None = None,
    compare: bool = False,
    instead: Mapping[tuple[str, str], Sequence[MeterOverride]] | None = None,
    any_order: bool = False,
    memory: str = MEMORY,
    on_progress: OnProgress = lambda _step, _share: None,
) -> list[ReportLine]:
    wanted = Rerating(
        usage=usage,
        out=out,
        columns=columns(preset, named, provider),
        prices=Prices(
            book_since=book if callable(book) else lambda _: book,
            provider_id=lambda name: name,
            exchange_rates=lambda *_: exchange or ExchangeRates({}),
            currency=currency,
            instead=instead or {},
        ),
        compare=compare,
        any_order=any_order,
        memory=memory,
    )
    return rerate_usage(wanted, on_progress)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def amount(cell: object) -> Decimal | None:
    return None if cell is None else Decimal(str(cell))
