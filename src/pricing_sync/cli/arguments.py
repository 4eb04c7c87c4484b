"""What is typed on the command line, and how it is read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from pricing_sync.prices.rates import Meter, Per, Rate

#: Digits; a quintillion tokens is no typing.
_LONGEST_QUANTITY = 18


def instant(text: str) -> datetime:
    """`2026-07-17`, `2026-07-17T12:00` or `2026-07-17T12:00:00+02:00`; UTC if it says no zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a date or time such as 2026-07-17T12:00Z"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def meter_rate(text: str) -> tuple[Meter, Rate]:
    """`input=2.5`: a meter and the currency per million of its units."""
    name, separator, amount = text.partition("=")
    if not separator:
        raise typer.BadParameter(f"{text!r} is not METER=RATE, such as input=2.5")
    meter = meter_name(name)
    try:
        return meter, Rate.of(amount, Per.MILLION)
    except ValueError as error:
        raise typer.BadParameter(f"{name}: {error}") from None


def meter_name(text: str) -> Meter:
    """A meter by its name."""
    try:
        return Meter(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no meter: {', '.join(Meter)}") from None


def quantity(text: str) -> tuple[str, int]:
    """`input=10000`: a meter's name and how many of its units were used."""
    name, separator, count = text.partition("=")
    if not separator:
        raise typer.BadParameter(f"{text!r} is not METER=QUANTITY, such as input=10000")
    if not (count.isascii() and count.isdigit() and len(count) <= _LONGEST_QUANTITY):
        raise typer.BadParameter(f"{name}: {count!r} is not a whole number")
    return meter_name(name).value, int(count)


Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="Where prices are kept: sqlite:///FILE. By default PRICING_SYNC_DATABASE, else"
        " pricing-sync.db in this folder.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and judge, and change no price.")]
At = Annotated[
    datetime | None,
    typer.Option(
        "--at", parser=instant, metavar="TIME", help="As it was at this instant (ISO 8601, UTC)."
    ),
]
KnownAt = Annotated[
    datetime | None,
    typer.Option(
        "--known-at", parser=instant, metavar="TIME", help="By what was known at this instant."
    ),
]
ProviderName = Annotated[str, typer.Argument(metavar="PROVIDER", help="Such as openrouter.")]
ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="As the provider spells it.")]
OneProvider = Annotated[str | None, typer.Argument(metavar="PROVIDER", help="Only this provider.")]
OneModel = Annotated[str | None, typer.Argument(metavar="MODEL", help="Only this model.")]
