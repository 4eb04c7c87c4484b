"""Asking providers, against a server that misbehaves in every way we could think of."""

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
from pricing_sync.sources import strict_json
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

from fault_server import Asked, FaultServer, Reply, response

#: The time of packing, left out, would give every run other bytes.
squeeze = partial(gzip.compress, mtime=0)

CANARY = "sk-CANARY/0123456789+abc="
ACCOUNT = "ACCOUNT-CANARY-77"

DEMO = Provider(
    id="demo",
    name="Demo",
    url="https://demo.example/v1/models?kind=all",
    decode=lambda _: strict_json.Page([]),
    key=Key(("DEMO_API_KEY",), required=False),
)
LIST = b'{"data":[]}'
PATIENT = Limits(deadline_seconds=20, answer_deadline_seconds=30)
HURRIED = replace(PATIENT, deadline_seconds=0.3, attempts=1)
ONCE = replace(PATIENT, attempts=1)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@dataclass(frozen=True, slots=True)
class Told:
    """What came of asking: the outcome, what the server saw, and the waits between attempts."""

    outcome: Fetched | NotModified | PricingSyncError
    asked: list[Asked]
    waits: list[float]

    @property
    def pages(self) -> tuple[bytes, ...]:
        assert isinstance(self.outcome, Fetched), self.outcome
        return self.outcome.all_pages()

    @property
    def targets(self) -> list[str]:
        return [asked.target for asked in self.asked]


def ask(
    *replies: Reply,
    provider: Provider = DEMO,
    key: str | None = None,
    path: str = "",
    variables: Mapping[str, str] | None = None,
    etag: str | None = None,
    limits: Limits = PATIENT,
) -> Told:
    """Fetch from a server that gives these replies. No error may show a secret."""
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)

    async def run() -> Told:
        async with FaultServer(*replies) as server, http_client() as client:
            credentials = Credentials(
                key=key, base_url=server.url + path, variables=variables or {}
            )
            try:
                outcome: Fetched | NotModified | PricingSyncError = await fetch(
                    client, provider, credentials, etag=etag, limits=limits, sleep=note
                )
            except PricingSyncError as error:
                assert_keeps_secrets(error, key)
                outcome = error
            return Told(outcome, server.asked, waits)

    return asyncio.run(run())


def assert_keeps_secrets(error: PricingSyncError, key: str | None) -> None:
    """Neither the error nor its traceback, with the local variables of our frames, has the key."""
    ours = error.__traceback__ and error.__traceback__.tb_next  # the first frame is the test's own
    told = traceback.TracebackException(type(error), error, ours, capture_locals=True, compact=True)
    shown = "".join(told.format()) + f"{error!s}{error!r}{error.__dict__}{error.__cause__!r}"
    assert not key or key.lower() not in shown.lower()


def following(*parameters: Mapping[str, str]) -> Callable[[bytes, int], Mapping[str, str] | None]:
    """Pages after the first by these parameters."""
    return lambda _, count: parameters[count - 1] if count <= len(parameters) else None


# What is asked, and what a good answer is.


def test_one_page() -> None:
    """The bytes as they came, the validator, and the address as asked."""
    told = ask(response(body=LIST, ETag='W/"v1"'), path="/")
    outcome = told.outcome
    assert isinstance(outcome, Fetched)
    assert ((LIST,), 'W/"v1"') == (outcome.pages, outcome.etag)
    assert outcome.url.startswith("http://127.0.0.1:")
    assert outcome.url.endswith("/v1/models?kind=all")
    assert ["/v1/models?kind=all"] == told.targets


def test_who_we_say_we_are() -> None:
    """Our own name, because some answer a library's name with 404; and no encoding but gzip."""
    (asked,) = ask(response(body=LIST)).asked
    assert f"pricing-sync/{VERSION}" == asked.headers["user-agent"]
    assert "gzip" == asked.headers["accept-encoding"]
    assert "authorization" not in asked.headers
    assert "cookie" not in asked.headers


def test_the_key_is_shown_as_the_provider_wants_it() -> None:
    """In its header and after its prefix."""
    (asked,) = ask(response(body=LIST), key=CANARY).asked
    assert f"Bearer {CANARY}" == asked.headers["authorization"]
    other = replace(DEMO, key=Key(("DEMO_API_KEY",), header="x-api-key", prefix=""))
    (asked,) = ask(response(body=LIST), key=CANARY, provider=other).asked
    assert CANARY == asked.headers["x-api-key"]
    assert "authorization" not in asked.headers


