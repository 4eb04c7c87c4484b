"""Which ids name the same model, and which seller a price comes from.

Ids match exactly, or by an entry of the tables below, never by similarity: a peer that is another
model would hold right prices and release wrong ones.
"""

from __future__ import annotations

from collections.abc import Mapping

#: The source of prices from the ledger, used where a catalog's name is expected.
LEDGER = "ledger"

# Free variants have no price to compare. `~` marks OpenRouter's pointers to the newest model.
_FREE = (":free", "-free")
_POINTER = "~"
# A pointer to the newest model. It moves on different days in different lists.
_LATEST = ("-latest", "@latest")

# Names that mean different models in different lists: routers, searches, and `deepseek-chat`. At
# DeepSeek it is a pointer to the newest model, elsewhere it is the V3 of 2024-12.
_AMBIGUOUS = frozenset(
    {"auto", "custom", "default", "free", "fusion", "model-router", "model_router", "router"}
    | {"search", "classify", "compress", "extract", "query", "deepseek-chat", "deepseek-reasoner"}
)

# Ambiguous names at one provider, whose own list shows which model is meant.
_AT_PROVIDER: Mapping[str, Mapping[str, str]] = {
    "openrouter": {"deepseek-chat": "deepseek-v3"},
}

# One model a line: its canonical name, then its other spellings. Each spelling occurs in the lists
# and catalogs of 2026-05 to 2026-10. Its median price there is within a factor of four of that of
# the canonical name, or it is OpenRouter's and matches by the `hugging_face_id` of its row. The
# date of a version is left out only where the version has a single date.
_SPELLINGS = """
claude-3-haiku = claude-3-haiku-20240307 claude-3-haiku@20240307
claude-3.5-haiku = claude-3-5-haiku claude-3-5-haiku-20241022 claude-3-5-haiku@20241022
claude-3.5-sonnet = claude-3-5-sonnet
claude-3.7-sonnet = claude-3-7-sonnet claude-3-7-sonnet-20250219 claude-3-7-sonnet@20250219
claude-sonnet-4 = claude-sonnet-4-0 claude-sonnet-4-20250514 claude-sonnet-4@20250514
claude-opus-4 = claude-opus-4-0 claude-opus-4-20250514 claude-opus-4@20250514
claude-opus-4.1 = claude-opus-4-1 claude-opus-4-1-20250805 claude-opus-4-1@20250805
claude-haiku-4.5 = claude-haiku-4-5 claude-haiku-4-5-20251001 claude-haiku-4-5@20251001
claude-haiku-4.5 = claude-4.5-haiku
claude-sonnet-4.5 = claude-sonnet-4-5 claude-sonnet-4-5-20250929 claude-sonnet-4-5@20250929
claude-sonnet-4.5 = claude-4.5-sonnet claude-4-5-sonnet
claude-opus-4.5 = claude-opus-4-5 claude-opus-4-5-20251101 claude-opus-4-5@20251101
claude-opus-4.5 = claude-4.5-opus claude-opus4-5
claude-opus-4.6 = claude-opus-4-6 claude-opus-4-6@default claude-opus-4-6-20260205 claude-opus4-6
claude-opus-4.6-fast = claude-opus-4-6-fast
claude-sonnet-4.6 = claude-sonnet-4-6 claude-sonnet-4-6@default claude-4-6-sonnet
claude-opus-4.7 = claude-opus-4-7 claude-opus-4-7@default claude-opus-4-7-20260416 claude-opus4-7
claude-opus-4.8 = claude-opus-4-8 claude-opus-4-8@default
claude-opus-5 = claude-opus-5@default
claude-opus-5.5 = claude-opus-5-5 claude-opus-5-5@default
claude-sonnet-5 = claude-sonnet-5@default
claude-sonnet-5.5 = claude-sonnet-5-5 claude-sonnet-5-5@default
claude-haiku-5.5 = claude-haiku-5-5 claude-haiku-5-5@default
claude-fable-5 = claude-fable-5@default
claude-fable-5.1 = claude-fable-5-1 claude-fable-5-1@default
deepseek-r1-0528 = deepseek-r1-0528-maas
deepseek-v3-0324 = deepseek-chat-v3-0324
deepseek-v3.1 = deepseek-chat-v3.1 deepseek-v3-1 deepseek-v3p1 deepseek-v3.1-maas
deepseek-v3.1-terminus = deepseek-v3p1-terminus
deepseek-v3.2 = deepseek-v3p2 deepseek-v3.2-maas
deepseek-v3.2-exp = deepseek-v3-2-exp
deepseek-v4.1-flash = deepseek-v4p1-flash deepseek-v4.1-flash-maas
deepseek-v4.1-flash-1017 = deepseek-v4p1-flash-1017 deepseek-v4-1-flash-1017
gemini-3.1-pro-preview = gemini-3-1-pro-preview
gemma-3-27b-it = google-gemma-3-27b-it
gemma-4-26b-a4b-it = google-gemma-4-26b-a4b-it gemma-4-26b-a4b-it-maas
gemma-4-31b-it = google-gemma-4-31b-it
glm-4.5 = glm-4p5
glm-4.5-air = glm-4p5-air
glm-4.5v = glm-4p5v
glm-4.6 = glm-4p6
glm-4.7 = glm-4p7 glm-4.7-maas zai-glm-4.7
glm-5 = glm-5-maas
glm-5.1 = glm-5p1 zai-glm-5-1
glm-5.2 = glm-5p2 glm-5-2 glm-5.2-maas
glm-5.2-fast = glm-5p2-fast
glm-5.3 = glm-5p3
glm-5.3-fast = glm-5p3-fast
glm-5.3-flash = glm-5p3-flash
gpt-3.5-turbo = gpt-35-turbo
gpt-3.5-turbo-16k = gpt-35-turbo-16k
gpt-3.5-turbo-instruct = gpt-35-turbo-instruct
gpt-4o-2024-11-20 = openai-gpt-4o-2024-11-20
gpt-4o-mini-2024-07-18 = openai-gpt-4o-mini-2024-07-18
gpt-5-chat = gpt-5-chat-latest
gpt-5.1-chat = gpt-5.1-chat-latest
gpt-5.2 = openai-gpt-5.2 openai-gpt-52
gpt-5.2-chat = gpt-5.2-chat-latest
gpt-5.2-codex = openai-gpt-52-codex
gpt-5.3-chat = gpt-5.3-chat-latest
gpt-5.3-codex = openai-gpt-5.3-codex openai-gpt-53-codex
gpt-5.4 = openai-gpt-5.4 openai-gpt-54
gpt-5.4-mini = openai-gpt-5.4-mini openai-gpt-54-mini
gpt-5.4-pro = openai-gpt-5.4-pro openai-gpt-54-pro
gpt-5.5 = openai-gpt-5.5 openai-gpt-55
gpt-5.5-pro = openai-gpt-55-pro
gpt-oss-120b = openai-gpt-oss-120b gpt-oss-120b-maas
gpt-oss-20b = openai-gpt-oss-20b gpt-oss-20b-maas
grok-4 = grok-4-0709
grok-4.1-fast = grok-4-1-fast grok-41-fast
grok-4.20 = grok-4-20
grok-4.20-multi-agent = grok-4-20-multi-agent
grok-4.3 = grok-4-3
kimi-k2-instruct = kimi-k2
kimi-k2-instruct-0905 = kimi-k2-0905
kimi-k2-thinking = kimi-k2-thinking-maas
kimi-k2.5 = kimi-k2p5 kimi-k2-5
kimi-k2.6 = kimi-k2p6 kimi-k2-6 kimi-k2_6
kimi-k2.7-code = kimi-k2p7-code
l3-lunaris-8b = l3-8b-lunaris-v1
l3.1-euryale-70b = l3.1-70b-euryale-v2.2 l31-70b-euryale-v2.2
l3.3-euryale-70b = l3.3-70b-euryale-v2.3
llama-3-70b-instruct = meta-llama-3-70b-instruct
llama-3.1-8b-instruct = meta-llama-3.1-8b-instruct llama-3.1-8b-instant
llama-3.1-70b-instruct = meta-llama-3.1-70b-instruct
llama-3.3-70b-instruct = meta-llama-3.3-70b-instruct meta-llama-3_3-70b-instruct
llama-3.3-70b-instruct = llama3.3-70b-instruct llama-3-3-70b-instruct
llama-3.3-70b-instruct = llama-3.3-70b-versatile llama-3.3-70b-instruct-maas
llama-4-maverick = llama-4-maverick-17b-128e-instruct llama-4-maverick-17b-128e-instruct-maas
llama-4-scout = llama-4-scout-17b-16e-instruct llama-4-scout-17b-16e-instruct-maas
minimax-01 = minimax-text-01
minimax-m2 = minimax-m2-maas
minimax-m2.1 = minimax-m2p1
minimax-m2.5 = minimax-m2p5 minimax-m2-5 minimax-m25
minimax-m2.7 = minimax-m2p7 minimax-m2-7 minimax-m27
minimax-m3.1-flash = minimax-m3p1-flash
ministral-3b-2512 = ministral-3-3b-instruct-2512
ministral-8b-2512 = ministral-3-8b-instruct-2512
ministral-14b-2512 = ministral-3-14b-instruct-2512
devstral-2512 = devstral-2-123b-instruct-2512
mistral-medium-3.5 = mistral-medium-3-5
mistral-nemo = mistral-nemo-instruct-2407
mistral-large-2407 = mistral-large@2407
mistral-small-3.2-24b-instruct = mistral-small-3.2-24b-instruct-2506
mistral-small-3.2-24b-instruct = mistral-small-3-2-24b-instruct
mixtral-8x22b-instruct = mixtral-8x22b-instruct-v0.1
nova-2-lite-v1 = nova-2-lite
nova-lite-v1 = nova-lite
nova-micro-v1 = nova-micro
nova-pro-v1 = nova-pro
qwen2.5-7b-instruct = qwen-2.5-7b-instruct qwen2-5-7b-instruct
qwen2.5-72b-instruct = qwen-2.5-72b-instruct qwen2p5-72b-instruct
qwen2.5-coder-32b-instruct = qwen-2.5-coder-32b-instruct qwen25-coder-32b-instruct
qwen2.5-vl-72b-instruct = qwen-2.5-vl-72b-instruct qwen25-vl-72b-instruct
qwen2.5-vl-72b-instruct = qwen2p5-vl-72b-instruct
qwen3-14b = qwen-3-14b
qwen3-32b = qwen-3-32b
qwen3-235b-a22b-instruct-2507 = qwen3-235b-a22b-2507 qwen-3-235b-a22b-instruct-2507
qwen3-235b-a22b-instruct-2507 = qwen3-235b-a22b-instruct-2507-maas
qwen3-coder-480b-a35b-instruct = qwen3-coder qwen3-coder-480b-a35b-instruct-maas
qwen3-next-80b-a3b-instruct = qwen3-next-80b-a3b-instruct-maas
qwen3-next-80b-a3b-thinking = qwen3-next-80b-a3b-thinking-maas
qwen3.5-9b = qwen3-5-9b
qwen3.5-35b-a3b = qwen3-5-35b-a3b
qwen3.5-397b-a17b = qwen3-5-397b-a17b qwen35-397b-a17b
qwen3.6-27b = qwen3-6-27b qwen-3.6-27b
qwen3.6-max-preview = qwen-3.6-max-preview
qwen3.6-plus = qwen3p6-plus qwen-3.6-plus qwen-3-6-plus
qwen3.7-max = qwen-3.7-max
qwen3.7-plus = qwen3p7-plus qwen-3.7-plus
qwen3.8-27b = qwen-3.8-27b
qwen3.8-max = qwen3p8-max qwen-3.8-max
solar-pro-3 = solar-pro3
"""

