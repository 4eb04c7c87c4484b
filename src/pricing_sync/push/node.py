"""Requests to one node of another tool: a deadline, a size cap, no redirect, no secret in errors.

Nodes are named by the operator and are often in a private network, so any address may be asked.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from pricing_sync.errors import PushFailed
from pricing_sync.sources.http import EXCERPT_BYTES, redacted, retry_after_seconds
from pricing_sync.version import VERSION

#: The largest answer: a page of 100 models of Langfuse is some 500 kB.
_MOST_BYTES = 16 * 2**20
#: The statuses that are no error.
_OK = range(200, 300)
_REDIRECTS = range(300, 400)


class NodeRefused(PushFailed):
    """The node answered with an error status."""

    def __init__(self, where: str, why: str, status: int, retry_after: float | None) -> None:
        super().__init__(where, why, retry_after)
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.where, self.why, self.status, self.retry_after_seconds)


@dataclass(frozen=True, slots=True)
class Node:
    """The API of one node."""

    client: httpx.AsyncClient
    url: str
    #: For one request, from connecting to the last byte.
    deadline_seconds: float
    headers: Mapping[str, str] = field(repr=False)
    #: What no error may show.
    secrets: tuple[str, ...] = field(repr=False)

    async def request(self, method: str, path: str, body: bytes | None = None) -> Any:
        """The decoded answer to one request; None if it is empty.

        Raises:
            NodeRefused: the status is an error.
            PushFailed: the node was not reached, or its answer is too large, too late or no JSON.
        """
        where = f"{method} {path}"
        with self._translated(where):
            async with asyncio.timeout(self.deadline_seconds):
                response = await self._send(method, path, body)
                try:
                    text = await self._text(where, response)
                finally:
                    await response.aclose()
        try:
            return json.loads(text) if text else None
        except ValueError:
            raise PushFailed(where, "the answer is not JSON") from None

    async def _send(self, method: str, path: str, body: bytes | None) -> httpx.Response:
        request = self.client.build_request(
            method,
            self.url + path,
            content=body,
            headers={
                "User-Agent": f"pricing-sync/{VERSION}",
                "Accept": "application/json",
                # Unpacked, an answer may be any size.
                "Accept-Encoding": "identity",
                **({} if body is None else {"Content-Type": "application/json"}),
                **self.headers,
            },
            timeout=None,
        )
        return await self.client.send(request, stream=True, follow_redirects=False)

    async def _text(self, where: str, response: httpx.Response) -> bytes:
        if response.status_code in _REDIRECTS:
            raise PushFailed(where, f"{response.status_code}: a redirect, which is not followed")
        is_ok = response.status_code in _OK
        if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise PushFailed(where, f"{response.status_code}: packed, which was not asked for")
        text = bytearray()
        async for chunk in response.aiter_raw():
            text += chunk
            if len(text) > (_MOST_BYTES if is_ok else EXCERPT_BYTES):
                break
        if not is_ok:
            excerpt = self.redacted(text[:EXCERPT_BYTES].decode("utf-8", "replace"))
            why = f"{response.status_code}: {excerpt or 'no explanation'}"
            raise NodeRefused(where, why, response.status_code, retry_after_seconds(response))
        if len(text) > _MOST_BYTES:
            raise PushFailed(where, f"over {_MOST_BYTES} bytes")
        return bytes(text)

    def redacted(self, text: str) -> str:
        """The beginning of a text of the node, without secrets."""
        return redacted(text, self.secrets)

    @contextmanager
    def _translated(self, where: str) -> Iterator[None]:
        try:
            yield
        except TimeoutError:
            raise PushFailed(where, f"no answer within {self.deadline_seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = self.redacted(str(error)) or type(error).__name__
            raise PushFailed(where, why) from None
