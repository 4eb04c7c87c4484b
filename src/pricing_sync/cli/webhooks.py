"""`webhooks`: the endpoints that events are sent to, what they did not take, and sending again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated

import typer

from pricing_sync.app import PricingSync
from pricing_sync.cli import tables
from pricing_sync.cli.command import Output, command
from pricing_sync.cli.tables import Column, Fit
from pricing_sync.errors import DeliveryFailed, SettingsError
from pricing_sync.json_views.webhooks import DeadLetter, WebhookView

_FAILED = 1
#: Dead letters of one endpoint that are listed.
_MOST_DEAD = 20

webhooks = typer.Typer(
    name="webhooks",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The endpoints that events are sent to.",
)

EndpointName = Annotated[str, typer.Argument(metavar="NAME", help="As in the settings.")]


@webhooks.command("list")
@command
def list_webhooks(app: PricingSync) -> Output:
    """The endpoints, their queues, and the newest dead letters."""
    found = [WebhookView.of(one) for one in app.webhooks()]
    dead = {
        one.name: [DeadLetter.of(letter) for letter in app.dead_letters(one.name, _MOST_DEAD)]
        for one in found
        if one.dead_letters
    }
    views = [
        {**one.model_dump(mode="json"), "newest_dead_letters": _dumped(dead.get(one.name, ()))}
        for one in found
    ]
    return Output(views, partial(_show, found, dead))


@webhooks.command("test")
@command
def test_webhook(app: PricingSync, name: EndpointName) -> Output:
    """Send an event `webhook.test` now."""
    try:
        asyncio.run(app.test_webhook(name))
    except DeliveryFailed as error:
        view = {"delivered": False, "error": str(error)}
        return Output(view, partial(tables.print_line, f"{name}: failed: {error}"), _FAILED)
    view = {"delivered": True, "error": None}
    return Output(view, partial(tables.print_line, f"{name}: delivered"))


@webhooks.command("replay")
@command
def replay_webhook(
    app: PricingSync,
    name: EndpointName,
    *,
    event: Annotated[
        str | None, typer.Option("--event", metavar="ID", help="This event, sent already or not.")
    ] = None,
    dead: Annotated[bool, typer.Option("--dead", help="All dead letters.")] = False,
) -> Output:
    """Queue events again; a running service sends them.

    An endpoint that was disabled is enabled.
    """
    if dead == (event is not None):
        raise SettingsError("webhooks replay: expected either --event ID or --dead")
    queued = app.replay_webhook(name, event)
    line = f"{name}: {queued} queued"
    return Output({"queued": queued}, partial(tables.print_line, line))


def webhook_line(view: Mapping[str, object]) -> str:
    """`webhook billing: 3 dead letters: why`; empty for an endpoint that takes all events."""
    parts = []
    if view["disabled_at"]:
        parts.append("disabled")
    if view["failures"]:
        parts.append(f"{view['failures']} failures in a row, {view['pending']} pending")
    if view["dead_letters"]:
        parts.append(f"{view['dead_letters']} dead letters")
    if not parts:
        return ""
    why = f": {view['error']}" if view["error"] else ""
    return f"webhook {view['name']}: {', '.join(parts)}{why}"


def _dumped(letters: Sequence[DeadLetter]) -> list[dict[str, object]]:
    return [letter.model_dump(mode="json") for letter in letters]


def _show(found: Sequence[WebhookView], dead: Mapping[str, Sequence[DeadLetter]]) -> None:
    tables.print_table(
        (
            "name",
            Column("to", Fit.TEXT),
            *(Column(name, Fit.FIGURE) for name in ("pending", "dead", "delivered")),
            "last delivery",
            Column("state", Fit.TEXT),
        ),
        (
            (
                one.name,
                one.where,
                str(one.pending),
                str(one.dead_letters),
                str(one.delivered),
                f"{one.last_delivered_at:%Y-%m-%d %H:%M}Z" if one.last_delivered_at else "never",
                _state(one),
            )
            for one in found
        ),
        empty="no webhook and no address for messages",
    )
    letters = [(name, letter) for name, of_name in dead.items() for letter in of_name]
    if letters:
        tables.print_line("dead letters")
        tables.print_table(
            ("name", "event", "kind", Column("error", Fit.TEXT)),
            ((name, one.event, one.kind, one.error or "") for name, one in letters),
            empty="",
        )


def _state(one: WebhookView) -> str:
    if one.disabled_at is not None:
        return f"disabled: {one.error}"
    return f"failing: {one.error}" if one.error else "ok"
