"""`references` and `peers`: what other sellers charge."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Annotated, Any

import typer

from pricing_sync import texts
from pricing_sync.app import PricingSync
from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables
from pricing_sync.cli.command import Output, command, creating_command
from pricing_sync.cli.tables import Column, Fit
from pricing_sync.gate import Peers, Quote
from pricing_sync.gate import peers as spread_of
from pricing_sync.prices.age import age_seconds
from pricing_sync.prices.card_json import write_instant, write_rates
from pricing_sync.prices.rates import Meter, RateCard
from pricing_sync.sources.http import http_client
from pricing_sync.store.peers import CatalogRead, PeerTable, ReadStatus
from pricing_sync.sync.catalogs import MAX_AGE, catalogs, read_catalogs

_DONE, _FAILED, _PARTLY = 0, 1, 3
#: Of the price keys that are not read, how many are named in the table.
_SHOWN = 2

_Force = Annotated[bool, typer.Option("--force", help="Also those that were read today.")]
_AcceptFewer = Annotated[
    bool,
    typer.Option("--accept-fewer", help="A catalog may have lost more than half of its models."),
]


@creating_command
def references(
    app: PricingSync,
    *,
    force: _Force = False,
    accept_fewer: _AcceptFewer = False,
) -> Output:
    """Read the reference catalogs that are due; how old each is."""
    table = app.store.peers
    read = asyncio.run(_read(app, table, force=force, accept_fewer=accept_fewer))
    good, last = table.last_good_reads(), table.last_reads()
    now = datetime.now(UTC)
    names = {item.catalog for item in read}
    records = [
        _catalog_json(name, name in names, good.get(name), last.get(name), now)
        for name in catalogs()
    ]
    return Output(records, partial(_show_catalogs, records), _exit_code(read))


async def _read(
    app: PricingSync, table: PeerTable, *, force: bool, accept_fewer: bool
) -> list[CatalogRead]:
    async with http_client() as client:
        return await read_catalogs(
            client,
            app.access,
            table,
            max_age=timedelta() if force else MAX_AGE,
            accept_fewer=accept_fewer,
        )


def _exit_code(read: Sequence[CatalogRead]) -> int:
    failed = sum(item.status is ReadStatus.FAILED for item in read)
    if not failed:
        return _DONE
    return _FAILED if failed == len(read) else _PARTLY


def _catalog_json(
    name: str,
    asked: bool,  # noqa: FBT001  private
    good: CatalogRead | None,
    last: CatalogRead | None,
    now: datetime,
) -> dict[str, Any]:
    """One entry of `references --json`. The counts are of the last read that succeeded."""
    return {
        "catalog": name,
        "asked": asked,
        "status": last.status.value if last else None,
        "last_good": write_instant(good.at) if good else None,
        "age_seconds": age_seconds(good.at, now) if good else None,
        "models": good.models if good else 0,
        "unreadable": good.unreadable if good else 0,
        "prices": good.prices if good else 0,
        "ignored": dict(good.ignored) if good else {},
        "ignored_share": f"{_ignored_share(good):.4g}",
        "error": last.error if last else None,
    }


def _ignored_share(read: CatalogRead | None) -> Decimal:
    """The share of the prices of a catalog that has no meter or condition here, from 0 to 1."""
    ignored = sum(read.ignored.values()) if read else 0
    return Decimal(ignored) / (ignored + read.prices) if read and ignored else Decimal(0)


def _show_catalogs(records: Sequence[Mapping[str, Any]]) -> None:
    tables.print_table(
        (
            *("catalog", "age", Column("models", Fit.FIGURE), Column("not read", Fit.FIGURE)),
            Column("status", Fit.TEXT),
            Column("error", Fit.TEXT, optional=True),
        ),
        (
            (
                record["catalog"],
                texts.age(record["age_seconds"]),
                record["models"],
                f"{100 * Decimal(record['ignored_share']):.1f} %",
                (record["status"] or "never asked") + ("" if record["asked"] else " (not due)"),
                record["error"],
            )
            for record in records
        ),
        empty="no catalogs",
    )
    for record in records:
        if record["ignored"]:
            tables.print_line(f"{record['catalog']}: not read: {_most_frequent(record['ignored'])}")


def _most_frequent(ignored: Mapping[str, int]) -> str:
    """The names of the price keys that are not read most often, and how many others there are."""
    ordered = sorted(ignored.items(), key=lambda named: (-named[1], named[0]))
    shown = [f"{name} {count}" for name, count in ordered[:_SHOWN]]
    return ", ".join(shown + [f"{len(ordered) - _SHOWN} more"] * (len(ordered) > _SHOWN))


@command
def peers(
    app: PricingSync,
    *,
    provider: typed.ProviderName,
    model: typed.ModelName,
) -> Output:
    """What others charge for the same model."""
    provider, model = app.provider_id(provider), app.model_id(provider, model)
    quotes = app.store.peers.quotes(provider, [model]).get(model, [])
    listed = app.store.statements(provider, model)
    own = listed[0].listing if listed and isinstance(listed[0].listing, RateCard) else None
    spreads = _spread_jsons(spread_of(quotes), own)
    written = {"currency": own.currency, "rates": write_rates(own.rates)} if own else None

    def show() -> None:
        _show_quotes(quotes)
        _show_spreads(spreads)

    views = {"own": written, "quotes": map(_quote_json, quotes), "meters": spreads}
    return Output(views, show)


def _quote_json(quote: Quote) -> dict[str, Any]:
    """One entry of `quotes`. A quote out of bounds is shown, and does not count."""
    return {
        "lineage": quote.lineage,
        "source": quote.source,
        "currency": quote.card.currency,
        "rates": write_rates(quote.card.rates),
        "believed": _is_believed(quote),
    }


def _spread_jsons(spreads: Peers, own: RateCard | None) -> list[dict[str, Any]]:
    """One entry of `meters` for each meter that the plausible quotes name, in dollars."""
    return [
        {
            "meter": meter.value,
            "count": spread.count,
            "low": str(spread.low),
            "median": str(spread.median),
            "high": str(spread.high),
            **_distance(own, meter, spread.median),
        }
        for meter, spread in spreads.items()
    ]


def _distance(own: RateCard | None, meter: Meter, median: int) -> dict[str, str | None]:
    """The provider's own rate, and its factor to the median if both are in dollars."""
    rate = own.rates.get(meter) if own else None
    if own is None or rate is None:
        return {"own": None, "of_median": None}
    times = f"{Decimal(rate) / median:.4g}" if own.currency == "USD" else None
    return {"own": str(rate), "of_median": times}


