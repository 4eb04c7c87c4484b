"""One attempt: the signature, the addresses that are refused, and what errors do not show."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import json
import shutil
import socket
import ssl
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from standardwebhooks import Webhook, WebhookVerificationError

from pricing_sync.changes.events import EventKind
from pricing_sync.errors import DeliveryFailed
from pricing_sync.notify import addresses, webhook
from pricing_sync.notify.signing import read_secrets, signed_headers
from pricing_sync.notify.webhook import WebhookSender, body_of
from pricing_sync.settings import WebhookSettings
from pricing_sync.store.deliveries import StoredEvent

from fault_server import FaultServer, response
from receivers import NEW_SECRET, SECRET, Receiver, answering, receiving

NOW = datetime.now(UTC).replace(microsecond=0)
EVENT = StoredEvent("event-1", EventKind.PRICE_CHANGED, "acme", NOW, {"link": "/v1/prices"})


def sender(url: str, secret: str | None = SECRET, **options: Any) -> WebhookSender:
    table = {"name": "hook", "url": url, "secret_env": "HOOK_SECRET", **options}
    environment = {} if secret is None else {"HOOK_SECRET": secret}
    return WebhookSender(
        WebhookSettings(**table), environment, "https://prices.example", ThreadPoolExecutor(1)
    )


def failure(one: WebhookSender) -> str:
    """Why an event was not taken."""
    with pytest.raises(DeliveryFailed) as failed:
        asyncio.run(one.send(EVENT))
    return str(failed.value)


# The signature


def test_the_example_of_the_specification_is_signed_as_it_says() -> None:
    """The test vector of its reference libraries."""
    keys = read_secrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = signed_headers("msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}', keys)
    assert {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    } == headers


def test_a_body_or_header_that_was_altered_is_refused_by_receivers() -> None:
    """Each byte of the body, the id, the time, and another secret."""
    body = body_of(EVENT, None)
    headers = signed_headers(EVENT.id, NOW, body, read_secrets(SECRET))
    assert json.loads(body) == Webhook(SECRET).verify(body, headers)
    for place in range(len(body)):
        altered = bytearray(body)
        altered[place] ^= 1
        with pytest.raises((WebhookVerificationError, UnicodeDecodeError)):
            Webhook(SECRET).verify(bytes(altered), headers)
    later = str(int(NOW.timestamp()) + 1)
    for name, value in (("webhook-id", "event-2"), ("webhook-timestamp", later)):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(body, {**headers, name: value})
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW_SECRET).verify(body, headers)
    # The same document in other bytes.
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(json.dumps(json.loads(body)), headers)


def test_an_old_attempt_is_refused_by_receivers() -> None:
    """A recorded request cannot be replayed after five minutes."""
    body = body_of(EVENT, None)
    old = signed_headers(EVENT.id, NOW - timedelta(minutes=6), body, read_secrets(SECRET))
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(SECRET).verify(body, old)


def test_two_secrets_give_two_signatures() -> None:
    """Receivers with the old and with the new secret verify the same request."""
    receiver = Receiver()
    with receiving(receiver):
        both = f"{NEW_SECRET} {SECRET}"
        asyncio.run(sender(receiver.url, both, allow_private=True).send(EVENT))
    (got,) = receiver.got
    assert 2 == len(got.headers["webhook-signature"].split())
    assert got.verified(SECRET) == got.verified(NEW_SECRET)
    assert "https://prices.example/v1/prices" == got.message["data"]["link"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " , ",
        "plain",
        "whsec_not base64!",
        "whsec_" + base64.b64encode(b"only 23 bytes are here.").decode(),
        f"{SECRET} whsec_short",
    ],
)
def test_what_is_no_secret_is_refused_and_not_shown(text: str) -> None:
    """24 bytes or more, in base64, with its prefix."""
    with pytest.raises(ValueError, match=r"secret|24 bytes") as refused:
        read_secrets(text)
    assert not text.strip() or text not in str(refused.value)


def test_a_secret_without_padding_is_read() -> None:
    """As some tools make it."""
    assert read_secrets(SECRET) == read_secrets(SECRET.rstrip("="))


# Addresses

#: How each is written, and what it becomes.
PRIVATE = (
    *("127.0.0.1", "127.1", "0177.0.0.1", "0x7f.0.0.1", "2130706433", "0x7f000001", "017700000001"),
    *("0.0.0.0", "0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "100.100.100.200"),
    *("169.254.169.254", "0xa9fea9fe", "2852039166", "192.0.0.192", "168.63.129.16"),
    *("198.18.0.1", "192.0.2.1", "192.88.99.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:169.254.169.254]", "[::127.0.0.1]"),
    *("[fe80::1]", "[fec0::1]", "[fd00:ec2::254]", "[fc00::1]", "[ff02::1]", "[100::1]"),
    *("[64:ff9b::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::7f00:1]"),
    *("[2002:7f00:1::]", "[2002:a9fe:a9fe::1]", "[2001:0:7f00:1::1]", "[2001:db8::1]"),
    *("[3fff::1]", "[5f00::1]", "localhost"),
)


@pytest.mark.parametrize("host", PRIVATE)
def test_an_address_that_is_not_public_is_refused(host: str) -> None:
    """However it is written. Octal with four parts is no address at all."""
    why = failure(sender(f"https://{host}:9/hook"))
    assert why.startswith(f"https://{host}:9: ")
    assert ("Invalid IPv4 address" if host == "0177.0.0.1" else "is not a public address") in why


@pytest.mark.parametrize(
    "text",
    [
        *("1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700::1111", "2001:4860:4860::8888"),
        *("::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"),
    ],
)
def test_a_public_address_is_public(text: str) -> None:
    """Also one with a public IPv4 address inside."""
    assert addresses.is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example", "-", "xn--a.example", "%41"])
def test_a_host_that_is_no_name_fails_as_others_do(host: str) -> None:
    """It is tried again later, and is no bug."""
    assert failure(sender(f"https://{host}/hook"))


def test_one_private_address_among_several_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which one is connected to would be a matter of luck."""
    monkeypatch.setattr(socket, "getaddrinfo", resolving(["93.184.215.14", "10.0.0.1"]))
    assert "10.0.0.1 is not a public address" in failure(sender("https://hooks.example/"))


