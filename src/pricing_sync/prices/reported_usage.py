"""Usage as providers report it: one function for each convention gives the quantities of a `Usage`.

What a provider's input and output include differs: OpenAI's input includes what the cache gave,
Anthropic's and Bedrock's do not; OpenAI's output includes reasoning, Gemini's and xAI's do not.
Each function takes the decoded JSON of a response, its usage object, or such an object of the
provider's own Python package. Absent and null counts are zero, because providers omit what was not
used; the total of the input must be there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

Reported: TypeAlias = Mapping[str, Any]

#: Words of Groq and Google for the standard tier.
_STANDARD_TIERS = frozenset(
    {"on_demand", "unspecified", "service_tier_unspecified", "traffic_type_unspecified"}
)


def openai(reported: object) -> dict[str, Any]:
    """OpenAI's Chat Completions, Responses, Realtime, images, embeddings, and what imitates them.

    Input includes cached tokens, audio and images; output includes reasoning and audio. Some
    servers that imitate OpenAI count reasoning apart: their total shows it.
    """
    response, usage = _response_and_usage(reported, "usage")
    quantities = _openai_quantities(usage)
    total = _count(usage, "total_tokens")
    if total == quantities["input"] + quantities["output"] + quantities["reasoning"]:
        quantities["output"] = total - quantities["input"]
    return quantities | {"service_tier": _tier(response, "service_tier")}


def openrouter(reported: object) -> dict[str, Any]:
    """OpenRouter: as OpenAI, with cache writes, and searches beside them."""
    _, usage = _response_and_usage(reported, "usage")
    searches = _count(_part(usage, "server_tool_use"), "web_search_requests")
    return openai(reported) | {"web_search": searches}


def xai(reported: object) -> dict[str, Any]:
    """xAI: as OpenAI, but the completion does not include reasoning unless the total says so."""
    response, usage = _response_and_usage(reported, "usage")
    quantities = _openai_quantities(usage)
    if _count(usage, "total_tokens") != quantities["input"] + quantities["output"]:
        quantities["output"] += quantities["reasoning"]
    return quantities | {"service_tier": _tier(response, "service_tier")}


def _openai_quantities(usage: Reported) -> dict[str, Any]:
    details = _part(usage, "prompt_tokens_details", "input_tokens_details", "input_token_details")
    cached = _part(details, "cached_tokens_details")
    out = _part(usage, "completion_tokens_details", "output_tokens_details", "output_token_details")
    cached_audio = _count(cached, "audio_tokens")
    # DeepSeek and Moonshot state cached tokens beside the totals.
    cache_read = _count(details, "cached_tokens") or _count(
        usage, "prompt_cache_hit_tokens", "cached_tokens"
    )
    return {
        "input": _total(usage, "prompt_tokens", "input_tokens"),
        # Embeddings have no output.
        "output": _count(usage, "completion_tokens", "output_tokens"),
        "cache_read": cache_read,
        "cache_read_audio": cached_audio,
        "cache_write": _count(details, "cache_write_tokens"),
        "input_audio": _count(details, "audio_tokens") - cached_audio,
        "input_image": _count(details, "image_tokens") - _count(cached, "image_tokens"),
        "reasoning": _count(out, "reasoning_tokens"),
        "output_audio": _count(out, "audio_tokens"),
        "output_image": _count(out, "image_tokens"),
    }


def anthropic(reported: object) -> dict[str, Any]:
    """Anthropic's Messages: input, cache reads and cache writes are counted apart.

    The iterations of a compaction are added up, so they reach a long-context rate together; to
    avoid that, translate and price each one by itself.

    Raises:
        ValueError: another model took part, whose tokens have prices of their own.
    """
    _, usage = _response_and_usage(reported, "usage")
    quantities = dict.fromkeys(
        ("input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning"), 0
    )
    # With compaction the usage itself is that of the answer alone, and all iterations are billed.
    for iteration in _list(usage, "iterations") or [usage]:
        if iteration is not usage and _text(iteration, "type") not in ("message", "compaction"):
            raise ValueError(f"usage: iterations of the type {iteration.get('type')!r}")
        for name, quantity in _anthropic_tokens(iteration).items():
            quantities[name] += quantity
    quantities["reasoning"] = _count(_part(usage, "output_tokens_details"), "thinking_tokens")
    searches = _count(_part(usage, "server_tool_use"), "web_search_requests")
    # Fast mode has prices of its own, as a service tier has.
    is_fast = _text(usage, "speed") == "fast"
    tier = "fast" if is_fast else _tier(usage, "service_tier")
    return quantities | {"web_search": searches, "service_tier": tier}


def _anthropic_tokens(usage: Reported) -> dict[str, int]:
    by_lifetime = _part(usage, "cache_creation")
    hour = _count(by_lifetime, "ephemeral_1h_input_tokens")
    written = _count(usage, "cache_creation_input_tokens") or (
        hour + _count(by_lifetime, "ephemeral_5m_input_tokens")
    )
    read = _count(usage, "cache_read_input_tokens")
    return {
        "input": _total(usage, "input_tokens") + written + read,
        "output": _total(usage, "output_tokens"),
        "cache_read": read,
        "cache_write": written,
        "cache_write_1h": hour,
    }


def bedrock(reported: object) -> dict[str, Any]:
    """Amazon Bedrock's Converse: as Anthropic, in other words."""
    response, usage = _response_and_usage(reported, "usage")
    read = _count(usage, "cacheReadInputTokens")
    written = _count(usage, "cacheWriteInputTokens")
    details = _list(usage, "cacheDetails")
    return {
        "input": _total(usage, "inputTokens") + written + read,
        "output": _total(usage, "outputTokens"),
        "cache_read": read,
        "cache_write": written,
        "cache_write_1h": sum(
            _count(entry, "inputTokens") for entry in details if entry.get("ttl") == "1h"
        ),
        "service_tier": _tier(_part(response, "serviceTier"), "type"),
    }


