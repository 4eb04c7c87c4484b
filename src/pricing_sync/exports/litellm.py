"""LiteLLM's cost map, written over LiteLLM's own. Read by `sources/formats/litellm`.

LiteLLM takes a map only if it has at least half as many rows as its own. It dies on import of one
with a value that is not an object, and bills a price of null at zero. So every row of the upstream
map stays, rows are replaced or added, and an unknown rate has no key. Tried against 1.110.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Raw

from pricing_sync.errors import SettingsError
from pricing_sync.exports.amounts import json_object
from pricing_sync.exports.cost_keys import CALCULATORS, COMMON, price_keys
from pricing_sync.exports.document import Export, Part, Source, card_of
from pricing_sync.prices.book import Price
from pricing_sync.prices.card_json import write_instant
from pricing_sync.prices.inheritance import SUBSTITUTES, substitute
from pricing_sync.prices.rates import Meter
from pricing_sync.sources.formats import litellm

#: The `litellm_provider` of our providers. Of one that LiteLLM does not know, the id stays.
PROVIDERS: Mapping[str, str] = {
    "alibaba": "dashscope",
    "alibaba-cloud": "dashscope",
    "amazon-bedrock": "bedrock",
    "cloudflare-workers-ai": "cloudflare",
    "featherless": "featherless_ai",
    "fireworks": "fireworks_ai",
    "fireworks-ai": "fireworks_ai",
    "friendli": "friendliai",
    "github-copilot": "github_copilot",
    "google": "gemini",
    "google-vertex": "vertex_ai",
    "google-vertex-anthropic": "vertex_ai",
    "llama": "meta_llama",
    "moonshotai": "moonshot",
    "novita-ai": "novita",
    "nvidia": "nvidia_nim",
    "together": "together_ai",
    "togetherai": "together_ai",
    "vercel": "vercel_ai_gateway",
    "vercel-ai-gateway": "vercel_ai_gateway",
}
#: Where the model comes from: a key that LiteLLM ignores.
PROVENANCE = "x_pricing_sync"
# Providers of LiteLLM's whose rows are those of a larger one: `vertex_ai-language-models`.
_FAMILIES = ("vertex_ai", "bedrock", "fireworks_ai", "cohere")
# A row of one of these keys is only about that row's own models, in an order of ours.
_REPLACED_WHOLE = ("tiered_pricing", "off_peak_pricing")


def write(source: Source) -> Export:
    """The upstream map with our rows.

    Raises:
        SettingsError: there is no upstream map, or LiteLLM would not start with it.
    """
    rows = _upstream_rows(source.upstream)
    taken: dict[str, Price] = {}
    for price in source.prices:
        for key, row in _rows_of(source, price, rows, taken):
            rows[key] = Raw(msgspec.json.encode(row))
            taken[key] = price
    return source.export(json_object([(key, bytes(row)) for key, row in rows.items()]), len(taken))


def _upstream_rows(body: bytes | None) -> dict[str, Raw]:
    """The rows of the upstream map.

    Raises:
        SettingsError: it is missing, or one of its values is not an object.
    """
    if body is None:
        raise SettingsError(
            "litellm: no upstream map: LiteLLM takes only a map with at least half of its own rows"
        )
    try:
        rows = msgspec.json.decode(body, type=dict[str, Raw])
    except msgspec.MsgspecError as error:
        raise SettingsError(f"litellm: upstream map: {error}") from None
    for key, row in rows.items():
        if not bytes(row).startswith(b"{"):
            raise SettingsError(f"litellm: upstream map: {key[:80]!a} is not an object")
    return rows


def _rows_of(
    source: Source, price: Price, rows: Mapping[str, Raw], taken: Mapping[str, Price]
) -> Iterator[tuple[str, dict[str, object]]]:
    """The rows of a model with their keys: those that LiteLLM has, or a new one."""
    owner = PROVIDERS.get(price.provider, price.provider)
    keys = (f"{owner}/{price.model}", price.model)
    known = {key: row for key in keys if (row := _row(key, rows, owner)) is not None}
    for key in known or keys[:1]:
        if key in litellm.NOT_MODELS or (key not in known and key in rows):
            source.leave_out(price, Part.MODEL, f"the map has another row named {key}")
            return
        if key in taken:
            other = taken[key].provider
            source.leave_out(price, Part.MODEL, f"the row {key} has the price of {other}")
            return
        row = _merged(source, price, known.get(key, {"litellm_provider": owner}), owner)
        if row is None:
            return
        yield key, row


def _row(key: str, rows: Mapping[str, Raw], owner: str) -> dict[str, object] | None:
    """The row of that name if it is of the provider; of an alias, that of its target."""
    found = rows.get(key)
    for _ in range(5):
        if found is None:
            return None
        row = msgspec.json.decode(found, type=dict[str, Raw])
        if "alias_of" not in row or "litellm_provider" in row:
            break
        found = rows.get(msgspec.json.decode(row["alias_of"], type=str))
    else:
        return None
    named = row.get("litellm_provider")
    provider = msgspec.json.decode(named) if named is not None else None
    return {**row} if isinstance(provider, str) and _is_of(provider, owner) else None


def _is_of(provider: str, owner: str) -> bool:
    return provider == owner or (owner in _FAMILIES and provider.startswith(owner))


def _merged(
    source: Source, price: Price, row: Mapping[str, object], owner: str
) -> dict[str, object] | None:
    """The row with our prices instead of those that it has for the same meters."""
    written = price_keys(source, price, CALCULATORS.get(owner, COMMON), _directions(row))
    if written is None:
        return None
    card = card_of(price)
    named = {meter for _, meter, _ in card.every_rate()}
    # What stands in for these is a price of ours too.
    named |= {meter for meter in SUBSTITUTES if substitute(meter, card.rates) is not None}
    kept = {key: value for key, value in row.items() if not _is_replaced(key, named)}
    mode = {} if "mode" in kept or Meter.OUTPUT not in named else {"mode": "chat"}
    return kept | mode | written | {PROVENANCE: _provenance(price)}


def _directions(row: Mapping[str, object]) -> dict[Meter, str]:
    """The keys of the meters that have one for input and one for output: those of the row."""
    return {
        meter: next(key for key in keys if key in row)
        for meter, keys in litellm.INPUT_OR_OUTPUT.items()
        if len([key for key in keys if key in row]) == 1
    }


def _is_replaced(key: str, named: set[Meter]) -> bool:
    """Whether a price key of the upstream row is about something that our card states.

    Prices of what the card does not know, such as a search on a map, stay.
    """
    if key in _REPLACED_WHOLE:
        return True
    match = litellm.PRICE_KEY.fullmatch(key)
    amount = litellm.FIELDS[match["field"]] if match else None
    return amount is not None and amount.meter in named


def _provenance(price: Price) -> dict[str, object]:
    return {
        "provider": price.provider,
        "source": price.source,
        "since": write_instant(price.since),
        "card": price.card_id,
    }
