"""`worker`: reads what is queued, in a process of its own."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Mapping
from typing import Any

import typer

from pricing_sync.app import PricingSync
from pricing_sync.cli import arguments as typed
from pricing_sync.cli.serve import listeners
from pricing_sync.errors import SettingsError
from pricing_sync.observe.logs import configure
from pricing_sync.settings import load_settings

_log = logging.getLogger("pricing_sync")


def worker(context: typer.Context, *, database: typed.Database = None) -> None:
    """Read for all services on this database, until Ctrl-C.

    Needs PRICING_SYNC_ENGINE=procrastinate and PostgreSQL. Start as many as you like, on any host.
    SIGTERM and Ctrl-C let the readings in progress end, for PRICING_SYNC_STOP_SECONDS at most. A
    second one ends them at once.
    """
    settings = load_settings(database=database or context.obj)
    if settings.engine != "procrastinate":
        raise SettingsError(
            "worker: PRICING_SYNC_ENGINE: expected procrastinate, here and for each service"
        )
    configure(settings.log_format, settings.log_level)
    asyncio.run(_work(PricingSync(settings, listeners=listeners(settings), is_worker=True)))


def _log_error(_loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """Log what nobody waited for, in one line: a job that could not be ended, for example.

    Its reading is not concerned: that is a row of our own queue.
    """
    _log.warning("worker: %s: %s", context["message"], _one_line(context.get("exception")))


def _one_line(error: object) -> str:
    cause = getattr(error, "__cause__", None) or error
    return str(cause).strip().partition("\n")[0]


async def _work(pricing: PricingSync) -> None:
    """Work until a signal arrives, then stop in order."""
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    loop.set_exception_handler(_log_error)
    signals = (signal.SIGINT, signal.SIGTERM)

    def stop() -> None:
        stopping.set()
        for number in signals:
            loop.remove_signal_handler(number)

    for number in signals:
        loop.add_signal_handler(number, stop)
    async with pricing.lifespan():
        await stopping.wait()
