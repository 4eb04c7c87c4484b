"""Log records: each a sentence for people, with fields for machines."""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pricing_sync.changes.run import CANCELLED, NEW_KEYS, Reading, Run
from pricing_sync.errors import DeliveryFailed, PushFailed, StoreError
from pricing_sync.observe.listener import Listener
from pricing_sync.store.peers import CatalogRead

_log = logging.getLogger("pricing_sync")
#: The children of `uvicorn` need no configuration of their own.
LOGGERS = ("pricing_sync", "uvicorn")
#: Libraries whose errors reach the log as errors of the program, in one line.
_SILENT = ("procrastinate", "psycopg.pool")
#: The attributes of every record, and uvicorn's coloured message. They are not fields.
_NO_FIELDS = vars(logging.makeLogRecord({})).keys() | {"message", "asctime", "color_message"}
_ALWAYS_SHOWN = ("priced", "updated")


class LogListener(Listener):
    """Logs to `pricing_sync`. The host configures that logger.

    Each record has the field `action`, and where they apply `provider`, `run_id`, `reading_id`,
    `status`, `error_kind`, `duration_seconds`, `started_by`, `dry_run` and counts of models.
    A provider whose readings are skipped is logged once, until it is read again. So is the error of
    a node that prices cannot be pushed to, and of an endpoint that takes no event.
    """

    def __init__(self) -> None:
        self._skipped: set[str] = set()
        self._push_errors: dict[str, str] = {}
        self._delivery_errors: dict[str, str] = {}

    def on_reading(self, reading: Reading, _error: Exception | None) -> None:
        if reading.is_skipped and reading.provider in self._skipped:
            return
        (self._skipped.add if reading.is_skipped else self._skipped.discard)(reading.provider)
        seconds = (reading.finished_at - reading.started_at).total_seconds()
        fields = {
            "action": "reading",
            "provider": reading.provider,
            "run_id": reading.run_id,
            "reading_id": reading.id,
            "status": reading.state,
            "error_kind": reading.error_kind,
            "duration_seconds": seconds,
            "dry_run": reading.dry_run,
        }
        outcome = f"{reading.provider}: {reading.state} in {seconds:.1f} s"
        why = (reading.error or "").removeprefix(f"{reading.provider}: ")
        if reading.is_skipped:
            _log_line(logging.INFO, f"{reading.provider}: skipped: {why}", fields)
        elif reading.is_failed:
            level = logging.INFO if reading.error_kind == CANCELLED else logging.WARNING
            _log_line(level, f"{outcome}: {why}", fields)
        else:
            listed = {name: reading.listings.get(name, 0) for name in ("priced", "unpriced")}
            counts = listed | reading.model_counts()
            sentence = f"{outcome}: {_counts_text(counts)}{_dry_text(reading.dry_run)}"
            _log_line(logging.INFO, sentence, fields | counts)
            if new := reading.changes.get(NEW_KEYS, 0):
                keys = ", ".join(reading.ignored)
                sentence = f"{reading.provider}: {new} price keys are new; not read: {keys}"
                _log_line(logging.WARNING, sentence, fields | {"new_keys": new})

    def on_run(self, run: Run, readings: Sequence[Reading]) -> None:
        status = run.outcome.value if run.outcome else None
        seconds = run.duration_seconds or 0
        counts: Counter[str] = Counter()
        for reading in readings:
            counts.update(reading.model_counts())
        skipped = {reading.provider for reading in readings if reading.is_skipped}
        failed = {reading.provider for reading in readings if reading.is_failed}
        read = {reading.provider for reading in readings} - failed - skipped
        fields = {
            "action": "run",
            "run_id": run.id,
            "status": status,
            "duration_seconds": seconds,
            "started_by": run.started_by,
            "dry_run": run.dry_run,
            "providers": len(run.providers),
            "providers_read": len(read),
            "providers_skipped": len(skipped),
        }
        providers = f"{len(read)} of {len(run.providers)} providers read"
        if skipped:
            providers += f", {len(skipped)} skipped"
        models = _counts_text({name: counts[name] for name in ("updated", "held")})
        outcome = f"run {run.id}: {status} in {seconds:.1f} s"
        sentence = f"{outcome}: {providers}, {models}{_dry_text(run.dry_run)}"
        _log_line(logging.INFO, sentence, fields | counts)

    def on_push(
        self, target: str, revision: str | None, sent: str, error: PushFailed | None
    ) -> None:
        fields = {"action": "push", "target": target, "revision": revision}
        if error is None:
            self._push_errors.pop(target, None)
            what = f": {sent}" if sent else ""
            _log_line(logging.INFO, f"push {target}: has revision {revision}{what}", fields)
        elif self._push_errors.get(target) != str(error):
            self._push_errors[target] = str(error)
            _log_line(logging.WARNING, f"push {target}: failed: {error}", fields)

    def on_delivery(
        self, endpoint: str, event_id: str, kind: str, error: DeliveryFailed | None
    ) -> None:
        fields = {"action": "delivery", "endpoint": endpoint, "event": event_id, "kind": kind}
        if error is None:
            self._delivery_errors.pop(endpoint, None)
            _log_line(logging.INFO, f"webhook {endpoint}: {kind} {event_id}: delivered", fields)
        elif self._delivery_errors.get(endpoint) != str(error):
            self._delivery_errors[endpoint] = str(error)
            sentence = f"webhook {endpoint}: {kind} {event_id}: failed: {error}"
            _log_line(logging.WARNING, sentence, fields)

    def on_catalogs(self, reads: Sequence[CatalogRead]) -> None:
        for read in reads:
            fields = {
                "action": "reference",
                "catalog": read.catalog,
                "status": read.status.value,
                "models": read.models,
            }
            if read.error is not None:
                sentence = f"catalog {read.catalog}: failed: {read.error}"
                _log_line(logging.WARNING, sentence, fields)
            else:
                sentence = f"catalog {read.catalog}: {read.status.value}: {read.models} models"
                _log_line(logging.INFO, sentence, fields)

    def on_catalogs_late(self, seconds: float) -> None:
        sentence = f"catalogs: not read after {seconds:g} s: prices are judged without them"
        _log_line(logging.WARNING, sentence, {"action": "reference", "status": "late"})

    def on_error(self, where: str, error: Exception) -> None:
        # While the database is down, a traceback does not help.
        is_known = isinstance(error, StoreError)
        why = str(error) if is_known else f"{type(error).__name__}: {error}"
        fields = {"action": "error", "where": where, "error_kind": type(error).__name__}
        _log_line(logging.ERROR, f"{where}: {why}", fields, None if is_known else error)


