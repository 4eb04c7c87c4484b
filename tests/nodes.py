"""Nodes of other tools on this machine, which speak the wire format of the real ones."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

#: What a node answers: a status, a document for JSON, and headers.
Answer = tuple[int, Any, dict[str, str]]


@dataclass
class FakeNode:
    """A node that keeps what it was asked, as `METHOD /path`."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    authorization: str = ""
    #: Set while the node answers; a test clears it to let it hang.
    answers: threading.Event = field(default_factory=threading.Event)
    #: What is answered instead, while there is anything.
    faults: list[Answer] = field(default_factory=list)

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Answer:
        raise NotImplementedError

    def count(self, method: str) -> int:
        """How many requests of this method were made."""
        return sum(entry.startswith(f"{method} ") for entry in self.asked)


@dataclass
class FakeLiteLLM(FakeNode):
    """LiteLLM 1.110.2's reload and source endpoints. *load* gives the map at its address."""

    load: Callable[[], bytes] = lambda: b"{}"
    key: str = "sk-admin-of-the-tests"
    loaded: bytes = b'{"bundled": {}}'
    source: str = "local"
    fallback_reason: str | None = None
    #: What goes wrong after a load.
    fails_after_load: str | None = None

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Answer:  # noqa: ARG002
        if self.authorization != f"Bearer {self.key}":
            text = f"Authentication Error, Invalid proxy server token passed: {self.authorization}"
            return 401, {"error": {"message": text, "type": "auth_error", "code": "401"}}, {}
        if (method, path) == ("POST", "/reload/model_cost_map"):
            self.loaded, self.source = self.load(), "remote"
            if self.fails_after_load:
                return 500, {"detail": self.fails_after_load}, {}
            count = len(json.loads(self.loaded))
            return 200, {"status": "success", "models_count": count} | self._provenance(), {}
        if (method, path) == ("GET", "/model/cost_map/source"):
            return (
                200,
                {
                    "source": self.source,
                    "url": "http://pricing/map",
                    "is_env_forced": False,
                    "fallback_reason": self.fallback_reason,
                    "loaded_at": "2026-11-26T00:00:00+00:00",
                    "model_count": 1,
                }
                | self._provenance(),
                {},
            )
        return 404, {"detail": "Not Found"}, {}

    def _provenance(self) -> dict[str, Any]:
        head = b"blob %d\0" % len(self.loaded)
        return {"source_revision": hashlib.sha1(head + self.loaded).hexdigest(), "etag": None}


@dataclass
class FakeLangfuse(FakeNode):
    """The models of a project. Names are unique in it, ids in the whole instance."""

    project: str = "project-1"
    #: The models of the instance by id, each with its project; None for Langfuse's own.
    models: dict[str, tuple[str | None, dict[str, Any]]] = field(default_factory=dict)
    page_limit: int = 100
    #: How many models may be put in all; then it asks for a pause. None: any number.
    most_puts: int | None = None

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Answer:
        if path == "/api/public/projects":
            return 200, {"data": [{"id": self.project, "name": "p"}]}, {}
        if path == "/api/public/models":
            return 200, self._page(int(query["page"][0]), int(query["limit"][0])), {}
        id_ = path.removeprefix("/api/public/models/")
        if method == "PUT" and self.most_puts is not None and self.count("PUT") > self.most_puts:
            return 429, {"message": "Rate limit exceeded"}, {"Retry-After": "30"}
        return (self._put(id_, body) if method == "PUT" else self._delete(id_)) + ({},)

    def own(self) -> dict[str, dict[str, Any]]:
        """The models of the project, by name."""
        return {
            model["modelName"]: model
            for project, model in self.models.values()
            if project == self.project
        }

    def _page(self, page: int, limit: int) -> dict[str, Any]:
        limit = min(limit, self.page_limit)
        visible = [
            model for project, model in self.models.values() if project in (None, self.project)
        ]
        pages = -(-len(visible) // limit)
        meta = {"page": page, "limit": limit, "totalItems": len(visible), "totalPages": pages}
        return {"data": visible[(page - 1) * limit : page * limit], "meta": meta}

    def _put(self, id_: str, body: dict[str, Any]) -> tuple[int, Any]:
        owner, _ = self.models.get(id_, (self.project, {}))
        if owner != self.project:
            return 404, {"error": "LangfuseNotFoundError", "message": "No model with this id."}
        if any(
            model["modelName"] == body["modelName"] and model["id"] != id_
            for model in self.own().values()
        ):
            text = f"Model name '{body['modelName']}' already exists in project"
            return 400, {"error": "InvalidRequestError", "message": text}
        stored = {**body, "id": id_, "isLangfuseManaged": False, "tokenizerId": None}
        # A JavaScript date has milliseconds.
        stored["startDate"] = body["startDate"][:23].rstrip("Z") + "Z"
        stored["pricingTiers"] = [{"id": f"t{n}", **t} for n, t in enumerate(body["pricingTiers"])]
        self.models[id_] = self.project, stored
        return 200, stored

    def _delete(self, id_: str) -> tuple[int, Any]:
        if self.models.get(id_, (None, {}))[0] != self.project:
            return 404, {"error": "LangfuseNotFoundError", "message": "No model with this id."}
        del self.models[id_]
        return 200, {"message": "Model successfully deleted"}


@contextmanager
def running(*nodes: FakeNode) -> Iterator[None]:
    """Serve these nodes during the block, each at an address of its own."""
    servers = [_serve(node) for node in nodes]
    try:
        yield
    finally:
        for node, server in zip(nodes, servers, strict=True):
            node.answers.set()
            server.shutdown()
            server.server_close()


def _serve(node: FakeNode) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            node.asked.append(f"{self.command} {parts.path}")
            node.authorization = self.headers.get("Authorization", "")
            node.answers.wait()
            if node.faults:
                status, document, headers = node.faults.pop(0)
            else:
                status, document, headers = node.answer(
                    self.command, parts.path, parse_qs(parts.query), json.loads(text or "null")
                )
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            try:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
            except ConnectionError:
                pass  # the client has given up, as some tests expect

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
            """Nothing."""

    node.answers.set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    node.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server
