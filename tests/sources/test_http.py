"""Fetching price lists, from a server that fails in every way we could think of."""

from __future__ import annotations

import asyncio
import gzip
import logging
import shutil
import ssl
import subprocess
import traceback
import tracemalloc
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing_sync.errors import (
    DecodeError,
    IncompleteAnswer,
    MissingKey,
    OversizedAnswer,
    PricingSyncError,
    ReadingError,
    Refused,
    SettingsError,
    TransportError,
)
from pricing_sync.sources import rows, strict_json
from pricing_sync.sources.http import (
    Credentials,
    Fetched,
    Limits,
    NotModified,
    _is_safe,
    fetch,
    http_client,
)
from pricing_sync.sources.provider import Key, Permission, Provider
from pricing_sync.version import VERSION

from fault_server import FaultServer, Reply, Request, response

#: The current time in the gzip header would make the bytes differ from run to run.
gzipped = partial(gzip.compress, mtime=0)

CANARY = "sk-CANARY/0123456789+abc="
ACCOUNT = "ACCOUNT-CANARY-77"

DEMO = Provider(
    id="demo",
    name="Demo",
    url="https://demo.example/v1/models?kind=all",
    decode=lambda _: rows.Page([]),
    key=Key(("DEMO_API_KEY",), required=False),
)
LIST = b'{"data":[]}'
LIMITS = Limits(deadline_seconds=20, answer_deadline_seconds=30)
SHORT_DEADLINE = replace(LIMITS, deadline_seconds=0.3, attempts=1)
ONE_ATTEMPT = replace(LIMITS, attempts=1)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call of `fetch`: its outcome, the received requests, and the waits between attempts."""

    outcome: Fetched | NotModified | PricingSyncError
    requests: list[Request]
    waits: list[float]

    @property
    def pages(self) -> tuple[bytes, ...]:
        assert isinstance(self.outcome, Fetched), self.outcome
        return self.outcome.all_pages()

    @property
    def targets(self) -> list[str]:
        return [request.target for request in self.requests]


def fetch_from(
    *replies: Reply,
    provider: Provider = DEMO,
    key: str | None = None,
    path: str = "",
    variables: Mapping[str, str] | None = None,
    etag: str | None = None,
    limits: Limits = LIMITS,
) -> Exchange:
    """Fetch from a server that sends these replies. No error may show a secret."""
    waits: list[float] = []

    async def record_wait(seconds: float) -> None:
        waits.append(seconds)

    async def run() -> Exchange:
        async with FaultServer(*replies) as server, http_client() as client:
            credentials = Credentials(
                key=key, base_url=server.url + path, variables=variables or {}
            )
            try:
                outcome: Fetched | NotModified | PricingSyncError = await fetch(
                    client, provider, credentials, etag=etag, limits=limits, sleep=record_wait
                )
            except PricingSyncError as error:
                assert_keeps_secrets(error, key)
                outcome = error
            return Exchange(outcome, server.requests, waits)

    return asyncio.run(run())


def assert_keeps_secrets(error: PricingSyncError, key: str | None) -> None:
    """The key is not in the error, its traceback, or the local variables of our frames."""
    ours = error.__traceback__ and error.__traceback__.tb_next  # the first frame is the test's own
    report = traceback.TracebackException(
        type(error), error, ours, capture_locals=True, compact=True
    )
    shown = "".join(report.format()) + f"{error!s}{error!r}{error.__dict__}{error.__cause__!r}"
    assert not key or key.lower() not in shown.lower()


def following(*parameters: Mapping[str, str]) -> Callable[[bytes, int], Mapping[str, str] | None]:
    """A `Provider.following` that gives these query parameters, one for each page."""
    return lambda _, count: parameters[count - 1] if count <= len(parameters) else None


# Requests and good answers.


def test_one_page() -> None:
    """The outcome has the received bytes, the validator and the requested URL."""
    exchange = fetch_from(response(body=LIST, ETag='W/"v1"'), path="/")
    outcome = exchange.outcome
    assert isinstance(outcome, Fetched)
    assert ((LIST,), 'W/"v1"') == (outcome.pages, outcome.etag)
    assert outcome.url.startswith("http://127.0.0.1:")
    assert outcome.url.endswith("/v1/models?kind=all")
    assert ["/v1/models?kind=all"] == exchange.targets


def test_the_headers_of_a_request() -> None:
    """The user agent is ours, because some servers refuse a library's with 404. Only gzip is
    accepted."""
    (request,) = fetch_from(response(body=LIST)).requests
    assert f"pricing-sync/{VERSION}" == request.headers["user-agent"]
    assert "gzip" == request.headers["accept-encoding"]
    assert "authorization" not in request.headers
    assert "cookie" not in request.headers


def test_the_key_is_sent_in_the_providers_header() -> None:
    """The provider defines the header and the prefix."""
    (request,) = fetch_from(response(body=LIST), key=CANARY).requests
    assert f"Bearer {CANARY}" == request.headers["authorization"]
    other = replace(DEMO, key=Key(("DEMO_API_KEY",), header="x-api-key", prefix=""))
    (request,) = fetch_from(response(body=LIST), key=CANARY, provider=other).requests
    assert CANARY == request.headers["x-api-key"]
    assert "authorization" not in request.headers


def test_a_provider_without_a_key_is_sent_none() -> None:
    """Even when a key is configured for it."""
    (request,) = fetch_from(
        response(body=LIST), key=CANARY, provider=replace(DEMO, key=None)
    ).requests
    assert CANARY not in str(request)


@pytest.mark.parametrize("key", [None, ""])
def test_a_missing_key_is_an_error_before_any_request(key: str | None) -> None:
    """The error names the environment variables that may hold the key."""
    with_key = replace(DEMO, key=Key(("DEMO_API_KEY", "DEMO_KEY")))
    exchange = fetch_from(response(body=LIST), provider=with_key, key=key)
    assert isinstance(exchange.outcome, MissingKey)
    assert ("DEMO_API_KEY", "DEMO_KEY") == exchange.outcome.variables
    assert [] == exchange.requests


@pytest.mark.parametrize(
    "key", ["sk-1\nX-Evil: 1", "sk-1\r\n", "sk-1\x00", "sk-clé", "sk-１", "sk 1", " sk-1", "\x7f"]
)
def test_a_key_that_cannot_be_sent_is_an_error_that_does_not_show_it(key: str) -> None:
    """Such a key would split the request, or would be cut off in it."""
    exchange = fetch_from(response(body=LIST), key=key)
    assert type(exchange.outcome) is SettingsError
    assert str(exchange.outcome).startswith("demo: key: contains a space, a control character or")
    assert [] == exchange.requests


def test_the_repr_of_credentials_shows_no_secret() -> None:
    """Credentials may be printed by accident."""
    credentials = Credentials(key=CANARY, base_url="https://x.example", variables={"A": ACCOUNT})
    assert "Credentials(base_url='https://x.example')" == repr(credentials)


# URLs.


@pytest.mark.parametrize("path", ["/proxy/demo", "/proxy/demo/"])
def test_the_providers_path_is_appended_to_the_base_url(path: str) -> None:
    """The path of the base URL and the provider's path and query are all kept."""
    assert ["/proxy/demo/v1/models?kind=all"] == fetch_from(response(body=LIST), path=path).targets