def configure(format: Literal["text", "json"], level: str) -> None:  # noqa: A002
    """Log to standard error, with uvicorn's messages: for a process without a host.

    *level* is the name of the lowest level that is logged, such as `info`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if format == "json" else TextFormatter())
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level.upper())
        logger.propagate = False
    for name in _SILENT:
        # Without any handler, their warnings would go to standard error.
        logging.getLogger(name).addHandler(logging.NullHandler())


class TextFormatter(logging.Formatter):
    """Lines for people. All but the first line of a record are indented, against forged records."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802
        return _time(record)

    def format(self, record: logging.LogRecord) -> str:
        return "\n    ".join(map(_one_line, super().format(record).splitlines()))


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {name: value for name, value in vars(record).items() if name not in _NO_FIELDS}
        entry = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        # Twice: the first puts these keys in front, the second protects them from the fields.
        return json.dumps(entry | fields | entry, default=str)


def _log_line(
    level: int, sentence: str, fields: Mapping[str, Any], error: Exception | None = None
) -> None:
    # A provider's text stays on one line, with any formatter.
    _log.log(level, "%s", _one_line(sentence), extra=dict(fields), exc_info=error)


def _one_line(text: str) -> str:
    """*text* with all characters escaped that could end a line or control a terminal."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def _counts_text(counts: Mapping[str, int]) -> str:
    """`400 priced, 3 updated, 1 held`: the counts that are not zero, or are always shown."""
    return ", ".join(
        f"{count} {name}"
        for name, count in counts.items()
        if name in _ALWAYS_SHOWN or (count and name != "unchanged")
    )


def _dry_text(is_dry: bool) -> str:  # noqa: FBT001
    return " (dry run)" if is_dry else ""


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
