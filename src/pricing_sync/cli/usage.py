"""Recorded usage: `usage` takes it in, `unpriced` and `reconcile` say what it shows."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from fractions import Fraction
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
from pricing_sync.errors import BadUsage, SettingsError
from pricing_sync.json_views.usage import Reconciliation as ReconciliationView
from pricing_sync.json_views.usage import UnpricedModel as UnpricedView
from pricing_sync.json_views.usage import UsageReceipt, by_difference, rounded
from pricing_sync.prices.blast_radius import BlastRadius
from pricing_sync.prices.reconciliation import (
    Compared,
    ImpliedRate,
    Reconciliation,
    UnpricedModel,
)
from pricing_sync.serving.usage import usage_lines

#: So many bad rows of a file are shown.
_MOST_SHOWN = 20

_Days = Annotated[int, typer.Option("--days", min=1, max=400, help="How many days back from now.")]


@command
def usage(
    app: PricingSync,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A JSON object on each line, as docs/usage.md has it; - is stdin."
        ),
    ],
    *,
    idempotency_key: Annotated[
        str | None,
        typer.Option(
            "--idempotency-key", metavar="KEY", help="Rows that are sent again with it count once."
        ),
    ] = None,
) -> Output:
    """Take in what was used; kept are priced sums by the hour.

    Each request is priced as of its time. All rows of the file are taken in, or none when one of
    them is bad.
    """
    try:
        with ExitStack() as stack:
            receipt = app.usage.add(_lines(file, stack), key=idempotency_key)
    except BadUsage as error:
        for number, why in error.rows[1 : _MOST_SHOWN + 1]:
            tables.err.print(f"row {number}: {why}")
        if len(error.rows) > 1:
            tables.err.print(f"{len(error.rows)} rows are bad; nothing was stored")
        raise
    return Output(UsageReceipt.model_validate(receipt), partial(_show_receipt, receipt))


def _lines(file: Path, stack: ExitStack) -> Iterator[bytes]:
    if file == Path("-"):
        return usage_lines(sys.stdin.buffer)
    try:
        return usage_lines(stack.enter_context(file.open("rb")))
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from None


def _show_receipt(receipt: dict[str, Any]) -> None:
    unpriced = texts.counted(receipt["unpriced"])
    counts = f"{texts.number_of(receipt['rows'], 'row')}: {receipt['priced']} priced"
    tables.print_line(counts + (f"; without a price: {unpriced}" if unpriced else ""))
    for currency, amount in receipt["cost"].items():
        tables.print_line(f"{amount} {currency}")
    if receipt["repeated"]:
        tables.print_line("the same rows were taken in before with this key, and counted then")


@command
def unpriced(app: PricingSync, *, days: _Days = 7) -> Output:
    """Models in traffic without a price, most requests first."""
    found = app.usage.unpriced(timedelta(days=days))
    return Output(map(UnpricedView.of, found), partial(_show_unpriced, found))


def _show_unpriced(found: Sequence[UnpricedModel]) -> None:
    tables.print_table(
        (
            Column("provider", Fit.ID),
            Column("model", Fit.ID),
            Column("requests", Fit.FIGURE),
            "last hour",
            Column("reported cost", Fit.TEXT, optional=True),
            Column("why", Fit.TEXT),
        ),
        (
            (
                entry.provider,
                entry.model,
                entry.requests,
                texts.minute(entry.last),
                ", ".join(
                    f"{texts.plain_decimal(amount)} {currency}"
                    for currency, amount in sorted(entry.reported.items())
                ),
                _why(entry),
            )
            for entry in found
        ),
        empty="no request without a price was recorded",
    )


def _why(entry: UnpricedModel) -> str:
    """The detail without the provider and the model, which stand beside it."""
    detail = (entry.detail or entry.reason).removeprefix(f"{entry.provider}: ")
    return detail.removeprefix(f"{entry.model}: ")


@command
def reconcile(
    app: PricingSync,
    provider: typed.OneProvider = None,
    model: typed.OneModel = None,
    *,
    days: _Days = 7,
) -> Output:
    """Our costs beside those that providers reported.

    A ratio above 1: the provider charges more than our prices say. Of one model also the rates
    that its reported costs imply, where the hours determine them.
    """
    found = app.usage.reconcile(timedelta(days=days), provider, model)
    most = app.usage.most_drift
    shown = partial(_show_reconciliation, found, most, is_whole=model is not None)
    return Output(ReconciliationView.of(found, most), shown)


def _show_reconciliation(found: Reconciliation, most: Fraction, *, is_whole: bool) -> None:
    entries = by_difference(found.models)
    tables.print_table(
        (
            Column("provider", Fit.ID),
            Column("model", Fit.ID),
            *(Column(name, Fit.FIGURE) for name in ("requests", "ours", "reported", "ratio")),
            *(Column(name, Fit.FIGURE, spare=True) for name in ("lowest", "highest")),
            Column("", optional=True),
        ),
        (_row(entry, most) for entry in (*found.providers, *entries)),
        empty="no request with a reported cost was recorded",
    )
    rates = [
        (entry, rate)
        for entry in entries
        for rate in entry.rates
        if is_whole or (entry.drifts(most) and rate.stored != rate.implied)
    ]
    for entry, rate in rates:
        tables.print_line(f"{entry.provider} {entry.model}: {_rate_text(rate)}", "  ")
    for other in found.not_compared:
        counts = {"without a price of ours": other.without_price}
        counts["in another currency than ours"] = other.other_currency
        tables.print_line(f"{other.provider}: not compared: {texts.counted(counts)}", "  ")


def _row(entry: Compared, most: Fraction) -> Sequence[object]:
    return (
        entry.provider,
        entry.model or "all models",
        entry.requests,
        f"{texts.plain_decimal(entry.cost)} {entry.currency}",
        texts.plain_decimal(entry.reported_cost),
        *(_ratio_text(value) for value in (entry.ratio, entry.low, entry.high)),
        "drifts" if entry.drifts(most) else "",
    )


def _ratio_text(value: Fraction | None) -> str:
    return texts.NONE if value is None else f"{float(value):.4f}"


def _rate_text(rate: ImpliedRate) -> str:
    conditions = {
        "min_input_tokens": rate.conditions.min_input_tokens or None,
        "service_tier": rate.conditions.service_tier,
        "region": rate.conditions.region,
    }
    under = ", ".join(f"{name} {value}" for name, value in conditions.items() if value is not None)
    sure = "exactly" if rate.is_exact else "by least squares"
    return (
        f"{rate.meter} {rounded(rate.stored)} stored, {rounded(rate.implied)} implied"
        f" {sure} by {rate.hours} hour{'s' if rate.hours > 1 else ''}"
        + (f" when {under}" if under else "")
    )


def traffic_text(radius: BlastRadius) -> str:
    """`1200 requests in 7 days: 3.2 → 3200 USD`: what a held change does to them."""
    amounts = "; ".join(
        " → ".join(
            "no price" if amount is None else texts.plain_decimal(amount)
            for amount in (amounts.old, amounts.new)
        )
        + f" {currency}"
        for currency, amounts in sorted(radius.amounts.items())
    )
    counts = {
        "without the old price": radius.without_old_price,
        "without the new price": radius.without_new_price,
    }
    requests = f"{radius.requests} request{'s' if radius.requests > 1 else ''} in 7 days"
    return "; ".join(filter(None, (f"{requests}: {amounts or 'no price'}", texts.counted(counts))))
