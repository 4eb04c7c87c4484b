"""The service by itself, as it is started, asked and stopped."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from pricing_sync.demo.faults import Fault
from pricing_sync.demo.server import DemoServer
from pricing_sync.store import connect

from databases import database_url, databases
from server_process import ADMIN
from web.pages.visitor import Visitor

TOKEN = "a-token-for-the-tests-of-serve"


@dataclass
class Served:
    """A service in a process of its own, and what it has written so far."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def said(self, pattern: str, seconds: float = 120) -> str:
        """The first group of *pattern* in what it has written; waits for it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := re.search(pattern, "\n".join(self.lines)):
                return found[1]
            time.sleep(0.02)
        pytest.fail(f"{pattern} is not in {self.lines}")

    @property
    def url(self) -> str:
        return self.said(r"running on (http://127\.0\.0\.1:\d+)")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> float:
        """Stop it; the seconds that it took."""
        begun = time.monotonic()
        self.process.send_signal(how)
        self.process.wait(120)
        return time.monotonic() - begun


def environment(server: DemoServer, **more: str) -> dict[str, str]:
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PRICING_SYNC_") and name not in ("ADMIN_TOKEN", "SENTRY_DSN")
    }
    return own | {
        "PRICING_SYNC_PROVIDERS": "openrouter,novita",
        "PRICING_SYNC_PROVIDER__OPENROUTER__BASE_URL": server.base_url("openrouter"),
        "PRICING_SYNC_PROVIDER__NOVITA__BASE_URL": server.base_url("novita"),
        "PRICING_SYNC_FIRST_DELAY_SECONDS": "0",
        "PRICING_SYNC_REFERENCE_HOURS": "0",
        "NOVITA_API_KEY": "a-key",
        **more,
    }


@contextmanager
def serve(folder: Path, server: DemoServer, *options: str, **more: str) -> Iterator[Served]:
    command = [sys.executable, "-m", "pricing_sync", "serve", *options]
    if databases.kind != "sqlite":
        more.setdefault("PRICING_SYNC_DATABASE", database_url(folder))
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment(server, **more),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        served = Served(process)
        thread = threading.Thread(target=served.listen, daemon=True)
        thread.start()
        try:
            yield served
        finally:
            process.kill()
            thread.join(10)


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer() as running:
        yield running


@pytest.fixture(scope="module", params=["uvloop", "asyncio"])
def one_served(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    database_kind: str,  # noqa: ARG001  a service for each
) -> Iterator[str]:
    """The URL of a service that has read its providers, on each event loop."""
    folder, more = tmp_path_factory.mktemp("served"), {"ADMIN_TOKEN": TOKEN}
    if request.param == "asyncio":
        (folder / "uvloop.py").write_text("raise ImportError('not installed')")
        more["PYTHONPATH"] = str(folder)
    with (
        DemoServer() as providers,
        serve(folder, providers, "--port", "0", **more) as served,
    ):
        served.said(r"(run \w+: success)")
        yield served.url


def get(served: Served, path: str, token: str = TOKEN) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(served.url + path, headers=headers, timeout=120, trust_env=False)


def test_without_a_token_it_makes_one_that_holds_until_it_stops(
    tmp_path: Path, server: DemoServer
) -> None:
    """It is shown once, on this machine, and is a right one."""
    with serve(tmp_path, server, "--port", "0") as served:
        token = served.said(r"the token is\n\n {4}(\S{20,})")
        assert 200 == get(served, "/admin/pricing/scheduler/status", token).status_code
        assert 401 == get(served, "/admin/pricing/scheduler/status", token + "x").status_code
    with serve(tmp_path, server, "--port", "0") as again:
        assert token != again.said(r"the token is\n\n {4}(\S{20,})")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_without_a_token_it_listens_on_this_machine_alone(
    tmp_path: Path, server: DemoServer, host: str
) -> None:
    """Anybody who can reach it could else do as they like."""
    with serve(tmp_path, server, "--host", host) as served:
        assert 2 == served.process.wait(120)
        said = served.said("error: (.*)")
    assert said == f"ADMIN_TOKEN: expected a token, as {host} can be reached from elsewhere"


def test_it_reads_on_schedule_serves_prices_and_stops_in_order(
    tmp_path: Path, server: DemoServer
) -> None:
    """What it read is there when it starts again."""
    with serve(tmp_path, server, "--port", "0", ADMIN_TOKEN=TOKEN) as served:
        served.said(r"(run \w+: success)")
        price = get(served, "/v1/prices/openrouter/openai/gpt-4o").json()
        assert "2.5" == price["rates"]["input"]
        assert 0 == get(served, "/ready").json()["never_read"]
        assert served.stop() < 25
        assert "Application shutdown complete." in served.lines[-2]
    server.fault("openrouter", Fault("server_error"))
    with serve(tmp_path, server, "--port", "0", ADMIN_TOKEN=TOKEN) as again:
        status = get(again, "/admin/pricing/scheduler/status").json()
        assert {"openrouter", "novita"} == status["last_syncs"].keys()
        assert price["since"] == get(again, "/v1/prices/openrouter/openai/gpt-4o").json()["since"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_of_a_reading_stops_it_within_the_limit(
    tmp_path: Path, server: DemoServer, how: signal.Signals
) -> None:
    """The reading is cancelled and written down. The events of its run end at once: the server
    waits for no open response."""
    server.fault("openrouter", Fault("hang"))
    options = {"ADMIN_TOKEN": TOKEN, "PRICING_SYNC_STOP_SECONDS": "0.5"}
    with serve(tmp_path, server, "--port", "0", **options) as served:
        served.said("(novita: read)")
        runs = get(served, "/admin/pricing/runs").json()["items"]
        path = f"/admin/pricing/runs/{runs[0]['run_id']}/events"
        with httpx.stream(
            "GET",
            served.url + path,
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=30,
            trust_env=False,
        ) as events:
            assert 200 == events.status_code
            lines = events.iter_lines()
            assert next(lines).startswith("retry: ")
            seconds = served.stop(how)
            assert [*lines]  # a stream that is cut off would raise an error
        assert seconds < 25  # without the limit it would wait for 30
        assert any("openrouter: cancelled" in line for line in served.lines)
        assert not any("graceful" in line or "Traceback" in line for line in served.lines)


def test_an_open_page_does_not_delay_a_stop(tmp_path: Path, server: DemoServer) -> None:
    """Its events end at once, without an error on either side."""
    options = {"ADMIN_TOKEN": ADMIN, "PRICING_SYNC_ENABLED": "false"}
    with serve(tmp_path, server, "--port", "0", **options) as served:
        visitor = Visitor(served.url)
        visitor.sign_in()
        with visitor.http.stream("GET", "/live") as events:
            lines = events.iter_lines()
            assert "retry: 2000" == next(lines)
            served.stop()
            assert {""} == {*lines}
        served.said("(Application shutdown complete)")
        assert not any("graceful" in line or "Traceback" in line for line in served.lines)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/health"),
        ("GET", "/v1/prices/openrouter/openai/gpt-4o"),
        ("GET", "/v1/prices/openrouter/openai/gpt-4o?at=2100-01-01T00:00:00Z"),
        ("GET", "/metrics"),
        ("GET", "/nothing-here"),
        ("POST", "/admin/pricing/runs/01J0000000000000000000000A/cancel"),
    ],
)
def test_a_kept_alive_connection_is_answered_at_once(
    one_served: str, method: str, path: str
) -> None:
    """Headers and body leave in two packets. The second must not wait for the client's delayed
    acknowledgement, which takes 40 ms at every request. Other programs use this machine, so the
    shortest counts, on one of several connections."""
    assert any(min(_durations(one_served, method, path)) < 25 for _ in range(20))


def _durations(url: str, method: str, path: str) -> list[float]:
    """How long requests take on one connection, in ms, after the first five."""
    headers, found = {"Authorization": f"Bearer {TOKEN}"}, []
    with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
        for _ in range(25):
            begun = time.perf_counter()
            client.request(method, path)
            found.append((time.perf_counter() - begun) * 1000)
    return found[5:]


def test_its_log_as_json_is_one_object_a_line(tmp_path: Path, server: DemoServer) -> None:
    """Also the server's own lines."""
    options = {"ADMIN_TOKEN": TOKEN, "PRICING_SYNC_LOG_FORMAT": "json"}
    with serve(tmp_path, server, "--port", "0", **options) as served:
        served.said(r"(run \w+: success)")
        served.stop()
    entries = [json.loads(line) for line in served.lines]
    assert {"uvicorn.error", "pricing_sync"} == {entry["logger"] for entry in entries}
    (read,) = [entry for entry in entries if entry.get("provider") == "openrouter"]
    assert ("reading", "read", "info") == (read["action"], read["status"], read["level"])


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PRICING_SYNC_INTERVAL_HOURS", "often"),
        ("PRICING_SYNC_ENABLED", "maybe"),
        ("PRICING_SYNC_PROVIDER__OPENROUTER__CRON", "61 * * * *"),
        ("PRICING_SYNC_WINDOW", "25:00-26:00"),
        ("ADMIN_TOKEN", "short"),
        ("PRICING_SYNC_INTERVALL_HOURS", "6"),
    ],
)
def test_a_wrong_setting_fails_at_the_start_by_its_name(
    tmp_path: Path, server: DemoServer, variable: str, value: str
) -> None:
    """One line, exit code 2, and nothing was begun."""
    with serve(tmp_path, server, **{variable: value}) as served:
        assert 2 == served.process.wait(120)
        assert variable in served.said("error: (.*)")
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PRICING_SYNC_DATABASE", "postgresql://me:canary@db/prices"),
        ("PRICING_SYNC_DATABASE", "sqlite:////dev/null/prices.db"),
        ("PRICING_SYNC_PROVIDERS", "openrouter,togethr"),
        ("PRICING_SYNC_HOST", "a..b"),
        ("PRICING_SYNC_HOST", "no such host"),
        ("SENTRY_DSN", "https://canary@sentry.example/not-a-number"),
        ("SENTRY_DSN", "https://canary@sentry.example:port/1"),
    ],
)
def test_no_setting_is_answered_with_a_traceback(
    tmp_path: Path, server: DemoServer, variable: str, value: str
) -> None:
    """The last line says what is wrong, without what is secret, and no server was started."""
    with serve(tmp_path, server, ADMIN_TOKEN=TOKEN, **{variable: value}) as served:
        assert served.process.wait(120) in (1, 2)
        served.said("(?:^|\n)error: (.*)")
    written = "\n".join(served.lines)
    assert served.lines[-1].startswith("error: ")
    assert "Traceback" not in written
    assert "canary" not in written
    assert "startup" not in written


