"""The commands: words in, words out. What they do is done by `PricingSync`."""

from __future__ import annotations

import asyncio
import getpass
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from pricing_sync.app import PricingSync
from pricing_sync.changes.run import Outcome
from pricing_sync.cli import arguments as typed
from pricing_sync.cli import audit, backtest, config, output, peers, review, serve, status
from pricing_sync.cli import doctor as checks
from pricing_sync.cli.opened import open_app
from pricing_sync.demo.show import AGAIN_SECONDS, Demo, running
from pricing_sync.errors import NoPrice, SettingsError, UnknownName
from pricing_sync.json_views import (
    cardless_json,
    override_json,
    price_json,
    reported_json,
    run_json,
    statement_json,
)
from pricing_sync.observe.logs import configure
from pricing_sync.prices.cost import cost as cost_of
from pricing_sync.prices.rates import RateCard
from pricing_sync.prices.usage import Usage
from pricing_sync.scheduling.runs import OnReading, RunResult
from pricing_sync.settings import load_settings
from pricing_sync.sources import providers as registry
from pricing_sync.store import connect
from pricing_sync.sync.reading import ReadingResult
from pricing_sync.sync.recorded import RecordedAnswer
from pricing_sync.version import VERSION

cli = typer.Typer(
    name="pricing-sync",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Keeps the prices of LLM providers true: reads their own price lists, judges every change"
    " before it counts, and keeps the dated history.",
    epilog="Exit codes: 0 done; 1 failed; 2 bad input; 3 partly done.",
)
override_cli = typer.Typer(
    no_args_is_help=True, help="A person's rates, which win over whatever a provider says."
)

EXIT_CODES = {Outcome.SUCCESS: 0, Outcome.FAILED: 1, Outcome.PARTIAL: 3}


def _version(wanted: bool) -> None:  # noqa: FBT001  Typer calls it
    if wanted:
        typer.echo(f"pricing-sync {VERSION}")
        raise typer.Exit


