"""`backtest`: what the gate would have done, with these thresholds or others."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Annotated, Any, TypeAlias

import typer

from pricing_sync import texts
from pricing_sync.app import PricingSync
from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables
from pricing_sync.cli.command import Output, command
from pricing_sync.errors import SettingsError
from pricing_sync.gate import Context, Peers, Thresholds
from pricing_sync.gate import backtest as replayed
from pricing_sync.gate.audit import Unloadable
from pricing_sync.gate.fates import Fate, Judged, Record
from pricing_sync.gate.injected_faults import Caught, inject
from pricing_sync.gate.ledger_replay import LedgerReading, from_ledger, replay_ledger
from pricing_sync.gate.threshold_settings import thresholds_from
from pricing_sync.prices.model_ids import is_named_free
from pricing_sync.prices.rates import RateCard
from pricing_sync.prices.statements import Statement
from pricing_sync.settings import Settings
from pricing_sync.sources.providers import CATALOG
from pricing_sync.store import raw_ledger

#: Models of one provider for injected faults: enough for a share, few enough to be quick.
_MOST_MODELS = 100

#: The cards of one provider for injected faults, and the peers of their models.
_Sample: TypeAlias = tuple[str, Mapping[str, RateCard], Mapping[str, Peers]]


@dataclass(slots=True)
class _Material:
    """What is judged."""

    #: By provider, since each may have its own thresholds.
    records: dict[str, list[Record]] = field(default_factory=dict)
    readings: dict[str, list[LedgerReading]] = field(default_factory=dict)
    samples: list[_Sample] = field(default_factory=list)


@command
def backtest(
    settings: Settings,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE",
            help="Recorded updates, one JSON object a line. By default this ledger's own history.",
        ),
    ] = None,
    provider: typed.OfProvider = None,
    since: Annotated[
        datetime | None, typed.instant_option("--since", "Only updates from then on.")
    ] = None,
    changed: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Judge by another threshold, such as band_up=3 or release_after=48h. Repeat it.",
        ),
    ] = None,
) -> Output:
    """Replay recorded changes through the gate; changes nothing.

    Shows what would have been applied at once, within 24 hours and not, how often a person would
    have been asked, and how many faults injected into the same prices would have been caught.
    """
    wanted = written_thresholds(changed or [])
    _thresholds(settings, wanted, "")
    provider = provider and provider.removeprefix(CATALOG)
    material = _of_files(files) if files else _of_ledger(settings, provider)
    _narrow(material, provider, since)
    judged, caught = _judged(material, settings, wanted)

    def show() -> None:
        tables.print_line(replayed.summarize(judged, caught))
        for rule, count in _held_by(judged).items():
            tables.print_line(f"held by {rule}: {count}")

    return Output(_record(judged, caught, changed or []), show)


def written_thresholds(texts: Iterable[str]) -> dict[str, Any]:
    """The values of `--set`, as in a settings file; text needs no quotes.

    Raises:
        SettingsError: one is not NAME=VALUE, or is given twice.
    """
    try:
        return tomllib.loads("\n".join(_as_toml(text) for text in texts))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"--set: {error}") from None


def _as_toml(text: str) -> str:
    name, separator, value = text.partition("=")
    if not separator or "\n" in text:
        raise SettingsError(f"--set: {text!r} is not NAME=VALUE, such as band_up=3")
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return f"{name} = {json.dumps(value)}"
    return text


def _thresholds(settings: Settings, wanted: Mapping[str, Any], provider: str) -> Thresholds:
    """The provider's own thresholds, replaced by those of `--set`."""
    try:
        return thresholds_from(wanted, settings.thresholds(provider))
    except ValueError as error:
        raise SettingsError(f"--set: {error}") from None


# The material.


def _of_files(files: Iterable[Path]) -> _Material:
    material = _Material()
    for record in (record for file in files for record in _records(file)):
        material.records.setdefault(record["provider"], []).append(record)
    for provider, records in material.records.items():
        cards, peers = replayed.last_cards(records)
        material.samples.append((provider, cards, peers))
    return material


def _records(file: Path) -> Iterator[Record]:
    decode = json.JSONDecoder(parse_float=Decimal, parse_int=Decimal).decode
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: {getattr(error, 'strerror', None) or error}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield replayed.checked(decode(line))
        except (ValueError, RecursionError) as error:
            raise SettingsError(f"{file}:{number}: not a recorded update: {error}") from None


