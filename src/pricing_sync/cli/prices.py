"""The commands that read the ledger: prices, their history, what moved, what a usage costs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from pricing_sync import texts
from pricing_sync.app import PricingSync
from pricing_sync.changes.diff import Change, Kind
from pricing_sync.changes.scheduled import known_listing
from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables
from pricing_sync.cli.command import Output, command
from pricing_sync.cli.tables import Column, Fit
from pricing_sync.errors import NoPrice, SettingsError, UnknownName
from pricing_sync.json_views.changes import AppliedChange
from pricing_sync.json_views.prices import Card, PriceShape
from pricing_sync.prices.age import age_seconds
from pricing_sync.prices.book import Price
from pricing_sync.prices.card_json import write_instant, write_rates
from pricing_sync.prices.cost import Cost, Item
from pricing_sync.prices.cost import cost as cost_of
from pricing_sync.prices.exchange import ExchangeRate
from pricing_sync.prices.rates import Meter, RateCard, Unpriced
from pricing_sync.prices.reported_usage import CONVENTIONS
from pricing_sync.prices.statements import ModelState, Statement
from pricing_sync.prices.usage import Usage
from pricing_sync.store.changes import LedgerChange

_LATELY = timedelta(days=30)
#: The meters that have a column of their own; the others are counted unless `--wide` is given.
_COMMON = (Meter.INPUT, Meter.OUTPUT, Meter.CACHE_READ, Meter.CACHE_WRITE)


@command
def prices(
    app: PricingSync,
    provider: typed.OneProvider = None,
    model: typed.OneModel = None,
    *,
    wide: Annotated[
        bool,
        typer.Option("--wide", help="A column for each meter, and every condition, however wide."),
    ] = False,
    at: typed.At = None,
    known_at: typed.KnownAt = None,
) -> Output:
    """The prices in force, overrides included.

    A unit is what the meter counts: a token, or an image, a request, a search, a character, a
    second, a page. With PROVIDER and MODEL, all of that model's rates and conditions.
    """
    provider = _require_known(app, provider, model)
    found = app.prices(provider, model, at=at, known_at=known_at)
    cardless = [] if at or known_at else app.models_without_card(provider, model)
    # A person may have priced a model that is listed without a card.
    priced = {(price.provider, price.model) for price in found}
    without = [state for state, _ in cardless if (state.provider, state.model) not in priced]
    entries: list[Price | ModelState] = [*found, *without]
    entries.sort(key=lambda entry: (entry.provider, entry.model))
    now = datetime.now(UTC)
    views = (PriceShape.of(entry, now) for entry in entries)
    if model is not None and len(found) == 1:
        return Output(views, partial(_show_price, found[0]))
    return Output(views, partial(_show_prices, found, without, wide=wide))


def _require_known(app: PricingSync, name: str | None, model: str | None) -> str | None:
    """The provider's id. Raises UnknownName for one, or a model, that the ledger never had."""
    if name is None:
        return None
    provider = app.provider_id(name)
    target = model and app.store.names.target(provider, model)
    if not (
        app.store.model_states(provider, target or model)
        or app.store.overrides(provider, target or model)
    ):
        missing = f"{provider}: {model}" if model else provider
        raise UnknownName(f"{missing}: not in the ledger")
    return provider


def _show_price(price: Price) -> None:
    which = f", which is {price.resolved_to}" if price.resolved_to else ""
    tables.print_whole(f"{price.provider} {price.model}{which}")
    tables.print_block(card_lines(price), "    ")


def _show_prices(found: Sequence[Price], without: Sequence[ModelState], *, wide: bool) -> None:
    """Each provider's models: with a price in a table, the others by the reason for having none."""
    names = sorted({*(price.provider for price in found), *(state.provider for state in without)})
    if not names:
        tables.err.print("no prices")
    for name in names:
        prices_ = [price for price in found if price.provider == name]
        _show_provider(name, prices_, wide=wide)
        without_ = [state for state in without if state.provider == name]
        for line in (*_lines_in_doubt(prices_), *_lines_without_price(prices_, without_)):
            tables.print_line(line, "  ")
        if name != names[-1]:
            tables.print_line("")


