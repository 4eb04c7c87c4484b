"""Usage as providers document it (pages read 2026-11-25), and what it is in our meters."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from pricing_sync.prices.cost import cost
from pricing_sync.prices.rates import Meter, Per, Rate, RateCard
from pricing_sync.prices.reported_usage import CONVENTIONS
from pricing_sync.prices.usage import Usage

#: developers.openai.com/api/docs/guides/prompt-caching: Chat Completions.
OPENAI_CHAT = {
    "prompt_tokens": 2006,
    "completion_tokens": 300,
    "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920},
    "completion_tokens_details": {
        "reasoning_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
#: github.com/dotnet/extensions/issues/7635: recorded Responses of GPT-5.6, 2026-07-16.
OPENAI_RESPONSES = {
    "input_tokens": 9658,
    "input_tokens_details": {"cache_write_tokens": 9655, "cached_tokens": 0},
    "output_tokens": 42,
    "output_tokens_details": {"reasoning_tokens": 25},
    "total_tokens": 9700,
}
#: platform.openai.com/docs/guides/realtime-costs: `response.done`.
OPENAI_REALTIME = {
    "type": "response.done",
    "response": {
        "usage": {
            "total_tokens": 253,
            "input_tokens": 132,
            "output_tokens": 121,
            "input_token_details": {
                "text_tokens": 119,
                "audio_tokens": 13,
                "image_tokens": 0,
                "cached_tokens": 64,
                "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 0, "image_tokens": 0},
            },
            "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
        }
    },
}
#: platform.openai.com/docs/api-reference/embeddings/create.
OPENAI_EMBEDDINGS = {"usage": {"prompt_tokens": 8, "total_tokens": 8}}
#: platform.openai.com/docs/api-reference/images/create.
OPENAI_IMAGES = {
    "usage": {
        "total_tokens": 100,
        "input_tokens": 50,
        "output_tokens": 50,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    }
}
#: api-docs.deepseek.com/guides/kv_cache: the fields beside the totals.
DEEPSEEK = {
    "prompt_tokens": 1000,
    "completion_tokens": 20,
    "total_tokens": 1020,
    "prompt_cache_hit_tokens": 960,
    "prompt_cache_miss_tokens": 40,
}
#: platform.claude.com/docs/en/build-with-claude/prompt-caching: two lifetimes.
ANTHROPIC = {
    "input_tokens": 2048,
    "cache_read_input_tokens": 1800,
    "cache_creation_input_tokens": 248,
    "output_tokens": 503,
    "cache_creation": {"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100},
}
#: A response of Claude with thinking, in the shape of 2026: nulls, tier, tools.
ANTHROPIC_RESPONSE = {
    "id": "msg_1",
    "type": "message",
    "usage": {
        "input_tokens": 2,
        "cache_creation_input_tokens": 31874,
        "cache_read_input_tokens": 4862,
        "cache_creation": {"ephemeral_1h_input_tokens": 31874, "ephemeral_5m_input_tokens": 0},
        "inference_geo": "not_available",
        "iterations": None,
        "output_tokens": 6021,
        "output_tokens_details": {"thinking_tokens": 4585},
        "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 0},
        "service_tier": "batch",
    },
}
#: platform.claude.com/docs/en/build-with-claude/compaction-threshold: all iterations are billed.
ANTHROPIC_COMPACTION = {
    "input_tokens": 23000,
    "output_tokens": 1000,
    "iterations": [
        {"type": "compaction", "input_tokens": 180000, "output_tokens": 3500},
        {"type": "message", "input_tokens": 23000, "output_tokens": 1000},
    ],
}
#: A recorded response of gemini-2.5-flash with thoughts and an implicit cache; the counts are
#: described at googleapis.github.io/js-genai, GenerateContentResponseUsageMetadata.
GEMINI = {
    "usageMetadata": {
        "promptTokenCount": 855,
        "candidatesTokenCount": 216,
        "totalTokenCount": 1679,
        "cachedContentTokenCount": 568,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 855}],
        "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 568}],
        "thoughtsTokenCount": 608,
    },
    "modelVersion": "gemini-2.5-flash",
}
#: Built from the same description: every modality, the results of tools, and a tier.
GEMINI_EVERYTHING = {
    "promptTokenCount": 1000,
    "cachedContentTokenCount": 300,
    "candidatesTokenCount": 70,
    "toolUsePromptTokenCount": 50,
    "thoughtsTokenCount": 30,
    "totalTokenCount": 1150,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 400},
        {"modality": "AUDIO", "tokenCount": 200},
        {"modality": "IMAGE", "tokenCount": 250},
        {"modality": "DOCUMENT", "tokenCount": 50},
        {"modality": "VIDEO", "tokenCount": 100},
    ],
    "cacheTokensDetails": [
        {"modality": "TEXT", "tokenCount": 190},
        {"modality": "AUDIO", "tokenCount": 60},
        {"modality": "IMAGE", "tokenCount": 50},
    ],
    "toolUsePromptTokensDetails": [{"modality": "AUDIO", "tokenCount": 5}],
    "candidatesTokensDetails": [
        {"modality": "TEXT", "tokenCount": 10},
        {"modality": "AUDIO", "tokenCount": 20},
        {"modality": "IMAGE", "tokenCount": 40},
    ],
    "trafficType": "ON_DEMAND_PRIORITY",
}
#: openrouter.ai/docs/use-cases/usage-accounting.
OPENROUTER = {
    "object": "chat.completion.chunk",
    "usage": {
        "completion_tokens": 2,
        "completion_tokens_details": {"reasoning_tokens": 0},
        "cost": 0.95,
        "cost_details": {"upstream_inference_cost": 19},
        "prompt_tokens": 194,
        "prompt_tokens_details": {
            "cached_tokens": 0,
            "cache_write_tokens": 100,
            "audio_tokens": 0,
        },
        "total_tokens": 196,
    },
}
#: docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html, its fields.
BEDROCK = {
    "usage": {
        "inputTokens": 30,
        "outputTokens": 628,
        "totalTokens": 2658,
        "cacheReadInputTokens": 1500,
        "cacheWriteInputTokens": 500,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 200}, {"ttl": "5m", "inputTokens": 300}],
    },
    "serviceTier": {"type": "priority"},
}
#: docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/grok/capabilities/reasoning:
#: the total is the sum of prompt, completion and reasoning.
XAI = {
    "completion_tokens": 50,
    "completion_tokens_details": {
        "accepted_prediction_tokens": 0,
        "audio_tokens": 0,
        "reasoning_tokens": 124,
        "rejected_prediction_tokens": 0,
    },
    "cost_in_usd_ticks": 0,
    "num_sources_used": 0,
    "prompt_tokens": 663,
    "prompt_tokens_details": {
        "audio_tokens": 0,
        "cached_tokens": 654,
        "image_tokens": 0,
        "text_tokens": 663,
    },
    "total_tokens": 837,
}

#: console.groq.com/docs/api-reference: Chat Completions, and its word for the standard tier.
GROQ = {
    "usage": {
        "queue_time": 0.037493756,
        "prompt_tokens": 18,
        "prompt_time": 0.000680594,
        "completion_tokens": 556,
        "completion_time": 0.463333333,
        "total_tokens": 574,
        "total_time": 0.464013927,
    },
    "service_tier": "on_demand",
}

GOLDEN: list[tuple[str, dict[str, Any], Usage]] = [
    ("openai", OPENAI_CHAT, Usage(input=2006, cache_read=1920, output=300)),
    (
        "openai",
        OPENAI_RESPONSES,
        Usage(input=9658, cache_write=9655, output=42, reasoning=25),
    ),
    (
        "openai",
        {"usage": OPENAI_RESPONSES, "service_tier": "flex"},
        Usage(input=9658, cache_write=9655, output=42, reasoning=25, service_tier="flex"),
    ),
    (
        "openai",
        OPENAI_REALTIME,
        Usage(input=132, cache_read=64, input_audio=13, output=121, output_audio=91),
    ),
    ("openai", OPENAI_EMBEDDINGS, Usage(input=8)),
    ("openai", OPENAI_IMAGES, Usage(input=50, input_image=40, output=50)),
    ("openai", GROQ, Usage(input=18, output=556)),
    ("openai", DEEPSEEK, Usage(input=1000, cache_read=960, output=20)),
    ("openai", XAI, Usage(input=663, cache_read=654, output=174, reasoning=124)),
    ("xai", XAI, Usage(input=663, cache_read=654, output=174, reasoning=124)),
    (
        "anthropic",
        ANTHROPIC,
        Usage(input=4096, cache_read=1800, cache_write=248, cache_write_1h=100, output=503),
    ),
    (
        "anthropic",
        ANTHROPIC_RESPONSE,
        Usage(
            input=36738,
            cache_read=4862,
            cache_write=31874,
            cache_write_1h=31874,
            output=6021,
            reasoning=4585,
            web_search=3,
            service_tier="batch",
        ),
    ),
    ("anthropic", ANTHROPIC_COMPACTION, Usage(input=203000, output=4500)),
    (
        "anthropic",
        {"input_tokens": 5, "output_tokens": 7, "service_tier": "standard", "speed": "fast"},
        Usage(input=5, output=7, service_tier="fast"),
    ),
    ("gemini", GEMINI, Usage(input=855, cache_read=568, output=824, reasoning=608)),
    (
        "gemini",
        GEMINI_EVERYTHING,
        Usage(
            input=1050,
            cache_read=300,
            cache_read_audio=60,
            input_audio=145,
            input_image=250,
            output=100,
            reasoning=30,
            output_audio=20,
            output_image=40,
            service_tier="priority",
        ),
    ),
    (
        "gemini",
        {"promptTokenCount": 7, "serviceTier": "SERVICE_TIER_UNSPECIFIED"},
        Usage(input=7),
    ),
    ("gemini", {"promptTokenCount": 7, "trafficType": "ON_DEMAND"}, Usage(input=7)),
    (
        "gemini",
        {"promptTokenCount": 7, "trafficType": "PROVISIONED_THROUGHPUT"},
        Usage(input=7, service_tier="provisioned_throughput"),
    ),
    ("gemini", {"promptTokenCount": 7, "serviceTier": "FLEX"}, Usage(input=7, service_tier="flex")),
    ("openrouter", OPENROUTER, Usage(input=194, cache_write=100, output=2)),
    (
        "openrouter",
        {"prompt_tokens": 5, "completion_tokens": 2, "server_tool_use": {"web_search_requests": 2}},
        Usage(input=5, output=2, web_search=2),
    ),
    (
        "bedrock",
        BEDROCK,
        Usage(
            input=2030,
            cache_read=1500,
            cache_write=500,
            cache_write_1h=200,
            output=628,
            service_tier="priority",
        ),
    ),
]


@pytest.mark.parametrize(("convention", "reported", "usage"), GOLDEN)
def test_documented_usage_in_our_meters(
    convention: str, reported: dict[str, Any], usage: Usage
) -> None:
    """By the name of the convention and by the method of that name."""
    assert usage == Usage.reported_as(convention, reported)
    assert usage == getattr(Usage, f"from_{convention}")(reported)


def test_anthropics_own_figures_are_not_totals() -> None:
    """2,048 at 3, 1,800 read at 0.3, 148 written at 3.75 and 100 at 6, 503 out at 15."""
    claude = RateCard(
        {
            Meter.INPUT: Rate.of(3, Per.MILLION),
            Meter.OUTPUT: Rate.of(15, Per.MILLION),
            Meter.CACHE_READ: Rate.of("0.3", Per.MILLION),
            Meter.CACHE_WRITE: Rate.of("3.75", Per.MILLION),
            Meter.CACHE_WRITE_1H: Rate.of(6, Per.MILLION),
        }
    )
    priced = cost(claude, Usage.from_anthropic(ANTHROPIC), datetime(2026, 11, 25, tzinfo=UTC))
    assert Decimal("0.015384") == priced.total


class Packaged:
    """An object of a provider's Python package, which is made with pydantic."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields

    def model_dump(self, *, mode: str, by_alias: bool) -> dict[str, Any]:
        assert ("json", True) == (mode, by_alias)
        return self.fields


