"""An HTTP server on this machine that answers like every provider, each in its own format.

Each provider has its id as a path prefix: `http://127.0.0.1:PORT/together/v1/models`. While the
server runs, a person can set a fault, clear it, and change a price:

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

from pricing_sync.demo.facts import CATALOG, FACTS, Inventory, Model
from pricing_sync.demo.faults import Fault, Faults, Reply, altered_body, altered_list, replacement
from pricing_sync.demo.formats import FORMATS, Format, Json, ListRequest, encode
from pricing_sync.errors import UnknownName

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Request:
    """One request that a provider received."""

    provider: str
    #: Without the provider's id, and with the query.
    path: str
    #: By name in lower case.
    headers: Mapping[str, str]
    #: When it arrived, in seconds of the monotonic clock.
    at: float


class NewRate(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of PUT /_rates/PROVIDER; a rate of None removes the price."""

    model: str
    meter: str
    rate: str | None


class DemoServer:
    """The server; it runs inside a `with` block.

    A page has *page_size* models at most. Real pages are far longer; these are short so that the
    short lists have several.
    """

    def __init__(self, port: int = 0, *, page_size: int = 5) -> None:
        self._requested_port = port
        self._page_size = page_size
        self._inventory = Inventory()
        self._faults = Faults()
        self._requests: list[Request] = []

    def __enter__(self) -> DemoServer:
        self._http = _Server(self._requested_port, self)
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
        """The requests to providers so far, in order."""
        return tuple(self._requests)

    def base_url(self, provider: str) -> str:
        """The replacement for the scheme and host of a provider's URLs."""
        return f"http://127.0.0.1:{self.port}/{provider}"

    def set_rate(self, provider: str, model: str, meter: str, rate: str | None) -> None:
        """Set the rate of a meter, in the currency per million units; None removes it."""
        self._inventory.set_rate(provider, model, meter, rate)

    def add(self, provider: str, model: str, rates: Mapping[str, str]) -> None:
        """List a new model, with rates by meter in the currency per million units."""
        self._inventory.add(provider, model, rates)

    def remove(self, provider: str, model: str) -> None:
        """Remove a model from the list."""
        self._inventory.remove(provider, model)

    def restore(self, provider: str, model: str) -> None:
        """List a removed model again, unchanged."""
        self._inventory.restore(provider, model)

    def fault(self, provider: str, fault: Fault) -> None:
        """Set the fault of a provider's answers; it replaces an earlier one.

        Raises:
            UnknownName: there is no such simulated provider.
        """
        if provider not in FACTS:
            raise UnknownName(f"{provider}: not among the simulated providers")
        self._faults.set(provider, fault)

    def clear(self, provider: str) -> None:
        """Clear the fault of a provider, if it has one."""
        self._faults.clear(provider)

    def faults(self) -> dict[str, Fault]:
        """The active faults by provider."""
        return self._faults.current()

    def answer(self, request: Request) -> tuple[Reply, Fault | None]:
        """The response of a provider, and the fault that applies to sending it."""
        self._requests.append(request)
        wire_format = FORMATS.get(request.provider)
        if wire_format is None:
            return json_reply(404, {"error": f"{request.provider}: no such provider"}), None
        fault = self._faults.take(request.provider)
        reply = (
            (replacement(fault) if fault else None)
            or _refusal(wire_format, request)
            or self._list(wire_format, request, fault)
        )
        return reply, fault

    def _list(self, wire_format: Format, request: Request, fault: Fault | None) -> Reply:
        path, _, query = request.path.partition("?")
        renders = [
            render for pattern, render in wire_format.paths.items() if re.fullmatch(pattern, path)
        ]
        if not renders:
            return json_reply(404, {"error": f"{path}: not found"})
        models = self._inventory.models(request.provider)
        listed = altered_list(fault, models) if fault else models
        list_request = ListRequest(
            dict(parse_qsl(query)),
            self._page_size,
            ends_early=fault is not None and fault.kind == "missing_page",
            catalog=self._catalog(request.provider, listed),
        )
        body = encode(renders[0](listed, list_request))
        if fault:
            body = altered_body(fault, body, wire_format.price_key)
        return _list_reply(wire_format, request, body)

    def _catalog(self, provider: str, listed: Sequence[Model]) -> dict[str, Sequence[Model]]:
        """The models of each catalog provider; those of *provider* are *listed*."""
        return {
            other: listed if other == provider else self._inventory.models(other)
            for other in CATALOG
        }


def json_reply(status: int, answer: Json) -> Reply:
    return Reply(status, encode(answer))


