"""The exports of one ledger: rendered once per revision, and served from memory."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from pricing_sync.errors import SettingsError, UnknownName
from pricing_sync.exports.document import LeftOut, Part, Source
from pricing_sync.prices.book import Price
from pricing_sync.prices.exchange import ExchangeRate
from pricing_sync.prices.rates import RateCard
from pricing_sync.serving.book_cache import REFRESH_SECONDS, BookCache
from pricing_sync.serving.converted import Converted, converted
from pricing_sync.serving.export_formats import Format, format_named
from pricing_sync.serving.packed import Packed
from pricing_sync.serving.prices import ledger_prices
from pricing_sync.serving.shared_documents import Document, SharedDocuments, origin_of
from pricing_sync.store import Store

#: The largest total size of the documents in memory. The one used longest ago is dropped first.
_MOST_BYTES = 128 * 1024 * 1024
#: The map that the package `litellm` contains, for those who have it installed here.
_BUNDLED = "model_prices_and_context_window_backup.json"


class Wanted(NamedTuple):
    """Which document: a format, of one provider or all, at an instant or now, in a currency.

    Without a currency, each card is in its own.
    """

    format: str
    provider: str | None = None
    at: datetime | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Rendered(Packed):
    """An export as it is served."""

    media_type: str
    #: The ledger's revision that it shows.
    revision: str
    models: int
    left_out: tuple[LeftOut, ...]
    #: The exchange rates by which cards were converted.
    rates: tuple[ExchangeRate, ...] = ()


class _Prices(NamedTuple):
    """The prices of one moment. The revision alone does not tell them: an override may begin."""

    revision: str
    prices: Sequence[Price]


class Exports:
    """The exports of one database, shared by all threads of a process."""

    def __init__(
        self,
        store: Store,
        book_cache: BookCache,
        upstream: Path | None = None,
        currency: str | None = None,
        shared: SharedDocuments | None = None,
    ) -> None:
        self._store, self._book_cache, self._upstream = store, book_cache, upstream
        #: What other processes have rendered.
        self._shared = shared
        #: The currency of documents for which none is wanted; None: each card's own.
        self._currency = currency
        #: The day and the exchange rates by which the documents in memory were converted.
        self._converted_by: object = None
        self._now = _Prices("", ())
        self._fresh_until = 0.0
        self._rendered: OrderedDict[Wanted, tuple[_Prices, Rendered]] = OrderedDict()
        self._upstream_bodies: dict[str, bytes] = {}
        self._lock = threading.Lock()
        #: How much the newest document of each format leaves out, by part.
        self.left_out: dict[str, Mapping[str, int]] = {}

    def in_memory(self, wanted: Wanted) -> Rendered | None:
        """The document if it is up to date in memory. Reads nothing, and never waits."""
        if not self._is_fresh:
            return None
        found = self._rendered.get(self._with_currency(wanted))
        return found[1] if found is not None and found[0] is self._now else None

    def get(self, wanted: Wanted, upstream: bytes | None = None) -> Rendered:
        """The document; rendered now if the prices have changed. It may take a second.

        Raises:
            UnknownName: there is no such format.
            SettingsError: the format needs something that is missing here.
            StoreError: the database cannot be read.
        """
        format_ = format_named(wanted.format)
        if format_.is_whole and wanted.provider is not None:
            raise SettingsError(f"{format_.name}: its reader forgets every provider left out")
        wanted = self._with_currency(wanted)
        with self._lock:
            self._refresh()
            found = self._rendered.get(wanted)
            if found is not None and found[0] is self._now and upstream is None:
                self._rendered.move_to_end(wanted)
                return found[1]
            moment = self._moment(wanted)
            if wanted.provider is not None and not moment.prices:
                raise UnknownName(f"{wanted.provider}: no prices to export")
            rendered = self._render(format_, moment, wanted, upstream)
            if wanted == self._with_currency(Wanted(format_.name)):
                counts = Counter(entry.part.value for entry in rendered.left_out)
                self.left_out[format_.name] = dict.fromkeys(Part, 0) | counts
            if upstream is None:
                self._keep(wanted, rendered)
            return rendered

    def _refresh(self) -> None:
        """Take the prices of now, if the last check was long ago."""
        if self._is_fresh:
            return
        book = self._book_cache.book()
        prices = [price for price in book if isinstance(price.listing, RateCard)]
        last = self._now
        if book.revision != last.revision or not _are_the_same(prices, last.prices):
            self._now = _Prices(book.revision, prices)
        self._drop_converted()
        self._fresh_until = monotonic() + REFRESH_SECONDS

    @property
    def _is_fresh(self) -> bool:
        """Whether the prices were checked lately, and the book is not newer already."""
        book = self._book_cache.last
        is_newest = book is None or book.revision == self._now.revision
        return is_newest and monotonic() < self._fresh_until

    def _with_currency(self, wanted: Wanted) -> Wanted:
        return wanted._replace(currency=wanted.currency or self._currency)

    def _drop_converted(self) -> None:
        """Drop the converted documents if other exchange rates count now."""
        converted_documents = [wanted for wanted in self._rendered if wanted.currency is not None]
        if converted_documents and self._converted_by != self._exchange_rates():
            for wanted in converted_documents:
                del self._rendered[wanted]

    def _exchange_rates(self) -> object:
        """What the conversion of a document depends on beside its prices."""
        return datetime.now(UTC).date(), self._store.exchange_rates.newest()

    def _moment(self, wanted: Wanted) -> _Prices:
        if wanted.at is None:
            prices = self._now.prices
        else:
            found = ledger_prices(self._store, wanted.provider, None, wanted.at)
            prices = [price for price in found if isinstance(price.listing, RateCard)]
        return _Prices(
            self._now.revision,
            [price for price in prices if wanted.provider in (None, price.provider)],
        )

    def _render(
        self, format_: Format, moment: _Prices, wanted: Wanted, upstream: bytes | None
    ) -> Rendered:
        done = Converted(moment.prices)
        if wanted.currency is not None:
            self._converted_by = self._exchange_rates()
            at, table = wanted.at or datetime.now(UTC), self._store.exchange_rates
            done = converted(moment.prices, wanted.currency, table, at)
        source = Source(
            done.prices,
            upstream=self._upstream_body(format_) if upstream is None else upstream,
            is_of_one_provider=wanted.provider is not None,
            left_out=[*done.left_out],
        )
        packed, document = self._written(format_, source)
        return Rendered(
            packed.body,
            format_.media_type,
            moment.revision,
            document.models,
            document.left_out,
            done.rates,
            gzipped=packed.gzipped,
        )

    def _written(self, format_: Format, source: Source) -> tuple[Packed, Document]:
        """The document that another process has written, or one that is written now for all."""
        if self._shared is None:
            return _write(format_, source)
        origin = origin_of(format_.name, source)
        found = self._shared.get(origin)
        if found is None:
            found = _write(format_, source)
            self._shared.put(origin, *found)
        return found

    def _keep(self, wanted: Wanted, rendered: Rendered) -> None:
        """Keep a document; drop the outdated ones, and the oldest until the rest is small."""
        for key, (moment, _) in [*self._rendered.items()]:
            if moment is not self._now:
                del self._rendered[key]
        self._rendered[wanted] = self._now, rendered
        while len(self._rendered) > 1 and self._size() > _MOST_BYTES:
            self._rendered.popitem(last=False)

    def _size(self) -> int:
        return sum(len(kept.body) + len(kept.gzipped) for _, kept in self._rendered.values())

    def _upstream_body(self, format_: Format) -> bytes | None:
        """The tool's own document, from the folder of the settings, else from the tool itself.

        While the file cannot be read, the last one that could be is used.
        """
        if format_.upstream is None:
            return None
        path = self._upstream / format_.upstream if self._upstream else None
        if path is None or not path.exists():
            path = _bundled_map() if format_.name == "litellm" else None
        try:
            if path is not None:
                self._upstream_bodies[format_.name] = path.read_bytes()
        except OSError as error:
            if format_.name not in self._upstream_bodies:
                raise SettingsError(f"{format_.name}: {path}: {error.strerror}") from None
        return self._upstream_bodies.get(format_.name)


def _write(format_: Format, source: Source) -> tuple[Packed, Document]:
    export = format_.write(source)
    return Packed(export.body), Document(export.models, export.left_out)


def _are_the_same(prices: Sequence[Price], others: Sequence[Price]) -> bool:
    return len(prices) == len(others) and all(map(_is, prices, others))


def _is(price: Price, other: Price) -> bool:
    return price is other


def _bundled_map() -> Path | None:
    """The map inside the installed package `litellm`, which is not imported for it."""
    spec = find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / _BUNDLED
