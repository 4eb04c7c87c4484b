"""Sentry: one issue for each kind of failure of a provider, and no secrets in it."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.transport import Transport

from pricing_sync.changes.run import ABANDONED, CANCELLED, INTERNAL, STORE, Reading, Status
from pricing_sync.errors import StoreError, TransportError
from pricing_sync.observe.logs import LogListener
from pricing_sync.observe.sentry import SentryListener, init
from pricing_sync.sync.recorded import RecordedAnswer
from pricing_sync.version import VERSION

import invented_readings as readings
from built import catalogue
from fault_server import FaultServer, response
from scheduled import two_providers

DAY = datetime(2026, 7, 17, 12, tzinfo=UTC)
CANARY = "canary-0815"
STATE = {"enabled": True, "running": True, "last_syncs": {}, "since": DAY}


class RecordingTransport(Transport):
    """Keeps the envelopes that a client would send."""

    def __init__(self) -> None:
        super().__init__()
        self.envelopes: list[Envelope] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.envelopes.append(envelope)

    @property
    def events(self) -> list[Mapping[str, Any]]:
        events = [envelope.get_event() for envelope in self.envelopes]
        return [event for event in events if event is not None]

    def text(self) -> str:
        return "\n".join(envelope.serialize().decode() for envelope in self.envelopes)


@pytest.fixture(autouse=True)
def remove_client() -> Iterator[None]:
    """Removes the client after each test."""
    yield
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)
    sentry_sdk.get_isolation_scope().clear()


@pytest.fixture
def sent() -> RecordingTransport:
    """A host's client that sends as much as a client can: variables, stacks, log records."""
    transport = RecordingTransport()
    sentry_sdk.init(
        dsn="https://key@sentry.invalid/1",
        transport=transport,
        include_local_variables=True,
        attach_stacktrace=True,
        default_integrations=False,
        integrations=[LoggingIntegration()],
    )
    return transport


def reading(kind: str | None, provider: str = "openrouter") -> Reading:
    return readings.reading(
        DAY,
        provider,
        id="reading-1",
        run_id="run-1",
        status=Status.FAILED if kind else Status.READ,
        url="https://openrouter.ai/api/v1/models",
        error_kind=kind,
        error=f"{provider}: status 503: busy" if kind else None,
    )


def raised(error: Exception) -> Exception:
    """*error* with a traceback, through a frame that holds a secret."""
    key = CANARY
    try:
        raise error
    except type(error) as caught:
        assert key
        return caught


def fingerprints(sent: RecordingTransport) -> list[str]:
    return [" ".join(event["fingerprint"]) for event in sent.events]


def test_a_failed_reading_is_an_event(sent: RecordingTransport) -> None:
    """It has the provider, the kind, the stack, and the state of the schedule."""
    listener = SentryListener()
    listener.on_start(lambda: STATE)
    why = TransportError("openrouter", "status 503", "busy")
    listener.on_reading(reading("transport"), raised(why))
    (event,) = sent.events
    assert {"provider": "openrouter", "error_kind": "transport"} == event["tags"]
    assert ["pricing-sync", "openrouter", "transport"] == event["fingerprint"]
    assert "error" == event["level"]
    (exception,) = event["exception"]["values"]
    assert ("TransportError", "openrouter: status 503: busy") == (
        exception["type"],
        exception["value"],
    )
    assert "raised" == exception["stacktrace"]["frames"][-1]["function"]
    assert {
        "enabled": True,
        "running": True,
        "last_syncs": {},
        "since": "2026-07-17 12:00:00+00:00",
    } == event["contexts"]["pricing_sync_scheduler"]
    assert {
        "id": "reading-1",
        "run_id": "run-1",
        "started_at": "2026-07-17T12:00:00Z",
        "finished_at": "2026-07-17T12:00:00Z",
        "source": "api",
        "url": "https://openrouter.ai/api/v1/models",
        "size_bytes": 0,
        "error": "openrouter: status 503: busy",
        "dry_run": False,
    } == event["contexts"]["reading"]


def test_a_failure_without_an_exception_is_a_message(sent: RecordingTransport) -> None:
    """For example of a process that died. The stack of the listener is not sent as its cause."""
    SentryListener().on_reading(reading(ABANDONED), None)
    (event,) = sent.events
    assert "openrouter: status 503: busy" == event["message"]
    assert ["pricing-sync", "openrouter", "abandoned"] == event["fingerprint"]
    assert "stacktrace" not in sent.text()


def test_a_repeated_failure_is_one_event(tmp_path: Path, sent: RecordingTransport) -> None:
    """Fifty readings fail in the same way."""
    with two_providers(tmp_path, None, SentryListener()) as app:
        for _ in range(50):
            asyncio.run(app.replay("openrouter", [RecordedAnswer(b"<html>")]))
    assert ["pricing-sync openrouter decode"] == fingerprints(sent)


