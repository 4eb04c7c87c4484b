"""Secrets from the environment appear in no output, whatever fails."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sentry_sdk
from pydantic import SecretStr
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from pricing_sync.app import PricingSync
from pricing_sync.changes.run import Reading
from pricing_sync.demo.faults import Fault
from pricing_sync.demo.server import DemoServer
from pricing_sync.notify import deliverer
from pricing_sync.observe.listener import Listener
from pricing_sync.observe.logs import JsonFormatter, TextFormatter
from pricing_sync.observe.sentry import SentryListener
from pricing_sync.settings import ProviderSettings, Settings, WebhookSettings
from pricing_sync.sources.providers import built_in
from pricing_sync.sync.access import ProviderAccess
from pricing_sync.web import standalone

from command import Run
from databases import console, database_url, databases
from fault_server import FaultServer, Request, response
from receivers import Handler, Receiver, receiving

KEY, ADMIN, READ = "xq7zkw-key", "xq7zkw-admin-token", "xq7zkw-read-token"
DSN = "https://xq7zkw@sentry.example/1"
#: Part of every secret, and of nothing else.
CANARY = "xq7zkw"
HOOK_SECRET = "whsec_" + 6 * CANARY
KEYS = {
    variable: KEY
    for provider in built_in().values()
    for variable in (*provider.variables, *(provider.key.variables if provider.key else ()))
}
FAULTS = (
    *(Fault("unauthorized"), Fault("redirect"), Fault("html"), Fault("truncated")),
    *(Fault("server_error"), Fault("too_many_requests"), Fault("reset"), Fault("half")),
    *(Fault("schema_change"), Fault("deep_json"), Fault("unit_slip"), Fault("empty")),
)


class RecordingTransport(Transport):
    """Keeps the envelopes that would be sent to Sentry."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.sent.append(envelope.serialize().decode("utf-8", "replace"))


class BrokenListener(Listener):
    """A listener that raises in a frame with a secret in a local variable."""

    def on_reading(self, reading: Reading, error: Exception | None) -> None:  # noqa: ARG002
        secret = KEY
        raise ZeroDivisionError(len(secret))


@contextmanager
def logged() -> Iterator[list[str]]:
    """Every log line of every logger from INFO on, in both formats, inside the block."""
    lines: list[str] = []
    formats = (TextFormatter(), JsonFormatter())

    class KeepLines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.extend(each.format(record) for each in formats)

    root, handler = logging.getLogger(), KeepLines()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def excerpt(text: str) -> str:
    """The part of a text around the secret."""
    at = text.find(CANARY)
    return text[max(at - 100, 0) : at + 50]


def settings_of(folder: Path, urls: dict[str, str], **more: Any) -> Settings:
    return Settings(
        **more,
        database=database_url(folder),
        providers=tuple(urls),
        provider={name: ProviderSettings(base_url=url) for name, url in urls.items()},
        first_delay_seconds=3600,
        reference_hours=0,
        attempts=1,
        admin_token=SecretStr(ADMIN),
        read_token=SecretStr(READ),
        sentry_dsn=SecretStr(DSN),
    )


async def call_everything(pricing: PricingSync, server: DemoServer | None) -> list[str]:
    """The API's answers to a run with each fault and to every GET, and the reprs of the app."""
    answers: list[str] = []
    app = standalone(pricing)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {ADMIN}"}
    async with (
        pricing.lifespan(),
        httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60) as client,
    ):
        for fault in FAULTS if server else (None,):
            for name in pricing.settings.providers:
                if server and fault:
                    server.fault(name, fault)
            answer = await client.post("/admin/pricing/sync/trigger", headers=headers)
            assert answer.status_code == 200, answer.text
            answers.append(answer.text)
        for one in pricing.webhooks():
            path = f"/admin/pricing/webhooks/{one.name}/test"
            answers.append((await client.post(path, headers=headers)).text)
        for path in app.openapi()["paths"]:
            if "{" not in path:
                for header in (headers, {"Authorization": f"Bearer {ADMIN} {KEY}"}, {}):
                    answer = await client.get(path, headers=header)
                    answers += [answer.text, repr(answer.headers)]
        answers.append(repr(pricing.settings) + repr(pricing) + repr(pricing.access))
    return answers


def stored_texts(folder: Path) -> list[str]:
    """The bytes of the database's files, or its rows if it has no files here."""
    if databases.kind == "sqlite":
        return [file.read_bytes().decode("latin-1") for file in sorted(folder.glob("prices.db*"))]
    with console(folder) as database:
        tables = database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return [repr(database.execute(f"SELECT * FROM {table}")) for (table,) in tables]


def outputs(folder: Path, pricing: PricingSync, server: DemoServer | None) -> dict[str, str]:
    """The text of every output that could have a secret, by the name of the output."""
    transport = RecordingTransport()
    sentry_sdk.init(dsn=DSN, transport=transport, include_local_variables=True)
    try:
        with logged() as lines:
            answers = asyncio.run(call_everything(pricing, server))
        sentry_sdk.flush()
    finally:
        sentry_sdk.init()
    files = stored_texts(folder)
    # The header of an envelope has the public part of the DSN, which identifies the sender.
    events = [part.split("\n", 1)[1] for part in transport.sent]
    assert lines
    assert answers
    assert files
    assert events
    return {
        "log": "\n".join(lines),
        "API": "\n".join(answers),
        "database": "\n".join(files),
        "Sentry": "\n".join(events),
    }


