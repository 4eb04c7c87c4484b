"""The commands about what is stored as such: `migrate` and `evidence`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pricing_sync.app import PricingSync
from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables
from pricing_sync.cli.command import Output, command
from pricing_sync.errors import UnknownName
from pricing_sync.settings import Settings, load_settings
from pricing_sync.store import connect


@command
def migrate(settings: Settings) -> Output:
    """Bring the database's tables to this version."""
    with connect(settings.database, create=True) as store:
        applied, version = store.migrate(), store.version
        if settings.engine == "procrastinate":
            store.migrate_transport()
    done = ", ".join(map(str, applied)) or "none needed"
    return Output(
        {"applied": applied, "version": version},
        lambda: tables.print_line(f"migrations applied: {done}; schema {version}"),
    )


def evidence(
    context: typer.Context,
    digest: Annotated[str, typer.Argument(metavar="SHA256", help="As `history --json` shows it.")],
    *,
    database: typed.Database = None,
) -> None:
    """The bytes that a price was read from, on standard output."""
    settings = load_settings(database=database or context.obj)
    with PricingSync(settings, create=False) as app:
        body = app.store.evidence(digest)
    if body is None:
        raise UnknownName(f"{digest}: no such evidence, or it is no longer kept")
    sys.stdout.buffer.write(body)
