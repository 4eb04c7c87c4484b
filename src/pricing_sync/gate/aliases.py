"""Which ids name the same model, and which seller a price comes from.

Ids match exactly, or by an entry of `aliases.toml`, never by similarity: a peer that is another
model would hold right prices and release wrong ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import TypeAlias

from msgspec import Struct

from pricing_sync.data_files import read_table
from pricing_sync.prices.model_ids import is_named_free

#: The source of prices from the ledger, used where a catalog's name is expected.
LEDGER = "ledger"

# `~` marks OpenRouter's pointers to the newest model.
_POINTER = "~"
# A pointer to the newest model. It moves on different days in different lists.
_LATEST = ("-latest", "@latest")

# LiteLLM splits Vertex AI by the maker of the model. genai-prices splits Hugging Face by the
# provider that serves the model, at that provider's own price.
_VERTEX, _HUGGING_FACE = "vertex_ai", "huggingface_"

Names: TypeAlias = Mapping[str, Sequence[str]]


class Tables(Struct, forbid_unknown_fields=True):
    """The tables of `aliases.toml`, where each is explained."""

    ambiguous: frozenset[str]
    at_provider: Mapping[str, Mapping[str, str]]
    #: The other spellings of each canonical name.
    spellings: Names
    #: By catalog: the names of each seller there, by our id.
    sellers: Mapping[str, Names]


@cache
def tables() -> Tables:
    """The tables of `aliases.toml`."""
    return read_table("pricing_sync.gate", "aliases.toml", Tables)


@cache
def canonical_names() -> Mapping[str, str]:
    """The canonical name of each other spelling."""
    return _reversed(tables().spellings)


@cache
def seller_ids(catalog: str) -> Mapping[str, str]:
    """Our id of each name in a catalog."""
    return _reversed(tables().sellers.get(catalog, {}))


def _reversed(names: Names) -> dict[str, str]:
    return {other: name for name, others in names.items() for other in others}


# For one list of peers, every model of the ledger is asked for.
@lru_cache(maxsize=65_536)
def peer_key(provider: str, model: str) -> str | None:
    """The key that a model shares with the same model elsewhere; None if it can have no peers.

    The key is the last part of the id in lower case, in its canonical spelling. Variants, such as
    `:thinking`, `-TEE` or `-fp8`, are different models. *provider* is a lineage.
    """
    name = model.rsplit("/", 1)[-1].lower()
    at_provider = tables().at_provider.get(provider, {}).get(name)
    if at_provider is not None:
        return at_provider
    # A free variant has no price to compare.
    if not name or name in tables().ambiguous or model.startswith(_POINTER) or is_named_free(name):
        return None
    canonical = canonical_names().get(name)
    if canonical is None and name.endswith(_LATEST):
        return None
    return canonical or name


def names_of(key: str) -> frozenset[str]:
    """Every name that `peer_key` gives this key, at some provider: see there."""
    own = (name for names in tables().at_provider.values() for name in names if names[name] == key)
    return frozenset((key, *tables().spellings.get(key, ()), *own))


def lineage(source: str, provider: str) -> str:
    """Our id of the seller whose prices *source* lists under *provider*.

    *source* is a catalog or `LEDGER`. The ledger's providers have our ids or those of models.dev.
    """
    if source == "litellm" and provider.startswith(_VERTEX):
        return "google-vertex"
    if source == "genai-prices" and provider.startswith(_HUGGING_FACE):
        return lineage("models.dev", provider.removeprefix(_HUGGING_FACE))
    known = seller_ids("models.dev" if source == LEDGER else source)
    return known.get(provider) or provider.replace("_", "-")