@cli.callback()
def root(
    context: typer.Context,
    database: typed.Database = None,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The options that stand before a command."""
    context.obj = database


@cli.command()
def sync(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PROVIDER",
            help="The providers to read. By default PRICING_SYNC_PROVIDERS, without those whose key"
            " is not set.",
        ),
    ] = None,
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
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """Read providers' price lists and write down what changed."""
    answers = _answers(answer or [], at or [])
    with open_app(context, database, create=True) as app:
        if answers:
            if len(names or []) != 1:
                raise SettingsError("--answer: name the one provider whose answer it is")
            wanted = list(names or [])
            with _progress(len(answers)) as on_reading:
                finished = asyncio.run(
                    app.replay(
                        wanted[0], answers, dry_run=dry_run, started_by="cli", on_reading=on_reading
                    )
                )
        else:
            wanted = list(names or _with_keys(app))
            with _progress(len(wanted)) as on_reading:
                finished = asyncio.run(
                    app.sync(wanted, dry_run=dry_run, started_by="cli", on_reading=on_reading)
                )
    if as_json:
        output.print_json(output.run_result(finished))
    else:
        show_run(finished)
    raise typer.Exit(EXIT_CODES[finished.outcome])


def _answers(files: list[Path], instants: list[datetime]) -> list[RecordedAnswer]:
    if instants and len(instants) != len(files):
        raise SettingsError(f"--at: {len(instants)} given for {len(files)} --answer")
    if len(files) > 1 and not instants:
        raise SettingsError("--at: say for each --answer when it was recorded")
    try:
        bodies = [file.read_bytes() for file in files]
    except OSError as error:
        raise SettingsError(f"--answer: {error.filename}: {error.strerror}") from None
    moments: list[datetime | None] = [*instants] or [None] * len(files)
    return [
        RecordedAnswer(body, moment, file.name)
        for body, moment, file in zip(bodies, moments, files, strict=True)
    ]


def _with_keys(app: PricingSync) -> list[str]:
    """The providers of the settings that can be asked; the others are said, not failed."""
    ready = []
    for name in app.settings.providers:
        missing = app.access.missing_variables(app.access.provider(name))
        if missing:
            output.err.print(f"{name}: not asked: {', '.join(missing)} is not set", markup=False)
        else:
            ready.append(name)
    if not ready:
        raise SettingsError("no provider can be asked: set a key, or name a provider")
    return ready


@contextmanager
def _progress(total: int) -> Iterator[OnReading]:
    """A bar on standard error while readings end; silent when nobody watches."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    hidden = not sys.stderr.isatty()
    with Progress(*columns, console=output.err, transient=True, disable=hidden) as bar:
        task = bar.add_task("reading", total=total)

        def tell(taken: ReadingResult) -> None:
            bar.update(task, advance=1, description=taken.reading.provider)

        yield tell


def show_run(finished: RunResult) -> None:
    """A run as a table, then every change it made or held."""
    output.print_table(
        ("provider", "read", "listed", "changes", "error"),
        (
            (
                results.reading.provider,
                results.reading.status.value + (" (dry run)" if results.reading.dry_run else ""),
                output.counted(results.reading.listings),
                output.counted(results.reading.changes),
                results.reading.error,
            )
            for results in finished.results
        ),
        empty="nothing was read",
    )
    for results in finished.results:
        for line in output.change_lines(results):
            output.out.print(line, markup=False, soft_wrap=True)
    output.out.print(
        f"{finished.outcome.value} in {finished.duration_seconds:.1f} s, run {finished.id}",
        markup=False,
    )


@cli.command()
def prices(
    context: typer.Context,
    provider: typed.OneProvider = None,
    model: typed.OneModel = None,
    at: typed.At = None,
    known_at: typed.KnownAt = None,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """The prices that count: per million tokens (or other units), overrides included."""
    with open_app(context, database) as app:
        _known(app, provider, model)
        found = app.prices(provider, model, at=at, known_at=known_at)
        cardless = [] if at or known_at else app.models_without_card(provider, model)
    records = [price_json(price) for price in found]
    records += [cardless_json(state, why) for state, why in cardless]
    records.sort(key=lambda record: (record["provider"], record["model"]))
    if as_json:
        output.print_json(records)
        return
    output.print_table(
        ("provider", "model", "price per million", "since", "source"),
        (
            (
                record["provider"],
                record["model"],
                output.show_record(record),
                (record["since"] or "")[:19],
                record["source"],
            )
            for record in records
        ),
        empty="no prices",
    )


def _known(app: PricingSync, provider: str | None, model: str | None) -> None:
    """Raise UnknownName for a provider or model that the ledger has never seen."""
    if provider is None:
        return
    if not (app.store.model_states(provider, model) or app.store.overrides(provider, model)):
        app.access.provider(provider)
        what = f"{provider}: {model}" if model else provider
        raise UnknownName(f"{what}: not in the ledger")


@cli.command()
def history(
    context: typer.Context,
    provider: typed.ProviderName,
    model: typed.ModelName,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what was once believed and is superseded.")
    ] = False,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """Every price a model ever had, with its dates and its evidence."""
    with open_app(context, database) as app:
        app.access.provider(provider)
        found = app.history(provider, model, everything=everything)
    if as_json:
        output.print_json([statement_json(statement) for statement in found])
        return
    output.print_table(
        ("since", "until", "price per million", "recorded", "superseded", "evidence"),
        (
            (
                output.show_instant(statement.since),
                output.show_instant(statement.until) or "in force",
                output.show_listing(statement.listing),
                output.show_instant(statement.recorded_at),
                output.show_instant(statement.superseded_at),
                f"{statement.source} {(statement.digest or '')[:12]}",
            )
            for statement in found
        ),
        empty="no history",
    )


@cli.command()
def runs(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
    before: Annotated[
        str | None, typer.Option(metavar="RUN", help="Go on from this run, itself left out.")
    ] = None,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """What was read when, and what became of it."""
    with open_app(context, database) as app:
        found = app.store.runs(limit, before)
    if as_json:
        output.print_json([run_json(run, readings) for run, readings in found])
        return
    output.print_table(
        ("run", "started", "by", "outcome", "readings", "changes"),
        (
            (
                run.id,
                output.show_instant(run.started_at),
                run.started_by,
                (run.outcome.value if run.outcome else "unfinished")
                + (" (dry run)" if run.dry_run else ""),
                output.reading_summary(readings),
                output.counted(output.total_changes(readings)),
            )
            for run, readings in found
        ),
        empty="no runs yet",
    )


@cli.command()
def providers(
    context: typer.Context, database: typed.Database = None, as_json: typed.AsJson = False
) -> None:
    """The providers that can be read, their keys, and what is stored of them."""
    settings = load_settings(database=database or context.obj)
    records = checks.provider_records(settings)
    if as_json:
        output.print_json(records)
        return
    output.print_table(
        ("provider", "source", "key", "priced", "unpriced", "last read"),
        (
            (
                record["provider"],
                record["source"],
                checks.show_key(record),
                record["models"].get("priced", ""),
                record["models"].get("unpriced", ""),
                record["last_read"] or "never",
            )
            for record in records
        ),
        empty="no providers",
    )


@cli.command()
def cost(
    context: typer.Context,
    provider: typed.ProviderName,
    model: typed.ModelName,
    used: Annotated[
        list[str],
        typer.Argument(
            metavar="METER=QUANTITY",
            help="What was used, such as input=10000 cache_read=8000 output=500. Totals: cached"
            " tokens are part of input, reasoning is part of output.",
        ),
    ],
    tier: Annotated[
        str | None, typer.Option("--tier", help="The service tier: batch, flex or priority.")
    ] = None,
    region: Annotated[str | None, typer.Option("--region", help="Where it was served.")] = None,
    at: typed.At = None,
    known_at: typed.KnownAt = None,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """What a usage costs, exactly, meter by meter."""
    quantities = dict(typed.quantity(text) for text in used)
    when = at or datetime.now(UTC)
    with open_app(context, database) as app:
        app.access.provider(provider)
        price = app.price(provider, model, at=at, known_at=known_at)
    if not isinstance(price.listing, RateCard):
        raise NoPrice(f"{provider}: {model}: no price is known: {price.listing}")
    try:
        usage = Usage(**quantities, service_tier=tier, region=region)
        result = cost_of(price.listing, usage, when)
    except ValueError as error:
        raise SettingsError(f"usage: {error}") from None
    except NoPrice as error:
        raise NoPrice(f"{provider}: {model}: {error}") from None
    record = output.cost_json(price, result, when)
    if as_json:
        output.print_json(record)
        return
    output.print_table(
        ("meter", "quantity", "per million", "amount"),
        (
            (item["meter"], item["quantity"], item["rate"], item["amount"])
            for item in record["items"]
        ),
        empty="nothing was used",
    )
    output.out.print(f"{record['total']} {record['currency']}", markup=False)


@override_cli.command("set")
def override_set(
    context: typer.Context,
    provider: typed.ProviderName,
    model: typed.ModelName,
    rates: Annotated[
        list[str],
        typer.Argument(
            metavar="METER=RATE",
            help="Per million units, such as input=2.5. Meters left out keep the provider's rate.",
        ),
    ],
    reason: Annotated[str, typer.Option(help="Why, for whoever reads it later.")],
    author: Annotated[str | None, typer.Option(help="Who; by default the user's name.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(parser=typed.instant, metavar="TIME", help="From when on; by default now."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(parser=typed.instant, metavar="TIME", help="Until when; by default for good."),
    ] = None,
    currency: Annotated[
        str | None, typer.Option(help="ISO 4217; by default the card's, else USD.")
    ] = None,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """Set a person's rates. They hold under every condition of the card."""
    wanted = dict(typed.meter_rate(text) for text in rates)
    with open_app(context, database, create=True) as app:
        made = app.set_override(
            provider,
            model,
            wanted,
            author=author or getpass.getuser(),
            reason=reason,
            since=since,
            until=until,
            currency=currency,
        )
    _show_overrides([override_json(override) for override in made], as_json=as_json)


@override_cli.command("list")
def override_list(
    context: typer.Context,
    provider: typed.OneProvider = None,
    model: typed.OneModel = None,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """The overrides in force or to come, and where the provider has moved since."""
    with open_app(context, database) as app:
        found = app.override_report(provider, model)
    _show_overrides(
        [reported_json(override, rate, moved=moved) for override, rate, moved in found],
        as_json=as_json,
    )


@override_cli.command("end")
def override_end(
    context: typer.Context,
    provider: typed.ProviderName,
    model: typed.ModelName,
    meters: Annotated[
        list[str] | None, typer.Argument(metavar="METER", help="Only these; else all.")
    ] = None,
    at: Annotated[
        datetime | None,
        typer.Option(parser=typed.instant, metavar="TIME", help="When; by default now."),
    ] = None,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """End overrides: the provider's rates hold again."""
    wanted = [typed.meter_name(name) for name in meters or []]
    with open_app(context, database) as app:
        ended = app.end_override(provider, model, wanted, at=at)
    _show_overrides([override_json(override) for override in ended], as_json=as_json)


def _show_overrides(records: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        output.print_json(records)
        return
    output.print_table(
        ("provider", "model", "meter", "rate", "upstream", "since", "until", "author", "reason"),
        (
            (
                record["provider"],
                record["model"],
                record["meter"],
                f"{record['rate']} {record['currency']}",
                output.show_upstream(record),
                record["since"][:19],
                (record["until"] or "")[:19],
                record["author"],
                record["reason"],
            )
            for record in records
        ),
        empty="no overrides",
    )


@cli.command()
def doctor(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="PROVIDER", help="By default every one built in."),
    ] = None,
    offline: Annotated[bool, typer.Option(help="Do not try to reach anybody.")] = False,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """Check the database and each provider: its key, its answer, its age, a price known by hand."""
    settings = load_settings(database=database or context.obj)
    wanted = names or list(registry.built_in())
    report = asyncio.run(checks.examine(settings, wanted, offline=offline))
    if as_json:
        output.print_json(report)
    else:
        checks.show_report(report)
    raise typer.Exit(0 if report["healthy"] else 1)


@cli.command()
def evidence(
    context: typer.Context,
    digest: Annotated[str, typer.Argument(metavar="SHA256", help="As `history --json` shows it.")],
    database: typed.Database = None,
) -> None:
    """The bytes that a price was read from, on standard output."""
    with open_app(context, database) as app:
        body = app.store.evidence(digest)
    if body is None:
        raise UnknownName(f"{digest}: no such evidence, or it is no longer kept")
    sys.stdout.buffer.write(body)


@cli.command()
def migrate(
    context: typer.Context, database: typed.Database = None, as_json: typed.AsJson = False
) -> None:
    """Bring the database's tables to this version. Does nothing when they are."""
    settings = load_settings(database=database or context.obj)
    with connect(settings.database, create=True) as store:
        applied, version = store.migrate(), store.version
    if as_json:
        output.print_json({"applied": applied, "version": version})
    else:
        done = ", ".join(map(str, applied)) or "none needed"
        output.out.print(f"migrations applied: {done}; schema {version}", markup=False)


@cli.command()
def demo(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Exit when done.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the server; 0 is any.")] = 0,
    database: typed.Database = None,
) -> None:
    """Read simulated providers twice, offline, with changes and faults in between."""
    say = partial(output.out.print, markup=False, soft_wrap=True)
    with running(database or context.obj, port) as running_demo:
        settings = running_demo.app.settings
        say(
            f"{len(settings.providers)} simulated providers at 127.0.0.1:{running_demo.server.port}"
        )
        say("\nThe first reading of each:\n")
        show_run(running_demo.read())
        say("\nThen this happens:\n")
        for event in running_demo.stir():
            say(f"  - {event}")
        say("\nThe second reading:\n")
        show_run(running_demo.read())
        say(f"\nThe ledger is in {settings.database.removeprefix('sqlite:///')}. Try:\n")
        for command in ("history openrouter openai/gpt-4o", "held together", "runs"):
            say(f"  {_program()} --database {settings.database} {command}")
        if not once:
            _keep_reading(running_demo)


def _program() -> str:
    """How this program was called, so that what is suggested can be pasted."""
    called = Path(sys.argv[0])
    return called.name if shutil.which(called.name) else str(called)


def _keep_reading(running_demo: Demo) -> None:
    """The same providers on a schedule, as a service."""
    port = running_demo.server.port
    say = partial(output.out.print, markup=False, soft_wrap=True)
    say(f"\nNow as a service that reads every {AGAIN_SECONDS} s, until Ctrl-C. Break something:\n")
    say(f'  curl -X PUT 127.0.0.1:{port}/_faults/openrouter -d \'{{"kind": "zeroed"}}\'')
    say(f"  curl -X DELETE 127.0.0.1:{port}/_faults/openrouter\n")
    with running_demo.as_service() as pricing:
        pricing.settings = serve.with_token(pricing.settings)
        configure("text", "info")
        serve.run(pricing)


for more in (review, peers, audit, backtest, config, serve, status):
    more.register(cli)
cli.add_typer(override_cli, name="override")