def test_a_provider_without_keys_is_shown_none() -> None:
    """Even when the settings have one for it."""
    (asked,) = ask(response(body=LIST), key=CANARY, provider=replace(DEMO, key=None)).asked
    assert CANARY not in str(asked)


@pytest.mark.parametrize("key", [None, ""])
def test_a_missing_key_is_noticed_before_anything_is_asked(key: str | None) -> None:
    """It names the variables that it could be in."""
    needy = replace(DEMO, key=Key(("DEMO_API_KEY", "DEMO_KEY")))
    told = ask(response(body=LIST), provider=needy, key=key)
    assert isinstance(told.outcome, MissingKey)
    assert ("DEMO_API_KEY", "DEMO_KEY") == told.outcome.variables
    assert [] == told.asked


@pytest.mark.parametrize(
    "key", ["sk-1\nX-Evil: 1", "sk-1\r\n", "sk-1\x00", "sk-clé", "sk-１", "sk 1", " sk-1", "\x7f"]
)
def test_a_key_that_cannot_be_a_key_is_refused_unseen(key: str) -> None:
    """It would split the request, or be cut on the way. The error does not show it."""
    told = ask(response(body=LIST), key=key)
    assert type(told.outcome) is SettingsError
    assert str(told.outcome).startswith("demo: key: contains a space, a control character or")
    assert [] == told.asked


def test_access_does_not_show_its_secrets() -> None:
    """Settings are printed by accident sooner or later."""
    credentials = Credentials(key=CANARY, base_url="https://x.example", variables={"A": ACCOUNT})
    assert "Credentials(base_url='https://x.example')" == repr(credentials)


# Addresses.


@pytest.mark.parametrize("path", ["/proxy/demo", "/proxy/demo/"])
def test_the_base_url_keeps_its_path_before_the_providers(path: str) -> None:
    """And the provider's path and query stay."""
    assert ["/proxy/demo/v1/models?kind=all"] == ask(response(body=LIST), path=path).targets


def test_variables_fill_the_url_and_do_not_leave_their_place() -> None:
    """Percent-encoded on the way out, and by name only in what is kept."""
    cloudy = replace(
        DEMO, url="https://demo.example/accounts/{DEMO_ACCOUNT}/models?in={DEMO_ACCOUNT}"
    )
    told = ask(response(body=LIST), provider=cloudy, variables={"DEMO_ACCOUNT": "a/../b?c d"})
    assert ["/accounts/a%2F..%2Fb%3Fc%20d/models?in=a%2F..%2Fb%3Fc%20d"] == told.targets
    assert isinstance(told.outcome, Fetched)
    assert told.outcome.url.endswith("/accounts/{DEMO_ACCOUNT}/models?in={DEMO_ACCOUNT}")


@pytest.mark.parametrize("variables", [{}, {"DEMO_ACCOUNT": ""}, {"OTHER": "x"}])
def test_a_missing_variable_is_noticed_before_anything_is_asked(variables: dict[str, str]) -> None:
    """An empty one is missing too."""
    cloudy = replace(DEMO, url="https://demo.example/accounts/{DEMO_ACCOUNT}/models")
    told = ask(response(body=LIST), provider=cloudy, variables=variables)
    assert isinstance(told.outcome, MissingKey)
    assert (("DEMO_ACCOUNT",), []) == (told.outcome.variables, told.asked)


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
    """Neither unencrypted to another machine nor with a password in it. It is not shown."""

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
    """Encrypted, or without leaving the machine."""
    assert _is_safe(httpx.URL(url))


def test_a_provider_itself_must_be_encrypted() -> None:
    """The rule is not only for what the settings say."""

    async def run() -> None:
        async with http_client() as client:
            await fetch(client, replace(DEMO, url="http://demo.example/v1"), Credentials())

    with pytest.raises(SettingsError, match=r"^demo: address: must be https"):
        asyncio.run(run())


# Permission.


def refuse(kind: type[strict_json.Malformed], why: str) -> Callable[[bytes], None]:
    def check(body: bytes) -> None:
        raise kind("acls", f"{why} {body.decode()}")

    return check