def _show_provider(provider: str, found: Sequence[Price], *, wide: bool) -> None:
    priced = [(price, price.listing) for price in found if isinstance(price.listing, RateCard)]
    currencies = sorted({card.currency for _, card in priced})
    unit = f", {' or '.join(currencies)} per million units" if currencies else ""
    tables.print_line(
        f"{provider}: {len(priced)} model{'s' * (len(priced) != 1)} with a price{unit}"
    )
    if not priced:
        return
    meters = [
        meter
        for meter in (Meter if wide else _COMMON)
        if meter in _COMMON or any(meter in card.rates for _, card in priced)
    ]
    tables.print_table(
        (
            Column("model", Fit.ID),
            *(Column(meter.replace("_", "\n", 1), Fit.FIGURE) for meter in meters),
            Column("currency", optional=True),
            Column("more", optional=True),
            Column("since", spare=True),
            Column("source", optional=True),
        ),
        (
            (
                price.model,
                *(texts.usual_rate(card, meter) for meter in meters),
                card.currency if len(currencies) > 1 else "",
                "; ".join(_condition_lines(card)) if wide else _more(card),
                texts.day(price.since),
                price.source if wide else "",
            )
            for price, card in priced
        ),
        empty="",
        is_whole=wide,
    )


def _more(card: RateCard) -> str:
    """`+3`: how many rates and conditions have no column."""
    hidden = sum(meter not in _COMMON for meter in card.rates) + len(card.conditional_rates)
    return f"+{hidden}" if hidden else ""


def _lines_in_doubt(found: Sequence[Price]) -> Iterator[str]:
    """`held by band, last confirmed …: maker/a`: the prices that the provider does not confirm."""
    models: dict[str, list[str]] = {}
    for price in found:
        if price.doubt is not None:
            reason = f"{texts.short_reason(price.doubt)}, {_last_confirmed(price.confirmed_at)}"
            models.setdefault(reason, []).append(price.model)
    yield from (f"{reason}: {', '.join(names)}" for reason, names in models.items())


def _last_confirmed(at: datetime | None) -> str:
    return f"last confirmed {texts.minute(at)}" if at else "never confirmed"


def _lines_without_price(found: Sequence[Price], without: Sequence[ModelState]) -> Iterator[str]:
    """`no price, varies: openrouter/auto`: for each reason, the models that have none."""
    models: dict[str, list[str]] = {}
    for price in found:
        if isinstance(price.listing, Unpriced):
            reason = f"no price, {price.listing.why.replace('_', ' ')}"
            models.setdefault(reason, []).append(price.model)
    for state in without:
        models.setdefault(texts.short_reason(state.reason or ""), []).append(state.model)
    yield from (f"{reason}: {', '.join(names)}" for reason, names in models.items())


def _condition_lines(card: RateCard) -> Iterator[str]:
    for entry in card.conditional_rates:
        rates = ", ".join(f"{meter} {rate}" for meter, rate in write_rates(entry.rates).items())
        yield f"when {texts.condition(entry.when)}: {rates}"


def card_lines(price: Price) -> Iterator[str]:
    """One model's price in full, a rate on each line."""
    card = price.listing
    if not isinstance(card, RateCard):
        yield f"  no price: {card}"
    else:
        yield f"  {card.currency} per million units"
        yield from _rate_lines(write_rates(card.rates), "  ")
        for entry in card.conditional_rates:
            yield f"  when {texts.condition(entry.when)}"
            yield from _rate_lines(write_rates(entry.rates), "    ")
    yield f"  since {texts.minute(price.since)}, from {price.source}"
    if price.doubt is not None:
        yield f"  {price.doubt}, {_last_confirmed(price.confirmed_at)}"
    elif price.confirmed_at is not None:
        yield f"  confirmed {texts.minute(price.confirmed_at)}"
    if price.notice is not None:
        yield f"  {texts.notice(price.notice)}"
    before = price.listing
    for later in price.scheduled:
        listing = known_listing(later)
        yield f"  scheduled from {texts.minute(later.since)}: {texts.change(before, listing)}"
        before = listing


def _rate_lines(rates: Mapping[str, str], indent: str) -> Iterator[str]:
    name_width = max(map(len, rates), default=0)
    figure_width = max(map(len, rates.values()), default=0)
    for name, rate in rates.items():
        yield f"{indent}{name:{name_width}}  {rate:>{figure_width}}"


@command
def history(
    app: PricingSync,
    provider: typed.ProviderName,
    model: typed.ModelName,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Superseded rows too, with when each was known.")
    ] = False,
) -> Output:
    """How the price of a model moved, with its evidence."""
    found = app.history(app.provider_id(provider), model, everything=everything)
    show = _show_superseded if everything else _show_history
    return Output(map(Card.of_statement, found), partial(show, found))


def _show_history(found: Sequence[Statement]) -> None:
    currency = next((s.listing.currency for s in found if isinstance(s.listing, RateCard)), None)
    if currency:
        tables.print_line(f"{currency} per million units")
    tables.print_table(
        (Column("since"), Column("price", Fit.TEXT), Column("evidence")),
        _history_rows(found),
        empty="no history",
    )


