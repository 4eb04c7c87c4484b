"""The commands about what is stored as such: `migrate` and `evidence`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from pricing_sync.app import PricingSync
from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables
from pricing_sync.cli.command import Output, command
from pricing_sync.errors import UnknownName
from pricing_sync.settings import Settings, load_settings
from pricing_sync.store import Store, open_store
from pricing_sync.store.copying import CopiedTable
from pricing_sync.store.upgrade import upgrade


@command
def migrate(
    settings: Settings,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="URL",
            help="Then copy everything from this database, and compare: sqlite:///FILE.",
            show_default=False,
        ),
    ] = None,
) -> Output:
    """Bring the database's tables to this version.

    An SQLite database that has to be changed is backed up beside itself first.
    """
    done, copied = upgrade(settings.database, create=True), list[CopiedTable]()
    if settings.engine == "procrastinate" or source is not None:
        with open_store(settings.database) as store:
            if settings.engine == "procrastinate":
                store.migrate_transport()
            copied = [] if source is None else _copied(source, store)

    def show() -> None:
        tables.print_line(str(done))
        for one in copied:
            tables.print_line(f"{one.name}: {one.rows} rows, digest {one.digest[:16]}", "  ")
        if copied:
            tables.print_line("both databases have the same rows")

    report = done._asdict() | {"backup": done.backup and str(done.backup)}
    return Output(
        report if source is None else report | {"copied": [asdict(one) for one in copied]}, show
    )


def _copied(source: str, store: Store) -> list[CopiedTable]:
    with open_store(source) as other:
        return store.copy_from(other)


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