@pytest.mark.parametrize(("convention", "reported", "usage"), GOLDEN)
def test_objects_of_the_providers_packages(
    convention: str, reported: dict[str, Any], usage: Usage
) -> None:
    """They are read as the JSON that they were made from."""
    assert usage == Usage.reported_as(convention, Packaged(reported))


#: The total of the input in each convention.
INPUT = {
    "openai": "prompt_tokens",
    "anthropic": "input_tokens",
    "gemini": "promptTokenCount",
    "openrouter": "prompt_tokens",
    "bedrock": "inputTokens",
    "xai": "prompt_tokens",
}


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("count", [True, 1.5, "12", -1, [], {}])
def test_a_count_is_a_whole_number(convention: str, count: object) -> None:
    """It is not guessed from anything else."""
    with pytest.raises(ValueError, match=f"usage: {INPUT[convention]}: .* not a whole number"):
        Usage.reported_as(convention, {INPUT[convention]: count})


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_usage_without_input_is_refused(convention: str) -> None:
    """An unknown quantity is not zero."""
    for nothing in ({}, {"usage": None}, {INPUT[convention]: None}):
        with pytest.raises(ValueError, match=f"usage: no .*{INPUT[convention]}"):
            Usage.reported_as(convention, nothing)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("junk", [None, 1, "usage", b"{}", [1]])