def _of_ledger(settings: Settings, provider: str | None) -> _Material:
    with PricingSync(settings, create=False) as app:
        # The store has no query of its own for the whole history.
        rows = raw_ledger.raw_history(app.store._connection, provider)  # noqa: SLF001
        history = [row for row in rows if isinstance(row, Statement)]
        unread = [row for row in rows if isinstance(row, Unloadable)]
        if unread:
            tables.err.print(f"{texts.number_of(len(unread), 'row')} cannot be read: see `audit`")
        material = _Material()
        for owner, statements in _by_provider(history).items():
            models = {statement.model for statement in statements}
            peers = app.store.peers.peers(owner, models, settings.thresholds(owner))
            by_model = {(owner, model): spread for model, spread in peers.items()}
            held = [(item.since, item.change) for item in app.held(owner)]
            material.readings[owner] = from_ledger(statements, by_model, {owner: held})
            cards = {
                statement.model: statement.listing
                for statement in statements
                if statement.until is None and isinstance(statement.listing, RateCard)
            }
            material.samples.append((owner, cards, peers))
    return material


def _by_provider(history: Iterable[Statement]) -> dict[str, list[Statement]]:
    found: dict[str, list[Statement]] = {}
    for statement in history:
        found.setdefault(statement.provider, []).append(statement)
    return found


def _narrow(material: _Material, provider: str | None, since: datetime | None) -> None:
    """Keep only the wanted provider and time."""
    if provider is not None:
        material.records = {provider: material.records.get(provider, [])}
        material.readings = {provider: material.readings.get(provider, [])}
        material.samples = [sample for sample in material.samples if sample[0] == provider]
    if since is not None:
        for owner, records in material.records.items():
            material.records[owner] = [
                record for record in records if datetime.fromisoformat(record["date"]) >= since
            ]
        for owner, readings in material.readings.items():
            material.readings[owner] = [item for item in readings if item.context.at >= since]
    if not any((*material.records.values(), *material.readings.values())):
        raise SettingsError("backtest: no updates to judge")


# Judging.


def _judged(
    material: _Material, settings: Settings, wanted: Mapping[str, Any]
) -> tuple[list[Judged], dict[str, Caught]]:
    judged: list[Judged] = []
    caught: dict[str, Caught] = {}
    steps = len(material.records) + len(material.readings) + len(material.samples)
    with tables.progress("judging", steps) as tell:
        for owner, records in material.records.items():
            judged += replayed.replay(records, _thresholds(settings, wanted, owner))
            tell(owner)
        for owner, readings in material.readings.items():
            judged += replay_ledger(readings, _thresholds(settings, wanted, owner))
            tell(owner)
        for sample in material.samples:
            for fault, found in _injected(sample, _thresholds(settings, wanted, sample[0])).items():
                caught[fault] = caught.get(fault, Caught()) + found
            tell(sample[0])
    return judged, caught


def _injected(sample: _Sample, t: Thresholds) -> dict[str, Caught]:
    provider, cards, peers = sample
    paid = sorted(model for model in cards if not is_named_free(model))
    if not paid:
        return {}
    chosen = Random(provider).sample(paid, min(_MOST_MODELS, len(paid)))  # noqa: S311  no secret
    context = Context(
        provider=provider,
        at=datetime.now(UTC),
        listed=len(cards),
        priced=len(chosen),
        peers={model: peers[model] for model in chosen if model in peers},
    )
    return inject({model: cards[model] for model in chosen}, context, t)


# Output.


def _held_by(judged: Sequence[Judged]) -> dict[str, int]:
    """How many changes each rule held, most first."""
    held = [entry for entry in judged if entry.fate is Fate.HELD]
    names = [reason for entry in held for reason in entry.reasons]
    counts = {name: names.count(name) for name in sorted(set(names))}
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def _record(
    judged: Sequence[Judged], caught: Mapping[str, Caught], changed: Sequence[str]
) -> dict[str, Any]:
    """`backtest --json`. Shares are parts of 1."""
    true = replayed.legitimate(judged)
    return {
        "set": list(changed),
        "updates": {
            kind: {
                "number": len(group),
                "at_once": round(replayed.shares(group)[0], 6),
                "within_24_h": round(replayed.shares(group)[1], 6),
            }
            for kind, group in replayed.groups(judged).items()
        },
        "review_batches_a_week": round(replayed.batches_per_week(true), 4) if true else None,
        "held_by": _held_by(judged),
        "faults": {
            fault: {
                "injected": found.injected,
                "held": found.held,
                "released": found.released,
                "share_held": round(found.share_held, 6),
            }
            for fault, found in caught.items()
        },
    }
