"""A server that answers like all the providers, over HTTP on this machine, each in its own format.

Each provider is found under its id: `http://127.0.0.1:PORT/together/v1/models`. While it runs, a
person can break a provider, mend it, and change a price:

    curl -X PUT 127.0.0.1:PORT/_faults/together -d '{"kind": "server_error", "times": 2}'
    curl -X DELETE 127.0.0.1:PORT/_faults/together
    curl -X PUT 127.0.0.1:PORT/_rates/together \\
        -d '{"model": "deepseek-ai/DeepSeek-V3", "meter": "input", "rate": "1.50"}'
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import re
import socket
import struct
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any, cast
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct

from pricing_sync.demo.facts import CATALOG, FACTS, Model, Shelf
from pricing_sync.demo.faults import Fault, Faults, Reply, instead, other_list, spoiled
from pricing_sync.demo.formats import FORMATS, Asked, Format, Json, encode
from pricing_sync.errors import UnknownName

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Request:
    """One question that was asked."""

    provider: str
    #: As the provider itself would see it, with the query.
    path: str
    #: By lower-case name.
    headers: Mapping[str, str]
    #: Seconds of the monotonic clock.
    at: float


class NewRate(Struct, frozen=True, forbid_unknown_fields=True):
    """What a person says to change a price; None quotes it no more."""

    model: str
    meter: str
    rate: str | None


class DemoServer:
    """The server; it runs from `with` to the end of its block.

    A page holds *page_size* models at most, far fewer than the providers' own do, so that these
    short lists have several.
    """

    def __init__(self, port: int = 0, *, page_size: int = 5) -> None:
        self._asked_port = port
        self._page_size = page_size
        self._shelf = Shelf()
        self._faults = Faults()
        self._requests: list[Request] = []

    def __enter__(self) -> DemoServer:
        self._http = _Server(self._asked_port, self)
        self._thread = Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.stop()
        self._thread.join()

    @property
    def port(self) -> int:
        return self._http.server_port

    @property
    def requests(self) -> tuple[Request, ...]:
        """What has been asked so far, in order."""
        return tuple(self._requests)

    def base_url(self, provider: str) -> str:
        """What stands in for the scheme and host of a provider's addresses."""
        return f"http://127.0.0.1:{self.port}/{provider}"

    def set_rate(self, provider: str, model: str, meter: str, rate: str | None) -> None:
        """Ask *rate* for a meter, in the currency per million units; None quotes it no more."""
        self._shelf.set_rate(provider, model, meter, rate)

    def add(self, provider: str, model: str, rates: Mapping[str, str]) -> None:
        """Begin to sell a model, at rates by meter in the currency per million units."""
        self._shelf.add(provider, model, rates)

    def remove(self, provider: str, model: str) -> None:
        """List a model no more."""
        self._shelf.remove(provider, model)

    def restore(self, provider: str, model: str) -> None:
        """List a removed model again, as it was."""
        self._shelf.restore(provider, model)

    def fault(self, provider: str, fault: Fault) -> None:
        """Spoil the answers of a provider, in place of any fault that it has.

        Raises:
            UnknownName: there is no such provider here.
        """
        if provider not in FACTS:
            raise UnknownName(f"{provider}: not among the simulated providers")
        self._faults.set(provider, fault)

    def clear(self, provider: str) -> None:
        """End the fault of a provider, if it has one."""
        self._faults.clear(provider)

    def faults(self) -> dict[str, Fault]:
        """The fault of each provider that has one."""
        return self._faults.current()

    def answer(self, request: Request) -> tuple[Reply, Fault | None]:
        """What a provider sends, and the fault with which it is sent."""
        self._requests.append(request)
        spoken = FORMATS.get(request.provider)
        if spoken is None:
            return said(404, {"error": f"{request.provider}: no such provider"}), None
        fault = self._faults.take(request.provider)
        reply = instead(fault) if fault else None
        return reply or _refused(spoken, request) or self._list(spoken, request, fault), fault

    def _list(self, spoken: Format, request: Request, fault: Fault | None) -> Reply:
        path, _, query = request.path.partition("?")
        found = [render for pattern, render in spoken.paths.items() if re.fullmatch(pattern, path)]
        if not found:
            return said(404, {"error": f"{path}: not found"})
        models = self._shelf.models(request.provider)
        told = other_list(fault, models) if fault else models
        asked = Asked(
            dict(parse_qsl(query)),
            self._page_size,
            ends_early=fault is not None and fault.kind == "missing_page",
            catalog=self._catalog(request.provider, told),
        )
        body = encode(found[0](told, asked))
        return _listed(spoken, request, spoiled(fault, body, spoken.price_key) if fault else body)

    def _catalog(self, asked: str, told: Sequence[Model]) -> dict[str, Sequence[Model]]:
        return {other: told if other == asked else self._shelf.models(other) for other in CATALOG}


