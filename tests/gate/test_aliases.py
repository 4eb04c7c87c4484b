"""Which ids name the same model, and which seller a price comes from."""

from __future__ import annotations

import pytest

from pricing_sync.gate import aliases
from pricing_sync.gate.aliases import LEDGER, lineage, names_of, peer_key, tables


@pytest.mark.parametrize(
    ("provider", "model", "key"),
    [
        ("openai", "gpt-4o", "gpt-4o"),
        ("openrouter", "openai/gpt-4o", "gpt-4o"),
        ("groq", "groq/openai/gpt-oss-120b", "gpt-oss-120b"),
        ("cloudflare-workers-ai", "@cf/openai/gpt-oss-120b", "gpt-oss-120b"),
        ("fireworks", "accounts/fireworks/models/kimi-k3", "kimi-k3"),
        ("deepinfra", "zai-org/GLM-4.7", "glm-4.7"),
    ],
)
def test_the_last_part_of_an_id_names_the_model(provider: str, model: str, key: str) -> None:
    """The key is in lower case and does not contain the maker."""
    assert key == peer_key(provider, model)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("fireworks", "accounts/fireworks/models/glm-5p2"), ("zai", "glm-5.2")),
        (("openrouter", "anthropic/claude-sonnet-4.5"), ("anthropic", "claude-sonnet-4-5")),
        (("google-vertex", "claude-haiku-4-5@20251001"), ("anthropic", "claude-haiku-4-5")),
        (("openrouter", "openai/gpt-5-chat"), ("openai", "gpt-5-chat-latest")),
        (("venice", "openai-gpt-54"), ("openai", "gpt-5.4")),
        (("openrouter", "deepseek/deepseek-chat"), ("together", "deepseek-ai/DeepSeek-V3")),
    ],
)
def test_declared_spellings_name_one_model(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Each spelling is an entry of a table; nothing is matched by similarity."""
    assert peer_key(*one) == peer_key(*other) is not None


def test_a_key_finds_every_name_that_has_it() -> None:
    """By these names the database looks for peers, so none may be missing."""
    spelled = {name for names in tables().spellings.values() for name in names}
    named = {"glm-4.7", *tables().spellings, *spelled}
    pairs = {("acme", name) for name in named} | {
        (provider, name) for provider, names in tables().at_provider.items() for name in names
    }
    for provider, name in pairs:
        key = peer_key(provider, name)
        assert key is None or name in names_of(key)
    assert len(spelled) > 50


@pytest.mark.parametrize(
    "model",
    [
        "glm-5",
        "glm-5.20",
        "glm-5.2-air",
        "glm-5.2:thinking",
        "glm-5.2-TEE",
        "glm-5.2-fp8",
        "glm-5.2-turbo",
        "glm-52",
    ],
)
def test_a_similar_id_is_another_model(model: str) -> None:
    """It has another size, another way of serving, or a spelling that is not declared."""
    assert peer_key("acme", "z-ai/glm-5.2") != peer_key("acme", f"z-ai/{model}")


@pytest.mark.parametrize(
    "model",
    [
        "openai/gpt-oss-20b:free",
        "kimi-k2.5-free",
        "~anthropic/claude-sonnet-latest",
        "mistral-large-latest",
        "openrouter/auto",
        "perplexity/search",
        "deepseek-chat",
        "maker/",
        "",
    ],
)
def test_a_free_or_ambiguous_id_has_no_peers(model: str) -> None:
    """Free variants, moving pointers, and names with another meaning elsewhere."""
    assert peer_key("acme", model) is None


def test_every_spelling_has_one_canonical_name() -> None:
    """A canonical name is not a spelling of another name, and no spelling is declared twice."""
    spelled = [other for others in aliases.tables().spellings.values() for other in others]
    canonical = aliases.canonical_names()
    assert len(spelled) == len(set(spelled)) == len(canonical)
    assert set() == canonical.keys() & set(canonical.values())
    assert all(name == name.lower() for name in (*spelled, *canonical.values()))


@pytest.mark.parametrize(
    ("source", "provider", "seller"),
    [
        ("models.dev", "novita-ai", "novita"),
        ("models.dev", "vercel", "vercel-ai-gateway"),
        ("models.dev", "togetherai", "together"),
        ("models.dev", "fireworks-ai", "fireworks"),
        ("models.dev", "alibaba-cn", "alibaba-cloud"),
        ("models.dev", "kilo", "openrouter"),
        ("models.dev", "xai", "xai"),
        ("litellm", "together_ai", "together"),
        ("litellm", "fireworks_ai", "fireworks"),
        ("litellm", "vercel_ai_gateway", "vercel-ai-gateway"),
        ("litellm", "deepinfra", "deepinfra"),
        ("litellm", "gemini", "google-vertex"),
        ("litellm", "vertex_ai-anthropic_models", "google-vertex"),
        ("litellm", "dashscope", "alibaba-cloud"),
        ("litellm", "cloudflare", "cloudflare-workers-ai"),
        ("litellm", "bedrock_converse", "amazon-bedrock"),
        ("genai-prices", "aws", "amazon-bedrock"),
        ("genai-prices", "x-ai", "xai"),
        ("genai-prices", "huggingface_novita", "novita"),
        ("genai-prices", "huggingface_fireworks-ai", "fireworks"),
        (LEDGER, "openrouter", "openrouter"),
        (LEDGER, "novita-ai", "novita"),
        (LEDGER, "alibaba-cloud-cn", "alibaba-cloud"),
    ],
)
def test_a_seller_has_one_id_in_every_catalog(source: str, provider: str, seller: str) -> None:
    """The id is the one that the seller has in this project."""
    assert seller == lineage(source, provider)


def test_a_seller_s_id_is_not_translated_again() -> None:
    """The result for a catalog's name is an id that the ledger uses itself."""
    for catalog in aliases.tables().sellers:
        for seller in aliases.seller_ids(catalog).values():
            assert seller == lineage(LEDGER, seller)
