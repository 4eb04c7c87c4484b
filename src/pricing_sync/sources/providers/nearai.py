"""NEAR AI Cloud: prices as a whole amount and a decimal scale, and tiers in `textPricing`.

The list is public, with a hundred models a page. Read 2026-08 in the server's source and in its
configuration of `textPricing`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from msgspec import Raw, Struct, field

from pricing_sync.prices.model_ids import is_tier
from pricing_sync.prices.rates import (
    ConditionalRates,
    Listing,
    Meter,
    Notice,
    Per,
    Rate,
    When,
)
from pricing_sync.sources.listings import NOT_PUBLISHED, Amount, Fields, as_listing, as_said, rates
from pricing_sync.sources.notices import notice_of
from pricing_sync.sources.objects import nested
from pricing_sync.sources.provider import Pin, Provider
from pricing_sync.sources.rows import Page, read_rows
from pricing_sync.sources.strict_json import ABSENT, BadAmount, Incomplete, envelope, rate, whole

TEXT: Fields = {
    "uncachedInput": Amount(Meter.INPUT, Per.MILLION),
    "cachedInput": Amount(Meter.CACHE_READ, Per.MILLION),
    "cacheWrite": Amount(Meter.CACHE_WRITE, Per.MILLION),
    "output": Amount(Meter.OUTPUT, Per.MILLION),
}
_DEFAULT = "default"
# The amounts repeat `textPricing`, rounded to whole nano-dollars per token, so the two differ by
# half a nano-dollar at most.
_ROUNDING = Rate.of("0.0005", Per.MILLION)


class _Cost(Struct):
    amount: Raw
    scale: Raw
    currency: str


class _Bands(Struct, forbid_unknown_fields=True):
    short: dict[str, Raw]
    long: dict[str, Raw] | None = None


class _TextPricing(Struct, rename="camel"):
    version: int
    currency: str
    unit: str
    tiers: dict[str, _Bands]
    long_context_threshold: Raw = ABSENT


class Row(Struct, rename="camel"):
    id: str = field(name="modelId")
    input_cost_per_token: Raw = ABSENT
    output_cost_per_token: Raw = ABSENT
    cache_read_cost_per_token: Raw = ABSENT
    cost_per_image: Raw = ABSENT
    text_pricing: Raw = ABSENT
    metadata: Raw = ABSENT


class _Metadata(Struct, rename="camel"):
    aliases: Raw = ABSENT
    deprecation_date: Raw = ABSENT


class _List(Struct):
    models: list[Raw]
    total: int
    offset: int = 0


def read(body: bytes) -> Page:
    """One page of models."""
    answer = envelope(body, _List)
    return read_rows(answer.models, Row, listing, answer.total, notice)


def notice(row: Row) -> Notice | None:
    """The other names of a model, and when it ends."""
    try:
        metadata = nested(row.metadata, _Metadata, "metadata")
    except BadAmount:
        return None
    if metadata is None:
        return None
    return notice_of(names=metadata.aliases, ends_on=metadata.deprecation_date)


def listing(row: Row, ignored: Counter[str]) -> Listing:
    """The listing of one model: its amounts and, if it has one, its text pricing.

    Before 2026-06-17 models got zero by accident. Since 2026-07-09 a cached token at zero is free,
    and a cached token without a discount has no price of its own.
    """
    amounts = _amounts(row, ignored)
    text = nested(row.text_pricing, _TextPricing, "textPricing", ignored)
    short, conditional_rates = _text_rates(text, ignored) if text else ({}, ())
    for meter in short.keys() & amounts.keys():
        if abs(short[meter] - amounts[meter]) > _ROUNDING:
            why = f"{short[meter]} per million in textPricing, {amounts[meter]} in the amount"
            raise BadAmount(f"{meter}: {why}")
    base = {**amounts, **short}
    if not any(base.values()):
        conditional_rates = ()
    return as_listing(base, NOT_PUBLISHED, conditional_rates)


def _amounts(row: Row, ignored: Counter[str]) -> dict[Meter, Rate]:
    costs = {
        Meter.INPUT: _amount(row.input_cost_per_token, "inputCostPerToken", ignored),
        Meter.OUTPUT: _amount(row.output_cost_per_token, "outputCostPerToken", ignored),
        Meter.CACHE_READ: _amount(row.cache_read_cost_per_token, "cacheReadCostPerToken", ignored),
        Meter.IMAGE: _amount(row.cost_per_image, "costPerImage", ignored),
    }
    return {meter: cost for meter, cost in costs.items() if cost is not None}


def _amount(raw: Raw, where: str, ignored: Counter[str]) -> Rate | None:
    """The rate of a cost: `{"amount": 850, "scale": 9}` is 850 x 10^-9 dollars for one."""
    cost = nested(raw, _Cost, where, ignored)
    if cost is None:
        return None
    if cost.currency != "USD":
        raise BadAmount(f"{where}.currency: {cost.currency!r} where USD was expected")
    scale = whole(cost.scale, f"{where}.scale")
    if scale is None:
        raise BadAmount(f"{where}.scale: missing")
    # The amount is a 64-bit integer. A string or `true` with the exponent is not a number.
    return rate(Raw(bytes(cost.amount) + b"e-%d" % scale), f"{where}.amount", Per.ONE)


def _text_rates(
    text: _TextPricing, ignored: Counter[str]
) -> tuple[dict[Meter, Rate], tuple[ConditionalRates, ...]]:
    """The default rates for short requests, and the conditional rates.

    The conditional rates of all short requests come before those of all long ones: a long request
    in a tier without long rates is billed at the long rates of the default tier.
    """
    if (text.version, text.currency, text.unit) != (1, "USD", "million_tokens"):
        found = f"version {text.version}, {text.currency!r} per {text.unit!r}"
        raise BadAmount(f"textPricing: {found} is not what we read")
    unknown = [tier for tier in text.tiers if tier != _DEFAULT and not is_tier(tier)]
    if unknown or _DEFAULT not in text.tiers:
        raise BadAmount(f"textPricing.tiers: {', '.join(unknown) or 'no default'}")
    others = sorted(text.tiers.keys() - {_DEFAULT})
    tiers = [(None, text.tiers[_DEFAULT]), *((name, text.tiers[name]) for name in others)]
    short = [
        (tier, rates(bands.short, TEXT, ignored, f"textPricing.{tier or _DEFAULT}.short"))
        for tier, bands in tiers
    ]
    if not all(published for _, published in short):
        raise BadAmount("textPricing.tiers: a tier without prices")
    long = [
        (tier, rates(bands.long, TEXT, ignored, f"textPricing.{tier or _DEFAULT}.long"))
        for tier, bands in tiers
        if bands.long
    ]
    standard = short[0][1]
    conditional_rates = [
        ConditionalRates(When(service_tier=tier), as_said(published, standard=standard))
        for tier, published in short[1:]
    ]
    if long:
        above = _threshold(text)
        conditional_rates += [
            ConditionalRates(
                When(min_input_tokens=above, service_tier=tier),
                as_said(published, standard=standard),
            )
            for tier, published in long
        ]
    return standard, tuple(conditional_rates)


def _threshold(text: _TextPricing) -> int:
    """The smallest number of input tokens of a long request."""
    threshold = whole(text.long_context_threshold, "textPricing.longContextThreshold")
    if threshold is None:
        raise BadAmount("textPricing.longContextThreshold: missing, though there are long rates")
    # Exclusive: a request is long when it has more input tokens than this (2026-08).
    return threshold + 1


def _following(body: bytes, _count: int) -> Mapping[str, str] | None:
    answer = envelope(body, _List)
    reached = answer.offset + len(answer.models)
    if reached >= answer.total:
        return None
    if not answer.models:
        raise Incomplete("models", f"empty at {reached} of {answer.total}")
    return {"offset": str(reached)}


PROVIDER = Provider(
    id="nearai",
    name="NEAR AI Cloud",
    url="https://cloud-api.near.ai/v1/model/list?limit=100&offset=0",
    decode=read,
    following=_following,
    pin=Pin("zai-org/GLM-5.1-FP8", Meter.INPUT, rate="0.85", read_on="2026-08-20"),
    page="https://cloud.near.ai/models",
)