def guarded(check: Callable[[bytes], None]) -> Provider:
    return replace(DEMO, permission=Permission("https://demo.example/v1/api-key", check))


def test_permission_is_asked_first() -> None:
    """At the same base URL, with the same key."""
    bodies: list[bytes] = []
    told = ask(
        response(body=b"yes"),
        response(body=LIST),
        provider=guarded(bodies.append),
        key=CANARY,
        path="/under",
        etag='"v1"',
    )
    assert ["/under/v1/api-key", "/under/v1/models?kind=all"] == told.targets
    assert [f"Bearer {CANARY}"] * 2 == [asked.headers["authorization"] for asked in told.asked]
    assert [None, '"v1"'] == [asked.headers.get("if-none-match") for asked in told.asked]
    assert ([b"yes"], (LIST,)) == (bodies, told.pages)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(strict_json.Malformed, DecodeError), (strict_json.Incomplete, IncompleteAnswer)],
)
def test_without_permission_nothing_is_read(
    kind: type[strict_json.Malformed], expected: type[ReadingError]
) -> None:
    """A list that may be filtered would read as models that are gone."""
    told = ask(
        response(body=b"for " + CANARY.encode()), provider=guarded(refuse(kind, "no")), key=CANARY
    )
    assert type(told.outcome) is expected
    assert "demo: permission: acls: no for [redacted]" == str(told.outcome)
    assert 1 == len(told.asked)


# Pages.


def test_pages_are_asked_until_the_last() -> None:
    """The parameters of each are merged into the first page's query."""
    paged = replace(DEMO, following=following({"page": "2"}, {"page": "3", "kind": "a b"}))
    told = ask(
        response(body=b"1", ETag='"v1"'), response(body=b"2"), response(body=b"3"), provider=paged
    )
    assert (b"1", b"2", b"3") == told.pages
    assert [
        "/v1/models?kind=all",
        "/v1/models?kind=all&page=2",
        "/v1/models?kind=a+b&page=3",
    ] == [target.replace("%20", "+") for target in told.targets]


def test_a_page_that_comes_again_is_not_a_list() -> None:
    """The server does not understand the parameters, and would go on for ever."""
    paged = replace(DEMO, following=lambda _, count: {"page": str(count + 1)})
    told = ask(response(body=b"1"), response(body=b"2"), provider=paged)
    assert isinstance(told.outcome, IncompleteAnswer)
    assert ("demo: body: page 3 is page 2 again", 3) == (str(told.outcome), len(told.asked))


def test_there_is_a_last_page() -> None:
    """A list that goes on for ever is not whole."""
    paged = replace(DEMO, following=lambda _, count: {"page": str(count + 1)})
    replies = [response(body=str(number).encode()) for number in range(9)]
    told = ask(*replies, provider=paged, limits=replace(PATIENT, max_pages=3))
    assert isinstance(told.outcome, IncompleteAnswer)
    assert ("demo: body: goes on after page 3", 3) == (str(told.outcome), len(told.asked))
    all_three = replace(DEMO, following=following({"page": "2"}, {"page": "3"}))
    told = ask(*replies, provider=all_three, limits=replace(PATIENT, max_pages=3))
    assert 3 == len(told.pages)


def test_all_pages_together_have_a_cap() -> None:
    """Each may be below its own."""
    paged = replace(DEMO, following=following({"page": "2"}, {"page": "3"}))
    limits = replace(PATIENT, max_bytes=10, max_answer_bytes=25)
    replies = [response(body=letter * 10) for letter in (b"a", b"b", b"c")]
    told = ask(*replies, provider=paged, limits=limits)
    assert isinstance(told.outcome, OversizedAnswer)
    assert "demo: body: over 25 bytes" == str(told.outcome)


def test_a_page_that_does_not_name_the_next_is_an_error() -> None:
    """In the provider's name."""

    def broken(_: bytes, count: int) -> None:
        raise strict_json.Malformed("pagination", f"missing on page {count}")

    told = ask(response(body=LIST), provider=replace(DEMO, following=broken))
    assert isinstance(told.outcome, DecodeError)
    assert "demo: pagination: missing on page 1" == str(told.outcome)


