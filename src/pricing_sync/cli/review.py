"""The commands by which a person reviews what the gate holds."""

from __future__ import annotations

import getpass
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from pricing_sync.cli import arguments as typed
from pricing_sync.cli import output
from pricing_sync.cli.excerpt import excerpt
from pricing_sync.cli.opened import open_app
from pricing_sync.errors import SettingsError, StaleHeldChange, UnknownName
from pricing_sync.gate import Announced, Move, Peers
from pricing_sync.json_views import (
    RULE_CARDS,
    announcement_json,
    audit_json,
    by_rule,
    decided_json,
    held_json,
)
from pricing_sync.prices.card_json import write_when
from pricing_sync.prices.rates import Per, Rate, When
from pricing_sync.sources.strict_json import is_model_id
from pricing_sync.store.review import (
    Announcement,
    AuditEntry,
    HeldChange,
    PinnedChange,
    Review,
    State,
)

_Reason = Annotated[str, typer.Option("--reason", help="Why, for whoever reads it later.")]
_Author = Annotated[str | None, typer.Option("--author", help="Who; by default the user's name.")]
_Models = Annotated[
    list[str] | None, typer.Argument(metavar="MODEL", help="Only these, as `held` spells them.")
]
_All = Annotated[bool, typer.Option("--all", help="Everything of the provider that waits.")]
_OfReading = Annotated[
    str | None,
    typer.Option(
        "--reading", metavar="ID", help="Only what `held` shows of this reading, as it was shown."
    ),
]


def register(cli: typer.Typer) -> None:
    """Add these commands to the command line."""
    cli.command()(held)
    cli.command()(accept)
    cli.command()(reject)
    cli.command()(reconsider)
    cli.command()(announce)
    cli.command()(announcements)
    cli.command()(unannounce)
    cli.command("audit-log")(audit_log)


