"""Venice: numbers of US dollars, each with the same price in Diem, which is another currency.

The type of the model states what its prices count. Read 2026-10 in Venice's description of the
list, and in answers recorded 2025-07-25 and 2026-07-28; confidence high for text, medium for the
other types. Videos, some music and edits of images are priced by the job, or not in the list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from msgspec import Raw, Struct

from pricing_sync.prices.rates import (
    ConditionalRates,
    Listing,
    Meter,
    Per,
    Rate,
    Rates,
    Unpriced,
    When,
    Why,
)
from pricing_sync.sources.listings import NOT_PUBLISHED, Amount, Fields, as_listing, as_said, rates
from pricing_sync.sources.objects import nested
from pricing_sync.sources.provider import Key, Pin, Provider
from pricing_sync.sources.rows import Page, read_data
from pricing_sync.sources.strict_json import ABSENT, BadAmount, shorten, whole

TOKENS: Fields = {
    "input": Amount(Meter.INPUT, Per.MILLION),
    "output": Amount(Meter.OUTPUT, Per.MILLION),
    "cache_input": Amount(Meter.CACHE_READ, Per.MILLION),
    "cache_write": Amount(Meter.CACHE_WRITE, Per.MILLION),
    "extended": None,
}
BY_TYPE: Mapping[str | None, Fields] = {
    "text": TOKENS,
    "embedding": TOKENS,
    "decision": TOKENS,
    # Here `input` counts characters.
    "tts": {"input": Amount(Meter.CHARACTER, Per.MILLION)},
    "asr": {"per_audio_second": Amount(Meter.SECOND, Per.ONE)},
    # `upscale` is the account's price for another service, repeated in every row.
    "image": {"generation": Amount(Meter.IMAGE, Per.ONE), "upscale": None},
}


class _Price(Struct):
    usd: Raw = ABSENT


class _Spec(Struct):
    pricing: dict[str, Raw] | None = None


class Row(Struct):
    id: str
    model_spec: _Spec
    type: str | None = None


def read(body: bytes) -> Page:
    """The whole list, including the models that are offline for the moment."""
    return read_data(body, Row, listing)


def listing(row: Row, ignored: Counter[str]) -> Listing:
    """The listing of one model. A zero is not a price."""
    if row.type is None:
        raise BadAmount("type: missing, and it says what the prices count")
    pricing = row.model_spec.pricing
    if not pricing:
        return NOT_PUBLISHED
    fields = BY_TYPE.get(row.type)
    base = _usd(pricing, fields, ignored) if fields else {}
    keys = shorten(", ".join(pricing).encode())
    none = Unpriced(Why.NOT_PER_TOKEN, f"type {row.type}: no price counted here in {keys}")
    return as_listing(base, none, _extended(pricing, base, ignored) if any(base.values()) else ())


def _usd(
    pricing: Mapping[str, Raw], fields: Fields, ignored: Counter[str], where: str = "pricing"
) -> dict[Meter, Rate]:
    """The rates in dollars of the fields that have a meter, zeros included."""
    prices = {
        key: _dollars(raw, f"{where}.{key}") if fields.get(key) else raw
        for key, raw in pricing.items()
    }
    return rates(prices, fields, ignored, where)


def _dollars(raw: Raw, where: str) -> Raw:
    price = nested(raw, _Price, where)
    return price.usd if price else ABSENT


def _extended(
    pricing: Mapping[str, Raw], base: Rates, ignored: Counter[str]
) -> tuple[ConditionalRates, ...]:
    """The rates of long requests."""
    where = "pricing.extended"
    extended = nested(pricing.get("extended", ABSENT), dict[str, Raw], where)
    if extended is None:
        return ()
    threshold = whole(extended.pop("context_token_threshold", ABSENT), where)
    if threshold is None:
        raise BadAmount(f"{where}: no context_token_threshold")
    long = as_said(_usd(extended, TOKENS, ignored, where), standard=base)
    # Exclusive: for more input tokens than the threshold (Venice, 2026-10).
    return (ConditionalRates(When(min_input_tokens=threshold + 1), long),) if long else ()


PROVIDER = Provider(
    id="venice",
    name="Venice",
    url="https://api.venice.ai/api/v1/models?type=all",
    decode=read,
    key=Key(("VENICE_API_KEY",), required=False),
    pin=Pin("grok-4-3", Meter.INPUT, rate="1.42", read_on="2026-07-28"),
    page="https://docs.venice.ai/pricing",
)
