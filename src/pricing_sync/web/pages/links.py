"""The addresses of the pages, under whatever prefix they are served."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from fastapi import Request

#: The route of the overview, from which all other pages hang.
ROOT = "pricing_page_overview"


class Links:
    """The addresses, without a host: a proxy may have given the service another name."""

    def __init__(self, request: Request) -> None:
        self._base = request.url_for(ROOT).path.rstrip("/")

    def __call__(self, path: str = "", **query: object) -> str:
        """A page by its path; parts of the query that are None or empty are left out."""
        return f"{self._base}/{path}{_query(query)}"

    def provider(self, provider: str) -> str:
        return self(f"providers/{quote(provider, safe='')}")

    def model(self, provider: str, model: str) -> str:
        # A browser resolves these segments before it sends the path.
        if {".", "..", ""} & set(model.split("/")):
            return self("models", provider=provider, model=model)
        return self(f"models/{quote(provider, safe='')}/{quote(model)}")

    def run(self, run_id: str) -> str:
        return self(f"runs/{quote(run_id, safe='')}")

    def static(self, name: str) -> str:
        return self(f"static/{name}")


def path_of(request: Request) -> str:
    """The path as it was asked for: decoded, `a%2Fb` would be another model.

    A proxy may have stripped its own part of it.
    """
    path: str = request.scope["raw_path"].decode("latin-1")
    proxy = quote(request.scope.get("root_path", ""))
    return path if path.startswith(f"{proxy}/") else f"{proxy}{path}"


def _query(query: Mapping[str, object]) -> str:
    named = {name: value for name, value in query.items() if value not in (None, "")}
    return f"?{urlencode(named, doseq=True)}" if named else ""
