"""The wire format of each provider."""

from collections.abc import Mapping

from pricing_sync.demo.facts import CATALOG
from pricing_sync.demo.formats import (
    alibaba_cloud,
    cerebras,
    chutes,
    cloudflare,
    deepinfra,
    featherless,
    fireworks,
    models_dev,
    nearai,
    nebius,
    novita,
    openrouter,
    together,
    venice,
    vercel,
    xai,
)
from pricing_sync.demo.formats.format import Format, Json, ListRequest, encode

__all__ = ["FORMATS", "Format", "Json", "ListRequest", "encode"]

#: By provider id.
FORMATS: Mapping[str, Format] = {
    "openrouter": openrouter.FORMAT,
    "featherless": featherless.FORMAT,
    "nearai": nearai.FORMAT,
    "alibaba-cloud": alibaba_cloud.INTERNATIONAL,
    "alibaba-cloud-cn": alibaba_cloud.BEIJING,
    "together": together.FORMAT,
    "fireworks": fireworks.FORMAT,
    "deepinfra": deepinfra.FORMAT,
    "cerebras": cerebras.FORMAT,
    "novita": novita.FORMAT,
    "xai": xai.FORMAT,
    "cloudflare-workers-ai": cloudflare.FORMAT,
    "nebius": nebius.FORMAT,
    "chutes": chutes.FORMAT,
    "vercel-ai-gateway": vercel.FORMAT,
    "venice": venice.FORMAT,
    **dict.fromkeys(CATALOG, models_dev.FORMAT),
}
