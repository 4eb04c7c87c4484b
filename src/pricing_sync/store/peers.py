"""The peers of a model, stored: what the reference catalogs say, and the other providers' cards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from pricing_sync.errors import IncompleteAnswer
from pricing_sync.gate import Peers, Quote, Thresholds, peers
from pricing_sync.gate.aliases import LEDGER, lineage, peer_key
from pricing_sync.prices.rates import Meter, Rate, RateCard
from pricing_sync.store.connection import Connection, NamedQueries, load_queries, placeholders
from pricing_sync.store.rows import read_instant, write_instant

#: What is compared: the base rates of text.
METERS = (
    Meter.INPUT,
    Meter.OUTPUT,
    Meter.CACHE_READ,
    Meter.CACHE_WRITE,
    Meter.CACHE_WRITE_1H,
    Meter.REASONING,
)
#: A catalog with less than this share of its last rows is taken for a broken one.
_SHRUNKEN_SHARE = 0.5

_QUERIES = load_queries(
    {"rates": ", ".join(METERS), "places": placeholders(METERS)}, file="peers.sql"
)


class ReadStatus(StrEnum):
    """What became of one read of a catalog."""

    READ = "read"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogRead:
    """One time a catalog was asked."""

    catalog: str
    at: datetime
    status: ReadStatus
    etag: str | None = None
    digest: str | None = None
    #: The version of this program that decoded it.
    decoder: str
    #: Rows that can be peers, and listings that could not be read.
    models: int = 0
    unreadable: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class CatalogPrice:
    """What a catalog says of one model. Build with `reference`."""

    #: As the catalog spells them.
    provider: str
    model: str
    peer_key: str
    lineage: str
    card: RateCard


def catalog_price(catalog: str, provider: str, model: str, card: RateCard) -> CatalogPrice | None:
    """The row of a model in a catalog; None if it can be nobody's peer."""
    seller = lineage(catalog, provider)
    key = peer_key(seller, model)
    rates = {meter: card.rates[meter] for meter in METERS if card.rates.get(meter)}
    if key is None or not (Meter.INPUT in rates or Meter.OUTPUT in rates):
        return None
    return CatalogPrice(provider, model, key, seller, RateCard(rates, currency=card.currency))


