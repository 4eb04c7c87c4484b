"""Vercel AI Gateway: strings of US dollars per unit, and tiers by the tokens of the request.

Read 2026-10 in the documentation's example, in independent clients, and in an answer recorded
2025-07-25. For a model with `varies_by_provider`, the price of each provider is at
`/v1/models/{creator}/{model}/endpoints`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from msgspec import Raw, Struct

from pricing_sync.prices.model_ids import is_tier
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
from pricing_sync.sources.listings import Amount, Fields, as_listing, as_said, rates
from pricing_sync.sources.objects import nested
from pricing_sync.sources.provider import Key, Pin, Provider
from pricing_sync.sources.rows import Page, PricedRow, read_data
from pricing_sync.sources.strict_json import ABSENT, BadAmount, rate, whole

TOKENS: Fields = {
    "input": Amount(Meter.INPUT, Per.ONE),
    "output": Amount(Meter.OUTPUT, Per.ONE),
    "input_cache_read": Amount(Meter.CACHE_READ, Per.ONE),
    "input_cache_write": Amount(Meter.CACHE_WRITE, Per.ONE),
}
FIELDS: Fields = {
    **TOKENS,
    "audio_input_token_cost": Amount(Meter.INPUT_AUDIO, Per.ONE),
    "audio_output_token_cost": Amount(Meter.OUTPUT_AUDIO, Per.ONE),
    "image": Amount(Meter.IMAGE, Per.ONE),
    # "10" for a model whose maker sells searches at $10 a thousand, which is also the unit of
    # Vercel's web pages; the documentation states no unit (2026-10, confidence high).
    "web_search": Amount(Meter.WEB_SEARCH, Per.THOUSAND),
    "speech_input_character_cost": Amount(Meter.CHARACTER, Per.ONE),
    "transcription_duration_cost_per_second": Amount(Meter.SECOND, Per.ONE),
    "varies_by_provider": None,
    "service_tiers": None,
    **{f"{key}_tiers": None for key in TOKENS},
}
# The prices of an image by size and quality. The flat `image` is only one of them.
IMAGE_MATRIX = "image_dimension_quality_pricing"


class _Tier(Struct):
    cost: Raw
    min: Raw = ABSENT


class Row(PricedRow):
    # Absent in 2025, when all models wrote text.
    type: str | None = None


def read(body: bytes) -> Page:
    """The whole list."""
    return read_data(body, Row, listing)


def listing(row: Row, ignored: Counter[str]) -> Listing:
    """The listing of one model. A zero for input or output is not a price."""
    pricing = row.pricing or {}
    base = rates(pricing, FIELDS, ignored)
    if IMAGE_MATRIX in pricing:
        base.pop(Meter.IMAGE, None)
    tiers = _tiers(pricing, ignored)
    for meter, first in tiers.pop(0, {}).items():
        if base.get(meter) and base[meter] != first:
            raise BadAmount(f"{meter}: {base[meter]} per million, and {first} in the first tier")
        base[meter] = first
    if row.type not in (None, "language", "embedding"):
        none = Unpriced(Why.NOT_PER_TOKEN, f"type {row.type}")
    else:
        none = Unpriced(Why.NOT_PUBLISHED, "listed at zero" if row.pricing else "")
    if not any(base.values()):
        return as_listing(base, none)
    long = [
        ConditionalRates(When(min_input_tokens=at), as_said(tiers[at], standard=base))
        for at in sorted(tiers)
    ]
    return as_listing(base, none, (*long, *_service_tiers(pricing, base, ignored)))


def _tiers(pricing: Mapping[str, Raw], ignored: Counter[str]) -> dict[int, dict[Meter, Rate]]:
    """The rates by the smallest number of input tokens to which they apply."""
    found: dict[int, dict[Meter, Rate]] = {}
    for key, unit in TOKENS.items():
        where = f"pricing.{key}_tiers"
        for tier in nested(pricing.get(f"{key}_tiers", ABSENT), list[_Tier], where, ignored) or ():
            cost = rate(tier.cost, where, unit.per) if unit else None
            if unit is None or cost is None:
                continue
            # Inclusive: `min` is 200001 where the model's maker states "above 200k".
            tier_rates = found.setdefault(whole(tier.min, where) or 0, {})
            if tier_rates.setdefault(unit.meter, cost) != cost:
                raise BadAmount(f"{where}: two tiers begin at one token")
    return found


def _service_tiers(
    pricing: Mapping[str, Raw], base: Rates, ignored: Counter[str]
) -> Iterator[ConditionalRates]:
    """The rates of the service tiers, each first for all requests and then for long ones.

    Two independent clients agree on the format. One of them excludes the threshold itself from the
    long requests (2026-10, confidence medium).
    """
    where = "pricing.service_tiers"
    tiers = nested(pricing.get("service_tiers", ABSENT), dict[str, dict[str, Raw]], where) or {}
    for name, prices in tiers.items():
        if not is_tier(name):
            ignored[f"{where}.{name}"] += 1
            continue
        long = nested(prices.pop("long_context", ABSENT), dict[str, Raw], where)
        yield ConditionalRates(When(service_tier=name), _tier_rates(prices, base, ignored))
        if long is not None:
            threshold = whole(long.pop("threshold", ABSENT), where)
            if threshold is None:
                raise BadAmount(f"{where}.{name}.long_context: no threshold")
            when = When(service_tier=name, min_input_tokens=threshold + 1)
            yield ConditionalRates(when, _tier_rates(long, base, ignored))


def _tier_rates(prices: Mapping[str, Raw], base: Rates, ignored: Counter[str]) -> dict[Meter, Rate]:
    return as_said(rates(prices, TOKENS, ignored, "pricing.service_tiers"), standard=base)


PROVIDER = Provider(
    id="vercel-ai-gateway",
    name="Vercel AI Gateway",
    url="https://ai-gateway.vercel.sh/v1/models",
    decode=read,
    key=Key(("AI_GATEWAY_API_KEY",), required=False),
    pin=Pin("google/gemini-3-pro", Meter.INPUT, rate="2", read_on="2026-10-27"),
    page="https://vercel.com/ai-gateway/models",
)
