"""Providers by id, and the credentials and URLs that this process uses for them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

import httpx

from pricing_sync.errors import PricingSyncError, SettingsError, UnknownName
from pricing_sync.settings import Settings
from pricing_sync.settings.origins import key_of
from pricing_sync.sources import providers
from pricing_sync.sources.http import Credentials, Fetched, Limits, NotModified, fetch, http_client
from pricing_sync.sources.provider import Provider
from pricing_sync.sources.providers import CATALOG, catalog

#: Fetches an answer; the argument is the ETag of the last one, or None.
Fetch: TypeAlias = Callable[[str | None], Awaitable[Fetched | NotModified]]
#: From this likeness on, an unknown id is a known one with two letters swapped, missing or doubled:
#: `openruoter` (0.9), and not `azure-eu` (0.77).
_A_SLIP = 0.86


class ProviderAccess:
    """Finds providers, their credentials and their URLs; makes requests to them."""

    def __init__(
        self,
        settings: Settings,
        extra_providers: Iterable[Provider] = (),
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._settings = settings
        self.environment = environment
        self._extra = {provider.id: provider for provider in extra_providers}
        #: Whether the database knows an id as one of the catalog; set when it is open.
        self.is_in_catalog: Callable[[str], bool] = lambda _: False

    def provider(self, name: str) -> Provider:
        """The provider with that name, which a list has: ours, the settings', or the catalog.

        Raises:
            UnknownName: there is no such provider.
        """
        provider_id = providers.id_of(name)
        table = self._settings.provider.get(provider_id)
        if table is not None and table.catalog is not None:
            return catalog.provider_of(table.catalog, provider_id)
        try:
            return self._extra.get(provider_id) or providers.find(name)
        except UnknownName:
            if name not in self._settings.from_catalog and not self.is_in_catalog(name):
                raise
            return providers.find(CATALOG + name)

    def priced_id(self, name: str) -> str:
        """The id of a provider, or of an upstream of one's own that no list has.

        Raises:
            UnknownName: it is no id, or spelled so much like a provider's that it is a mistake. One
                that has a table in the settings is meant.
        """
        try:
            return self.provider(name).id
        except UnknownName:
            provider_id = providers.id_of(name)
            own = provider_id in self._settings.provider
            if not own and providers.close_ids(provider_id, _A_SLIP):
                raise
            return provider_id

    def check_scheduled(self) -> None:
        """Check that the providers of the settings exist.

        Raises:
            SettingsError: one does not.
        """
        for name in self._settings.providers:
            try:
                self.provider(name)
            except UnknownName as error:
                raise SettingsError(f"PRICING_SYNC_PROVIDERS: {error}") from None

    def credentials(self, provider: Provider) -> Credentials:
        """The key, base URL and variables of a provider, from settings and environment."""
        table = self._settings.provider.get(provider.id)
        values = {name: key_of((name,), self.environment) for name in provider.variables}
        return Credentials(
            key=key_of(provider.key.variables, self.environment) if provider.key else None,
            base_url=table.base_url if table else None,
            variables={name: value for name, value in values.items() if value is not None},
        )

    def missing_variables(self, provider: Provider) -> list[str]:
        """The required environment variables of a provider that are not set."""
        credentials = self.credentials(provider)
        missing = [name for name in provider.variables if name not in credentials.variables]
        if provider.key is not None and provider.key.required and credentials.key is None:
            missing.append(provider.key.variables[0])
        return missing

    async def probe(
        self, wanted: Sequence[Provider]
    ) -> dict[str, tuple[bytes, ...] | PricingSyncError]:
        """The pages, or the error, of each provider whose variables are set. Nothing is stored."""

        async def fetch_pages(provider: Provider) -> tuple[bytes, ...] | PricingSyncError:
            try:
                fetched = await self.fetcher(provider, client)(None)
            except PricingSyncError as error:
                return error
            return fetched.all_pages() if isinstance(fetched, Fetched) else ()

        ready = [provider for provider in wanted if not self.missing_variables(provider)]
        async with http_client() as client:
            answers = await asyncio.gather(*(fetch_pages(provider) for provider in ready))
        return {provider.id: answer for provider, answer in zip(ready, answers, strict=True)}

    def fetcher(self, provider: Provider, client: httpx.AsyncClient) -> Fetch:
        """A function that fetches the provider's answer through *client*."""
        limits = Limits(
            deadline_seconds=self._settings.deadline_seconds,
            max_bytes=self._settings.max_megabytes * 2**20,
            attempts=self._settings.attempts,
        )

        async def fetch_answer(etag: str | None) -> Fetched | NotModified:
            credentials = self.credentials(provider)
            return await fetch(client, provider, credentials, etag=etag, limits=limits)

        return fetch_answer
