"""`override`: a person's rates, which win over what a provider says."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

import typer

from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables, texts
from pricing_sync.cli.tables import Column, Fit
from pricing_sync.json_views import override_json, reported_json
from pricing_sync.prices.rates import Rate
from pricing_sync.prices.statements import MeterOverride

override = typer.Typer(
    name="override",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="A person's rates, which win over a provider's.",
)


@override.command("set")
def set_override(
    context: typer.Context,
    provider: typed.ProviderName,
    model: typed.ModelName,
    rates: Annotated[
        list[str],
        typer.Argument(
            metavar="METER=RATE",
            help="Per million units, such as input=2.5. Meters left out keep the provider's rate.",
        ),
    ],
    *,
    reason: typed.Reason,
    author: typed.Author = None,
    since: Annotated[
        datetime | None,
        typer.Option(parser=typed.instant, metavar="TIME", help="From when on; by default now."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(parser=typed.instant, metavar="TIME", help="Until when; by default for good."),
    ] = None,
    currency: Annotated[
        str | None, typer.Option(help="ISO 4217; by default the card's, else USD.")
    ] = None,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """Set a person's rates. They hold under every condition of the card."""
    wanted = dict(typed.meter_rate(text) for text in rates)
    with typed.open_app(context, database, create=True) as app:
        made = app.set_override(
            provider,
            model,
            wanted,
            author=typed.author(author),
            reason=reason,
            since=since,
            until=until,
            currency=currency,
        )
    _show(((entry, entry.upstream_rate, False) for entry in made), as_json=as_json, report=False)


@override.command("list")
def list_overrides(
    context: typer.Context,
    provider: typed.OneProvider = None,
    model: typed.OneModel = None,
    *,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """The overrides in force or to come, and where the provider has moved since."""
    with typed.open_app(context, database) as app:
        found = app.override_report(provider, model)
    _show(found, as_json=as_json, report=True)


@override.command("end")
def end_override(
    context: typer.Context,
    provider: typed.ProviderName,
    model: typed.ModelName,
    meters: Annotated[
        list[str] | None, typer.Argument(metavar="METER", help="Only these; else all.")
    ] = None,
    *,
    at: Annotated[
        datetime | None,
        typer.Option(parser=typed.instant, metavar="TIME", help="When; by default now."),
    ] = None,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """End overrides: the provider's rates hold again."""
    wanted = [typed.meter_name(name) for name in meters or []]
    with typed.open_app(context, database) as app:
        ended = app.end_override(provider, model, wanted, at=at)
    _show(((entry, entry.upstream_rate, False) for entry in ended), as_json=as_json, report=False)


def _show(
    found: Iterable[tuple[MeterOverride, Rate | None, bool]], *, as_json: bool, report: bool
) -> None:
    """Overrides; as a *report*, with what the provider says now."""
    if as_json:
        tables.print_json(
            [
                reported_json(entry, rate, moved=moved) if report else override_json(entry)
                for entry, rate, moved in found
            ]
        )
        return
    tables.print_table(
        (
            *(Column("provider"), Column("model", Fit.ID), Column("meter")),
            *(Column("rate", Fit.FIGURE), Column("provider's", Fit.FIGURE)),
            *(Column("since"), Column("until", optional=True), Column("why", Fit.TEXT)),
        ),
        (
            (
                entry.provider,
                entry.model,
                entry.meter,
                f"{entry.rate} {entry.currency}",
                _upstream(entry, rate, moved=moved),
                texts.day(entry.since),
                texts.day(entry.until),
                f"{entry.author}: {entry.reason}",
            )
            for entry, rate, moved in found
        ),
        empty="no overrides",
    )


def _upstream(entry: MeterOverride, now: Rate | None, *, moved: bool) -> str:
    """The provider's own rate when the override was set, and now if it has moved."""
    known: Any = texts.NONE if entry.upstream_rate is None else entry.upstream_rate
    return f"{known} → {texts.NONE if now is None else now}" if moved else str(known)
