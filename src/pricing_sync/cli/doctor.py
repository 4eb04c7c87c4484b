"""`providers` and `doctor`: the keys, answers, ages and plausibility of each provider."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import httpx
import typer

from pricing_sync import texts
from pricing_sync.app import PricingSync
from pricing_sync.background import Guard
from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables
from pricing_sync.cli.command import Output, command
from pricing_sync.cli.tables import Column, Fit
from pricing_sync.errors import (
    DeliveryFailed,
    PricingSyncError,
    PushFailed,
    StoreError,
    masked,
)
from pricing_sync.json_views.providers import ProviderRecord
from pricing_sync.notify.endpoints import Sender, endpoints_of
from pricing_sync.prices.age import is_ahead
from pricing_sync.prices.card_json import write_instant
from pricing_sync.prices.rates import Answer, Per, Rate, RateCard, Unreadable
from pricing_sync.push.sender import Sender as NodeSender
from pricing_sync.push.sender import Target, targets_of
from pricing_sync.scheduling.provider_states import ProviderFacts
from pricing_sync.serving.redis_server import RedisServer
from pricing_sync.settings import Settings
from pricing_sync.settings.origins import key_of
from pricing_sync.sources.http import http_client
from pricing_sync.sources.provider import Curated, Pin, Provider, read_answer
from pricing_sync.sources.providers import built_in
from pricing_sync.sync.access import ProviderAccess

#: Prices move by less than this factor, and a wrong unit is off by a thousand: between the two,
#: a person has to look.
_PLAUSIBLE = 10


@command
def providers(settings: Settings) -> Output:
    """The providers, their keys, and what is stored of each."""
    records = _provider_records(settings)
    return Output(records, partial(_show_providers, records))


def _show_providers(records: Sequence[ProviderRecord]) -> None:
    tables.print_table(
        (
            *("provider", Column("source", spare=True), Column("key", Fit.TEXT)),
            *(Column("priced", Fit.FIGURE), Column("unpriced", Fit.FIGURE, spare=True)),
            "last read",
        ),
        (
            (
                record.provider,
                record.source,
                _key_text(dict(record)),
                record.models.priced or "",
                record.models.unpriced or "",
                texts.minute(record.last_success) or "never",
            )
            for record in records
        ),
        empty="no providers",
    )


@command
def doctor(
    settings: Settings,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PROVIDER",
            help="By default those of the settings.",
            autocompletion=typed.complete_provider,
        ),
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every provider that is built in.")] = False,
    offline: Annotated[bool, typer.Option(help="Do not try to reach anybody.")] = False,
) -> Output:
    """Check the database, providers and nodes; store nothing.

    Of a provider: its key, its answer, its age, and a price known by hand. Webhooks are connected
    to, and to them and to people nothing is sent: `webhooks test` does that. Nodes that prices are
    pushed to are asked what they have, and Redis whether it answers.
    """
    own = names or (*settings.providers, *(built_in() if every else ()))
    report = asyncio.run(_examine(settings, list(dict.fromkeys(own)), offline=offline))
    return Output(report, partial(_show_report, report), 0 if report["healthy"] else 1)


def _provider_records(settings: Settings) -> list[ProviderRecord]:
    """The answer of the API for each provider, and where it is read. It needs no database."""
    try:
        with PricingSync(settings, create=False) as app:
            facts = ProviderFacts.of(app.store)
    except StoreError:
        facts = ProviderFacts()
    known, access = built_in(), ProviderAccess(settings)
    records = []
    for name in (*known, *sorted(facts.providers() - known.keys())):
        provider, state = known.get(name), facts.state(name, settings, access)
        url, page = (provider.url, provider.page) if provider else (None, None)
        records.append(
            ProviderRecord(**_key_json(provider) | dict(state), url=url, page=page),
        )
    return records


def _key_json(provider: Provider | None) -> dict[str, Any]:
    key = provider.key if provider else None
    variables = list(provider.variables) if provider else []
    return {
        "key_variables": list(key.variables) if key else [],
        "key_required": bool(key and key.required),
        "key_set": bool(key and key_of(key.variables)),
        "other_variables": {name: key_of((name,)) is not None for name in variables},
    }


def _key_text(record: dict[str, Any]) -> str:
    """`TOGETHER_API_KEY not set`, never the key."""
    if not record["key_variables"]:
        return "none needed"
    first = record["key_variables"][0]
    unset = [name for name, is_set in record["other_variables"].items() if not is_set]
    if unset:
        first += " and " + ", ".join(unset)
    if record["key_set"] and not unset:
        return f"{first} set"
    return f"{first} not set" + ("" if record["key_required"] else " (optional)")


async def _examine(settings: Settings, names: list[str], *, offline: bool) -> dict[str, Any]:
    """All checks. No reading is stored."""
    access = ProviderAccess(settings)
    access.check_scheduled()
    wanted = [access.provider(name) for name in names]
    database: dict[str, Any] = {"url": masked(settings.database), "ok": True, "problem": None}
    reads: dict[str, datetime] = {}
    ahead: dict[str, tuple[int, datetime]] = {}
    try:
        with PricingSync(settings, create=False) as app:
            database["schema"] = app.store.version
            reads, ahead = app.store.latest_successes(), app.store.cards_ahead()
    except StoreError as error:
        database |= {"ok": False, "problem": str(error)}
    answers = {} if offline else await access.probe(wanted)
    now = datetime.now(UTC)
    database["ahead"] = _ahead(reads, ahead, now)
    reports = [_report(provider, answers.get(provider.id), reads, access) for provider in wanted]
    endpoints = await asyncio.to_thread(_endpoints, settings, offline=offline)
    endpoints += await _nodes(settings, offline=offline)
    endpoints += await asyncio.to_thread(_redis, settings, offline=offline)
    return {
        "checked_at": write_instant(now),
        "database": database,
        "providers": reports,
        "endpoints": endpoints,
        "healthy": not database["ahead"]
        and not any(report["problems"] for report in reports)
        and not any(endpoint["problem"] for endpoint in endpoints),
    }


def _endpoints(settings: Settings, *, offline: bool) -> list[dict[str, Any]]:
    """Each webhook and address of messages, and why it could be sent nothing."""
    with ThreadPoolExecutor() as threads:
        found = endpoints_of(settings, os.environ, threads)
        problems = threads.map(partial(_problem, offline=offline), (one.sender for one in found))
        return [
            {"name": one.name, "kind": one.kind, "where": one.sender.where, "problem": problem}
            for one, problem in zip(found, problems, strict=True)
        ]


def _redis(settings: Settings, *, offline: bool) -> list[dict[str, Any]]:
    """The Redis of the settings, and why it cannot be used."""
    url, problem = settings.redis_url, None
    if url is None:
        return []
    try:
        server = RedisServer(url, Guard(lambda *_: None))
        if not offline:
            server.check()
    except PricingSyncError as error:
        problem = str(error)
    return [{"name": "redis", "kind": "redis", "where": masked(url), "problem": problem}]


async def _nodes(settings: Settings, *, offline: bool) -> list[dict[str, Any]]:
    """Each node that prices are pushed to, and why it could be pushed nothing."""
    targets, sender = targets_of(settings), NodeSender(settings, os.environ)
    if not targets:
        return []
    async with http_client() as client:
        problems = await asyncio.gather(
            *(_node_problem(sender, client, one, offline=offline) for one in targets)
        )
    return [
        {"name": one.name, "kind": one.kind, "where": one.node.url, "problem": problem}
        for one, problem in zip(targets, problems, strict=True)
    ]


async def _node_problem(
    sender: NodeSender, client: httpx.AsyncClient, target: Target, *, offline: bool
) -> str | None:
    try:
        await sender.check(client, target, offline=offline)
    except PushFailed as error:
        return str(error)
    return None


def _problem(sender: Sender, *, offline: bool) -> str | None:
    try:
        sender.check(offline=offline)
    except DeliveryFailed as error:
        return str(error)
    return None


def _ahead(
    reads: dict[str, datetime], cards: dict[str, tuple[int, datetime]], now: datetime
) -> list[str]:
    """What a clock that was ahead has dated in the future: readings, then prices."""
    found = [
        f"{name}: last read at {texts.minute(at)}, which is in the future: a clock was ahead, and"
        " the age of its prices is not known"
        for name, at in sorted(reads.items())
        if is_ahead(at, now)
    ]
    return found + [
        f"{name}: {count} price{'s' * (count != 1)} in force since the future (the latest"
        f" {texts.minute(latest)}): a clock was ahead, and they count as in force now"
        for name, (count, latest) in sorted(cards.items())
    ]


def _report(
    provider: Provider,
    answer: Any,
    reads: dict[str, datetime],
    access: ProviderAccess,
) -> dict[str, Any]:
    missing, read_at = access.missing_variables(provider), reads.get(provider.id)
    problems: list[str] = []
    check: str | None = None
    if isinstance(answer, PricingSyncError):
        problems.append(str(answer))
    elif answer is not None:
        try:
            check, doubts = _self_check(provider, answer)
            problems += doubts
        except PricingSyncError as error:
            problems.append(str(error))
    return {
        "provider": provider.id,
        **_key_json(provider),
        "missing": missing,
        "answered": answer is not None and not isinstance(answer, PricingSyncError),
        "last_read": write_instant(read_at) if read_at else None,
        "self_check": check,
        "problems": problems,
    }


def _self_check(provider: Provider, pages: tuple[bytes, ...]) -> tuple[str, list[str]]:
    """Decode the answer and compare it with the prices known by hand; a summary and problems."""
    answer = read_answer(provider, pages)
    unreadable = sum(isinstance(listing, Unreadable) for listing in answer.listings.values())
    problems = [f"{unreadable} of {len(answer.listings)} listings unreadable"] if unreadable else []
    said = [texts.number_of(len(answer.listings), "model")]
    if provider.pin is not None:
        words, doubt = _pinned(provider.pin, answer)
        said.append(words)
        problems += [f"{words}: has the unit changed?"] if doubt else []
    if provider.curated is not None:
        said.append(_curated(provider.curated, answer))
    if answer.ignored:
        said.append(f"not read: {texts.keys(answer.ignored)}")
    return "; ".join(said), problems


def _pinned(pin: Pin, answer: Answer) -> tuple[str, bool]:
    """The pinned price then and now, and whether it moved implausibly far."""
    known = Rate.of(pin.rate, Per.MILLION)
    listing = answer.listings.get(pin.model)
    now = listing.rates.get(pin.meter) if isinstance(listing, RateCard) else None
    words = f"{pin.model} {pin.meter} was {known} on {pin.read_on}, is {now or 'not listed'}"
    return words, now is not None and not known <= now * _PLAUSIBLE <= known * _PLAUSIBLE**2


def _curated(curated: Curated, answer: Answer) -> str:
    """How many prices equal those that a person read on the provider's page."""
    listed = [
        (card, listing)
        for model, card in curated.cards.items()
        if isinstance(listing := answer.listings.get(model), RateCard)
    ]
    same = sum(
        all(listing.rates.get(meter) == rate for meter, rate in card.rates.items())
        for card, listing in listed
    )
    return f"{same} of {len(listed)} prices as read on {curated.read_on} ({curated.page})"


