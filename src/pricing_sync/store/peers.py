"""The peers of a model: its prices in the reference catalogs and at other providers."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from pricing_sync.errors import IncompleteAnswer
from pricing_sync.gate import Peers, Quote, Thresholds, peers
from pricing_sync.gate.aliases import LEDGER, lineage, names_of, peer_key
from pricing_sync.prices.rates import Meter, Rate, RateCard
from pricing_sync.store.connection import Connection, NamedQueries, load_queries, placeholders
from pricing_sync.store.in_force import FRAGMENTS, now
from pricing_sync.store.rows import (
    read_row,
    write_card,
    write_instant,
    write_json,
    write_row,
)

#: The meters that are compared, by their base rates: those of text.
METERS = (
    Meter.INPUT,
    Meter.OUTPUT,
    Meter.CACHE_READ,
    Meter.CACHE_WRITE,
    Meter.CACHE_WRITE_1H,
    Meter.REASONING,
)
#: A catalog with less than this share of its last rows is refused as broken.
_SHRUNKEN_SHARE = 0.5

_READ_COLUMNS = (
    *("catalog", "at", "status", "etag", "digest", "decoder", "models", "unreadable", "prices"),
    *("ignored", "error"),
)
_QUERIES = load_queries(
    {
        "rates": ", ".join(METERS),
        "places": placeholders(METERS),
        "read": ", ".join(_READ_COLUMNS),
        "read_places": placeholders(_READ_COLUMNS),
        **FRAGMENTS,
    },
    file="peers.sql",
)


class ReadStatus(StrEnum):
    """The outcome of one read of a catalog."""

    READ = "read"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogRead:
    """One attempt to read a catalog."""

    catalog: str
    at: datetime
    status: ReadStatus
    etag: str | None = None
    digest: str | None = None
    #: The version of this program that decoded it.
    decoder: str
    #: How many rows can be peers, and how many listings could not be read.
    models: int = 0
    unreadable: int = 0
    #: How many prices were read, and how often each price key was not read.
    prices: int = 0
    ignored: Mapping[str, int] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True, slots=True)
class CatalogPrice:
    """The price of one model in a catalog. Build it with `catalog_price`."""

    #: Spelled as in the catalog.
    provider: str
    model: str
    peer_key: str
    lineage: str
    card: RateCard


def catalog_price(catalog: str, provider: str, model: str, card: RateCard) -> CatalogPrice | None:
    """The row of a model in a catalog; None when it cannot be a peer of any model."""
    seller = lineage(catalog, provider)
    key = peer_key(seller, model)
    rates = {meter: card.rates[meter] for meter in METERS if card.rates.get(meter)}
    if key is None or not (Meter.INPUT in rates or Meter.OUTPUT in rates):
        return None
    return CatalogPrice(provider, model, key, seller, RateCard(rates, currency=card.currency))


class PeerTable(NamedQueries):
    """The stored catalog prices, and the quotes of other sellers for the same models."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, _QUERIES)

    # The catalogs

    def last_read(self, catalog: str) -> CatalogRead | None:
        """The newest read of a catalog that did not fail; None when there is none."""
        return self.last_good_reads().get(catalog)

    def last_good_reads(self) -> dict[str, CatalogRead]:
        """The newest read of each catalog that did not fail."""
        good = (read for read in self._last_reads() if read.status is not ReadStatus.FAILED)
        return {read.catalog: read for read in good}

    def last_reads(self) -> dict[str, CatalogRead]:
        """The newest read of each catalog, failed or not."""
        return {read.catalog: read for read in self._last_reads()}

    def add_read(self, read: CatalogRead) -> None:
        """Store a read that does not change the rows of the catalog."""
        self._execute("add_read", **write_row(read, _READ_COLUMNS))

    def replace(
        self, read: CatalogRead, rows: Sequence[CatalogPrice], *, accept_fewer: bool = False
    ) -> CatalogRead:
        """Replace the rows of a catalog; return the read as it is stored.

        Raises:
            IncompleteAnswer: *rows* is empty or, without *accept_fewer*, less than half as long as
                last time. The last rows are kept.
        """
        stored = replace(read, models=len(rows))
        with self._connection.transaction():
            last = self.last_read(read.catalog)
            is_shrunken = last is not None and len(rows) < last.models * _SHRUNKEN_SHARE
            if not rows or (is_shrunken and not accept_fewer):
                last_time = f", {last.models} the last time" if last else ""
                raise IncompleteAnswer(read.catalog, "body", f"{len(rows)} models{last_time}")
            self._execute("delete_references", catalog=read.catalog)
            self._execute_many("add_reference", [_write_reference(row, read) for row in rows])
            self._execute("add_read", **write_row(stored, _READ_COLUMNS))
        return stored

    # The peers

    def quotes(self, provider: str, models: Iterable[str]) -> dict[str, list[Quote]]:
        """The prices of other sellers for a provider's models; models without peers are left out.

        For a seller in the ledger, its card there is the only quote. For any other seller, each
        different price in the catalogs is a quote with the same lineage, so that the others can
        outvote a wrong one. Prices of the provider itself are left out.

        Two queries, independent of the number of models. They read the rows that have the names of
        these models, and no others.
        """
        own_lineage = lineage(LEDGER, provider)
        models_by_key: dict[str, list[str]] = {}
        for model in models:
            if (key := peer_key(own_lineage, model)) is not None:
                models_by_key.setdefault(key, []).append(model)
        if not models_by_key:
            return {}
        quotes = self._quotes_by_key(provider, own_lineage, models_by_key.keys())
        return {model: quotes[key] for key in quotes for model in models_by_key[key]}

    def peers(
        self, provider: str, models: Iterable[str], thresholds: Thresholds | None = None
    ) -> dict[str, Peers]:
        """The spread of the plausible quotes, by model and meter."""
        spreads = {
            model: peers(quotes, thresholds)
            for model, quotes in self.quotes(provider, models).items()
        }
        return {model: spread for model, spread in spreads.items() if spread}

    def _quotes_by_key(
        self, provider: str, own_lineage: str, keys: Collection[str]
    ) -> dict[str, list[Quote]]:
        """The quotes by peer key. A card in the ledger replaces its seller's catalog prices."""
        quotes: dict[str, list[Quote]] = {}
        for key, quote in self._ledger_quotes(provider, own_lineage, keys):
            quotes.setdefault(key, []).append(quote)
        in_ledger = {(key, quote.lineage) for key, quotes in quotes.items() for quote in quotes}
        for key, quote in self._catalog_quotes(own_lineage, keys):
            others = quotes.get(key, ())
            if (key, quote.lineage) not in in_ledger and not _is_repeated(quote, others):
                quotes.setdefault(key, []).append(quote)
        return quotes

    def _ledger_quotes(
        self, provider: str, own_lineage: str, keys: Collection[str]
    ) -> Iterator[tuple[str, Quote]]:
        sellers: dict[str, str] = {}
        names = write_json(sorted({name for key in keys for name in names_of(key)}))
        for other, model, currency, *rates in self._fetch(
            "cards_of_others", provider=provider, names=names, now=now()
        ):
            seller = sellers.setdefault(other, lineage(LEDGER, other))
            key = peer_key(seller, model)
            if key is not None and key in keys and seller != own_lineage:
                # A row that cannot be read is no peer. The command `audit` reports it.
                with suppress(TypeError, ValueError):
                    yield key, Quote(seller, LEDGER, _read_card(currency, rates))

    def _catalog_quotes(
        self, own_lineage: str, keys: Collection[str]
    ) -> Iterator[tuple[str, Quote]]:
        found = self._fetch("references", lineage=own_lineage, keys=write_json(sorted(keys)))
        for key, seller, catalog, currency, *rates in found:
            yield key, Quote(seller, catalog, _read_card(currency, rates))

    def _last_reads(self) -> list[CatalogRead]:
        return [
            read_row(CatalogRead, _READ_COLUMNS, row, ignored=json.loads)
            for row in self._fetch("last_reads")
        ]


def _is_repeated(quote: Quote, quotes: Iterable[Quote]) -> bool:
    return any(other.lineage == quote.lineage and other.card == quote.card for other in quotes)


def _read_card(currency: str, rates: Sequence[int | None]) -> RateCard:
    """The card of a quote. A zero in a card with other prices means that no rate is quoted."""
    quoted = {meter: Rate(rate) for meter, rate in zip(METERS, rates, strict=True) if rate}
    return RateCard(quoted, currency=currency)


def _write_reference(row: CatalogPrice, read: CatalogRead) -> dict[str, Any]:
    own = write_row(row, ("provider", "model", "peer_key", "lineage")) | write_card(row.card)
    return own | {"catalog": read.catalog, "read_at": write_instant(read.at)}
