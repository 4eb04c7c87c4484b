"""The commands about what is stored as such: `migrate` and `evidence`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from pricing_sync.app import PricingSync
from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables
from pricing_sync.cli.command import Output, command
from pricing_sync.errors import UnknownName
from pricing_sync.settings import Settings, load_settings
from pricing_sync.store import connect
from pricing_sync.store.backup import back_up_before
from pricing_sync.store.connection import migrations


class Upgrade(NamedTuple):
    """What `migrate` did."""

    applied: list[int]
    version: int
    #: The backup from before; None if the database was new, or needed nothing.
    backup: Path | None

    def __str__(self) -> str:
        done = ", ".join(map(str, self.applied)) or "none needed"
        kept = f"; as it was: {self.backup}" if self.backup else ""
        return f"migrations applied: {done}; schema {self.version}{kept}"


def upgrade(url: str) -> Upgrade:
    """Bring a database to this version, after a backup if it holds anything.

    Raises:
        StoreError: it cannot be backed up or migrated, or is newer than this program.
    """
    with connect(url, create=True) as store:
        before, made = store.version, None
        if 0 < before < migrations()[-1][0]:
            made = back_up_before(url, before)
        return Upgrade(store.migrate(), store.version, made.file if made else None)


@command
def migrate(settings: Settings) -> Output:
    """Bring the database's tables to this version.

    A database that has to be changed is backed up beside itself first.
    """
    done = upgrade(settings.database)
    return Output(
        done._asdict() | {"backup": done.backup and str(done.backup)},
        lambda: tables.print_line(str(done)),
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
