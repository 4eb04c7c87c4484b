"""Receivers of webhooks on this machine: real HTTP servers that keep what they get."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

SECRET = "whsec_" + base64.b64encode(b"a secret of the tests, 32 bytes.").decode()
NEW_SECRET = "whsec_" + base64.b64encode(b"another secret, also of 32 bytes").decode()


@dataclass(frozen=True)
class Received:
    """One request."""

    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def message(self) -> dict[str, Any]:
        """The message, after another library has verified its signature."""
        return self.verified(SECRET)

    def verified(self, secret: str) -> dict[str, Any]:
        found: dict[str, Any] = Webhook(secret).verify(self.body, self.headers)
        assert json.loads(self.body) == found
        return found


class Handler(BaseHTTPRequestHandler):
    """Keeps the request, then does what the receiver does."""

    protocol_version = "HTTP/1.1"
    receiver: Receiver

    def handle(self) -> None:
        with suppress(ConnectionError):  # the sender was killed
            super().handle()

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(size)
        if len(body) < size:
            return  # the sender was killed
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.receiver.got.append(Received(headers, body, time.monotonic()))
        with suppress(ConnectionError):  # the sender has given up, as some tests expect
            self.receiver.behave(self)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """Nothing."""


def answering(status: int, body: bytes = b"", **headers: str) -> Callable[[Handler], None]:
    return lambda handler: handler.answer(status, body, **headers)


def endless(status: int) -> Callable[[Handler], None]:
    """Sends an answer without end."""

    def behave(handler: Handler) -> None:
        handler.send_response(status)
        handler.end_headers()
        while True:
            handler.wfile.write(b"x" * 65_536)

    return behave


def hanging(until: threading.Event) -> Callable[[Handler], None]:
    """Answers only when *until* is set."""

    def behave(handler: Handler) -> None:
        until.wait(60)
        handler.answer(204)

    return behave


@dataclass
class Receiver:
    """A receiver, and what it got."""

    behave: Callable[[Handler], None] = field(default_factory=lambda: answering(204))
    got: list[Received] = field(default_factory=list)
    url: str = ""

    @property
    def ids(self) -> list[str]:
        return [one.id for one in self.got]

    @property
    def kinds(self) -> list[str]:
        return [one.message["type"] for one in self.got]


@contextmanager
def receiving(*receivers: Receiver) -> Iterator[None]:
    """Serve these receivers during the block, each at an address of its own."""
    servers = [_serve(receiver) for receiver in receivers]
    try:
        yield
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64


def _serve(receiver: Receiver) -> ThreadingHTTPServer:
    handler = type("OwnHandler", (Handler,), {"receiver": receiver})
    port = int(receiver.url.rpartition(":")[2].partition("/")[0]) if receiver.url else 0
    server = _Server(("127.0.0.1", port), handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server
