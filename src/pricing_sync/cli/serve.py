"""`serve`: the service in a process of its own."""

from __future__ import annotations

import gc
import ipaddress
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
from pricing_sync.errors import SettingsError
from pricing_sync.observe.listener import Listener
from pricing_sync.observe.logs import configure
from pricing_sync.settings import Settings, load_settings

#: How long open responses, such as a run's events, may last when the service stops.
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
    settings = with_token(settings)
    configure(settings.log_format, settings.log_level)
    with PricingSync(settings, listeners=listeners(settings)) as pricing:
        # Inside the server, the error would be a traceback in the log.
        pricing.access.check_scheduled()
        run(pricing)


def with_token(settings: Settings) -> Settings:
    """The settings with a token for the admin API. Without one, a token is made and printed.

    Raises:
        SettingsError: there is none, and the address can be reached from other machines.
    """
    if settings.admin_token is not None:
        return settings
    if not _is_loopback(settings.host):
        raise SettingsError(
            f"ADMIN_TOKEN: expected a token, as {settings.host} can be reached from elsewhere"
        )
    token = secrets.token_urlsafe(24)
    tables.err.print(f"ADMIN_TOKEN is not set. Until this stops, the token is\n\n    {token}\n")
    return settings.model_copy(update={"admin_token": SecretStr(token)})


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


def run(pricing: PricingSync) -> None:
    """Serve until a signal arrives, then stop in order.

    Raises:
        SettingsError: the extra `serve` is not installed, or the address cannot be bound.
    """
    try:
        import uvicorn

        from pricing_sync.web import standalone
    except ImportError as error:
        raise SettingsError("serve: pip install 'pricing-sync[serve]' to use it") from error
    settings = pricing.settings
    config = uvicorn.Config(
        standalone(pricing),
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
    with suppress(KeyboardInterrupt):  # uvicorn raises it once more when all has stopped
        uvicorn.Server(config).run(sockets=[listening])