def test_variables_in_the_url_are_percent_encoded() -> None:
    """The URL of the outcome contains their names instead of their values."""
    with_account = replace(
        DEMO, url="https://demo.example/accounts/{DEMO_ACCOUNT}/models?in={DEMO_ACCOUNT}"
    )
    exchange = fetch_from(
        response(body=LIST), provider=with_account, variables={"DEMO_ACCOUNT": "a/../b?c d"}
    )
    assert ["/accounts/a%2F..%2Fb%3Fc%20d/models?in=a%2F..%2Fb%3Fc%20d"] == exchange.targets
    assert isinstance(exchange.outcome, Fetched)
    assert exchange.outcome.url.endswith("/accounts/{DEMO_ACCOUNT}/models?in={DEMO_ACCOUNT}")


@pytest.mark.parametrize("variables", [{}, {"DEMO_ACCOUNT": ""}, {"OTHER": "x"}])
def test_a_missing_variable_is_an_error_before_any_request(variables: dict[str, str]) -> None:
    """An empty variable counts as missing."""
    with_account = replace(DEMO, url="https://demo.example/accounts/{DEMO_ACCOUNT}/models")
    exchange = fetch_from(response(body=LIST), provider=with_account, variables=variables)
    assert isinstance(exchange.outcome, MissingKey)
    assert (("DEMO_ACCOUNT",), []) == (exchange.outcome.variables, exchange.requests)


@pytest.mark.parametrize(
    "base_url",
    [
        "http://demo.example",
        "http://10.0.0.1",
        "http://169.254.169.254/latest",
        "http://127.1",
        "http://2130706433",
        "http://0x7f.0.0.1",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://[::ffff:10.0.0.1]",
        "http://0.0.0.0",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "demo.example",
        "//demo.example",
        "https://",
        "https://[::1",
        "https://demo.example:port",
        "https://user:CANARY-PASSWORD@demo.example",
        "https://user@demo.example",
        "https://demo.example@127.0.0.1",
        "https://demo.example/?token=CANARY-PASSWORD",
        "https://demo.example/#part",
        "",
    ],
)
def test_addresses_that_a_key_must_not_be_sent_to(base_url: str) -> None:
    """Plain http to another machine, or a URL with a password. The error does not show it."""

    async def run() -> None:
        async with http_client() as client:
            await fetch(client, DEMO, Credentials(key=CANARY, base_url=base_url))

    with pytest.raises(SettingsError, match=r"^demo: (address|base_url): ") as raised:
        asyncio.run(run())
    assert "CANARY" not in f"{raised.value!s}{raised.value!r}"


@pytest.mark.parametrize(
    "url",
    [
        "https://demo.example/v1",
        "https://10.0.0.1:8443",
        "http://127.0.0.1:80",
        "http://127.200.3.4",
        "http://[::1]:9",
        "http://localhost:8080/x",
    ],
)
def test_addresses_that_a_key_may_be_sent_to(url: str) -> None:
    """Over https, or over http to this machine."""
    assert _is_safe(httpx.URL(url))


def test_a_providers_own_url_must_be_https() -> None:
    """The rule applies to the provider's URL as well as to the base URL of the settings."""

    async def run() -> None:
        async with http_client() as client:
            await fetch(client, replace(DEMO, url="http://demo.example/v1"), Credentials())

    with pytest.raises(SettingsError, match=r"^demo: address: must be https"):
        asyncio.run(run())


# Permission.


def refusing(kind: type[strict_json.Malformed], why: str) -> Callable[[bytes], None]:
    def check(body: bytes) -> None:
        raise kind("acls", f"{why} {body.decode()}")

    return check


def with_permission(check: Callable[[bytes], None]) -> Provider:
    return replace(DEMO, permission=Permission("https://demo.example/v1/api-key", check))


