"""The commands by which a person reviews what the gate holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, Any

import typer

from pricing_sync.app import PricingSync
from pricing_sync.changes.diff import Kind
from pricing_sync.changes.held import HeldChange
from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables, texts
from pricing_sync.cli.excerpt import excerpt
from pricing_sync.cli.tables import Column, Fit
from pricing_sync.errors import SettingsError, StaleHeldChange, UnknownName
from pricing_sync.gate import Peers, Rule
from pricing_sync.json_views import RULE_CARDS, audit_json, by_rule, decided_json, held_json
from pricing_sync.store.audit_log import AuditEntry

_Models = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MODEL",
        help="Only these, as `held --json` spells them.",
        autocompletion=typed.complete_model,
    ),
]
_All = Annotated[bool, typer.Option("--all", help="Every held change of the provider.")]
_OfReading = Annotated[
    str | None,
    typer.Option(
        "--reading", metavar="ID", help="Only what `held` shows of this reading, as it was shown."
    ),
]

#: Rules whose details repeat the move that is shown beside them.
_ABOUT_THE_MOVE = frozenset(
    {
        *(Rule.ZERO, Rule.WITHDRAWN, Rule.METER_GONE, Rule.OUT_OF_BOUNDS),
        *(Rule.UNIT, Rule.SWAPPED, Rule.BAND, Rule.FROM_ZERO),
    }
)
_EXCERPT_CHARACTERS = 160
_LEAST_ID = 16


def held(
    context: typer.Context,
    *,
    provider: typed.OneProvider = None,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """The changes that wait for a decision, and why."""
    with typed.open_app(context, database) as app:
        if provider is not None:
            provider = app.provider_id(provider)
        items = app.held(provider)
        bodies = {item.digest: app.store.evidence(item.digest) for item in items if item.digest}
        peers = {
            owner: app.store.peers.peers(
                owner, [item.change.model for item in items if item.provider == owner]
            )
            for owner in {item.provider for item in items}
        }
    shown = [
        (item, bodies.get(item.digest or ""), peers[item.provider].get(item.change.model, {}))
        for item in items
    ]
    if as_json:
        tables.print_json([_held_json(*entry) for entry in shown])
    elif not shown:
        tables.err.print("nothing is held")
    else:
        _show_held(shown)


def _held_json(item: HeldChange, body: bytes | None, peers: Peers) -> dict[str, Any]:
    """One entry of `held --json`."""
    return held_json(item, peers) | {
        "change": texts.change(item.change.old, item.change.new),
        "excerpt": None if body is None else excerpt(body, item.change.model),
        "evidence_kept": body is not None,
    }


_Shown = tuple[HeldChange, bytes | None, Peers]


def _show_held(shown: Sequence[_Shown]) -> None:
    """The held changes by reading, then what their rules mean."""
    groups: dict[tuple[str, str], list[_Shown]] = {}
    for entry in shown:
        groups.setdefault((entry[0].provider, entry[0].reading_id), []).append(entry)
    for (provider, reading), group in groups.items():
        first = group[0][0]
        tables.print_line(
            f"{provider}: {len(group)} of {first.listed} held since {texts.minute(first.since)},"
            f" reading {reading}",
            "  ",
        )
        shared = _shared([item.reasons for item, _, _ in group])
        for line in _reason_lines(shared):
            tables.print_line(f"  all: {line}", "    ")
        for entry in group:
            _show_one(*entry, shared)
        tables.print_line("")
    for rule in by_rule(reason for item, _, _ in shown for reason in item.reasons):
        if card := RULE_CARDS.get(rule):
            tables.print_line(f"{rule}: {card.why}", "  ")


def _shared(reasons: Sequence[Sequence[str]]) -> list[str]:
    """The reasons that all of several models have."""
    if len(reasons) == 1:
        return []
    return [reason for reason in reasons[0] if all(reason in other for other in reasons)]


def _show_one(item: HeldChange, body: bytes | None, peers: Peers, shared: Sequence[str]) -> None:
    """The move and the rules on one line, then what helps to judge them."""
    first, *moves = texts.moved(item.change.old, item.change.new)
    own = [reason for reason in item.reasons if reason not in shared]
    rules = f"  [{texts.rule_names(own)}]" if own else ""
    starts = f" from {texts.minute(item.change.starts_at)}" if item.change.starts_at else ""
    kind = "" if item.change.kind is Kind.CHANGED else f"{item.change.kind}{starts}: "
    lead = f"{kind}{first}{rules}"
    tables.print_lead(item.change.model, lead, least=_LEAST_ID)
    for move in moves:
        tables.print_line(f"    {move}", "      ")
    for line in _reason_lines(own, skipped=_ABOUT_THE_MOVE):
        tables.print_line(f"    {line}", "      ")
    if peers:
        tables.print_line(f"    peers: {_peers_text(peers)}", "      ")
    tables.print_line(f"    answer: {_answer(item.change.model, body)}", "      ")


def _peers_text(peers: Peers) -> str:
    """`input 0.7 (0.5 to 0.9, 3 sellers), output 2.5 (1 seller)`: medians and their spread."""
    return ", ".join(
        f"{meter} {spread.median} ("
        + ("" if spread.low == spread.high else f"{spread.low} to {spread.high}, ")
        + f"{spread.count} seller{'s' if spread.count > 1 else ''})"
        for meter, spread in peers.items()
    )


def _answer(model: str, body: bytes | None) -> str:
    if body is None:
        return "no longer kept"
    return excerpt(body, model, _EXCERPT_CHARACTERS) or "does not name it"


def _reason_lines(reasons: Iterable[str], skipped: frozenset[Rule] = frozenset()) -> Iterator[str]:
    """A line for each rule, with where it is broken."""
    for rule, details in by_rule(reasons).items():
        if details and rule not in skipped:
            yield f"{rule}: {'; '.join(details)}"
        elif not skipped:
            yield rule


def _decision(method: Callable[..., list[HeldChange]], summary: str) -> Callable[..., None]:
    """The command that decides about held changes by that method of the app."""
    verb = method.__name__

    def decide(
        context: typer.Context,
        *,
        provider: typed.ProviderName,
        models: _Models = None,
        everything: _All = False,
        reading: _OfReading = None,
        reason: typed.Reason,
        author: typed.Author = None,
        database: typed.Database = None,
        as_json: typed.AsJson = False,
    ) -> None:
        with typed.open_app(context, database) as app:
            provider = app.provider_id(provider)
            chosen = _chosen(app, verb, provider, models or [], reading, everything=everything)
            decided = method(app, chosen, author=typed.author(author), reason=reason)
        _show_decided(decided, as_json=as_json)

    decide.__name__, decide.__doc__ = verb, summary
    return decide


accept = _decision(
    PricingSync.accept,
    """Apply held changes, from when the provider first said so.

    Name the models, or give --all or --reading. What was known before stays in the history.
    """,
)
reject = _decision(
    PricingSync.reject,
    """Refuse held changes: exactly these are never applied.

    Name the models, or give --all or --reading. `reconsider` takes it back.
    """,
)


def _chosen(
    app: PricingSync,
    verb: str,
    provider: str,
    models: Sequence[str],
    reading: str | None,
    *,
    everything: bool,
) -> list[HeldChange]:
    """The held changes that are meant, as they are now."""
    if everything and models:
        raise SettingsError(f"{verb}: name models or say --all, not both")
    if not (models or everything or reading):
        raise SettingsError(f"{verb}: name the models, or say --all or --reading")
    items = app.held(provider)
    if reading is not None:
        items = [item for item in items if item.reading_id == reading]
        if not items:
            raise StaleHeldChange(f"{provider}: reading {reading}: nothing of it waits any more")
    waiting = {item.change.model for item in items}
    for model in models:
        if model not in waiting:
            raise UnknownName(f"{provider}: {model}: nothing of it is held")
    if not items:
        raise UnknownName(f"{provider}: nothing is held")
    return [item for item in items if not models or item.change.model in models]


def reconsider(
    context: typer.Context,
    *,
    provider: typed.ProviderName,
    model: typed.ModelName,
    reason: typed.Reason,
    author: typed.Author = None,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """Take a rejection back: the next reading judges it afresh."""
    with typed.open_app(context, database) as app:
        items = app.reconsider(provider, model, author=typed.author(author), reason=reason)
    _show_decided(items, as_json=as_json)


def _show_decided(items: Iterable[HeldChange], *, as_json: bool) -> None:
    if as_json:
        tables.print_json([decided_json(item) for item in items])
        return
    for item in items:
        tables.print_line(
            f"{item.state} {item.provider} {item.change.model}: "
            f"{texts.change(item.change.old, item.change.new)}"
            f" (first seen {texts.instant(item.since)})",
            "  ",
        )


def audit_log(
    context: typer.Context,
    *,
    limit: typed.Limit = 20,
    before: Annotated[
        str | None, typer.Option(metavar="ID", help="Go on from this entry, as --json shows it.")
    ] = None,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """Who decided what, when and why, and what was refused."""
    with typed.open_app(context, database) as app:
        found = app.store.audit_log.entries(limit, before)
    if as_json:
        tables.print_json([audit_json(entry) for entry in found])
        return
    tables.print_table(
        (
            *("at", "who", "action", Column("provider", optional=True)),
            *(Column("model", Fit.ID, optional=True), Column("why", Fit.TEXT)),
        ),
        (
            (
                texts.minute(entry.at),
                entry.who,
                entry.action,
                entry.provider,
                entry.model,
                _why(entry),
            )
            for entry in found
        ),
        empty="nothing was decided yet",
    )


def _why(entry: AuditEntry) -> str:
    refused = entry.what.get("refused")
    return f"{entry.reason} (refused: {refused})" if refused else entry.reason