# One seller a line: our id, then its names in the catalog. A company that sells under several
# names, or at home and abroad, is one seller. A list and a reseller that repeats it are one too: of
# 318 prices of Kilo (models.dev, 2026-05-14), 260 were OpenRouter's eight days later.
_SELLERS: Mapping[str, str] = {
    "models.dev": """
        abliteration = abliteration-ai
        alibaba-cloud = alibaba alibaba-cn alibaba-cloud-cn
        azure = azure-cognitive-services
        fireworks = fireworks-ai
        google-vertex = google google-vertex-anthropic
        meta = llama
        minimax = minimax-cn
        moonshotai = moonshotai-cn
        novita = novita-ai
        opencode = opencode-go
        openrouter = kilo
        perplexity = perplexity-agent
        siliconflow = siliconflow-cn
        together = togetherai
        vercel-ai-gateway = vercel
        zai = zhipuai
        """,
    "litellm": """
        alibaba-cloud = dashscope qwencloud qwen_ai_platform
        amazon-bedrock = bedrock bedrock_converse bedrock_mantle
        azure = azure_ai azure_text
        cloudflare-ai-gateway = clf_ai_gateway
        cloudflare-workers-ai = cloudflare
        cohere = cohere_chat
        digitalocean = gradient_ai
        featherless = featherless_ai
        fireworks = fireworks_ai fireworks_ai-embedding-models
        friendli = friendliai
        google-vertex = gemini
        inception = text-completion-inception
        meta = meta_llama
        mistral = codestral text-completion-codestral
        moonshotai = moonshot
        nova = amazon_nova
        nvidia = nvidia_nim
        openai = chatgpt text-completion-openai
        opencode = opencode_go
        together = together_ai
        xiaomi = xiaomi_mimo
        zai = bigmodel
        """,
    "genai-prices": """
        amazon-bedrock = aws
        google-vertex = google
        voyage = voyageai
        xai = x-ai
        zai = zhipuai
        """,
}
# LiteLLM splits Vertex AI by the maker of the model. genai-prices splits Hugging Face by the
# provider that serves the model, at that provider's own price.
_VERTEX, _HUGGING_FACE = "vertex_ai", "huggingface_"


