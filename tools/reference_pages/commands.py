"""The page of the command line, from its commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from pricing_sync.cli.root import cli

_INTRODUCTION = """\
# Commands

What `pricing-sync COMMAND --help` prints, of every command. Everything that prints takes `--json`.
Exit codes: 0 done; 1 failed; 2 bad input; 3 partly done.
"""
_WIDTH = 100


def page() -> str:
    """Every command with its help, in the order of `pricing-sync --help`."""
    return _INTRODUCTION + "".join(_sections(typer.main.get_command(cli), "pricing-sync", None))


def _sections(command: Any, name: str, parent: Any) -> Iterator[str]:
    context = command.context_class(
        command, info_name=name, parent=parent, max_content_width=_WIDTH, terminal_width=_WIDTH
    )
    title = context.command_path.removeprefix("pricing-sync ")
    yield f"\n## {title}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"
    for inner_name, inner in getattr(command, "commands", {}).items():
        yield from _sections(inner, inner_name, context)
