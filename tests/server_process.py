"""The HTTP API for tests: a real server on loopback, in its own thread."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from pricing_sync.app import PricingSync
from pricing_sync.demo.server import DemoServer
from pricing_sync.web import standalone

from service import TWO, service, settings_of

ADMIN, READ = "admin-token-of-the-tests", "read-token-of-the-tests"


@dataclass(frozen=True)
class Api:
    """A running service, with a client for each kind of token."""

    pricing: PricingSync
    #: The simulated providers.
    providers: DemoServer
    url: str
    admin: httpx.Client
    reader: httpx.Client
    anonymous: httpx.Client

    def sync(self, **body: Any) -> Any:
        """A finished run of the providers in *body*, by default all."""
        headers = {"Prefer": "wait=120"}  # other programs may use this machine
        answer = self.admin.post("/admin/pricing/sync/trigger", json=body, headers=headers)
        assert 200 == answer.status_code, answer.text
        return answer.json()

    def get(self, path: str, **query: Any) -> Any:
        """The response to the read token."""
        answer = self.reader.get(path, params=query)
        assert 200 == answer.status_code, answer.text
        return answer.json()


@contextmanager
def api(
    folder: Path, providers: DemoServer, names: Sequence[str] = TWO, **settings: Any
) -> Iterator[Api]:
    """A running service over simulated providers."""
    values = {"admin_token": ADMIN, "read_token": READ, **settings}
    pricing = service(settings_of(folder, providers, names, **values))
    with (
        serving(standalone(pricing)) as url,
        caller(url, ADMIN) as admin,
        caller(url, READ) as reader,
        caller(url) as anonymous,
    ):
        yield Api(pricing, providers, url, admin, reader, anonymous)


def caller(url: str, token: str | None = None) -> httpx.Client:
    """A client with a token, or without one."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    # Loopback without TLS. To load the certificates would take most of the time of a short test.
    return httpx.Client(base_url=url, headers=headers, timeout=150, trust_env=False, verify=False)


@contextmanager
def serving(app: FastAPI, root_path: str = "") -> Iterator[str]:
    """Serve *app* during the block, behind a proxy that strips *root_path*; give its URL."""
    config = uvicorn.Config(
        app,
        port=0,
        root_path=root_path,
        log_config=None,
        ws="none",
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
    assert not thread.is_alive()
