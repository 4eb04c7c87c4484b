"""Prices in a process without the database: a price book from a file or from a server.

It needs the standard library alone. `load_book` reads once. `PriceClient` reads again in the
background and replaces the whole book at once, so that no caller waits, and none sees half a book.
"""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from pricing_sync.errors import PriceBookUnavailable, masked
from pricing_sync.prices.age import age
from pricing_sync.prices.book import Price, PriceBook
from pricing_sync.prices.cost import Cost
from pricing_sync.prices.snapshot import read_snapshot
from pricing_sync.prices.usage import Usage
from pricing_sync.serving.files import replace_file

__all__ = ["ClientStatus", "PriceClient", "load_book"]

#: The largest book that is read, uncompressed.
MOST_BYTES = 512 * 1024 * 1024
_PIECE = 1024 * 1024


class _NoRedirect(HTTPRedirectHandler):
    """A redirect would take the token to another address."""

    def redirect_request(
        self,
        req: Request,  # noqa: ARG002  the standard library sets the signature
        fp: IO[bytes],  # noqa: ARG002
        code: int,  # noqa: ARG002
        msg: str,  # noqa: ARG002
        headers: HTTPMessage,  # noqa: ARG002
        newurl: str,  # noqa: ARG002
    ) -> Request | None:
        return None


_opener = build_opener(_NoRedirect)


def load_book(
    source: str | Path, *, token: str | None = None, timeout_seconds: float = 10
) -> PriceBook:
    """The price book of a file, or of a server: `https://HOST/v1/book`.

    Raises:
        PriceBookUnavailable: it cannot be had, or is not a price book that this version reads.
    """
    body, _ = _read(str(source), token, timeout_seconds, None)
    return _book(str(source), body)


@dataclass(frozen=True, slots=True)
class ClientStatus:
    """Which book a client serves, and how old it is."""

    source: str
    revision: str
    #: When the server read its ledger.
    read_at: datetime
    #: When the book was last known to be the newest one.
    confirmed_at: datetime
    #: `confirmed_at`, while the source cannot be read; else None.
    stale_since: datetime | None
    #: Why the source cannot be read, or the backup not be written; None if they can.
    error: str | None

    def age(self, now: datetime) -> timedelta | None:
        """How long ago the server read its ledger; None if its clock was ahead."""
        return age(self.read_at, now)


