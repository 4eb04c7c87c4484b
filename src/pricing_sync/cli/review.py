"""The commands by which a person reviews what the gate holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Annotated

import typer

from pricing_sync import texts
from pricing_sync.app import PricingSync
from pricing_sync.changes.diff import Kind
from pricing_sync.changes.held import HeldChange
from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables
from pricing_sync.cli.command import Output, command
from pricing_sync.cli.usage import traffic_text
from pricing_sync.errors import SettingsError, StaleHeldChange, UnknownName
from pricing_sync.gate import Peers, Rule
from pricing_sync.json_views.changes import RULE_CARDS, DecidedChange, by_rule
from pricing_sync.json_views.changes import AuditEntry as AuditEntryView
from pricing_sync.json_views.changes import HeldChange as HeldChangeView
from pricing_sync.prices.blast_radius import BlastRadius
from pricing_sync.prices.card_json import read_when
from pricing_sync.serving.excerpt import excerpt
from pricing_sync.serving.held_order import by_blast_radius
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
#: So many providers of a run are named.
_FEW_PROVIDERS = 3
_LEAST_ID = 16


@command
def held(app: PricingSync, *, provider: typed.OneProvider = None) -> Output:
    """The changes that wait for a decision, and why.

    The one that makes the largest difference to the cost of the traffic of the last 7 days, as
    `usage` has recorded it, comes first. Models without traffic come last.
    """
    if provider is not None:
        provider = app.provider_id(provider)
    waiting = app.held(provider)
    weights = app.usage.blast_radius(waiting)
    items = by_blast_radius(waiting, weights)
    bodies = {item.digest: app.store.evidence(item.digest) for item in items if item.digest}
    peers = {
        owner: app.store.peers.peers(
            owner, [item.change.model for item in items if item.provider == owner]
        )
        for owner in {item.provider for item in items}
    }
    shown = [
        (
            item,
            bodies.get(item.digest or ""),
            peers[item.provider].get(item.change.model, {}),
            weights.get(item.id),
        )
        for item in items
    ]
    return Output((_view(*entry) for entry in shown), partial(_show_held, shown))


def _view(
    item: HeldChange, body: bytes | None, peers: Peers, radius: BlastRadius | None
) -> HeldChangeView:
    """The answer of the API, with the change in words and what the provider's answer says."""
    return HeldChangeView.of(
        item,
        peers,
        radius,
        change=texts.change(item.change.old, item.change.new),
        excerpt=None if body is None else excerpt(body, item.change.model),
        evidence_kept=body is not None,
    )


_Shown = tuple[HeldChange, bytes | None, Peers, BlastRadius | None]


def _show_held(shown: Sequence[_Shown]) -> None:
    """The held changes by reading, then what their rules mean."""
    if not shown:
        tables.err.print("nothing is held")
    groups: dict[tuple[str, str], list[_Shown]] = {}  # that of the first change comes first
    for entry in shown:
        groups.setdefault((entry[0].provider, entry[0].reading_id), []).append(entry)
    for (provider, reading), group in groups.items():
        first = group[0][0]
        tables.print_line(
            f"{provider}: {len(group)} of {first.listed} held since {texts.minute(first.since)},"
            f" reading {reading}",
            "  ",
        )
        shared = _shared([entry[0].reasons for entry in group])
        for line in _reason_lines(shared):
            tables.print_line(f"  all: {line}", "    ")
        for entry in group:
            _show_one(*entry, shared)
        tables.print_line("")
    for rule in by_rule(reason for entry in shown for reason in entry[0].reasons):
        if card := RULE_CARDS.get(rule):
            tables.print_line(f"{rule}: {card.why}", "  ")


def _shared(reasons: Sequence[Sequence[str]]) -> list[str]:
    """The reasons that all of several models have."""
    if len(reasons) == 1:
        return []
    return [reason for reason in reasons[0] if all(reason in other for other in reasons)]


