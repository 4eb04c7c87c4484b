"""Responses from documents in memory: compressed if the client takes that, 304 if it has it."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import Request, Response

from pricing_sync.serving.packed import Packed


def document_response(
    document: Packed, request: Request, media_type: str, headers: Mapping[str, str]
) -> Response:
    """The document as the client takes it; 304 if it has it, in either encoding."""
    is_gzipped = _takes_gzip(request.headers.get("accept-encoding", ""))
    etag = document.gzipped_etag if is_gzipped else document.etag
    head = {
        "Cache-Control": "private, no-cache",
        "Vary": "Accept-Encoding",
        **headers,
        "ETag": etag,
    }
    if _validators(request.headers.get("if-none-match", "")) & {
        "*",
        document.etag,
        document.gzipped_etag,
    }:
        return Response(status_code=304, headers=head)
    if is_gzipped:
        head["Content-Encoding"] = "gzip"
    body = document.gzipped if is_gzipped else document.body
    return Response(body, headers=head, media_type=media_type)


def _takes_gzip(header: str) -> bool:
    """Whether an `Accept-Encoding` header takes gzip: by name or by `*`, not with the weight 0."""
    weights = {}
    for entry in header.lower().split(","):
        name, _, weight = entry.partition(";")
        weights[name.strip()] = weight.replace(" ", "")
    weight = weights.get("gzip", weights.get("*", "q=0"))
    return weight.rstrip("0").rstrip(".") != "q="


def _validators(header: str) -> set[str]:
    """The validators of `If-None-Match`. There they are compared weakly (RFC 9110, 13.1.2)."""
    return {entry.strip().removeprefix("W/") for entry in header.split(",")}
