"""`override`: a person's rates, which win over what a provider says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

import typer

from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables, texts
from pricing_sync.cli.prices import card_lines
from pricing_sync.cli.tables import Column, Fit
from pricing_sync.json_views import override_json, reported_json
from pricing_sync.prices.book import Price
from pricing_sync.prices.overrides import OverrideState
from pricing_sync.prices.rates import Rate, When
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
    min_input_tokens: Annotated[
        int | None, typer.Option(min=0, help="The rates of requests this long.")
    ] = None,
    tier: Annotated[str | None, typer.Option(help="The rates of this service tier.")] = None,
    region: Annotated[str | None, typer.Option(help="The rates of this region.")] = None,
    flat: Annotated[
        bool, typer.Option("--flat", help="Under every condition that the card has.")
    ] = False,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """Set a person's rates: the base rates, or those of a condition. A promotion has --until.

    The card's other conditional rates stay unless --flat is given. Prints the card before and
    after, both as of the beginning of the override.
    """
    wanted = dict(typed.meter_rate(text) for text in rates)
    begin = since or datetime.now(UTC)
    with typed.open_app(context, database, create=True) as app:
        before = app.prices(provider, model, at=begin)
        made = app.set_override(
            provider,
            model,
            wanted,
            author=typed.author(author),
            reason=reason,
            since=begin,
            until=until,
            currency=currency,
            when=When(min_input_tokens=min_input_tokens, service_tier=tier, region=region),
            flat=flat,
        )
        after = app.prices(provider, model, at=begin)
    _show(_as_set(made), as_json=as_json)
    if not as_json:
        _show_card("before", before)
        _show_card("after", after)


@override.command("list")
def list_overrides(
    context: typer.Context,
    provider: typed.OneProvider = None,
    model: typed.OneModel = None,
    *,
    ending: Annotated[
        bool, typer.Option("--ending", help="What ends in the next 30 days, the next one first.")
    ] = False,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """The overrides in force or to come, and where the provider has moved since."""
    with typed.open_app(context, database) as app:
        states = app.override_states(provider, model)
        found = [
            row
            for row in app.override_report(provider, model, ending=ending)
            if row[0].id in states
        ]
    _show(found, states, as_json=as_json)


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
    newest: Annotated[
        bool, typer.Option("--newest", help="Only what was set last; what it covers holds again.")
    ] = False,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """End overrides: the provider's rates hold again."""
    wanted = [typed.meter_name(name) for name in meters or []]
    with typed.open_app(context, database) as app:
        ended = app.end_override(provider, model, wanted, at=at, newest_only=newest)
    _show(_as_set(ended), as_json=as_json)


def _show_card(name: str, found: Sequence[Price]) -> None:
    tables.print_line(name if found else f"{name}: no price")
    for price in found:
        tables.print_block(card_lines(price), "    ")


_Reported: TypeAlias = tuple[MeterOverride, Rate | None, bool]


def _as_set(overrides: Iterable[MeterOverride]) -> Iterator[_Reported]:
    return ((entry, entry.upstream_rate, False) for entry in overrides)


def _show(
    found: Iterable[_Reported],
    states: Mapping[str, OverrideState] | None = None,
    *,
    as_json: bool,
) -> None:
    """Overrides; with *states*, also each one's state and what the provider says now."""
    if as_json:
        tables.print_json(
            [
                override_json(entry)
                if states is None
                else reported_json(entry, rate, states[entry.id], moved=moved)
                for entry, rate, moved in found
            ]
        )
        return
    tables.print_table(
        (
            *(Column("provider"), Column("model", Fit.ID), Column("meter", Fit.TEXT)),
            *(Column("rate", Fit.FIGURE), Column("provider's", Fit.FIGURE)),
            *(Column("since"), Column("until", optional=True)),
            *(Column("state", optional=True), Column("why", Fit.TEXT)),
        ),
        (
            (
                entry.provider,
                entry.model,
                _rate_name(entry),
                f"{entry.rate} {entry.currency}",
                _upstream(entry, rate, moved=moved),
                texts.day(entry.since),
                texts.day(entry.until),
                _STATES[states[entry.id]] if states else "",
                f"{entry.author}: {entry.reason}",
            )
            for entry, rate, moved in found
        ),
        empty="no overrides",
    )


#: The states as the table shows them. An override that is in force needs no word.
_STATES = {
    OverrideState.IN_FORCE: "",
    OverrideState.COVERED: "covered",
    OverrideState.WAITING: "waits: currency",
    OverrideState.TO_COME: "to come",
}


def _rate_name(entry: MeterOverride) -> str:
    """`input when service_tier batch`, `input (flat)`."""
    under = "" if entry.when is None else f" when {texts.condition(entry.when)}"
    return f"{entry.meter}{under}{' (flat)' if entry.is_flat else ''}"


def _upstream(entry: MeterOverride, now: Rate | None, *, moved: bool) -> str:
    """The provider's own rate when the override was set, and now if it has moved."""
    known: Any = texts.NONE if entry.upstream_rate is None else entry.upstream_rate
    return f"{known} → {texts.NONE if now is None else now}" if moved else str(known)