def test_a_name_is_resolved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is public at the check and 127.0.0.1 a moment later is sent to where it was checked.

    The connection is made to the address, so no other look-up is made.
    """
    receiver, asked = Receiver(), []
    with receiving(receiver):
        port = int(receiver.url.rsplit(":", 1)[1].partition("/")[0])
        found = resolving(["127.0.0.1"])

        def rebinding(host: str, *rest: Any, **more: Any) -> Any:
            asked.append(host)
            if host == "hooks.example" and asked.count(host) > 1:
                raise AssertionError("the name was resolved again")
            return found(host, *rest, **more)

        monkeypatch.setattr(socket, "getaddrinfo", rebinding)
        one = sender(f"http://hooks.example:{port}/hook", allow_private=True)
        asyncio.run(one.send(EVENT))
    assert 1 == asked.count("hooks.example")
    assert f"hooks.example:{port}" == receiver.got[0].headers["host"]


def test_the_next_address_is_tried_when_one_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As when a machine has no IPv6."""
    receiver = Receiver()
    with receiving(receiver):
        port = int(receiver.url.rsplit(":", 1)[1].partition("/")[0])
        monkeypatch.setattr(socket, "getaddrinfo", resolving(["127.0.0.2", "127.0.0.1"]))
        one = sender(f"http://hooks.example:{port}/hook", allow_private=True)
        asyncio.run(one.send(EVENT))
    assert 1 == len(receiver.got)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate")
