"""Fetching a provider's price list over HTTP: every page of it, or an error that says why not.

No property of a response is trusted: not its size, speed, encoding or redirect. No error, `repr` or
returned URL contains a secret. The key is sent only to the origin that it is configured for.
"""

from __future__ import annotations

import asyncio
import html
import ipaddress
import json
import random
import re
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TypeAlias
from urllib.parse import quote, quote_plus, urlsplit

import httpx

from pricing_sync.errors import (
    DecodeError,
    IncompleteAnswer,
    MissingKey,
    OversizedAnswer,
    ReadingError,
    Refused,
    SettingsError,
    TransportError,
)
from pricing_sync.sources import strict_json
from pricing_sync.sources.provider import Permission, Provider, next_page
from pricing_sync.version import VERSION

_USER_AGENT = f"pricing-sync/{VERSION}"
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 3
_UNREADABLE_TARGET = "to an address that cannot be read"
# The most that one step of decompression yields. Other tasks run between the steps.
_CHUNK_BYTES = 64 * 2**10
_GZIP = 16 + zlib.MAX_WBITS  # zlib then expects gzip's header and checksum
EXCERPT_BYTES, _EXCERPT_CHARACTERS = 4 * 2**10, 200
# A longer Retry-After counts as one day.
_MAX_RETRY_AFTER_SECONDS = 86_400

_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
# Printable ASCII without the space. Any other character in a key was pasted by mistake.
_KEY = re.compile(r"[!-~]+")
# RFC 9110, 8.8.3, in ASCII. An ETag in any other form is not sent back to the server.
_ETAG = re.compile(r'(?:W/)?"[!#-~]{0,200}"')

Sleep = Callable[[float], Awaitable[object]]
#: A body as it was received. A conversion of 18 MB to `bytes` would block the event loop.
Body: TypeAlias = bytes | bytearray


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one fetch: time, size, attempts and pages."""

    #: One attempt at one page, from connecting to the last byte. A timeout between two bytes is not
    #: enough: it never expires when a server sends one byte at a time.
    deadline_seconds: float = 60
    #: All pages, with their retries and the waits between: one provider must not delay a run.
    answer_deadline_seconds: float = 900
    #: One page, decompressed. Featherless's list would be some 50 MB on one page (2026-09).
    max_bytes: int = 64 * 2**20
    #: All pages together, decompressed: they are in memory at the same time.
    max_answer_bytes: int = 256 * 2**20
    #: For one page: the first attempt and three retries.
    attempts: int = 4
    #: The longest wait before the first retry. It doubles before each later one.
    first_wait_seconds: float = 1
    #: The longest wait before any retry. After a longer Retry-After there is no retry: the next
    #: reading fetches again.
    max_wait_seconds: float = 30
    #: Enough for 100,000 models at 100 a page.
    max_pages: int = 1000


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The key, base URL and URL variables that are configured for one provider."""

    key: str | None = field(default=None, repr=False)
    #: Replaces the provider's own scheme and host; the provider's paths are appended to its path.
    base_url: str | None = None
    #: The values of the variables in the provider's URLs.
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole answer."""

    #: The URL of the first page, with the names of variables in place of their values.
    url: str
    pages: tuple[Body, ...] = field(repr=False)
    #: The validator for the next conditional request; None if there is none, or several pages.
    etag: str | None

    def all_pages(self) -> tuple[bytes, ...]:
        """The pages as decoders expect them. Do not call it on the event loop: it copies them."""
        return tuple(map(bytes, self.pages))


@dataclass(frozen=True, slots=True)
class NotModified:
    """The provider's answer is still the one that *etag* identifies."""

    url: str
    etag: str