def test_a_failure_after_a_success_is_sent_again(tmp_path: Path, sent: RecordingTransport) -> None:
    """It is a new failure."""
    with two_providers(tmp_path, None, SentryListener()) as app:
        for body in (b"<html>", catalogue(1), b"<html>", b"<html>"):
            asyncio.run(app.replay("openrouter", [RecordedAnswer(body)]))
    assert ["pricing-sync openrouter decode"] * 2 == fingerprints(sent)


def test_another_kind_of_failure_and_another_provider_are_sent(sent: RecordingTransport) -> None:
    """They are different issues."""
    listener = SentryListener()
    for kind in ("transport", "refused", "refused", "transport"):
        listener.on_reading(reading(kind), None)
    listener.on_reading(reading("transport", "xai"), None)
    assert [
        "pricing-sync openrouter transport",
        "pricing-sync openrouter refused",
        "pricing-sync openrouter transport",
        "pricing-sync xai transport",
    ] == fingerprints(sent)


def test_a_cancelled_reading_is_no_event(sent: RecordingTransport) -> None:
    """A failure after it is still the same failure as before it."""
    listener = SentryListener()
    for kind in (CANCELLED, "transport", CANCELLED, "transport"):
        listener.on_reading(reading(kind), None)
    assert ["pricing-sync openrouter transport"] == fingerprints(sent)


@pytest.mark.parametrize("kind", [INTERNAL, STORE])
def test_an_error_that_fails_a_reading_is_one_event(sent: RecordingTransport, kind: str) -> None:
    """The engine reports it twice: with `on_error`, and as the cause of the failed reading."""
    listener, error = SentryListener(), raised(StoreError("database: gone"))
    listener.on_error("openrouter", error)
    listener.on_reading(reading(kind), error)
    assert ["pricing-sync openrouter StoreError"] == fingerprints(sent)


def test_a_skipped_reading_is_no_event(sent: RecordingTransport) -> None:
    """A key that is not set is no failure of the provider."""
    skipped = replace(reading(None), status=Status.SKIPPED, error="openrouter: key: K is not set")
    SentryListener().on_reading(skipped, None)
    assert [] == sent.events


def test_an_error_is_sent_once_an_hour(sent: RecordingTransport) -> None:
    """Each place and each type counts separately."""
    clock = [1000.0]
    listener = SentryListener(lambda: clock[0])
    for clock[0], where, error in (
        (1000.0, "tick", StoreError("gone")),
        (1000.0, "tick", StoreError("busy")),
        (1000.0, "run", StoreError("gone")),
        (1000.0, "tick", ValueError("bug")),
        (4599.9, "tick", StoreError("gone")),
        (4600.0, "tick", StoreError("gone")),
        (4600.1, "tick", StoreError("gone")),
    ):
        listener.on_error(where, raised(error))
    assert [
        "pricing-sync tick StoreError",
        "pricing-sync run StoreError",
        "pricing-sync tick ValueError",
        "pricing-sync tick StoreError",
    ] == fingerprints(sent)
    assert {"where": "tick"} == sent.events[0]["tags"]


def test_no_variable_is_sent(sent: RecordingTransport) -> None:
    """The first event shows that this client does send the variables of its host."""
    sentry_sdk.capture_exception(raised(ValueError("of the host")))
    assert CANARY in sent.text()
    sent.envelopes.clear()
    listener = SentryListener()
    listener.on_reading(
        reading("transport"), raised(TransportError("openrouter", "connection", "reset"))
    )
    listener.on_reading(reading("refused"), None)
    listener.on_error("tick", raised(ValueError("of ours")))
    assert 3 == len(sent.events)
    assert CANARY not in sent.text()
    assert '"vars"' not in sent.text()


def test_no_message_of_a_foreign_error_is_sent(sent: RecordingTransport) -> None:
    """A library may repeat a header or a URL. Only its type is sent, and our error's message."""
    cause = raised(ValueError(f"Illegal header value b'Bearer {CANARY}'"))
    error = TransportError("openrouter", "connection", "refused")
    error.__cause__ = cause
    listener = SentryListener()
    listener.on_reading(reading("transport"), raised(error))
    listener.on_error("openrouter", cause)
    assert CANARY not in sent.text()
    assert [
        [("ValueError", None), ("TransportError", "openrouter: connection: refused")],
        [("ValueError", None)],
    ] == [
        [(value["type"], value.get("value")) for value in event["exception"]["values"]]
        for event in sent.events
    ]


