"""`exchange-rates`: the published rates by which amounts are converted on request."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pricing_sync.app import PricingSync
from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables
from pricing_sync.cli.tables import Column, Fit
from pricing_sync.errors import SettingsError
from pricing_sync.sources.http import http_client
from pricing_sync.sync.exchange import ExchangeRead, read_exchange_rates, store_exchange_rates


def exchange_rates(
    context: typer.Context,
    *,
    read: Annotated[
        bool, typer.Option("--read", help="First read those of the last 90 days from the ECB.")
    ] = False,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", metavar="FILE", help="First read this file of the ECB: eurofxref-hist.xml."
        ),
    ] = None,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """The stored exchange rates of the European Central Bank.

    `cost --currency` converts by them. A day's rates count from the next day on (UTC). A rate that
    is stored never changes.
    """
    with typed.open_app(context, database, create=read or file is not None) as app:
        done = _read(app, file) if read or file else None
        newest = app.store.exchange_rates.newest()
    if as_json:
        tables.print_json(
            [
                {
                    "currency": rate.currency,
                    "day": rate.day.isoformat(),
                    "per_euro": str(rate.per_euro),
                }
                for rate in newest
            ]
        )
    else:
        tables.print_table(
            ("currency", Column("per euro", Fit.FIGURE), "newest day"),
            ((rate.currency, rate.per_euro, rate.day.isoformat()) for rate in newest),
            empty="no exchange rates are stored: read them with --read",
        )
    if done is not None:
        tables.err.print(f"{done.added} rates are new; the newest are of {done.newest}")
        for rate in done.differing:
            tables.err.print(
                f"{rate.day} {rate.currency}: now {rate.per_euro}; what is stored stays"
            )


def _read(app: PricingSync, file: Path | None) -> ExchangeRead:
    table, now = app.store.exchange_rates, datetime.now(UTC)
    if file is not None:
        try:
            return store_exchange_rates(file.read_bytes(), table, now)
        except OSError as error:
            raise SettingsError(f"{file}: {error.strerror}") from None

    async def fetch() -> ExchangeRead:
        async with http_client() as client:
            return await read_exchange_rates(client, app.access, table, now)

    return asyncio.run(fetch())
