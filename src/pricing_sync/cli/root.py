"""The command line as a whole: its options, and its commands by group."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pricing_sync.cli import (
    announcements,
    audit,
    backtest,
    backup,
    config,
    database,
    demo,
    doctor,
    exchange,
    export,
    overrides,
    peers,
    prices,
    push,
    rerate,
    review,
    rollback,
    runs,
    serve,
    sync,
    usage,
    webhooks,
    worker,
)
from pricing_sync.cli import arguments as typed
from pricing_sync.version import VERSION

#: The commands by the group under which `--help` lists them, in its order.
COMMANDS: Mapping[str, tuple[Callable[..., Any] | typer.Typer, ...]] = {
    "Read": (
        sync.sync,
        runs.runs,
        doctor.providers,
        peers.references,
        exchange.exchange_rates,
        database.evidence,
    ),
    "Prices": (
        prices.prices,
        prices.history,
        prices.changes,
        prices.cost,
        rerate.rerate,
        peers.peers,
        overrides.override,
        export.export,
        push.push,
    ),
    "Traffic": (
        usage.usage,
        usage.unpriced,
        usage.reconcile,
    ),
    "Review": (
        review.held,
        review.accept,
        review.reject,
        review.reconsider,
        rollback.rollback,
        announcements.announce,
        announcements.announcements,
        announcements.unannounce,
        review.audit_log,
        audit.audit,
        backtest.backtest,
    ),
    "Operate": (
        serve.serve,
        worker.worker,
        runs.status,
        runs.cancel,
        webhooks.webhooks,
        config.config,
        doctor.doctor,
        backup.backup,
        backup.restore,
        database.migrate,
        demo.demo,
    ),
}


class _Grouped(TyperGroup):
    """Lists the commands under their groups."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  Typer's
        width = max(map(len, self.commands))
        limit = formatter.width - 6 - width
        for group in COMMANDS:
            entries = [
                (name.ljust(width), command.get_short_help_str(limit))
                for name, command in self.commands.items()
                if getattr(command, "rich_help_panel", None) == group
            ]
            with formatter.section(group):
                formatter.write_dl(entries)


cli = typer.Typer(
    name="pricing-sync",
    cls=_Grouped,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Keeps the prices of LLM providers true: reads their own price lists, judges every change"
    " before it counts, and keeps the dated history.",
    epilog="Exit codes: 0 done; 1 failed; 2 bad input; 3 partly done.",
)


def _version(wanted: bool) -> None:  # noqa: FBT001  Typer calls it
    if wanted:
        typer.echo(f"pricing-sync {VERSION}")
        raise typer.Exit


@cli.callback()
def root(
    context: typer.Context,
    *,
    database: typed.Database = None,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The options that stand before a command."""
    context.obj = database


for _group, _members in COMMANDS.items():
    for _member in _members:
        if isinstance(_member, typer.Typer):
            cli.add_typer(_member, rich_help_panel=_group)
        else:
            cli.command(_member.__name__.replace("_", "-"), rich_help_panel=_group)(_member)