def test_the_permission_is_checked_first() -> None:
    """The request goes to the same base URL, with the same key."""
    bodies: list[bytes] = []
    exchange = fetch_from(
        response(body=b"yes"),
        response(body=LIST),
        provider=with_permission(bodies.append),
        key=CANARY,
        path="/under",
        etag='"v1"',
    )
    assert ["/under/v1/api-key", "/under/v1/models?kind=all"] == exchange.targets
    assert [f"Bearer {CANARY}"] * 2 == [
        request.headers["authorization"] for request in exchange.requests
    ]
    assert [None, '"v1"'] == [request.headers.get("if-none-match") for request in exchange.requests]
    assert ([b"yes"], (LIST,)) == (bodies, exchange.pages)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(strict_json.Malformed, DecodeError), (strict_json.Incomplete, IncompleteAnswer)],
)
def test_without_permission_the_list_is_not_fetched(
    kind: type[strict_json.Malformed], expected: type[ReadingError]
) -> None:
    """If the list were filtered, the other models would count as vanished."""
    exchange = fetch_from(
        response(body=b"for " + CANARY.encode()),
        provider=with_permission(refusing(kind, "no")),
        key=CANARY,
    )
    assert type(exchange.outcome) is expected
    assert "demo: permission: acls: no for [redacted]" == str(exchange.outcome)
    assert 1 == len(exchange.requests)


# Pages.


def test_pages_are_fetched_until_the_last() -> None:
    """The parameters of each page are merged into the first page's query."""
    paged = replace(DEMO, following=following({"page": "2"}, {"page": "3", "kind": "a b"}))
    exchange = fetch_from(
        response(body=b"1", ETag='"v1"'), response(body=b"2"), response(body=b"3"), provider=paged
    )
    assert (b"1", b"2", b"3") == exchange.pages
    assert [
        "/v1/models?kind=all",
        "/v1/models?kind=all&page=2",
        "/v1/models?kind=a+b&page=3",
    ] == [target.replace("%20", "+") for target in exchange.targets]


def test_a_repeated_page_is_an_error() -> None:
    """The server ignores the parameters, so the paging would never end."""
    paged = replace(DEMO, following=lambda _, count: {"page": str(count + 1)})
    exchange = fetch_from(response(body=b"1"), response(body=b"2"), provider=paged)
    assert isinstance(exchange.outcome, IncompleteAnswer)
    assert ("demo: body: page 3 is page 2 again", 3) == (
        str(exchange.outcome),
        len(exchange.requests),
    )


def test_the_number_of_pages_is_limited() -> None:
    """A list with more pages than `max_pages` is incomplete."""
    paged = replace(DEMO, following=lambda _, count: {"page": str(count + 1)})
    replies = [response(body=str(number).encode()) for number in range(9)]
    exchange = fetch_from(*replies, provider=paged, limits=replace(LIMITS, max_pages=3))
    assert isinstance(exchange.outcome, IncompleteAnswer)
    assert ("demo: body: goes on after page 3", 3) == (
        str(exchange.outcome),
        len(exchange.requests),
    )
    all_three = replace(DEMO, following=following({"page": "2"}, {"page": "3"}))
    exchange = fetch_from(*replies, provider=all_three, limits=replace(LIMITS, max_pages=3))
    assert 3 == len(exchange.pages)


def test_all_pages_together_have_a_cap() -> None:
    """Even when each page is below its own cap."""
    paged = replace(DEMO, following=following({"page": "2"}, {"page": "3"}))
    limits = replace(LIMITS, max_bytes=10, max_answer_bytes=25)
    replies = [response(body=letter * 10) for letter in (b"a", b"b", b"c")]
    exchange = fetch_from(*replies, provider=paged, limits=limits)
    assert isinstance(exchange.outcome, OversizedAnswer)
    assert "demo: body: over 25 bytes" == str(exchange.outcome)


def test_a_page_that_does_not_name_the_next_is_an_error() -> None:
    """The error names the provider."""

    def broken(_: bytes, count: int) -> None:
        raise strict_json.Malformed("pagination", f"missing on page {count}")

    exchange = fetch_from(response(body=LIST), provider=replace(DEMO, following=broken))
    assert isinstance(exchange.outcome, DecodeError)
    assert "demo: pagination: missing on page 1" == str(exchange.outcome)


def test_a_next_page_that_cannot_be_requested() -> None:
    """A cursor may be too long for a URL."""
    exchange = fetch_from(
        response(body=LIST), provider=replace(DEMO, following=following({"at": "x" * 70_000}))
    )
    assert isinstance(exchange.outcome, DecodeError)
    assert "demo: body: names no usable next page" == str(exchange.outcome)


# Validators.


def test_an_unchanged_answer() -> None:
    """The validator is sent back unchanged, and 304 means that it is still valid."""
    exchange = fetch_from(response(304), etag='W/"v1"')
    assert isinstance(exchange.outcome, NotModified)
    assert 'W/"v1"' == exchange.outcome.etag
    assert 'W/"v1"' == exchange.requests[0].headers["if-none-match"]


def test_several_pages_have_no_validator() -> None:
    """The first page may be unchanged while the last one has changed."""
    paged = replace(DEMO, following=following({"page": "2"}))
    exchange = fetch_from(
        response(body=b"1", ETag='"v1"'), response(body=b"2"), provider=paged, etag='"v1"'
    )
    assert all("if-none-match" not in request.headers for request in exchange.requests)
    assert isinstance(exchange.outcome, Fetched)
    assert exchange.outcome.etag is None