def _table(lines: str) -> dict[str, str]:
    """The canonical name of each other spelling."""
    found: dict[str, str] = {}
    for line in lines.split("\n"):
        canonical, _, others = line.partition("=")
        found |= dict.fromkeys(others.split(), canonical.strip())
    return found


_CANONICAL = _table(_SPELLINGS)
_SELLER_IDS = {source: _table(lines) for source, lines in _SELLERS.items()}


def peer_key(provider: str, model: str) -> str | None:
    """The key that a model shares with the same model elsewhere; None if it can have no peers.

    The key is the last part of the id in lower case, in its canonical spelling. Variants, such as
    `:thinking`, `-TEE` or `-fp8`, are different models. *provider* is a lineage.
    """
    name = model.rsplit("/", 1)[-1].lower()
    at_provider = _AT_PROVIDER.get(provider, {}).get(name)
    if at_provider is not None:
        return at_provider
    if not name or name in _AMBIGUOUS or model.startswith(_POINTER) or name.endswith(_FREE):
        return None
    canonical = _CANONICAL.get(name)
    if canonical is None and name.endswith(_LATEST):
        return None
    return canonical or name


def lineage(source: str, provider: str) -> str:
    """Our id of the seller whose prices *source* lists under *provider*.

    *source* is a catalog or `LEDGER`. The ledger's providers have our ids or those of models.dev.
    """
    if source == "litellm" and provider.startswith(_VERTEX):
        return "google-vertex"
    if source == "genai-prices" and provider.startswith(_HUGGING_FACE):
        return lineage("models.dev", provider.removeprefix(_HUGGING_FACE))
    known = _SELLER_IDS.get("models.dev" if source == LEDGER else source, {})
    return known.get(provider) or provider.replace("_", "-")
