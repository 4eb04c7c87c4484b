"""Novita AI: whole numbers of 10⁻⁴ US dollars per million tokens, so that 14000 is $1.40.

The newer `pricing` repeats them, with decimals in dollars, and adds the cache. Models with tiers
may have zero in the flat fields. The flat fields were read in an answer recorded 2025-07-25; the
rest follows several independent clients, and no whole answer with it was seen. Read 2026-10.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from msgspec import Raw, Struct

from pricing_sync.prices.rates import (
    ConditionalRates,
    CurrencyUnit,
    Listing,
    Meter,
    Per,
    Rate,
    Unpriced,
    When,
    Why,
)
from pricing_sync.sources.listings import Amount, Fields, as_listing, joined, rates, without_zeros
from pricing_sync.sources.objects import nested
from pricing_sync.sources.provider import Key, Pin, Provider
from pricing_sync.sources.rows import Page, PricedRow, read_data
from pricing_sync.sources.strict_json import ABSENT, BadAmount, number, whole

METERS = {
    "prompt": Meter.INPUT,
    "completion": Meter.OUTPUT,
    "input_cache_read": Meter.CACHE_READ,
    "input_cache_write": Meter.CACHE_WRITE,
}
WHOLE: Fields = {
    f"{key}.price_per_m": Amount(meter, Per.MILLION, CurrencyUnit.TEN_THOUSANDTH)
    for key, meter in METERS.items()
}
# The same prices again, in dollars. If they differ, one unit is not the one used here, and `rates`
# refuses the row.
DECIMAL: Fields = {
    f"{key}.price_per_m_decimal": Amount(meter, Per.MILLION) for key, meter in METERS.items()
}
_UNSET = frozenset({Meter.CACHE_READ, Meter.CACHE_WRITE})


class _Tier(Struct):
    min_tokens: Raw
    pricing: dict[str, Raw]


class Row(PricedRow):
    status: Raw = ABSENT
    input_token_price_per_m: Raw = ABSENT
    output_token_price_per_m: Raw = ABSENT
    is_tiered_billing: bool | None = None
    tiered_billing_configs: list[_Tier] | None = None


def read(body: bytes) -> Page:
    """The whole list. Test models are read like all others."""
    return read_data(body, Row, listing)


def listing(row: Row, ignored: Counter[str]) -> Listing:
    """The listing of one model. A zero is not a price: some models at zero are billed."""
    status = number(row.status, "status")
    if status is not None and status <= 0:
        return Unpriced(Why.WITHDRAWN, f"status {status}")
    flat = {
        "prompt.price_per_m": row.input_token_price_per_m,
        "completion.price_per_m": row.output_token_price_per_m,
    }
    listed = [_rates(flat, ignored), _rates(_flattened(row.pricing), ignored)]
    sets = [without_zeros(one) for one in listed]
    conditional_rates = []
    for tier in _tiers(row):
        tier_rates = without_zeros(_rates(_flattened(tier.pricing), ignored))
        if not tier_rates:
            raise BadAmount("tiered_billing_configs: a tier without a price")
        start = _start(tier)
        if start <= 1:  # the tier of the first token repeats the base rates
            sets.append(tier_rates)
        else:
            conditional_rates.append(ConditionalRates(When(min_input_tokens=start), tier_rates))
    zeros = {meter: Rate(0) for one in listed for meter in one}
    none = Unpriced(Why.NOT_PUBLISHED, "listed at zero, as are models that are billed")
    # A zero of the cache means that the cache has no price of its own.
    base = {**zeros, **joined(*sets)}
    if not any(base.values()):
        conditional_rates = []
    return as_listing(base, none, conditional_rates, unset=_UNSET)


def _flattened(pricing: Mapping[str, Raw] | None) -> dict[str, Raw]:
    return {
        f"{key}.{unit}": raw
        for key, price in (pricing or {}).items()
        for unit, raw in (nested(price, dict[str, Raw], f"pricing.{key}") or {}).items()
    }


def _rates(prices: Mapping[str, Raw], ignored: Counter[str]) -> dict[Meter, Rate]:
    for key in sorted(prices.keys() & WHOLE.keys()):
        whole(prices[key], f"pricing.{key}")  # a fraction would mean another unit
    return rates(prices, {**WHOLE, **DECIMAL}, ignored)


def _tiers(row: Row) -> list[_Tier]:
    tiers = row.tiered_billing_configs or []
    if row.is_tiered_billing and not tiers:
        raise BadAmount("tiered_billing_configs: none, though billing is tiered")
    return [] if row.is_tiered_billing is False else sorted(tiers, key=_start)


def _start(tier: _Tier) -> int:
    """The smallest number of input tokens of a tier.

    The tier before it ends at the same number; that the number belongs to the higher tier is an
    assumption (2026-10, confidence low).
    """
    tokens = whole(tier.min_tokens, "tiered_billing_configs.min_tokens")
    if tokens is None:
        raise BadAmount("tiered_billing_configs.min_tokens: missing")
    return tokens


PROVIDER = Provider(
    id="novita",
    name="Novita AI",
    url="https://api.novita.ai/openai/v1/models",
    decode=read,
    key=Key(("NOVITA_API_KEY",)),
    pin=Pin("deepseek/deepseek-v3-0324", Meter.INPUT, rate="0.28", read_on="2025-07-25"),
    page="https://novita.ai/pricing",
)
