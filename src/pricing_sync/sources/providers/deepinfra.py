"""DeepInfra: its own list in cents per token, and its OpenAI-like list in dollars per million.

The first is requested, because only it states tiers and discounts; the second can be read too. In
the first, cache and tier prices are multiples of the base prices. Read 2026-10 in recorded rows
and in eight independent clients; no whole answer is public.

A discount may have an end, `discount_ends_at`: from then on the listed prices hold. It is seconds
since 1970 or ISO 8601; a day without a time is taken as its midnight in UTC.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from fractions import Fraction

from msgspec import Raw, Struct, field

from pricing_sync.prices.model_ids import is_tier
from pricing_sync.prices.rates import (
    ConditionalRates,
    CurrencyUnit,
    Listing,
    Meter,
    Notice,
    Per,
    Rate,
    Rates,
    Scheduled,
    Unpriced,
    When,
    Why,
)
from pricing_sync.sources.listings import (
    NOT_PUBLISHED,
    Amount,
    Fields,
    add_rate,
    as_listing,
    rates,
    without_zeros,
)
from pricing_sync.sources.notices import instant, notice_of
from pricing_sync.sources.objects import nested
from pricing_sync.sources.provider import Key, Pin, Provider
from pricing_sync.sources.rows import Page, guard, read_data, read_rows
from pricing_sync.sources.strict_json import ABSENT, BadAmount, envelope, is_named, number

CENTS: Fields = {
    "cents_per_input_token": Amount(Meter.INPUT, Per.ONE, CurrencyUnit.CENT),
    "cents_per_output_token": Amount(Meter.OUTPUT, Per.ONE, CurrencyUnit.CENT),
    "cents_per_input_chars": Amount(Meter.CHARACTER, Per.ONE, CurrencyUnit.CENT),
    "cents_per_input_sec": Amount(Meter.SECOND, Per.ONE, CurrencyUnit.CENT),  # of input
    "cents_per_output_sec": Amount(Meter.SECOND, Per.ONE, CurrencyUnit.CENT),  # of output
    "cents_per_sec": Amount(Meter.SECOND, Per.ONE, CurrencyUnit.CENT),  # of computing
    # Read by a function below, or text about the prices.
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
        )
    ),
}
TIER_PREFIX = "rate_per_service_tier_"
DOLLARS: Fields = {
    "input_tokens": Amount(Meter.INPUT, Per.MILLION),
    "output_tokens": Amount(Meter.OUTPUT, Per.MILLION),
    "cache_read_tokens": Amount(Meter.CACHE_READ, Per.MILLION),
}
TYPES = frozenset(
    {"tokens", "input_tokens", "time", "input_length", "output_length", "input_character_length"}
)
# An image unit is a size times iterations, not an image; uptime is the time of a machine.
UNCOUNTED_TYPES = frozenset({"image_units", "frame", "frame_units", "uptime"})
# "$1.2 in $6 out $0.24 cached <= 32K, $2.4 in $12 out $0.48 cached <= 128K, …"
_TIER = re.compile(r"[<>≤≥]\s*=?\s*\d")
# 10⁻⁶ dollars per million, in the nano-dollars of a rate.
_MICRO = 1_000
_LARGEST_MULTIPLE = 100
_NOT_SET = Unpriced(Why.NOT_PUBLISHED, "listed at zero, which is a price not set")


class Row(Struct):
    id: str = field(name="model_name")
    pricing: dict[str, Raw] | None = None
    # Seconds since 1970, of the day on which it ends.
    deprecated: Raw = ABSENT
    replaced_by: Raw = ABSENT


class _Metadata(Struct):
    pricing: dict[str, Raw] | None = None
    discount: Raw = ABSENT
    discount_ends_at: Raw = ABSENT


class OpenAIRow(Struct):
    id: str
    metadata: _Metadata | None = None


def read(body: bytes) -> Page:
    """A whole list: an array is the one in cents, an object is the OpenAI-like one."""
    if body.lstrip()[:1] == b"[":
        return read_rows(envelope(body, list[Raw]), Row, listing, notice=notice, dated=dated)
    return read_data(body, OpenAIRow, openai_listing, dated=openai_dated)


def notice(row: Row) -> Notice | None:
    """When the model ends, and what replaces it."""
    return notice_of(deprecated=row.deprecated, replaced_by=row.replaced_by)


def dated(row: Row, ignored: Counter[str]) -> tuple[Scheduled, ...]:
    """The listed prices of a row of the list in cents, from the end of its discount on."""
    pricing = row.pricing or {}
    listed = Row(row.id, {key: raw for key, raw in pricing.items() if key != "discount"})
    end = pricing.get("discount_ends_at", ABSENT)
    return _after_discount(end, lambda: guard(listing, listed, Counter()), ignored)


def openai_dated(row: OpenAIRow, ignored: Counter[str]) -> tuple[Scheduled, ...]:
    """The listed prices of a row of the OpenAI-like list, from the end of its discount on."""
    if row.metadata is None:
        return ()
    listed = OpenAIRow(row.id, _Metadata(row.metadata.pricing))
    end = row.metadata.discount_ends_at
    return _after_discount(end, lambda: guard(openai_listing, listed, Counter()), ignored)


def _after_discount(
    end: Raw, listed: Callable[[], Listing], ignored: Counter[str]
) -> tuple[Scheduled, ...]:
    """The listing from an end on, if there is one. An end that cannot be read is counted."""
    if not is_named(end):
        return ()
    since = instant(end)
    if since is None:
        ignored["discount_ends_at"] += 1
        return ()
    return (Scheduled(since, listed()),)


def openai_listing(row: OpenAIRow, ignored: Counter[str]) -> Listing:
    """The listing of one model in the OpenAI-like list."""
    if row.metadata is None or not row.metadata.pricing:
        return NOT_PUBLISHED
    base = rates(row.metadata.pricing, DOLLARS, ignored, "metadata.pricing")
    if base.get(Meter.CACHE_READ):  # computed from a multiple: 0.070000002 is 0.07
        base[Meter.CACHE_READ] = _times(base[Meter.CACHE_READ], Fraction(1), "cache_read_tokens")
    charged = _discounted(row.metadata.discount, base, "metadata.discount")
    return as_listing(charged, _NOT_SET)


def listing(row: Row, ignored: Counter[str]) -> Listing:
    """The listing of one model in the list in cents: the current price, after any discount."""
    pricing = row.pricing
    if not pricing:
        return NOT_PUBLISHED
    sold_by = nested(pricing.get("type", ABSENT), str, "pricing.type")
    if sold_by in UNCOUNTED_TYPES:
        return Unpriced(Why.NOT_PER_TOKEN, f"type {sold_by}")
    if sold_by not in TYPES:
        raise BadAmount(f"pricing.type: {sold_by!r} is not known")
    if _has_tiers_in_text(pricing):
        # The prices of long requests are in prose. Parsing prose is guessing, and storing only the
        # lowest tier would silently underbill each long request. So the model has no price until
        # a person enters one. This is not an error of the list.
        return Unpriced(Why.VARIES, "priced by the length of the input, which is told in prose")
    without_tiers = {key: raw for key, raw in pricing.items() if _service_tier(key) is None}
    # Several fields count seconds, and those that do not apply are zero.
    listed = rates(without_tiers, CENTS, ignored, zero_yields=True)
    paid = without_zeros(listed)
    if not paid:
        return as_listing(listed, _NOT_SET)
    discount = pricing.get("discount", ABSENT)
    base = _with_caches(pricing, _discounted(discount, paid, "pricing.discount"))
    return as_listing(base, _NOT_SET, _tiers(pricing, base))


def _has_tiers_in_text(pricing: Mapping[str, Raw]) -> bool:
    texts = (nested(pricing.get(key, ABSENT), object, key) for key in ("short", "full", "table"))
    return any(_TIER.search(str(text)) for text in texts)


def _discounted(raw: Raw, listed: dict[Meter, Rate], where: str) -> dict[Meter, Rate]:
    """The rates after the discount: a fraction of every price, listed only while it applies."""
    discount = number(raw, where)
    if not discount:
        return listed
    if not 0 < discount < 1:
        raise BadAmount(f"{where}: {discount} is not a fraction")
    return _all_times(listed, 1 - Fraction(discount), where)


def _with_caches(pricing: Mapping[str, Raw], base: dict[Meter, Rate]) -> dict[Meter, Rate]:
    """*base* with the cache rates, which are listed as multiples of the input rate."""
    explicit = nested(
        pricing.get("rate_per_explicit_cache_write_token", ABSENT),
        dict[str, Raw],
        "pricing.rate_per_explicit_cache_write_token",
    )
    writes = explicit or {}
    unknown = writes.keys() - {"5m", "1h"}
    if unknown:
        raise BadAmount(f"pricing.rate_per_explicit_cache_write_token: {min(unknown)} is not known")
    multiples = (
        (Meter.CACHE_READ, pricing.get("rate_per_input_token_cached", ABSENT)),
        (Meter.CACHE_WRITE, pricing.get("rate_per_input_token_cache_write", ABSENT)),
        (Meter.CACHE_WRITE, writes.get("5m", ABSENT)),
        (Meter.CACHE_WRITE_1H, writes.get("1h", ABSENT)),
    )
    found = dict(base)
    for meter, raw in multiples:
        where = f"pricing: multiple for {meter}"
        if Meter.INPUT not in base or not is_named(raw):
            continue
        multiple = _multiple(raw, where)
        rate = _times(base[Meter.INPUT], multiple, where) if multiple else Rate(0)
        add_rate(found, meter, rate, where)
    return found


def _tiers(pricing: Mapping[str, Raw], base: Mapping[Meter, Rate]) -> list[ConditionalRates]:
    """The rates of the service tiers, each a multiple of the base rates."""
    found = []
    for key in sorted(pricing):
        where = f"pricing.{key}"
        tier = _service_tier(key)
        multiple = _multiple(pricing[key], where) if tier else None
        if multiple is not None:
            tier_rates = _all_times(base, multiple, where)
            found.append(ConditionalRates(When(service_tier=tier), tier_rates))
    return found


def _service_tier(key: str) -> str | None:
    """The service tier of a price key; None for another key."""
    tier = key.removeprefix(TIER_PREFIX)
    return tier if tier != key and is_tier(tier) else None


def _multiple(raw: Raw, where: str) -> Fraction | None:
    """The multiple in a field; None when it is absent or zero."""
    multiple = number(raw, where)
    if not multiple:
        return None
    if not 0 < multiple <= _LARGEST_MULTIPLE:
        raise BadAmount(f"{where}: {multiple} is not a multiple")
    return Fraction(multiple)


def _all_times(rates: Rates, by: Fraction, where: str) -> dict[Meter, Rate]:
    return {meter: _times(rate, by, where) if rate else rate for meter, rate in rates.items()}


def _times(rate: Rate, by: Fraction, where: str) -> Rate:
    """The product, rounded to 10⁻⁶ dollars per million: multiples are listed to eight places."""
    try:
        product = Rate(_MICRO * round(rate * by / _MICRO))
    except ValueError:
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
