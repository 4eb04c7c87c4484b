"""The examples run, and do what they and docs/embedding.md describe."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from pricing_sync.app import PricingSync
from pricing_sync.demo.server import DemoServer
from pricing_sync.settings import WebhookSettings
from pricing_sync.sync.access import ProviderAccess

from fault_server import FaultServer, response
from receivers import SECRET
from service import KEYS, settings_of, until

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
TOKEN = "a-token-of-sixteen-or-more"
ADMIN = {"Authorization": f"Bearer {TOKEN}"}
#: One request to the gateway of the example.
SERVED = {"provider": "openrouter", "model": "openai/gpt-4o", "input": 10_000, "output": 500}


def environment(variables: Mapping[str, str], *folders: Path) -> dict[str, str]:
    """The environment of a program, which can import the examples and what is in *folders*.

    Nothing else comes from the environment of the tests but PATH. No catalog is asked.
    """
    paths = os.pathsep.join(map(str, (ROOT / "src", EXAMPLES, *folders)))
    own = {"PATH": os.environ["PATH"], "PYTHONPATH": paths, "PRICING_SYNC_REFERENCE_HOURS": "0"}
    return {**own, **variables}


def printed(folder: Path, *arguments: str, **variables: str) -> list[str]:
    """The lines that a Python program prints when it runs in *folder* and succeeds."""
    completed = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(variables, folder),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (0, "") == (completed.returncode, completed.stderr)
    return completed.stdout.splitlines()


@contextmanager
def gateway(folder: Path, server: DemoServer, **variables: str) -> Iterator[httpx.Client]:
    """A client of the example's gateway, which must exit with 0 on SIGINT."""
    settings = {
        "ADMIN_TOKEN": TOKEN,
        "PRICING_SYNC_PROVIDERS": "openrouter",
        "PRICING_SYNC_PROVIDER__OPENROUTER__BASE_URL": server.base_url("openrouter"),
    }
    command = ["-m", "uvicorn", "--app-dir", str(EXAMPLES), "embed_in_fastapi:app", "--port", "0"]
    running = subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=environment(settings | variables),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    with running:
        try:
            with httpx.Client(base_url=_address(running), timeout=30) as client:
                yield client
            running.send_signal(signal.SIGINT)
            assert 0 == running.wait(timeout=30)
        finally:
            running.kill()


def _address(running: subprocess.Popen[str]) -> str:
    """The URL that uvicorn logs at its start."""
    lines = []
    for line in running.stderr or ():
        lines.append(line)
        if found := re.search(r"running on (http://127\.0\.0\.1:\d+)", line):
            return found[1]
    pytest.fail("".join(lines))


def ok(answer: httpx.Response) -> Any:
    assert 200 == answer.status_code, answer.text
    return answer.json()


def test_every_example_has_a_test() -> None:
    """An example that no test runs would soon be wrong."""
    stems = [example.stem for example in EXAMPLES.glob("*.py")]
    untested = [
        stem for stem in stems if not any(name.startswith(f"test_{stem}_") for name in globals())
    ]
    assert stems
    assert [] == untested


@pytest.mark.sqlite("the example names a file")
def test_read_prices_prints_prices_costs_and_an_error(tmp_path: Path) -> None:
    """A price, a cost by item, an override for tomorrow, and an error for an unknown model."""
    with DemoServer() as server:
        url = server.base_url("openrouter")
        lines = printed(
            tmp_path,
            str(EXAMPLES / "read_prices.py"),
            PRICING_SYNC_PROVIDER__OPENROUTER__BASE_URL=url,
        )
    assert [
        "input: 2.5 USD per million",
        "output: 10 USD per million",
        "cache_read: 1.25 USD per million",
        "a request: 0.020000000000000 USD",
        "    2000 input: 0.005000000000000",
        "    500 output: 0.005000000000000",
        "    8000 cache_read: 0.010000000000000",
        "now: 0.020000000000000",
        "tomorrow: 0.025000000000000",
        "no price: openrouter: acme/unheard-of: not in the price book",
    ] == lines
    assert [] == list(tmp_path.iterdir())


@pytest.mark.sqlite("the example names a file")
def test_add_your_own_provider_converts_its_unit(tmp_path: Path) -> None:
    """A quarter of a cent per thousand is two and a half dollars per million."""
    lines = printed(tmp_path, str(EXAMPLES / "add_your_own_provider.py"))
    assert [
        "acme-custom {'rates': None, 'unpriced': 'varies', 'note': 'by contract'}",
        (
            "acme-large {'currency': 'USD',"
            " 'rates': {'input': '2.5', 'output': '10', 'request': '5000'},"
            " 'conditional_rates': []}"
        ),
    ] == lines
    assert [] == list(tmp_path.iterdir())


