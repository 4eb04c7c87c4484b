"""`backup` and `restore`: the database as one file, and back."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from pricing_sync import texts
from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables
from pricing_sync.cli.command import Output, command
from pricing_sync.json_views.backups import BackupView, RestoredView
from pricing_sync.settings import Settings
from pricing_sync.store.backup import STEPS, Backup, back_up
from pricing_sync.store.connection import newest_version
from pricing_sync.store.restore import Restored
from pricing_sync.store.restore import restore as put_back


@command
def backup(
    settings: Settings,
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to make.")],
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
) -> Output:
    """Copy the database to a file, while the service runs."""
    with tables.progress_of_steps(STEPS) as on_progress:
        made = back_up(settings.database, file, overwrite=force, on_progress=on_progress)
    return Output(BackupView.model_validate(made), partial(_show_backup, made))


@command
def restore(
    settings: Settings,
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `backup` has made.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check FILE and the database, and change nothing.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the audit log.")] = "",
    author: typed.Author = None,
) -> Output:
    """Put a backup in the place of the database, which is kept.

    FILE is checked first. No process may use the database: stop the service before.
    """
    done = put_back(
        settings.database, file, author=typed.author(author), reason=reason, dry_run=dry_run
    )
    return Output(RestoredView.model_validate(done), partial(_show_restored, done, dry_run=dry_run))


def _show_backup(made: Backup) -> None:
    tables.print_line(f"{made.file}: {_size(made.size_bytes)}, {_contents(made)}", "  ")
    tables.print_line(f"sha256 {made.sha256}")


def _show_restored(done: Restored, *, dry_run: bool) -> None:
    made = done.backup
    verb = "can be restored" if dry_run else "restored"
    tables.print_line(f"{verb}: {made.file}, {_contents(made)}", "  ")
    if done.kept is not None:
        will = "would be kept" if dry_run else "is kept"
        tables.print_line(f"the replaced database {will} as {done.kept}")
    newest = newest_version("sqlite")
    if made.contents.schema_version < newest:
        old = made.contents.schema_version
        tables.err.print(f"schema {old}, needed {newest}: run `pricing-sync migrate` next")


def _contents(made: Backup) -> str:
    held = made.contents
    last = texts.minute(held.last_reading_at) or "never"
    return (
        f"{held.prices} prices in force, {held.cards} cards, {held.readings} readings,"
        f" the last one {last}, schema {held.schema_version}"
    )


def _size(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB" if count >= 100_000 else f"{count / 1000:.0f} kB"