def _show_report(report: dict[str, Any]) -> None:
    """The checks as a table, then the problems."""
    database = report["database"]
    state = f"schema {database['schema']}" if database["ok"] else database["problem"]
    tables.print_line(f"database {database['url']}: {state.removeprefix('database: ')}", "  ")
    tables.print_table(
        (
            *("provider", Column("key", Fit.TEXT), "answers", Column("last read", spare=True)),
            Column("self-check", Fit.TEXT, optional=True),
        ),
        (
            (
                entry["provider"],
                _key_text(entry),
                _answer_text(entry),
                _last_read(entry),
                entry["self_check"],
            )
            for entry in report["providers"]
        ),
        empty="no providers",
    )
    if report["endpoints"]:
        tables.print_table(
            ("sent to", "where", Column("can be sent", Fit.TEXT)),
            (
                (one["name"], one["where"], "no" if one["problem"] else "yes")
                for one in report["endpoints"]
            ),
            empty="",
        )
    for one in report["endpoints"]:
        if one["problem"]:
            tables.print_line(f"! {one['name']}: {one['problem']}", "  ")
    for problem in database["ahead"]:
        tables.print_line(f"! {problem}", "  ")
    for entry in report["providers"]:
        for problem in entry["problems"]:
            tables.print_line(f"! {problem}", "  ")


def _last_read(record: dict[str, Any]) -> str:
    read = record["last_read"]
    return texts.minute(datetime.fromisoformat(read)) if read else "never"


def _answer_text(entry: dict[str, Any]) -> str:
    if entry["answered"]:
        return "yes"
    if entry["missing"]:
        return "skipped"
    return "no" if entry["problems"] else "not asked"
