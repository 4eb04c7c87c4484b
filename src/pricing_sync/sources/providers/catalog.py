"""Providers without a price API, read from a catalog: models.dev, or genai-prices where it is set.

The catalogs are kept by hand and may lag. A provider with a curated table is checked against its
catalog. Of the two, only genai-prices states prices of later days.
"""

from __future__ import annotations

from functools import partial

from pricing_sync.prices.rates import Source
from pricing_sync.sources.formats import genai_prices, models_dev
from pricing_sync.sources.provider import Curated, Provider

# Read 2026-05-14, without the providers that have a module in this package.
_KNOWN = """
302ai abacus abliteration-ai aihubmix alibaba alibaba-cn alibaba-coding-plan
alibaba-coding-plan-cn amazon-bedrock ambient anthropic auriko azure
azure-cognitive-services bailing baseten berget clarifai claudinio cloudferro-sherlock
cloudflare-ai-gateway cohere cortecs databricks deepseek digitalocean dinference drun evroc
fastrouter firepass fireworks-ai friendli frogbot github-copilot github-models gitlab
google google-vertex-anthropic helicone hpc-ai huggingface iflowcn inception inference
io-net jiekou kilo kimi-for-coding kuae-cloud-coding-plan llama llmgateway lmstudio
lucidquery meganova minimax minimax-cn minimax-cn-coding-plan minimax-coding-plan mistral
mixlayer moark modelscope moonshotai moonshotai-cn morph nano-gpt neuralwatt nova novita-ai
nvidia ollama-cloud openai opencode opencode-go ovhcloud perplexity perplexity-agent poe
privatemode-ai qihang-ai qiniu-ai regolo-ai requesty sap-ai-core sarvam scaleway
siliconflow siliconflow-cn stackit stepfun submodel synthetic tencent-coding-plan
tencent-tokenhub the-grid-ai togetherai upstage v0 vercel vivgrid vultr wafer.ai wandb
xiaomi xiaomi-token-plan-ams xiaomi-token-plan-cn xiaomi-token-plan-sgp xpersona zai
zai-coding-plan zenmux zhipuai zhipuai-coding-plan
"""
# The ids that the catalog has gained, as packages and programs that bundle it list them: one of
# 2026-07-18 with 157 providers, one of the autumn of 2026.
_LATER = """
ai-router aiand aki-io alibaba-token-plan alibaba-token-plan-cn anyapi atomic-chat
cline-pass crof crossmodel daoxe ebcloud empiriolabs freemodel gmicloud hetzner
inceptron inferx kenari lilac llmtr longcat lynkr merge-gateway meta neon ofox
orcarouter pioneer poolside routing-run sakana snowflake-cortex stepfun-ai subconscious
tencent-token-plan thinkingmachines tinfoil trustedrouter umans-ai umans-ai-coding-plan
unorouter zeldoc zenifra
"""
#: The catalog's providers on the day it was read, and those it has gained. More come every month.
IDS = frozenset(_KNOWN.split())
LATER_IDS = frozenset(_LATER.split())


def catalog_provider(
    models_dev_id: str, name: str | None = None, curated: Curated | None = None
) -> Provider:
    """A provider that reads its prices from *models_dev_id* in the catalog."""
    return Provider(
        id=models_dev_id,
        name=name or models_dev_id,
        url="https://models.dev/api.json",
        decode=partial(models_dev.read, provider_id=models_dev_id),
        source=Source.CATALOG,
        curated=curated,
        page=curated.page if curated else "https://models.dev",
    )


def genai_prices_provider(genai_prices_id: str, name: str | None = None) -> Provider:
    """A provider that reads its prices from *genai_prices_id* in genai-prices."""
    return Provider(
        id=genai_prices_id,
        name=name or genai_prices_id,
        url="https://raw.githubusercontent.com/pydantic/genai-prices/main/"
        "prices/new_data/v2/data.json",
        decode=partial(genai_prices.read, provider_id=genai_prices_id),
        source=Source.CATALOG,
        page="https://github.com/pydantic/genai-prices",
    )


def provider_of(catalog: str, provider_id: str) -> Provider:
    """The provider with that id in the catalog `models.dev` or `genai-prices`."""
    make = genai_prices_provider if catalog == "genai-prices" else catalog_provider
    return make(provider_id)
