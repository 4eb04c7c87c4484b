"""The HTTP API as its callers meet it: a real server on loopback, in a thread of its own."""

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
    """A service that runs, and who asks it what."""

    pricing: PricingSync
    #: The simulated providers.
    providers: DemoServer
    url: str
    admin: httpx.Client
    reader: httpx.Client
    nobody: httpx.Client

    def sync(self, **body: Any) -> Any:
        """A run of all providers, ended."""
        answer = self.admin.post("/admin/pricing/sync/trigger", json=body)
        assert 200 == answer.status_code, answer.text
        return answer.json()

    def get(self, path: str, **query: Any) -> Any:
        """What whoever may read is told."""
        answer = self.reader.get(path, params=query)
        assert 200 == answer.status_code, answer.text
        return answer.json()


@contextmanager
def api(
    folder: Path, providers: DemoServer, names: Sequence[str] = TWO, **settings: Any
) -> Iterator[Api]:
    """A service over simulated providers, from start to stop."""
    given = {"admin_token": ADMIN, "read_token": READ, **settings}
    pricing = service(settings_of(folder, providers, names, **given))
    with (
        serving(standalone(pricing)) as url,
        caller(url, ADMIN) as admin,
        caller(url, READ) as reader,
        caller(url) as nobody,
    ):
        yield Api(pricing, providers, url, admin, reader, nobody)


def caller(url: str, token: str | None = None) -> httpx.Client:
    """Somebody with a token, or without."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False)


@contextmanager
def serving(app: FastAPI, root_path: str = "") -> Iterator[str]:
    """Serve *app* while the block runs, behind a proxy that takes *root_path* away; its address."""
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