@pytest.mark.sqlite("the example names a file")
def test_add_your_own_provider_works_in_the_command_when_installed(
    tmp_path: Path,
) -> None:
    """The entry point of the example is enough; the request has the provider's key."""
    installed = tmp_path / "acme_prices-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-prices\nVersion: 1.0\n")
    source = (EXAMPLES / "add_your_own_provider.py").read_text("utf-8")
    section = re.search(r"""\[project\.entry-points\."(.+)"\]\n +(\w+ = )"(.+)"\n""", source)
    assert section is not None
    (installed / "entry_points.txt").write_text(f"[{section[1]}]\n{section[2]}{section[3]}\n")
    answer = response(200, b'{"models": [{"id": "acme-small", "cents": {"in": 0.01, "out": 0}}]}')

    async def command(*arguments: str) -> list[str]:
        async with FaultServer(answer) as server:
            variables = {
                "ACME_API_KEY": "the-key-of-acme",
                "PRICING_SYNC_PROVIDER__ACME__BASE_URL": server.url,
            }
            lines = await asyncio.to_thread(
                printed, tmp_path, "-m", "pricing_sync", *arguments, **variables
            )
            requests.extend((one.target, one.headers["authorization"]) for one in server.requests)
            return lines

    requests: list[tuple[str, str]] = []
    asyncio.run(command("sync", "acme"))
    assert [("/v1/models", "Bearer the-key-of-acme")] == requests
    lines = asyncio.run(command("cost", "acme", "acme-small", "input=20000"))
    assert "0.002 USD" == lines[-1]


def test_receive_webhooks_keeps_the_prices_that_it_is_told(tmp_path: Path) -> None:
    """Signed events are taken; what is not signed gets 401 and changes nothing."""
    program = [sys.executable, str(EXAMPLES / "receive_webhooks.py"), "0"]
    variables = {"WEBHOOK_SECRET": SECRET, "PYTHONUNBUFFERED": "1"}
    running = subprocess.Popen(
        program, env=environment(variables), stdout=subprocess.PIPE, text=True
    )
    with running, DemoServer() as server:
        try:
            assert running.stdout is not None
            url = running.stdout.readline().strip()
            hook = WebhookSettings(
                name="example", url=url, secret_env="WEBHOOK_SECRET", allow_private=True
            )
            settings = settings_of(tmp_path, server, ["novita"], webhook=(hook,))
            access = ProviderAccess(settings, environment={**KEYS, "WEBHOOK_SECRET": SECRET})
            app = PricingSync(settings, access=access)

            async def work() -> int:
                async with app.lifespan():
                    await until(lambda: app.store.deliveries.endpoints())
                    await app.sync(["novita"])
                    await until(lambda: not app.store.outbox.pending(), 30)
                    await until(lambda: not app.webhooks()[0].counts.waiting, 30)
                    return app.webhooks()[0].state.delivered

            delivered = asyncio.run(work())
            assert 401 == httpx.post(url, content=b"{}").status_code
            shown = [running.stdout.readline().split() for _ in range(delivered)]
            assert {"price.changed", "run.finished"} <= {kind for kind, _, _ in shown}
            assert int(shown[-1][2]) > 5
        finally:
            running.kill()


@pytest.mark.sqlite("the example names a file")
def test_embed_in_fastapi_bills_by_the_prices_it_has_read(tmp_path: Path) -> None:
    """Under uvicorn: no model has a price before the first reading; then requests are billed."""
    with DemoServer() as server, gateway(tmp_path, server) as client:
        assert [] == ok(client.get("/models"))
        assert 409 == client.post("/bill", json=SERVED).status_code
        assert 401 == client.post("/pricing/admin/pricing/sync/trigger").status_code
        run = ok(client.post("/pricing/admin/pricing/sync/trigger", headers=ADMIN))
        assert "success" == run["status"]
        sold = ok(client.get("/models"))
        assert "openrouter/openai/gpt-4o" in sold
        assert "openrouter/openrouter/auto" not in sold
        bill = ok(client.post("/bill", json=SERVED))
        assert {"amount": "0.030000000000000", "currency": "USD"} == bill
        unknown = client.post("/bill", json=SERVED | {"model": "acme/unheard-of"})
        assert (409, "openrouter: acme/unheard-of: not in the ledger") == (
            unknown.status_code,
            unknown.json()["detail"],
        )
        assert ok(client.get("/pricing/ready"))["ready"]
        status = ok(client.get("/pricing/admin/pricing/scheduler/status", headers=ADMIN))
        assert (True, ["openrouter"]) == (status["running"], list(status["last_syncs"]))


@pytest.mark.sqlite("the example names a file")
def test_embed_in_fastapi_does_not_schedule_when_disabled(tmp_path: Path) -> None:
    """With PRICING_SYNC_ENABLED=false nothing is read by schedule; a trigger still works."""
    off = {"PRICING_SYNC_ENABLED": "false", "PRICING_SYNC_FIRST_DELAY_SECONDS": "0"}
    with DemoServer() as server, gateway(tmp_path, server, **off) as client:
        status = ok(client.get("/pricing/admin/pricing/scheduler/status", headers=ADMIN))
        assert (False, False, None) == (status["enabled"], status["running"], status["leader"])
        assert () == server.requests
        ok(client.post("/pricing/admin/pricing/sync/trigger", headers=ADMIN))
        assert 1 == len(server.requests)
        assert "0.030000000000000" == ok(client.post("/bill", json=SERVED))["amount"]


@pytest.mark.sqlite("the example names a file")
def test_the_test_in_the_embedding_page_passes(tmp_path: Path) -> None:
    """It sets the prices of the example's gateway by hand, offline."""
    page = (ROOT / "docs" / "embedding.md").read_text("utf-8")
    (program,) = re.findall(r"```python\n(# test_gateway\.py\n.*?)```", page, re.DOTALL)
    (tmp_path / "test_gateway.py").write_text(program)
    lines = printed(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_gateway.py")
    assert "1 passed" in lines[-1]
