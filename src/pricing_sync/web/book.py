"""The price book for programs without the database, from memory, with validators."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from pricing_sync.prices.card_json import write_instant
from pricing_sync.serving.book_snapshots import RenderedBook
from pricing_sync.web.auth import Scope
from pricing_sync.web.documents import document_response
from pricing_sync.web.routes import Pricing, Routes

routes = Routes("book")

MEDIA_TYPE = "application/jsonl"
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "JSON Lines, as `pricing_sync.prices.snapshot` describes them. The first"
        " line has the ledger's revision and the instant at which it was read.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
        "headers": {
            name: {"description": text, "schema": {"type": "string"}}
            for name, text in (
                ("ETag", "The validator for `If-None-Match`."),
                ("X-Pricing-Revision", "The revision of the ledger."),
                ("X-Pricing-Read-At", "When the ledger was read."),
            )
        },
    },
    304: {"description": "The book is the one that the client has."},
}


class _Lines(Response):
    """A response whose media type is documented by itself."""


@routes.get("/v1/book", Scope.READ, response_class=_Lines, responses=_RESPONSES)
def get_book(pricing: Pricing, request: Request) -> Response:
    """The price book: all prices in force and of the last days, for a `PriceClient`."""
    rendered = pricing.rendered_book()
    return document_response(rendered, request, MEDIA_TYPE, _headers(rendered))


def _headers(rendered: RenderedBook) -> dict[str, str]:
    return {
        "X-Pricing-Revision": rendered.revision,
        "X-Pricing-Read-At": write_instant(rendered.read_at),
    }
