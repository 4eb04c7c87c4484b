"""`override`: a person's rates, which win over what a provider says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Annotated, TypeAlias

import typer

from pricing_sync import texts
from pricing_sync.app import PricingSync
from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables
from pricing_sync.cli.command import Output, command, creating_command
from pricing_sync.cli.prices import card_lines
from pricing_sync.json_views.overrides import Override, ReportedOverride
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
@creating_command
def set_override(
    app: PricingSync,
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
        datetime | None, typed.instant_option("--since", "From when on; by default now.")
    ] = None,
    until: Annotated[
        datetime | None, typed.instant_option("--until", "Until when; by default for good.")
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
) -> Output:
    """Set a person's rates: the base rates, or those of a condition. A promotion has --until.

    The card's other conditional rates stay unless --flat is given. Prints the card before and
    after, both as of the beginning of the override.
    """
    wanted = dict(typed.meter_rate(text) for text in rates)
    begin = since or datetime.now(UTC)
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

    def show() -> None:
        _show(_as_set(made))
        _show_card("before", before)
        _show_card("after", after)

    return Output(map(Override.model_validate, made), show)


@override.command("list")
@command
def list_overrides(
    app: PricingSync,
    provider: typed.OneProvider = None,
    model: typed.OneModel = None,
    *,
    ending: Annotated[
        bool, typer.Option("--ending", help="What ends in the next 30 days, the next one first.")
    ] = False,
) -> Output:
    """The overrides in force or to come, and where the provider has moved since."""
    states = app.override_states(provider, model)
    report = app.override_report(provider, model, ending=ending)
    found = [row for row in report if row[0].id in states]
    views = (
        ReportedOverride.of(entry, rate, states[entry.id], moved=moved)
        for entry, rate, moved in found
    )
    return Output(views, partial(_show, found, states))


@override.command("end")
@command
def end_override(
    app: PricingSync,
    provider: typed.ProviderName,
    model: typed.ModelName,
    meters: Annotated[
        list[str] | None, typer.Argument(metavar="METER", help="Only these; else all.")
    ] = None,
    *,
    at: Annotated[datetime | None, typed.instant_option("--at", "When; by default now.")] = None,
    newest: Annotated[
        bool, typer.Option("--newest", help="Only what was set last; what it covers holds again.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the audit log.")] = "",
    author: typed.Author = None,
) -> Output:
    """End overrides: the provider's rates hold again."""
    wanted = [typed.meter_name(name) for name in meters or []]
    ended = app.end_override(
        provider,
        model,
        wanted,
        at=at,
        newest_only=newest,
        author=typed.author(author),
        reason=reason,
    )
    return Output(map(Override.model_validate, ended), partial(_show, _as_set(ended)))


def _show_card(name: str, found: Sequence[Price]) -> None:
    tables.print_line(name if found else f"{name}: no price")
    for price in found:
        tables.print_block(card_lines(price), "    ")


_Reported: TypeAlias = tuple[MeterOverride, Rate | None, bool]


def _as_set(overrides: Iterable[MeterOverride]) -> list[_Reported]:
    return [(entry, entry.upstream_rate, False) for entry in overrides]


def _show(found: Sequence[_Reported], states: Mapping[str, OverrideState] | None = None) -> None:
    """The overrides of each model; with *states*, also each one's state and the rate now."""
    if not found:
        tables.err.print("no overrides")
    for (provider, model), rows in groupby(found, lambda row: (row[0].provider, row[0].model)):
        tables.print_line(f"{provider} {model}")
        for entry, rate, moved in rows:
            state = _STATES[states[entry.id]] if states else ""
            parts = (_rate_text(entry), _upstream(entry, rate, moved=moved), state, _span(entry))
            tables.print_line(
                f"  {', '.join(filter(None, parts))}; {entry.author}: {entry.reason}", "      "
            )


#: The states in words. An override that is in force needs none.
_STATES = {
    OverrideState.IN_FORCE: "",
    OverrideState.COVERED: "covered",
    OverrideState.WAITING: "waits: currency",
    OverrideState.TO_COME: "to come",
}


def _rate_text(entry: MeterOverride) -> str:
    """`input 2.4 USD when service_tier batch`, `input 2.4 USD (flat)`."""
    under = "" if entry.when is None else f" when {texts.condition(entry.when)}"
    flat = " (flat)" if entry.is_flat else ""
    return f"{entry.meter} {entry.rate} {entry.currency}{under}{flat}"


def _upstream(entry: MeterOverride, now: Rate | None, *, moved: bool) -> str:
    """`provider's 2.5 → 3`: its rate when the override was set, and now if it has moved."""
    known = texts.NONE if entry.upstream_rate is None else str(entry.upstream_rate)
    return f"provider's {known}{f' → {texts.NONE if now is None else now}' if moved else ''}"


def _span(entry: MeterOverride) -> str:
    until = f" until {texts.day(entry.until)}" if entry.until else ""
    return f"since {texts.day(entry.since)}{until}"
