"""`export`: the prices in another tool's format."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from pricing_sync import texts
from pricing_sync.app import PricingSync
from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables
from pricing_sync.cli.command import Output, command
from pricing_sync.cli.tables import Column, Fit
from pricing_sync.errors import SettingsError
from pricing_sync.serving.export_formats import FORMATS
from pricing_sync.serving.exports import Rendered, Wanted
from pricing_sync.serving.files import replace_file

_FormatName = Annotated[
    str,
    typer.Argument(
        metavar="FORMAT",
        help=f"{', '.join(FORMATS)}.",
        autocompletion=lambda incomplete: [n for n in FORMATS if n.startswith(incomplete)],
    ),
]
_Output = Annotated[
    Path | None, typed.output_option("FILE", "Where to; by default standard output.")
]
_Only = Annotated[
    str | None, typed.provider_option("Only this one; models are then named without it.")
]
_Currency = Annotated[
    str | None,
    typed.currency_option("Cards of other currencies are converted to this one, such as USD."),
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


@command
def export(
    app: PricingSync,
    *,
    name: _FormatName,
    output: _Output = None,
    at: typed.At = None,
    provider: _Only = None,
    currency: _Currency = None,
    upstream: _Upstream = None,
    report: _Report = False,
) -> Output:
    """The prices in another tool's format.

    What the format cannot say is left out and counted. `--json` prints the report.
    """
    body = _read(upstream) if upstream is not None else None
    only = None if provider is None else app.provider_id(provider)
    rendered = app.exports.get(Wanted(name, only, at, currency), body)
    if output is not None and not report:
        try:
            replace_file(output, rendered.body)
        except OSError as error:
            raise SettingsError(f"--output: {output}: {error.strerror}") from None
    tables.err.print(_summary(name, rendered))
    for rate in rendered.rates:
        tables.err.print(f"converted at {rate}")
    records = [{**entry._asdict(), "part": entry.part.value} for entry in rendered.left_out]
    if report:
        return Output(records, partial(_show, records))
    return Output(records, partial(_print, b"" if output else rendered.body))


def _print(body: bytes) -> None:
    sys.stdout.buffer.write(body)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"--upstream: {path}: {error.strerror}") from None


def _summary(name: str, rendered: Rendered) -> str:
    text = f"{name}: {texts.number_of(rendered.models, 'model')}, revision {rendered.revision}"
    count = len(rendered.left_out)
    return f"{text}; {count} left out, see --report" if count else f"{text}; nothing left out"


def _show(records: Sequence[Mapping[str, Any]]) -> None:
    tables.print_table(
        ("provider", Column("model", Fit.ID), "part", Column("why", Fit.TEXT)),
        ((r["provider"], r["model"], r["part"], r["why"]) for r in records),
        empty="nothing is left out",
    )
