"""`demo`: the demonstration, offline."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from pricing_sync.cli import arguments as typed
from pricing_sync.cli import serve, tables
from pricing_sync.cli.sync import show_run
from pricing_sync.demo.show import INTERVAL_SECONDS, Demo, running
from pricing_sync.errors import masked
from pricing_sync.observe.logs import configure

#: What is worth a look when the demo has read everything twice.
_TRY = (
    "prices openrouter",
    "changes --provider openrouter",
    "history openrouter openai/gpt-4o",
    "held together",
    "runs",
)


def demo(
    context: typer.Context,
    *,
    once: Annotated[bool, typer.Option("--once", help="Exit when done.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the server; 0 is any.")] = 0,
    database: typed.Database = None,
) -> None:
    """Read simulated providers, with changes and faults."""
    say = tables.print_line
    with running(database or context.obj, port) as running_demo:
        settings = running_demo.app.settings
        address = f"127.0.0.1:{running_demo.server.port}"
        say(f"{len(settings.providers)} simulated providers at {address}")
        say("\nThe first reading of each:\n")
        show_run(running_demo.read())
        say("\nThen this happens:\n")
        for event in running_demo.make_changes():
            say(f"  - {event}", "    ")
        say("\nThe second reading:\n")
        show_run(running_demo.read())
        url = masked(settings.database)
        say(f"\nThe ledger is in {url.removeprefix('sqlite:///')}. Try:\n")
        for command in _TRY:
            tables.print_whole(f"  {_program()} --database {url} {command}")
        if not once:
            _keep_reading(running_demo)


def _program() -> str:
    """How this program was called, so that what is suggested can be pasted."""
    called = Path(sys.argv[0])
    return called.name if shutil.which(called.name) else str(called)


def _keep_reading(running_demo: Demo) -> None:
    """The same providers on a schedule, as a service."""
    faults = f"127.0.0.1:{running_demo.server.port}/_faults/openrouter"
    tables.print_line(f"\nNow as a service that reads every {INTERVAL_SECONDS} s, until Ctrl-C.")
    tables.print_line("Break something:\n")
    tables.print_whole(f'  curl -X PUT {faults} -d \'{{"kind": "zeroed"}}\'')
    tables.print_whole(f"  curl -X DELETE {faults}\n")
    with running_demo.as_service() as pricing:
        pricing.settings, token = serve.with_token(pricing.settings)
        configure("text", "info")
        serve.run(pricing, token)
