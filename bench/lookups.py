"""Prices at an instant, from ledgers of 10⁴ to 10⁷ rows: the duration should stay flat."""

from __future__ import annotations

import timeit
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.table import Table

from pricing_sync import Usage
from pricing_sync.app import PricingSync
from pricing_sync.settings import Settings
from pricing_sync.store.rows import write_instant, write_optional_instant

from databases import NoServer, server

_MODELS = 400
#: Readings that are written in one transaction.
_AT_ONCE = 100
_START = datetime(2024, 1, 1, tzinfo=UTC)
_HOURS = 1
_PROVIDER, _MODEL = "openrouter", "maker/model-7"
_INSERT = (
    "INSERT INTO pricing_ledger (card_id, provider, model, since, until, recorded_at,"
    " superseded_at, source, url, reading_id, digest, currency, input, output) VALUES (:card_id,"
    " :provider, :model, :since, :until, :recorded_at, :superseded_at, 'api', 'https://openrouter."
    "ai/api/v1/models', :card_id, :card_id, 'USD', :rate, :rate)"
)


def _instant(reading: int) -> datetime:
    return _START + timedelta(hours=_HOURS * reading)


def _rows(readings: int, some: Iterable[int]) -> Iterator[dict[str, Any]]:
    """The rows of *some* of as many readings, each with another price of every model."""
    for reading in some:
        since, until = write_instant(_instant(reading)), write_instant(_instant(reading + 1))
        is_last = reading == readings - 1
        for model in range(_MODELS):
            row = {
                "card_id": f"{reading}-{model}",
                "provider": _PROVIDER,
                "model": f"maker/model-{model}",
                "since": since,
                "until": None,
                "recorded_at": since,
                "superseded_at": write_optional_instant(None if is_last else _instant(reading + 1)),
                "rate": 1_000_000_000 + reading,
            }
            yield row
            if not is_last:
                yield row | {"until": until, "recorded_at": until, "superseded_at": None}


def _fill(app: PricingSync, readings: int) -> None:
    connection = app.store._connection  # noqa: SLF001  nothing else writes so many rows
    with connection.transaction():
        connection.execute_many(
            "INSERT INTO pricing_models (provider, model, first_seen)"
            " VALUES (:provider, :model, :at)",
            [
                {"provider": _PROVIDER, "model": f"maker/model-{n}", "at": write_instant(_START)}
                for n in range(_MODELS)
            ],
        )
    for first in range(0, readings, _AT_ONCE):
        some = range(first, min(first + _AT_ONCE, readings))
        with connection.transaction():
            connection.execute_many(_INSERT, [*_rows(readings, some)])
    if connection.dialect == "postgres":
        connection.execute("ANALYZE", {})  # as its autovacuum does in time


def _questions(app: PricingSync, readings: int) -> dict[str, Callable[[], object]]:
    middle, usage = _instant(readings // 2) + timedelta(minutes=30), Usage(input=1000, output=500)
    return {
        "one price now": lambda: app.price(_PROVIDER, _MODEL),
        "one price at an instant": lambda: app.price(_PROVIDER, _MODEL, at=middle),
        "one price now, as known at an instant": lambda: app.price(
            _PROVIDER, _MODEL, known_at=middle
        ),
        "the cost of one usage at an instant": lambda: app.cost(_PROVIDER, _MODEL, usage, middle),
        f"all {_MODELS} prices at an instant": lambda: app.prices(at=middle),
    }


def lookup_tables(folder: Path, sizes: Sequence[int]) -> Iterator[Table]:
    """One for each database: a row for each question, a column for each size of the ledger."""
    yield _table("SQLite", sizes, lambda size: f"sqlite:///{folder / f'ledger-{size}.db'}")
    try:
        running = server()
    except NoServer as error:
        yield Table(f"no PostgreSQL: {error}", box=None)
        return
    yield _table("PostgreSQL", sizes, lambda _: running.url(running.create(running.template)))


def _table(name: str, sizes: Sequence[int], new_url: Callable[[int], str]) -> Table:
    durations: dict[str, list[str]] = {}
    for size in sizes:
        readings = size // (2 * _MODELS)
        with PricingSync(Settings(database=new_url(size))) as app:
            _fill(app, readings)
            for label, question in _questions(app, readings).items():
                best = min(timeit.repeat(question, number=1, repeat=50))
                durations.setdefault(label, []).append(f"{best * 1000:.2f} ms")
    table = Table(f"{name}, fastest of 50", *(f"{n:,} rows" for n in sizes), box=None)
    for label, cells in durations.items():
        table.add_row(label, *cells)
    return table
