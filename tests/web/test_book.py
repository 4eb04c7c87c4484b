"""The price book over HTTP: the bytes of the file, validators, compression, the client."""

from __future__ import annotations

import hashlib
import json
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pricing_sync.demo.server import DemoServer
from pricing_sync.errors import PriceBookUnavailable
from pricing_sync.prices.rates import Meter, Per, Rate
from pricing_sync.prices.usage import Usage
from pricing_sync.serving.client import PriceClient, load_book

from server_process import READ, Api, api

PATH = "/v1/book"
USAGE = Usage(input=1_000, output=500)
PLAIN = {"Accept-Encoding": "identity"}


def test_the_book_says_which_revision_it_is_and_how_old(api: Api) -> None:
    """In headers, and in its first line."""
    api.sync()
    answer = api.reader.get(PATH)
    head = json.loads(answer.text.partition("\n")[0])
    assert "application/jsonl" == answer.headers["content-type"]
    assert head["revision"] == answer.headers["x-pricing-revision"] == api.pricing.store.revision()
    assert head["read_at"] == answer.headers["x-pricing-read-at"]
    assert head["since"] < head["read_at"]


def test_packed_and_plain_bytes_have_strong_validators_of_their_own(api: Api) -> None:
    """The plain one is of the SHA-256, so that every process gives it to the same bytes."""
    api.sync()
    plain, packed = api.reader.get(PATH, headers=PLAIN), api.reader.get(PATH)
    assert ("gzip", None) == (
        *(packed.headers["content-encoding"], plain.headers.get("content-encoding")),
    )
    assert plain.content == packed.content
    assert f'"{hashlib.sha256(plain.content).hexdigest()[:32]}"' == plain.headers["etag"]
    assert packed.headers["etag"] == plain.headers["etag"].removesuffix('"') + '-gzip"'
    assert "Accept-Encoding" == plain.headers["vary"]
    refused = api.reader.get(PATH, headers={"Accept-Encoding": "gzip;q=0"})
    assert plain.headers["etag"] == refused.headers["etag"]


@pytest.mark.parametrize("form", ["{0}", "W/{0}", '"other", {0}', "*"])
def test_a_client_that_has_the_book_gets_no_body(api: Api, form: str) -> None:
    """Until a price, or its state, has changed."""
    api.sync()
    headers = {"If-None-Match": form.format(api.reader.get(PATH).headers["etag"])}
    answer = api.reader.get(PATH, headers=headers)
    assert (304, b"") == (answer.status_code, answer.content)
    assert "x-pricing-revision" in answer.headers
    if form != "*":
        api.sync()
        assert 200 == api.reader.get(PATH, headers=headers).status_code


def test_head_has_the_length_and_the_validator(api: Api) -> None:
    """Without the body."""
    api.sync()
    get, head = api.reader.get(PATH), api.reader.head(PATH)
    assert (get.headers["etag"], get.headers["content-length"]) == (
        *(head.headers["etag"], head.headers["content-length"]),
    )
    assert b"" == head.content


def test_a_client_prices_as_the_service_does(api: Api) -> None:
    """Every model, and overrides as soon as they are set."""
    api.sync()
    with PriceClient(f"{api.url}{PATH}", token=READ, refresh_seconds=3600) as client:
        ours = api.pricing.book()
        assert (len(ours), list(ours)) == (len(client.book), list(client.book))
        rates = {Meter.INPUT: Rate.of(1, Per.MILLION), Meter.OUTPUT: Rate.of(2, Per.MILLION)}
        api.pricing.set_override(
            "openrouter", "openai/gpt-4o", rates, author="ann", reason="contract"
        )
        client.refresh()
        assert Decimal("0.002") == client.cost("openrouter", "openai/gpt-4o", USAGE).total
        hour_ago = datetime.now(UTC) - timedelta(hours=1)
        assert client.find("openrouter", "openai/gpt-4o", hour_ago) is None


def test_the_book_takes_a_token(api: Api) -> None:
    """It holds the prices that a person has set."""
    assert 401 == api.anonymous.get(PATH).status_code
    with pytest.raises(PriceBookUnavailable, match="HTTP 401"):
        load_book(f"{api.url}{PATH}")


def test_each_run_writes_the_book_that_is_served(tmp_path: Path, providers: DemoServer) -> None:
    """Soon after its end; the bytes are those of HTTP, and nothing else is left in the folder."""
    path = tmp_path / "books" / "book.jsonl"
    path.parent.mkdir()
    with api(tmp_path, providers, book_file=path) as running:
        for _ in range(2):
            running.sync()
            deadline = time.monotonic() + 20
            while not path.exists() or (
                load_book(path).revision != running.pricing.store.revision()
            ):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert running.reader.get(PATH, headers=PLAIN).content == path.read_bytes()
    assert [path] == list(path.parent.iterdir())


def test_a_book_that_cannot_be_written_fails_no_run(tmp_path: Path, providers: DemoServer) -> None:
    """The prices are stored, and the log says why there is no file."""
    with api(tmp_path, providers, book_file=tmp_path / "absent" / "book.jsonl") as running:
        assert "success" == running.sync()["status"]
        assert 200 == running.reader.get(PATH).status_code