def test_what_is_no_object_is_refused(convention: str, junk: object) -> None:
    """With an error that the caller can name."""
    with pytest.raises(TypeError, match="is no usage object"):
        Usage.reported_as(convention, junk)


@pytest.mark.parametrize(
    ("convention", "reported", "why"),
    [
        ("openai", {"usage": 1}, "usage: usage: 1 is not an object"),
        ("openai", {"prompt_tokens": 1, "prompt_tokens_details": []}, "not an object"),
        ("openai", {"usage": {"prompt_tokens": 1}, "service_tier": 1}, "1 is not a string"),
        ("gemini", {"promptTokenCount": 1, "promptTokensDetails": [1]}, "not a list of objects"),
        ("gemini", {"promptTokenCount": 1, "cachedContentTokenCount": 2}, "1 more than the total"),
        ("anthropic", {"output_tokens": 1}, "no input_tokens"),
        ("anthropic", {"input_tokens": 1}, "no output_tokens"),
        (
            "anthropic",
            {
                "input_tokens": 1,
                "output_tokens": 1,
                "iterations": [{"type": "advisor_message", "input_tokens": 9, "output_tokens": 9}],
            },
            "iterations of the type 'advisor_message'",
        ),
    ],
)
def test_contradictions_are_refused(convention: str, reported: dict[str, Any], why: str) -> None:
    """Parts beyond their total, fields of another kind, and tokens of another model."""
    with pytest.raises(ValueError, match=why):
        Usage.reported_as(convention, reported)
