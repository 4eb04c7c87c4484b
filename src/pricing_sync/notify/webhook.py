"""One attempt to send an event to one address: signed, to a checked address, with bounds.

No property of the receiver is trusted: not its name, its speed, its redirects or its answer.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, partial
from ssl import SSLContext
from urllib.parse import urlsplit

import httpx

from pricing_sync.errors import DeliveryFailed
from pricing_sync.notify import addresses
from pricing_sync.notify.signing import read_secrets, signed_headers
from pricing_sync.prices.card_json import write_instant
from pricing_sync.settings import WebhookSettings
from pricing_sync.settings.origins import key_of
from pricing_sync.settings.webhooks import check_url
from pricing_sync.sources.http import EXCERPT_BYTES, RedactedURL, redacted, retry_after_seconds
from pricing_sync.store.deliveries import StoredEvent
from pricing_sync.version import VERSION

#: From the look-up of the name to the status.
ATTEMPT_SECONDS = 10.0
_OK = range(200, 300)
_REDIRECTS = range(300, 400)
_GONE = 410


def body_of(event: StoredEvent, public_url: str | None) -> bytes:
    """The body of an event, the same for each attempt."""
    payload = dict(event.payload)
    if "link" in payload:
        payload["link"] = f"{public_url or ''}{payload['link']}"
    message = {
        "type": event.kind.value,
        "timestamp": write_instant(event.created_at),
        "data": payload,
    }
    return json.dumps(message, separators=(",", ":")).encode()


class WebhookSender:
    """Sends events to the address of one `[[webhook]]`."""

    def __init__(
        self,
        settings: WebhookSettings,
        environment: Mapping[str, str],
        public_url: str | None,
        threads: Executor,
    ) -> None:
        self._settings, self._environment = settings, environment
        self._public_url, self._threads = public_url, threads

    @property
    def where(self) -> str:
        """The scheme and host of the address. The rest may be a secret."""
        try:
            parts = urlsplit(self._url())
        except DeliveryFailed:
            return f"${self._settings.url_env}"
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def fingerprint(self) -> str:
        """What is another text when the address or the secrets are others. It reveals neither."""
        with suppress(DeliveryFailed):
            now, url = datetime.fromtimestamp(0, UTC), self._url().encode()
            return signed_headers("settings", now, url, self._keys()[:1])["webhook-signature"]
        return ""

    def check(self, *, offline: bool) -> None:
        """Check the address, the secrets and, unless *offline*, that the host can be connected to.

        With TLS its certificate is checked. No request is sent. It may block.

        Raises:
            DeliveryFailed: no event could be sent so.
        """
        parts, _ = urlsplit(self._url()), self._keys()
        if offline:
            return
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            host, allow_private = parts.hostname or "", self._settings.allow_private
            found = addresses.resolve(host, port, allow_private=allow_private)
            _connect(found, port, host if parts.scheme == "https" else None)
        except (OSError, ValueError, addresses.Refused) as error:
            why = self._redacted(str(error)) or type(error).__name__
            raise DeliveryFailed(self.where, why) from None

    async def send(self, event: StoredEvent) -> None:
        """Send an event once.

        Raises:
            DeliveryFailed: the receiver did not answer with success in time, or a setting or a
                variable cannot be used.
        """
        url, keys = self._url(), self._keys()
        body = body_of(event, self._public_url)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"pricing-sync/{VERSION}",
            "Accept-Encoding": "identity",
            **signed_headers(event.id, datetime.now(UTC), body, keys),
        }
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                await self._post(httpx.URL(url), headers, body)
        except TimeoutError:
            why = f"no answer within {ATTEMPT_SECONDS:g} s"
            raise DeliveryFailed(self.where, why) from None
        # httpx does not translate the errors of broken TLS records, and Python's resolver has a
        # ValueError for names that are too long.
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, addresses.Refused) as error:
            why = self._redacted(str(error)) or type(error).__name__
            raise DeliveryFailed(self.where, why) from None

    async def _post(self, url: httpx.URL, headers: Mapping[str, str], body: bytes) -> None:
        """Send to the first address of the host that can be connected to."""
        port = url.port or (443 if url.scheme == "https" else 80)
        look_up = partial(
            addresses.resolve, url.host, port, allow_private=self._settings.allow_private
        )
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        for number, address in enumerate(found, 1):
            try:
                return await self._post_to(address, url, headers, body)
            except httpx.ConnectError:
                if number == len(found):
                    raise
        raise DeliveryFailed(self.where, "the host has no address")

    async def _post_to(
        self, address: str, url: httpx.URL, headers: Mapping[str, str], body: bytes
    ) -> None:
        # A connection of its own: no other endpoint waits for it. Without the proxies of the
        # environment, which would look the name up again.
        async with httpx.AsyncClient(
            verify=_tls(), trust_env=False, timeout=ATTEMPT_SECONDS
        ) as client:
            request = client.build_request(
                "POST",
                url.copy_with(host=address),
                content=body,
                headers={"Host": url.netloc.decode("ascii"), **headers},
                # The certificate is that of the name.
                extensions={"sni_hostname": url.host},
            )
            request.url = RedactedURL(request.url, self.where)
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                await self._check(response)
            finally:
                await response.aclose()

    async def _check(self, response: httpx.Response) -> None:
        """Raise DeliveryFailed unless the status is a success. The body then says nothing."""
        status = response.status_code
        if status in _OK:
            return
        if status in _REDIRECTS:
            raise DeliveryFailed(self.where, f"{status}: a redirect, which is not followed")
        text = bytearray()
        async for chunk in response.aiter_raw():
            text += chunk
            if len(text) >= EXCERPT_BYTES:
                break
        excerpt = self._redacted(text[:EXCERPT_BYTES].decode("utf-8", "replace"))
        raise DeliveryFailed(
            self.where,
            f"{status}: {excerpt or 'no explanation'}",
            retry_after_seconds(response),
            is_gone=status == _GONE,
        )

    def _url(self) -> str:
        settings = self._settings
        url = settings.url
        if url is None:
            url = self._variable(settings.url_env or "")
        try:
            return check_url(url, allow_private=settings.allow_private)
        except ValueError as error:
            raise DeliveryFailed("address", f"{settings.url_env}: {error}") from None

    def _keys(self) -> tuple[bytes, ...]:
        variable = self._settings.secret_env
        try:
            return read_secrets(self._variable(variable))
        except ValueError as error:
            raise DeliveryFailed("secret", f"{variable}: {error}") from None

    def _variable(self, name: str) -> str:
        text = key_of((name,), self._environment)
        if text is None:
            raise DeliveryFailed("environment", f"{name} is not set")
        return text

    def _redacted(self, text: str) -> str:
        """The beginning of a text of the receiver, without the secrets that it knows."""
        known = key_of((self._settings.secret_env,), self._environment) or ""
        url = self._url()
        path = urlsplit(url).path.strip("/")
        return redacted(text, [*known.replace(",", " ").split(), url, path, urlsplit(url).query])


def _connect(found: Sequence[str], port: int, tls_host: str | None) -> None:
    """Connect to the first of these addresses that can be connected to, and disconnect.

    Raises:
        OSError: none can be, or the certificate is not that of *tls_host*.
    """
    for number, address in enumerate(found, 1):
        try:
            connection = socket.create_connection((address, port), ATTEMPT_SECONDS)
        except OSError:
            if number == len(found):
                raise
            continue
        with connection:
            if tls_host is not None:
                _tls().wrap_socket(connection, server_hostname=tls_host).close()
        return


@cache
def _tls() -> SSLContext:
    return httpx.create_ssl_context()