def test_the_certificate_must_be_that_of_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although the connection is made to an address; one that nobody vouches for is refused."""
    certificate, private = tmp_path / "certificate.pem", tmp_path / "private.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=hooks.example"
    names = ["-addext", "subjectAltName=DNS:hooks.example"]
    files = ["-keyout", str(private), "-out", str(certificate)]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, private)
    trusting = ssl.create_default_context(cafile=str(certificate))
    found = resolving(["127.0.0.1"])
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **more: found(host.replace("other", "hooks"), *rest, **more),
    )

    async def work() -> None:
        async with FaultServer(response(200, b""), tls=tls) as server:
            port = server.url.rpartition(":")[2]
            hooks, other = (
                sender(f"https://{name}.example:{port}/", allow_private=True)
                for name in ("hooks", "other")
            )
            with pytest.raises(DeliveryFailed, match="certificate verify failed"):
                await hooks.send(EVENT)
            monkeypatch.setattr(webhook, "_tls", lambda: trusting)
            with pytest.raises(DeliveryFailed, match="Hostname mismatch"):
                await other.send(EVENT)
            await hooks.send(EVENT)
            (request,) = server.requests
            assert f"hooks.example:{port}" == request.headers["host"]

    asyncio.run(work())


def resolving(found: list[str]) -> Any:
    """A resolver that gives these addresses for a name; an address is itself."""

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        texts = found if host == "hooks.example" else [host]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port)) for text in texts]

    return getaddrinfo


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://hooks.example/", "http is only for allow_private"),
        ("ftp://hooks.example/", "without a user"),
        ("https://user:pass@hooks.example/", "without a user"),
        ("https://hooks.example/#part", "or a fragment"),
        ("https://", "without a user"),
        ("https://hooks.example:99999/", "expected an address"),
        ("https://１２７.0.0.1/", "expected an address"),
        ("https://hooks.example/a b", "expected an address"),
        ("https://hooks.example\r\n/", "expected an address"),
    ],
)
def test_what_is_no_address_is_refused_in_the_settings(url: str, why: str) -> None:
    """And in a variable when it is used; no error shows it."""
    with pytest.raises(ValidationError, match=why):
        sender(url)
    environment = {"HOOK_URL": url, "HOOK_SECRET": SECRET}
    table = WebhookSettings(name="hook", url_env="HOOK_URL", secret_env="HOOK_SECRET")
    text = failure(WebhookSender(table, environment, None, ThreadPoolExecutor(1)))
    assert text.startswith("address: HOOK_URL: expected an address")
    assert "hooks" not in text


def test_a_variable_that_is_not_set_is_named() -> None:
    """The secret's, and the address's."""
    assert "environment: HOOK_SECRET is not set" == failure(sender("https://h.example/", None))
    table = WebhookSettings(name="hook", url_env="HOOK_URL", secret_env="HOOK_SECRET")
    one = WebhookSender(table, {"HOOK_SECRET": SECRET}, None, ThreadPoolExecutor(1))
    assert "environment: HOOK_URL is not set" == failure(one)
    assert "$HOOK_URL" == one.where


# What is not shown


def test_an_answer_that_repeats_secrets_is_redacted() -> None:
    """The secret, and the path, which is a secret at some services."""
    receiver = Receiver(behave=lambda handler: handler.answer(400, echo))
    with receiving(receiver):
        url = receiver.url.replace("/hook", "/T00/B00/xq7zkw")
        echo = f"secret {SECRET}, url {url}, path /T00/B00/xq7zkw".encode()
        why = failure(sender(url, allow_private=True))
    assert "400: secret [redacted], url [redacted], path /[redacted]" in why
    assert "xq7zkw" not in why


def test_no_log_has_the_path(caplog: pytest.LogCaptureFixture) -> None:
    """httpx logs every address that it requests."""
    receiver = Receiver(behave=answering(204))
    with receiving(receiver), caplog.at_level("INFO"):
        url = receiver.url.replace("/hook", "/xq7zkw")
        asyncio.run(sender(url, allow_private=True).send(EVENT))
    assert "HTTP Request" in caplog.text
    assert "xq7zkw" not in caplog.text


def test_the_fingerprint_changes_with_the_address_and_the_secret() -> None:
    """It reveals neither."""
    found = {
        sender(url, secret).fingerprint
        for url in ("https://a.example/", "https://a.example/b")
        for secret in (SECRET, NEW_SECRET)
    }
    assert 4 == len(found)
    assert sender("https://a.example/").fingerprint in found
    assert "" == sender("https://a.example/", None).fingerprint
