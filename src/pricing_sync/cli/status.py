"""The commands `status` and `cancel`: the schedule and its runs, as the database has them."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from pricing_sync.changes.run import Run
from pricing_sync.cli import arguments as typed
from pricing_sync.cli import output
from pricing_sync.cli.opened import open_app


def register(cli: typer.Typer) -> None:
    """Add these commands to the command line."""
    cli.command()(status)
    cli.command()(cancel)


def status(
    context: typer.Context, *, database: typed.Database = None, as_json: typed.AsJson = False
) -> None:
    """Whether a service reads on schedule, what it read last, and what is due next."""
    with open_app(context, database) as app:
        found = app.status()
    if as_json:
        output.print_json(found)
        return
    output.out.print(_headline(found), markup=False)
    output.print_table(
        ("provider", "plan", "last read", "next", "failures", "now"),
        (
            (
                name,
                found["next_syncs"].get(name, {}).get("plan", ""),
                found["last_syncs"].get(name, {}).get("timestamp", "never"),
                _next(found["next_syncs"].get(name)),
                found["next_syncs"].get(name, {}).get("failures") or "",
                ", ".join(one["state"] for one in found["active"] if one["provider"] == name),
            )
            for name in found["providers"]
        ),
        empty="no providers",
    )


def _headline(found: dict[str, Any]) -> str:
    if not found["running"]:
        return "no service reads on schedule now"
    return f"a service reads on schedule, since {found['leader']['since'][:19]}Z"


def _next(due: dict[str, Any] | None) -> str:
    if due is None:
        return ""
    return f"{due['timestamp']} (retry)" if due["is_retry"] else str(due["timestamp"])


def cancel(
    context: typer.Context,
    *,
    run: Annotated[str, typer.Argument(metavar="RUN", help="As `runs` shows it.")],
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """End a run: what waits is not read, and what is being read is left off."""
    with open_app(context, database) as app:
        ended: Run = asyncio.run(app.cancel(run))
    if as_json:
        output.print_json({"run": ended.id, "outcome": ended.outcome and ended.outcome.value})
    elif ended.outcome is None:
        output.out.print(f"run {ended.id}: what is being read is being left off", markup=False)
    else:
        output.out.print(f"run {ended.id}: {ended.outcome.value}", markup=False)
