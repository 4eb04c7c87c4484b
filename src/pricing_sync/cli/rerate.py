"""`rerate`: usage in bulk, each row priced as of its own time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from typing import Annotated

import typer

from pricing_sync import texts
from pricing_sync.app import PricingSync
from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables
from pricing_sync.cli.command import Output, command
from pricing_sync.cli.tables import Column, Fit
from pricing_sync.errors import SettingsError, UnknownName
from pricing_sync.rerating.price_tables import Prices
from pricing_sync.rerating.report import ReportLine
from pricing_sync.rerating.rerate import STEPS, Rerating, rerate_usage
from pricing_sync.rerating.tried_rates import read_tried_rates
from pricing_sync.rerating.usage_columns import PRESETS, columns

#: Some rows have no price.
PARTLY_DONE = 3

_Usage = Annotated[
    Path, typer.Argument(metavar="USAGE", help="A .csv, .jsonl or .parquet file, a row a request.")
]
_Output = Annotated[
    Path, typed.output_option("OUT", "Where to: .csv, .jsonl or .parquet, by its ending.")
]
_AsKnownAt = Annotated[
    datetime | None, typed.instant_option("--as-known-at", "By what was known at this instant.")
]
_WhatIf = Annotated[
    Path | None,
    typer.Option(
        "--what-if",
        metavar="FILE",
        help="With other rates: a .csv of provider,model,meter,per_million[,currency].",
    ),
]
_Compare = Annotated[
    bool, typer.Option("--compare", help="Compare with the cost that the file gives.")
]
_AnyOrder = Annotated[bool, typer.Option("--any-order", help="Faster: the rows may change places.")]
_Columns = Annotated[
    str | None,
    typer.Option(
        "--columns",
        metavar="FIELD=COLUMN,…",
        help="Where a field is: at=created,input=prompt_tokens.",
    ),
]
_Preset = Annotated[
    str | None,
    typer.Option("--preset", metavar="NAME", help=f"Whose log it is: {', '.join(PRESETS)}."),
]
_Provider = Annotated[str | None, typed.provider_option("The provider of all rows.")]


@command
def rerate(
    app: PricingSync,
    *,
    usage: _Usage,
    output: _Output,
    as_known_at: _AsKnownAt = None,
    what_if: _WhatIf = None,
    compare: _Compare = False,
    currency: typed.Currency = None,
    named: _Columns = None,
    preset: _Preset = None,
    provider: _Provider = None,
    any_order: _AnyOrder = False,
) -> Output:
    """Price a file of usage, each row as of its time.

    The rows are written with their cost and, where the price is not known, the reason. What is
    printed is a sum by provider and model.
    """
    if as_known_at is not None and what_if is not None:
        raise SettingsError("--what-if is about what is known now, not with --as-known-at")
    provider_id = cache(partial(_provider_id, app))
    wanted = Rerating(
        usage=usage,
        out=output,
        columns=columns(preset, named, provider),
        prices=Prices(
            book_since=(
                app.book
                if as_known_at is None
                else partial(app.store.known_books.book, known_at=as_known_at)
            ),
            provider_id=provider_id,
            exchange_rates=app.store.exchange_rates.between,
            currency=currency,
            instead=read_tried_rates(what_if, provider_id) if what_if is not None else {},
        ),
        compare=compare,
        any_order=any_order,
    )
    with tables.progress_of_steps(STEPS) as on_progress:
        lines = rerate_usage(wanted, on_progress)
    unpriced = sum(line.unpriced for line in lines)
    views = [{**line._asdict(), **_amounts(line)} for line in lines]
    return Output(views, partial(_show, lines), PARTLY_DONE if unpriced else 0)


def _provider_id(app: PricingSync, name: str) -> str:
    """The id of a provider; a name that nobody knows stays, and has no price."""
    try:
        return app.provider_id(name)
    except UnknownName:
        return name


def _show(lines: Sequence[ReportLine]) -> None:
    currencies = {line.currency for line in lines if line.currency}
    is_one = len(currencies) == 1
    figures = ("rows", "unpriced", f"new {currencies.pop()}" if is_one else "new")
    tables.print_table(
        (
            "provider",
            Column("model", Fit.ID),
            *(Column(name, Fit.FIGURE) for name in figures),
            Column("currency", optional=True),
            Column("converted", Fit.FIGURE, optional=True),
            Column("old", Fit.FIGURE, optional=True),
            Column("difference", Fit.FIGURE, optional=True),
        ),
        (
            (
                line.provider,
                line.model,
                line.rows,
                line.unpriced or "",
                _amount(line.new),
                None if is_one else line.currency,
                _amount(line.converted),
                _amount(line.old),
                _amount(line.difference),
            )
            for line in lines
        ),
        empty="the file has no rows",
    )
    for line in lines:
        if line.reason is not None:
            tables.print_line(
                f"{line.unpriced} without a price: {line.provider or 'no provider'}"
                f" {line.model or 'no model'}: {line.reason}",
                "  ",
            )


def _amounts(line: ReportLine) -> dict[str, str | None]:
    names = ("new", "converted", "old", "difference")
    return {name: _amount(getattr(line, name)) for name in names}


def _amount(amount: Decimal | None) -> str | None:
    return None if amount is None else texts.plain_decimal(amount)
