"""`push`: the prices in force, to the nodes of other tools, now."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from pricing_sync.app import PricingSync
from pricing_sync.cli import tables
from pricing_sync.cli.command import Output, command
from pricing_sync.cli.tables import Column, Fit
from pricing_sync.push.pusher import PushResult

_FAILED, _PARTLY = 1, 3


@command
def push(
    app: PricingSync,
    *,
    target: Annotated[
        list[str] | None,
        typer.Option("--target", metavar="NAME", help="Only this node; repeat it for several."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only ask the nodes what they have.")
    ] = False,
) -> Output:
    """Push the prices to LiteLLM and Langfuse now.

    The nodes are those of `[[push.litellm]]` and `[[push.langfuse]]`. A service pushes by itself.
    """
    results = asyncio.run(app.push(target or (), dry_run=dry_run))
    failed = sum(result.error is not None for result in results)
    exit_code = 0 if not failed else _FAILED if failed == len(results) else _PARTLY
    return Output(
        [asdict(result) for result in results], partial(_show, results, dry_run=dry_run), exit_code
    )


def _show(results: Sequence[PushResult], *, dry_run: bool) -> None:
    tables.print_table(
        ("node", "tool", "revision", Column("would send" if dry_run else "sent", Fit.TEXT)),
        (
            (
                result.target,
                result.kind,
                result.revision or "",
                f"failed: {result.error}" if result.error else result.sent or "nothing",
            )
            for result in results
        ),
        empty="no node to push to",
    )
