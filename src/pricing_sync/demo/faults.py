"""What can go wrong with an answer, on request."""

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
    # An answer that is none.
    "too_many_requests",
    "server_error",
    "unauthorized",
    "redirect",
    "html",
    # Another list than the provider's.
    "empty",
    "half",
    "duplicates",
    "missing_page",
    "unit_slip",
    "zeroed",
    "schema_change",
    # The right answer, spoiled on its way.
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
    """One thing that goes wrong with the answers of a provider."""

    kind: Kind
    #: How many answers it spoils, each page being one; None for all until it is cleared.
    times: int | None = None
    #: `latency`: before the answer. `drip`: between two bytes.
    seconds: float = 1
    #: `server_error`.
    status: int = 503
    #: `too_many_requests`.
    retry_after_seconds: int = 1
    #: `too_many_requests`: whether Retry-After is a date.
    as_date: bool = False
    #: By what prices are multiplied. `unit_slip`: all of them, by a million unless told otherwise;
    #: `duplicates`: those of the second rows.
    factor: float | None = None
    #: `bomb`: the size unpacked; packed it is a thousandth.
    mebibytes: int = 128
    #: `redirect`.
    to: str = "http://127.0.0.1:9/"
    #: `deep_json`.
    depth: int = 100_000
    #: `wrong_content_length`: how many bytes more than there are; below zero, fewer.
    excess: int = 100


@dataclass(slots=True)
class Reply:
    """What is sent for one request."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


class Faults:
    """The fault of each provider that has one."""

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
        """The fault that spoils this answer, which is then one fewer to spoil."""
        with self._lock:
            fault = self._faults.get(provider)
            if fault is None or fault.times is None:
                return fault
            if fault.times > 1:
                self._faults[provider] = replace(fault, times=fault.times - 1)
            else:
                del self._faults[provider]
            return fault


def other_list(fault: Fault, models: Sequence[Model]) -> Sequence[Model]:
    """The models that are listed instead."""
    match fault.kind:
        case "empty":
            return ()
        case "half":
            return models[::2]
        case "duplicates":
            factor = _factor(fault, otherwise=1)
            return [*models, *(model.times(factor) for model in models)]
        case "unit_slip":
            factor = _factor(fault, otherwise=1_000_000)
            return [model.times(factor) for model in models]
        case "zeroed":
            return [model.times(Decimal(0)) for model in models]
        case _:
            return models


def _factor(fault: Fault, otherwise: int) -> Decimal:
    return Decimal(repr(otherwise if fault.factor is None else fault.factor))


def instead(fault: Fault) -> Reply | None:
    """The answer that is sent in place of a list; None if the list is."""
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
    then = datetime.now(UTC) + timedelta(seconds=fault.retry_after_seconds)
    return format_datetime(then, usegmt=True)


@lru_cache(maxsize=4)
def _bomb(mebibytes: int) -> bytes:
    """So much space, packed into a thousandth of it."""
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    return b"".join(packer.compress(b" " * 2**20) for _ in range(mebibytes)) + packer.flush()


def spoiled(fault: Fault, body: bytes, price_key: str) -> bytes:
    """The body of a list after the fault."""
    match fault.kind:
        case "truncated":
            return body[: len(body) // 2]
        case "schema_change":
            return body.replace(f'"{price_key}":'.encode(), f'"{price_key}_v2":'.encode())
        case _:
            return body
