"""Errors as RFC 9457 has them: one shape for everything that goes wrong on our routes."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from pricing_sync.errors import (
    PricingSyncError,
    SettingsError,
    StaleHeldChange,
    StoreBusy,
    StoreError,
    UnknownName,
)

MEDIA_TYPE = "application/problem+json"
#: More of one request's mistakes than this help nobody.
_MOST_ERRORS = 20
_LONGEST_DETAIL = 1000

_log = logging.getLogger("pricing_sync.web")


class Problem(HTTPException):
    """What is answered in place of what was asked for."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.errors = errors

    def response(self) -> Response:
        """The answer that says so."""
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status_code).phrase,
            "status": self.status_code,
            "detail": self.detail[:_LONGEST_DETAIL],
        }
        if self.errors:
            document["errors"] = list(self.errors)
        # In ASCII: what is quoted of a request may not be encodable otherwise.
        return Response(
            json.dumps(document), self.status_code, headers=self.headers, media_type=MEDIA_TYPE
        )


def problem_of(error: PricingSyncError | HTTPException | RequestValidationError) -> Problem:
    """The problem that an error is to whoever asked."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        return Problem(error.status_code, str(error.detail), headers=error.headers)
    if isinstance(error, RequestValidationError):
        return _invalid(error)
    if isinstance(error, StoreError):
        return _no_store(error)
    return Problem(_status(error), str(error))


def _status(error: PricingSyncError) -> int:
    if isinstance(error, UnknownName):
        return 404
    if isinstance(error, StaleHeldChange):
        return 409
    return 400 if isinstance(error, SettingsError) else 500


def _invalid(error: RequestValidationError) -> Problem:
    """Where a request is wrong and why. What was sent is not repeated: it may be a secret."""
    errors = [
        {
            "loc": [str(part)[:100] for part in entry["loc"]],
            "msg": entry["msg"].removeprefix("Value error, "),
        }
        for entry in error.errors()[:_MOST_ERRORS]
    ]
    first = errors[0]
    return Problem(422, f"{'.'.join(first['loc'])}: {first['msg']}", errors=errors)


def _no_store(error: StoreError) -> Problem:
    """The details are for the log: they name files of the server."""
    _log.error("database: a request failed: %s", error, extra={"action": "request"})
    return Problem(
        503,
        "the database cannot be used",
        headers={"Retry-After": "1" if isinstance(error, StoreBusy) else "30"},
    )