def test_no_data_of_the_host_is_sent(sent: RecordingTransport) -> None:
    """Neither the request that triggered a reading, nor the breadcrumbs before it."""
    sentry_sdk.add_breadcrumb(message=f"GET https://provider/?key={CANARY}")
    sentry_sdk.set_user({"id": CANARY})

    def add_request(event: Any, _hint: object) -> Any:
        event["request"] = {"data": CANARY}
        return event

    sentry_sdk.get_isolation_scope().add_event_processor(add_request)
    SentryListener().on_reading(
        reading("transport"), raised(TransportError("openrouter", "connection", "reset"))
    )
    assert 1 == len(sent.events)
    assert CANARY not in sent.text()


def test_the_events_of_the_host_have_none_of_our_data(sent: RecordingTransport) -> None:
    """Tags and contexts end with the event."""
    listener = SentryListener()
    listener.on_start(lambda: STATE)
    listener.on_reading(reading("transport"), None)
    sentry_sdk.capture_message("of the host")
    ours, theirs = sent.events
    assert "reading" in ours["contexts"]
    assert {"reading", "pricing_sync_scheduler"}.isdisjoint(theirs["contexts"])
    assert "tags" not in theirs
    assert "fingerprint" not in theirs


def test_an_error_that_is_also_logged_is_one_event(sent: RecordingTransport) -> None:
    """A client that makes events of log records ignores ours."""
    logging.getLogger("host").error("of the host")
    assert 1 == len(sent.events)
    sent.envelopes.clear()
    for listener in (LogListener(), SentryListener()):
        listener.on_error("tick", raised(ValueError("a bug")))
    assert ["pricing-sync tick ValueError"] == fingerprints(sent)
    assert CANARY not in sent.text()


def test_an_event_is_sent_while_the_database_is_down(sent: RecordingTransport) -> None:
    """It has no state of the schedule then."""

    def status() -> dict[str, Any]:
        raise StoreError("database: gone")

    listener = SentryListener()
    listener.on_start(status)
    listener.on_error("tick", raised(StoreError("database: gone")))
    (event,) = sent.events
    assert "pricing_sync_scheduler" not in event["contexts"]


def test_without_a_client_nothing_is_sent_or_remembered(sent: RecordingTransport) -> None:
    """A host may start its client later, which then receives the failure."""
    listener = SentryListener()
    sentry_sdk.get_global_scope().set_client(None)
    listener.on_reading(reading("transport"), None)
    listener.on_error("tick", StoreError("gone"))
    assert [] == sent.events
    sentry_sdk.init(dsn="https://key@sentry.invalid/1", transport=sent, default_integrations=False)
    listener.on_reading(reading("transport"), None)
    listener.on_error("tick", StoreError("gone"))
    assert 2 == len(sent.events)


def test_an_event_of_a_real_engine_has_the_state_of_the_schedule(
    tmp_path: Path, sent: RecordingTransport
) -> None:
    """The provider refuses the key, and the event does not contain it."""

    async def live() -> dict[str, Any]:
        async with FaultServer(response(401, f"bad key {CANARY}-key".encode())) as server:
            with two_providers(tmp_path, {"openrouter": server}, listener) as app:
                listener.on_start(app.status)
                await app.sync(["openrouter"])
                return app.status()

    listener = SentryListener()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OPENROUTER_API_KEY", f"{CANARY}-key")
        status = asyncio.run(live())
    (event,) = sent.events
    assert {"provider": "openrouter", "error_kind": "refused"} == event["tags"]
    state = event["contexts"]["pricing_sync_scheduler"]
    assert status["providers"] == state["providers"]
    assert status.keys() == state.keys()
    assert CANARY not in sent.text()


class SentryServer(HTTPServer):
    """A Sentry on loopback that keeps the envelopes it receives."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.server, SentryServer)
        self.server.received.append(gzip.decompress(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def sentry() -> Iterator[SentryServer]:
    with SentryServer() as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_our_own_client_sends_only_the_events_of_the_listener(sentry: SentryServer) -> None:
    """Over HTTP, with the release; no log records and no variables."""
    init(f"http://key@127.0.0.1:{sentry.server_port}/1")
    logging.getLogger("uvicorn.error").error("of uvicorn")
    listener = SentryListener()
    listener.on_start(lambda: STATE)
    listener.on_error("tick", raised(StoreError("database: gone")))
    sentry_sdk.flush(5)
    (envelope,) = sentry.received
    event = json.loads(envelope.splitlines()[2])
    assert f"pricing-sync@{VERSION}" == event["release"]
    assert ["pricing-sync", "tick", "StoreError"] == event["fingerprint"]
    assert "database: gone" == event["exception"]["values"][0]["value"]
    assert {"breadcrumbs", "request", "user", "extra"}.isdisjoint(event)
    assert CANARY.encode() not in envelope
