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
#: The prefix of a provider's other name, `models.dev/ID`, for ids that are newer than this program.
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


def id_of(name: str) -> str:
    """The id under which everything of a provider is stored, by any of its names.

    Raises:
        UnknownName: it is not in the form of a provider's name.
    """
    provider_id = name.removeprefix(CATALOG)
    if not _ID.fullmatch(provider_id):
        raise UnknownName(f"{name[:80]!a}: not a provider's id")
    return provider_id


def find(name: str) -> Provider:
    """The provider of that name: a built-in one, else an installed one, else one of the catalog.

    `models.dev/ID` is another name of the provider ID, which no list of this program needs to have.

    Raises:
        UnknownName: no provider has that name.
        SettingsError: an installed provider of that id cannot be loaded.
    """
    provider_id, known = id_of(name), built_in()
    if provider_id in known:
        return known[provider_id]
    if found := [point for point in entry_points(group=GROUP) if point.name == provider_id]:
        return _load(found)
    if name.startswith(CATALOG) or provider_id in catalog.IDS | catalog.LATER_IDS:
        return catalog.catalog_provider(provider_id)
    close = close_ids(provider_id)
    raise UnknownName(
        f"{provider_id}: no such provider" + (f"; there is {' and '.join(close)}" if close else "")
    )


def close_ids(provider_id: str, cutoff: float = 0.7) -> list[str]:
    """The known ids that are spelled like *provider_id*, the closest first."""
    installed = (point.name for point in entry_points(group=GROUP))
    names = [*built_in(), *installed, *catalog.IDS, *catalog.LATER_IDS]
    return get_close_matches(provider_id, names, cutoff=cutoff)


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
