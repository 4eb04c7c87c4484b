"""`audit`: every stored price judged again, without a reading."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any

import typer

from pricing_sync import texts
from pricing_sync.app import PricingSync
from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables
from pricing_sync.cli.command import Output, command
from pricing_sync.errors import UnknownName
from pricing_sync.gate import Peers
from pricing_sync.gate.audit import MAX_AGE, Check, Finding, Stock, Unloadable
from pricing_sync.gate.audit import audit as audit_stock
from pricing_sync.prices.statements import Statement
from pricing_sync.settings import Settings
from pricing_sync.store import raw_ledger

_HOURS = MAX_AGE // timedelta(hours=1)


@command
def audit(
    settings: Settings,
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
) -> Output:
    """Judge every stored price again; meant for every night.

    Bounds, relations, peers, age, overrides that the provider has moved under, rows that cannot be
    read or overlap. Exit code 1 when something is found.
    """
    now = datetime.now(UTC)
    with PricingSync(settings, create=False) as app:
        if provider is not None:
            provider = app.provider_id(provider)
        stock = _stock(app, provider, now)
        if provider is not None and not stock:
            raise UnknownName(f"{provider}: nothing is stored")
    owners = {row.provider for row in (*stock.cards, *stock.overrides)}
    found = audit_stock(
        stock,
        now,
        max_age=timedelta(hours=max_age_hours),
        by_provider={owner: settings.thresholds(owner) for owner in owners},
        free={owner: table.free for owner, table in settings.provider.items()},
    )
    return Output(map(finding_json, found), partial(_show, found), 1 if found else 0)


def _stock(app: PricingSync, provider: str | None, now: datetime) -> Stock:
    # The usual queries raise an error for the rows that the audit looks for.
    connection = app.store._connection  # noqa: SLF001
    cards = raw_ledger.raw_cards(connection, provider)
    return Stock(
        cards=cards,
        overrides=raw_ledger.raw_overrides(connection, provider, at=now),
        overlaps=raw_ledger.overlaps(connection, provider),
        read_at=app.store.latest_successes(),
        unconfirmed=app.store.confirmations(provider).unconfirmed,
        peers=_peers(app, cards),
    )


def _peers(
    app: PricingSync, cards: Iterable[Statement | Unloadable]
) -> dict[tuple[str, str], Peers]:
    """The peers of each card; none if their rows cannot be read, which is a finding too."""
    models: dict[str, list[str]] = {}
    for card in cards:
        models.setdefault(card.provider, []).append(card.model)
    try:
        return {
            (owner, model): spread
            for owner, names in models.items()
            for model, spread in app.store.peers.peers(
                owner, names, app.settings.thresholds(owner)
            ).items()
        }
    except (TypeError, ValueError) as error:
        tables.err.print(f"not compared with peers: {error}")
        return {}


def finding_json(finding: Finding) -> dict[str, Any]:
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
    """A line for each finding; the models with the same finding share one."""
    if not found:
        tables.err.print("nothing is wrong")
    places: dict[str, list[str]] = {}
    for finding in found:
        places.setdefault(_text(finding), []).append(_place(finding))
    for text, named in places.items():
        tables.print_line(f"{text}: {', '.join(filter(None, named))}".removesuffix(": "), "    ")


def _text(finding: Finding) -> str:
    """`warning  venice: unconfirmed: held by mass_vanish; last confirmed 0.4 hours ago`."""
    detail = finding.detail
    if finding.rule == Check.UNCONFIRMED:
        reason, separator, when = detail.rpartition("; ")
        detail = f"{texts.short_reason(reason)}{separator}{when}"
    return f"{finding.severity.value:<7}  {finding.provider}: {finding.rule}: {detail}"


def _place(finding: Finding) -> str:
    return " ".join(filter(None, (finding.model, finding.meter)))