def test_a_next_page_that_cannot_be_asked_for() -> None:
    """A cursor may be anything at all."""
    told = ask(
        response(body=LIST), provider=replace(DEMO, following=following({"at": "x" * 70_000}))
    )
    assert isinstance(told.outcome, DecodeError)
    assert "demo: body: names no usable next page" == str(told.outcome)


# Validators.


def test_an_unchanged_answer() -> None:
    """The validator is sent back as it came, and 304 says that it still holds."""
    told = ask(response(304), etag='W/"v1"')
    assert isinstance(told.outcome, NotModified)
    assert 'W/"v1"' == told.outcome.etag
    assert 'W/"v1"' == told.asked[0].headers["if-none-match"]


def test_several_pages_have_no_validator() -> None:
    """The first page may be the same while the last is not."""
    paged = replace(DEMO, following=following({"page": "2"}))
    told = ask(response(body=b"1", ETag='"v1"'), response(body=b"2"), provider=paged, etag='"v1"')
    assert all("if-none-match" not in asked.headers for asked in told.asked)
    assert isinstance(told.outcome, Fetched)
    assert told.outcome.etag is None


@pytest.mark.parametrize("etag", [None, "", "v1", '"v1', '"v1"\r\nX-Evil: 1', '"é"', '"\u2028"'])
def test_304_to_a_question_without_validator_is_an_error(etag: str | None) -> None:
    """There is nothing that it could stand for. A validator that is none is not sent."""
    told = ask(response(304), etag=etag, limits=ONCE)
    assert isinstance(told.outcome, TransportError)
    assert "demo: status 304: nobody asked what has changed" == str(told.outcome)
    assert "if-none-match" not in told.asked[0].headers
    assert "x-evil" not in told.asked[0].headers


@pytest.mark.parametrize("etag", ["v1", '"é"', '"a b"', '"' + "x" * 201 + '"', ""])
def test_a_validator_that_is_none_is_not_kept(etag: str) -> None:
    """It could not be sent back."""
    told = ask(response(body=LIST, ETag=etag))
    assert isinstance(told.outcome, Fetched)
    assert told.outcome.etag is None


# Bodies.


def test_gzip() -> None:
    """In one piece, in chunks, and larger than one step of unpacking."""
    large = b"".join(b'{"id":"model-%d"},' % number for number in range(20_000))
    packed = squeeze(large)

    async def in_chunks(writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: GZIP\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for at in range(0, len(packed), 7_000):
            part = packed[at : at + 7_000]
            writer.write(b"%x\r\n%s\r\n" % (len(part), part))
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    assert (large,) == ask(response(body=packed, Content_Encoding="gzip")).pages
    assert (large,) == ask(in_chunks).pages
    assert (b"",) == ask(response(body=squeeze(b""), Content_Encoding="gzip")).pages
    assert (LIST,) == ask(response(body=LIST, Content_Encoding="identity")).pages


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 131_072, 131_073])
def test_gzip_at_the_edge_of_a_step(size: int) -> None:
    """No byte is lost where one step of unpacking ends and the next begins."""
    body = bytes(number % 251 for number in range(size))
    assert (body,) == ask(response(body=squeeze(body), Content_Encoding="gzip")).pages
    zeros = bytes(size)
    assert (zeros,) == ask(response(body=squeeze(zeros), Content_Encoding="gzip")).pages


@pytest.mark.parametrize(
    "pack",
    [lambda body: (body, "identity"), lambda body: (squeeze(body), "gzip")],
    ids=["identity", "gzip"],
)
def test_the_cap_is_exact(pack: Callable[[bytes], tuple[bytes, str]]) -> None:
    """A page of exactly the cap is read, one byte more is not."""
    limits = replace(PATIENT, max_bytes=100_000)
    for size, expected in ((100_000, Fetched), (100_001, OversizedAnswer)):
        body, encoding = pack(b"x" * size)
        told = ask(response(body=body, Content_Encoding=encoding), limits=limits)
        assert expected is type(told.outcome)