def _show_one(
    item: HeldChange,
    body: bytes | None,
    peers: Peers,
    radius: BlastRadius | None,
    shared: Sequence[str],
) -> None:
    """The move and the rules on one line, then what helps to judge them."""
    first, *moves = texts.moved(item.change.old, item.change.new)
    own = [reason for reason in item.reasons if reason not in shared]
    rules = f"  [{texts.rule_names(own)}]" if own else ""
    starts = f" from {texts.minute(item.change.starts_at)}" if item.change.starts_at else ""
    kind = "" if item.change.kind is Kind.CHANGED else f"{item.change.kind}{starts}: "
    lead = f"{kind}{first}{rules}"
    if item.waits_since < item.since:
        lead += f"  after others, since {texts.minute(item.waits_since)}"
    tables.print_lead(item.change.model, lead, least=_LEAST_ID)
    for move in moves:
        tables.print_line(f"    {move}", "      ")
    for line in _reason_lines(own, skipped=_ABOUT_THE_MOVE):
        tables.print_line(f"    {line}", "      ")
    if radius is not None:
        tables.print_line(f"    traffic: {traffic_text(radius)}", "      ")
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
        app: PricingSync,
        *,
        provider: typed.ProviderName,
        models: _Models = None,
        everything: _All = False,
        reading: _OfReading = None,
        reason: typed.Reason,
        author: typed.Author = None,
    ) -> Output:
        provider = app.provider_id(provider)
        chosen = _chosen(app, verb, provider, models or [], reading, everything=everything)
        return _decided(method(app, chosen, author=typed.author(author), reason=reason))

    decide.__name__, decide.__doc__ = verb, summary
    return command(decide)


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


@command
def reconsider(
    app: PricingSync,
    *,
    provider: typed.ProviderName,
    model: typed.ModelName,
    reason: typed.Reason,
    author: typed.Author = None,
) -> Output:
    """Take a rejection back: the next reading judges it afresh."""
    return _decided(app.reconsider(provider, model, author=typed.author(author), reason=reason))


def _decided(items: Sequence[HeldChange]) -> Output:
    return Output(map(DecidedChange.model_validate, items), partial(_show_decided, items))


def _show_decided(items: Iterable[HeldChange]) -> None:
    for item in items:
        tables.print_line(
            f"{item.state} {item.provider} {item.change.model}: "
            f"{texts.change(item.change.old, item.change.new)}"
            f" (first seen {texts.instant(item.since)})",
            "  ",
        )


@command
def audit_log(
    app: PricingSync,
    *,
    limit: typed.Limit = 20,
    before: Annotated[
        str | None, typer.Option(metavar="ID", help="Go on from this entry, as --json shows it.")
    ] = None,
) -> Output:
    """Who decided what, when and why, and what was refused."""
    found = app.audit_log(limit, before)
    return Output(map(AuditEntryView.model_validate, found), partial(_show_log, found))


def _show_log(found: Sequence[AuditEntry]) -> None:
    if not found:
        tables.err.print("nothing was decided yet")
    for entry in found:
        what = " ".join(filter(None, (entry.action, entry.provider, entry.model)))
        text = ": ".join(filter(None, (what, _why(entry))))
        tables.print_line(f"{texts.minute(entry.at)}  {entry.who}  {text}", "      ")


def _why(entry: AuditEntry) -> str:
    """`input 2.5 USD: contract`: what an override or a run was about, and the reason."""
    what = entry.what
    if "refused" in what:
        return f"{entry.reason} (refused: {what['refused']})"
    about = ""
    if entry.action == "trigger":
        few = len(what["providers"]) <= _FEW_PROVIDERS
        about = ", ".join(what["providers"]) if few else f"{len(what['providers'])} providers"
        about += " (dry run)" if what["dry_run"] else ""
    elif entry.action.startswith("override_"):
        when = f" when {texts.condition(read_when(what['when']))}" if what["when"] else ""
        about = f"{what['meter']} {what['rate']} {what['currency']}{when}"
    return ": ".join(filter(None, (about, entry.reason or what.get("set_for"))))
