"""Which providers there are, by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points

from pricing_sync.errors import SettingsError, UnknownName
from pricing_sync.sources.provider import Provider
from pricing_sync.sources.providers import (
    alibaba_cloud,
    catalog,
    cerebras,
    chutes,
    cloudflare_workers_ai,
    deepinfra,
    featherless,
    fireworks,
    google_vertex,
    groq,
    nearai,
    nebius,
    novita,
    openrouter,
    together,
    venice,
    vercel_ai_gateway,
    xai,
)

#: The entry points of providers from elsewhere: each is named by the provider's id.
GROUP = "pricing_sync.providers"
#: Before the id of a provider of the catalog that is too new to be known here.
CATALOG = "models.dev/"

_ID = re.compile(r"[a-z0-9][a-z0-9._-]*")
# What loading an entry point raises: its module, its name, or the Provider it builds is wrong.
_BROKEN = (ImportError, AttributeError, SyntaxError, NameError, TypeError, ValueError)


def built_in() -> dict[str, Provider]:
    """The providers with a file of their own here, by id."""
    every = (
        openrouter.PROVIDER,
        featherless.PROVIDER,
        nearai.PROVIDER,
        alibaba_cloud.PROVIDER,
        alibaba_cloud.PROVIDER_CN,
        together.PROVIDER,
        fireworks.PROVIDER,
        groq.PROVIDER,
        deepinfra.PROVIDER,
        cerebras.PROVIDER,
        novita.PROVIDER,
        google_vertex.PROVIDER,
        xai.PROVIDER,
        cloudflare_workers_ai.PROVIDER,
        nebius.PROVIDER,
        chutes.PROVIDER,
        vercel_ai_gateway.PROVIDER,
        venice.PROVIDER,
    )
    return {provider.id: provider for provider in every}


def find(provider_id: str) -> Provider:
    """The provider of that id: built in, else an installed one, else one of the catalog.

    `models.dev/ID` is a provider of the catalog that is not known here yet; its id is ID.

    Raises:
        UnknownName: there is none.
        SettingsError: an installed provider of that id cannot be loaded.
    """
    own = built_in()
    if provider_id in own:
        return own[provider_id]
    bare = provider_id.removeprefix(CATALOG)
    if not _ID.fullmatch(bare):
        raise UnknownName(f"{provider_id[:80]!a}: not a provider's id")
    installed = entry_points(group=GROUP)
    if found := [point for point in installed if point.name == provider_id]:
        return _load(found)
    if bare in own:
        raise UnknownName(f"{provider_id}: read from {bare} itself, not from the catalog")
    if bare in catalog.IDS or bare != provider_id:
        return catalog.catalog_provider(bare)
    names = [*own, *(point.name for point in installed), *catalog.IDS]
    close = get_close_matches(bare, names, cutoff=0.7)
    raise UnknownName(
        f"{provider_id}: no such provider" + (f"; there is {' and '.join(close)}" if close else "")
    )


def _load(points: Sequence[EntryPoint]) -> Provider:
    """The provider of an entry point, which must be the only one of its name."""
    where = f"entry point {points[0].name} of {GROUP}"
    if len(points) > 1:
        raise SettingsError(f"{where}: {' and '.join(sorted(p.value for p in points))}")
    try:
        provider = points[0].load()
    except _BROKEN as error:
        raise SettingsError(f"{where}: {points[0].value}: {error!r}") from error
    if not isinstance(provider, Provider) or provider.id != points[0].name:
        raise SettingsError(f"{where}: {points[0].value} is not the Provider of that id")
    return provider
