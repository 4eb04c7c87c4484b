"""The arguments and options that commands share, how they are read, and what completes them."""

from __future__ import annotations

import getpass
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from pricing_sync.app import PricingSync
from pricing_sync.errors import PricingSyncError, SettingsError
from pricing_sync.prices.rates import Meter, Per, Rate
from pricing_sync.prices.reported_usage import CONVENTIONS
from pricing_sync.settings import load_settings
from pricing_sync.sources.providers import built_in

#: Digits; a quintillion tokens is no typing.
_LONGEST_QUANTITY = 18


def instant(text: str) -> datetime:
    """`2026-07-17`, `2026-07-17T12:00` or `2026-07-17T12:00:00+02:00`; UTC if it says no zone."""
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is not a date or time such as 2026-07-17T12:00Z"
        ) from None


def author(name: str | None) -> str:
    """Who decides: *name*, else the name of the user who runs the command.

    Raises:
        SettingsError: the user has no name, as some users in containers.
    """
    try:
        return name or getpass.getuser()
    except (KeyError, OSError):
        raise SettingsError("--author: the user has no name, so say who decides") from None


def currency(text: str) -> str:
    """`EUR`: a currency by its code."""
    if not re.fullmatch(r"[A-Za-z]{3}", text):
        raise typer.BadParameter(f"{text!r} is no currency such as EUR (ISO 4217)")
    return text.upper()


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


def usage_convention(text: str) -> str:
    """A provider's way of reporting usage, by its name."""
    if text not in CONVENTIONS:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(CONVENTIONS)}")
    return text


def complete_provider(incomplete: str) -> list[str]:
    """The providers whose ids begin so, for the shell."""
    return [name for name in built_in() if name.startswith(incomplete)]


def complete_model(context: typer.Context, incomplete: str) -> Iterator[str]:
    """The models of the provider named before, from the ledger, for the shell."""
    provider = context.params.get("provider")
    with suppress(PricingSyncError), PricingSync(load_settings(), create=False) as app:
        for _, model in app.store.model_states(provider):
            if model.startswith(incomplete):
                yield model


def instant_option(name: str, text: str) -> Any:
    """An option that is an instant; *text* is its help."""
    return typer.Option(name, parser=instant, metavar="TIME", help=text)


def provider_option(text: str) -> Any:
    """`--provider`: a provider by its id."""
    return typer.Option(
        "--provider", metavar="PROVIDER", help=text, autocompletion=complete_provider
    )


def currency_option(text: str) -> Any:
    """`--currency`: a currency by its code."""
    return typer.Option("--currency", parser=currency, metavar="CODE", help=text)


def output_option(metavar: str, text: str) -> Any:
    """`--output`: a file that is written."""
    return typer.Option("-o", "--output", metavar=metavar, help=text)


Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="Where prices are kept: sqlite:///FILE or postgresql://HOST/NAME. By default"
        " PRICING_SYNC_DATABASE, else pricing-sync.db in this folder.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and judge, and change no price.")]
At = Annotated[
    datetime | None, instant_option("--at", "As it was at this instant (ISO 8601, UTC).")
]
KnownAt = Annotated[
    datetime | None, instant_option("--known-at", "By what was known at this instant.")
]
Currency = Annotated[str | None, currency_option("Converted to this currency, too.")]
OfProvider = Annotated[str | None, provider_option("Only this provider.")]
OfModel = Annotated[str | None, typer.Option("--model", metavar="MODEL", help="Only this model.")]
ProviderName = Annotated[
    str,
    typer.Argument(
        metavar="PROVIDER", help="Such as openrouter.", autocompletion=complete_provider
    ),
]
ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="As the provider spells it.", autocompletion=complete_model
    ),
]
OneProvider = Annotated[
    str | None,
    typer.Argument(
        metavar="PROVIDER", help="Only this provider.", autocompletion=complete_provider
    ),
]
OneModel = Annotated[
    str | None,
    typer.Argument(metavar="MODEL", help="Only this model.", autocompletion=complete_model),
]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the decision.")]
Author = Annotated[str | None, typer.Option("--author", help="Who; by default the user's name.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")]