@pytest.mark.parametrize("etag", [None, "", "v1", '"v1', '"v1"\r\nX-Evil: 1', '"é"', '"\u2028"'])
def test_304_to_a_request_without_validator_is_an_error(etag: str | None) -> None:
    """An invalid validator is not sent, so a 304 has no earlier answer to refer to."""
    exchange = fetch_from(response(304), etag=etag, limits=ONE_ATTEMPT)
    assert isinstance(exchange.outcome, TransportError)
    assert "demo: status 304: the request had no validator" == str(exchange.outcome)
    assert "if-none-match" not in exchange.requests[0].headers
    assert "x-evil" not in exchange.requests[0].headers


@pytest.mark.parametrize("etag", ["v1", '"é"', '"a b"', '"' + "x" * 201 + '"', ""])
def test_an_invalid_validator_is_not_kept(etag: str) -> None:
    """It could not be sent in a request header."""
    exchange = fetch_from(response(body=LIST, ETag=etag))
    assert isinstance(exchange.outcome, Fetched)
    assert exchange.outcome.etag is None


# Bodies.


def test_gzip() -> None:
    """In one piece, in chunks, and larger than one step of decompression."""
    large = b"".join(b'{"id":"model-%d"},' % number for number in range(20_000))
    compressed = gzipped(large)

    async def in_chunks(writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: GZIP\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for start in range(0, len(compressed), 7_000):
            part = compressed[start : start + 7_000]
            writer.write(b"%x\r\n%s\r\n" % (len(part), part))
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    assert (large,) == fetch_from(response(body=compressed, Content_Encoding="gzip")).pages
    assert (large,) == fetch_from(in_chunks).pages
    assert (b"",) == fetch_from(response(body=gzipped(b""), Content_Encoding="gzip")).pages
    assert (LIST,) == fetch_from(response(body=LIST, Content_Encoding="identity")).pages


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 131_072, 131_073])
def test_gzip_at_the_edge_of_a_step(size: int) -> None:
    """No byte is lost between two steps of decompression."""
    body = bytes(number % 251 for number in range(size))
    assert (body,) == fetch_from(response(body=gzipped(body), Content_Encoding="gzip")).pages
    zeros = bytes(size)
    assert (zeros,) == fetch_from(response(body=gzipped(zeros), Content_Encoding="gzip")).pages


@pytest.mark.parametrize(
    "encode",
    [lambda body: (body, "identity"), lambda body: (gzipped(body), "gzip")],
    ids=["identity", "gzip"],
)
def test_the_cap_is_exact(encode: Callable[[bytes], tuple[bytes, str]]) -> None:
    """A page of exactly `max_bytes` is read, and a page with one byte more is refused."""
    limits = replace(LIMITS, max_bytes=100_000)
    for size, expected in ((100_000, Fetched), (100_001, OversizedAnswer)):
        body, encoding = encode(b"x" * size)
        exchange = fetch_from(response(body=body, Content_Encoding=encoding), limits=limits)
        assert expected is type(exchange.outcome)


def test_a_gzip_bomb_is_not_decompressed() -> None:
    """Of 65 kB that decompress to 64 MiB, little more than the cap of 1 MiB is ever in memory."""
    bomb = response(body=gzipped(bytes(64 * 2**20)), Content_Encoding="gzip")
    assert len(bomb) < 70_000
    limits = replace(LIMITS, max_bytes=2**20)

    async def run() -> int:
        async with FaultServer(bomb) as server, http_client() as client:
            tracemalloc.start()
            with pytest.raises(OversizedAnswer, match=r"^demo: body: over 1048576 bytes$"):
                await fetch(client, DEMO, Credentials(base_url=server.url), limits=limits)
            assert 1 == len(server.requests)
            return tracemalloc.get_traced_memory()[1]

    try:
        assert asyncio.run(run()) < 4 * 2**20
    finally:
        tracemalloc.stop()


def test_a_body_without_end() -> None:
    """It is read only up to the cap."""

    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
            await writer.drain()

    exchange = fetch_from(endless, limits=replace(LIMITS, max_bytes=50_000))
    assert isinstance(exchange.outcome, OversizedAnswer)


def test_a_body_that_goes_on_after_its_gzip_stream_is_refused_at_once() -> None:
    """The rest has no size that the cap would count, and it may have no end."""

    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzipped(LIST))
        while True:
            writer.write(b"x" * 1000)
            await writer.drain()

    exchange = fetch_from(endless, limits=replace(ONE_ATTEMPT, deadline_seconds=5))
    assert isinstance(exchange.outcome, DecodeError)
    assert "demo: body: goes on after the end of the gzip stream" == str(exchange.outcome)


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "gzip,br", "compress"])
def test_an_encoding_that_was_not_requested_is_an_error(encoding: str) -> None:
    """Nested encodings above all, because each layer multiplies the size."""
    exchange = fetch_from(response(body=gzipped(LIST), Content_Encoding=encoding))
    assert isinstance(exchange.outcome, DecodeError)
    assert f"demo: body: in the encoding {encoding}, which was not asked for" == str(
        exchange.outcome
    )


def test_two_encodings_in_two_headers_are_nested() -> None:
    """They are refused, as two encodings in one header are."""
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Encoding: gzip\r\n\r\n"
    exchange = fetch_from(head + gzipped(gzipped(LIST)))
    assert isinstance(exchange.outcome, DecodeError)


