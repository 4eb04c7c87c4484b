"""Together AI: numbers per million, whose meaning depends on the type of the model.

The list has no envelope, and the key is required. Batches at half price are in prose only.
Read 2026-10 off its OpenAPI description, and off an answer recorded 2025-07-25.
"""

from __future__ import annotations

from collections import Counter

from msgspec import Raw, Struct

from pricing_sync.prices.rates import Listing, Meter, Per, RateCard, Unpriced, Unreadable, Why
from pricing_sync.sources.provider import Key, Pin, Provider
from pricing_sync.sources.strict_json import (
    Amount,
    Fields,
    Page,
    envelope,
    rates,
    read_rows,
    without_zeros,
)

FIELDS: Fields = {
    "input": Amount(Meter.INPUT, Per.MILLION),
    "output": Amount(Meter.OUTPUT, Per.MILLION),
    # Zero until a price is published.
    "cached_input": Amount(Meter.CACHE_READ, Per.MILLION),
    "hourly": None,  # of a dedicated endpoint
    "finetune": None,
    "base": None,
}
TOKENS = frozenset({"chat", "language", "code", "embedding", "rerank", "moderation"})
# Their `input` counts something else, or nothing: `audio` 65 is per million characters, and
# `transcribe` 0.27 is not the price per minute that is billed.
OTHERWISE = frozenset({"image", "audio", "transcribe", "video"})


class Row(Struct):
    id: str
    type: str | None = None
    pricing: dict[str, Raw] | None = None


def read(body: bytes) -> Page:
    """The whole list, which is the outermost thing of the answer."""
    return read_rows(envelope(body, list[Raw]), Row, listing)


def listing(row: Row, ignored: Counter[str]) -> Listing:
    """What Together says of one model: all zeros is a model not sold by the token, unless its name
    ends in "Free"."""
    if row.type in OTHERWISE:
        return Unpriced(Why.NOT_PER_TOKEN, f"type {row.type}")
    if row.type not in TOKENS:
        return Unreadable(f"type: {row.type!r}, whose prices count nobody knows what")
    if not row.pricing:
        return Unpriced(Why.NOT_PUBLISHED)
    base = rates(row.pricing, FIELDS, ignored)
    named = without_zeros(base)
    if not named and row.id.lower().endswith("-free"):
        named = {meter: rate for meter, rate in base.items() if meter is not Meter.CACHE_READ}
    if not named:
        return Unpriced(Why.NOT_PER_TOKEN, "listed at zero, with nothing that says it is free")
    return RateCard(named)


PROVIDER = Provider(
    id="together",
    name="Together AI",
    url="https://api.together.xyz/v1/models",
    decode=read,
    key=Key(("TOGETHER_API_KEY",)),
    pin=Pin("deepseek-ai/DeepSeek-V3", Meter.INPUT, rate="1.25", read_on="2025-07-25"),
    page="https://docs.together.ai/docs/serverless-models",
)
