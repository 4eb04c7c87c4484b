"""Usage that is priced in bulk, each row as of its own time, among 50,000 cards."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
from rich.table import Table

from pricing_sync import PriceBook, RateCard
from pricing_sync.prices.exchange import ExchangeRates
from pricing_sync.rerating.price_tables import Prices
from pricing_sync.rerating.rerate import Rerating, rerate_usage
from pricing_sync.rerating.usage_columns import columns

from costs import statement, usd

_MONTH = datetime(2026, 10, 1, tzinfo=UTC)
_MODELS, _CARDS = 5_000, 10


def _book() -> PriceBook:
    """Ten cards of each model, three days each."""
    edges = [_MONTH + timedelta(days=3 * n) for n in range(_CARDS)]
    cards = []
    for model in range(_MODELS):
        for n, since in enumerate(edges):
            rates = usd(input=f"{model + n + 1}", output=f"{4 * model + 1}", cache_read="0.1")
            until = edges[n + 1] if n + 1 < _CARDS else None
            card = statement(f"maker/model-{model}", RateCard(rates))
            cards.append(replace(card, since=since, until=until, recorded_at=since))
    return PriceBook(cards, (), read_at=_MONTH + timedelta(days=31), since=_MONTH)


def _usage(path: Path, rows: int) -> None:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            "COPY (SELECT TIMESTAMPTZ '2026-10-01' + to_seconds((hash(i) % 2592000)::BIGINT)"
            f" AS \"at\", 'openrouter' AS provider, 'maker/model-' || hash(i * 7) % {_MODELS}"
            " AS model, (hash(i * 3) % 20000)::BIGINT + 1000 AS input, (hash(i * 5) % 1000)::BIGINT"
            f" AS cache_read, (hash(i * 11) % 4000)::BIGINT AS output FROM range({rows}) t(i))"
            f" TO '{path}'"
        )


def _seconds(usage: Path, book: PriceBook, *, any_order: bool) -> float:
    out = usage.with_name(f"out{usage.suffix}")
    wanted = Rerating(
        usage=usage,
        out=out,
        columns=columns(None, None, None),
        prices=Prices(
            book_since=lambda _: book,
            provider_id=str,
            exchange_rates=lambda *_: ExchangeRates({}),
        ),
        any_order=any_order,
    )
    started = time.perf_counter()
    rerate_usage(wanted, lambda _step, _share: None)
    return time.perf_counter() - started


def rerating_table(folder: Path, sizes: Sequence[int]) -> Table:
    """Seconds for each kind of file and each number of rows."""
    table = Table("re-rating in bulk", *(f"{size:,} rows" for size in sizes), box=None)
    book = _book()
    for label, ending, any_order in (
        ("Parquet, in any order", ".parquet", True),
        ("Parquet, in the order of the file", ".parquet", False),
        ("CSV, in the order of the file", ".csv", False),
    ):
        durations = []
        for size in sizes:
            usage = folder / f"usage-{size}{ending}"
            if not usage.exists():
                _usage(usage, size)
            durations.append(f"{_seconds(usage, book, any_order=any_order):.2f} s")
        table.add_row(label, *durations)
    table.caption = "the mark of 10,000,000 rows of Parquet: 8 s"
    return table
