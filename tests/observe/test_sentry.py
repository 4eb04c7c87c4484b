"""Sentry: one issue for each way in which a provider fails, and no secret in it."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import Iterator, Mapping
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

from built import catalogue
from fault_server import FaultServer, response
from scheduled import two_providers

DAY = datetime(2026, 7, 17, 12, tzinfo=UTC)
CANARY = "canary-0815"
STATE = {"enabled": True, "running": True, "last_syncs": {}, "since": DAY}


class Caught(Transport):
    """What would have been sent."""

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
def no_client() -> Iterator[None]:
    """Nothing of one test's client is left for the next."""
    yield
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)
    sentry_sdk.get_isolation_scope().clear()


@pytest.fixture
def sent() -> Caught:
    """A host's client that tells as much as a client can: variables, stacks, log records."""
    caught = Caught()
    sentry_sdk.init(
        dsn="https://key@sentry.invalid/1",
        transport=caught,
        include_local_variables=True,
        attach_stacktrace=True,
        default_integrations=False,
        integrations=[LoggingIntegration()],
    )
    return caught


def reading(kind: str | None, provider: str = "openrouter") -> Reading:
    return Reading(
        id="reading-1",
        run_id="run-1",
        provider=provider,
        at=DAY,
        started_at=DAY,
        finished_at=DAY,
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


def fingerprints(sent: Caught) -> list[str]:
    return [" ".join(event["fingerprint"]) for event in sent.events]


def test_a_failed_reading_is_an_event(sent: Caught) -> None:
    """With who, how, the stack, and how the schedule stood."""
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


def test_a_failure_that_nobody_raised_is_a_message(sent: Caught) -> None:
    """As of a process that died. No stack of the listener itself poses as its cause."""
    SentryListener().on_reading(reading(ABANDONED), None)
    (event,) = sent.events
    assert "openrouter: status 503: busy" == event["message"]
    assert ["pricing-sync", "openrouter", "abandoned"] == event["fingerprint"]
    assert "stacktrace" not in sent.text()


def test_a_failure_that_goes_on_is_one_event(tmp_path: Path, sent: Caught) -> None:
    """Fifty readings fail alike: there is nothing new to say."""
    with two_providers(tmp_path, None, SentryListener()) as app:
        for _ in range(50):
            asyncio.run(app.replay("openrouter", [RecordedAnswer(b"<html>")]))
    assert ["pricing-sync openrouter decode"] == fingerprints(sent)


def test_a_failure_after_a_success_is_told_again(tmp_path: Path, sent: Caught) -> None:
    """It is another one."""
    with two_providers(tmp_path, None, SentryListener()) as app:
        for body in (b"<html>", catalogue(1), b"<html>", b"<html>"):
            asyncio.run(app.replay("openrouter", [RecordedAnswer(body)]))
    assert ["pricing-sync openrouter decode"] * 2 == fingerprints(sent)


def test_another_kind_of_failure_and_another_provider_are_told(sent: Caught) -> None:
    """They are other issues."""
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


def test_what_somebody_cancelled_is_no_event(sent: Caught) -> None:
    """Nor does it make the failure before it a new one."""
    listener = SentryListener()
    for kind in (CANCELLED, "transport", CANCELLED, "transport"):
        listener.on_reading(reading(kind), None)
    assert ["pricing-sync openrouter transport"] == fingerprints(sent)


@pytest.mark.parametrize("kind", [INTERNAL, STORE])
def test_what_the_engine_calls_broken_is_one_event(sent: Caught, kind: str) -> None:
    """It tells of the same error twice: as what broke, and as why the reading failed."""
    listener, error = SentryListener(), raised(StoreError("database: gone"))
    listener.on_error("openrouter", error)
    listener.on_reading(reading(kind), error)
    assert ["pricing-sync openrouter StoreError"] == fingerprints(sent)


def test_what_breaks_is_told_once_an_hour(sent: Caught) -> None:
    """Each place and type by itself."""
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


def test_no_variable_is_sent(sent: Caught) -> None:
    """Though the host's client sends those of its own frames: this shows that it would."""
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


def test_no_message_of_a_foreign_error_is_sent(sent: Caught) -> None:
    """A library may repeat the header or the address that it could not use. Its type is told, and
    whose fault it was in our words."""
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


def test_nothing_of_the_host_is_sent_with_it(sent: Caught) -> None:
    """Neither the request in which a reading was asked for, nor what was done before it."""
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


def test_the_host_sees_nothing_of_ours_in_its_events(sent: Caught) -> None:
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


def test_what_is_logged_as_well_is_still_one_event(sent: Caught) -> None:
    """A client that makes events of log records leaves ours alone."""
    logging.getLogger("host").error("of the host")
    assert 1 == len(sent.events)
    sent.envelopes.clear()
    for listener in (LogListener(), SentryListener()):
        listener.on_error("tick", raised(ValueError("a bug")))
    assert ["pricing-sync tick ValueError"] == fingerprints(sent)
    assert CANARY not in sent.text()


def test_the_database_may_be_away(sent: Caught) -> None:
    """Then the state of the schedule is not told, and the event is."""

    def status() -> dict[str, Any]:
        raise StoreError("database: gone")

    listener = SentryListener()
    listener.on_start(status)
    listener.on_error("tick", raised(StoreError("database: gone")))
    (event,) = sent.events
    assert "pricing_sync_scheduler" not in event["contexts"]


def test_without_a_client_nothing_is_said_nor_remembered(sent: Caught) -> None:
    """A host may start its client later, and is told then."""
    listener = SentryListener()
    sentry_sdk.get_global_scope().set_client(None)
    listener.on_reading(reading("transport"), None)
    listener.on_error("tick", StoreError("gone"))
    assert [] == sent.events
    sentry_sdk.init(dsn="https://key@sentry.invalid/1", transport=sent, default_integrations=False)
    listener.on_reading(reading("transport"), None)
    listener.on_error("tick", StoreError("gone"))
    assert 2 == len(sent.events)


def test_a_reading_over_http_tells_the_schedule_as_it_is(tmp_path: Path, sent: Caught) -> None:
    """A real engine: the provider refuses the key, which is in nothing that is sent."""

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


class Sentry(HTTPServer):
    """A Sentry on loopback: the envelopes that reach it."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.server, Sentry)
        self.server.received.append(gzip.decompress(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def sentry() -> Iterator[Sentry]:
    with Sentry() as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_client_of_our_own_reports_what_it_is_told_alone(sentry: Sentry) -> None:
    """Over HTTP, under the name of the release; not what is logged, and no variables."""
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