def test_a_bomb_is_not_unpacked() -> None:
    """65 kB that unpack to 64 MiB: what is held stays near the cap of 1 MiB."""
    bomb = response(body=squeeze(bytes(64 * 2**20)), Content_Encoding="gzip")
    assert len(bomb) < 70_000
    limits = replace(PATIENT, max_bytes=2**20)

    async def run() -> int:
        async with FaultServer(bomb) as server, http_client() as client:
            tracemalloc.start()
            with pytest.raises(OversizedAnswer, match=r"^demo: body: over 1048576 bytes$"):
                await fetch(client, DEMO, Credentials(base_url=server.url), limits=limits)
            assert 1 == len(server.asked)
            return tracemalloc.get_traced_memory()[1]

    try:
        assert asyncio.run(run()) < 4 * 2**20
    finally:
        tracemalloc.stop()


def test_a_body_without_end() -> None:
    """It is read up to the cap and no further."""

    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
            await writer.drain()

    told = ask(endless, limits=replace(PATIENT, max_bytes=50_000))
    assert isinstance(told.outcome, OversizedAnswer)


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "gzip,br", "compress"])
def test_encodings_that_were_not_asked_for(encoding: str) -> None:
    """Nested ones above all: each layer multiplies."""
    told = ask(response(body=squeeze(LIST), Content_Encoding=encoding))
    assert isinstance(told.outcome, DecodeError)
    assert f"demo: body: in the encoding {encoding}, which was not asked for" == str(told.outcome)


def test_two_encodings_in_two_headers_are_nested() -> None:
    """As they are in one."""
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Encoding: gzip\r\n\r\n"
    told = ask(head + squeeze(squeeze(LIST)))
    assert isinstance(told.outcome, DecodeError)


@pytest.mark.parametrize(
    ("body", "kind", "why"),
    [
        (squeeze(LIST * 99)[:-9], TransportError, "the gzip stream is cut short"),
        (squeeze(LIST)[:5], TransportError, "the gzip stream is cut short"),
        (b"", TransportError, "the gzip stream is cut short"),
        (LIST, DecodeError, "not gzip"),
        (zlib.compress(LIST), DecodeError, "not gzip"),
        (squeeze(LIST)[:-8] + b"\0" * 8, DecodeError, "not gzip"),
        (squeeze(LIST) * 2, DecodeError, "goes on after the end of the gzip stream"),
    ],
)
def test_broken_gzip(body: bytes, kind: type[ReadingError], why: str) -> None:
    """Half a list is no list."""
    told = ask(response(body=body, Content_Encoding="gzip"), limits=ONCE)
    assert type(told.outcome) is kind
    assert str(told.outcome).startswith(f"demo: body: {why}")


CUT_SHORT = {
    "less than its Content-Length": response(body=LIST, Content_Length="999"),
    "a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + LIST,
    "the last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n"
    + LIST
    + b"\r\n",
    "gzip": response(body=squeeze(LIST)[:-4], Content_Encoding="gzip"),
    "its headers": b"HTTP/1.1 200 OK\r\nContent-Le",
    "everything": b"",
}


@pytest.mark.parametrize("reply", CUT_SHORT.values(), ids=CUT_SHORT.keys())
def test_an_answer_cut_short_is_asked_for_again(reply: bytes) -> None:
    """And the second answer is taken whole."""
    told = ask(reply, response(body=LIST))
    assert (LIST,) == told.pages
    assert (2, 1) == (len(told.asked), len(told.waits))


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
def test_the_deadline_covers_everything(reply: Reply) -> None:
    """From connecting to the last byte, however lively the server looks meanwhile."""
    told = ask(reply, limits=HURRIED)
    assert isinstance(told.outcome, TransportError)
    assert "demo: answer: not whole within 0.3 s" == str(told.outcome)


def test_a_late_answer_is_asked_for_again() -> None:
    """A deadline is one attempt's."""
    told = ask(hang, response(body=LIST), limits=replace(HURRIED, attempts=2))
    assert (LIST,) == told.pages


def test_the_whole_answer_has_a_deadline_too() -> None:
    """Pages that each come in time may be too many for all of them to."""
    paged = replace(DEMO, following=lambda _, count: {"page": str(count + 1)})
    told = ask(
        response(body=b"1"),
        hang,
        provider=paged,
        limits=replace(PATIENT, answer_deadline_seconds=0.3),
    )
    assert isinstance(told.outcome, TransportError)
    assert "demo: answer: not whole within 0.3 s" == str(told.outcome)