def _show_quotes(quotes: Sequence[Quote]) -> None:
    meters = [meter for meter in Meter if any(meter in quote.card.rates for quote in quotes)]
    tables.print_table(
        (
            Column("seller"),
            Column("source"),
            *(Column(meter.value, Fit.FIGURE) for meter in meters),
            Column("currency"),
            Column("", optional=True),
        ),
        (
            (
                quote.lineage,
                quote.source,
                *(texts.usual_rate(quote.card, meter) for meter in meters),
                quote.card.currency,
                "" if _is_believed(quote) else "not believed",
            )
            for quote in quotes
        ),
        empty="no peers: nobody else sells it under this name, or no catalog has been read",
    )


def _is_believed(quote: Quote) -> bool:
    return bool(spread_of([quote]))


def _show_spreads(records: Sequence[Mapping[str, Any]]) -> None:
    if not records:
        return
    tables.print_line("")
    tables.print_table(
        (
            "meter",
            *(
                Column(name, Fit.FIGURE)
                for name in ("sellers", "low", "median", "high", "own", "of median")
            ),
        ),
        (
            (
                record["meter"],
                record["count"],
                record["low"],
                record["median"],
                record["high"],
                record["own"],
                record["of_median"] and f"x{record['of_median']}",
            )
            for record in records
        ),
        empty="",
    )
