"""What goes wrong, as events for Sentry: one issue for each provider and kind of failure.

An event holds no local variables, no requests, and of errors that are not ours only the type and
the stack: nobody has looked through their messages for keys.
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
#: The engine tells of these by `on_error` too, and more of it.
_TOLD_AS_BROKEN = (INTERNAL, STORE)


class SentryListener(Listener):
    """Reports to whatever Sentry client the host has; without one it says nothing.

    A failure that goes on is one event: the next is sent when a provider fails in another way, or
    again after it was read. What breaks in the same way is told once an hour.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._status: Callable[[], Mapping[str, Any]] | None = None
        #: How each provider's latest reading failed, of those whose did.
        self._failing: dict[str, str] = {}
        #: When each thing that broke was last told.
        self._told: dict[tuple[str, str], float] = {}
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
        if kind == before or kind in _TOLD_AS_BROKEN:
            return
        with self._scope(reading.provider, kind) as scope:
            scope.set_tag("provider", reading.provider)
            scope.set_tag("error_kind", kind)
            scope.set_context("reading", _reading(reading))
            _capture(scope, error, reading.error or kind)

    def on_error(self, where: str, error: Exception) -> None:
        kind, now = type(error).__name__, self._monotonic()
        told = self._told.get((where, kind))
        if not sentry_sdk.is_initialized() or (told is not None and now - told < _HOUR_SECONDS):
            return
        self._told[where, kind] = now
        with self._scope(where, kind) as scope:
            scope.set_tag("where", where)
            _capture(scope, error, kind)

    @contextmanager
    def _scope(self, where: str, kind: str) -> Iterator[sentry_sdk.Scope]:
        """A scope of our own, with what belongs to every event."""
        with sentry_sdk.new_scope() as scope:
            scope.fingerprint = ["pricing-sync", where, kind]
            scope.add_event_processor(_bare)
            # Where the database is away, so is the state of the schedule.
            with suppress(StoreError):
                if self._status is not None:
                    state = json.loads(json.dumps(self._status(), default=str))
                    scope.set_context("pricing_sync_scheduler", state)
            yield scope


def init(dsn: str, release: str = f"pricing-sync@{VERSION}") -> None:
    """Start a Sentry client: for a process that is ours alone.

    It reports what a `SentryListener` tells it, and nothing on its own account.
    """
    sentry_sdk.init(
        dsn=dsn,
        release=release,
        include_local_variables=False,
        # They would report log records, the command line, and the address of every request.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[AtexitIntegration(callback=_silently)],
        max_breadcrumbs=0,
        auto_session_tracking=False,
        traces_sample_rate=0,
    )


def _silently(_pending: int, _timeout: float) -> None:
    """Waits for what is still to be sent, and does not write to standard error about it."""


def _capture(scope: sentry_sdk.Scope, error: Exception | None, why: str) -> None:
    if error is None:
        # A client that attaches stacks to messages would attach this one, variables included,
        # after the last look at the event. It does not where there are threads.
        scope.capture_event({"level": "error", "message": why, "threads": {"values": []}})
        return
    options = sentry_sdk.get_client().options | {"include_local_variables": False}
    event, hint = event_from_exception(error, {**options, "add_full_stack": False})
    scope.capture_event(event, hint)


def _bare(event: Event, _hint: Hint) -> Event:
    """*event* without what the host's client, or its request, has put there."""
    for part in ("breadcrumbs", "request", "user"):
        event.pop(part, None)  # type: ignore[misc]  # three optional keys
    for exception in event.get("exception", {}).get("values", []):
        if exception.get("module") != errors.__name__:
            exception.pop("value", None)
        stack = exception.get("stacktrace")
        # Of a very deep stack the client keeps none.
        for frame in stack["frames"] if isinstance(stack, dict) else ():
            # Some clients put them there whatever they are asked for.
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
