"""The commands about what is stored as such: `migrate` and `evidence`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables
from pricing_sync.errors import UnknownName
from pricing_sync.settings import load_settings
from pricing_sync.store import connect


def migrate(
    context: typer.Context, *, database: typed.Database = None, as_json: typed.AsJson = False
) -> None:
    """Bring the database's tables to this version."""
    settings = load_settings(database=database or context.obj)
    with connect(settings.database, create=True) as store:
        applied, version = store.migrate(), store.version
    if as_json:
        tables.print_json({"applied": applied, "version": version})
    else:
        done = ", ".join(map(str, applied)) or "none needed"
        tables.print_line(f"migrations applied: {done}; schema {version}")


def evidence(
    context: typer.Context,
    digest: Annotated[str, typer.Argument(metavar="SHA256", help="As `history --json` shows it.")],
    *,
    database: typed.Database = None,
) -> None:
    """The bytes that a price was read from, on standard output."""
    with typed.open_app(context, database) as app:
        body = app.store.evidence(digest)
    if body is None:
        raise UnknownName(f"{digest}: no such evidence, or it is no longer kept")
    sys.stdout.buffer.write(body)
