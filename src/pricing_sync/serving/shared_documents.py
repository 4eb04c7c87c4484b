"""Rendered exports in Redis: what one process has rendered, the others need not render."""

from __future__ import annotations

import gzip
import hashlib
import hmac
from typing import Any

import msgspec

from pricing_sync.exports.document import LeftOut, Source
from pricing_sync.prices.book import Price
from pricing_sync.serving.packed import Packed
from pricing_sync.serving.redis_server import RedisServer
from pricing_sync.version import VERSION

_KEEP_SECONDS = 3600
#: Larger documents are rendered by each process.
_MOST_BYTES = 32 * 1024 * 1024
_LENGTH_BYTES, _SEAL_BYTES = 4, 32


class Document(msgspec.Struct, frozen=True):
    """A document without its bytes."""

    models: int
    left_out: tuple[LeftOut, ...]


class SharedDocuments:
    """Documents by the digest of all that they are made from, their *origin*.

    The digest is never sent. The key of a document is made from it, and so is the seal of its
    bytes: who can write to this Redis, and does not know the ledger, cannot forge a document.
    """

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    def get(self, origin: bytes) -> tuple[Packed, Document] | None:
        """The document with that origin; None if no process has rendered it lately."""
        key = _key(origin)
        found: Any = self._server.call(lambda client: client.get(key))
        if not found:
            return None
        seal, rest = found[:_SEAL_BYTES], found[_SEAL_BYTES:]
        if not hmac.compare_digest(seal, _seal(origin, rest)):
            return None
        end = _LENGTH_BYTES + int.from_bytes(rest[:_LENGTH_BYTES])
        gzipped = rest[end:]
        document = msgspec.json.decode(rest[_LENGTH_BYTES:end], type=Document)
        return Packed(gzip.decompress(gzipped), gzipped=gzipped), document

    def put(self, origin: bytes, packed: Packed, document: Document) -> None:
        """Keep a document for an hour."""
        head = msgspec.json.encode(document)
        rest = len(head).to_bytes(_LENGTH_BYTES) + head + packed.gzipped
        if len(rest) > _MOST_BYTES:
            return
        key, value = _key(origin), _seal(origin, rest) + rest
        self._server.call(lambda client: client.set(key, value, ex=_KEEP_SECONDS))


def origin_of(format_name: str, source: Source) -> bytes:
    """The digest of all that a document is made from, before it is written.

    It is by content and not by revision: two ledgers, or one that was restored from a backup, can
    have other prices at the same revision.
    """
    digest = hashlib.sha256(repr((VERSION, format_name, source.is_of_one_provider)).encode())
    digest.update(hashlib.sha256(source.upstream or b"").digest())
    digest.update(repr(source.left_out).encode())
    for price in source.prices:
        digest.update(repr(_facts(price)).encode())
    return digest.digest()


def _facts(price: Price) -> tuple[object, ...]:
    """What an export can show of a price: all but how sure it is, and what comes later."""
    return (
        price.provider,
        price.model,
        price.listing,
        price.since,
        price.recorded_at,
        price.source,
        price.card_id,
        price.resolved_to,
        price.notice,
    )


def _key(origin: bytes) -> str:
    return f"pricing-sync:export:{hashlib.sha256(b'key' + origin).hexdigest()}"


def _seal(origin: bytes, content: bytes) -> bytes:
    return hmac.digest(hashlib.sha256(b"seal" + origin).digest(), content, "sha256")