def held(
    context: typer.Context,
    *,
    provider: typed.OneProvider = None,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """The changes that wait: what the provider says, and why it does not count yet."""
    with open_app(context, database) as app:
        review = app.store.review
        if provider is not None:
            app.access.provider(provider)
        items = review.held(provider)
        bodies = {item.digest: app.store.evidence(item.digest) for item in items if item.digest}
        peers = {
            owner: app.store.peers.peers(
                owner, [item.change.model for item in items if item.provider == owner]
            )
            for owner in {item.provider for item in items}
        }
    records = [
        _held_record(
            item,
            bodies.get(item.digest or ""),
            peers[item.provider].get(item.change.model, {}),
        )
        for item in items
    ]
    if as_json:
        output.print_json(records)
    elif not records:
        output.err.print("nothing is held", markup=False)
    else:
        for line in _review_lines(records):
            output.out.print(line, markup=False, soft_wrap=True)


def accept(
    context: typer.Context,
    *,
    provider: typed.ProviderName,
    models: _Models = None,
    everything: _All = False,
    reading: _OfReading = None,
    reason: _Reason,
    author: _Author = None,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """Let held changes count: true since the provider first said so, known from now on."""
    with open_app(context, database) as app:
        review = app.store.review
        app.access.provider(provider)
        chosen = _chosen(review, "accept", provider, models or [], reading, everything=everything)
        decided = _decide(review, State.ACCEPTED, provider, chosen, author, reason)
    _show_decided(decided, as_json=as_json)


def reject(
    context: typer.Context,
    *,
    provider: typed.ProviderName,
    models: _Models = None,
    everything: _All = False,
    reading: _OfReading = None,
    reason: _Reason,
    author: _Author = None,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """Say that held changes are wrong: exactly these neither count nor wait again."""
    with open_app(context, database) as app:
        review = app.store.review
        app.access.provider(provider)
        chosen = _chosen(review, "reject", provider, models or [], reading, everything=everything)
        decided = _decide(review, State.REJECTED, provider, chosen, author, reason)
    _show_decided(decided, as_json=as_json)


def reconsider(
    context: typer.Context,
    *,
    provider: typed.ProviderName,
    model: typed.ModelName,
    reason: _Reason,
    author: _Author = None,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """Take a rejection back: the next reading judges the change afresh."""
    with open_app(context, database) as app:
        review = app.store.review
        app.access.provider(provider)
        items = review.reconsider(
            provider,
            model,
            author=author or getpass.getuser(),
            reason=reason,
            now=datetime.now(UTC),
        )
    _show_decided(items, as_json=as_json)


def announce(
    context: typer.Context,
    *,
    provider: typed.ProviderName,
    model: typed.ModelName,
    meter: Annotated[str, typer.Argument(metavar="METER", help="Such as input.")],
    old: Annotated[
        str,
        typer.Argument(metavar="OLD", help="The rate until then, per million; none if none."),
    ],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The rate from then on.")],
    not_before: Annotated[
        datetime,
        typer.Option("--not-before", parser=typed.instant, metavar="TIME", help="ISO 8601, UTC."),
    ],
    min_input_tokens: Annotated[
        int | None, typer.Option(min=0, help="Of the conditional rate for requests this long.")
    ] = None,
    tier: Annotated[str | None, typer.Option(help="Of the rate for this service tier.")] = None,
    region: Annotated[str | None, typer.Option(help="Of the rate for this region.")] = None,
    reason: _Reason,
    author: _Author = None,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """Approve a move that a provider has announced. Exactly it passes the gate, once."""
    if not is_model_id(model):
        raise SettingsError(f"announce: {model!r} is not a model id")
    when = When(min_input_tokens=min_input_tokens, service_tier=tier, region=region)
    move = Announced(
        model=model,
        meter=typed.meter_name(meter),
        old=None if old == "none" else _rate("OLD", old),
        new=_rate("NEW", new),
        not_before=not_before,
        when=None if when == When() else when,
    )
    with open_app(context, database, create=True) as app:
        review = app.store.review
        app.access.provider(provider)
        made = review.announce(
            provider, move, author=author or getpass.getuser(), reason=reason, now=datetime.now(UTC)
        )
    _show_announcements([made], as_json=as_json)


def announcements(
    context: typer.Context,
    *,
    provider: typed.OneProvider = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that came true or were ended.")
    ] = False,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """The moves that a person has approved beforehand."""
    with open_app(context, database) as app:
        review = app.store.review
        if provider is not None:
            app.access.provider(provider)
        found = review.announcements(provider, include_used=everything)
    _show_announcements(found, as_json=as_json)


def unannounce(
    context: typer.Context,
    *,
    announcement: Annotated[str, typer.Argument(metavar="ID", help="As `announcements` shows it.")],
    reason: _Reason,
    author: _Author = None,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """Take an announcement back."""
    with open_app(context, database) as app:
        review = app.store.review
        ended = review.end_announcement(
            announcement,
            author=author or getpass.getuser(),
            reason=reason,
            now=datetime.now(UTC),
        )
    _show_announcements([ended], as_json=as_json)


def audit_log(
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
    before: Annotated[
        str | None, typer.Option(metavar="ID", help="Go on from this entry, as --json shows it.")
    ] = None,
    database: typed.Database = None,
    as_json: typed.AsJson = False,
) -> None:
    """Who decided what, when and why, and what was refused."""
    with open_app(context, database) as app:
        review = app.store.review
        found = review.audit_log(limit, before)
    if as_json:
        output.print_json([audit_json(entry) for entry in found])
        return
    output.print_table(
        ("at", "who", "what", "provider", "model", "reason"),
        (
            (
                output.show_instant(entry.at),
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


# Deciding


def _chosen(
    review: Review,
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
    items = review.held(provider)
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


def _decide(
    review: Review,
    state: State,
    provider: str,
    chosen: Iterable[HeldChange],
    author: str | None,
    reason: str,
) -> list[HeldChange]:
    return review.decide(
        state,
        [PinnedChange.of(item) for item in chosen],
        provider=provider,
        author=author or getpass.getuser(),
        reason=reason,
        now=datetime.now(UTC),
    )


def _show_decided(items: Iterable[HeldChange], *, as_json: bool) -> None:
    if as_json:
        output.print_json([decided_json(item) for item in items])
        return
    for item in items:
        output.out.print(
            f"{item.state} {item.provider} {item.change.model}: "
            f"{output.show_change(item.change.old, item.change.new)}"
            f" (first seen {output.show_instant(item.since)})",
            markup=False,
            soft_wrap=True,
        )


# Showing what is held


def _held_record(item: HeldChange, body: bytes | None, peers: Peers) -> dict[str, Any]:
    """One entry of `held --json`."""
    return held_json(item, peers) | {
        "change": output.show_change(item.change.old, item.change.new),
        "excerpt": None if body is None else excerpt(body, item.change.model),
        "evidence_kept": body is not None,
    }


def _review_lines(records: Sequence[dict[str, Any]]) -> Iterator[str]:
    """One review item for each provider and reading."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for record in records:
        groups.setdefault((record["provider"], record["reading"]), []).append(record)
    for (provider, reading), group in groups.items():
        since = datetime.fromisoformat(group[0]["since"])
        shared = _shared([record["reasons"] for record in group])
        yield (
            f"{provider}: {len(group)} of {group[0]['listed']} models held since"
            f" {output.show_instant(since)}, reading {reading}"
        )
        yield from (f"  all: {line}" for line in _reason_lines(shared))
        for record in group:
            yield from _held_lines(record, shared)


def _shared(reasons: Sequence[Sequence[str]]) -> list[str]:
    """The reasons that all of several models have, to be said once."""
    if len(reasons) == 1:
        return []
    return [reason for reason in reasons[0] if all(reason in other for other in reasons)]


def _held_lines(record: dict[str, Any], shared: Sequence[str]) -> Iterator[str]:
    yield f"  {record['model']} ({record['kind']})"
    yield from (f"    {line}" for line in _moved_lines(record))
    for meter, spread in record["peers"].items():
        yield (
            f"    peers: {meter} {spread['median']} in the median of {spread['count']},"
            f" {spread['low']} … {spread['high']}"
        )
    own = [reason for reason in record["reasons"] if reason not in shared]
    yield from (f"    held by {line}" for line in _reason_lines(own))
    if record["excerpt"]:
        yield f"    answer: {record['excerpt']}"
    elif record["evidence_kept"]:
        yield "    answer: does not name it"
    else:
        yield "    answer: no longer kept"


def _moved_lines(record: dict[str, Any]) -> Iterator[str]:
    old, new = record["old"], record["new"]
    if not (old and new and old["rates"] is not None and new["rates"] is not None):
        yield record["change"]
        return
    for move in record["moves"]:
        ratio = f" (x{move['ratio']})" if move["ratio"] else ""
        when = f" when {_plain(move['when'])}" if move["when"] else ""
        yield f"{move['meter']} {move['old'] or '–'} → {move['new'] or '–'}{ratio}{when}"
    if old["currency"] != new["currency"]:
        yield f"currency {old['currency']} → {new['currency']}"


def _reason_lines(reasons: Sequence[str]) -> Iterator[str]:
    """A line for each rule: why there is such a rule, then where it is broken."""
    for rule, details in by_rule(reasons).items():
        card = RULE_CARDS.get(rule)
        why = f": {card.why}" if card else ""
        where = f" [{'; '.join(details)}]" if details else ""
        yield f"{rule}{why}{where}"


# Showing announcements and the audit log


def _rate(name: str, text: str) -> Rate:
    try:
        return Rate.of(text, Per.MILLION)
    except ValueError as error:
        raise typer.BadParameter(f"{name}: {error}") from None


def _show_announcements(entries: Sequence[Announcement], *, as_json: bool) -> None:
    if as_json:
        output.print_json([announcement_json(entry) for entry in entries])
        return
    output.print_table(
        ("id", "provider", "model", "meter", "move", "not before", "state", "author", "reason"),
        (
            (
                entry.id,
                entry.provider,
                entry.move.model,
                _meter(entry.move),
                Move(None, entry.move.meter, entry.move.old, entry.move.new),
                output.show_instant(entry.move.not_before),
                _state(entry),
                entry.author,
                entry.reason,
            )
            for entry in entries
        ),
        empty="no announcements",
    )


def _meter(move: Announced) -> str:
    if move.when is None:
        return move.meter.value
    return f"{move.meter} when {_plain(write_when(move.when))}"


def _plain(when: Mapping[str, Any]) -> str:
    return " ".join(f"{name} {value}" for name, value in when.items())


def _state(entry: Announcement) -> str:
    if entry.used_at is not None:
        return f"came true in reading {entry.used_by}"
    return "ended" if entry.ended_at is not None else "to come"


def _why(entry: AuditEntry) -> str:
    refused = entry.what.get("refused")
    return f"{entry.reason} (refused: {refused})" if refused else entry.reason
