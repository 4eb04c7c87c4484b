"""xAI: whole numbers of US cents per hundred million tokens, so that 12500 is $1.25 per million.

The list holds what the key may use, so the key is asked first whether that is everything. Batches
and the regional premium (1.1x in the US) are in prose only. Read 2026-10 off the API reference;
no whole answer has been recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from msgspec import Raw, Struct
from msgspec.json import decode

from pricing_sync.price import (
    Coin,
    Conditional,
    Listing,
    Meter,
    Per,
    Rate,
    RateCard,
    Unpriced,
    Unreadable,
    When,
    Why,
)
from pricing_sync.providers.provider import Key, Permission, Pin, Provider
from pricing_sync.wire import (
    ABSENT,
    Amount,
    BadAmount,
    Fields,
    Incomplete,
    Malformed,
    Nested,
    Page,
    envelope,
    guard,
    is_model_id,
    parse,
    rates,
    whole,
    without_zeros,
)


def _cents(meter: Meter) -> Amount:
    return Amount(meter, Per.HUNDRED_MILLION, Coin.CENT)


BASE: Fields = {
    "prompt_text_token_price": _cents(Meter.INPUT),
    "cached_prompt_text_token_price": _cents(Meter.CACHE_READ),
    "completion_text_token_price": _cents(Meter.OUTPUT),
    "prompt_image_token_price": _cents(Meter.INPUT_IMAGE),
    "search_price": _cents(Meter.WEB_SEARCH),
}
# Zero here is "no such tier", and the standard price holds.
LONG: Fields = {
    "prompt_text_token_price_long_context": _cents(Meter.INPUT),
    "cached_prompt_text_token_price_long_context": _cents(Meter.CACHE_READ),
    "completion_text_token_price_long_context": _cents(Meter.OUTPUT),
}
# Documented in cents, and in the same reference's example in 10⁻⁸ cents.
IMAGE = "image_price"


class Row(Struct):
    id: str
    aliases: list[str] | None = None


class _Reply(Struct):
    """What a bad key or an empty account gets in place of an answer is in here too."""

    code: str | None = None
    error: str | None = None


class _List(_Reply):
    models: list[Raw] | None = None
    #: What `/v1/models` calls them.
    data: list[Raw] | None = None


class _Permissions(_Reply):
    acls: list[str] | None = None
    api_key_blocked: bool = False
    api_key_disabled: bool = False
    team_blocked: bool = False
