"""The style sheet, the script and the icon: files of ours, and nothing from another host."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import PurePath
from typing import Annotated

from fastapi import Path, Request, Response

from pricing_sync.serving.packed import Packed
from pricing_sync.web.auth import Scope
from pricing_sync.web.documents import document_response
from pricing_sync.web.problems import Problem
from pricing_sync.web.routes import Routes

routes = Routes("pages")

_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
#: A browser keeps a file, and asks each time whether it is still the newest.
HEADERS = {"Cache-Control": "no-cache"}


@routes.get("/static/{name}", Scope.PUBLIC)
async def asset(request: Request, name: Annotated[str, Path(max_length=100)]) -> Response:
    """A file of the pages."""
    document = _assets().get(name)
    if document is None:
        raise Problem(404, "there is no such file")
    return document_response(document, request, _MEDIA_TYPES[PurePath(name).suffix], HEADERS)


@cache
def _assets() -> Mapping[str, Packed]:
    folder = files("pricing_sync.web.pages") / "static"
    return {
        file.name: Packed(file.read_bytes())
        for file in folder.iterdir()
        if PurePath(file.name).suffix in _MEDIA_TYPES
    }
