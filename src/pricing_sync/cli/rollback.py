"""`rollback`: what was believed of a provider at an instant is in force again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Annotated

import typer

from pricing_sync import texts
from pricing_sync.app import PricingSync
from pricing_sync.changes.rollback import ModelRollback
from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables
from pricing_sync.cli.command import Output, command
from pricing_sync.json_views.changes import Rollback


@command
def rollback(
    app: PricingSync,
    *,
    provider: typed.ProviderName,
    to: Annotated[datetime, typed.instant_option("--to", "The instant (ISO 8601, UTC).")],
    model: typed.OfModel = None,
    reason: typed.Reason,
    author: typed.Author = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, and change no price.")
    ] = False,
) -> Output:
    """Put a provider's prices of an instant in force again.

    They hold from that instant on, as if what came after had been held. It counts as rejected, so
    that no reading brings it back: `reconsider` takes that back. The history keeps what was known.
    """
    done = app.rollback(
        provider, to, model=model, author=typed.author(author), reason=reason, dry_run=dry_run
    )
    return Output(map(Rollback.model_validate, done), partial(_show, done, to, dry_run=dry_run))


def _show(done: Sequence[ModelRollback], to: datetime, *, dry_run: bool) -> None:
    for one in done:
        if one.old == one.new:
            text = "the prices in between are undone"
        elif one.new is None:
            text = f"{texts.listing(one.old)} → no price"
        else:
            text = texts.change(one.old, one.new)
        tables.print_line(f"{one.provider} {one.model}: {text}", "  ")
    count = f"{len(done)} model{'' if len(done) == 1 else 's'}"
    left = "; nothing is changed" if dry_run else ""
    tables.err.print(f"{count} as of {texts.instant(to)}{left}")
