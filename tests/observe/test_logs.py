"""Logs: one line for each event, readable for people and machines."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from pricing_sync.changes.run import CANCELLED, Outcome, Reading, Run, Status
from pricing_sync.errors import StoreBusy, StoreError
from pricing_sync.observe.listener import Listener
from pricing_sync.observe.logs import LogListener, configure

from built import catalogue
from fault_server import FaultServer, response
from scheduled import run_schedule_once, two_providers

DAY = datetime(2026, 7, 17, 12, tzinfo=UTC)
NEXT = DAY + timedelta(days=1)
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.fixture(autouse=True)
def restore_loggers() -> Iterator[None]:
    """Restores the loggers after the test."""
    loggers = [logging.getLogger(name) for name in ("pricing_sync", "uvicorn")]
    before = [(logger.handlers, logger.level, logger.propagate) for logger in loggers]
    yield
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="pricing_sync")
    return caplog


def reading(**values: Any) -> Reading:
    defaults: dict[str, Any] = {
        "id": "reading-1",
        "run_id": "run-1",
        "provider": "openrouter",
        "at": DAY,
        "started_at": DAY,
        "finished_at": DAY + timedelta(seconds=1.25),
        "status": Status.READ,
    }
    return Reading(**(defaults | values))


def fields(record: logging.LogRecord, *names: str) -> dict[str, Any]:
    return {name: getattr(record, name) for name in names}


def with_action(log: pytest.LogCaptureFixture, action: str) -> list[logging.LogRecord]:
    return [record for record in log.records if getattr(record, "action", None) == action]


def test_a_reading_is_a_line_of_counts(log: pytest.LogCaptureFixture) -> None:
    """The message has the counts that matter to people; the fields have all counts."""
    LogListener().on_reading(
        reading(
            listings={"priced": 400, "unpriced": 7, "unreadable": 0, "nameless": 0},
            changes={"changed": 3, "held": 1},
        ),
        None,
    )
    (record,) = log.records
    assert "INFO" == record.levelname
    assert (
        "openrouter: read in 1.2 s: 400 priced, 7 unpriced, 3 updated, 1 held"
        == record.getMessage()
    )
    assert {
        "action": "reading",
        "provider": "openrouter",
        "run_id": "run-1",
        "reading_id": "reading-1",
        "status": "read",
        "error_kind": None,
        "duration_seconds": 1.25,
        "priced": 400,
        "unpriced": 7,
        "updated": 3,
        "skipped": 0,
        "unchanged": 403,
        "held": 1,
    } == fields(
        record,
        *("action", "provider", "run_id", "reading_id", "status", "error_kind"),
        *("duration_seconds", "priced", "unpriced", "updated", "skipped", "unchanged", "held"),
    )


def test_a_failed_reading_is_a_warning_with_its_error(log: pytest.LogCaptureFixture) -> None:
    """The message has the provider and the error; the fields have the kind."""
    error = "openrouter: status 503: busy"
    LogListener().on_reading(
        reading(status=Status.FAILED, error_kind="transport", error=error), None
    )
    (record,) = log.records
    assert ("WARNING", "openrouter: failed in 1.2 s: status 503: busy") == (
        record.levelname,
        record.getMessage(),
    )
    assert {"status": "failed", "error_kind": "transport"} == fields(record, "status", "error_kind")


def test_a_cancelled_reading_is_not_a_warning(log: pytest.LogCaptureFixture) -> None:
    """A person or a stop has requested the cancellation."""
    LogListener().on_reading(
        reading(status=Status.FAILED, error_kind=CANCELLED, error="openrouter: reading: left off"),
        None,
    )
    (record,) = log.records
    assert ("INFO", "cancelled") == (record.levelname, record.status)  # type: ignore[attr-defined]


@pytest.mark.parametrize("control", ["\n", "\r\n", "\x0b", "\x1b[2J", "\x85", "\u2028", "\u202e"])
def test_no_text_of_a_provider_breaks_a_line(log: pytest.LogCaptureFixture, control: str) -> None:
    """It cannot control a terminal or change the text direction either."""
    error = f"openrouter: status 403: no{control}2026-07-17 CRITICAL all is lost"
    LogListener().on_reading(reading(status=Status.FAILED, error_kind="refused", error=error), None)
    message = log.records[0].getMessage()
    assert message.isprintable()
    assert "no\\" in message
    assert message.endswith("CRITICAL all is lost")


async def _run_schedule(folder: Path, *listeners: Listener) -> Run:
    """A scheduled run in which openrouter lists 20 models and nearai refuses."""
    async with (
        FaultServer(response(200, catalogue(20))) as one,
        FaultServer(response(401, b"no\nsuch\x1b[31mkey")) as other,
    ):
        servers = {"openrouter": one, "nearai": other}
        with two_providers(folder, servers, *listeners) as app:
            await run_schedule_once(app)
            return app.store.runs(1)[0][0]


def test_each_reading_and_the_run_are_logged_when_they_end(
    tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    """One line for each reading, then one for the run with the totals."""
    finished = asyncio.run(_run_schedule(tmp_path))
    readings = {record.provider: record for record in with_action(log, "reading")}  # type: ignore[attr-defined]
    assert {"openrouter": "INFO", "nearai": "WARNING"} == {
        provider: record.levelname for provider, record in readings.items()
    }
    assert re.fullmatch(
        r"openrouter: read in \d\.\d s: 20 priced, 20 updated", readings["openrouter"].getMessage()
    )
    (run,) = with_action(log, "run")
    assert log.records[-1] is run
    assert "INFO" == run.levelname
    assert re.fullmatch(
        rf"run {finished.id}: partial in \d\.\d s: 1 of 2 providers read, 20 updated",
        run.getMessage(),
    )
    assert {
        "run_id": finished.id,
        "status": "partial",
        "started_by": "schedule",
        "dry_run": False,
        "duration_seconds": finished.duration_seconds,
        "providers": 2,
        "providers_read": 1,
        "updated": 20,
        "held": 0,
    } == fields(
        run,
        *("run_id", "status", "started_by", "dry_run", "duration_seconds"),
        *("providers", "providers_read", "updated", "held"),
    )
    assert all(record.getMessage().isprintable() for record in log.records)


def test_a_dry_run_is_marked_in_the_log(log: pytest.LogCaptureFixture) -> None:
    """Its counts are what it would change."""
    read = reading(listings={"priced": 2}, changes={"added": 2}, dry_run=True)
    LogListener().on_reading(read, None)
    run = Run("run-1", "api", DAY, NEXT, Outcome.SUCCESS, True, ("openrouter",))
    LogListener().on_run(run, [read])
    assert [
        "openrouter: read in 1.2 s: 2 priced, 2 updated (dry run)",
        "run run-1: success in 86400.0 s: 1 of 1 providers read, 2 updated (dry run)",
    ] == log.messages


def test_a_run_without_readings_is_still_one_line(log: pytest.LogCaptureFixture) -> None:
    """For example when all of it was cancelled before it began."""
    run = Run("run-1", "api", DAY, NEXT, Outcome.FAILED, False, ("openrouter", "nearai"))
    LogListener().on_run(run, [])
    assert ["run run-1: failed in 86400.0 s: 0 of 2 providers read, 0 updated"] == log.messages


@pytest.mark.parametrize("error", [StoreError("database: gone"), StoreBusy("database: busy")])
def test_a_database_error_is_logged_without_traceback(
    log: pytest.LogCaptureFixture, error: StoreError
) -> None:
    """Its message is sufficient, and it may come every minute."""
    LogListener().on_error("tick", error)
    (record,) = log.records
    assert ("ERROR", f"tick: {error}", None) == (
        record.levelname,
        record.getMessage(),
        record.exc_info,
    )


class Faulty(Listener):
    """A listener with a bug."""

    def on_run(self, *_: object) -> None:
        raise ZeroDivisionError("a\nbug")


def test_a_bug_is_logged_with_its_traceback(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    """The bug is in another listener. The run and its line are not affected."""
    asyncio.run(_run_schedule(tmp_path, Faulty()))
    (record,) = with_action(log, "error")
    assert ("ERROR", "Faulty: ZeroDivisionError: a\\nbug") == (
        record.levelname,
        record.getMessage(),
    )
    assert {"where": "Faulty", "error_kind": "ZeroDivisionError"} == fields(
        record, "where", "error_kind"
    )
    assert "in on_run" in log.text
    assert 1 == len(with_action(log, "run"))


def test_an_embedded_service_configures_no_logging() -> None:
    """The host decides what is logged, how, and where."""
    logger = logging.getLogger("pricing_sync")
    before = list(logger.handlers)  # those of commands that other tests ran in this process
    LogListener().on_error("tick", StoreError("gone"))
    assert (before, logging.NOTSET, True) == (logger.handlers, logger.level, logger.propagate)


# Without a host.


def raised(error: Exception) -> Exception:
    """*error* with a traceback."""
    try:
        raise error
    except type(error) as caught:
        return caught


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_text_is_a_line_with_the_time_in_utc(capsys: pytest.CaptureFixture[str]) -> None:
    """The time has milliseconds and a fixed width."""
    configure("text", "info")
    LogListener().on_error("tick", StoreError("database: gone"))
    (line,) = lines(capsys)
    assert re.fullmatch(TIME + r" ERROR pricing_sync: tick: database: gone", line)


def test_json_is_an_object_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    """It has every field, and not the attributes that only a terminal needs."""
    configure("json", "info")
    LogListener().on_reading(reading(listings={"priced": 1}), None)
    logging.getLogger("uvicorn.error").info("Started\n%s", "é", extra={"color_message": "x"})
    one, two = map(json.loads, lines(capsys))
    assert re.fullmatch(TIME, one.pop("time"))
    assert {
        "level": "info",
        "logger": "pricing_sync",
        "message": "openrouter: read in 1.2 s: 1 priced, 0 updated",
        "action": "reading",
        "provider": "openrouter",
        "run_id": "run-1",
        "reading_id": "reading-1",
        "status": "read",
        "error_kind": None,
        "duration_seconds": 1.25,
        "dry_run": False,
        "priced": 1,
        "unpriced": 0,
        "updated": 0,
        "skipped": 0,
        "unchanged": 1,
        "held": 0,
    } == one
    assert {"time", "level", "logger", "message"} == two.keys()
    assert ("uvicorn.error", "Started\né") == (two["logger"], two["message"])


def test_json_has_the_traceback_as_one_string(capsys: pytest.CaptureFixture[str]) -> None:
    """A field that JSON cannot represent is written as text."""
    configure("json", "info")
    LogListener().on_error("tick", raised(ZeroDivisionError("a bug")))
    logging.getLogger("pricing_sync").info("odd", extra={"folder": Path("x"), "level": "y"})
    one, two = map(json.loads, lines(capsys))
    assert one["traceback"].startswith("Traceback")
    assert one["traceback"].endswith("ZeroDivisionError: a bug")
    assert ("x", "info") == (two["folder"], two["level"])


def test_no_text_can_pose_as_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a message of another library nor a traceback."""
    configure("text", "info")
    forged = "2026-07-17T12:00:00.000Z CRITICAL pricing_sync: all is lost"
    LogListener().on_error("tick", raised(ValueError(f"bad\n{forged}\x1b[2J")))
    logging.getLogger("uvicorn.error").error("failed\n%s", forged)
    logged = lines(capsys)
    assert 2 == sum(bool(re.match(TIME, line)) for line in logged)
    assert 2 == sum(line.startswith(f"    {forged}") for line in logged)
    assert all(line.isprintable() for line in logged)


def test_the_configured_level_applies(capsys: pytest.CaptureFixture[str]) -> None:
    """It applies to uvicorn too, and configuring twice does not log twice."""
    configure("text", "info")
    configure("text", "warning")
    LogListener().on_reading(reading(), None)
    logging.getLogger("uvicorn.access").info("GET /")
    assert [] == lines(capsys)
    LogListener().on_error("tick", StoreError("gone"))
    assert 1 == len(lines(capsys))


def test_uvicorn_logs_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    """A real server without its own logging configuration: start, request, end."""

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        assert "http" == scope["type"]
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def live() -> None:
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
        serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110  no event signals it
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient() as client:
            await client.get(f"http://127.0.0.1:{port}/ready?x=%0ay")
        server.should_exit = True
        await serving

    configure("json", "info")
    asyncio.run(live())
    logged = [json.loads(line) for line in lines(capsys)]
    assert {"uvicorn.error", "uvicorn.access"} == {line["logger"] for line in logged}
    (access,) = [line for line in logged if line["logger"] == "uvicorn.access"]
    assert access["message"].endswith('"GET /ready?x=%0ay HTTP/1.1" 204')