def test_stopping_is_not_an_error_of_the_provider() -> None:
    """A cancelled reading is cancelled, at once and without a retry."""

    async def run() -> int:
        async with FaultServer(hang) as server, http_client() as client:
            task = asyncio.create_task(fetch(client, DEMO, Credentials(base_url=server.url)))
            await server.was_asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return len(server.asked)

    assert 1 == asyncio.run(run())


# Retries.


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 529, 599])
def test_trouble_on_their_side_is_asked_again(status: int) -> None:
    """Four attempts in all, with longer and longer waits at most."""
    told = ask(response(status, b"try later"))
    assert isinstance(told.outcome, TransportError)
    assert f"demo: status {status}: try later" == str(told.outcome)
    assert 4 == len(told.asked)
    assert 3 == len(told.waits)
    assert all(0 <= wait <= most for wait, most in zip(told.waits, (1, 2, 4), strict=True))


def test_waits_do_not_grow_for_ever() -> None:
    """Nor are they all the same: readers that failed together do not come back together."""
    limits = replace(PATIENT, attempts=30, max_wait_seconds=8)
    waits = ask(response(503), limits=limits).waits
    assert (29, True) == (len(waits), max(waits) <= 8)
    assert len(set(waits)) > 20


def test_an_answer_after_trouble() -> None:
    """The trouble is forgotten."""
    told = ask(response(503), response(429), b"", response(body=LIST))
    assert ((LIST,), 4) == (told.pages, len(told.asked))


def test_each_page_has_its_own_attempts() -> None:
    """Pages that were read are not read again."""
    paged = replace(DEMO, following=following({"page": "2"}))
    told = ask(
        response(503), response(body=b"1"), response(503), response(body=b"2"), provider=paged
    )
    assert (b"1", b"2") == told.pages
    assert ["/v1/models?kind=all&page=2"] * 2 == told.targets[2:]


def test_a_server_that_is_not_there() -> None:
    """A refused connection is tried again as well."""
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)

    async def run() -> None:
        async with FaultServer(b"") as server:
            credentials = Credentials(key=CANARY, base_url=server.url)
        async with http_client() as client:
            await fetch(client, DEMO, credentials, limits=PATIENT, sleep=note)

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
    """Seconds, or a date by the server's clock; never sooner."""
    told = ask(response(429, **headers), response(body=LIST))
    assert (LIST,) == told.pages
    assert [seconds] == told.waits


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
def test_who_asks_for_a_long_rest_gets_it(headers: dict[str, Any], seconds: int) -> None:
    """No retry now; the error says how long, a day at most."""
    told = ask(response(503, **headers))
    assert isinstance(told.outcome, TransportError)
    assert seconds == told.outcome.retry_after_seconds
    assert (1, []) == (len(told.asked), told.waits)


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
def test_retry_after_that_says_nothing(text: str) -> None:
    """Ours is taken instead."""
    told = ask(response(429, Retry_After=text.encode().decode("latin-1")), limits=ONCE)
    assert isinstance(told.outcome, TransportError)
    assert told.outcome.retry_after_seconds is None


def test_retry_after_in_the_past() -> None:
    """Is now."""
    told = ask(response(429, Retry_After="Mon, 01 Jan 2001 00:00:00 GMT"), limits=ONCE)
    assert isinstance(told.outcome, TransportError)
    assert 0 == told.outcome.retry_after_seconds


# Refusals.


@pytest.mark.parametrize(
    "status", [400, 401, 402, 403, 404, 405, 410, 418, 451, 499, 300, 305, 306]
)
def test_a_refusal_is_not_asked_again(status: int) -> None:
    """It would be refused again."""
    told = ask(response(status, b'{"error": "no"}'))
    assert isinstance(told.outcome, Refused)
    assert (f'demo: status {status}: {{"error": "no"}}', 1) == (str(told.outcome), len(told.asked))