class PeerTable(NamedQueries):
    """What others charge for the same models."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, _QUERIES)

    # The catalogs

    def last_read(self, catalog: str) -> CatalogRead | None:
        """The newest read of a catalog that did not fail; None before the first."""
        return self.last_good_reads().get(catalog)

    def last_good_reads(self) -> dict[str, CatalogRead]:
        """The newest read of each catalog that did not fail."""
        good = (read for read in self._last_reads() if read.status is not ReadStatus.FAILED)
        return {read.catalog: read for read in good}

    def last_reads(self) -> dict[str, CatalogRead]:
        """The newest read of each catalog, whatever became of it."""
        return {read.catalog: read for read in self._last_reads()}

    def add_read(self, read: CatalogRead) -> None:
        """Write down a read that leaves the rows as they are."""
        self._execute("add_read", **_write_read(read))

    def replace(
        self, read: CatalogRead, rows: Sequence[CatalogPrice], *, accept_fewer: bool = False
    ) -> CatalogRead:
        """Put *rows* in the place of the catalog's last ones; the read as it was written down.

        Raises:
            IncompleteAnswer: they are none, or less than half as many, and *accept_fewer* does not
                say that this is so. The last ones stand.
        """
        written = replace(read, models=len(rows))
        with self._connection.transaction():
            last = self.last_read(read.catalog)
            few = last is not None and len(rows) < last.models * _SHRUNKEN_SHARE
            if not rows or (few and not accept_fewer):
                before = f", {last.models} the last time" if last else ""
                raise IncompleteAnswer(read.catalog, "body", f"{len(rows)} models{before}")
            self._execute("forget_references", catalog=read.catalog)
            self._execute_many("add_reference", [_write_reference(row, read) for row in rows])
            self._execute("add_read", **_write_read(written))
        return written

    # The peers

    def quotes(self, provider: str, models: Iterable[str]) -> dict[str, list[Quote]]:
        """What others charge for these models of a provider; models without peers are left out.

        A seller that is in the ledger speaks for itself. Of any other, every differing word of the
        catalogs is given under one lineage, so that a poisoned one can be outvoted; the provider's
        own word is not among them.

        Two queries however many models, over every row: some 9,000 of the catalogs and one for
        each priced model of the other providers.
        """
        own = lineage(LEDGER, provider)
        wanted: dict[str, list[str]] = {}
        for model in models:
            if (key := peer_key(own, model)) is not None:
                wanted.setdefault(key, []).append(model)
        if not wanted:
            return {}
        quotes = self._quotes_by_key(provider, own, wanted)
        return {model: quotes[key] for key in quotes for model in wanted[key]}

    def peers(
        self, provider: str, models: Iterable[str], thresholds: Thresholds | None = None
    ) -> dict[str, Peers]:
        """The spread of what believable quotes say, by model and meter."""
        spreads = {
            model: peers(quotes, thresholds)
            for model, quotes in self.quotes(provider, models).items()
        }
        return {model: spread for model, spread in spreads.items() if spread}

    def _quotes_by_key(
        self, provider: str, own: str, wanted: Mapping[str, object]
    ) -> dict[str, list[Quote]]:
        """By key. The ledger comes first and silences what the catalogs say for its providers."""
        quotes: dict[str, list[Quote]] = {}
        for key, quote in self._of_others(provider, own, wanted):
            quotes.setdefault(key, []).append(quote)
        covered = {(key, quote.lineage) for key, quotes in quotes.items() for quote in quotes}
        for key, quote in self._of_catalogs(own, wanted):
            if (key, quote.lineage) not in covered and not _is_repeated(quote, quotes.get(key, ())):
                quotes.setdefault(key, []).append(quote)
        return quotes

    def _of_others(
        self, provider: str, own: str, wanted: Mapping[str, object]
    ) -> Iterator[tuple[str, Quote]]:
        sellers: dict[str, str] = {}
        for other, model, currency, *rates in self._fetch("cards_of_others", provider=provider):
            seller = sellers.setdefault(other, lineage(LEDGER, other))
            key = peer_key(seller, model)
            if key is not None and key in wanted and seller != own:
                # A row that somebody spoilt by hand is the audit's business, and no peer.
                with suppress(TypeError, ValueError):
                    yield key, Quote(seller, LEDGER, _read_card(currency, rates))

    def _of_catalogs(self, own: str, wanted: Mapping[str, object]) -> Iterator[tuple[str, Quote]]:
        for key, seller, catalog, currency, *rates in self._fetch("references", lineage=own):
            if key in wanted:
                yield key, Quote(seller, catalog, _read_card(currency, rates))

    def _last_reads(self) -> list[CatalogRead]:
        return [_read_row(row) for row in self._fetch("last_reads")]


def _is_repeated(quote: Quote, quotes: Iterable[Quote]) -> bool:
    return any(other.lineage == quote.lineage and other.card == quote.card for other in quotes)


def _read_card(currency: str, rates: Sequence[int | None]) -> RateCard:
    """A zero beside a price means here that nothing is quoted."""
    named = {meter: Rate(rate) for meter, rate in zip(METERS, rates, strict=True) if rate}
    return RateCard(named, currency=currency)


def _write_reference(row: CatalogPrice, read: CatalogRead) -> dict[str, Any]:
    rates: dict[str, Any] = {
        meter.value: int(row.card.rates[meter]) if meter in row.card.rates else None
        for meter in METERS
    }
    return rates | {
        "catalog": read.catalog,
        "provider": row.provider,
        "model": row.model,
        "peer_key": row.peer_key,
        "lineage": row.lineage,
        "currency": row.card.currency,
        "read_at": write_instant(read.at),
    }


def _write_read(read: CatalogRead) -> dict[str, Any]:
    return {
        "catalog": read.catalog,
        "at": write_instant(read.at),
        "status": read.status.value,
        "etag": read.etag,
        "digest": read.digest,
        "decoder": read.decoder,
        "models": read.models,
        "unreadable": read.unreadable,
        "error": read.error,
    }


def _read_row(row: Sequence[Any]) -> CatalogRead:
    catalog, at, status, etag, digest, decoder, models, unreadable, error = row
    return CatalogRead(
        catalog=catalog,
        at=read_instant(at),
        status=ReadStatus(status),
        etag=etag,
        digest=digest,
        decoder=decoder,
        models=models,
        unreadable=unreadable,
        error=error,
    )