def test_no_fault_leaks_a_secret(tmp_path: Path) -> None:
    """In log, API, metrics, Sentry and database, with every provider and every fault."""
    with DemoServer() as server:
        settings = settings_of(tmp_path, {name: server.base_url(name) for name in built_in()})
        access = ProviderAccess(settings, environment=KEYS)
        pricing = PricingSync(
            settings, access=access, listeners=[BrokenListener(), SentryListener()]
        )
        found = outputs(tmp_path, pricing, server)
    assert {} == {where: excerpt(text) for where, text in found.items() if CANARY in text.lower()}
    assert "pricing_reading_failures_total" in found["API"]


def test_a_secret_that_a_provider_repeats_is_not_leaked(tmp_path: Path) -> None:
    """In an error body, a redirect or a web page."""
    echoes = [
        response(401, f'{{"error": "the key {KEY} is not known"}}'.encode()),
        response(302, b"", Location=f"https://elsewhere.example/?key={KEY}"),
        response(200, f"<html>{KEY}</html>".encode(), Content_Type="text/html"),
        response(500, f"Bearer {KEY}".encode()),
    ]

    async def work() -> None:
        async with FaultServer(*echoes) as provider:
            for number in range(len(echoes)):
                folder = tmp_path / str(number)
                folder.mkdir()
                settings = settings_of(folder, {"together": provider.url})
                pricing = PricingSync(settings, access=ProviderAccess(settings, environment=KEYS))
                with logged() as lines:
                    answers = await call_everything(pricing, None)
                request: Request = provider.requests[-1]
                assert KEY in request.headers["authorization"]
                files = [file.read_bytes().decode("latin-1") for file in folder.iterdir()]
                assert "failed" in answers[0]
                assert [] == [
                    excerpt(text) for text in (*lines, *answers, *files) if CANARY in text
                ]

    asyncio.run(work())


def test_no_endpoint_leaks_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The addresses of webhooks and messages, and what signs them, even if a receiver repeats all.

    One address is in a variable, one in the settings, one is Apprise's.
    """
    monkeypatch.setattr(deliverer, "_POLL_SECONDS", 0.02)
    receiver = Receiver(behave=lambda handler: handler.answer(400, echo(handler)))
    with DemoServer() as server, receiving(receiver):
        url = receiver.url.replace("/hook", f"/services/{CANARY}-path?key={CANARY}")
        table: dict[str, Any] = {"secret_env": "HOOK_SECRET", "allow_private": True}
        names = ("openrouter", "novita")
        settings = settings_of(
            tmp_path,
            {name: server.base_url(name) for name in names},
            webhook=(
                WebhookSettings(name="in-variable", url_env="HOOK_URL", **table),
                WebhookSettings(name="in-file", url=url, **table),
            ),
            notify_urls=SecretStr(url.replace("http://", f"json://{CANARY}:{CANARY}@")),
        )
        environment = {**KEYS, "HOOK_URL": url, "HOOK_SECRET": HOOK_SECRET}
        access = ProviderAccess(settings, environment=environment)
        pricing = PricingSync(
            settings, access=access, listeners=[BrokenListener(), SentryListener()]
        )
        found = outputs(tmp_path, pricing, server)
    assert {} == {where: excerpt(text) for where, text in found.items() if CANARY in text.lower()}
    for name in ("in-variable", "in-file"):
        assert f"webhook {name}: provider.failed" in found["log"]
        assert (
            f'pricing_webhook_attempts_total{{endpoint="{name}",result="failed"}}' in (found["API"])
        )
    assert "webhook notify-1: provider.failed" in found["log"]
    assert "400: " in found["API"]


def echo(handler: Handler) -> bytes:
    """All that a receiver knows."""
    return f"{HOOK_SECRET} {handler.path} {handler.headers}".encode()


@pytest.mark.sqlite("the command's default is a file")
@pytest.mark.parametrize(
    "command", ["config", "providers", "doctor --offline", "runs", "webhooks list"]
)
def test_no_command_leaks_a_secret(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    """Neither as a table nor as JSON."""
    webhook = {"name": "hook", "url": f"https://hooks.example/{CANARY}", "secret_env": "HOOK"}
    monkeypatch.setenv("PRICING_SYNC_WEBHOOK", json.dumps([webhook]))
    monkeypatch.setenv("PRICING_SYNC_NOTIFY_URLS", f"slack://{CANARY}/{CANARY}/{CANARY}")
    monkeypatch.setenv("HOOK", HOOK_SECRET)
    secrets = {"ADMIN_TOKEN": ADMIN, "PRICING_SYNC_READ_TOKEN": READ, "SENTRY_DSN": DSN, **KEYS}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    run("migrate")
    for options in ((), ("--json",)):
        code, out, err = run(*command.split(), *options)
        assert code in (0, 1)
        assert CANARY not in out + err
        if options:
            json.loads(out)