@pytest.mark.parametrize(
    ("body", "kind", "why"),
    [
        (gzipped(LIST * 99)[:-9], TransportError, "the gzip stream is cut short"),
        (gzipped(LIST)[:5], TransportError, "the gzip stream is cut short"),
        (b"", TransportError, "the gzip stream is cut short"),
        (LIST, DecodeError, "not gzip"),
        (zlib.compress(LIST), DecodeError, "not gzip"),
        (gzipped(LIST)[:-8] + b"\0" * 8, DecodeError, "not gzip"),
        (gzipped(LIST) * 2, DecodeError, "goes on after the end of the gzip stream"),
    ],
)
def test_broken_gzip(body: bytes, kind: type[ReadingError], why: str) -> None:
    """A body that ends early is a transport error; other broken gzip is a decode error."""
    exchange = fetch_from(response(body=body, Content_Encoding="gzip"), limits=ONE_ATTEMPT)
    assert type(exchange.outcome) is kind
    assert str(exchange.outcome).startswith(f"demo: body: {why}")


CUT_SHORT = {
    "less than its Content-Length": response(body=LIST, Content_Length="999"),
    "a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + LIST,
    "the last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n"
    + LIST
    + b"\r\n",
    "gzip": response(body=gzipped(LIST)[:-4], Content_Encoding="gzip"),
    "its headers": b"HTTP/1.1 200 OK\r\nContent-Le",
    "everything": b"",
}


@pytest.mark.parametrize("reply", CUT_SHORT.values(), ids=CUT_SHORT.keys())
def test_an_answer_that_is_cut_short_is_fetched_again(reply: bytes) -> None:
    """Only the second, whole answer counts."""
    exchange = fetch_from(reply, response(body=LIST))
    assert (LIST,) == exchange.pages
    assert (2, 1) == (len(exchange.requests), len(exchange.waits))


# Time.


async def hang(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


async def hang_after_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
    await asyncio.sleep(3600)


async def drip_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.02)


async def drip_body(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1\r\nx\r\n")
        await asyncio.sleep(0.02)


async def drip_refusal(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 403 No\r\nContent-Length: 1000\r\n\r\n")
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("reply", [hang, hang_after_headers, drip_headers, drip_body, drip_refusal])
def test_the_deadline_covers_the_whole_attempt(reply: Reply) -> None:
    """From connecting to the last byte, even if the server sends a byte now and then."""
    exchange = fetch_from(reply, limits=SHORT_DEADLINE)
    assert isinstance(exchange.outcome, TransportError)
    assert "demo: answer: not whole within 0.3 s" == str(exchange.outcome)


def test_a_late_answer_is_fetched_again() -> None:
    """The deadline is for one attempt, and the next attempt has a new one."""
    exchange = fetch_from(hang, response(body=LIST), limits=replace(SHORT_DEADLINE, attempts=2))
    assert (LIST,) == exchange.pages


def test_the_whole_answer_has_a_deadline_too() -> None:
    """It ends the fetch even if no single page has reached its own deadline."""
    paged = replace(DEMO, following=lambda _, count: {"page": str(count + 1)})
    exchange = fetch_from(
        response(body=b"1"),
        hang,
        provider=paged,
        limits=replace(LIMITS, answer_deadline_seconds=0.3),
    )
    assert isinstance(exchange.outcome, TransportError)
    assert "demo: answer: not whole within 0.3 s" == str(exchange.outcome)


def test_a_cancelled_fetch_is_not_an_error_of_the_provider() -> None:
    """It raises CancelledError at once, without a retry."""

    async def run() -> int:
        async with FaultServer(hang) as server, http_client() as client:
            task = asyncio.create_task(fetch(client, DEMO, Credentials(base_url=server.url)))
            await server.request_received.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return len(server.requests)

    assert 1 == asyncio.run(run())


# Retries.


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 529, 599])
def test_server_errors_are_retried(status: int) -> None:
    """Four attempts in all. The longest possible wait doubles each time."""
    exchange = fetch_from(response(status, b"try later"))
    assert isinstance(exchange.outcome, TransportError)
    assert f"demo: status {status}: try later" == str(exchange.outcome)
    assert 4 == len(exchange.requests)
    assert 3 == len(exchange.waits)
    assert all(0 <= wait <= most for wait, most in zip(exchange.waits, (1, 2, 4), strict=True))


def test_waits_do_not_grow_for_ever() -> None:
    """They also differ, so that clients that failed together do not retry together."""
    limits = replace(LIMITS, attempts=30, max_wait_seconds=8)
    waits = fetch_from(response(503), limits=limits).waits
    assert (29, True) == (len(waits), max(waits) <= 8)
    assert len(set(waits)) > 20


def test_an_answer_after_failed_attempts() -> None:
    """The failed attempts do not change the outcome."""
    exchange = fetch_from(response(503), response(429), b"", response(body=LIST))
    assert ((LIST,), 4) == (exchange.pages, len(exchange.requests))


def test_each_page_has_its_own_attempts() -> None:
    """A page that was read is not fetched again."""
    paged = replace(DEMO, following=following({"page": "2"}))
    exchange = fetch_from(
        response(503), response(body=b"1"), response(503), response(body=b"2"), provider=paged
    )
    assert (b"1", b"2") == exchange.pages
    assert ["/v1/models?kind=all&page=2"] * 2 == exchange.targets[2:]


