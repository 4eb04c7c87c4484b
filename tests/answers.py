"""Answers that the mutation tests break: recorded files and built answers.

A built answer is small and has every kind of price that its provider is known to publish. Its rows
are made up in the provider's format.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pricing_sync.prices.rates import Source
from pricing_sync.sources.formats import genai_prices, litellm
from pricing_sync.sources.provider import Provider
from pricing_sync.sources.providers import built_in
from pricing_sync.sources.providers.catalog import catalog_provider

from recorded import sample


@dataclass(frozen=True)
class Sample:
    """One answer: its provider, and the path to its rows."""

    provider: str
    rows: tuple[str | int, ...]
    file: str = ""
    built: Any = None
    #: Text around a recorded row or array, to make a whole answer of it.
    template: str = "{}"
    #: Selects the part of the document that is tested.
    part: Callable[[Any], Any] = lambda document: document
    #: Substrings of findings that are correct behaviour; the reason is next to each constant.
    accepted: tuple[str, ...] = ()

    def body(self) -> bytes:
        if not self.file:
            return json.dumps(self.built).encode()
        before, after = self.template.split("{}")
        return before.encode() + sample(self.file) + after.encode()

    def __str__(self) -> str:
        return f"{self.provider} {self.file}".strip()


_CATALOGS: dict[str, Callable[[bytes, str], Any]] = {
    "litellm": litellm.read,
    "genai-prices": genai_prices.read,
}


def provider_of(sample: Sample) -> Provider:
    """The built-in provider, or for `CATALOG:ID` a provider that is read from the catalog."""
    catalog, _, name = sample.provider.rpartition(":")
    if not catalog:
        return built_in()[name]
    if catalog == "models.dev":
        return catalog_provider(name)
    read = _CATALOGS[catalog]
    return Provider(
        id=name,
        name=name,
        url="https://catalog.example/",
        decode=lambda body: read(body, name),
        source=Source.CATALOG,
    )


def _openrouter(*pricings: dict[str, Any]) -> dict[str, Any]:
    return {"data": [{"id": f"a/m{n}", "pricing": pricing} for n, pricing in enumerate(pricings)]}


_MODELS_DEV = {
    "models": {
        "m0": {
            "id": "m0",
            "limit": {"context": 1000000},
            "cost": {
                "input": 1.25,
                "output": 10,
                "cache_read": 0.125,
                "input_audio": 3,
                "context_over_200k": {"input": 2.5, "output": 15},
                "tiers": [
                    {"input": 2, "output": 12, "tier": {"type": "context", "size": 32000}},
                    {"input": 2.5, "output": 15, "tier": {"type": "context", "size": 200000}},
                ],
            },
            "experimental": {"modes": {"fast": {"cost": {"input": 99, "output": 99}}}},
        },
        "m1": {"cost": {"input": 0.5, "output": 1}},
        "m2-free": {"cost": {"input": 0, "output": 0}},
    }
}
# Without its tiers, a model has its long price from the old field: above 200,000.
_LEGACY = ("cost.tiers deleted", "cost.tiers renamed", "cost.tiers null")

_ALIBABA = {
    "success": True,
    "code": None,
    "message": None,
    "output": {
        "total": 2,
        "page_no": 1,
        "page_size": 100,
        "models": [
            {
                "model": "m0",
                "prices": [
                    {
                        "range_name": name,
                        "prices": [
                            {"type": kind, "price": price, "price_unit": "Per 1M tokens"}
                            for kind, price in (
                                ("input_token", start),
                                ("output_token", "8"),
                                ("thinking_output_token", "9"),
                                ("input_token_batch", "0.5"),
                                ("output_token_batch", "4"),
                            )
                        ],
                    }
                    for name, start in (("Input<=32k", "1"), ("32k<Input<=128k", "2"))
                ],
            },
            {
                "model": "m1",
                "prices": [
                    {
                        "range_name": "Default",
                        "prices": [
                            {
                                "type": "image_number",
                                "price": "0.04",
                                "price_unit": "Per image",
                                "time_band": "standard",
                            }
                        ],
                    }
                ],
            },
        ],
    },
}
# The days are optional: without them, an entry applies on every day.
_ANY_DAY = ("utc_days deleted", "utc_days null", "utc_days []", "utc_days.0 deleted")
_ANY_WEEKDAY = ("weekdays deleted", "weekdays null", "weekdays.")
# Without a time zone, the weekdays are in UTC.
_NO_ZONE = ("weekday_timezone deleted", "weekday_timezone null")
# If two fields of one meter disagree, neither is used; if one is removed, the other is used.
_ONE_WAY = tuple(f"cost_per_image {how}" for how in ("deleted", "renamed", "null"))

# Without a discount, the listed price is charged.
_NO_DISCOUNT = tuple(f"pricing.discount {how}" for how in ("deleted", "renamed", "null"))
# These fields show that the number next to them is not the whole price. Without them it counts as
# the whole price.
_NO_PROSE = ("pricing.full",)
_NO_MATRIX = tuple(f"image_dimension_quality_pricing {how}" for how in ("deleted", "renamed"))

BUILT = [
    Sample(
        "openrouter",
        ("data",),
        accepted=_ANY_DAY,
        built=_openrouter(
            {
                "prompt": "0.000001",
                "completion": "0.000002",
                "request": "0.5",
                "image": "0.004",
                "discount": 0.5,
                "overrides": [
                    {"min_prompt_tokens": 32000, "prompt": "0.000003", "completion": "0.000004"},
                    {"utc_start": 2230, "utc_end": 600, "utc_days": ["sat"], "prompt": "0.000005"},
                ],
            },
            {"prompt": "0.000007", "completion": "0.000008", "image": "0.000007"},
            {"prompt": "-1", "completion": "-1"},
        ),
    ),
    Sample(
        "featherless",
        ("data",),
        built={
            "data": [
                {
                    "id": f"a/m{n}",
                    "pricing": {
                        "prompt": f"0.00000{n}",
                        "completion": f"0.0000{n}",
                        "input": n,
                        "output": n * 10,
                        "image": "0",
                        "request": "0.01",
                    },
                }
                for n in (3, 4)
            ],
            "pagination": {"current_page": 1, "total_pages": 1, "total_items": 2},
        },
    ),
    Sample(
        "nearai",
        ("models",),
        built={
            "limit": 100,
            "offset": 0,
            "total": 2,
            "models": [
                {
                    "modelId": "a/m0",
                    "inputCostPerToken": {"amount": 850, "scale": 9, "currency": "USD"},
                    "outputCostPerToken": {"amount": 3300, "scale": 9, "currency": "USD"},
                    "cacheReadCostPerToken": {"amount": 0, "scale": 9, "currency": "USD"},
                    "costPerImage": {"amount": 40000000, "scale": 9, "currency": "USD"},
                },
                {
                    "modelId": "a/m1",
                    "inputCostPerToken": {"amount": 2000, "scale": 9, "currency": "USD"},
                    "textPricing": {
                        "version": 1,
                        "currency": "USD",
                        "unit": "million_tokens",
                        "longContextThreshold": 272000,
                        "tiers": {
                            "default": {
                                "short": {"uncachedInput": "2", "cachedInput": "1", "output": "8"},
                                "long": {"uncachedInput": "4", "output": "16"},
                            },
                            "flex": {"short": {"uncachedInput": "1.5", "output": "6"}},
                        },
                    },
                },
            ],
        },
    ),
    Sample(
        "together",
        (),
        built=[
            {
                "id": "a/m0",
                "type": "chat",
                "pricing": {"hourly": 0, "input": 0.18, "output": 0.2, "cached_input": 0.05},
            },
            {"id": "a/m1", "type": "audio", "pricing": {"input": 65, "output": 0}},
            {"id": "a/m2-Free", "type": "chat", "pricing": {"input": 0, "output": 0}},
        ],
    ),
    Sample(
        "fireworks",
        ("data",),
        built={
            "data": [
                {
                    "id": f"accounts/a/models/{name}",
                    "serverless_mode": mode,
                    "usage_identifier": f"accounts/a/routers/{name}-{mode}",
                    "pricing": [
                        {"sku": f"LLM {kind}", "amount": amount, "unit": "1M tokens"}
                        for kind, amount in (
                            ("input tokens (uncached)", start),
                            ("input tokens (cached)", "0.25"),
                            ("output tokens", "15"),
                        )
                    ],
                }
                for name, mode, start in (
                    ("m0", "standard", "3"),
                    ("m1", "priority", "3.75"),
                    ("m2", "fast", "4.5"),
                )
            ],
        },
    ),
    Sample("alibaba-cloud", ("output", "models"), built=_ALIBABA),
    Sample("alibaba-cloud-cn", ("output", "models"), built=_ALIBABA),
    Sample(
        "deepinfra",
        (),
        accepted=_NO_DISCOUNT + _NO_PROSE,
        built=[
            {
                "model_name": "a/m0",
                "type": "text-generation",
                "pricing": {
                    "type": "tokens",
                    "cents_per_input_token": 0.00013,
                    "cents_per_output_token": 0.00026,
                    "rate_per_input_token_cached": 0.5,
                    "rate_per_input_token_cache_write": None,
                    "rate_per_explicit_cache_write_token": {"5m": 1.25, "1h": 2.0},
                    "discount": 0.25,
                    "rate_per_service_tier_priority": 1.5,
                    "rate_per_service_tier_flex": 0.5,
                },
            },
            {"model_name": "a/m1", "pricing": {"type": "time", "cents_per_sec": 0.001}},
            {
                "model_name": "a/m2",
                "pricing": {
                    "type": "tokens",
                    "cents_per_input_token": 0.00012,
                    "full": "$1.2 in <= 32K, $2.4 in <= 128K",
                },
            },
        ],
    ),
    Sample(
        "cerebras",
        ("data",),
        built={
            "data": [
                {
                    "id": f"m{n}",
                    "pricing": {"prompt": f"0.0000003{n}", "completion": "0.00000075"},
                    "deprecated": False,
                }
                for n in (1, 2)
            ]
        },
    ),
    Sample(
        "novita",
        ("data",),
        built={
            "data": [
                {
                    "id": "a/m0",
                    "status": 1,
                    "input_token_price_per_m": 2800,
                    "output_token_price_per_m": 11400,
                    "pricing": {
                        "prompt": {"price_per_m": 2800, "price_per_m_decimal": "0.28"},
                        "input_cache_read": {"price_per_m": 1400},
                    },
                },
                {
                    "id": "a/m1",
                    "status": 1,
                    "input_token_price_per_m": 0,
                    "output_token_price_per_m": 0,
                    "is_tiered_billing": True,
                    "tiered_billing_configs": [
                        {
                            "min_tokens": start,
                            "pricing": {
                                "prompt": {"price_per_m": price},
                                "completion": {"price_per_m": price * 3},
                            },
                        }
                        for start, price in ((0, 3000), (32000, 6000))
                    ],
                },
            ]
        },
    ),
    Sample(
        "xai",
        ("models",),
        built={
            "models": [
                {
                    "id": "m0",
                    "aliases": ["m0-latest"],
                    "prompt_text_token_price": 20000,
                    "cached_prompt_text_token_price": 2000,
                    "prompt_image_token_price": 0,
                    "completion_text_token_price": 80000,
                    "search_price": 250000000,
                    "prompt_text_token_price_long_context": 40000,
                    "cached_prompt_text_token_price_long_context": 0,
                    "completion_text_token_price_long_context": 160000,
                    "long_context_threshold": 128000,
                },
                {
                    "id": "m1",
                    "aliases": [],
                    "prompt_text_token_price": 12500,
                    "completion_text_token_price": 25000,
                },
            ]
        },
    ),
    Sample(
        "cloudflare-workers-ai",
        ("result",),
        built={
            "success": True,
            "errors": [],
            "result_info": {"page": 1, "per_page": 100, "total_count": 245},
            "result": [
                {
                    "id": f"0000-{name}",
                    "name": f"@cf/a/{name}",
                    "properties": [
                        {"property_id": "context_window", "value": "262144"},
                        {
                            "property_id": "price",
                            "value": [
                                {"unit": unit, "price": price, "currency": "USD"}
                                for unit, price in units
                            ],
                        },
                    ],
                }
                for name, units in (
                    ("m0", [("per M input tokens", 0.95), ("per M output tokens", 4)]),
                    ("m1", [("per audio minute", 0.0005)]),
                    ("m2", [("per step", 0.01), ("per 512 by 512 tile", 0.02)]),
                )
            ],
        },
    ),
    Sample(
        "nebius",
        ("data",),
        built={
            "data": [
                {
                    "id": f"a/m{n}",
                    "pricing": {
                        "prompt": f"0.0000000{n}",
                        "completion": "0.00000024",
                        "image": "0",
                        "request": "0",
                        "price_per_minute": "0.006",
                    },
                }
                for n in (5, 6)
            ]
        },
    ),
    Sample(
        "chutes",
        ("data",),
        built={
            "data": [
                {
                    "id": "a/m0",
                    "pricing": {"prompt": 0.3, "completion": 1.2, "input_cache_read": 0.15},
                },
                {"id": "a/m1", "price": {"usd": 0.27216, "tao": 0.00066}},
                {"id": "a/m2", "pricing": {"prompt": 0.5, "completion": 0.5}},
            ]
        },
    ),
    Sample(
        "vercel-ai-gateway",
        ("data",),
        accepted=_NO_MATRIX,
        built={
            "data": [
                {
                    "id": "a/m0",
                    "type": "language",
                    "pricing": {
                        "input": "0.000002",
                        "output": "0.000012",
                        "web_search": "10",
                        "input_tiers": [
                            {"cost": "0.000002", "min": 0, "max": 200001},
                            {"cost": "0.000004", "min": 200001},
                        ],
                        "service_tiers": {
                            "flex": {
                                "input": "0.000001",
                                "long_context": {"threshold": 200000, "input": "0.000003"},
                            }
                        },
                    },
                },
                {
                    "id": "a/m1",
                    "type": "image",
                    "pricing": {
                        "image": "0.04",
                        "image_dimension_quality_pricing": [{"size": "1024x1024", "cost": "0.04"}],
                    },
                },
                {"id": "a/m2", "type": "embedding", "pricing": {"input": "0.0000001"}},
            ]
        },
    ),
    Sample(
        "venice",
        ("data",),
        built={
            "data": [
                {
                    "id": "m0",
                    "type": "text",
                    "model_spec": {
                        "pricing": {
                            "input": {"usd": 0.5, "diem": 5},
                            "output": {"usd": 2, "diem": 20},
                            "extended": {
                                "context_token_threshold": 200000,
                                "input": {"usd": 1, "diem": 10},
                            },
                        }
                    },
                },
                {"id": "m1", "type": "tts", "model_spec": {"pricing": {"input": {"usd": 3.5}}}},
                {
                    "id": "m2",
                    "type": "image",
                    "model_spec": {
                        "pricing": {"generation": {"usd": 0.01}, "upscale": {"2x": {"usd": 0.02}}}
                    },
                },
            ]
        },
    ),
    Sample("groq", ("groq", "models"), built={"groq": _MODELS_DEV}, accepted=_LEGACY),
    Sample(
        "google-vertex",
        ("google-vertex", "models"),
        built={"google-vertex": _MODELS_DEV},
        accepted=_LEGACY,
    ),
    Sample(
        "litellm:p",
        (),
        accepted=_ANY_WEEKDAY + _NO_ZONE,
        built={
            "p/m0": {
                "litellm_provider": "p",
                "mode": "chat",
                "max_input_tokens": 1000000,
                "input_cost_per_token": 1e-06,
                "output_cost_per_token": 2e-06,
                "output_cost_per_image": 0.04,
                "input_cost_per_image": 0.0,
                "search_context_cost_per_query": {"search_context_size_low": 0.01},
                "input_cost_per_token_above_200k_tokens": 3e-06,
                "input_cost_per_token_batches": 5e-07,
                "input_cost_per_token_above_200k_tokens_priority": 6e-06,
                "regional_processing_uplift_multiplier_eu": 1.1,
                "off_peak_pricing": {
                    "hours_utc": "16:30-00:30",
                    "windows": [{"hours_utc": ["00:00-01:00"], "weekdays": [1, 5]}],
                    "weekday_timezone": "Asia/Shanghai",
                    "input_cost_per_token": 2.5e-07,
                },
            },
            "p/m1": {
                "litellm_provider": "p",
                "tiered_pricing": [
                    {"range": [0, 32000], "input_cost_per_token": 1e-06},
                    {"range": [32000, 128000], "input_cost_per_token": 2e-06},
                ],
            },
        },
    ),
    Sample(
        "genai-prices:p",
        (0, "models"),
        built=[
            {
                "id": "p",
                "models": [
                    {
                        "id": "m0",
                        "prices": [
                            {"prices": {"input_mtok": 1, "output_mtok": 2}},
                            {
                                "constraint": {"start_date": "2026-01-01"},
                                "prices": {
                                    "input_mtok": {
                                        "base": 3,
                                        "tiers": [{"start": 200000, "price": 5}],
                                    },
                                    "web_searches_kcount": 10,
                                },
                            },
                            {
                                "constraint": {"start_time": "00:30:00Z", "end_time": "16:30:00Z"},
                                "prices": {"input_mtok": 4},
                            },
                        ],
                        "price_variants": [
                            {"when": {"processing": "batch"}, "prices": {"input_mtok": 1.5}}
                        ],
                    },
                    {"id": "m1", "prices": {"input_mtok": 7}},
                ],
            }
        ],
    ),
]


def _only(**condition: str) -> Callable[[Any], Any]:
    """Selects the rows of a catalog whose field has the given value."""
    [(field, value)] = condition.items()
    return lambda document: (
        {key: row for key, row in document.items() if row.get(field) == value}
        if isinstance(document, dict)
        else [row for row in document if row[field] == value]
    )


def _models_dev(provider: str) -> Sample:
    return Sample(
        provider if provider in built_in() else f"models.dev:{provider}",
        (provider, "models"),
        file="models.dev/2026-05-14-api.json",
        part=lambda document: {provider: document[provider]},
        accepted=_LEGACY,
    )


_DAYS = ("2025-05-23", "2026-05-22", *(f"2026-07-{day}" for day in range(17, 26)))

RECORDED = [
    *(
        Sample("openrouter", ("data",), f"openrouter/{day}.json", template=template)
        for day in _DAYS
        for template in (("{}",) if day < "2026-07" else ('{"data":{}}',))
    ),
    Sample(
        "featherless",
        ("data",),
        "featherless/2026-09-26-one-model.json",
        template='{"data":[{}],"pagination":{"current_page":1,"total_pages":1,"total_items":1}}',
    ),
    Sample(
        "nearai",
        ("models",),
        "nearai/2026-model-list-third-party-fixture.json",
        part=lambda document: {**document, "total": 0},  # the file has no total; 0 skips the check
    ),
    Sample("together", (), "together/2025-07-25-v1-models.json"),
    Sample("fireworks", ("data",), "fireworks/2026-10-08-v1-serverless-models.json"),
    Sample(
        "alibaba-cloud-cn",
        ("output", "models"),
        "alibaba-cloud/2026-09-list-models-docs-example.json",
    ),
    Sample(
        "alibaba-cloud-cn",
        ("output", "models"),
        "alibaba-cloud/2026-09-19-prices-array-beijing.json",
        template='{"success":true,"output":{"total":1,"page_no":1,"page_size":100,'
        '"models":[{"model":"MiniMax-M2.1","prices":{}}]}}',
    ),
    Sample("deepinfra", ("data",), "deepinfra/2026-03-01-v1-openai-models.json"),
    Sample("deepinfra", (), "deepinfra/2026-05-12-models-list-one-row.json"),
    Sample("deepinfra", (), "deepinfra/2026-09-models-list-excerpt.json"),
    Sample("cerebras", ("data",), "cerebras/2026-08-public-v1-models-excerpt.json"),
    Sample("cerebras", ("data",), "cerebras/2026-public-v1-models-one-full-row.json"),
    Sample("novita", ("data",), "novita/2025-07-25-openai-v1-models.json"),
    Sample("xai", ("models",), "xai/2026-language-models-docs-example.json"),
    Sample("xai", ("data",), "xai/2026-v1-models-docs-example.json"),
    Sample(
        "cloudflare-workers-ai",
        ("result",),
        "cloudflare-workers-ai/2026-05-07-ai-models-search.json",
    ),
    Sample("nebius", ("data",), "nebius/2026-09-23-v1-models-verbose-excerpt.json"),
    Sample("chutes", ("data",), "chutes/2025-07-25-v1-models.json"),
    Sample("vercel-ai-gateway", ("data",), "vercel/2025-07-25-v1-models.json"),
    Sample("vercel-ai-gateway", ("data",), "vercel/2026-v1-models-docs-example.json"),
    Sample("venice", ("data",), "venice/2025-07-25-v1-models.json"),
    *map(_models_dev, ("groq", "google-vertex", "302ai", "openai", "opencode")),
    *(
        Sample(
            f"litellm:{provider}",
            (),
            "litellm/2026-10-model-prices.json",
            part=_only(litellm_provider=provider),
            accepted=_ANY_WEEKDAY + _NO_ZONE + _ONE_WAY,
        )
        for provider in ("openai", "tencent", "dashscope", "xai", "gemini")
    ),
    *(
        Sample(
            f"genai-prices:{provider}",
            (0, "models"),
            "genai-prices/2026-08-21-v2-data.json",
            part=_only(id=provider),
            accepted=("prices.1 deleted",),  # then the earlier price applies
        )
        for provider in ("anthropic", "deepseek", "openai")
    ),
]
