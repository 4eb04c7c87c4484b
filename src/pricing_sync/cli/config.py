"""`config`: every setting in force, and where it is set."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import typer
from pydantic import SecretStr

from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables
from pricing_sync.errors import SettingsError, UnknownName, masked
from pricing_sync.settings import (
    LangfuseNode,
    LiteLLMNode,
    ProviderSettings,
    PushSettings,
    Settings,
    WebhookSettings,
    load_settings,
)
from pricing_sync.settings.load import origins
from pricing_sync.settings.origins import key_of
from pricing_sync.settings.values import show_duration
from pricing_sync.sync.access import ProviderAccess
from pricing_sync.sync.catalogs import PREFIX as CATALOG
from pricing_sync.sync.exchange import ID as EXCHANGE
from pricing_sync.timetable import Plan, Window

#: Every setting, in the order shown. The tables [provider.ID] follow.
#: The settings that may have a password in them.
URLS = ("database", "redis_url")
GROUPS: Mapping[str, tuple[str, ...]] = {
    "schedule": (
        "enabled",
        "interval_hours",
        "providers",
        "first_delay_seconds",
        "time_zone",
        "window",
        "jitter",
        "retry",
        "dry_run",
        "engine",
        "at_once",
        "lease_seconds",
        "stop_seconds",
    ),
    "reading": (
        "database",
        "migrate",
        "redis_url",
        "deadline_seconds",
        "max_megabytes",
        "max_models",
        "attempts",
        "evidence_days",
        "keep_days",
        "reference_hours",
        "reference_wait_seconds",
        "exchange_rates",
        "usage_drift",
        "book_file",
        "book_days",
    ),
    "service": (
        "host",
        "port",
        "export_upstream",
        "export_currency",
        "push",
        "webhook",
        "notify_events",
        "notify_digest",
        "public_url",
        "trigger_wait_seconds",
        "session_hours",
        "log_format",
        "log_level",
    ),
    "secrets": ("admin_token", "read_token", "export_secret", "sentry_dsn", "notify_urls"),
    "gate": ("gate",),
}

_DEFAULT = "default"


class Line(NamedTuple):
    """A setting, its value, and where it is set."""

    name: str
    value: Any
    origin: str


def config(
    context: typer.Context,
    *,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """Every setting in force and where it is set; no secrets."""
    given = {"database": database or context.obj}
    settings = load_settings(**given)
    written = origins(**given)
    groups = {name: list(_lines(settings, name, written)) for name in GROUPS}
    by_provider = {
        provider_id: list(_provider_lines(settings, provider_id, written))
        for provider_id in dict.fromkeys((*settings.providers, *settings.provider))
    }
    if as_json:
        tables.print_json(
            {name: _record(lines) for name, lines in groups.items()}
            | {"providers": {name: _record(lines) for name, lines in by_provider.items()}}
        )
        _refuse_problems(by_provider)
        return
    for title, lines in (
        *groups.items(),
        *((f"provider {name}", lines) for name, lines in by_provider.items()),
    ):
        tables.print_line(title)
        for name, value, origin in lines:
            tables.print_line(f"  {name} = {_text(value)} ({origin})")
    _refuse_problems(by_provider)


def _refuse_problems(by_provider: Mapping[str, Iterable[Line]]) -> None:
    """Raise SettingsError for the ids that are no providers, after everything was shown."""
    problems = [
        f"{line.origin}: {line.value}"
        for lines in by_provider.values()
        for line in lines
        if line.name == "problem"
    ]
    if problems:
        raise SettingsError("; ".join(problems))


def _lines(settings: Settings, group: str, written: Mapping[str, str]) -> Iterator[Line]:
    for name in GROUPS[group]:
        value = getattr(settings, name)
        if name == "gate":
            yield from _gate_lines(value, "gate", written)
        elif name == "webhook":
            yield _line(name, tuple(map(_webhook_text, value)), (name,), written)
        elif name == "push":
            yield from _push_lines(value, written)
        elif name == "retry":
            yield from _retry_lines(settings.plan(""), ("retry",), written)
        elif group == "secrets":
            yield _line(name, _length(value), (name,), written)
        else:
            yield _line(name, masked(value) if name in URLS and value else value, (name,), written)


def _provider_lines(
    settings: Settings, provider_id: str, written: Mapping[str, str]
) -> Iterator[Line]:
    """The plan of a provider: each part from its own table, else from the general settings."""
    own = f"provider.{provider_id}"
    table = settings.provider.get(provider_id, ProviderSettings())
    base_url = None if table.base_url is None else masked(table.base_url)
    yield _line("base_url", base_url, (f"{own}.base_url",), written)
    if provider_id.startswith(CATALOG) or provider_id == EXCHANGE:
        return
    plan = settings.plan(provider_id)
    if plan.cron is None:
        yield _line("every", plan.every, (f"{own}.every", "interval_hours"), written)
    else:
        yield _line("cron", plan.cron, (f"{own}.cron",), written)
    for name in ("time_zone", "window", "jitter", "dry_run", "priority"):
        yield _line(name, getattr(plan, name), (f"{own}.{name}", name), written)
    yield from _retry_lines(plan, (f"{own}.retry", "retry"), written)
    yield _line("free", table.free, (f"{own}.free",), written)
    yield from _gate_lines(table.gate, f"{own}.gate", written)
    yield from _key_lines(settings, provider_id, own, written)


def _retry_lines(plan: Plan, tables: Sequence[str], written: Mapping[str, str]) -> Iterator[Line]:
    retry = plan.retry
    parts = {
        "initial": retry.initial,
        "factor": retry.factor,
        "max": retry.longest,
        "attempts": retry.attempts,
        "jitter": retry.jitter,
    }
    for name, value in parts.items():
        yield _line(f"retry.{name}", value, [f"{table}.{name}" for table in tables], written)


def _push_lines(push: PushSettings, written: Mapping[str, str]) -> Iterator[Line]:
    """The nodes that prices are pushed to, and whether their variables are set."""
    nodes: dict[str, Sequence[LiteLLMNode | LangfuseNode]] = {
        "push.litellm": push.litellm,
        "push.langfuse": push.langfuse,
    }
    for name, listed in nodes.items():
        yield _line(name, tuple(map(_node_text, listed)), (name, "push"), written)


def _node_text(node: LiteLLMNode | LangfuseNode) -> str:
    variables = [value for name, value in node if name.endswith("_env")]
    missing = [variable for variable in variables if key_of((variable,)) is None]
    return f"{node.target} at {node.url}" + "".join(f", {name} not set" for name in missing)


def _webhook_text(webhook: WebhookSettings) -> str:
    """Its name and where it is, without what may be secret in its address."""
    variables = [name for name in (webhook.url_env, webhook.secret_env) if name is not None]
    missing = [variable for variable in variables if key_of((variable,)) is None]
    where = f"${webhook.url_env}" if webhook.url is None else _origin(webhook.url)
    return f"{webhook.name} at {where}" + "".join(f", {name} not set" for name in missing)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _gate_lines(gate: Mapping[str, Any], table: str, written: Mapping[str, str]) -> Iterator[Line]:
    """The thresholds that are set. The others have the defaults of docs/gate.md."""
    for name, value in gate.items():
        within = f"{table}.{name}."
        found = [origin for place, origin in written.items() if f"{place}.".startswith(within)]
        yield Line(f"gate.{name}", value, ", ".join(dict.fromkeys(found)))


def _key_lines(
    settings: Settings, provider_id: str, own: str, written: Mapping[str, str]
) -> Iterator[Line]:
    """Whether the variables of a provider are set, without their values.

    Of a provider that is none, where its id stands.
    """
    try:
        provider = ProviderAccess(settings).provider(provider_id)
    except UnknownName as error:
        tables = (where for place, where in written.items() if place.startswith(f"{own}."))
        yield Line("problem", str(error), next(tables, written.get("providers", _DEFAULT)))
        return
    key_variables = provider.key.variables if provider.key else ()
    for variable in (*key_variables, *provider.variables):
        is_set = key_of((variable,)) is not None
        yield Line(variable, "set" if is_set else "not set", variable if is_set else _DEFAULT)


def _line(name: str, value: Any, places: Sequence[str], written: Mapping[str, str]) -> Line:
    """The value with the first of *places* in which something is set."""
    origin = next((written[place] for place in places if place in written), _DEFAULT)
    return Line(name, _plain(value), origin)


def _length(secret: SecretStr | None) -> str:
    return "not set" if secret is None else f"set ({len(secret)} characters)"


def _plain(value: Any) -> Any:
    """The value as JSON, in the form that a person writes."""
    if isinstance(value, timedelta):
        return show_duration(value)
    if isinstance(value, Window | Path):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _record(lines: Iterable[Line]) -> dict[str, Any]:
    return {line.name: {"value": line.value, "from": line.origin} for line in lines}


def _text(value: Any) -> str:
    if value is None or value == ():
        return "not set"
    if isinstance(value, tuple):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
