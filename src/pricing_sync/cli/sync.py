"""`sync`: read providers now, or recorded answers, and show what changed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from pricing_sync import texts
from pricing_sync.app import PricingSync
from pricing_sync.changes.diff import Kind
from pricing_sync.changes.held import HeldChange
from pricing_sync.changes.run import NEW_KEYS, Outcome, Reading, run_summary
from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables
from pricing_sync.cli.command import Output, creating_command
from pricing_sync.cli.runs import catalog_lines
from pricing_sync.cli.tables import Column, Fit
from pricing_sync.errors import SettingsError
from pricing_sync.json_views.runs import FinishedRun, ReadingChanges
from pricing_sync.scheduling.runs import OnReading, RunResult
from pricing_sync.sync.reading import ReadingResult
from pricing_sync.sync.recorded import RecordedAnswer

EXIT_CODES = {Outcome.SUCCESS: 0, Outcome.FAILED: 1, Outcome.SKIPPED: 1, Outcome.PARTIAL: 3}
#: So many held changes of one reading are shown one by one.
_FEW = 3
#: What is counted of a reading: its listings, then what was done about its models.
_COUNTS = ("priced", "unpriced", "unreadable", "added", "changed", "returned", "missing", "retired")


@creating_command
def sync(
    app: PricingSync,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PROVIDER",
            help="The providers to read. By default PRICING_SYNC_PROVIDERS, without those whose key"
            " is not set.",
            autocompletion=typed.complete_provider,
        ),
    ] = None,
    *,
    dry_run: typed.DryRun = False,
    answer: Annotated[
        list[Path] | None,
        typer.Option(
            "--answer",
            metavar="FILE",
            help="Read this recorded answer instead of asking. Repeat for several days.",
        ),
    ] = None,
    at: Annotated[
        list[datetime] | None,
        typer.Option(
            "--at",
            parser=typed.instant,
            metavar="TIME",
            help="When the recorded answer was recorded; one for each --answer.",
        ),
    ] = None,
) -> Output:
    """Read price lists now and store what changed."""
    answers = _answers(answer or [], at or [])
    if answers:
        if len(names or []) != 1:
            raise SettingsError("--answer: name the one provider whose answer it is")
        (provider,) = names or []
        with _progress(len(answers)) as on_reading:
            work = app.replay(
                provider, answers, dry_run=dry_run, started_by="cli", on_reading=on_reading
            )
            run = asyncio.run(work)
    else:
        wanted = list(names or _with_keys(app))
        with _progress(len(wanted)) as on_reading:
            sync_now = app.sync(wanted, dry_run=dry_run, started_by="cli", on_reading=on_reading)
            run = asyncio.run(sync_now)
        for line in catalog_lines(app.status()["catalogs"]):
            tables.err.print(line)
    readings = [ReadingChanges.of(result.reading, result.plan) for result in run.results]
    view = FinishedRun(**run_summary(*app.store.run(run.id)), readings=readings)
    return Output(view, partial(show_run, run), _exit_code(run))


def _exit_code(run: RunResult) -> int:
    """A provider that was named is not passed over: without its key the run is partly done."""
    is_skipped = any(result.reading.is_skipped for result in run.results)
    is_partial = run.outcome is Outcome.SUCCESS and is_skipped
    return EXIT_CODES[Outcome.PARTIAL if is_partial else run.outcome]


def _answers(files: list[Path], instants: list[datetime]) -> list[RecordedAnswer]:
    if instants and len(instants) != len(files):
        raise SettingsError(f"--at: {len(instants)} given for {len(files)} --answer")
    if len(files) > 1 and not instants:
        raise SettingsError("--at: say for each --answer when it was recorded")
    try:
        bodies = [file.read_bytes() for file in files]
    except OSError as error:
        raise SettingsError(f"--answer: {error.filename}: {error.strerror}") from None
    recorded: list[datetime | None] = [*instants] or [None] * len(files)
    return [
        RecordedAnswer(body, at, file.name)
        for body, at, file in zip(bodies, recorded, files, strict=True)
    ]


def _with_keys(app: PricingSync) -> list[str]:
    """The providers of the settings whose variables are set; the others are named and left out."""
    ready = []
    for name in app.settings.providers:
        missing = app.access.missing_variables(app.access.provider(name))
        if missing:
            tables.err.print(f"{name}: not asked: {', '.join(missing)} is not set")
        else:
            ready.append(name)
    if not ready:
        raise SettingsError("no provider can be asked: set a key, or name a provider")
    return ready


@contextmanager
def _progress(total: int) -> Iterator[OnReading]:
    with tables.progress("reading", total) as advance:
        yield lambda result: advance(result.reading.provider)


def show_run(run: RunResult) -> None:
    """A run as a table, then its errors and every change that it made or held."""
    tables.print_table(
        (
            Column("provider"),
            Column("status"),
            *(Column(name, Fit.FIGURE, optional=True) for name in (*_COUNTS, "held")),
        ),
        (_counts_row(result) for result in run.results),
        empty="nothing was read",
    )
    lines = [
        line
        for result in run.results
        for line in (*change_lines(result), *unread_lines(result.reading))
    ]
    if lines:
        tables.print_line("")
        tables.print_block(lines, " " * 12)
    tables.print_line("")
    tables.print_line(f"{run.outcome.value} in {run.duration_seconds:.1f} s, run {run.id}")


def _counts_row(result: ReadingResult) -> list[object]:
    reading = result.reading
    counts = {**reading.listings, **reading.changes}
    counts["unreadable"] = counts.get("unreadable", 0) + counts.get("nameless", 0)
    status = reading.status.value + (" (dry run)" if reading.dry_run else "")
    return [reading.provider, status, *(counts.get(name) or "" for name in (*_COUNTS, "held"))]


def change_lines(result: ReadingResult) -> list[str]:
    """The error of a reading, or each of its changes; new models are only counted."""
    provider, plan = result.reading.provider, result.plan
    if result.reading.error:
        return [f"  {result.reading.status.value:9} {result.reading.error}"]
    lines = [
        f"  {change.kind.value:9} {provider} {change.model}: {texts.change(change.old, change.new)}"
        for change in plan.apply
        if change.kind is not Kind.ADDED
    ]
    lines += [
        f"  missing   {provider} {model}: not listed; kept until it is missed again"
        for model in plan.missing
    ]
    lines += [f"  retired   {provider} {model}: not listed twice" for model in plan.retire]
    lines += [f"  back      {provider} {model}: listed again" for model in plan.back]
    lines += [
        f"  scheduled {provider} {change.model}: from {texts.minute(change.starts_at)},"
        f" {texts.change(change.old, change.new)}"
        for change in plan.scheduled.added
    ]
    lines += [
        f"  withdrawn {provider} {model}: what was scheduled from {texts.minute(starts_at)}"
        for model, starts_at in plan.scheduled.withdrawn
    ]
    return lines + _held_lines(provider, [*plan.hold, *plan.scheduled.hold])


def unread_lines(reading: Reading) -> list[str]:
    """The price keys of an answer that are not read, the most frequent first."""
    if not reading.ignored:
        return []
    new = reading.changes.get(NEW_KEYS, 0)
    flag = f" ({new} new)" if new else ""
    return [f"  not read  {reading.provider}: {texts.keys(reading.ignored)}{flag}"]


def _held_lines(provider: str, held: Sequence[HeldChange]) -> list[str]:
    """The first few held changes, and how many more there are."""
    lines = [
        f"  held      {provider} {item.change.model}: "
        f"{texts.change(item.change.old, item.change.new)} [{texts.rule_names(item.reasons)}]"
        for item in held[:_FEW]
    ]
    more = len(held) - len(lines)
    return lines + ([f"  held      {provider}: and {more} more like these"] if more else [])
