"""Reads the provider of a claim, over HTTP or from a recorded answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import httpx

from pricing_sync.changes.run import Reading
from pricing_sync.scheduling.catalog_reads import CatalogReads
from pricing_sync.scheduling.scheduler import FinishClaim
from pricing_sync.settings import Settings
from pricing_sync.sources.http import http_client
from pricing_sync.sources.provider import Provider
from pricing_sync.sources.providers import CATALOG
from pricing_sync.store import Store
from pricing_sync.store.queue import Claim
from pricing_sync.sync.access import ProviderAccess
from pricing_sync.sync.reading import (
    PendingAnswer,
    ReadingOptions,
    ReadingResult,
    process_in_thread,
    read_provider,
)
from pricing_sync.sync.recorded import RecordedAnswer, fetch_recorded
from pricing_sync.sync.worker_process import process_in_worker

#: A worker process needs about 70 MB while it processes an answer.
_MAX_WORKERS = 2


class ClaimReader:
    """Reads claimed providers into one store, for one engine and in its event loop.

    All its readings share one HTTP client, which belongs to the event loop that made it.
    """

    def __init__(
        self, settings: Settings, store: Store, access: ProviderAccess, catalogs: CatalogReads
    ) -> None:
        self._settings, self._store, self._access = settings, store, access
        #: The reads of the catalogs for which its readings wait.
        self.catalogs = catalogs
        self._client: asyncio.Task[httpx.AsyncClient] | None = None
        self._worker_slots = asyncio.Semaphore(_MAX_WORKERS)
        self._thread_slot = asyncio.Semaphore(1)

    async def close(self) -> None:
        """End the read of the catalogs, and close the HTTP client."""
        await self.catalogs.stop()
        client, self._client = self._client, None
        if client is not None:
            await (await client).aclose()

    async def read(self, claim: Claim, *, here: bool = False) -> ReadingResult:
        """Read the claim's provider now. Its answer is judged when the catalogs have been read.

        A large answer is processed in a worker process, unless *here* keeps it in this one. Errors
        as `read_provider`.
        """
        provider = self._provider_of(claim)
        plan = self._settings.plan(claim.provider)
        return await read_provider(
            provider,
            self._access.fetcher(provider, await self._http()),
            self._store,
            run_id=claim.run_id,
            dry_run=claim.dry_run or plan.dry_run,
            options=self._options(provider.id),
            finish=FinishClaim.of(claim, plan),
            process=self._process_here if here else self._process_in_worker,
        )

    async def read_recorded(
        self, claim: Claim, answer: RecordedAnswer, *, last: bool
    ) -> ReadingResult:
        """Read a recorded answer of the claim's provider; *last* ends the claim with it."""
        return await read_provider(
            self._provider_of(claim),
            fetch_recorded(answer),
            self._store,
            run_id=claim.run_id,
            observed_at=answer.at,
            dry_run=claim.dry_run,
            options=self._options(claim.provider),
            finish=FinishRecordedClaim(claim, last=last),
        )

    async def _http(self) -> httpx.AsyncClient:
        """The shared client. Certificates take long to load, so it is made in a thread."""
        if self._client is None:
            self._client = asyncio.create_task(asyncio.to_thread(http_client))
        # A reading that is cancelled while it waits must not cancel the client of the others.
        return await asyncio.shield(self._client)

    async def _process_here(self, pending: PendingAnswer, store: Store) -> ReadingResult:
        await self.catalogs.wait()
        return await self._process_in_thread(pending, store)

    async def _process_in_thread(self, pending: PendingAnswer, store: Store) -> ReadingResult:
        """One answer at a time, while others are fetched.

        More threads would take turns with the one that has the database's write lock, and so keep
        all processes waiting.
        """
        async with self._thread_slot:
            return await process_in_thread(pending, store)

    async def _process_in_worker(self, pending: PendingAnswer, store: Store) -> ReadingResult:
        await self.catalogs.wait()
        return await process_in_worker(
            pending,
            store,
            database=self._settings.database,
            at_once=self._worker_slots,
            in_thread=self._process_in_thread,
        )

    def _provider_of(self, claim: Claim) -> Provider:
        """The claim's provider; its name was checked when it was queued, here or elsewhere."""
        return self._access.provider(CATALOG + claim.provider.removeprefix(CATALOG))

    def _options(self, provider_id: str) -> ReadingOptions:
        table = self._settings.provider.get(provider_id)
        return ReadingOptions(
            thresholds=self._settings.thresholds(provider_id),
            free=table.free if table else (),
            max_models=self._settings.max_models,
        )


@dataclass(frozen=True, slots=True)
class FinishRecordedClaim:
    """Finishes the claim of a recorded answer. It does not change when the provider is due."""

    claim: Claim
    #: Whether no other answer follows in the run.
    last: bool

    def __call__(self, store: Store, reading: Reading, _error: Exception | None) -> bool:
        if not self.last:
            store.queue.check_claim(self.claim)
            return False
        store.queue.finish_claim(self.claim, reading.state)
        return store.queue.finish_run_if_done(self.claim.run_id, reading.finished_at)
