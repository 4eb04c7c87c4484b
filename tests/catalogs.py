"""Small reference catalogs built for tests, and a local server for them."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias

from pricing_sync.settings import ProviderSettings, Settings

MODELS_DEV, LITELLM, GENAI_PRICES = "models.dev", "litellm", "genai-prices"
PATHS = {
    MODELS_DEV: "/api.json",
    LITELLM: "/BerriAI/litellm/main/model_prices_and_context_window.json",
    GENAI_PRICES: "/pydantic/genai-prices/main/prices/new_data/v2/data.json",
}

#: Input and output in dollars per million, by provider and model.
Prices: TypeAlias = Mapping[str, Mapping[str, tuple[float, float]]]


def models_dev(prices: Prices) -> bytes:
    """The format of models.dev."""
    return json.dumps(
        {
            provider: {
                "id": provider,
                "models": {
                    model: {"cost": {"input": into, "output": out}}
                    for model, (into, out) in models.items()
                },
            }
            for provider, models in prices.items()
        }
    ).encode()


def litellm(prices: Prices) -> bytes:
    """The format of LiteLLM's map, with amounts per token."""
    return json.dumps(
        {
            f"{provider}/{model}": {
                "litellm_provider": provider,
                "input_cost_per_token": into / 1_000_000,
                "output_cost_per_token": out / 1_000_000,
            }
            for provider, models in prices.items()
            for model, (into, out) in models.items()
        }
    ).encode()


def genai_prices(prices: Prices) -> bytes:
    """The format of genai-prices."""
    return json.dumps(
        [
            {
                "id": provider,
                "models": [
                    {"id": model, "prices": {"input_mtok": into, "output_mtok": out}}
                    for model, (into, out) in models.items()
                ],
            }
            for provider, models in prices.items()
        ]
    ).encode()


class CatalogServer:
    """Serves one body per catalog, with an ETag; a catalog without a body is a 404."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bodies: dict[str, bytes] = {}
        #: Before each response, at most: an answer goes out at once when ``go`` is set.
        self.delay_seconds = 0.0
        self.go = threading.Event()
        #: The catalog and the status of each response.
        self.answers: list[tuple[str, int]] = []

    def settings(self, database: str) -> Settings:
        """Settings that read the catalogs from this server, with one attempt each."""
        provider = {f"catalog:{name}": ProviderSettings(base_url=self.url) for name in PATHS}
        return Settings(database=database, provider=provider, attempts=1)

    def toml(self) -> str:
        """The same settings as a TOML file."""
        tables = [f'[provider."catalog:{name}"]\nbase_url = "{self.url}"\n' for name in PATHS]
        return "attempts = 1\n" + "".join(tables)


@contextmanager
def serving(bodies: Mapping[str, bytes]) -> Iterator[CatalogServer]:
    """A running server with these bodies by catalog."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = next(name for name, path in PATHS.items() if path == self.path)
            server.go.wait(server.delay_seconds)
            body = server.bodies.get(name)
            etag = f'"{hashlib.sha256(body or b"").hexdigest()}"'
            status = 404 if body is None else 200
            if status == 200 and self.headers.get("If-None-Match") == etag:
                status, body = 304, None
            server.answers.append((name, status))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("ETag", etag)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server = CatalogServer(f"http://127.0.0.1:{http.server_port}")
        server.bodies.update(bodies)
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.go.set()
            http.shutdown()
            thread.join()
