"""The commands by which a person approves moves that a provider has announced."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer

from pricing_sync import texts
from pricing_sync.app import PricingSync
from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables
from pricing_sync.cli.command import Output, command, creating_command
from pricing_sync.errors import SettingsError
from pricing_sync.gate import Announced
from pricing_sync.json_views.changes import Announcement as AnnouncementView
from pricing_sync.prices.model_ids import is_model_id, is_tier
from pricing_sync.prices.rates import Per, Rate, When
from pricing_sync.store.announcements import Announcement


@creating_command
def announce(
    app: PricingSync,
    *,
    provider: typed.ProviderName,
    model: typed.ModelName,
    meter: Annotated[str, typer.Argument(metavar="METER", help="Such as input.")],
    old: Annotated[
        str,
        typer.Argument(metavar="OLD", help="The rate until then, per million; none if none."),
    ],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The rate from then on.")],
    not_before: Annotated[
        datetime,
        typer.Option("--not-before", parser=typed.instant, metavar="TIME", help="ISO 8601, UTC."),
    ],
    min_input_tokens: Annotated[
        int | None, typer.Option(min=0, help="Of the conditional rate for requests this long.")
    ] = None,
    tier: Annotated[str | None, typer.Option(help="Of the rate for this service tier.")] = None,
    region: Annotated[str | None, typer.Option(help="Of the rate for this region.")] = None,
    reason: typed.Reason,
    author: typed.Author = None,
) -> Output:
    """Approve a move beforehand; it passes the gate once."""
    if not is_model_id(model):
        raise SettingsError(f"announce: {model!r} is not a model id")
    if tier is not None and not is_tier(tier):
        raise SettingsError(f"announce: {tier!r} is not a service tier with rates of its own")
    when = When(min_input_tokens=min_input_tokens, service_tier=tier, region=region)
    move = Announced(
        model=model,
        meter=typed.meter_name(meter),
        old=None if old == "none" else _rate("OLD", old),
        new=_rate("NEW", new),
        not_before=not_before,
        when=None if when == When() else when,
    )
    provider = app.access.provider(provider).id
    made = app.store.announcements.add(
        provider, move, author=typed.author(author), reason=reason, now=datetime.now(UTC)
    )
    return _answer([made])


@command
def announcements(
    app: PricingSync,
    *,
    provider: typed.OneProvider = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that came true or were ended.")
    ] = False,
) -> Output:
    """The moves that a person has approved beforehand."""
    if provider is not None:
        provider = app.provider_id(provider)
    return _answer(app.store.announcements.find(provider, include_used=everything))


@command
def unannounce(
    app: PricingSync,
    *,
    announcement: Annotated[str, typer.Argument(metavar="ID", help="As `announcements` shows it.")],
    reason: typed.Reason,
    author: typed.Author = None,
) -> Output:
    """Take an announcement back."""
    ended = app.store.announcements.end(
        announcement, author=typed.author(author), reason=reason, now=datetime.now(UTC)
    )
    return _answer([ended])


def _rate(name: str, text: str) -> Rate:
    try:
        return Rate.of(text, Per.MILLION)
    except ValueError as error:
        raise typer.BadParameter(f"{name}: {error}") from None


def _answer(entries: Sequence[Announcement]) -> Output:
    return Output(map(AnnouncementView.of, entries), partial(_show, entries))


def _show(entries: Sequence[Announcement]) -> None:
    if not entries:
        tables.err.print("no announcements")
    for entry in entries:
        move = texts.move(entry.move.when, entry.move.meter, entry.move.old, entry.move.new)
        tables.print_line(
            f"{entry.id}  {entry.provider} {entry.move.model}: {move}, not before"
            f" {texts.minute(entry.move.not_before)}; {_state(entry)}; {entry.author}:"
            f" {entry.reason}",
            "      ",
        )


def _state(entry: Announcement) -> str:
    if entry.used_at is not None:
        return f"came true in reading {entry.used_by}"
    return "ended" if entry.ended_at is not None else "to come"
