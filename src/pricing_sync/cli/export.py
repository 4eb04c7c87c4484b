"""`export`: the prices in another tool's format."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables
from pricing_sync.cli.tables import Column, Fit
from pricing_sync.errors import SettingsError
from pricing_sync.exports.document import LeftOut
from pricing_sync.exports.registry import FORMATS
from pricing_sync.serving.exports import Rendered, Wanted

_FormatName = Annotated[
    str,
    typer.Argument(
        metavar="FORMAT",
        help=f"{', '.join(FORMATS)}.",
        autocompletion=lambda incomplete: [n for n in FORMATS if n.startswith(incomplete)],
    ),
]
_Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Where to; by default standard output."),
]
_Only = Annotated[
    str | None,
    typer.Option(
        "--provider",
        metavar="PROVIDER",
        help="Only this one; models are then named without it.",
        autocompletion=typed.complete_provider,
    ),
]
_Upstream = Annotated[
    Path | None,
    typer.Option(
        "--upstream",
        metavar="FILE",
        help="The tool's own document, over which this one is written (litellm, models.dev).",
    ),
]
_Report = Annotated[
    bool,
    typer.Option("--report", help="Instead: what the format cannot say, by model."),
]


def export(
    context: typer.Context,
    name: _FormatName,
    *,
    output: _Output = None,
    at: typed.At = None,
    provider: _Only = None,
    upstream: _Upstream = None,
    report: _Report = False,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """The prices in another tool's format.

    What the format cannot say is left out and counted. `--json` is for `--report`.
    """
    body = _read(upstream) if upstream is not None else None
    with typed.open_app(context, database) as app:
        only = None if provider is None else app.provider_id(provider)
        rendered = app.exports.get(Wanted(name, only, at), body)
    if report:
        _show(rendered.left_out, as_json=as_json)
    elif output is not None:
        _write(output, rendered.body)
    else:
        sys.stdout.buffer.write(rendered.body)
    tables.err.print(_summary(name, rendered))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"--upstream: {path}: {error.strerror}") from None


def _write(path: Path, body: bytes) -> None:
    """Write the file whole, or not at all: a reader never sees half of it.

    Raises:
        SettingsError: it cannot be written.
    """
    temporary: str | None = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
            temporary = file.name
            file.write(body)
            os.fchmod(file.fileno(), 0o644)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink()
        raise SettingsError(f"--output: {path}: {error.strerror}") from None


def _summary(name: str, rendered: Rendered) -> str:
    text = f"{name}: {rendered.models} models, revision {rendered.revision}"
    count = len(rendered.left_out)
    return f"{text}; {count} left out, see --report" if count else f"{text}; nothing left out"


def _show(left_out: Sequence[LeftOut], *, as_json: bool) -> None:
    records: list[dict[str, Any]] = [
        {**entry._asdict(), "part": entry.part.value} for entry in left_out
    ]
    if as_json:
        tables.print_json(records)
        return
    tables.print_table(
        ("provider", Column("model", Fit.ID), "part", Column("why", Fit.TEXT)),
        ((r["provider"], r["model"], r["part"], r["why"]) for r in records),
        empty="nothing is left out",
    )