def test_gone_is_not_an_empty_list() -> None:
    """What Featherless answers to names it does not like (2026-09)."""
    told = ask(response(404, b"Gone.", Content_Type="text/plain"))
    assert isinstance(told.outcome, Refused)
    assert "demo: status 404: Gone." == str(told.outcome)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (response(403), "no explanation"),
        (response(403, b" \r\n\t "), "no explanation"),
        (response(403, b"no", Content_Length="99"), "no"),
        (response(403, b"no", Content_Encoding="br"), "no explanation"),
        (response(403, squeeze(b"no"), Content_Encoding="gzip"), "no"),
        (response(403, squeeze(b"no")[:-3], Content_Encoding="gzip"), "no"),
        (response(403, b"one\r\n\r\n  two\x00\x1b[2J"), "one two\\x00\\x1b[2J"),
        (response(403, "nön \u202e".encode()), "n\\xf6n \\u202e"),
        (response(403, b"\xff"), "\\ufffd"),
        (response(403, b"x" * 1_000_000), "x" * 200),
        (response(403, squeeze(bytes(10_000_000)), Content_Encoding="gzip"), "\\x00" * 50),
    ],
)
def test_what_a_refusal_says(reply: bytes, why: str) -> None:
    """As far as it can be read, on one line, 200 characters of it."""
    told = ask(reply)
    assert isinstance(told.outcome, Refused)
    assert ("status 403", why) == (told.outcome.where, told.outcome.why)


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
def test_a_key_that_comes_back_is_not_shown(echo: str, status: int) -> None:
    """However the server spells it."""
    told = ask(response(status, f"bad key {echo}".encode()), key=CANARY, limits=ONCE)
    assert "CANARY" not in str(told.outcome).upper()
    assert isinstance(told.outcome, ReadingError)
    assert told.outcome.why.startswith("bad key")


def test_a_variable_that_comes_back_is_not_shown() -> None:
    """An account's number is nobody's business either."""
    cloudy = replace(DEMO, url="https://demo.example/accounts/{DEMO_ACCOUNT}/models")
    told = ask(
        response(404, f"no account {ACCOUNT}".encode()),
        provider=cloudy,
        variables={"DEMO_ACCOUNT": ACCOUNT},
    )
    assert "demo: status 404: no account [redacted]" == str(told.outcome)


@pytest.mark.parametrize("status", [201, 202, 203, 204, 206, 226])
def test_success_that_is_not_a_list(status: int) -> None:
    """Part of a list least of all."""
    told = ask(response(status, LIST))
    assert isinstance(told.outcome, DecodeError)
    assert (f"demo: status {status}: not the 200 of a list", 1) == (
        str(told.outcome),
        len(told.asked),
    )


@pytest.mark.parametrize("kind", ["text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml"])
def test_a_page_for_people_is_not_a_list(kind: str) -> None:
    """A portal's log-in page comes with 200."""
    told = ask(response(body=b"<html>", Content_Type=kind))
    assert isinstance(told.outcome, DecodeError)
    assert f"demo: body: a page for people ({kind}), not a list" == str(told.outcome)


# Redirects.


def test_redirects_within_the_origin_are_followed() -> None:
    """Three of them, and the key goes along: it is the same address."""
    told = ask(
        response(301, Location="/v2/models"),
        response(307, Location="models2?x=1"),
        response(302, Location="?y=2"),
        response(body=LIST),
        key=CANARY,
    )
    assert (LIST,) == told.pages
    assert [
        "/v1/models?kind=all",
        "/v2/models",
        "/v2/models2?x=1",
        "/v2/models2?y=2",
    ] == told.targets
    assert all(asked.headers["authorization"] == f"Bearer {CANARY}" for asked in told.asked)


def test_redirects_in_a_circle() -> None:
    """End after the third."""
    told = ask(response(302, Location="/v1/models"))
    assert isinstance(told.outcome, Refused)
    assert ("demo: redirect: more than 3 in a row", 4) == (str(told.outcome), len(told.asked))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("header", ["Authorization", "x-api-key", "api-key", "x-goog-api-key"])
def test_a_redirect_elsewhere_does_not_take_the_key_along(status: int, header: str) -> None:
    """Another port is another server: it is never asked at all."""
    provider = replace(DEMO, key=Key(("DEMO_API_KEY",), header=header, prefix=""))

    async def run() -> tuple[str, list[Asked], list[Asked], str]:
        async with FaultServer(response(body=LIST)) as sink, http_client() as client:
            away = response(status, Location=f"{sink.url}/v1/models")
            async with FaultServer(away) as server:
                credentials = Credentials(key=CANARY, base_url=server.url)
                with pytest.raises(Refused) as raised:
                    await fetch(client, provider, credentials, limits=PATIENT)
                assert_keeps_secrets(raised.value, CANARY)
                return str(raised.value), server.asked, sink.asked, sink.url

    message, asked, leaked, url = asyncio.run(run())
    assert f"demo: redirect: to another origin, {url}" == message
    assert (1, []) == (len(asked), leaked)


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
        ("javascript:alert(1)", "to nowhere that can be read"),
        ("", "to nowhere that can be read"),
    ],
)
def test_where_a_redirect_wanted_to_go(location: str, why: str) -> None:
    """Scheme, host and port make an origin."""
    told = ask(response(302, Location=location))
    assert isinstance(told.outcome, Refused)
    assert f"demo: redirect: {why}" == str(told.outcome)


