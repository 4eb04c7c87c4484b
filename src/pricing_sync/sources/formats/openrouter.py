"""OpenRouter's format of `GET /models`: decimal strings, US dollars per single unit.

It is read and written here, for OpenRouter and for the providers and tools that copy its format.
Source: openrouter.ai/docs, the official SDK 1.3.84, and answers recorded 2025-05 to 2026-07.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from msgspec import Raw

from pricing_sync.prices.rates import (
    ConditionalRates,
    Listing,
    Meter,
    Notice,
    Per,
    Rate,
    RateCard,
    Rates,
    Unpriced,
    When,
    Why,
)
from pricing_sync.sources.listings import (
    NOT_FREE,
    NOT_PUBLISHED,
    Amount,
    Fields,
    as_listing,
    joined,
    rates,
    without_zeros,
)
from pricing_sync.sources.notices import notice_of, value
from pricing_sync.sources.objects import nested
from pricing_sync.sources.rows import DataList, Page, PricedRow, RowMemory, read_rows
from pricing_sync.sources.strict_json import (
    ABSENT,
    BadAmount,
    envelope,
    is_named,
    number,
    shorten,
    whole,
)

FIELDS: Fields = {
    "prompt": Amount(Meter.INPUT, Per.ONE),
    "completion": Amount(Meter.OUTPUT, Per.ONE),
    "input_cache_read": Amount(Meter.CACHE_READ, Per.ONE),
    "input_cache_write": Amount(Meter.CACHE_WRITE, Per.ONE),
    "input_cache_write_1h": Amount(Meter.CACHE_WRITE_1H, Per.ONE),
    "input_audio_cache": Amount(Meter.CACHE_READ_AUDIO, Per.ONE),
    "internal_reasoning": Amount(Meter.REASONING, Per.ONE),
    "audio": Amount(Meter.INPUT_AUDIO, Per.ONE),
    "audio_output": Amount(Meter.OUTPUT_AUDIO, Per.ONE),
    "image_token": Amount(Meter.INPUT_IMAGE, Per.ONE),
    "image_output": Amount(Meter.OUTPUT_IMAGE, Per.ONE),
    "request": Amount(Meter.REQUEST, Per.ONE),
    "web_search": Amount(Meter.WEB_SEARCH, Per.ONE),
    "image": None,  # per image or per image token: see `_image`
    "discount": None,  # see `_count_discount`
    "overrides": None,
}
# The rows of 2025 list reasoning at zero where it is billed as output.
_UNSET = frozenset({Meter.REASONING})
_IMAGE_TOKEN: Fields = {"image": Amount(Meter.INPUT_IMAGE, Per.ONE)}
_WHOLE_IMAGE: Fields = {"image": Amount(Meter.IMAGE, Per.ONE)}
_CONDITIONS: Fields = {
    "min_prompt_tokens": None,
    "utc_start": None,
    "utc_end": None,
    "utc_days": None,
}
# Rows without a known end have this day (2026-07).
_FILLER = b'"2098-12-31"'
_MEMORY = RowMemory()
_CLOCK = re.compile(rb'(?P<quote>"?)([0-9]{1,4})(?P=quote)')
_DAYS = {"mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6, "sun": 7}


class Row(PricedRow):
    canonical_slug: Raw = ABSENT
    alias_target: Raw = ABSENT
    expiration_date: Raw = ABSENT


class _List(DataList):
    total_count: int | None = None


def read(body: bytes) -> Page:
    """A page of models. A bare list, as archives store it, is read too."""
    if body.lstrip()[:1] == b"[":
        body = b'{"data":' + body + b"}"
    answer = envelope(body, _List)
    return read_rows(answer.data, Row, listing, answer.total_count, notice, memory=_MEMORY)


def notice(row: Row) -> Notice | None:
    """The other name of a row, which dates the model, and the day on which it ends.

    A variant has the name of its base: `m:free` is `m-20260717` too, and is named
    `m-20260717:free` here. A pointer such as `~openai/gpt-latest` names the row it stands for.
    """
    ends_on, target = row.expiration_date, value(row.alias_target)
    # Most rows say nothing else than their own id.
    if target is None and not is_named(ends_on) and value(row.canonical_slug) == row.id:
        return None
    slug = target.get("slug") if isinstance(target, dict) else None
    said = notice_of(
        names=row.canonical_slug,
        stands_for=slug if isinstance(slug, str) else None,
        ends_on=ABSENT if bytes(ends_on) == _FILLER else ends_on,
    )
    if said is None:
        return None
    _, colon, variant = row.id.partition(":")
    names = [
        name if name.endswith(colon + variant) else name + colon + variant for name in said.names
    ]
    said = replace(said, names=tuple(name for name in names if name != row.id))
    return None if said == Notice() else said


def listing(row: Row, ignored: Counter[str]) -> Listing:
    """The listing of one model. Zero is a price only when the id ends in `:free`."""
    return listing_of(row.pricing, ignored, free=row.id.endswith(":free"))


def listing_of(pricing: Mapping[str, Raw] | None, ignored: Counter[str], *, free: bool) -> Listing:
    """The listing of a `pricing` object; *free* if there is evidence that a zero means free.

    A price of -1 varies: it depends on where a router sends the request.

    Raises:
        BadAmount: a field is not a valid price, or a condition cannot be read.
    """
    if not pricing:
        return NOT_PUBLISHED
    for key in ("prompt", "completion"):
        if not is_named(pricing.get(key, ABSENT)):
            raise BadAmount(f"pricing.{key}: missing, though always listed")
    if any(
        number(pricing.get(key, ABSENT), f"pricing.{key}") == -1 for key in ("prompt", "completion")
    ):
        return Unpriced(
            Why.VARIES, "listed at -1: a router's price depends on where a request lands"
        )
    _count_discount(pricing, ignored)
    published = joined(rates(pricing, FIELDS, ignored), _image(pricing, ignored))
    conditional_rates = _conditional_rates(pricing, ignored) if any(published.values()) else ()
    found = as_listing(published, NOT_FREE, conditional_rates, unset=_UNSET)
    if free and isinstance(found, Unpriced):
        core = {meter: published[meter] for meter in (Meter.INPUT, Meter.OUTPUT)}
        return RateCard(core | without_zeros(published))
    return found


def _count_discount(pricing: Mapping[str, Raw], ignored: Counter[str]) -> None:
    """Count a discount above zero in *ignored*.

    The listed prices seem to include it, as those of `/endpoints` do; OpenRouter's SDK says
    otherwise, and no recorded row has one.
    """
    raw = pricing.get("discount", ABSENT)
    if is_named(raw) and bytes(raw).strip(b'"0.'):
        ignored["pricing.discount"] += 1


def _image(pricing: Mapping[str, Raw], ignored: Counter[str]) -> dict[Meter, Rate]:
    """The `image` price, whose unit changed: per image in 2025, per image token in 2026.

    In all 130 rows recorded in 2026, an image token costs exactly as much as a text token. The rows
    of 2025 always contain `request`, even when it is zero. If a row matches neither, the meter is
    left out and counted in *ignored*.
    """
    image = number(pricing.get("image", ABSENT), "pricing.image")
    if image is None or image == 0:
        return {}
    price = {"image": pricing["image"]}
    if image == number(pricing.get("prompt", ABSENT), "pricing.prompt"):
        return rates(price, _IMAGE_TOKEN, ignored)
    if "request" in pricing:
        return rates(price, _WHOLE_IMAGE, ignored)
    ignored["pricing.image"] += 1
    return {}


def _conditional_rates(
    pricing: Mapping[str, Raw], ignored: Counter[str]
) -> tuple[ConditionalRates, ...]:
    entries = nested(pricing.get("overrides", ABSENT), list[dict[str, Raw]], "pricing.overrides")
    return tuple(_conditional(entry, index, ignored) for index, entry in enumerate(entries or ()))


def _conditional(entry: Mapping[str, Raw], index: int, ignored: Counter[str]) -> ConditionalRates:
    where = f"pricing.overrides[{index}]"
    when = _when(entry, where)
    replaced = joined(
        rates(entry, {**FIELDS, **_CONDITIONS}, ignored, where), _image(entry, ignored)
    )
    # If an unknown condition were ignored, the rates would apply to too many requests.
    unknown = [key for key in entry if key not in FIELDS and key not in _CONDITIONS]
    if unknown:
        raise BadAmount(f"{where}.{unknown[0]}: neither a price nor a condition that is known")
    return ConditionalRates(when, replaced)


def _when(entry: Mapping[str, Raw], where: str) -> When:
    tokens = whole(entry.get("min_prompt_tokens", ABSENT), f"{where}.min_prompt_tokens")
    hours = (_minute(entry, "utc_start", where), _minute(entry, "utc_end", where))
    days = _days(entry, where)
    start, end = hours
    if (start is None) != (end is None):
        raise BadAmount(f"{where}: utc_start and utc_end go together")
    if tokens is None and start is None and days is None:
        raise BadAmount(f"{where}: no condition")
    return When(
        # OpenRouter's number is exclusive, ours is inclusive.
        min_input_tokens=None if tokens is None else tokens + 1,
        hours=None if start is None or end is None else (start, end),
        weekdays=days,
    )


def _minute(entry: Mapping[str, Raw], key: str, where: str) -> int | None:
    """The minute of the day of an HHMM number or string."""
    raw = entry.get(key, ABSENT)
    if not is_named(raw):
        return None
    match = _CLOCK.fullmatch(bytes(raw))
    if match is None:
        raise BadAmount(f"{where}.{key}: {shorten(bytes(raw))} is not a time of day")
    hour, minute = divmod(int(match[2]), 100)
    if minute >= 60 or hour * 60 + minute > 1440:
        raise BadAmount(f"{where}.{key}: {match[2].decode()} is not a time of day")
    return hour * 60 + minute


def _days(entry: Mapping[str, Raw], where: str) -> frozenset[int] | None:
    days = nested(entry.get("utc_days", ABSENT), list[str], f"{where}.utc_days")
    try:
        return None if days is None else frozenset(_DAYS[day[:3].lower()] for day in days)
    except KeyError as error:
        raise BadAmount(f"{where}.utc_days: {error}") from None


# Writing

_KEYS = {amount.meter: key for key, amount in FIELDS.items() if amount is not None}


def write(card: RateCard) -> dict[str, Any] | None:
    """The `pricing` object of *card*; None if the format cannot express it.

    Rates of service tiers and regions are left out, because the other rates stay correct without
    them. Cards in another currency, with a meter that the format does not have, or with hours or
    weekdays in another time zone than UTC, are not written. Nor are those without a rate for input
    and output: both keys are always present there, and an unknown price is not zero.
    """
    base = _write_rates(card.rates)
    if card.currency != "USD" or base is None or not {"prompt", "completion"} <= base.keys():
        return None
    if Meter.IMAGE in card.rates:
        # The field that marks a price per whole image: see `_image`.
        base.setdefault("request", "0")
        if base["image"] == base.get("prompt"):
            return None
    conditional_rates = []
    for entry in card.conditional_rates:
        if entry.when.service_tier is not None or entry.when.region is not None or not entry.rates:
            continue
        when, replaced = _write_when(entry.when), _write_rates(entry.rates)
        if when is None or replaced is None or Meter.IMAGE in entry.rates:
            return None
        conditional_rates.append(when | replaced)
    return base | ({"overrides": conditional_rates} if conditional_rates else {})


def _write_rates(rates: Rates) -> dict[str, Any] | None:
    """The rates in dollars per unit; None if a meter has no key."""
    keys = _KEYS | {Meter.IMAGE: "image"}
    if not rates.keys() <= keys.keys():
        return None
    return {keys[meter]: _dollars(rates[meter]) for meter in Meter if meter in rates}


def _dollars(rate: Rate) -> str:
    """A rate per single unit as a plain decimal."""
    text = f"{Decimal(f'{int(rate)}E-15'):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _write_when(when: When) -> dict[str, Any] | None:
    """The fields of a condition; None if the format cannot express it."""
    written: dict[str, Any] = {}
    if when.min_input_tokens is not None:
        # OpenRouter's number is exclusive, ours is inclusive.
        written["min_prompt_tokens"] = when.min_input_tokens - 1
    if when.hours is not None:
        start, end = (minute // 60 * 100 + minute % 60 for minute in when.hours)
        written |= {"utc_start": start, "utc_end": end}
    if when.weekdays is not None:
        written["utc_days"] = [day for day, number in _DAYS.items() if number in when.weekdays]
    is_local = when.hours is not None or when.weekdays is not None
    if not written or when.min_input_tokens == 0 or (is_local and when.time_zone != "UTC"):
        return None
    return written
