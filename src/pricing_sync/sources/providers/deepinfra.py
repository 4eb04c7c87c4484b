"""DeepInfra: its list in cents per token, and its OpenAI-like list in dollars per million.

The first is asked for, because it alone tells of tiers and discounts; the second is read too. In
the first, caches and tiers are multiples of the prices. Read 2026-10 off recorded rows and eight
independent readers; no whole answer of it is public.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal

from msgspec import Raw, Struct, field

from pricing_sync.prices.rates import (
    ConditionalRates,
    CurrencyUnit,
    Listing,
    Meter,
    Per,
    Rate,
    RateCard,
    Unpriced,
    When,
    Why,
)
from pricing_sync.sources.provider import Key, Pin, Provider
from pricing_sync.sources.strict_json import (
    ABSENT,
    Amount,
    BadAmount,
    Fields,
    Page,
    envelope,
    nested,
    number,
    rates,
    read_rows,
    without_zeros,
)

CENTS: Fields = {
    "cents_per_input_token": Amount(Meter.INPUT, Per.ONE, CurrencyUnit.CENT),
    "cents_per_output_token": Amount(Meter.OUTPUT, Per.ONE, CurrencyUnit.CENT),
    "cents_per_input_chars": Amount(Meter.CHARACTER, Per.ONE, CurrencyUnit.CENT),
    "cents_per_input_sec": Amount(Meter.SECOND, Per.ONE, CurrencyUnit.CENT),  # of what is sent
    "cents_per_output_sec": Amount(Meter.SECOND, Per.ONE, CurrencyUnit.CENT),  # of what comes back
    "cents_per_sec": Amount(Meter.SECOND, Per.ONE, CurrencyUnit.CENT),  # of work
    # Read below, or words about the prices.
    **dict.fromkeys(
        (
            "type",
            "short",
            "full",
            "table",
            "discount",
            "discount_ends_at",
            "rate_per_input_token_cached",
            "rate_per_input_token_cache_write",
            "rate_per_explicit_cache_write_token",
            "explicit_cache_granularity_tokens",
            "rate_per_service_tier_flex",
            "rate_per_service_tier_priority",
        )
    ),
}
DOLLARS: Fields = {
    "input_tokens": Amount(Meter.INPUT, Per.MILLION),
    "output_tokens": Amount(Meter.OUTPUT, Per.MILLION),
    "cache_read_tokens": Amount(Meter.CACHE_READ, Per.MILLION),
}
TYPES = frozenset(
    {"tokens", "input_tokens", "time", "input_length", "output_length", "input_character_length"}
)
# An image unit is not an image but a size times iterations, and uptime is a machine's.
OTHERWISE = frozenset({"image_units", "frame", "frame_units", "uptime"})
# "$1.2 in $6 out $0.24 cached <= 32K, $2.4 in $12 out $0.48 cached <= 128K, …"
_TIER = re.compile(r"[<>≤≥]\s*=?\s*\d")
_MICRO = Decimal("0.000001")
_LARGEST_MULTIPLE = 100


class Row(Struct):
    id: str = field(name="model_name")
    pricing: dict[str, Raw] | None = None


class _Metadata(Struct):
    pricing: dict[str, Raw] | None = None


class OpenAIRow(Struct):
    id: str
    metadata: _Metadata | None = None


class _OpenAIList(Struct):
    data: list[Raw]


def read(body: bytes) -> Page:
    """The whole of either list, told apart by its outermost brackets."""
    if body.lstrip()[:1] == b"[":
        return read_rows(envelope(body, list[Raw]), Row, listing)
    return read_rows(envelope(body, _OpenAIList).data, OpenAIRow, openai_listing)


def openai_listing(row: OpenAIRow, ignored: Counter[str]) -> Listing:
    """What the OpenAI-like list says of one model."""
    if row.metadata is None or not row.metadata.pricing:
        return Unpriced(Why.NOT_PUBLISHED)
    named = without_zeros(rates(row.metadata.pricing, DOLLARS, ignored, "metadata.pricing"))
    if not named:
        return Unpriced(Why.NOT_PUBLISHED, "listed at zero, which is a price not set")
    if Meter.CACHE_READ in named:  # a multiple already, so 0.070000002 is 0.07
        named[Meter.CACHE_READ] = _times(named[Meter.CACHE_READ], Decimal(1), "cache_read_tokens")
    return RateCard(named)


def listing(row: Row, ignored: Counter[str]) -> Listing:
    """What the list says of one model: what is charged now, any discount taken off."""
    pricing = row.pricing
    if not pricing:
        return Unpriced(Why.NOT_PUBLISHED)
    sold_by = nested(pricing.get("type", ABSENT), str, "pricing.type")
    if sold_by in OTHERWISE:
        return Unpriced(Why.NOT_PER_TOKEN, f"type {sold_by}")
    if sold_by not in TYPES:
        raise BadAmount(f"pricing.type: {sold_by!r} is not known")
    if _tells_tiers(pricing):
        # Prices of longer requests are words for people. To read them as numbers is to guess, and
        # to store the lowest tier alone would underbill each long request in silence. So the
        # model has no price until a person enters one, which is not an error of the list.
        return Unpriced(Why.VARIES, "priced by the length of the input, which is told in prose")
    listed = without_zeros(rates(pricing, CENTS, ignored))
    if not listed:
        return Unpriced(Why.NOT_PUBLISHED, "listed at zero, which is a price not set")
    base = _caches(pricing, _discounted(pricing, listed))
    return RateCard(base, tuple(_tiers(pricing, base)))


def _tells_tiers(pricing: Mapping[str, Raw]) -> bool:
    told = (nested(pricing.get(key, ABSENT), object, key) for key in ("short", "full", "table"))
    return any(_TIER.search(str(words)) for words in told)


def _discounted(pricing: Mapping[str, Raw], listed: dict[Meter, Rate]) -> dict[Meter, Rate]:
    """The rates less the discount, the fraction of every price that is off while it is listed."""
    off = number(pricing.get("discount", ABSENT), "pricing.discount")
    if not off:
        return listed
    if not 0 < off < 1:
        raise BadAmount(f"pricing.discount: {off} is not a fraction")
    return {meter: _times(rate, 1 - off, "pricing.discount") for meter, rate in listed.items()}


def _caches(pricing: Mapping[str, Raw], base: dict[Meter, Rate]) -> dict[Meter, Rate]:
    """*base* and the rates of caches, which are multiples of the input's."""
    explicit = nested(
        pricing.get("rate_per_explicit_cache_write_token", ABSENT),
        dict[str, Raw],
        "pricing.rate_per_explicit_cache_write_token",
    )
    written = explicit or {}
    unknown = written.keys() - {"5m", "1h"}
    if unknown:
        raise BadAmount(f"pricing.rate_per_explicit_cache_write_token: {min(unknown)} is not known")
    multiples = (
        (Meter.CACHE_READ, pricing.get("rate_per_input_token_cached", ABSENT)),
        (Meter.CACHE_WRITE, pricing.get("rate_per_input_token_cache_write", ABSENT)),
        (Meter.CACHE_WRITE, written.get("5m", ABSENT)),
        (Meter.CACHE_WRITE_1H, written.get("1h", ABSENT)),
    )
    found = dict(base)
    for meter, raw in multiples:
        by = _multiple(raw, f"pricing: multiple for {meter}")
        if by is None or Meter.INPUT not in base:
            continue
        rate = _times(base[Meter.INPUT], by, meter)
        if found.setdefault(meter, rate) != rate:
            raise BadAmount(f"pricing: {meter} is {found[meter]} and {rate}")
    return found


