"""A price book in a process without the database: from a file, and from a server."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic

import pytest

from pricing_sync.errors import PriceBookUnavailable
from pricing_sync.prices.rates import Meter, Per, Rate, RateCard
from pricing_sync.prices.snapshot import Snapshot, write_snapshot
from pricing_sync.prices.statements import Confirmations
from pricing_sync.prices.usage import Usage
from pricing_sync.serving import client as client_module
from pricing_sync.serving.client import PriceClient, load_book
from pricing_sync.serving.files import replace_file

from cards import statement

DAY = datetime(2026, 7, 17, 12, tzinfo=UTC)
MILLION = Usage(input=1_000_000)
MODELS = [f"m-{n}" for n in range(4)]


def book(number: int) -> bytes:
    """A book in which every model costs *number* dollars per million."""
    card = RateCard({Meter.INPUT: Rate.of(number, Per.MILLION)})
    cards = [statement(model, card, DAY, card_id=model) for model in MODELS]
    return write_snapshot(
        Snapshot(
            revision=str(number),
            read_at=DAY + timedelta(seconds=number),
            since=None,
            cards=cards,
            overrides=[],
            confirmations=Confirmations(),
            aliases={},
            notices={},
        )
    )


class Site:
    """A server of one document; counts what it sends."""

    def __init__(self) -> None:
        self.body: bytes = book(1)
        self.status: int | None = None
        self.encoding: str | None = "gzip"
        self.sent: list[int] = []
        self.tokens: set[str | None] = set()
        self.url = ""


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            etag = f'"{hash(served.body)}"'
            status = served.status or (304 if self.headers.get("If-None-Match") == etag else 200)
            served.sent.append(status)
            served.tokens.add(self.headers.get("Authorization"))
            self.send_response(status)
            if status == 307:
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("ETag", etag)
            if served.encoding:
                self.send_header("Content-Encoding", served.encoding)
            body = gzip.compress(served.body) if served.encoding else served.body
            self.end_headers()
            if status == 200:
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        served.url = f"http://127.0.0.1:{server.server_port}/v1/book"
        yield served
        server.shutdown()
        thread.join()


def total(client: PriceClient) -> Decimal:
    return client.cost("acme", "m-0", MILLION).total


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until *condition()* is true."""
    pause, deadline = threading.Event(), monotonic() + 30
    while not condition():
        assert monotonic() < deadline
        pause.wait(0.01)


def test_a_file_is_loaded(tmp_path: Path) -> None:
    """It prices, and says which revision it is and when the ledger was read."""
    path = tmp_path / "book.jsonl"
    path.write_bytes(book(3))
    loaded = load_book(path)
    assert ("3", DAY + timedelta(seconds=3)) == (loaded.revision, loaded.read_at)
    assert Decimal(3) == loaded.cost("acme", "m-0", MILLION).total


@pytest.mark.parametrize("encoding", ["gzip", None])
def test_a_book_is_loaded_from_a_server(site: Site, encoding: str | None) -> None:
    """Compressed or not, with the token."""
    site.encoding = encoding
    assert "1" == load_book(site.url, token="secret").revision
    assert {"Bearer secret"} == site.tokens


def test_a_client_reads_a_new_book_and_nothing_while_it_is_the_same(site: Site) -> None:
    """The server answers 304, and the client knows that its book is the newest."""
    with PriceClient(site.url, refresh_seconds=3600) as client:
        first = client.status
        client.refresh()
        assert [200, 304] == site.sent
        assert ("1", None, None) == (
            *(client.status.revision, client.status.stale_since, client.status.error),
        )
        assert first.confirmed_at < client.status.confirmed_at
        site.body = book(2)
        client.refresh()
        assert (Decimal(2), "2") == (total(client), client.status.revision)
        assert timedelta(seconds=58) == client.status.age(DAY + timedelta(minutes=1))


def test_a_client_reads_in_the_background(site: Site) -> None:
    """Without a call."""
    with PriceClient(site.url, refresh_seconds=0.01) as client:
        site.body = book(2)
        wait_until(lambda: total(client) == Decimal(2))


OUTAGES = {
    "refused": (503, None, "HTTP 503"),
    "moved": (307, None, "HTTP 307"),
    "no token": (401, None, "HTTP 401"),
    "half": (None, book(2)[:300], "not complete"),
    "a page": (None, b"<html>", "not a pricing-sync price book"),
}


@pytest.mark.parametrize("case", OUTAGES)
def test_the_last_book_is_served_while_the_source_is_away(site: Site, case: str) -> None:
    """The status says since when, and why. No redirect takes the token elsewhere."""
    status, body, why = OUTAGES[case]
    with PriceClient(site.url, refresh_seconds=3600) as client:
        confirmed = client.status.confirmed_at
        site.status, site.body = status, body if body is not None else site.body
        client.refresh()
        client.refresh()
        assert (Decimal(1), confirmed) == (total(client), client.status.stale_since)
        assert why in (client.status.error or "")
        site.status, site.body = None, book(2)
        client.refresh()
        assert (Decimal(2), None, None) == (
            *(total(client), client.status.stale_since, client.status.error),
        )