def gemini(reported: object) -> dict[str, Any]:
    """Google's `generateContent` and Live: thoughts and the results of tools are counted apart.

    The tokens of a video are part of input, and those of a document are tokens of images.
    """
    _, usage = _response_and_usage(reported, "usageMetadata")
    prompt = [*_list(usage, "promptTokensDetails"), *_list(usage, "toolUsePromptTokensDetails")]
    cached = _list(usage, "cacheTokensDetails")
    out = _list(usage, "candidatesTokensDetails") or _list(usage, "responseTokensDetails")
    thoughts = _count(usage, "thoughtsTokenCount")
    cached_audio = _of_modality(cached, "AUDIO")
    return {
        "input": _total(usage, "promptTokenCount") + _count(usage, "toolUsePromptTokenCount"),
        "output": _count(usage, "candidatesTokenCount", "responseTokenCount") + thoughts,
        "cache_read": _count(usage, "cachedContentTokenCount"),
        "cache_read_audio": cached_audio,
        "input_audio": _of_modality(prompt, "AUDIO") - cached_audio,
        "input_image": _of_modality(prompt, "IMAGE", "DOCUMENT")
        - _of_modality(cached, "IMAGE", "DOCUMENT"),
        "reasoning": thoughts,
        "output_audio": _of_modality(out, "AUDIO"),
        "output_image": _of_modality(out, "IMAGE"),
        "service_tier": _tier(usage, "serviceTier") or _tier(usage, "trafficType"),
    }


#: What `Usage.from_…` and the command line call each convention.
CONVENTIONS: Mapping[str, Callable[[object], dict[str, Any]]] = {
    "openai": openai,
    "anthropic": anthropic,
    "gemini": gemini,
    "openrouter": openrouter,
    "bedrock": bedrock,
    "xai": xai,
}


