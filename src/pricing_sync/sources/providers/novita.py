"""Novita AI: whole numbers of 10⁻⁴ US dollars per million tokens, so that 14000 is $1.40.

The newer `pricing` repeats them beside a decimal in dollars and adds the cache; models with tiers
may have zero in the flat fields. The flat fields are off an answer recorded 2025-07-25; the rest
is as several independent readers describe it, and was not seen whole. Read 2026-10.
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
    whole,
    without_zeros,
)

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
# The same prices again, in dollars. If they ever differ, one unit is not what we think it is, and
# `rates` refuses the row.
DECIMAL: Fields = {
    f"{key}.price_per_m_decimal": Amount(meter, Per.MILLION) for key, meter in METERS.items()
}


class _Tier(Struct):
    min_tokens: Raw
    pricing: dict[str, Raw]


class Row(Struct):
    id: str
    status: Raw = ABSENT
    input_token_price_per_m: Raw = ABSENT
    output_token_price_per_m: Raw = ABSENT
    pricing: dict[str, Raw] | None = None
    is_tiered_billing: bool | None = None
    tiered_billing_configs: list[_Tier] | None = None


class _List(Struct):
    data: list[Raw]


def read(body: bytes) -> Page:
    """The whole list, in which test models are models like the others."""
    return read_rows(envelope(body, _List).data, Row, listing)


def listing(row: Row, ignored: Counter[str]) -> Listing:
    """What Novita says of one model. It writes zero for models that it bills: no quote."""
    status = number(row.status, "status")
    if status is not None and status <= 0:
        return Unpriced(Why.WITHDRAWN, f"status {status}")
    flat = {
        "prompt.price_per_m": row.input_token_price_per_m,
        "completion.price_per_m": row.output_token_price_per_m,
    }
    told = [_named(flat, ignored), _named(_flattened(row.pricing), ignored)]
    conditional_rates = []
    for tier in _tiers(row):
        said = _named(_flattened(tier.pricing), ignored)
        if not said:
            raise BadAmount("tiered_billing_configs: a tier without a price")
        # The tier of the first token is the base, told once more.
        if _begins(tier) <= 1:
            told.append(said)
        else:
            conditional_rates.append(ConditionalRates(When(min_input_tokens=_begins(tier)), said))
    named = _agreed(told)
    if not named:
        return Unpriced(Why.NOT_PUBLISHED, "listed at zero, as are models that are billed")
    return RateCard(named, tuple(conditional_rates))


def _flattened(pricing: Mapping[str, Raw] | None) -> dict[str, Raw]:
    return {
        f"{key}.{unit}": raw
        for key, price in (pricing or {}).items()
        for unit, raw in (nested(price, dict[str, Raw], f"pricing.{key}") or {}).items()
    }


def _named(prices: Mapping[str, Raw], ignored: Counter[str]) -> dict[Meter, Rate]:
    for key in sorted(prices.keys() & WHOLE.keys()):
        whole(prices[key], f"pricing.{key}")  # a fraction would be in another unit
    return without_zeros(rates(prices, {**WHOLE, **DECIMAL}, ignored))


def _tiers(row: Row) -> list[_Tier]:
    tiers = row.tiered_billing_configs or []
    if row.is_tiered_billing and not tiers:
        raise BadAmount("tiered_billing_configs: none, though billing is tiered")
    return [] if row.is_tiered_billing is False else sorted(tiers, key=_begins)


def _begins(tier: _Tier) -> int:
    """The first number of input tokens of a tier. The one before ends at the same number; that
    the higher tier has it is an assumption (2026-10, confidence low)."""
    tokens = whole(tier.min_tokens, "tiered_billing_configs.min_tokens")
    if tokens is None:
        raise BadAmount("tiered_billing_configs.min_tokens: missing")
    return tokens


def _agreed(told: list[dict[Meter, Rate]]) -> dict[Meter, Rate]:
    """One set of rates, of several that must not contradict each other."""
    named: dict[Meter, Rate] = {}
    for said in told:
        for meter, rate in said.items():
            if named.setdefault(meter, rate) != rate:
                raise BadAmount(f"{meter}: {named[meter]} per million, and elsewhere {rate}")
    return named


PROVIDER = Provider(
    id="novita",
    name="Novita AI",
    url="https://api.novita.ai/openai/v1/models",
    decode=read,
    key=Key(("NOVITA_API_KEY",)),
    pin=Pin("deepseek/deepseek-v3-0324", Meter.INPUT, rate="0.28", read_on="2025-07-25"),
    page="https://novita.ai/pricing",
)
