"""Messages to people: what they say, through a real Apprise, and what they never show."""

from __future__ import annotations

import asyncio
import builtins
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from pricing_sync.changes.events import KINDS, EventKind
from pricing_sync.errors import DeliveryFailed
from pricing_sync.notify.messages import message_of
from pricing_sync.settings import Settings
from pricing_sync.store.deliveries import StoredEvent

from notified import Make, serve, tell, until
from receivers import Receiver, answering, receiving

NOW = datetime(2026, 11, 26, tzinfo=UTC)
CHANGE = {
    "model": "maker/a",
    "kind": "changed",
    "new": {"rates": {"input": "2"}},
    "moves": [{"meter": "input", "when": None, "old": "2.5", "new": "2", "percent": "-20"}],
}
PAYLOADS: dict[EventKind, dict[str, Any]] = {
    EventKind.PRICE_CHANGED: {
        "provider": "acme",
        "counts": {"changed": 1, "added": 0},
        "changes": [CHANGE],
        "omitted": 0,
    },
    EventKind.PRICE_SCHEDULED: {
        "provider": "acme",
        "changes": [{**CHANGE, "starts_at": "2027-01-01T00:00:00Z"}],
        "omitted": 0,
    },
    EventKind.CHANGES_HELD: {
        "provider": "acme",
        "counts": {"held": 13, "waiting": 20},
        "rules": {"unit": 13},
        "changes": [CHANGE] * 12,
        "omitted": 1,
    },
    EventKind.PROVIDER_FAILED: {
        "provider": "acme",
        "error": "acme: body: not JSON",
        "failures": 1,
        "since": "2026-11-26T00:00:00Z",
    },
    EventKind.PROVIDER_STALE: {
        "provider": "acme",
        "since": "2026-11-26T00:00:00Z",
        "interval": "every 6h",
    },
    EventKind.PROVIDER_RECOVERED: {
        "provider": "acme",
        "was": ["failed", "stale"],
        "since": "2026-11-26T00:00:00Z",
    },
    EventKind.RUN_FINISHED: {
        "run": "0661",
        "outcome": "partial",
        "counts": {"updated": 3, "held": 1},
        "readings": [{"provider": "acme", "status": "failed", "error": "acme: body: not JSON"}],
    },
    EventKind.UNPRICED_TRAFFIC: {
        "counts": {"models": 1},
        "models": [
            {"provider": "acme", "model": "maker/a b", "requests": 5, "reason": "unknown_model"}
        ],
    },
    EventKind.DEAD_LETTERS: {
        "endpoint": "billing",
        "error": "https://hooks.example: 500: no explanation",
        "since": "2026-11-26T00:00:00Z",
    },
    EventKind.DIGEST: {
        "since": "2026-11-25T09:00:00Z",
        "providers": [{"provider": "acme", "counts": {"changed": 1, "added": 0}}],
        "changes": [{"provider": "acme", **CHANGE}],
        "omitted": 0,
    },
    EventKind.TEST: {},
}


def text_of(kind: EventKind, public_url: str | None = "https://prices.example") -> str:
    event = StoredEvent("event", kind, "acme", NOW, PAYLOADS[kind])
    return "\n".join(message_of(event, public_url))


def test_every_event_has_a_message_with_a_link() -> None:
    """To the page about it, if the settings say where people reach it."""
    assert {*KINDS, EventKind.DIGEST, EventKind.TEST} == PAYLOADS.keys()
    links = {kind: text_of(kind).splitlines()[-1] for kind in PAYLOADS}
    paths = {kind: link.removeprefix("https://prices.example") for kind, link in links.items()}
    assert {
        EventKind.PRICE_CHANGED: "/providers/acme",
        EventKind.PRICE_SCHEDULED: "/providers/acme",
        EventKind.CHANGES_HELD: "/review?provider=acme",
        EventKind.PROVIDER_FAILED: "/providers/acme",
        EventKind.PROVIDER_STALE: "/providers/acme",
        EventKind.PROVIDER_RECOVERED: "/providers/acme",
        EventKind.RUN_FINISHED: "/runs/0661",
        EventKind.UNPRICED_TRAFFIC: "/models/acme/maker/a%20b",
        EventKind.DEAD_LETTERS: "/",
        EventKind.DIGEST: "/",
        EventKind.TEST: "/",
    } == paths
    assert not any("://prices" in text_of(kind, None) for kind in PAYLOADS)