def test_a_refused_connection_is_retried() -> None:
    """As often as any other transport error."""
    waits: list[float] = []

    async def record_wait(seconds: float) -> None:
        waits.append(seconds)

    async def run() -> None:
        async with FaultServer(b"") as server:
            credentials = Credentials(key=CANARY, base_url=server.url)
        async with http_client() as client:
            await fetch(client, DEMO, credentials, limits=LIMITS, sleep=record_wait)

    with pytest.raises(TransportError, match=r"^demo: connection: "):
        asyncio.run(run())
    assert 3 == len(waits)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "7"}, 7),
        ({"Retry_After": "30"}, 30),
        (
            {
                "Retry_After": "Sat, 24 Oct 2026 12:00:20 GMT",
                "Date": "Sat, 24 Oct 2026 12:00:00 GMT",
            },
            20,
        ),
        (
            {
                "Retry_After": "Saturday, 24-Oct-26 12:00:20 GMT",
                "Date": "Sat, 24 Oct 2026 12:00:00 GMT",
            },
            20,
        ),
    ],
)
def test_retry_after_is_honoured(headers: dict[str, Any], seconds: int) -> None:
    """It is a number of seconds, or a date by the server's clock. No retry comes earlier."""
    exchange = fetch_from(response(429, **headers), response(body=LIST))
    assert (LIST,) == exchange.pages
    assert [seconds] == exchange.waits


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "31"}, 31),
        ({"Retry_After": "3600"}, 3600),
        ({"Retry_After": "86401"}, 86_400),
        ({"Retry_After": "9" * 5000}, 86_400),
        (
            {
                "Retry_After": "Sat, 24 Oct 2026 13:00:00 GMT",
                "Date": "Sat, 24 Oct 2026 12:00:00 GMT",
            },
            3600,
        ),
        ({"Retry_After": "Fri, 31 Dec 9999 23:59:59 GMT"}, 86_400),
    ],
)
def test_a_long_retry_after_ends_the_attempts(headers: dict[str, Any], seconds: int) -> None:
    """The error states how long to wait, at most one day."""
    exchange = fetch_from(response(503, **headers))
    assert isinstance(exchange.outcome, TransportError)
    assert seconds == exchange.outcome.retry_after_seconds
    assert (1, []) == (len(exchange.requests), exchange.waits)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "-5",
        "1.5",
        "１２",
        "²",
        "1e3",
        "Sat, 99 Oct 2026 12:00:00 GMT",
        "0" * 5000 + "x",
    ],
)
def test_an_unreadable_retry_after_is_ignored(text: str) -> None:
    """The wait is then our own backoff."""
    exchange = fetch_from(
        response(429, Retry_After=text.encode().decode("latin-1")), limits=ONE_ATTEMPT
    )
    assert isinstance(exchange.outcome, TransportError)
    assert exchange.outcome.retry_after_seconds is None


def test_retry_after_in_the_past() -> None:
    """It means zero seconds."""
    exchange = fetch_from(
        response(429, Retry_After="Mon, 01 Jan 2001 00:00:00 GMT"), limits=ONE_ATTEMPT
    )
    assert isinstance(exchange.outcome, TransportError)
    assert 0 == exchange.outcome.retry_after_seconds


# Refusals.


@pytest.mark.parametrize(
    "status", [400, 401, 402, 403, 404, 405, 410, 418, 451, 499, 300, 305, 306]
)
def test_a_refusal_is_not_retried(status: int) -> None:
    """The same request would be refused again."""
    exchange = fetch_from(response(status, b'{"error": "no"}'))
    assert isinstance(exchange.outcome, Refused)
    assert (f'demo: status {status}: {{"error": "no"}}', 1) == (
        str(exchange.outcome),
        len(exchange.requests),
    )


def test_gone_is_not_an_empty_list() -> None:
    """Featherless answers like this to user agents that it refuses (2026-09)."""
    exchange = fetch_from(response(404, b"Gone.", Content_Type="text/plain"))
    assert isinstance(exchange.outcome, Refused)
    assert "demo: status 404: Gone." == str(exchange.outcome)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (response(403), "no explanation"),
        (response(403, b" \r\n\t "), "no explanation"),
        (response(403, b"no", Content_Length="99"), "no"),
        (response(403, b"no", Content_Encoding="br"), "no explanation"),
        (response(403, gzipped(b"no"), Content_Encoding="gzip"), "no"),
        (response(403, gzipped(b"no")[:-3], Content_Encoding="gzip"), "no"),
        (response(403, b"one\r\n\r\n  two\x00\x1b[2J"), "one two\\x00\\x1b[2J"),
        (response(403, "nön \u202e".encode()), "n\\xf6n \\u202e"),
        (response(403, b"\xff"), "\\ufffd"),
        (response(403, b"x" * 1_000_000), "x" * 200),
        (response(403, gzipped(bytes(10_000_000)), Content_Encoding="gzip"), "\\x00" * 50),
    ],
)
def test_the_excerpt_of_a_refusal(reply: bytes, why: str) -> None:
    """The readable part of the body, on one line, at most 200 characters."""
    exchange = fetch_from(reply)
    assert isinstance(exchange.outcome, Refused)
    assert ("status 403", why) == (exchange.outcome.where, exchange.outcome.why)


@pytest.mark.parametrize(
    "echo",
    [
        CANARY,
        CANARY.lower(),
        "sk-CANARY%2F0123456789%2Babc%3D",
        "sk-CANARY/0123456789%2Babc%3D",
        r"sk-CANARY\/0123456789+abc=",
        "x" * 190 + CANARY,
        " " * 4_070 + CANARY,
        CANARY * 500,
    ],
)
@pytest.mark.parametrize("status", [401, 500])
def test_a_key_in_a_response_is_not_shown(echo: str, status: int) -> None:
    """In none of the spellings that a server may use."""
    exchange = fetch_from(
        response(status, f"bad key {echo}".encode()), key=CANARY, limits=ONE_ATTEMPT
    )
    assert "CANARY" not in str(exchange.outcome).upper()
    assert isinstance(exchange.outcome, ReadingError)
    assert exchange.outcome.why.startswith("bad key")


