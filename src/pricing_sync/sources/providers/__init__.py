"""The registry of providers, by id."""

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

#: The entry-point group of providers from other packages; an entry point's name is its id.
GROUP = "pricing_sync.providers"
#: The prefix of a catalog provider's id that is too new for `catalog.IDS`.
CATALOG = "models.dev/"

_ID = re.compile(r"[a-z0-9][a-z0-9._-]*")
# The errors of loading an entry point whose module, attribute or Provider is wrong.
_BROKEN = (ImportError, AttributeError, SyntaxError, NameError, TypeError, ValueError)


def built_in() -> dict[str, Provider]:
    """The providers that have a module in this package, by id, in the order of display."""
    providers = (
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
    return {provider.id: provider for provider in providers}


def find(provider_id: str) -> Provider:
    """The provider of that id: a built-in one, else an installed one, else one of the catalog.

    `models.dev/ID` is the catalog's provider ID, which need not be in `catalog.IDS`.

    Raises:
        UnknownName: no provider has that id.
        SettingsError: an installed provider of that id cannot be loaded.
    """
    known = built_in()
    if provider_id in known:
        return known[provider_id]
    catalog_id = provider_id.removeprefix(CATALOG)
    if not _ID.fullmatch(catalog_id):
        raise UnknownName(f"{provider_id[:80]!a}: not a provider's id")
    installed = entry_points(group=GROUP)
    if found := [point for point in installed if point.name == provider_id]:
        return _load(found)
    if catalog_id in known:
        raise UnknownName(f"{provider_id}: read from {catalog_id} itself, not from the catalog")
    if catalog_id in catalog.IDS or catalog_id != provider_id:
        return catalog.catalog_provider(catalog_id)
    names = [*known, *(point.name for point in installed), *catalog.IDS]
    close = get_close_matches(catalog_id, names, cutoff=0.7)
    raise UnknownName(
        f"{provider_id}: no such provider" + (f"; there is {' and '.join(close)}" if close else "")
    )


def _load(points: Sequence[EntryPoint]) -> Provider:
    """The provider of an entry point, which must be the only one with its name."""
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
