"""Novita AI: whole numbers of 10⁻⁴ US dollars per million tokens, so that 14000 is $1.40.

The newer `pricing` repeats them beside a decimal in dollars and adds the cache; models with tiers
may have zero in the flat fields. The flat fields are off an answer recorded 2025-07-25; the rest
is as several independent readers describe it, and was not seen whole. Read 2026-10.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from msgspec import Raw, Struct

from pricing_sync.price import (
    Coin,
    Conditional,
    Listing,
    Meter,
    Per,
    Rate,
    RateCard,
    Unpriced,
    When,
    Why,
)
from pricing_sync.providers.provider import Key, Pin, Provider
from pricing_sync.wire import (
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
    f"{key}.price_per_m": Amount(meter, Per.MILLION, Coin.TEN_THOUSANDTH)
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
    """The whole list, whose test models stay what they are."""
    return read_rows(envelope(body, _List).data, Row, listing)


def listing(row: Row, ignored: Counter[str]) -> Listing:
    """What Novita says of one model. It writes zero for models that it bills, so zero is no
    quote."""
    status = number(row.status, "status")
    if status is not None and status <= 0:
        return Unpriced(Why.WITHDRAWN, f"status {status}")
    told = [_flat(row, ignored), _rates(row.pricing or {}, ignored)]
    overrides = []
    for at, tier in _tiers(row):
        rates_there = _rates(tier.pricing, ignored)
        # The first tier begins at the first token: it is the base.
        if at <= 1:
            told.append(rates_there)
        else:
            overrides.append(Conditional(When(min_input_tokens=at), rates_there))
    named = _agreed(told)
    if not named:
        return Unpriced(Why.NOT_PUBLISHED, "listed at zero, as are models that are billed")
    return RateCard(named, tuple(overrides))


def _flat(row: Row, ignored: Counter[str]) -> dict[Meter, Rate]:
    prices = {
        "prompt.price_per_m": row.input_token_price_per_m,
        "completion.price_per_m": row.output_token_price_per_m,
    }
    return _known(prices, ignored)


def _rates(pricing: Mapping[str, Raw], ignored: Counter[str]) -> dict[Meter, Rate]:
    prices = {
        f"{key}.{name}": raw
        for key, price in pricing.items()
        for name, raw in (nested(price, dict[str, Raw], f"pricing.{key}") or {}).items()
    }
    return _known(prices, ignored)


def _known(prices: Mapping[str, Raw], ignored: Counter[str]) -> dict[Meter, Rate]:
    for key in prices.keys() & WHOLE.keys():
        whole(prices[key], f"pricing.{key}")  # a fraction, or -1, is in another unit
    return without_zeros(rates(prices, {**WHOLE, **DECIMAL}, ignored))


def _tiers(row: Row) -> list[tuple[int, _Tier]]:
    """The tiers, each with the input tokens it begins at, in ascending order."""
    configs = row.tiered_billing_configs or []
    if row.is_tiered_billing and not configs:
        raise BadAmount("tiered_billing_configs: missing, though billing is tiered")
    if row.is_tiered_billing is False:
        return []
    # A tier's `max_tokens` is the next one's `min_tokens`. Which of the two has that very token
    # nobody says: read as at or above (2026-10, confidence low).
    begins = [whole(tier.min_tokens, "tiered_billing_configs.min_tokens") for tier in configs]
    return sorted(
        ((at or 0, tier) for at, tier in zip(begins, configs, strict=True)), key=lambda t: t[0]
    )


def _agreed(told: list[dict[Meter, Rate]]) -> dict[Meter, Rate]:
    """One set of rates of several that must not contradict each other."""
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