def reported_cost(convention: str, reported: object) -> Decimal | None:
    """What the provider says that a request cost, in dollars; None where it says nothing.

    OpenRouter says it in credits, which are dollars; with a key of one's own its cost is a fee
    alone, and the bill comes from elsewhere. xAI says it in ticks: 10¹⁰ are a dollar.

    Raises:
        TypeError, ValueError: the object or the cost in it cannot be read.
    """
    if convention not in ("openrouter", "xai"):
        return None
    _, usage = _response_and_usage(reported, "usage")
    if convention == "xai":
        ticks = usage.get("cost_in_usd_ticks")
        return None if ticks is None else Decimal(_count(usage, "cost_in_usd_ticks")).scaleb(-10)
    cost = usage.get("cost")
    if cost is None or usage.get("is_byok") is True:
        return None
    if isinstance(cost, bool) or not isinstance(cost, (int, float, Decimal)):
        raise ValueError(f"usage: cost: {cost!r} is not a number")  # noqa: TRY004  as a count
    # A float is written as the shortest decimal that it can be: the one that was sent.
    found = Decimal(str(cost))
    if not found.is_finite() or found < 0:
        raise ValueError(f"usage: cost: {cost} is not an amount")
    return found


def _response_and_usage(reported: object, key: str) -> tuple[Reported, Reported]:
    """The response, or an empty one, and its usage object."""
    whole = _decoded(reported)
    for name in ("response", "message"):  # an event of a stream
        if key not in whole and isinstance(whole.get(name), Mapping):
            whole = whole[name]
    if key in whole:
        return whole, _part(whole, key)
    return {}, whole


def _decoded(reported: object) -> Reported:
    """The fields of a decoded JSON object, or of an object of a provider's Python package."""
    if isinstance(reported, Mapping):
        return reported
    dump = getattr(reported, "model_dump", None)  # pydantic, which those packages are made with
    fields = dump(mode="json", by_alias=True) if callable(dump) else None
    if not isinstance(fields, Mapping):
        raise TypeError(f"usage: a {type(reported).__name__} is no usage object")
    return fields


def _part(fields: Reported, *keys: str) -> Reported:
    """The object under the first of *keys* that is there; an empty one if none is."""
    for key in keys:
        found = fields.get(key)
        if found is not None:
            if not isinstance(found, Mapping):
                raise ValueError(f"usage: {key}: {found!r} is not an object")
            return found
    return {}


def _list(fields: Reported, key: str) -> list[Reported]:
    found = fields.get(key)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(entry, Mapping) for entry in found):
        raise ValueError(f"usage: {key}: not a list of objects")
    return found


def _text(fields: Reported, key: str) -> str | None:
    found = fields.get(key)
    if found is not None and not isinstance(found, str):
        raise ValueError(f"usage: {key}: {found!r} is not a string")
    return found


def _tier(fields: Reported, key: str) -> str | None:
    """The name of a service tier as cards spell it; None for the standard tier."""
    # Vertex AI writes ON_DEMAND_PRIORITY.
    tier = (_text(fields, key) or "").lower().removeprefix("on_demand_")
    return None if tier in _STANDARD_TIERS else tier or None


def _count(fields: Reported, *keys: str) -> int:
    """The count under the first of *keys* that is there; zero if none is."""
    for key in keys:
        count = fields.get(key)
        if count is not None:
            if type(count) is not int or count < 0:
                shown = str(count) if isinstance(count, Decimal) else repr(count)
                raise ValueError(f"usage: {key}: {shown} is not a whole number")
            return count
    return 0


def _total(fields: Reported, *keys: str) -> int:
    if all(fields.get(key) is None for key in keys):
        raise ValueError(f"usage: no {' or '.join(keys)}")
    return _count(fields, *keys)


def _of_modality(details: Iterable[Reported], *modalities: str) -> int:
    return sum(
        _count(entry, "tokenCount") for entry in details if entry.get("modality") in modalities
    )
