"""Together AI: numbers per million. The type of the model states what they count.

The list has no envelope, and the key is required. The half price of batches is in prose only.
Read 2026-10 in its OpenAPI description, and in an answer recorded 2025-07-25.
"""

from __future__ import annotations

from collections import Counter

from msgspec import Raw, Struct

from pricing_sync.prices.rates import Listing, Meter, Per, Rate, RateCard, Unpriced, Unreadable, Why
from pricing_sync.sources.provider import Key, Pin, Provider
from pricing_sync.sources.strict_json import (
    Amount,
    Fields,
    Page,
    as_listing,
    envelope,
    rates,
    read_rows,
)

FIELDS: Fields = {
    "input": Amount(Meter.INPUT, Per.MILLION),
    "output": Amount(Meter.OUTPUT, Per.MILLION),
    # Zero until a price is published: see `_UNSET`.
    "cached_input": Amount(Meter.CACHE_READ, Per.MILLION),
    "hourly": None,  # of a dedicated endpoint
    "finetune": None,
    "base": None,
}
_UNSET = frozenset({Meter.CACHE_READ})
TOKEN_TYPES = frozenset({"chat", "language", "code", "embedding", "rerank", "moderation"})
# For these, `input` counts something else or nothing: the 65 of `audio` is per million characters,
# and the 0.27 of `transcribe` is not the price per minute that is billed.
UNCOUNTED_TYPES = frozenset({"image", "audio", "transcribe", "video"})


class Row(Struct):
    id: str
    type: str | None = None
    pricing: dict[str, Raw] | None = None


def read(body: bytes) -> Page:
    """The whole list, which is the outermost JSON value of the answer."""
    return read_rows(envelope(body, list[Raw]), Row, listing)


def listing(row: Row, ignored: Counter[str]) -> Listing:
    """The listing of one model.

    All zeros mean that the model is not sold by the token, unless its id ends in "-free".
    """
    if row.type in UNCOUNTED_TYPES:
        return Unpriced(Why.NOT_PER_TOKEN, f"type {row.type}")
    if row.type not in TOKEN_TYPES:
        return Unreadable(f"type: {row.type!r} is not known")
    if not row.pricing:
        return Unpriced(Why.NOT_PUBLISHED)
    published = rates(row.pricing, FIELDS, ignored)
    zero = Unpriced(Why.NOT_PER_TOKEN, "listed at zero, with nothing that says it is free")
    found = as_listing(published, zero, unset=_UNSET)
    core: dict[Meter, Rate] = {
        meter: rate for meter, rate in published.items() if meter is not Meter.CACHE_READ
    }
    if isinstance(found, Unpriced) and core and row.id.lower().endswith("-free"):
        return RateCard(core)
    return found


PROVIDER = Provider(
    id="together",
    name="Together AI",
    url="https://api.together.xyz/v1/models",
    decode=read,
    key=Key(("TOGETHER_API_KEY",)),
    pin=Pin("deepseek-ai/DeepSeek-V3", Meter.INPUT, rate="1.25", read_on="2025-07-25"),
    page="https://docs.together.ai/docs/serverless-models",
)
