"""Runs and the schedule: `runs`, `status` and `cancel`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any

import typer

from pricing_sync import texts
from pricing_sync.app import PricingSync
from pricing_sync.changes.run import NEW_KEYS, Reading, Run
from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables
from pricing_sync.cli.command import Output, command
from pricing_sync.cli.tables import Column, Fit
from pricing_sync.cli.webhooks import webhook_line
from pricing_sync.json_views.providers import Status
from pricing_sync.json_views.runs import RunRecord
from pricing_sync.scheduling.run_steps import step_states

#: So many models that drift are named in the status.
_FEW_DRIFTING = 3


@command
def runs(
    app: PricingSync,
    *,
    limit: typed.Limit = 20,
    before: Annotated[
        str | None, typer.Option(metavar="RUN", help="Go on from this run, itself left out.")
    ] = None,
) -> Output:
    """The last runs: what was read, and what became of it."""
    found = app.store.runs(limit, before)
    views = [_view(app, run, readings) for run, readings in found]
    return Output(views, partial(_show_runs, found))


def _view(app: PricingSync, run: Run, readings: Sequence[Reading]) -> RunRecord:
    return RunRecord.of(run, readings, step_states(app.store, run, readings))


def _show_runs(found: Sequence[tuple[Run, Sequence[Reading]]]) -> None:
    tables.print_table(
        ("started", "run", "by", "outcome", Column("readings and changes", Fit.TEXT)),
        (
            (
                texts.minute(run.started_at),
                run.id,
                run.started_by,
                (run.outcome.value if run.outcome else "unfinished")
                + (" (dry run)" if run.dry_run else ""),
                _summary(readings),
            )
            for run, readings in found
        ),
        empty="no runs yet",
    )


def _summary(readings: Sequence[Reading]) -> str:
    """`3 read, 1 failed (together); 2 changed, 1 held; 1 price keys not read`."""
    counts = Counter(reading.status.value for reading in readings)
    failed = [reading.provider for reading in readings if reading.is_failed]
    changes: Counter[str] = Counter()
    for reading in readings:
        changes.update(reading.changes)
    new = changes.pop(NEW_KEYS, 0)
    unread = sum(len(reading.ignored) for reading in readings)
    names = f" ({', '.join(failed)})" if failed else ""
    keys = f"{unread} price keys not read" + (f", {new} new" if new else "") if unread else ""
    return "; ".join(filter(None, (texts.counted(counts) + names, texts.counted(changes), keys)))


@command
def status(app: PricingSync) -> Output:
    """Whether a service reads on schedule, and what is due next."""
    found = app.status()
    return Output(Status.model_validate(found), partial(_show_status, found))


def _show_status(found: dict[str, Any]) -> None:
    tables.print_line(_headline(found))
    tables.print_table(
        (
            *("provider", "last read", "next", Column("failures", Fit.FIGURE, optional=True)),
            *(Column("now", optional=True), Column("plan", Fit.TEXT)),
            Column("keys not read", Fit.FIGURE, optional=True),
        ),
        (_status_row(found, name) for name in found["providers"]),
        empty="no providers",
    )
    skipped = (f"skipped: {why}" for why in found["skipped"].values())
    for line in (*map(_worker_text, found["workers"]), *skipped):
        tables.print_line(line, "  ")
    for line in catalog_lines(found["catalogs"]):
        tables.print_line(line, "  ")
    sent = (*map(push_line, found["pushes"]), *map(webhook_line, found["webhooks"]))
    for line in filter(None, sent):
        tables.print_line(line, "  ")
    for entry in found["overrides_ending"]:
        meters = ", ".join(entry["meters"])
        tables.print_line(
            f"override of {entry['provider']} {entry['model']} ({meters}) ends"
            f" {_short(entry['until'])}",
            "    ",
        )
    for item in found["ending"]:
        tables.print_line(_ending_text(item))
    for item in found["scheduled"]:
        tables.print_line(
            f"another price of {item['provider']} {item['model']} from {_short(item['at'])}", "    "
        )
    drifting = found["drifting"]
    for item in drifting[:_FEW_DRIFTING]:
        tables.print_line(
            f"{item['provider']} {item['model']} reports {item['reported_cost']} for"
            f" {item['cost']} {item['currency']} of ours in the last day: see `pricing-sync"
            " reconcile`",
            "    ",
        )
    if len(drifting) > _FEW_DRIFTING:
        tables.print_line(f"and {len(drifting) - _FEW_DRIFTING} more models that drift", "    ")
    if found["unpriced"]:
        requests = sum(item["requests"] for item in found["unpriced"])
        models = len({(item["provider"], item["model"]) for item in found["unpriced"]})
        tables.print_line(
            f"without a price in the last 7 days: {requests} request{'s' * (requests != 1)} of"
            f" {models} model{'s' * (models != 1)}: see `pricing-sync unpriced`",
            "    ",
        )


def catalog_lines(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The reference catalogs that are due or whose last read failed, how old they are, and why."""
    return [
        f"catalog {name}: {texts.age(catalog['age_seconds'])}:"
        f" {catalog['error'] or 'due, and the next reading waits for it'}"
        for name, catalog in found.items()
        if catalog["error"] or catalog["waits"]
    ]


def push_line(push: Mapping[str, Any]) -> str:
    """`push litellm-1: behind since …: why`; empty for a node that has the prices in force."""
    if not push["is_behind"]:
        return ""
    since = push["behind_since"]
    line = f"push {push['target']}: behind" + (f" since {_short(since)}" if since else "")
    return f"{line}: {push['error']}" if push["error"] else line


def _worker_text(worker: dict[str, Any]) -> str:
    """`worker node-3:1201 reads, last seen 12:00`."""
    state = "reads" if worker["is_alive"] else "is gone"
    return f"worker {worker['process']} {state}, last seen {_short(worker['last_seen'])}"


def _ending_text(item: dict[str, Any]) -> str:
    """`openrouter openai/gpt-5.2-chat ends on 2026-08-10, in 20 days; its successor is …`."""
    left = f"in {item['days']} day{'s' * (item['days'] != 1)}"
    successor = f"; its successor is {item['replaced_by']}" if item["replaced_by"] else ""
    return f"{item['provider']} {item['model']} ends on {item['ends_on']}, {left}{successor}"


def _headline(found: dict[str, Any]) -> str:
    if not found["running"]:
        return "no service reads on schedule now"
    return f"a service reads on schedule, since {_short(found['leader']['since'])}"


def _status_row(found: dict[str, Any], name: str) -> Sequence[object]:
    due = found["next_syncs"].get(name, {})
    last = found["last_syncs"].get(name)
    return (
        name,
        _short(last["timestamp"]) if last else "never",
        _short(due["timestamp"]) + (" (retry)" if due["is_retry"] else "") if due else "",
        due.get("failures") or "",
        ", ".join(item["state"] for item in found["active"] if item["provider"] == name),
        texts.plan(due.get("plan", "")),
        len(found["unread_price_keys"].get(name, ())) or "",
    )


def _short(timestamp: str) -> str:
    """An instant of the status, to the minute."""
    return f"{timestamp[:16].replace('T', ' ')}Z"


@command
def cancel(
    app: PricingSync,
    *,
    run: Annotated[str, typer.Argument(metavar="RUN", help="As `runs` shows it.")],
) -> Output:
    """Cancel a run that is queued or in progress."""
    cancelled = asyncio.run(app.cancel(run))
    outcome = cancelled.outcome or "its readings are being stopped"
    return Output(
        _view(app, *app.store.run(cancelled.id)),
        lambda: tables.print_line(f"run {cancelled.id}: {outcome}"),
    )