def test_a_variable_in_a_response_is_not_shown() -> None:
    """An account id is a secret too."""
    with_account = replace(DEMO, url="https://demo.example/accounts/{DEMO_ACCOUNT}/models")
    exchange = fetch_from(
        response(404, f"no account {ACCOUNT}".encode()),
        provider=with_account,
        variables={"DEMO_ACCOUNT": ACCOUNT},
    )
    assert "demo: status 404: no account [redacted]" == str(exchange.outcome)


@pytest.mark.parametrize("status", [201, 202, 203, 204, 206, 226])
def test_a_success_status_other_than_200_is_an_error(status: int) -> None:
    """206, for example, is only a part of a list."""
    exchange = fetch_from(response(status, LIST))
    assert isinstance(exchange.outcome, DecodeError)
    assert (f"demo: status {status}: not the 200 of a list", 1) == (
        str(exchange.outcome),
        len(exchange.requests),
    )


@pytest.mark.parametrize("kind", ["text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml"])
def test_an_html_page_is_not_a_list(kind: str) -> None:
    """A portal sends its log-in page with status 200."""
    exchange = fetch_from(response(body=b"<html>", Content_Type=kind))
    assert isinstance(exchange.outcome, DecodeError)
    assert f"demo: body: a page for people ({kind}), not a list" == str(exchange.outcome)


# Redirects.


def test_redirects_within_the_origin_are_followed() -> None:
    """Three of them, with the key, because the origin is the same."""
    exchange = fetch_from(
        response(301, Location="/v2/models"),
        response(307, Location="models2?x=1"),
        response(302, Location="?y=2"),
        response(body=LIST),
        key=CANARY,
    )
    assert (LIST,) == exchange.pages
    assert [
        "/v1/models?kind=all",
        "/v2/models",
        "/v2/models2?x=1",
        "/v2/models2?y=2",
    ] == exchange.targets
    assert all(
        request.headers["authorization"] == f"Bearer {CANARY}" for request in exchange.requests
    )


def test_redirects_in_a_circle() -> None:
    """The fetch fails after the third redirect."""
    exchange = fetch_from(response(302, Location="/v1/models"))
    assert isinstance(exchange.outcome, Refused)
    assert ("demo: redirect: more than 3 in a row", 4) == (
        str(exchange.outcome),
        len(exchange.requests),
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("header", ["Authorization", "x-api-key", "api-key", "x-goog-api-key"])
def test_a_redirect_to_another_origin_does_not_get_the_key(status: int, header: str) -> None:
    """Another port is another origin, and no request is sent to it."""
    provider = replace(DEMO, key=Key(("DEMO_API_KEY",), header=header, prefix=""))

    async def run() -> tuple[str, list[Request], list[Request], str]:
        async with FaultServer(response(body=LIST)) as sink, http_client() as client:
            away = response(status, Location=f"{sink.url}/v1/models")
            async with FaultServer(away) as server:
                credentials = Credentials(key=CANARY, base_url=server.url)
                with pytest.raises(Refused) as raised:
                    await fetch(client, provider, credentials, limits=LIMITS)
                assert_keeps_secrets(raised.value, CANARY)
                return str(raised.value), server.requests, sink.requests, sink.url

    message, received, leaked, url = asyncio.run(run())
    assert f"demo: redirect: to another origin, {url}" == message
    assert (1, []) == (len(received), leaked)


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("https://evil.example/x?y", "to another origin, https://evil.example"),
        ("//evil.example/x", "to another origin, http://evil.example"),
        ("http://127.0.0.1/v1", "to another origin, http://127.0.0.1"),
        ("https://127.0.0.1/v1", "to another origin, https://127.0.0.1"),
        (
            f"https://{CANARY[:9]}.evil.example/",
            "to another origin, https://sk-canary.evil.example",
        ),
        ("javascript:alert(1)", "to an address that cannot be read"),
        ("", "to an address that cannot be read"),
    ],
)
def test_a_refused_redirect_names_the_other_origin(location: str, why: str) -> None:
    """An origin is a scheme, a host and a port."""
    exchange = fetch_from(response(302, Location=location))
    assert isinstance(exchange.outcome, Refused)
    assert f"demo: redirect: {why}" == str(exchange.outcome)


def test_a_variable_in_the_host_of_a_redirect_is_not_shown() -> None:
    """Hosts are in lower case, so the search for the value ignores case."""
    exchange = fetch_from(
        response(302, Location=f"https://{ACCOUNT}.evil.example/"),
        variables={"DEMO_ACCOUNT": ACCOUNT},
    )
    assert "demo: redirect: to another origin, https://[redacted].evil.example" == str(
        exchange.outcome
    )


@pytest.mark.parametrize(
    "location",
    [
        "http://[::1",
        "http://[v1]/",
        "https://a:b:c/",
        "http://x:99999999/",
        "http://\x80/",
        "/\x7f",
        "/" + "x" * 70_000,
        "http://xn--/",
        "http://a\u2100b/",
        "//xn--1a",
        ":http://[::1",
    ],
)
def test_a_redirect_that_cannot_be_read(location: str) -> None:
    """It is a Refused or a TransportError, whatever error the libraries raise."""
    exchange = fetch_from(
        response(302, Location=location.encode().decode("latin-1")), limits=ONE_ATTEMPT
    )
    assert isinstance(exchange.outcome, (Refused, TransportError))


