"""The frame of the commands: settings, the database, and the answer as a table or as JSON."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

import typer

from pricing_sync.app import PricingSync
from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables
from pricing_sync.settings import Settings, load_settings


class Output(NamedTuple):
    """What a command found."""

    #: For `--json`: a view, or values for JSON. An iterator is not used up for a table.
    views: Any
    #: Prints it for people.
    show: Callable[[], None]
    exit_code: int = 0


def command(body: Callable[..., Output]) -> Callable[..., None]:
    """The command that calls *body* with the database open, and prints its answer.

    It has the parameters of *body* but for the first, and `--database` and `--json`. The first is
    a `PricingSync`, or the `Settings` for a command that opens no database by itself. Errors are
    for `main`: one line and an exit code.
    """
    return _command(body, create=False)


def creating_command(body: Callable[..., Output]) -> Callable[..., None]:
    """A `command` that creates the database if there is none."""
    return _command(body, create=True)


def _command(body: Callable[..., Output], *, create: bool) -> Callable[..., None]:
    signature = inspect.signature(body, eval_str=True)
    first, *others = signature.parameters.values()

    def run(
        context: typer.Context,
        *,
        database: typed.Database = None,
        as_json: typed.AsJson = False,
        **options: Any,
    ) -> None:
        settings = load_settings(database=database or context.obj)
        with ExitStack() as stack:
            opened: PricingSync | Settings = settings
            if first.annotation is PricingSync:
                opened = stack.enter_context(PricingSync(settings, create=create))
            answer = body(opened, **options)
        if as_json:
            tables.print_json(answer.views)
        else:
            answer.show()
        if answer.exit_code:
            raise typer.Exit(answer.exit_code)

    context, *shared, _ = inspect.signature(run, eval_str=True).parameters.values()
    own = [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in others]
    run.__name__, run.__doc__ = body.__name__, body.__doc__
    run.__signature__ = inspect.Signature([context, *own, *shared])  # type: ignore[attr-defined]
    return run
