"""The command `audit`: what is wrong with what is stored, whatever any reading says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from pricing_sync.app import PricingSync
from pricing_sync.audit import MAX_AGE, Finding, Stock
from pricing_sync.audit import audit as audit_stock
from pricing_sync.cli import arguments as typed
from pricing_sync.cli import output
from pricing_sync.errors import UnknownName
from pricing_sync.settings import load_settings
from pricing_sync.store import audit as stored

_HOURS = MAX_AGE // timedelta(hours=1)


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(audit)


def audit(
    context: typer.Context,
    provider: typed.OneProvider = None,
    max_age_hours: Annotated[
        int,
        typer.Option(
            "--max-age-hours",
            min=1,
            metavar="HOURS",
            help="A provider that was not read for longer is a finding.",
        ),
    ] = _HOURS,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """Check every stored price: bounds, relations, age, rows that cannot be read. 1 if any is off.

    Independent of readings, and meant to run every night: it also finds what was typed into the
    database by hand.
    """
    settings = load_settings(database=database or context.obj)
    now = datetime.now(UTC)
    with PricingSync.open(settings, create=False) as app:
        stock = _stock(app, provider, now)
    if provider is not None and not (stock.cards or stock.overrides):
        app.reach.provider(provider)
        raise UnknownName(f"{provider}: nothing is stored")
    found = audit_stock(stock, now, max_age=timedelta(hours=max_age_hours))
    if as_json:
        output.print_json([finding_record(finding) for finding in found])
    else:
        _show(found)
    raise typer.Exit(1 if found else 0)


def _stock(app: PricingSync, provider: str | None, now: datetime) -> Stock:
    # The usual readers raise at the rows that are looked for here.
    connection = app.store._connection  # noqa: SLF001
    return Stock(
        cards=stored.raw_cards(connection, provider),
        overrides=stored.raw_overrides(connection, provider, at=now),
        overlaps=stored.overlaps(connection, provider),
        read_at=app.store.latest_successes(),
    )


def finding_record(finding: Finding) -> dict[str, Any]:
    """One entry of `audit --json`."""
    return {
        "provider": finding.provider,
        "model": finding.model,
        "meter": finding.meter,
        "rule": str(finding.rule),
        "detail": finding.detail,
        "severity": finding.severity.value,
    }


def _show(found: Sequence[Finding]) -> None:
    output.print_table(
        ("provider", "model", "meter", "rule", "severity", "detail"),
        (
            (
                finding.provider,
                finding.model,
                finding.meter,
                finding.rule,
                finding.severity,
                finding.detail,
            )
            for finding in found
        ),
        empty="nothing is wrong",
    )