def http_client() -> httpx.AsyncClient:
    """A client for `fetch`: HTTP/1.1, certificates checked, no cookies stored.

    Proxies and additional certificate authorities come from the environment. Credentials do not:
    httpx does not read a `.netrc` by default.

    Raises:
        SettingsError: a proxy or certificate setting of the environment cannot be used.
    """
    try:
        return httpx.AsyncClient(
            http1=True,
            http2=False,
            verify=True,
            trust_env=True,
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )
    except (ValueError, httpx.InvalidURL):  # their messages may contain a proxy's password
        raise SettingsError("environment: names a proxy that is not a URL") from None
    except (OSError, ImportError) as error:  # no such certificate file; SOCKS is not installed
        raise SettingsError(f"environment: {error}") from error


async def fetch(
    client: httpx.AsyncClient,
    provider: Provider,
    credentials: Credentials,
    *,
    etag: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    sleep: Sleep = asyncio.sleep,
) -> Fetched | NotModified:
    """The provider's whole answer, or `NotModified` if it is still the one of *etag*.

    Raises:
        SettingsError: the key, the URL or a variable cannot be used, or is missing.
        TransportError, Refused, DecodeError, IncompleteAnswer, OversizedAnswer: the answer could
            not be fetched whole.
    """
    request = _Request(client, provider, credentials, limits, sleep)
    request.check_key()
    shown_url = request.with_base_url(provider.url)
    first = request.address(shown_url)
    permission = provider.permission
    permission_url = request.address(request.with_base_url(permission.url)) if permission else None
    try:
        async with asyncio.timeout(limits.answer_deadline_seconds):
            if permission is not None and permission_url is not None:
                await request.check_permission(permission_url, permission)
            return await _fetch_pages(request, first, shown_url, etag)
    except TimeoutError:
        why = f"not whole within {limits.answer_deadline_seconds:g} s"
        raise TransportError(provider.id, "answer", why) from None


async def _fetch_pages(
    request: _Request, first: httpx.URL, shown_url: str, etag: str | None
) -> Fetched | NotModified:
    """Every page from the first to the last."""
    provider, limits = request.provider, request.limits
    # The other pages may change while the first one, and its validator, stay the same.
    single = provider.following is None
    validator = etag if single and etag and _ETAG.fullmatch(etag) else None
    page = await request.get(first, validator)
    if page is None:
        return NotModified(shown_url, validator or "")
    if single:
        return Fetched(shown_url, (page.body,), page.etag)
    pages, size_bytes = [bytes(page.body)], len(page.body)
    while (more := next_page(provider, pages[-1], len(pages))) is not None:
        if len(pages) == limits.max_pages:
            raise IncompleteAnswer(provider.id, "body", f"goes on after page {len(pages)}")
        body = bytes((await request.page(request.page_url(first, more))).body)
        if body == pages[-1]:
            why = f"page {len(pages) + 1} is page {len(pages)} again"
            raise IncompleteAnswer(provider.id, "body", why)
        pages.append(body)
        size_bytes += len(body)
        if size_bytes > limits.max_answer_bytes:
            raise OversizedAnswer(provider.id, "body", f"over {limits.max_answer_bytes} bytes")
    return Fetched(shown_url, tuple(pages), None)


class RedactedURL(httpx.URL):
    """A URL whose text is redacted, because httpx logs the text of every URL it requests."""

    def __init__(self, url: httpx.URL, text: str) -> None:
        super().__init__(url)
        self._text = text

    def __str__(self) -> str:
        return self._text


@dataclass(frozen=True, slots=True)
class _Page:
    body: Body = field(repr=False)
    etag: str | None