def _refusal(wire_format: Format, request: Request) -> Reply | None:
    """The error response to a request that the provider refuses; None if it does not."""
    refusal = wire_format.refuse(request.headers)
    if refusal is None:
        return None
    status, answer = refusal
    if isinstance(answer, str):
        return Reply(status, answer.encode(), content_type="text/plain")
    return json_reply(status, answer)


def _list_reply(wire_format: Format, request: Request, body: bytes) -> Reply:
    if not wire_format.has_etag:
        return Reply(200, body)
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    unchanged = request.headers.get("if-none-match") == etag
    return Reply(304 if unchanged else 200, b"" if unchanged else body, {"ETag": etag})


class _Server(ThreadingHTTPServer):
    # Closing the server waits until every request thread has ended.
    daemon_threads = False

    def __init__(self, port: int, demo: DemoServer) -> None:
        self.demo = demo
        self.stopping = Event()
        self._connections: set[socket.socket] = set()
        self._lock = Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        # HTTPServer.server_bind looks up the host name, which may take seconds offline.
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
        # Clients are expected to disconnect from faults such as a drip or a bomb.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Stop answering and close every connection, also those that wait for an answer."""
        self.stopping.set()
        self.shutdown()
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body are sent separately; the body must not wait for a TCP acknowledgement.
    disable_nagle_algorithm = True

    @property
    def _demo(self) -> DemoServer:
        return cast(_Server, self.server).demo

    def do_GET(self) -> None:
        first, rest = self._path_parts()
        if first == "_faults":
            self._send(json_reply(200, self._demo.faults()))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply, fault = self._demo.answer(Request(first, f"/{rest}", headers, monotonic()))
        if fault is None:
            self._send(reply)
        else:
            self._send_faulty(reply, fault)

    def do_PUT(self) -> None:
        first, provider = self._path_parts()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            self._put(first, provider, body)
        except UnknownName as error:
            self._send(json_reply(404, {"error": str(error)}))
        except (msgspec.MsgspecError, ValueError) as error:
            self._send(json_reply(400, {"error": str(error)}))
        else:
            self._send(json_reply(200, {"provider": provider}))

    def _put(self, first: str, provider: str, body: bytes) -> None:
        if first == "_faults":
            self._demo.fault(provider, msgspec.json.decode(body, type=Fault))
        elif first == "_rates":
            new = msgspec.json.decode(body, type=NewRate)
            self._demo.set_rate(provider, new.model, new.meter, new.rate)
        else:
            raise UnknownName(f"{first}: only faults and rates can be put")

    def do_DELETE(self) -> None:
        first, provider = self._path_parts()
        if first != "_faults":
            self._send(json_reply(404, {"error": "only faults can be deleted"}))
            return
        self._demo.clear(provider)
        self._send(json_reply(200, {"provider": provider}))

    def _path_parts(self) -> tuple[str, str]:
        first, _, rest = self.path.removeprefix("/").partition("/")
        return first, rest

    def _send(self, reply: Reply) -> None:
        self._compress(reply)
        self._send_headers(reply, len(reply.body))
        self.wfile.write(reply.body)

    def _compress(self, reply: Reply) -> None:
        accepted = "gzip" in self.headers.get("Accept-Encoding", "")
        if accepted and reply.body and "Content-Encoding" not in reply.headers:
            reply.body = gzip.compress(reply.body, mtime=0)
            reply.headers["Content-Encoding"] = "gzip"

    def _send_headers(self, reply: Reply, length: int) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        if reply.status != 304:
            self.send_header("Content-Length", str(length))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_faulty(self, reply: Reply, fault: Fault) -> None:
        """Send the reply with the fault."""
        stopping = cast(_Server, self.server).stopping
        match fault.kind:
            case "latency":
                stopping.wait(fault.seconds)
                self._send(reply)
            case "drip":
                self._send_headers(reply, len(reply.body))
                for byte in reply.body:
                    self.wfile.write(bytes((byte,)))
                    if stopping.wait(fault.seconds):
                        return
            case "hang":
                self._send_headers(reply, len(reply.body))
                self.rfile.read(1)  # until the client disconnects or the server stops
                self.close_connection = True
            case "reset":
                self._send_headers(reply, len(reply.body))
                self.wfile.write(reply.body[: len(reply.body) // 2])
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                self.close_connection = True
            case "wrong_content_length":
                self._send_headers(reply, len(reply.body) + fault.excess)
                self.wfile.write(reply.body)
                self.close_connection = True
            case _:
                self._send(reply)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Log nothing: `DemoServer.requests` records the requests."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Answer like all the providers.")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    with DemoServer(parser.parse_args().port) as server:
        for provider in FACTS:
            sys.stdout.write(f"{provider:24}{server.base_url(provider)}\n")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            Event().wait()


if __name__ == "__main__":
    main()
