"""Reads the reference catalogs: published prices of many providers, for judging, never for billing.

A catalog is read like a provider that lists the models of all providers, on its own schedule. A
failed read keeps the prices of the last good one.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx

from pricing_sync.errors import PricingSyncError, StoreError
from pricing_sync.prices.rates import RateCard, Source, Unreadable
from pricing_sync.settings import Settings
from pricing_sync.sources.formats import genai_prices, litellm, models_dev
from pricing_sync.sources.http import Fetched, NotModified, http_client
from pricing_sync.sources.provider import Provider, read_answer
from pricing_sync.sources.rows import Page
from pricing_sync.store import open_store
from pricing_sync.store.peers import CatalogPrice, CatalogRead, PeerTable, ReadStatus, catalog_price
from pricing_sync.sync.access import ProviderAccess
from pricing_sync.version import VERSION

#: Prefix of a catalog's name in the settings and in errors: `[provider."catalog:litellm"]`.
PREFIX = "catalog:"
MAX_AGE = timedelta(hours=24)
#: How long after a failed read a catalog is read again.
_RETRY_AFTER = timedelta(hours=1)
#: Its prices are dated: the same bytes can give other prices tomorrow.
_DATED = "genai-prices"
_SEPARATOR = "/"


def catalogs() -> dict[str, Provider]:
    """The catalogs by name. Model ids are `provider/model`."""
    every = (
        _catalog("models.dev", "https://models.dev/api.json", _models_dev, "https://models.dev"),
        _catalog(
            "litellm",
            "https://raw.githubusercontent.com/BerriAI/litellm/main/"
            "model_prices_and_context_window.json",
            litellm.read_all,
            "https://github.com/BerriAI/litellm",
        ),
        _catalog(
            _DATED,
            "https://raw.githubusercontent.com/pydantic/genai-prices/main/"
            "prices/new_data/v2/data.json",
            _genai_prices,
            "https://github.com/pydantic/genai-prices",
        ),
    )
    return {provider.name: provider for provider in every}


def _catalog(
    name: str, url: str, read: Callable[[bytes], Mapping[str, Page]], page: str
) -> Provider:
    return Provider(
        id=PREFIX + name,
        name=name,
        url=url,
        decode=lambda body: _joined(read(body)),
        source=Source.CATALOG,
        page=page,
    )


def _models_dev(body: bytes) -> dict[str, Page]:
    return {owner: models_dev.read(body, owner) for owner in models_dev.providers(body)}


def _genai_prices(body: bytes) -> dict[str, Page]:
    return {owner: genai_prices.read(body, owner) for owner in genai_prices.providers(body)}


def _joined(pages: Mapping[str, Page]) -> Page:
    """One page with the rows of all providers."""
    joined = Page([])
    for owner, page in pages.items():
        joined.ignored.update(page.ignored)
        joined.dated |= {owner + _SEPARATOR + model: found for model, found in page.dated.items()}
        joined.rows += [
            (model and owner + _SEPARATOR + model, listing) for model, listing in page.rows
        ]
    return joined


def read_due_catalogs(settings: Settings) -> list[CatalogRead]:
    """Read the catalogs that are due by the settings, in this process; returns their reads.

    Raises:
        SettingsError, StoreError: the database cannot be opened, read or written.
    """

    async def read() -> list[CatalogRead]:
        async with http_client() as client:
            access, max_age = ProviderAccess(settings), timedelta(hours=settings.reference_hours)
            return await read_catalogs(client, access, store.peers, max_age=max_age)

    with open_store(settings.database) as store:
        return asyncio.run(read())


async def read_catalogs(
    client: httpx.AsyncClient,
    access: ProviderAccess,
    peers: PeerTable,
    *,
    max_age: timedelta = MAX_AGE,
    now: datetime | None = None,
    accept_fewer: bool = False,
) -> list[CatalogRead]:
    """Read the catalogs whose last good read is older than *max_age*; returns their reads.

    A failed one is read again after an hour, or at once when *max_age* is zero. With *accept_fewer*
    a catalog may have lost more than half of its models.

    Raises:
        StoreError: the database cannot be read or written.
    """
    at = now or datetime.now(UTC)
    due = await asyncio.to_thread(due_catalogs, peers, max_age, at)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_read(client, access, peers, provider, at, accept_fewer))
                for provider in due
            ]
    except BaseExceptionGroup as group_error:
        raise group_error.exceptions[0] from None
    return [task.result() for task in tasks]


def due_catalogs(peers: PeerTable, max_age: timedelta, at: datetime) -> list[Provider]:
    """The catalogs whose last good read is older than *max_age*, without those that just failed."""
    good, last = peers.last_good_reads(), peers.last_reads()
    return [
        provider
        for name, provider in catalogs().items()
        if _is_older(good.get(name), max_age, at)
        and _is_older(last.get(name), min(max_age, _RETRY_AFTER), at)
    ]


def _is_older(read: CatalogRead | None, age: timedelta, at: datetime) -> bool:
    """Whether a read is missing, at least *age* old, or in the future because of a wrong clock."""
    return read is None or at - read.at >= age or read.at > at


async def _read(
    client: httpx.AsyncClient,
    access: ProviderAccess,
    peers: PeerTable,
    provider: Provider,
    at: datetime,
    accept_fewer: bool,  # noqa: FBT001  private
) -> CatalogRead:
    read = CatalogRead(catalog=provider.name, at=at, status=ReadStatus.FAILED, decoder=VERSION)
    try:
        last = await asyncio.to_thread(_reusable_read, peers, provider.name)
        fetched = await access.fetcher(provider, client)(last.etag if last else None)
        return await asyncio.to_thread(
            _store_catalog, provider, fetched, last, read, peers, accept_fewer
        )
    except StoreError:
        raise
    except PricingSyncError as error:
        failed = replace(read, error=str(error))
        await asyncio.to_thread(peers.add_read, failed)
        return failed


def _reusable_read(peers: PeerTable, catalog: str) -> CatalogRead | None:
    """The last good read, if the same bytes would give the same prices today; else None."""
    last = peers.last_read(catalog)
    return last if last and last.decoder == VERSION and catalog != _DATED else None


def _store_catalog(
    provider: Provider,
    fetched: Fetched | NotModified,
    last: CatalogRead | None,
    read: CatalogRead,
    peers: PeerTable,
    accept_fewer: bool,  # noqa: FBT001  private
) -> CatalogRead:
    """Decode an answer and store its prices, or only the read if the answer is unchanged."""
    digest = hashlib.sha256(fetched.pages[0]).hexdigest() if isinstance(fetched, Fetched) else None
    if last is not None and digest in (None, last.digest):
        unchanged = replace(last, at=read.at, status=ReadStatus.UNCHANGED, etag=fetched.etag)
        peers.add_read(unchanged)
        return unchanged
    assert isinstance(fetched, Fetched)  # noqa: S101  a 304 is an answer to the ETag of *last*
    answer = read_answer(provider, fetched.all_pages(), read.at)
    unreadable = [item for item in answer.listings.values() if isinstance(item, Unreadable)]
    cards = [item for item in answer.listings.values() if isinstance(item, RateCard)]
    return peers.replace(
        replace(
            read,
            status=ReadStatus.READ,
            etag=fetched.etag,
            digest=digest,
            unreadable=len(unreadable) + len(answer.nameless),
            prices=sum(len(card.every_rate()) for card in cards),
            ignored=answer.ignored,
        ),
        list(_rows(provider.name, answer.listings.items())),
        accept_fewer=accept_fewer,
    )


def _rows(catalog: str, listings: Iterable[tuple[str, object]]) -> Iterator[CatalogPrice]:
    for name, card in listings:
        owner, _, model = name.partition(_SEPARATOR)
        if isinstance(card, RateCard) and (row := catalog_price(catalog, owner, model, card)):
            yield row
