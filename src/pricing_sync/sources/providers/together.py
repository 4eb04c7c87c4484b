"""Together AI: numbers per million. The type of the model states what they count.

The list has no envelope, and the key is required. The half price of batches is in prose only.
Read 2026-10 in its OpenAPI description, and in an answer recorded 2025-07-25.
"""

from __future__ import annotations

from collections import Counter

from msgspec import Raw

from pricing_sync.prices.rates import Listing, Meter, Per, Unpriced, Unreadable, Why
from pricing_sync.sources.listings import Amount, free_if_named_so
from pricing_sync.sources.price_table import PriceTable
from pricing_sync.sources.provider import Key, Pin, Provider
from pricing_sync.sources.rows import Page, PricedRow, read_rows
from pricing_sync.sources.strict_json import envelope

PRICES = PriceTable(
    fields={
        "input": Amount(Meter.INPUT, Per.MILLION),
        "output": Amount(Meter.OUTPUT, Per.MILLION),
        "cached_input": Amount(Meter.CACHE_READ, Per.MILLION),
        "hourly": None,  # of a dedicated endpoint
        "finetune": None,
        "base": None,
    },
    # Zero until a price is published.
    unset=frozenset({Meter.CACHE_READ}),
)
TOKEN_TYPES = frozenset({"chat", "language", "code", "embedding", "rerank", "moderation"})
# For these, `input` counts something else or nothing: the 65 of `audio` is per million characters,
# and the 0.27 of `transcribe` is not the price per minute that is billed.
UNCOUNTED_TYPES = frozenset({"image", "audio", "transcribe", "video"})


class Row(PricedRow):
    type: str | None = None


def read(body: bytes) -> Page:
    """The whole list, which is the outermost JSON value of the answer."""
    return read_rows(envelope(body, list[Raw]), Row, listing)


def listing(row: Row, ignored: Counter[str]) -> Listing:
    """The listing of one model.

    All zeros mean that the model is not sold by the token, unless its id says that it is free.
    """
    if row.type in UNCOUNTED_TYPES:
        return Unpriced(Why.NOT_PER_TOKEN, f"type {row.type}")
    if row.type not in TOKEN_TYPES:
        return Unreadable(f"type: {row.type!r} is not known")
    return free_if_named_so(PRICES.listing(row.pricing, ignored), row.id)


PROVIDER = Provider(
    id="together",
    name="Together AI",
    url="https://api.together.xyz/v1/models",
    decode=read,
    key=Key(("TOGETHER_API_KEY",)),
    pin=Pin("deepseek-ai/DeepSeek-V3", Meter.INPUT, rate="1.25", read_on="2025-07-25"),
    page="https://docs.together.ai/docs/serverless-models",
)
