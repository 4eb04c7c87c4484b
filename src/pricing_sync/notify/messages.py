"""What people are told of an event: a title, a few lines, and a link to the page about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from pricing_sync.changes.events import EventKind
from pricing_sync.store.deliveries import StoredEvent

_MOST_LINES = 10

_Payload = Mapping[str, Any]
#: The title, the lines, and the path of the page.
_Message = tuple[str, Iterable[str], str]


def message_of(event: StoredEvent, public_url: str | None) -> tuple[str, str]:
    """The title and the text of an event. Without *public_url* there is no link."""
    title, lines, path = _MESSAGES[event.kind](event.payload)
    link = [f"{public_url}{path}"] if public_url else []
    return f"pricing-sync: {title}", "\n".join([*lines, *link])


def _changed(payload: _Payload) -> _Message:
    counts = payload["counts"]
    names = ("changed", "added", "returned", "retired")
    what = ", ".join(f"{counts[name]} {name}" for name in names if counts.get(name))
    provider = payload["provider"]
    return f"{provider}: prices changed: {what}", _changes(payload), _provider_page(provider)


def _scheduled(payload: _Payload) -> _Message:
    provider, lines = payload["provider"], _changes(payload)
    return f"{provider}: prices of later", lines, _provider_page(provider)


def _held(payload: _Payload) -> _Message:
    provider, counts = payload["provider"], payload["counts"]
    title = f"{provider}: {_count(counts['held'], 'price change')} held"
    rules = ", ".join(f"{rule} ({count})" for rule, count in payload["rules"].items())
    lines = [f"Held by: {rules}", *_changes(payload), f"{counts['waiting']} wait in all."]
    return title, lines, f"/review?provider={quote(provider)}"


def _failed(payload: _Payload) -> _Message:
    provider = payload["provider"]
    lines = [
        payload["error"],
        f"{_count(payload['failures'], 'reading')} failed since {_short(payload['since'])}.",
        "The last prices stay in force.",
    ]
    return f"{provider} cannot be read", lines, _provider_page(provider)


def _stale(payload: _Payload) -> _Message:
    provider = payload["provider"]
    lines = [f"It was last read at {_short(payload['since'])}. It is due: {payload['interval']}."]
    return f"{provider}: prices are out of date", lines, _provider_page(provider)


def _recovered(payload: _Payload) -> _Message:
    provider, was = payload["provider"], " and ".join(payload["was"])
    return (
        f"{provider} is read again",
        [f"It was {was} since {_short(payload['since'])}."],
        (_provider_page(provider)),
    )


def _run(payload: _Payload) -> _Message:
    counts = payload["counts"]
    lines = [
        f"{counts.get('updated', 0)} models updated, {counts.get('held', 0)} held.",
        *(
            f"{one['provider']}: {one['status']}: {one.get('error', '')}"
            for one in payload["readings"][:_MOST_LINES]
            if one["status"] == "failed"
        ),
    ]
    return f"run {payload['outcome']}", lines, f"/runs/{quote(payload['run'])}"


def _unpriced(payload: _Payload) -> _Message:
    models = payload["models"]
    lines = [
        f"{one['provider']} {one['model']}: {_count(one['requests'], 'request')}, {one['reason']}"
        for one in models[:_MOST_LINES]
    ]
    count = payload["counts"]["models"]
    title = f"requests without a price: {_count(count, 'model')}"
    page = "/"
    if count == 1 and models:
        page = f"/models/{quote(models[0]['provider'])}/{quote(models[0]['model'])}"
    return title, [*lines, *_more(count - len(lines))], page


def _dead_letters(payload: _Payload) -> _Message:
    name = payload["endpoint"]
    lines = [
        f"It fails since {_short(payload['since'])}: {payload['error']}",
        f"When it is mended: pricing-sync webhooks replay {name} --dead",
    ]
    return f"webhook {name}: events were not delivered", lines, "/"


def _digest(payload: _Payload) -> _Message:
    lines = [
        *(
            f"{one['provider']}: "
            + ", ".join(f"{count} {name}" for name, count in one["counts"].items() if count)
            for one in payload["providers"]
        ),
        *_changes(payload),
    ]
    return f"what changed since {_short(payload['since'])}", lines, "/"


def _test(_payload: _Payload) -> _Message:
    return "a test", ["Messages arrive here."], "/"


def _changes(payload: _Payload) -> Iterator[str]:
    """The first changes, a line each."""
    changes = payload["changes"]
    yield from map(_change, changes[:_MOST_LINES])
    yield from _more(len(changes[_MOST_LINES:]) + payload["omitted"])


def _more(count: int) -> Iterator[str]:
    if count > 0:
        yield f"… and {count} more"


def _change(change: _Payload) -> str:
    moves = ", ".join(map(_move, change.get("moves", ())))
    what = moves or _rates(change["new"]) or change["kind"]
    since = f" from {_short(change['starts_at'])}" if "starts_at" in change else ""
    whose = f"{change['provider']} " if "provider" in change else ""
    return f"{whose}{change['model']}: {what}{since}"


def _move(move: _Payload) -> str:
    size = f" ({move['percent']} %)" if move["percent"] is not None else ""
    return f"{move['meter']} {move['old'] or 'none'} → {move['new'] or 'none'}{size}"


def _rates(listing: _Payload | None) -> str:
    rates = (listing or {}).get("rates") or {}
    return ", ".join(f"{meter} {rate}" for meter, rate in rates.items())


def _short(instant: str) -> str:
    """`2026-11-26 09:00Z`."""
    return f"{instant[:16].replace('T', ' ')}Z"


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _provider_page(provider: str) -> str:
    return f"/providers/{quote(provider, safe='')}"


_MESSAGES: Mapping[EventKind, Callable[[_Payload], _Message]] = {
    EventKind.PRICE_CHANGED: _changed,
    EventKind.PRICE_SCHEDULED: _scheduled,
    EventKind.CHANGES_HELD: _held,
    EventKind.PROVIDER_FAILED: _failed,
    EventKind.PROVIDER_STALE: _stale,
    EventKind.PROVIDER_RECOVERED: _recovered,
    EventKind.RUN_FINISHED: _run,
    EventKind.UNPRICED_TRAFFIC: _unpriced,
    EventKind.DEAD_LETTERS: _dead_letters,
    EventKind.DIGEST: _digest,
    EventKind.TEST: _test,
}