# Strange servers.

STRANGE = {
    "not HTTP": b"220 mail.example ESMTP\r\n",
    "HTTP/0.9": b"<html>",
    "HTTP/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a header without a name": b"HTTP/1.1 200 OK\r\n: x\r\n\r\n",
    "a header with NUL": b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
    "a header without end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000,
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "a bad length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "a bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "an unknown transfer": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: magic\r\n\r\n",
    "the key in the status line": f"HTTP/1.1 {CANARY}\r\n\r\n".encode(),
    "the key in a bad header": f"HTTP/1.1 200 OK\r\n{CANARY}\r\n\r\n".encode(),
}


@pytest.mark.parametrize("reply", STRANGE.values(), ids=STRANGE.keys())
def test_responses_that_are_not_valid_http(reply: bytes) -> None:
    """They are transport errors with one line of text, which does not repeat an echoed key."""
    exchange = fetch_from(reply, key=CANARY, limits=ONE_ATTEMPT)
    assert isinstance(exchange.outcome, TransportError)
    assert "connection" == exchange.outcome.where
    assert exchange.outcome.why
    assert exchange.outcome.why.isprintable()
    assert len(exchange.outcome.why) <= 200


@settings(max_examples=60)
@given(
    st.binary(max_size=300)
    | st.builds(
        lambda status, name, value, body: (
            b"HTTP/1.1 %d X\r\n%s: %s\r\n\r\n%s" % (status, name, value, body)
        ),
        st.sampled_from([200, 204, 302, 304, 307, 401, 503]),
        st.sampled_from(
            [
                b"Location",
                b"Retry-After",
                b"ETag",
                b"Content-Encoding",
                b"Content-Type",
                b"Content-Length",
                b"Transfer-Encoding",
                b"Set-Cookie",
                b"Date",
            ]
        ),
        st.binary(max_size=60) | st.text(max_size=40).map(lambda text: b"http://" + text.encode()),
        st.binary(max_size=60),
    )
)
def test_any_response_is_an_answer_or_a_reading_error(reply: bytes) -> None:
    """`fetch` raises no other exception."""
    limits = replace(LIMITS, attempts=1, deadline_seconds=2)
    exchange = fetch_from(reply, key=CANARY, limits=limits)
    assert isinstance(exchange.outcome, (Fetched, ReadingError))


# The client.


def test_no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """By no logger, at no level."""
    caplog.set_level(logging.DEBUG)
    for reply in (response(body=LIST), response(401, CANARY.encode()), b"", STRANGE["not HTTP"]):
        fetch_from(reply, key=CANARY, limits=ONE_ATTEMPT)
    assert caplog.records
    assert CANARY not in caplog.text


def test_no_credentials_come_from_a_netrc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The file is for other programs."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login me password CANARY\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    (request,) = fetch_from(response(body=LIST)).requests
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("HTTPS_PROXY", "ftp://me:CANARY@proxy.example", "names a proxy that is not a URL"),
        ("HTTPS_PROXY", "http://me:CANARY/x@proxy.example", "names a proxy that is not a URL"),
        pytest.param(
            "HTTPS_PROXY",
            "socks5://me:CANARY@proxy.example",
            "Using SOCKS proxy, but",
            marks=pytest.mark.skipif(find_spec("socksio") is not None, reason="SOCKS works here"),
        ),
        ("SSL_CERT_FILE", "/nowhere/certificates.pem", r"\[Errno 2\] No such file"),
    ],
)
def test_an_environment_that_cannot_be_used(
    name: str, value: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a SettingsError, which does not show a proxy's password."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^environment: {why}") as raised:
        http_client()
    assert "CANARY" not in str(raised.value)


def test_proxies_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some operators can reach the internet only through a proxy."""

    async def run() -> list[str]:
        async with FaultServer(response(body=LIST)) as proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            async with http_client() as client:
                await fetch(
                    client, DEMO, Credentials(base_url="http://127.0.0.1:9"), limits=ONE_ATTEMPT
                )
            return [request.target for request in proxy.requests]

    assert ["http://127.0.0.1:9/v1/models?kind=all"] == asyncio.run(run())


def test_cookies_are_not_kept() -> None:
    """Readings must not affect each other."""
    paged = replace(DEMO, following=following({"page": "2"}))
    exchange = fetch_from(
        response(body=b"1", Set_Cookie="track=1; Path=/"), response(body=b"2"), provider=paged
    )
    assert ["1", "2"] == [page.decode() for page in exchange.pages]
    assert all("cookie" not in request.headers for request in exchange.requests)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate")
def test_an_untrusted_certificate_is_refused(tmp_path: Path) -> None:
    """The request with the key is not sent, and every retry checks the certificate too."""
    certificate, private = tmp_path / "certificate.pem", tmp_path / "private.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=127.0.0.1"
    subprocess.run(
        [*command.split(), "-keyout", str(private), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, private)

    async def record_wait(_: float) -> None:
        pass

    async def run() -> list[Request]:
        async with FaultServer(response(body=LIST), tls=tls) as server, http_client() as client:
            credentials = Credentials(key=CANARY, base_url=server.url)
            with pytest.raises(TransportError, match="CERTIFICATE_VERIFY_FAILED"):
                await fetch(client, DEMO, credentials, limits=LIMITS, sleep=record_wait)
            return server.requests

    assert [] == asyncio.run(run())
