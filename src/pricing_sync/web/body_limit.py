"""The limit on the size of request bodies."""

from __future__ import annotations

from fastapi import Request
from starlette.types import Message

from pricing_sync.web.problems import Problem

MAX_BODY_BYTES = 1_000_000


def limited(request: Request, most: int = MAX_BODY_BYTES) -> Request:
    """*request* with a body that cannot be read beyond the limit, whatever its `Content-Length`.

    Raises:
        Problem: 413, at once if `Content-Length` is too large, else while the body is read.
    """
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > most:
        raise _too_large(most)
    count = 0

    async def receive() -> Message:
        nonlocal count
        message = await request.receive()
        count += len(message.get("body", b""))
        if count > most:
            raise _too_large(most)
        return message

    return Request(request.scope, receive)


def _too_large(most: int) -> Problem:
    return Problem(413, f"the body is larger than {most} bytes")
