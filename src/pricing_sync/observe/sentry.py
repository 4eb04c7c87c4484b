"""Failures as events for Sentry: one issue for each provider and kind of failure.

An event has no local variables and no requests. An exception of another library is sent with its
type and stack only, because its message may contain a key.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import sentry_sdk
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.integrations.logging import ignore_logger
from sentry_sdk.types import Event, Hint
from sentry_sdk.utils import event_from_exception

from pricing_sync import errors
from pricing_sync.changes.run import CANCELLED, INTERNAL, STORE, Reading
from pricing_sync.errors import StoreError
from pricing_sync.observe.listener import Listener
from pricing_sync.prices.card_json import write_instant
from pricing_sync.version import VERSION

_HOUR_SECONDS = 3600.0
#: The engine reports failures of these kinds with `on_error` too, in more detail.
_REPORTED_BY_ON_ERROR = (INTERNAL, STORE)


class SentryListener(Listener):
    """Reports to the Sentry client of the host; without a client it does nothing.

    A provider that keeps failing in the same way is one event. The next event is sent when it fails
    in another way, or again after a success. An error of `on_error` is sent once an hour.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._status: Callable[[], Mapping[str, Any]] | None = None
        #: The error kind of each provider whose latest reading failed.
        self._failing: dict[str, str] = {}
        #: When each error, by place and type, was last sent.
        self._sent_at: dict[tuple[str, str], float] = {}
        # The host's client would make events of our log records as well.
        ignore_logger("pricing_sync")

    def on_start(self, status: Callable[[], Mapping[str, Any]]) -> None:
        self._status = status

    def on_reading(self, reading: Reading, error: Exception | None) -> None:
        kind = reading.error_kind
        if kind == CANCELLED or not sentry_sdk.is_initialized():
            return
        before = self._failing.pop(reading.provider, None)
        if kind is None:
            return
        self._failing[reading.provider] = kind
        if kind == before or kind in _REPORTED_BY_ON_ERROR:
            return
        with self._scope(reading.provider, kind) as scope:
            scope.set_tag("provider", reading.provider)
            scope.set_tag("error_kind", kind)
            scope.set_context("reading", _reading(reading))
            _capture(scope, error, reading.error or kind)

    def on_error(self, where: str, error: Exception) -> None:
        kind, now = type(error).__name__, self._monotonic()
        sent_at = self._sent_at.get((where, kind))
        is_recent = sent_at is not None and now - sent_at < _HOUR_SECONDS
        if is_recent or not sentry_sdk.is_initialized():
            return
        self._sent_at[where, kind] = now
        with self._scope(where, kind) as scope:
            scope.set_tag("where", where)
            _capture(scope, error, kind)

    @contextmanager
    def _scope(self, where: str, kind: str) -> Iterator[sentry_sdk.Scope]:
        """A new scope with the fingerprint, the filter and the context of every event."""
        with sentry_sdk.new_scope() as scope:
            scope.fingerprint = ["pricing-sync", where, kind]
            scope.add_event_processor(_strip)
            # While the database is down, the state of the schedule cannot be read.
            with suppress(StoreError):
                if self._status is not None:
                    state = json.loads(json.dumps(self._status(), default=str))
                    scope.set_context("pricing_sync_scheduler", state)
            yield scope


def init(dsn: str, release: str = f"pricing-sync@{VERSION}") -> None:
    """Start a Sentry client: for a process without a host.

    It sends the events of a `SentryListener` and no others.
    """
    sentry_sdk.init(
        dsn=dsn,
        release=release,
        include_local_variables=False,
        # They would send log records, the command line, and the URL of every request.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[AtexitIntegration(callback=_wait_silently)],
        max_breadcrumbs=0,
        auto_session_tracking=False,
        traces_sample_rate=0,
    )


def _wait_silently(_pending: int, _timeout: float) -> None:
    """Replace the default callback, which writes to standard error while events are sent."""


def _capture(scope: sentry_sdk.Scope, error: Exception | None, why: str) -> None:
    if error is None:
        # A client with `attach_stacktrace` would add this stack, with variables, after all event
        # processors. It does not if the event has threads.
        scope.capture_event({"level": "error", "message": why, "threads": {"values": []}})
        return
    options = sentry_sdk.get_client().options | {"include_local_variables": False}
    event, hint = event_from_exception(error, {**options, "add_full_stack": False})
    scope.capture_event(event, hint)


def _strip(event: Event, _hint: Hint) -> Event:
    """*event* without data of the host, messages of foreign exceptions, and local variables."""
    for part in ("breadcrumbs", "request", "user"):
        event.pop(part, None)  # type: ignore[misc]  # three optional keys
    for exception in event.get("exception", {}).get("values", []):
        if exception.get("module") != errors.__name__:
            exception.pop("value", None)
        stack = exception.get("stacktrace")
        # The client drops the frames of a very deep stack.
        for frame in stack["frames"] if isinstance(stack, dict) else ():
            # Some clients add variables in spite of `include_local_variables`.
            frame.pop("vars", None)
    return event


def _reading(reading: Reading) -> dict[str, Any]:
    return {
        "id": reading.id,
        "run_id": reading.run_id,
        "started_at": write_instant(reading.started_at),
        "finished_at": write_instant(reading.finished_at),
        "source": reading.source,
        "url": reading.url,
        "size_bytes": reading.size_bytes,
        "error": reading.error,
        "dry_run": reading.dry_run,
    }
