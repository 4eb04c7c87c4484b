"""The price book of a large ledger: read whole, and after a reading of one of its providers."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.table import Table

from pricing_sync.app import PricingSync
from pricing_sync.settings import Settings
from pricing_sync.store.rows import write_instant

from costs import DAY
from databases import NoServer, server

_CARD = (
    "INSERT INTO pricing_ledger (card_id, provider, model, since, recorded_at, source, url,"
    " reading_id, currency, input, output) VALUES (:card, :provider, :model, :at, :at, 'api',"
    " 'https://example.com/models', :provider, 'USD', :rate, :rate)"
)
_MODEL = "INSERT INTO pricing_models (provider, model, first_seen) VALUES (:provider, :model, :at)"


def _rows(provider: int, models: int, at: str) -> Iterator[dict[str, Any]]:
    for number in range(models):
        yield {
            "card": f"{provider}-{number}",
            "provider": f"seller-{provider}",
            "model": f"maker/model-{provider % 50}-{number}",
            "at": at,
            "rate": 1_000_000_000 + number,
        }


def _fill(app: PricingSync, providers: int, models: int) -> None:
    connection = app.store._connection  # noqa: SLF001  nothing else writes so many rows
    for provider in range(providers):
        rows = [*_rows(provider, models, write_instant(DAY))]
        with connection.transaction():
            connection.execute_many(
                _MODEL, [{k: row[k] for k in ("provider", "model", "at")} for row in rows]
            )
            connection.execute_many(_CARD, rows)
    if connection.dialect == "postgres":
        connection.execute("ANALYZE", {})  # as its autovacuum does in time


def _change(app: PricingSync, models: int) -> None:
    """The prices of ten models of one provider, as a reading changes them."""
    connection = app.store._connection  # noqa: SLF001
    with connection.transaction():
        connection.execute(
            "UPDATE pricing_ledger SET output = output + 1 WHERE provider = 'seller-7'"
            f" AND input < {1_000_000_000 + min(models, 10)}",
            {},
        )
        connection.new_revision({"seller-7"})


def _milliseconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def book_table(folder: Path, sizes: tuple[tuple[int, int], ...]) -> Table:
    """A line for each size on each database."""
    title = "the price book of a service"
    table = Table(title, "read whole", "after a reading", "largest memory", box=None)
    urls = {"SQLite": lambda size: f"sqlite:///{folder / f'book-{size}.db'}"}
    try:
        running = server()
        urls["PostgreSQL"] = lambda _: running.url(running.create(running.template))
    except NoServer:
        pass
    for name, url in urls.items():
        for providers, models in sizes:
            with PricingSync(Settings(database=url(providers * models))) as app:
                _fill(app, providers, models)
                cache = app._parts.book_cache  # noqa: SLF001
                whole = _milliseconds(cache.book)
                after = []
                for _ in range(5):
                    _change(app, models)
                    after.append(_milliseconds(cache.refresh))
            table.add_row(
                f"{providers:,} x {models:,} models, {name}",
                f"{whole:.0f} ms",
                f"{statistics.median(after):.1f} ms",
                f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB",
            )
    return table
