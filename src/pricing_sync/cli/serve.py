"""`serve`: the service in a process of its own."""

from __future__ import annotations

import gc
import ipaddress
import logging
import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

import typer
from pydantic import SecretStr

from pricing_sync.app import PricingSync
from pricing_sync.cli import arguments as typed
from pricing_sync.cli import tables
from pricing_sync.errors import SettingsError, masked
from pricing_sync.observe.listener import Listener
from pricing_sync.observe.logs import configure
from pricing_sync.settings import Settings, load_settings
from pricing_sync.store.upgrade import upgrade

_log = logging.getLogger("pricing_sync")

#: How long open responses may last when the service stops. Streams of events end at once.
_LAST_ANSWERS_SECONDS = 3


def serve(
    context: typer.Context,
    host: Annotated[
        str | None,
        typer.Option(help="Where to listen; by default PRICING_SYNC_HOST, else 127.0.0.1."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="By default PRICING_SYNC_PORT, else 8080; 0 is any that is free."
        ),
    ] = None,
    database: typed.Database = None,
) -> None:
    """Read on schedule and serve the HTTP API, until Ctrl-C.

    Without ADMIN_TOKEN it prints a token that holds until it stops, and listens on this machine
    alone.
    """
    settings = load_settings(database=database or context.obj, host=host, port=port)
    settings, token = with_token(settings)
    configure(settings.log_format, settings.log_level)
    if settings.migrate and (done := upgrade(settings.database, create=True)).backup:
        _log.info("%s", done)
    with PricingSync(settings, listeners=listeners(settings)) as pricing:
        # Inside the server, the error would be a traceback in the log.
        pricing.access.check_scheduled()
        _log.info("%s", _plan(settings))
        run(pricing, token)


def _plan(settings: Settings) -> str:
    """What will happen, since nothing does at first."""
    database = masked(settings.database)
    if not settings.enabled:
        return f"nothing is read on schedule: PRICING_SYNC_ENABLED is false; prices of {database}"
    names, wait = ", ".join(settings.providers), settings.first_delay_seconds
    return f"{names} are read on schedule into {database}, from {wait:g} s after the start on"


def with_token(settings: Settings) -> tuple[Settings, str | None]:
    """The settings with an admin token, and that token if there was none and it was made here.

    Raises:
        SettingsError: there is none, and the address can be reached from other machines.
    """
    if settings.admin_token is not None:
        return settings, None
    if not _is_loopback(settings.host):
        raise SettingsError(
            f"ADMIN_TOKEN: expected a token, as {settings.host} can be reached from elsewhere"
        )
    token = secrets.token_urlsafe(24)
    return settings.model_copy(update={"admin_token": SecretStr(token)}), token


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listeners(settings: Settings) -> Sequence[Listener]:
    """The Sentry listener if the settings have a DSN.

    Raises:
        SettingsError: the DSN is set, and it cannot be used, or Sentry is not installed.
    """
    if settings.sentry_dsn is None:
        return ()
    # An optional extra, so it is imported only when it is used.
    try:
        from pricing_sync.observe import sentry
    except ImportError as error:
        raise SettingsError("SENTRY_DSN: pip install 'pricing-sync[sentry]' to use it") from error
    try:
        sentry.init(settings.sentry_dsn.get_secret_value())
    except ValueError:  # its message contains the DSN
        raise SettingsError("SENTRY_DSN: expected a DSN such as https://KEY@HOST/PROJECT") from None
    return (sentry.SentryListener(),)


def run(pricing: PricingSync, made_token: str | None) -> None:
    """Serve until a signal arrives, then stop in order.

    A token that was made for this process is printed, with an address that signs in once.

    Raises:
        SettingsError: the extra `serve` is not installed, or the address cannot be bound.
    """
    try:
        import uvicorn

        from pricing_sync.web import standalone
        from pricing_sync.web.uvicorn_server import Server
    except ImportError as error:
        raise SettingsError("serve: pip install 'pricing-sync[serve]' to use it") from error
    settings = pricing.settings
    code = secrets.token_urlsafe(24) if made_token else None
    app = standalone(pricing, sign_in_code=code)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_LAST_ANSWERS_SECONDS,
        ws="none",
    )
    # What is imported stays. A full garbage collection, which every request waits for, takes a
    # fifth of the time without it: 10 ms and not 50, with 5,000 models.
    gc.collect()
    gc.freeze()
    try:
        listening = config.bind_socket()
    except (SystemExit, UnicodeError):  # uvicorn has logged why; a name with a label too long
        raise SettingsError(f"serve: cannot listen on {settings.host}:{settings.port}") from None
    # A connection inherits it. asyncio sets it itself only on sockets that name their protocol, and
    # without it a response on a kept-alive connection takes 44 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # uvicorn has logged that it runs. Who reads that has to wait from now on, and is not refused.
    listening.listen(config.backlog)
    if made_token is not None:
        _print_token(made_token, f"{_address(listening)}sign-in?code={code}")
    with suppress(KeyboardInterrupt):  # uvicorn raises it once more when all has stopped
        Server(config, app).run(sockets=[listening])


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _print_token(token: str, page: str) -> None:
    tables.err.print(f"ADMIN_TOKEN is not set. Until this stops, the token is\n\n    {token}\n")
    tables.err.print(f"The pages; this address signs in once:\n\n    {page}\n")
