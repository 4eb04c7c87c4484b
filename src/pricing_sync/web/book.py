"""The price book for programs without the database, from memory, with validators."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from pricing_sync.prices.card_json import write_instant
from pricing_sync.serving.book_snapshots import RenderedBook
from pricing_sync.web.auth import Scope
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
    is_packed = _accepts_gzip(request.headers.get("accept-encoding", ""))
    # The packed bytes are others, and a strong validator is one of bytes.
    etag = f'"{rendered.sha256[:32]}{"-gzip" if is_packed else ""}"'
    headers = _headers(rendered) | {"ETag": etag}
    if {etag, "*"} & _validators(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    if not is_packed:
        return Response(rendered.body, media_type=MEDIA_TYPE, headers=headers)
    headers["Content-Encoding"] = "gzip"
    return Response(rendered.gzipped, media_type=MEDIA_TYPE, headers=headers)


def _headers(rendered: RenderedBook) -> dict[str, str]:
    return {
        "Cache-Control": "private, no-cache",
        "Vary": "Accept-Encoding",
        "X-Pricing-Revision": rendered.revision,
        "X-Pricing-Read-At": write_instant(rendered.read_at),
    }


def _accepts_gzip(header: str) -> bool:
    """Whether a client takes gzip: it is named, and not with the weight 0."""
    for entry in header.lower().split(","):
        name, _, weight = entry.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "").rstrip("0").rstrip(".") != "q="
    return False


def _validators(header: str) -> set[str]:
    """The validators of `If-None-Match`. There they are compared weakly (RFC 9110, 13.1.2)."""
    return {entry.strip().removeprefix("W/") for entry in header.split(",")}