def test_held_changes_are_listed_up_to_ten() -> None:
    """With the number of the others."""
    text = text_of(EventKind.CHANGES_HELD).splitlines()
    assert "pricing-sync: acme: 13 price changes held" == text[0]
    assert "Held by: unit (13)" == text[1]
    assert ["maker/a: input 2.5 → 2 (-20 %)"] * 10 == text[2:12]
    assert ["… and 3 more", "20 wait in all."] == text[12:14]


def test_a_message_is_sent_by_apprise(make: Make) -> None:
    """Through the same queue as a webhook: what fails is sent again."""
    receiver = Receiver(behave=answering(500))
    with receiving(receiver):
        url = receiver.url.replace("http://", "json://").replace("/hook", "/xq7zkw-secret")
        app = make(notify_urls=SecretStr(url), public_url="https://prices.example")

        async def work() -> None:
            with app.store.transaction():
                for kind in (EventKind.PRICE_CHANGED, EventKind.PROVIDER_FAILED):
                    app.store.outbox.add(f"of {kind}", kind, datetime.now(UTC), PAYLOADS[kind])
            await until(lambda: app.webhooks()[0].state.failures > 0)
            (status,) = app.webhooks()
            assert ("notify-1", "apprise", "json://") == (status.name, status.kind, status.where)
            assert "error=500" in (status.state.error or "")
            assert "xq7zkw" not in repr(status)
            receiver.behave = answering(200)
            await until(lambda: app.webhooks()[0].state.delivered == 1)
            await app.test_webhook("notify-1")

        serve(app, work)
    messages = [json.loads(one.body) for one in receiver.got]
    # Of a routine change nobody is told.
    assert {"pricing-sync: acme cannot be read", "pricing-sync: a test"} == {
        message["title"] for message in messages
    }
    assert "https://prices.example/providers/acme" in messages[0]["message"]


def test_each_address_has_its_own_queue(make: Make) -> None:
    """One that fails makes nobody else get a message twice."""
    good, bad = Receiver(behave=answering(200)), Receiver(behave=answering(500))
    with receiving(good, bad):
        urls = [one.url.replace("http://", "json://") for one in (bad, good)]
        app = make(notify_urls=SecretStr(" ".join(urls)), notify_events="price.changed")

        async def work() -> None:
            tell_change(app)
            await until(lambda: app.webhooks()[1].state.delivered == 1)
            await until(lambda: app.webhooks()[0].state.failures > 2)

        serve(app, work)
    assert 1 == len(good.got)


def tell_change(app: Any) -> None:
    with app.store.transaction():
        payload = PAYLOADS[EventKind.PRICE_CHANGED]
        app.store.outbox.add("change", EventKind.PRICE_CHANGED, datetime.now(UTC), payload)


def test_an_address_that_apprise_does_not_know_is_named(make: Make) -> None:
    """By its setting and its number, without the address."""
    app = make(notify_urls=SecretStr("nonsense://xq7zkw"))
    with app, pytest.raises(DeliveryFailed) as failed:
        asyncio.run(app.test_webhook("notify-1"))
    assert "PRICING_SYNC_NOTIFY_URLS: no address of Apprise" in str(failed.value)
    assert "xq7zkw" not in str(failed.value)


def test_without_apprise_the_extra_is_named(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything else works."""
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "apprise":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with make(notify_urls=SecretStr("json://127.0.0.1:9")) as app:
        tell(app, "one")
        with pytest.raises(DeliveryFailed, match=r"pip install 'pricing-sync\[notify\]'"):
            asyncio.run(app.test_webhook("notify-1"))


@pytest.mark.parametrize("text", ["9:00", "24:00", "09:60", "nine", "09:00:00"])
def test_a_time_of_the_digest_has_one_form(text: str) -> None:
    """HH:MM."""
    with pytest.raises(ValidationError, match="expected a time such as 09:00"):
        Settings(notify_digest=text)
