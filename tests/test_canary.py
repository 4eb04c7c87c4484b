"""Secrets that are set in the environment come out nowhere, whatever goes wrong."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
from pricing_sync.observe.listener import Listener
from pricing_sync.observe.logs import JsonFormatter, TextFormatter
from pricing_sync.observe.sentry import SentryListener
from pricing_sync.settings import ProviderSettings, Settings
from pricing_sync.sources.providers import built_in
from pricing_sync.sync.access import ProviderAccess
from pricing_sync.web import standalone

from command import runner
from fault_server import Asked, FaultServer, response

KEY, ADMIN, READ = "xq7zkw-key", "xq7zkw-admin-token", "xq7zkw-read-token"
DSN = "https://xq7zkw@sentry.example/1"
#: In every one of the secrets, and nowhere else.
CANARY = "xq7zkw"
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


class Caught(Transport):
    """What would be sent to Sentry."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.sent.append(envelope.serialize().decode("utf-8", "replace"))


class Breaking(Listener):
    """A listener with a bug, in a frame that holds a secret."""

    def on_reading(self, reading: Reading, error: Exception | None) -> None:  # noqa: ARG002
        secret = KEY
        raise ZeroDivisionError(len(secret))


@contextmanager
def logged() -> Iterator[list[str]]:
    """Everything that is logged meanwhile, by anybody, in both formats, from INFO on."""
    lines: list[str] = []
    formats = (TextFormatter(), JsonFormatter())

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.extend(each.format(record) for each in formats)

    root, handler = logging.getLogger(), Keeping()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def around(text: str) -> str:
    """Where in a text the secret stands."""
    at = text.find(CANARY)
    return text[max(at - 100, 0) : at + 50]


def settings_of(folder: Path, urls: dict[str, str]) -> Settings:
    return Settings(
        database=f"sqlite:///{folder / 'prices.db'}",
        providers=tuple(urls),
        provider={name: ProviderSettings(base_url=url) for name, url in urls.items()},
        first_delay_seconds=3600,
        reference_hours=0,
        attempts=1,
        admin_token=SecretStr(ADMIN),
        read_token=SecretStr(READ),
        sentry_dsn=SecretStr(DSN),
    )


async def everything_is_asked(pricing: PricingSync, server: DemoServer | None) -> list[str]:
    """Runs over each fault, and every GET of the API; all that was answered."""
    said: list[str] = []
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
            said.append(answer.text)
        for path in app.openapi()["paths"]:
            if "{" not in path:
                for header in (headers, {"Authorization": f"Bearer {ADMIN} {KEY}"}, {}):
                    answer = await client.get(path, headers=header)
                    said += [answer.text, repr(answer.headers)]
        said.append(repr(pricing.settings) + repr(pricing) + repr(pricing.access))
    return said


def watched(folder: Path, pricing: PricingSync, server: DemoServer | None) -> dict[str, str]:
    """Where a secret could come out, and everything that did come out there."""
    caught = Caught()
    sentry_sdk.init(dsn=DSN, transport=caught, include_local_variables=True)
    try:
        with logged() as lines:
            said = asyncio.run(everything_is_asked(pricing, server))
        sentry_sdk.flush()
    finally:
        sentry_sdk.init()
    files = [file.read_bytes().decode("latin-1") for file in sorted(folder.glob("prices.db*"))]
    # The header of an envelope names the DSN's public part, by which Sentry knows the sender.
    events = [part.split("\n", 1)[1] for part in caught.sent]
    assert lines
    assert said
    assert files
    assert events
    return {
        "log": "\n".join(lines),
        "API": "\n".join(said),
        "database": "\n".join(files),
        "Sentry": "\n".join(events),
    }


def test_no_secret_comes_out_of_any_fault(tmp_path: Path) -> None:
    """Log, API, metrics, Sentry and database, over every provider and every fault."""
    with DemoServer() as server:
        settings = settings_of(tmp_path, {name: server.base_url(name) for name in built_in()})
        access = ProviderAccess(settings, environment=KEYS)
        pricing = PricingSync(settings, access=access, listeners=[Breaking(), SentryListener()])
        found = watched(tmp_path, pricing, server)
    assert {} == {where: around(text) for where, text in found.items() if CANARY in text.lower()}
    assert "pricing_reading_failures_total" in found["API"]


def test_no_secret_comes_back_from_a_provider_that_repeats_it(tmp_path: Path) -> None:
    """In its refusal, its redirect, its web page."""
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
                    said = await everything_is_asked(pricing, None)
                asked: Asked = provider.asked[-1]
                assert KEY in asked.headers["authorization"]
                files = [file.read_bytes().decode("latin-1") for file in folder.iterdir()]
                assert "failed" in said[0]
                assert [] == [around(text) for text in (*lines, *said, *files) if CANARY in text]

    asyncio.run(work())


@pytest.mark.parametrize("command", ["config", "providers", "doctor --offline", "runs"])
def test_no_secret_comes_out_of_a_command(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    """As a table and as JSON."""
    monkeypatch.chdir(tmp_path)
    secrets = {"ADMIN_TOKEN": ADMIN, "PRICING_SYNC_READ_TOKEN": READ, "SENTRY_DSN": DSN, **KEYS}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    run = runner(monkeypatch, capsys)
    run("migrate")
    for options in ((), ("--json",)):
        code, out, err = run(*command.split(), *options)
        assert code in (0, 1)
        assert CANARY not in out + err
        if options:
            json.loads(out)