def test_a_host_that_has_a_variable_in_it_is_not_shown() -> None:
    """Hosts are in lower case; the account is known by its letters."""
    told = ask(
        response(302, Location=f"https://{ACCOUNT}.evil.example/"),
        variables={"DEMO_ACCOUNT": ACCOUNT},
    )
    assert "demo: redirect: to another origin, https://[redacted].evil.example" == str(told.outcome)


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
    """Is some error of ours, whatever the libraries make of it."""
    told = ask(response(302, Location=location.encode().decode("latin-1")), limits=ONCE)
    assert isinstance(told.outcome, (Refused, TransportError))


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
def test_servers_that_speak_something_else(reply: bytes) -> None:
    """A transport error in one line, which does not repeat a key that was echoed."""
    told = ask(reply, key=CANARY, limits=ONCE)
    assert isinstance(told.outcome, TransportError)
    assert "connection" == told.outcome.where
    assert told.outcome.why
    assert told.outcome.why.isprintable()
    assert len(told.outcome.why) <= 200


@settings(max_examples=60, deadline=None)
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
def test_whatever_comes_back_is_an_answer_or_an_error_of_ours(reply: bytes) -> None:
    """No other exception leaves this floor."""
    limits = replace(PATIENT, attempts=1, deadline_seconds=2)
    told = ask(reply, key=CANARY, limits=limits)
    assert isinstance(told.outcome, (Fetched, ReadingError))


# The client.


def test_no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """By anyone, at any level."""
    caplog.set_level(logging.DEBUG)
    for reply in (response(body=LIST), response(401, CANARY.encode()), b"", STRANGE["not HTTP"]):
        ask(reply, key=CANARY, limits=ONCE)
    assert caplog.records
    assert CANARY not in caplog.text


def test_no_credentials_come_from_a_netrc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file for other programs does not speak for this one."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login me password CANARY\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    (asked,) = ask(response(body=LIST)).asked
    assert "authorization" not in asked.headers


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
    """Is the operator's to mend; a proxy's password is not shown."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^environment: {why}") as raised:
        http_client()
    assert "CANARY" not in str(raised.value)


def test_proxies_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operators behind one have no other way out."""

    async def run() -> list[str]:
        async with FaultServer(response(body=LIST)) as proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            async with http_client() as client:
                await fetch(client, DEMO, Credentials(base_url="http://127.0.0.1:9"), limits=ONCE)
            return [asked.target for asked in proxy.asked]

    assert ["http://127.0.0.1:9/v1/models?kind=all"] == asyncio.run(run())


def test_cookies_are_not_kept() -> None:
    """Readings do not know of each other."""
    paged = replace(DEMO, following=following({"page": "2"}))
    told = ask(
        response(body=b"1", Set_Cookie="track=1; Path=/"), response(body=b"2"), provider=paged
    )
    assert ["1", "2"] == [page.decode() for page in told.pages]
    assert all("cookie" not in asked.headers for asked in told.asked)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate")
def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    """The request, with its key, is not sent, and no retry goes without the check."""
    certificate, private = tmp_path / "certificate.pem", tmp_path / "private.pem"
    made = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=127.0.0.1"
    subprocess.run(
        [*made.split(), "-keyout", str(private), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, private)

    async def note(_: float) -> None:
        pass

    async def run() -> list[Asked]:
        async with FaultServer(response(body=LIST), tls=tls) as server, http_client() as client:
            credentials = Credentials(key=CANARY, base_url=server.url)
            with pytest.raises(TransportError, match="CERTIFICATE_VERIFY_FAILED"):
                await fetch(client, DEMO, credentials, limits=PATIENT, sleep=note)
            return server.asked

    assert [] == asyncio.run(run())