def _tiers(pricing: Mapping[str, Raw], base: Mapping[Meter, Rate]) -> list[ConditionalRates]:
    """The service tiers, which multiply every rate."""
    found = []
    for tier in ("flex", "priority"):
        where = f"pricing.rate_per_service_tier_{tier}"
        by = _multiple(pricing.get(f"rate_per_service_tier_{tier}", ABSENT), where)
        if by is not None:
            named = {meter: _times(rate, by, where) for meter, rate in base.items()}
            found.append(ConditionalRates(When(service_tier=tier), named))
    return found


def _multiple(raw: Raw, where: str) -> Decimal | None:
    """The multiple in a field; None when there is none, or zero, which makes nothing free."""
    by = number(raw, where)
    if not by:
        return None
    if not 0 < by <= _LARGEST_MULTIPLE:
        raise BadAmount(f"{where}: {by} is not a multiple")
    return by


def _times(rate: Rate, by: Decimal, where: str) -> Rate:
    """The product, to 10⁻⁶ dollars per million: multiples are published to eight places."""
    try:
        product = Rate.of((rate.per_million * by).quantize(_MICRO), Per.MILLION)
    except (ValueError, ArithmeticError):
        raise BadAmount(f"{where}: {rate} times {by} is not a rate") from None
    if not product:
        raise BadAmount(f"{where}: {rate} times {by} rounds to nothing")
    return product


PROVIDER = Provider(
    id="deepinfra",
    name="DeepInfra",
    url="https://api.deepinfra.com/models/list",
    decode=read,
    key=Key(("DEEPINFRA_API_KEY",), required=False),
    pin=Pin("moonshotai/Kimi-K2.5", Meter.INPUT, rate="0.45", read_on="2026-05-12"),
    page="https://deepinfra.com/pricing",
)