@dataclass(frozen=True, slots=True)
class _Request:
    """The request to one provider. Its `repr`, as in a traceback with locals, shows no secret."""

    client: httpx.AsyncClient = field(repr=False)
    provider: Provider
    credentials: Credentials
    limits: Limits
    sleep: Sleep = field(repr=False)

    def check_key(self) -> None:
        """Raise SettingsError if the key is missing or cannot be sent in a header."""
        key = self.provider.key
        if key is None:
            return
        if not self.credentials.key:
            if key.required:
                raise MissingKey(self.provider.id, key.variables)
        elif not _KEY.fullmatch(self.credentials.key):
            why = "contains a space, a control character or one that is not ASCII"
            raise SettingsError(f"{self.provider.id}: key: {why}")

    def with_base_url(self, template: str) -> str:
        """The URL *template* with the base URL in place of its scheme and host."""
        if self.credentials.base_url is None:
            return template
        try:
            base, parts = urlsplit(self.credentials.base_url), urlsplit(template)
        except ValueError:
            raise SettingsError(f"{self.provider.id}: base_url: not a URL") from None
        if not base.hostname or base.query or base.fragment or "@" in base.netloc:
            why = "must be a scheme, a host and at most a path"
            raise SettingsError(f"{self.provider.id}: base_url: {why}")
        query = f"?{parts.query}" if parts.query else ""
        return f"{base.scheme}://{base.netloc}{base.path.rstrip('/')}{parts.path}{query}"

    def address(self, template: str) -> httpx.URL:
        """The URL with its variables filled in."""
        missing = tuple(
            name for name in _VARIABLE.findall(template) if not self.credentials.variables.get(name)
        )
        if missing:
            raise MissingKey(self.provider.id, missing)
        try:
            url = httpx.URL(
                _VARIABLE.sub(
                    lambda match: quote(self.credentials.variables[match[1]], safe=""), template
                )
            )
        except httpx.InvalidURL:
            raise SettingsError(f"{self.provider.id}: address: not a URL") from None
        if not _is_safe(url):
            why = "must be https, or http on this machine"
            raise SettingsError(f"{self.provider.id}: address: {why}")
        return url

    def page_url(self, first: httpx.URL, parameters: Mapping[str, str]) -> httpx.URL:
        """The first page's URL with the query parameters of another page."""
        try:
            return first.copy_merge_params(parameters)
        except httpx.InvalidURL:  # longer than 64 KiB
            raise DecodeError(self.provider.id, "body", "names no usable next page") from None

    async def check_permission(self, url: httpx.URL, permission: Permission) -> None:
        """Raise IncompleteAnswer or DecodeError unless the key may see the whole list."""
        page = await self.page(url)
        try:
            permission.check(bytes(page.body))
        except strict_json.Malformed as error:
            kind = IncompleteAnswer if isinstance(error, strict_json.Incomplete) else DecodeError
            raise kind(self.provider.id, "permission", self._redacted(str(error))) from None

    async def page(self, url: httpx.URL) -> _Page:
        """The page at *url*, requested without a validator."""
        page = await self.get(url, None)
        assert page is not None  # noqa: S101  a 304 without a validator is an error
        return page

    async def get(self, url: httpx.URL, etag: str | None) -> _Page | None:
        """The page at *url*, None if it is still the one of *etag*. Failed attempts are retried."""
        attempt = 1
        while True:
            try:
                return await self._attempt(url, etag)
            except TransportError as error:
                wait_seconds = _wait_seconds(self.limits, attempt, error)
                if wait_seconds is None:
                    raise
            await self.sleep(wait_seconds)
            attempt += 1

    async def _attempt(self, url: httpx.URL, etag: str | None) -> _Page | None:
        """One attempt, with httpx's errors translated.

        The errors are not chained: httpx's contain the request, and the request contains the key.
        """
        try:
            async with asyncio.timeout(self.limits.deadline_seconds):
                return await self._follow_redirects(url, etag)
        except TimeoutError:
            why = f"not whole within {self.limits.deadline_seconds:g} s"
            raise TransportError(self.provider.id, "answer", why) from None
        # httpx does not translate the errors of broken TLS records.
        except (httpx.HTTPError, OSError) as error:
            why = self._redacted(str(error)) or type(error).__name__
            raise TransportError(self.provider.id, "connection", why) from None

    async def _follow_redirects(self, url: httpx.URL, etag: str | None) -> _Page | None:
        for _ in range(1 + _MAX_REDIRECTS):
            async with aclosing(await self._send(url, etag)) as response:
                if response.status_code not in _REDIRECT_STATUSES:
                    return await self._read_page(response, conditional=etag is not None)
                url = self._redirect_target(url, response)
        raise Refused(self.provider.id, "redirect", f"more than {_MAX_REDIRECTS} in a row")

    async def _send(self, url: httpx.URL, etag: str | None) -> httpx.Response:
        """The response, of which only the status line and the headers have been read."""
        # httpx's timeouts are off: they never expire when a byte arrives now and then. Its
        # redirects are off: they pass on every header except Authorization.
        request = self.client.build_request(
            "GET", url, headers=_headers(self.provider, self.credentials, etag), timeout=None
        )
        request.url = RedactedURL(url, self._redacted(str(url)))
        try:
            return await self.client.send(request, stream=True, auth=None, follow_redirects=False)
        except (httpx.InvalidURL, ValueError):
            # httpx parses the Location header even when it does not follow redirects.
            raise Refused(self.provider.id, "redirect", _UNREADABLE_TARGET) from None

    def _redirect_target(self, url: httpx.URL, response: httpx.Response) -> httpx.URL:
        """The target of a redirect from *url*. Raises Refused if it is in another origin."""
        location = response.headers.get("location", "")
        try:
            target = url.join(location) if location else None
        except (httpx.InvalidURL, ValueError):
            target = None
        if target is None:
            raise Refused(self.provider.id, "redirect", _UNREADABLE_TARGET)
        if _origin(target) != _origin(url):
            where = f"{target.scheme}://{target.netloc.decode('ascii', 'replace')}"
            raise Refused(
                self.provider.id, "redirect", f"to another origin, {self._redacted(where)}"
            )
        return target

    async def _read_page(self, response: httpx.Response, *, conditional: bool) -> _Page | None:
        """The page of a 200 response; None for a 304 when the request was *conditional*."""
        status, kind = response.status_code, response.headers.get("content-type", "")
        if status == 304 and conditional:
            return None
        if status == 304:
            raise TransportError(self.provider.id, "status 304", "the request had no validator")
        if status == 429 or status >= 500:
            why, wait_seconds = await self._excerpt(response), retry_after_seconds(response)
            raise TransportError(self.provider.id, f"status {status}", why, wait_seconds)
        if 200 < status < 300:
            raise DecodeError(self.provider.id, f"status {status}", "not the 200 of a list")
        if status != 200:
            raise Refused(self.provider.id, f"status {status}", await self._excerpt(response))
        if "html" in kind.lower():
            why = f"a page for people ({self._redacted(kind)}), not a list"
            raise DecodeError(self.provider.id, "body", why)
        body = await self._read_body(response)
        etag = response.headers.get("etag", "")
        return _Page(body, etag if _ETAG.fullmatch(etag) else None)

    async def _read_body(self, response: httpx.Response) -> bytearray:
        body = bytearray()
        async with aclosing(self._decompressed(response)) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > self.limits.max_bytes:
                    why = f"over {self.limits.max_bytes} bytes"
                    raise OversizedAnswer(self.provider.id, "body", why)
        return body

    async def _decompressed(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        """The decompressed body in chunks: of a gzip body, at most `_CHUNK_BYTES` each."""
        encoding = response.headers.get("content-encoding", "").strip().lower()
        if encoding in ("", "identity"):
            async for raw in response.aiter_raw():
                yield raw
            return
        if encoding != "gzip":
            why = f"in the encoding {self._redacted(encoding)}, which was not asked for"
            raise DecodeError(self.provider.id, "body", why)
        inflater = zlib.decompressobj(wbits=_GZIP)
        try:
            async for raw in response.aiter_raw():
                compressed = raw
                while len(chunk := inflater.decompress(compressed, _CHUNK_BYTES)) == _CHUNK_BYTES:
                    yield chunk
                    compressed = inflater.unconsumed_tail
                    await asyncio.sleep(0)
                yield chunk
                if inflater.unused_data:
                    why = "goes on after the end of the gzip stream"
                    raise DecodeError(self.provider.id, "body", why)
        except zlib.error as error:
            raise DecodeError(self.provider.id, "body", f"not gzip: {error}") from None
        if not inflater.eof:
            raise TransportError(self.provider.id, "body", "the gzip stream is cut short")

    async def _excerpt(self, response: httpx.Response) -> str:
        """The beginning of an error response's body, redacted."""
        start = bytearray()
        try:
            async with aclosing(self._decompressed(response)) as chunks:
                async for chunk in chunks:
                    start += chunk[:EXCERPT_BYTES]
                    if len(start) >= EXCERPT_BYTES:
                        break
        except (httpx.HTTPError, ReadingError):
            pass  # the status matters more than the body: use the part that was read
        return self._redacted(start[:EXCERPT_BYTES].decode("utf-8", "replace")) or "no explanation"

    def _redacted(self, text: str) -> str:
        """*text* as one short line of ASCII, without the key and the values of variables."""
        return redacted(text, (self.credentials.key, *self.credentials.variables.values()))


def redacted(text: str, secrets: Iterable[str | None]) -> str:
    """The beginning of *text* as one short line of ASCII, without these secrets."""
    for secret in secrets:
        for spelling in _spellings(secret or ""):
            text = re.sub(re.escape(spelling), "[redacted]", text, flags=re.IGNORECASE)
    # Only the first half is kept: the search misses a secret that the end of an excerpt cuts.
    text = " ".join(text[: EXCERPT_BYTES // 2].split())
    return ascii(text)[1:-1][:_EXCERPT_CHARACTERS]


def _spellings(secret: str) -> Iterator[str]:
    """The spellings in which a response may repeat a secret: plain, in a URL, JSON or HTML."""
    if secret:
        yield secret
        yield quote(secret)
        yield quote(secret, safe="")
        yield quote_plus(secret)
        yield json.dumps(secret)[1:-1]
        yield secret.replace("/", r"\/")
        yield html.escape(secret)


def _headers(provider: Provider, credentials: Credentials, etag: str | None) -> dict[str, str]:
    headers = {"User-Agent": _USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip"}
    if etag is not None:
        headers["If-None-Match"] = etag
    if provider.key is not None and credentials.key:
        headers[provider.key.header] = provider.key.prefix + credentials.key
    return headers


def _is_safe(url: httpx.URL) -> bool:
    """Whether a key may be sent to *url*: over https, or over http to this machine."""
    if url.userinfo or not url.host:
        return False
    return url.scheme == "https" or (url.scheme == "http" and _is_loopback(url.host))


def _is_loopback(host: str) -> bool:
    """Whether *host* is `localhost` or a literal loopback address. `127.1` and the like are not."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _origin(url: httpx.URL) -> tuple[str, bytes, int | None]:
    """Scheme, host and port; the port is None for the scheme's default."""
    return url.scheme, url.raw_host, url.port


def _wait_seconds(limits: Limits, attempt: int, error: TransportError) -> float | None:
    """How long to wait after failed attempt number *attempt*; None if there is no further one.

    The backoff is exponential with full jitter, so that many clients do not retry together.
    """
    retry_after_seconds = error.retry_after_seconds or 0
    if attempt >= limits.attempts or retry_after_seconds > limits.max_wait_seconds:
        return None
    ceiling = min(limits.max_wait_seconds, limits.first_wait_seconds * 2 ** (attempt - 1))
    return max(retry_after_seconds, random.uniform(0, ceiling))  # noqa: S311  not a secret


def retry_after_seconds(response: httpx.Response) -> float | None:
    """The wait in Retry-After, as seconds or as a date by the server's clock; at most one day."""
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:10]), _MAX_RETRY_AFTER_SECONDS)
    then = _http_date(text)
    if then is None:
        return None
    now = _http_date(response.headers.get("date", "")) or datetime.now(UTC)
    return min(max((then - now).total_seconds(), 0), _MAX_RETRY_AFTER_SECONDS)


def _http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