class PriceClient:
    """The newest price book of a file or a server, read again every `refresh_seconds`.

    All threads share it. `book`, `find` and `cost` never wait for a read. While the source cannot
    be read, the last book is served on, and `status` says since when and why.

    Args:
        source: A file, or the URL of a server: `https://HOST/v1/book`.
        token: The server's read token.
        backup: A file that gets each new book, and that is read while there is no book yet and the
            source cannot be read.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        token: str | None = None,
        refresh_seconds: float = 60,
        timeout_seconds: float = 10,
        backup: Path | None = None,
    ) -> None:
        self._source, self._token, self._backup = str(source), token, backup
        self._refresh_seconds, self._timeout_seconds = refresh_seconds, timeout_seconds
        self._validator: str | None = None
        self._served: tuple[PriceBook, ClientStatus] | None = None
        self._lock, self._stopping = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> PriceClient:
        """Read the first book, then go on in the background. Starting twice is harmless.

        Raises:
            PriceBookUnavailable: there is no book, neither at the source nor in the backup.
        """
        if self._thread is None:
            self.refresh()
            if self._served is None:
                raise PriceBookUnavailable(f"{masked(self._source)}: no price book")
            self._thread = threading.Thread(target=self._run, name="pricing-client", daemon=True)
            self._thread.start()
        return self

    def close(self) -> None:
        """Stop reading. The last book can still be used."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> PriceClient:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def book(self) -> PriceBook:
        """The last book that was read.

        Raises:
            PriceBookUnavailable: the client was not started.
        """
        return self._last()[0]

    @property
    def status(self) -> ClientStatus:
        """Which book is served, and how old it is.

        Raises:
            PriceBookUnavailable: the client was not started.
        """
        return self._last()[1]

    def find(self, provider: str, model: str, at: datetime | None = None) -> Price | None:
        """See `PriceBook.find`."""
        return self.book.find(provider, model, at)

    def cost(self, provider: str, model: str, usage: Usage, at: datetime | None = None) -> Cost:
        """See `PriceBook.cost`."""
        return self.book.cost(provider, model, usage, at)

    def refresh(self) -> None:
        """Read the source now, if it has changed.

        Raises:
            PriceBookUnavailable: it cannot be read, and there is no earlier book.
        """
        with self._lock:
            try:
                self._read_source()
            except PriceBookUnavailable as error:
                self._keep_last(error)

    def _last(self) -> tuple[PriceBook, ClientStatus]:
        served = self._served
        if served is None:
            raise PriceBookUnavailable(f"{masked(self._source)}: the client was not started")
        return served

    def _run(self) -> None:
        while not self._stopping.wait(self._refresh_seconds):
            try:
                self.refresh()
            except Exception as error:  # noqa: BLE001  the next read may succeed
                why = f"{masked(self._source)}: failed unexpectedly: {type(error).__name__}"
                self._keep_last(PriceBookUnavailable(why))

    def _read_source(self) -> None:
        body, validator = _read(self._source, self._token, self._timeout_seconds, self._validator)
        now = datetime.now(UTC)
        book = self._last()[0] if body is None else _book(self._source, body)
        self._validator = validator
        self._serve(book, now, error=self._back_up(body))

    def _back_up(self, body: bytes | None) -> str | None:
        """Keep the bytes of a new book; why they could not be kept. The book is served anyway."""
        if body is None or self._backup is None:
            return None
        try:
            replace_file(self._backup, body)
        except OSError as error:
            return f"{self._backup}: {error.strerror or error}"
        return None

    def _keep_last(self, error: PriceBookUnavailable) -> None:
        if self._served is not None:
            book, last = self._served
            self._serve(book, last.confirmed_at, is_stale=True, error=str(error))
            return
        if self._backup is None or not self._backup.exists():
            raise error
        book = load_book(self._backup)
        self._serve(book, book.read_at, is_stale=True, error=str(error))

    def _serve(
        self,
        book: PriceBook,
        confirmed_at: datetime,
        *,
        is_stale: bool = False,
        error: str | None = None,
    ) -> None:
        status = ClientStatus(
            source=masked(self._source),
            revision=book.revision,
            read_at=book.read_at,
            confirmed_at=confirmed_at,
            stale_since=confirmed_at if is_stale else None,
            error=error,
        )
        self._served = book, status


def _book(source: str, body: bytes | None) -> PriceBook:
    try:
        return read_snapshot(body or b"").book()
    except (ValueError, TypeError) as error:
        raise PriceBookUnavailable(f"{masked(source)}: {error}") from error


def _read(
    source: str, token: str | None, timeout_seconds: float, validator: str | None
) -> tuple[bytes | None, str | None]:
    """The bytes at a source, None if they are those of *validator*; and their validator."""
    if urlsplit(source).scheme in ("http", "https"):
        return _fetch(source, token, timeout_seconds, validator)
    try:
        found = Path(source).stat()
        seen = f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"
        return (None if seen == validator else Path(source).read_bytes()), seen
    except OSError as error:
        raise PriceBookUnavailable(f"{masked(source)}: {error.strerror or error}") from error


def _fetch(
    url: str, token: str | None, timeout_seconds: float, validator: str | None
) -> tuple[bytes | None, str | None]:
    headers = {"Accept-Encoding": "gzip"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if validator is not None:
        headers["If-None-Match"] = validator
    request = Request(url, headers=headers)  # noqa: S310  `_read` has checked the scheme
    try:
        with _opener.open(request, timeout=timeout_seconds) as response:
            return _body(response), response.headers.get("ETag")
    except HTTPError as error:
        with error:
            if error.code == 304 and validator is not None:
                return None, validator
            raise PriceBookUnavailable(f"{masked(url)}: HTTP {error.code}") from error
    except (OSError, HTTPException, ValueError, zlib.error) as error:
        raise PriceBookUnavailable(
            f"{masked(url)}: {str(error) or type(error).__name__}"
        ) from error


def _body(response: HTTPResponse) -> bytes:
    """The body of a response, unpacked piece by piece."""
    is_packed = response.headers.get("Content-Encoding") == "gzip"
    unpack: Any = zlib.decompressobj(wbits=31) if is_packed else None
    pieces, size = [], 0
    while piece := response.read(_PIECE):
        plain = unpack.decompress(piece, MOST_BYTES) if unpack else piece
        size += len(plain)
        if size >= MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES} bytes")
        pieces.append(plain)
    if unpack is not None and not unpack.eof:
        raise ValueError("the response is not complete")
    return b"".join(pieces)
