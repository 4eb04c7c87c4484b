"""The wire format of each provider."""

from collections.abc import Mapping

from pricing_sync.demo.facts import CATALOG
from pricing_sync.demo.formats import (
    alibaba_cloud,
    cloudflare,
    deepinfra,
    featherless,
    fireworks,
    flat_lists,
    models_dev,
    nearai,
    openrouter,
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
    "together": flat_lists.TOGETHER,
    "fireworks": fireworks.FORMAT,
    "deepinfra": deepinfra.FORMAT,
    "cerebras": flat_lists.CEREBRAS,
    "novita": flat_lists.NOVITA,
    "xai": xai.FORMAT,
    "cloudflare-workers-ai": cloudflare.FORMAT,
    "nebius": flat_lists.NEBIUS,
    "chutes": flat_lists.CHUTES,
    "vercel-ai-gateway": vercel.FORMAT,
    "venice": venice.FORMAT,
    **dict.fromkeys(CATALOG, models_dev.FORMAT),
}
