"""Which columns of a usage file hold what: names, sums of names, and the logs of known tools.

A column is given by its name, or as `name.key.key` inside JSON or a struct. `a|b` is the first of
them that has a value; `a + b` and `a - b` are sums of counts. What a file does not have of a preset
is left out; what a person names must be there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pricing_sync.errors import SettingsError
from pricing_sync.prices.rates import Meter

#: The fields that are no meters. `requests` is how many requests a row is the sum of. `batch` is
#: true for the service tier `batch`.
OTHER_FIELDS = (
    *("provider", "model", "at", "service_tier", "region"),
    *("cost", "currency", "requests", "batch"),
)
FIELDS = (*OTHER_FIELDS, *(meter.value for meter in Meter))
#: Without these no row has a price.
REQUIRED = ("provider", "model", "at")


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns hold what, by field."""

    #: Those that a file may lack.
    usual: Mapping[str, str] = field(default_factory=lambda: {name: name for name in FIELDS})
    #: Those that it must have.
    named: Mapping[str, str] = field(default_factory=dict)
    #: The provider of all rows, when no column says it.
    provider: str | None = None


def _of_langfuse(*keys: str) -> str:
    """The sum of some keys of the usage details, which both kinds of export spell differently."""
    return " + ".join(f"usage_details.{key}|usageDetails.{key}" for key in keys)


def _of_litellm(*paths: str) -> str:
    return "|".join(
        f"metadata.{place}.{path}"
        for path in paths
        for place in ("additional_usage_values", "usage_object")
    )


_READ = ("input_cached_tokens", "cache_read_input_tokens", "input_cache_read")
_WRITTEN = ("cache_creation_input_tokens", "input_cache_creation")
_REASONED = ("output_reasoning_tokens", "output_reasoning")

#: What the logs of known tools call the fields. What a total includes differs, as in
#: `prices/reported_usage.py`:
#:
#: - LiteLLM's `LiteLLM_SpendLogs`: `prompt_tokens` includes what was read from and written to the
#:   cache at every provider, `completion_tokens` includes reasoning.
#: - Langfuse's observations: the usage details exclude each other, so a total is a sum.
#: - OpenRouter's activity: prompt tokens include cached ones, completion tokens include reasoning.
#: - OpenAI's usage of an organization: `input_tokens` includes cached tokens, audio and images, but
#:   audio and images are without their cached tokens (observed 2026-08-27; the reference of 2025
#:   says the contrary of audio). A row is the sum of many requests. Times are Unix seconds.
PRESETS: Mapping[str, Columns] = {
    "litellm": Columns(
        usual={
            "provider": "custom_llm_provider",
            "model": "model",
            "at": "startTime",
            "cost": "spend",
            "input": "prompt_tokens",
            "output": "completion_tokens",
            "cache_read": _of_litellm(
                "cache_read_input_tokens", "prompt_tokens_details.cached_tokens"
            ),
            "cache_write": _of_litellm("cache_creation_input_tokens"),
            "reasoning": _of_litellm("completion_tokens_details.reasoning_tokens"),
        }
    ),
    "langfuse": Columns(
        usual={
            "model": "provided_model_name|providedModelName|model",
            "at": "start_time|startTime",
            "cost": "total_cost|totalCost",
            "input": _of_langfuse("input", *_READ, *_WRITTEN),
            "output": _of_langfuse("output", *_REASONED),
            "cache_read": _of_langfuse(*_READ),
            "cache_write": _of_langfuse(*_WRITTEN),
            "reasoning": _of_langfuse(*_REASONED),
        }
    ),
    "openrouter": Columns(
        usual={
            "model": "model_permaslug",
            "at": "created_at",
            "cost": "cost_total",
            "input": "tokens_prompt",
            "output": "tokens_completion",
            "cache_read": "tokens_cached",
            "reasoning": "tokens_reasoning",
        },
        provider="openrouter",
    ),
    "openai": Columns(
        usual={
            "model": "model",
            "at": "start_time",
            "batch": "batch",
            "service_tier": "service_tier",
            "requests": "num_model_requests",
            "input": "input_tokens",
            "output": "output_tokens",
            "cache_read": "input_cached_tokens",
            "cache_read_audio": "input_cached_audio_tokens",
            "cache_write": "input_cache_write_tokens",
            "input_audio": "input_audio_tokens",
            "input_image": "input_image_tokens",
            "output_audio": "output_audio_tokens",
            "output_image": "output_image_tokens",
        },
        provider="openai",
    ),
}


def columns(preset: str | None, named: str | None, provider: str | None) -> Columns:
    """The columns of a preset (by default those that are called as the fields), and a person's.

    *named* is `at=created,input=prompt_tokens`.

    Raises:
        SettingsError: there is no such preset or field.
    """
    if preset is not None and preset not in PRESETS:
        raise SettingsError(f"--preset: {preset!r} is none of {', '.join(PRESETS)}")
    base = Columns() if preset is None else PRESETS[preset]
    own: dict[str, str] = {}
    for part in (named or "").split(",") if named else ():
        name, separator, column = (text.strip() for text in part.partition("="))
        if not separator or not column:
            raise SettingsError(f"--columns: {part.strip()!r} is not FIELD=COLUMN")
        if name not in FIELDS:
            raise SettingsError(f"--columns: {name!r} is none of {', '.join(FIELDS)}")
        own[name] = column
    usual = {name: column for name, column in base.usual.items() if name not in own}
    constant = provider or (None if "provider" in own else base.provider)
    return Columns(usual, own, constant)