def test_without_any_book_the_error_says_where_and_why(tmp_path: Path, site: Site) -> None:
    """The password in an address is not shown."""
    with pytest.raises(PriceBookUnavailable, match=r"absent\.jsonl: No such file"):
        PriceClient(tmp_path / "absent.jsonl").start()
    url = site.url.replace("//", "//ann:hidden@").replace(site.url.rpartition(":")[2], "1/v1/book")
    with pytest.raises(PriceBookUnavailable) as caught:
        load_book(url)
    assert "hidden" not in str(caught.value)
    with pytest.raises(PriceBookUnavailable, match="was not started"):
        _ = PriceClient(site.url).book


def test_the_backup_is_read_while_the_server_is_away_at_the_start(
    site: Site, tmp_path: Path
) -> None:
    """It has the bytes of the last book, and its age is that of the book."""
    backup = tmp_path / "backup.jsonl"
    with PriceClient(site.url, refresh_seconds=3600, backup=backup):
        assert site.body == backup.read_bytes()
    site.status = 500
    with PriceClient(site.url, refresh_seconds=3600, backup=backup) as client:
        assert (Decimal(1), DAY + timedelta(seconds=1)) == (
            *(total(client), client.status.stale_since),
        )
        site.status, site.body = None, book(2)
        client.refresh()
        assert (Decimal(2), site.body) == (total(client), backup.read_bytes())


def test_a_backup_that_cannot_be_written_stops_nothing(site: Site, tmp_path: Path) -> None:
    """The new book is served, and the status says that it is not kept."""
    with PriceClient(site.url, refresh_seconds=3600, backup=tmp_path / "no" / "b") as client:
        assert (Decimal(1), None) == (total(client), client.status.stale_since)
        assert "No such file" in (client.status.error or "")


def test_a_response_that_unpacks_without_end_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few bytes may unpack to more than there is memory."""
    monkeypatch.setattr(client_module, "MOST_BYTES", 10_000)
    site.body = b"0" * 1_000_000
    with pytest.raises(PriceBookUnavailable, match="more than 10000 bytes"):
        load_book(site.url)


def test_a_file_that_is_the_same_is_not_read_again(tmp_path: Path) -> None:
    """A client may look often."""
    path = tmp_path / "book.jsonl"
    path.write_bytes(book(1))
    with PriceClient(path, refresh_seconds=3600) as client:
        before = client.book
        client.refresh()
        assert before is client.book
        path.write_bytes(book(22))
        client.refresh()
        assert Decimal(22) == total(client)


@pytest.mark.sqlite("it opens no database")
def test_readers_always_see_one_whole_book(tmp_path: Path) -> None:
    """Eight threads, while the client reads a thousand books."""
    path = tmp_path / "book.jsonl"
    path.write_bytes(book(1))
    found: list[list[str]] = [[] for _ in range(8)]
    mixed: list[str] = []
    stop = threading.Event()

    def read(client: PriceClient, revisions: list[str]) -> None:
        while not stop.wait(0.001):
            seen = client.book
            totals = {seen.cost("acme", model, MILLION).total for model in MODELS}
            if totals != {Decimal(seen.revision)}:
                mixed.append(f"{seen.revision}: {totals}")
            if revisions[-1:] != [seen.revision]:
                revisions.append(seen.revision)

    with PriceClient(path, refresh_seconds=3600) as client:
        threads = [threading.Thread(target=read, args=(client, seen)) for seen in found]
        for thread in threads:
            thread.start()
        for number in range(2, 1002):
            replace_file(path, book(number))
            client.refresh()
        stop.set()
        for thread in threads:
            thread.join()
        assert ("1001", Decimal(1001)) == (client.status.revision, total(client))
    assert [] == mixed
    for revisions in found:
        assert sorted(revisions, key=int) == revisions
        assert len(revisions) > 8


def test_a_fault_of_ours_does_not_end_the_reads(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last book is served, with the error, until a read succeeds."""
    with PriceClient(site.url, refresh_seconds=0.01) as client:
        site.body = book(2)
        with monkeypatch.context() as broken:
            broken.setattr(client_module, "_read", lambda *_: 1 / 0)
            wait_until(lambda: client.status.stale_since is not None)
            assert "failed unexpectedly: ZeroDivisionError" in (client.status.error or "")
            assert 1 == total(client)
        wait_until(lambda: total(client) == 2)
        assert client.status.error is None
