"""Errors as problem documents (RFC 9457): one shape for every error of these routes."""

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
#: At most this many errors of one request are listed.
_MOST_ERRORS = 20
_LONGEST_DETAIL = 1000

_log = logging.getLogger("pricing_sync.web")


class Problem(HTTPException):
    """An error response."""

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
        """The response with the problem document."""
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status_code).phrase,
            "status": self.status_code,
            "detail": self.detail[:_LONGEST_DETAIL],
        }
        if self.errors:
            document["errors"] = list(self.errors)
        # In ASCII: text from the request may not be encodable in UTF-8.
        return Response(
            json.dumps(document), self.status_code, headers=self.headers, media_type=MEDIA_TYPE
        )


def problem_of(error: PricingSyncError | HTTPException | RequestValidationError) -> Problem:
    """The problem that the caller gets for an error."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        return Problem(error.status_code, str(error.detail), headers=error.headers)
    if isinstance(error, RequestValidationError):
        return _invalid(error)
    if isinstance(error, StoreError):
        return _store_problem(error)
    return Problem(_status(error), str(error))


def _status(error: PricingSyncError) -> int:
    if isinstance(error, UnknownName):
        return 404
    if isinstance(error, StaleHeldChange):
        return 409
    return 400 if isinstance(error, SettingsError) else 500


def _invalid(error: RequestValidationError) -> Problem:
    """The places of a request's errors, and why. Values are not repeated: they may be secrets."""
    errors = [
        {
            "loc": [str(part)[:100] for part in entry["loc"]],
            "msg": entry["msg"].removeprefix("Value error, "),
        }
        for entry in error.errors()[:_MOST_ERRORS]
    ]
    first = errors[0]
    return Problem(422, f"{'.'.join(first['loc'])}: {first['msg']}", errors=errors)


def _store_problem(error: StoreError) -> Problem:
    """A problem without details. Only the log has them: they name files of the server."""
    _log.error("request failed with status 503: %s", error, extra={"action": "request"})
    return Problem(
        503,
        "the database cannot be used",
        headers={"Retry-After": "1" if isinstance(error, StoreBusy) else "30"},
    )