def said(status: int, answer: Json) -> Reply:
    return Reply(status, encode(answer))


def _refused(spoken: Format, request: Request) -> Reply | None:
    refusal = spoken.refuse(request.headers)
    if refusal is None:
        return None
    status, words = refusal
    if isinstance(words, str):
        return Reply(status, words.encode(), content_type="text/plain")
    return said(status, words)


def _listed(spoken: Format, request: Request, body: bytes) -> Reply:
    if not spoken.has_etag:
        return Reply(200, body)
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    unchanged = request.headers.get("if-none-match") == etag
    return Reply(304 if unchanged else 200, b"" if unchanged else body, {"ETag": etag})


class _Server(ThreadingHTTPServer):
    # Closing the server waits for the threads that answer, and leaves none behind.
    daemon_threads = False

    def __init__(self, port: int, demo: DemoServer) -> None:
        self.demo = demo
        self.stopping = Event()
        self._connections: set[socket.socket] = set()
        self._lock = Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        # HTTPServer's own asks the resolver for a name, which may take seconds offline.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]  # an IPv4 address

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that hangs up on a drip or a bomb is what they are for.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Answer no more: those who are being kept waiting, or keep a connection, are cut off."""
        self.stopping.set()
        self.shutdown()
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body go out in two pieces, and the second must not wait for an acknowledgement.
    disable_nagle_algorithm = True

    @property
    def _demo(self) -> DemoServer:
        return cast(_Server, self.server).demo

    def do_GET(self) -> None:
        first, rest = self._names()
        if first == "_faults":
            self._send(said(200, self._demo.faults()))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply, fault = self._demo.answer(Request(first, f"/{rest}", headers, monotonic()))
        if fault is None:
            self._send(reply)
        else:
            self._spoil(reply, fault)

    def do_PUT(self) -> None:
        first, provider = self._names()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            self._put(first, provider, body)
        except UnknownName as error:
            self._send(said(404, {"error": str(error)}))
        except (msgspec.MsgspecError, ValueError) as error:
            self._send(said(400, {"error": str(error)}))
        else:
            self._send(said(200, {"provider": provider}))

    def _put(self, first: str, provider: str, body: bytes) -> None:
        if first == "_faults":
            self._demo.fault(provider, msgspec.json.decode(body, type=Fault))
        elif first == "_rates":
            new = msgspec.json.decode(body, type=NewRate)
            self._demo.set_rate(provider, new.model, new.meter, new.rate)
        else:
            raise UnknownName(f"{first}: only faults and rates can be put")

    def do_DELETE(self) -> None:
        first, provider = self._names()
        if first != "_faults":
            self._send(said(404, {"error": "only faults can be deleted"}))
            return
        self._demo.clear(provider)
        self._send(said(200, {"provider": provider}))

    def _names(self) -> tuple[str, str]:
        first, _, rest = self.path.removeprefix("/").partition("/")
        return first, rest

    def _send(self, reply: Reply) -> None:
        self._pack(reply)
        self._begin(reply, len(reply.body))
        self.wfile.write(reply.body)

    def _pack(self, reply: Reply) -> None:
        accepted = "gzip" in self.headers.get("Accept-Encoding", "")
        if accepted and reply.body and "Content-Encoding" not in reply.headers:
            reply.body = gzip.compress(reply.body, mtime=0)
            reply.headers["Content-Encoding"] = "gzip"

    def _begin(self, reply: Reply, length: int) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        if reply.status != 304:
            self.send_header("Content-Length", str(length))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _spoil(self, reply: Reply, fault: Fault) -> None:
        """Send the reply in the way that the fault has it."""
        stopping = cast(_Server, self.server).stopping
        match fault.kind:
            case "latency":
                stopping.wait(fault.seconds)
                self._send(reply)
            case "drip":
                self._begin(reply, len(reply.body))
                for byte in reply.body:
                    self.wfile.write(bytes((byte,)))
                    if stopping.wait(fault.seconds):
                        return
            case "hang":
                self._begin(reply, len(reply.body))
                self.rfile.read(1)  # until the client hangs up, or the server stops
                self.close_connection = True
            case "reset":
                self._begin(reply, len(reply.body))
                self.wfile.write(reply.body[: len(reply.body) // 2])
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                self.close_connection = True
            case "wrong_content_length":
                self._begin(reply, len(reply.body) + fault.excess)
                self.wfile.write(reply.body)
                self.close_connection = True
            case _:
                self._send(reply)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Say nothing: `DemoServer.requests` has it."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Answer like all the providers.")
    parser.add_argument("--port", type=int, default=0, help="0 is any that is free")
    with DemoServer(parser.parse_args().port) as server:
        for provider in FACTS:
            sys.stdout.write(f"{provider:24}{server.base_url(provider)}\n")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            Event().wait()


if __name__ == "__main__":
    main()
