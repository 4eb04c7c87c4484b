"""One attempt to send a message to people, through Apprise."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pricing_sync.errors import DeliveryFailed
from pricing_sync.notify.messages import message_of
from pricing_sync.sources.http import redacted
from pricing_sync.store.deliveries import StoredEvent

if TYPE_CHECKING:
    import apprise

#: For connecting and for an answer, Apprise takes up to 4 seconds each, and some services need
#: several requests.
ATTEMPT_SECONDS = 30.0
_PARTS = re.compile(r"[/:@?&=#,;]+")
#: A shorter part of an address is no secret, and would be found in other words.
_SHORTEST_SECRET = 4
_log = logging.getLogger("apprise")


class AppriseSender:
    """Sends messages to one Apprise address."""

    def __init__(self, url: str, public_url: str | None, threads: Executor) -> None:
        self._url, self._public_url, self._threads = url, public_url, threads

    @property
    def where(self) -> str:
        """The scheme of the address, such as `slack://`. The rest is secret."""
        scheme, separator, _ = self._url.partition("://")
        return f"{scheme}{separator}" if separator and scheme.isalnum() else "an address"

    @property
    def fingerprint(self) -> str:
        """Nothing: such an address is never disabled."""
        return ""

    def check(self, *, offline: bool) -> None:  # noqa: ARG002  it reaches nobody
        """Check that Apprise is there and knows such an address.

        Raises:
            DeliveryFailed: no message could be sent so.
        """
        self._sender()

    async def send(self, event: StoredEvent) -> None:
        """Send the message of an event once.

        Raises:
            DeliveryFailed: it was not taken in time, the address is none, or Apprise is missing.
        """
        title, body = message_of(event, self._public_url)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                await loop.run_in_executor(self._threads, partial(self._notify, title, body))
        except TimeoutError:
            why = f"no answer within {ATTEMPT_SECONDS:g} s"
            raise DeliveryFailed(self.where, why) from None

    def _sender(self) -> apprise.Apprise:
        # An optional extra, so it is imported only when it is used.
        try:
            import apprise
        except ImportError:
            why = "pip install 'pricing-sync[notify]' to use PRICING_SYNC_NOTIFY_URLS"
            raise DeliveryFailed("notify", why) from None
        sender = apprise.Apprise()
        with _Warnings(), self._translate_errors():
            is_address = sender.add(self._url)
        if not is_address:
            raise DeliveryFailed(self.where, "PRICING_SYNC_NOTIFY_URLS: no address of Apprise")
        return sender

    def _notify(self, title: str, body: str) -> None:
        sender = self._sender()
        with _Warnings() as warnings, self._translate_errors():
            sent = sender.notify(body=body, title=title)
        if not sent:
            said = self._redacted(" ".join(warnings.texts))
            raise DeliveryFailed(self.where, said or "Apprise could not send it")

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001  each service is a plug-in of its own
            raise DeliveryFailed(self.where, f"Apprise: {type(error).__name__}") from None

    def _redacted(self, text: str) -> str:
        parts = _PARTS.split(self._url.partition("://")[2])
        secrets = [part for part in parts if len(part) >= _SHORTEST_SECRET]
        return redacted(text, [*secrets, *map(unquote, secrets)])


class _Warnings(logging.Handler):
    """Keeps the warnings of Apprise about one message. They may name parts of the address.

    They go nowhere else, so that no log has them. Apprise may send in a thread of its own, with the
    context of the caller.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if _current.get() is self:
            self.texts.append(record.getMessage())

    def __enter__(self) -> _Warnings:
        _log.propagate = False
        _log.addHandler(self)
        self._token = _current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)
        _log.removeHandler(self)


#: Of the message that is being sent.
_current: ContextVar[_Warnings | None] = ContextVar("warnings", default=None)