def _history_rows(found: Sequence[Statement]) -> Iterator[Sequence[str]]:
    """Each card with what moved, and each end of a card that no other one follows at once."""
    before: Statement | None = None
    for statement in found:
        if before is not None and before.until != statement.since:
            yield _end_row(before)
            before = None
        old = before.listing if before else None
        yield (
            texts.instant(statement.since),
            texts.change(old, statement.listing),
            _evidence(statement),
        )
        before = statement
    if before is not None and before.until is not None:
        yield _end_row(before)


def _end_row(statement: Statement) -> Sequence[str]:
    return texts.instant(statement.until), "no longer listed", ""


def _show_superseded(found: Sequence[Statement]) -> None:
    """Two lines a row: what was true when, and when it was known."""
    for statement in found:
        until = texts.instant(statement.until) or "now"
        superseded = texts.instant(statement.superseded_at) or "now"
        tables.print_line(
            f"{texts.instant(statement.since)} to {until}: {texts.listing(statement.listing)}", "  "
        )
        tables.print_line(
            f"  known {texts.instant(statement.recorded_at)} to {superseded},"
            f" from {_evidence(statement)}",
            "    ",
        )


def _evidence(statement: Statement) -> str:
    is_scheduled = statement.since > max(datetime.now(UTC), statement.recorded_at)
    mark = "scheduled, " if is_scheduled else ""
    return f"{mark}{statement.source} {(statement.digest or '')[:12]}".rstrip()


@command
def changes(
    app: PricingSync,
    *,
    since: Annotated[
        datetime | None, typed.instant_option("--since", "By default 30 days ago.")
    ] = None,
    provider: typed.OfProvider = None,
    model: typed.OfModel = None,
    added: Annotated[
        bool, typer.Option("--added", help="The first prices of new models too.")
    ] = False,
    scheduled: Annotated[
        bool, typer.Option("--scheduled", help="Instead: what is to move, the next one first.")
    ] = False,
    limit: typed.Limit = 50,
) -> Output:
    """What moved across all models, newest first."""
    begin = since or datetime.now(UTC) - _LATELY
    provider = _require_known(app, provider, model if provider else None)
    found = (
        app.scheduled(provider, model)
        if scheduled
        else app.changes(
            begin, provider=provider, model=model, include_added=added, limit=limit + 1
        )
    )
    show = _show_scheduled if scheduled else partial(_show_changes, begin)
    shown = partial(show, found[:limit], more=len(found) > limit)
    return Output(map(AppliedChange.of, found[:limit]), shown)


def _show_changes(begin: datetime, shown: Sequence[LedgerChange], *, more: bool) -> None:
    _show_moves(shown, f"nothing moved since {texts.minute(begin)}")
    if more:
        tables.err.print(f"and older ones: give --limit, or --since after {texts.minute(begin)}")


def _show_scheduled(shown: Sequence[LedgerChange], *, more: bool) -> None:
    _show_moves(shown, "nothing is scheduled")
    if more:
        tables.err.print("and later ones: give --limit")


def _show_moves(shown: Sequence[LedgerChange], empty: str) -> None:
    tables.print_table(
        ("since", Column("provider", Fit.ID), Column("model", Fit.ID), Column("change", Fit.TEXT)),
        (
            (texts.minute(entry.at), entry.provider, entry.change.model, _change_text(entry.change))
            for entry in shown
        ),
        empty=empty,
    )


def _change_text(change: Change) -> str:
    if change.kind is Kind.VANISHED:
        return "no longer listed"
    moved = texts.change(change.old, change.new)
    if change.kind in (Kind.CHANGED, Kind.SCHEDULED):
        return moved
    return f"{'new' if change.kind is Kind.ADDED else 'listed again'}: {moved}"


