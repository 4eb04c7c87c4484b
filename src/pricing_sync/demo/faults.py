"""Faults that the demo server can put into its answers."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from functools import lru_cache
from threading import Lock
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from pricing_sync.demo.facts import Model

Kind: TypeAlias = Literal[
    # An error or another document instead of the list.
    "too_many_requests",
    "server_error",
    "unauthorized",
    "redirect",
    "html",
    # A list with other content.
    "empty",
    "half",
    "duplicates",
    "missing_page",
    "unit_slip",
    "zeroed",
    "schema_change",
    # The right answer, damaged or delayed in transit.
    "truncated",
    "deep_json",
    "bomb",
    "latency",
    "drip",
    "hang",
    "reset",
    "wrong_content_length",
]


class Fault(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One fault in the answers of a provider."""

    kind: Kind
    #: How many answers have the fault (each page is one); None: all until it is cleared.
    times: int | None = None
    #: The delay. `latency`: before the answer. `drip`: after each byte.
    seconds: float = 1
    #: The status of `server_error`.
    status: int = 503
    #: The Retry-After of `too_many_requests`.
    retry_after_seconds: int = 1
    #: `too_many_requests`: whether Retry-After is a date.
    as_date: bool = False
    #: The factor that prices are multiplied by. `unit_slip`: all prices, by a million if None;
    #: `duplicates`: the prices of the second rows, by one if None.
    factor: float | None = None
    #: The size of a `bomb` when unpacked; its compressed size is a thousandth of it.
    mebibytes: int = 128
    #: The target of `redirect`.
    to: str = "http://127.0.0.1:9/"
    #: The nesting depth of `deep_json`.
    depth: int = 100_000
    #: `wrong_content_length`: announced minus actual bytes; below zero, too few are announced.
    excess: int = 100


@dataclass(slots=True)
class Reply:
    """The response to one request."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


class Faults:
    """The active faults, at most one per provider."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._faults: dict[str, Fault] = {}

    def set(self, provider: str, fault: Fault) -> None:
        with self._lock:
            self._faults[provider] = fault

    def clear(self, provider: str) -> None:
        with self._lock:
            self._faults.pop(provider, None)

    def current(self) -> dict[str, Fault]:
        with self._lock:
            return dict(self._faults)

    def take(self, provider: str) -> Fault | None:
        """The fault of this answer; counts down its `times` and removes it after the last."""
        with self._lock:
            fault = self._faults.get(provider)
            if fault is None or fault.times is None:
                return fault
            if fault.times > 1:
                self._faults[provider] = replace(fault, times=fault.times - 1)
            else:
                del self._faults[provider]
            return fault


def altered_list(fault: Fault, models: Sequence[Model]) -> Sequence[Model]:
    """The models that the faulty answer lists."""
    match fault.kind:
        case "empty":
            return ()
        case "half":
            return models[::2]
        case "duplicates":
            factor = _factor(fault, default=1)
            return [*models, *(model.times(factor) for model in models)]
        case "unit_slip":
            factor = _factor(fault, default=1_000_000)
            return [model.times(factor) for model in models]
        case "zeroed":
            return [model.times(Decimal(0)) for model in models]
        case _:
            return models


def _factor(fault: Fault, default: int) -> Decimal:
    return Decimal(repr(default if fault.factor is None else fault.factor))


def replacement(fault: Fault) -> Reply | None:
    """The answer that is sent instead of the list; None if the list itself is sent."""
    match fault.kind:
        case "too_many_requests":
            headers = {"Retry-After": _retry_after(fault)}
            return Reply(429, b'{"error":"too many requests"}', headers)
        case "server_error":
            return Reply(fault.status, b"upstream error", content_type="text/plain")
        case "unauthorized":
            return Reply(401, b'{"error":"the key was revoked"}')
        case "redirect":
            return Reply(302, b"", {"Location": fault.to})
        case "html":
            page = b"<!doctype html><title>Just a moment...</title>"
            return Reply(200, page, content_type="text/html; charset=utf-8")
        case "deep_json":
            return Reply(200, b"[" * fault.depth + b"]" * fault.depth)
        case "bomb":
            return Reply(200, _bomb(fault.mebibytes), {"Content-Encoding": "gzip"})
        case _:
            return None


def _retry_after(fault: Fault) -> str:
    if not fault.as_date:
        return str(fault.retry_after_seconds)
    retry_at = datetime.now(UTC) + timedelta(seconds=fault.retry_after_seconds)
    return format_datetime(retry_at, usegmt=True)


@lru_cache(maxsize=4)
def _bomb(mebibytes: int) -> bytes:
    """Blanks of this size, compressed with gzip to a thousandth of it."""
    compressor = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    chunks = (compressor.compress(b" " * 2**20) for _ in range(mebibytes))
    return b"".join(chunks) + compressor.flush()


def altered_body(fault: Fault, body: bytes, price_key: str) -> bytes:
    """The body of the list after the fault."""
    match fault.kind:
        case "truncated":
            return body[: len(body) // 2]
        case "schema_change":
            return body.replace(f'"{price_key}":'.encode(), f'"{price_key}_v2":'.encode())
        case _:
            return body