def test_garbage_collections_skip_what_is_imported(tmp_path: Path) -> None:
    """Requests wait for a full one: what stays anyway is not looked through."""
    program = (
        "import gc, sys, uvicorn; from pricing_sync.cli import main\n"
        "uvicorn.Server.run = lambda *_, **__: print(gc.get_freeze_count(), gc.get_count()[0])\n"
        "sys.argv = ['pricing-sync', 'serve', '--port', '0']; main()"
    )
    printed = subprocess.check_output(
        [sys.executable, "-c", program], cwd=tmp_path, stderr=subprocess.DEVNULL, text=True
    )
    frozen, young = map(int, printed.split())
    assert frozen > 50_000
    assert young < 1_000


def test_an_address_in_use_is_said(tmp_path: Path, server: DemoServer) -> None:
    """By its name, with the exit code of bad input."""
    with serve(tmp_path, server, "--port", str(server.port), ADMIN_TOKEN=TOKEN) as served:
        assert 2 == served.process.wait(120)
        said = f"serve: cannot listen on 127.0.0.1:{server.port}"
        assert said == served.said("\nerror: (.*)")


@pytest.mark.sqlite("an older schema of PostgreSQL is migrated in tests/store")
def test_serve_migrates_an_older_database_unless_it_must_not(
    tmp_path: Path, server: DemoServer
) -> None:
    """Otherwise it stops and says how. It says at once what will be read, and when."""
    with connect(f"sqlite:///{tmp_path / 'pricing-sync.db'}", create=True) as store:
        store.migrate(upto=16)
    forbidden = {"ADMIN_TOKEN": TOKEN, "PRICING_SYNC_MIGRATE": "false"}
    with serve(tmp_path, server, "--port", "0", **forbidden) as served:
        assert served.said(r"(run `pricing-sync migrate`)")
    with serve(tmp_path, server, "--port", "0", ADMIN_TOKEN=TOKEN) as served:
        assert served.said(r"migrations applied: 17.*; as it was: (.*schema-16-)")
        assert served.said(
            r"openrouter, novita are read on schedule into (sqlite:///\S+), from 0 s"
        )
        assert served.said(r"run \w+: (success)")