@command
def cost(
    app: PricingSync,
    provider: typed.ProviderName,
    model: typed.ModelName,
    used: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="METER=QUANTITY",
            help="What was used, such as input=10000 cache_read=8000 output=500. Totals: cached"
            " tokens are part of input, reasoning is part of output.",
        ),
    ] = None,
    *,
    usage_json: Annotated[
        Path | None,
        typer.Option(
            "--usage-json",
            metavar="FILE",
            help="Instead: a response of the provider, or its usage object, as JSON; - is standard"
            " input.",
        ),
    ] = None,
    convention: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="NAME",
            parser=typed.usage_convention,
            help=f"Who wrote the file: {', '.join(CONVENTIONS)}.",
        ),
    ] = None,
    tier: Annotated[
        str | None, typer.Option("--tier", help="The service tier, such as batch or flex.")
    ] = None,
    region: Annotated[str | None, typer.Option("--region", help="Where it was served.")] = None,
    currency: typed.Currency = None,
    at: typed.At = None,
    known_at: typed.KnownAt = None,
) -> Output:
    """What a usage costs, exactly, meter by meter.

    A meter without a rate is billed as another where that is sure not to be too low, and the table
    says as what; otherwise there is no price.
    """
    usage = _usage(used or [], usage_json, convention)
    usage = replace(usage, service_tier=tier or usage.service_tier, region=region or usage.region)
    when = at or datetime.now(UTC)
    provider = app.provider_id(provider)
    price = app.price(provider, model, at=at, known_at=known_at)
    if not isinstance(price.listing, RateCard):
        raise NoPrice(f"{provider}: {model}: no price is known: {price.reason}")
    try:
        result = cost_of(price.listing, usage, when)
        exchange = app.exchange_rate(result.currency, currency, when) if currency else None
    except NoPrice as error:
        raise NoPrice(f"{provider}: {model}: {error}") from None
    record = _cost_json(price, result, when)
    if exchange is not None:
        record["converted"] = _converted_json(exchange, result.total)
    return Output(record, partial(_show_cost, price, result, exchange))


def _show_cost(price: Price, result: Cost, exchange: ExchangeRate | None) -> None:
    tables.print_table(
        (
            Column("meter"),
            *(Column(name, Fit.FIGURE) for name in ("quantity", "per million", "amount")),
            Column("billed as", Fit.TEXT, optional=True),
        ),
        (
            (
                item.meter.value,
                item.quantity,
                item.rate,
                texts.plain_decimal(item.amount),
                _billed_as(item),
            )
            for item in result.items
        ),
        empty="nothing was used",
    )
    if price.resolved_to:
        tables.print_line(f"{price.model} is {price.resolved_to}")
    tables.print_line(f"{texts.plain_decimal(result.total)} {result.currency}")
    if exchange is not None:
        converted = texts.plain_decimal(exchange.convert(result.total))
        tables.print_line(f"{converted} {exchange.target}, at {exchange}")
    if price.doubt is not None:
        tables.err.print(f"{price.doubt}, {_last_confirmed(price.confirmed_at)}")


def _usage(used: Sequence[str], file: Path | None, convention: str | None) -> Usage:
    """The usage of the command line, or of a provider's response in a file."""
    if (file is None) is not bool(used):
        raise SettingsError("usage: give METER=QUANTITY, or --usage-json FILE")
    if (file is None) is not (convention is None):
        raise SettingsError("usage: --usage-json FILE and --as NAME belong together")
    try:
        if file is None or convention is None:
            quantities: dict[str, Any] = dict(typed.quantity(text) for text in used)
            return Usage(**quantities)
        text = sys.stdin.read() if file == Path("-") else file.read_text(encoding="utf-8")
        return Usage.reported_as(convention, json.loads(text))
    except (OSError, TypeError, ValueError) as error:
        raise SettingsError(f"usage: {str(error).removeprefix('usage: ')}") from None


def _billed_as(item: Item) -> str:
    """`2 × input`: whose rate it is, if not the meter's own in this service tier."""
    if item.rate_meter == item.meter:
        return "standard rate" if item.is_standard else ""
    times = f"{item.times} × " if item.times != 1 else ""
    return f"{times}{item.rate_meter}{', standard rate' if item.is_standard else ''}"


def _cost_json(price: Price, result: Cost, at: datetime) -> dict[str, Any]:
    """`cost --json`: the total and its items, with the card they were priced by."""
    return {
        "provider": price.provider,
        "model": price.model,
        "resolved_to": price.resolved_to,
        "at": write_instant(at),
        "total": texts.plain_decimal(result.total),
        "currency": result.currency,
        "items": [
            {
                "meter": item.meter.value,
                "quantity": item.quantity,
                "rate": str(item.rate),
                "rate_meter": item.rate_meter.value,
                "rate_times": item.times,
                "is_standard_rate": item.is_standard,
                "amount": texts.plain_decimal(item.amount),
            }
            for item in result.items
        ],
        "card": price.card_id,
        "source": price.source,
        "since": write_instant(price.since),
        "state": price.state.value if price.state else None,
        "reason": price.reason,
        "confirmed_at": write_instant(price.confirmed_at) if price.confirmed_at else None,
        "age_seconds": age_seconds(price.confirmed_at, datetime.now(UTC)),
    }


def _converted_json(exchange: ExchangeRate, total: Decimal) -> dict[str, Any]:
    """An amount in another currency, with the rate and the day of its publication."""
    return {
        "total": f"{exchange.convert(total):f}",
        "currency": exchange.target,
        "rate": f"{exchange.rounded():f}",
        "day": exchange.day.isoformat() if exchange.day else None,
        "source": "ECB",
    }
