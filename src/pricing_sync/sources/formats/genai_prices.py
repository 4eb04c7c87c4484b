"""The genai-prices catalog: a list of providers, US dollars per the unit that a key's name ends in.

Prices may begin on a date or apply in certain hours. A date begins at midnight UTC: the library
compares it with the date of the request's timestamp, which it takes in UTC by default.
Source: genai-prices 0.2.3, its schema and its reader, read 2026-10, and the document recorded
2026-08-21.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time

from msgspec import Raw, Struct

from pricing_sync.prices.model_ids import is_tier
from pricing_sync.prices.rates import (
    STANDARD_TIERS,
    ConditionalRates,
    Listing,
    Meter,
    Per,
    Rate,
    Rates,
    Scheduled,
    Unpriced,
    When,
    Why,
)
from pricing_sync.sources.listings import Amount, Fields, as_listing, as_said, rates
from pricing_sync.sources.objects import nested
from pricing_sync.sources.rows import Page, guard, read_rows
from pricing_sync.sources.strict_json import (
    ABSENT,
    BadAmount,
    Incomplete,
    Malformed,
    envelope,
    shorten,
    whole,
)

FIELDS: Fields = {
    "input_mtok": Amount(Meter.INPUT, Per.MILLION),
    "output_mtok": Amount(Meter.OUTPUT, Per.MILLION),
    "output_reasoning_mtok": Amount(Meter.REASONING, Per.MILLION),
    "cache_read_mtok": Amount(Meter.CACHE_READ, Per.MILLION),
    "cache_audio_read_mtok": Amount(Meter.CACHE_READ_AUDIO, Per.MILLION),
    "cache_write_mtok": Amount(Meter.CACHE_WRITE, Per.MILLION),
    "cache_write_5m_mtok": Amount(Meter.CACHE_WRITE, Per.MILLION),
    "cache_write_1h_mtok": Amount(Meter.CACHE_WRITE_1H, Per.MILLION),
    "input_audio_mtok": Amount(Meter.INPUT_AUDIO, Per.MILLION),
    "output_audio_mtok": Amount(Meter.OUTPUT_AUDIO, Per.MILLION),
    "input_image_mtok": Amount(Meter.INPUT_IMAGE, Per.MILLION),
    "output_image_mtok": Amount(Meter.OUTPUT_IMAGE, Per.MILLION),
    "input_video_mtok": Amount(Meter.INPUT_VIDEO, Per.MILLION),
    "output_video_mtok": Amount(Meter.OUTPUT_VIDEO, Per.MILLION),
    "requests_kcount": Amount(Meter.REQUEST, Per.THOUSAND),
    "web_searches_kcount": Amount(Meter.WEB_SEARCH, Per.THOUSAND),
    "input_mchars": Amount(Meter.CHARACTER, Per.MILLION),
    "input_document_kpages": Amount(Meter.PAGE, Per.THOUSAND),
    "audio_hours": Amount(Meter.SECOND, Per.HOUR),
    "input_audio_hours": Amount(Meter.SECOND, Per.HOUR),
}
# The conditions of `price_variants` that name a service tier. The others (`route`, `search_type`)
# stand for other products.
_TIER_CONDITIONS = ("processing", "service_tier", "speed")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::00)?(?:Z|\+00:00)?")


class Row(Struct):
    id: str
    prices: Raw = ABSENT
    price_variants: Raw = ABSENT


class _Head(Struct):
    id: str
    models: Raw


def providers(body: bytes) -> list[str]:
    """The ids of the providers in the catalog.

    Raises:
        Malformed: it is not a list of providers.
    """
    return sorted(head.id for head in envelope(body, list[_Head]))


def read(body: bytes, provider_id: str) -> Page:
    """The models of one provider, with the prices of every date: see `Page.dated`.

    Raises:
        Malformed: the document is not in the format, or contains the provider more than once.
        Incomplete: the catalog does not contain that provider.
    """
    heads = envelope(body, list[_Head])
    found = [head.models for head in heads if head.id == provider_id]
    if not found:
        raise Incomplete("body", f"{provider_id} is not among the {len(heads)} providers")
    if len(found) > 1:
        raise Malformed("body", f"{provider_id} is there {len(found)} times")
    models = envelope(bytes(found[0]), list[Raw], provider_id)
    return read_rows(
        models, Row, lambda row, ignored: _listing(row, date.min, ignored), dated=_dated
    )


def _dated(row: Row, ignored: Counter[str]) -> tuple[Scheduled, ...]:
    """The listings from each date on that the entries or the variants of a row name.

    A price key that is not read counts once, on however many dates it occurs.
    """

    def on(day: date) -> Scheduled:
        counts: Counter[str] = Counter()
        listing = guard(lambda row, found: _listing(row, day, found), row, counts)
        ignored.update(counts - ignored)
        return Scheduled(datetime.combine(day, time(), UTC), listing)

    return tuple(on(day) for day in sorted(_start_dates(row)))


def _start_dates(row: Row) -> set[date]:
    """Every date on which an entry or a variant begins. A row that is wrong has none."""
    try:
        variants = nested(row.price_variants, list[dict[str, Raw]], "price_variants") or []
        found = [_start_date(entry) for entry in (*_entries(row.prices), *_of_tiers(variants))]
    except BadAmount:
        return set()
    return {day for day in found if day is not None}


def _of_tiers(variants: Iterable[Mapping[str, Raw]]) -> list[Mapping[str, Raw]]:
    """The variants that are service tiers."""
    return [variant for variant in variants if _tier(_conditions(variant)) is not None]


def _conditions(variant: Mapping[str, Raw]) -> dict[str, str]:
    return nested(variant.get("when", ABSENT), dict[str, str], "price_variants.when") or {}


def _listing(row: Row, today: date, ignored: Counter[str]) -> Listing:
    """The listing of one model. A zero is no price: the catalog has none for free models."""
    entries = _entries(row.prices)
    active = [entry for entry in entries if _has_started(entry, today)]
    if not active:
        return Unpriced(Why.NOT_PUBLISHED)
    # A later entry replaces the earlier ones, so only hours after the last dated entry apply.
    start = max((index for index, entry in enumerate(active) if _hours(entry) is None), default=-1)
    if start < 0:
        raise BadAmount("prices: each entry is for certain hours, and none for the others")
    base, conditional_rates = _prices(active[start], When(), {}, ignored)
    for entry in active[start + 1 :]:
        conditional_rates += _conditional(entry, When(hours=_hours(entry)), base, ignored)
    conditional_rates += _variants(row, today, base, ignored)
    return as_listing(base, Unpriced(Why.NOT_PUBLISHED), _without_replaced(conditional_rates))


def _without_replaced(entries: Sequence[ConditionalRates]) -> list[ConditionalRates]:
    """The entries without the rates that a later entry of the same condition replaces."""
    found: list[ConditionalRates] = []
    named: dict[When, dict[Meter, Rate]] = {}
    for entry in reversed(entries):
        later = named.get(entry.when)
        own = {meter: rate for meter, rate in entry.rates.items() if meter not in (later or {})}
        if own or later is None:
            found.append(ConditionalRates(entry.when, own))
        named[entry.when] = {**entry.rates, **(later or {})}
    return found[::-1]


def _entries(prices: Raw) -> list[dict[str, Raw]]:
    """The entries of `prices`, in order. A single object of prices is one entry, always in force.

    Only the first entry may have no constraint. A later one would replace those before it for ever.
    """
    if not bytes(prices).startswith(b"["):
        return [{"prices": prices}]
    entries = nested(prices, list[dict[str, Raw]], "prices") or []
    for entry in entries[1:]:
        if not _constraint(entry):
            raise BadAmount("constraint: missing in an entry after the first")
    return entries


def _has_started(entry: Mapping[str, Raw], today: date) -> bool:
    start = _start_date(entry)
    return start is None or start <= today


def _start_date(entry: Mapping[str, Raw]) -> date | None:
    text = nested(_constraint(entry).get("start_date", ABSENT), str, "constraint.start_date")
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        shown = shorten(text.encode())
        raise BadAmount(f"constraint.start_date: {shown} is not a date") from None


def _constraint(entry: Mapping[str, Raw]) -> dict[str, Raw]:
    """The constraint of an entry. An unknown key is an error, because it may limit the prices."""
    unknown = entry.keys() - {"constraint", "prices", "when"}
    if unknown:
        raise BadAmount(f"constraint: the unknown key {min(unknown)} may be a condition")
    if "constraint" not in entry:
        return {}
    constraint = nested(entry["constraint"], dict[str, Raw], "constraint") or {}
    if set(constraint) not in ({"start_date"}, {"start_time", "end_time"}):
        raise BadAmount(f"constraint: {sorted(constraint)} are neither a date nor hours")
    if b"null" in map(bytes, constraint.values()):
        raise BadAmount("constraint: null")
    return constraint


def _hours(entry: Mapping[str, Raw]) -> tuple[int, int] | None:
    constraint = _constraint(entry)
    if "start_time" not in constraint:
        return None
    start, end = (_minute(constraint[key], key) for key in ("start_time", "end_time"))
    if start == end:
        raise BadAmount("constraint: a window without hours")
    return start, end


def _minute(raw: Raw, where: str) -> int:
    """The minute of the day of a UTC time such as "16:30:00Z"."""
    text = nested(raw, str, where) or ""
    match = _TIME.fullmatch(text)
    if match is None:
        raise BadAmount(f"constraint.{where}: {shorten(text.encode())} is not a minute in UTC")
    return int(match[1]) * 60 + int(match[2])


def _variants(
    row: Row, today: date, standard: Rates, ignored: Counter[str]
) -> Iterator[ConditionalRates]:
    """The rates of service tiers, which replace the standard rates meter by meter.

    In the catalog the first active variant of a tier counts for each key; of our conditional rates
    the last one counts, so the order is reversed.
    """
    variants = nested(row.price_variants, list[dict[str, Raw]], "price_variants") or []
    for variant in reversed(variants):
        when = _conditions(variant)
        tier = _tier(when)
        if tier is None:
            ignored[".".join(filter(None, ("price_variants", "+".join(sorted(when)))))] += 1
        elif _has_started(variant, today):
            yield from _of_tier(variant, tier, standard, ignored)


def _tier(when: Mapping[str, str]) -> str | None:
    """The service tier that a condition names; None if it is another condition, or several."""
    if len(when) != 1:
        return None
    [(condition, name)] = when.items()
    is_named = is_tier(name) or name in STANDARD_TIERS
    return name if condition in _TIER_CONDITIONS and is_named else None


def _of_tier(
    variant: Mapping[str, Raw], tier: str, standard: Rates, ignored: Counter[str]
) -> Iterator[ConditionalRates]:
    """The rates of a variant. Without prices it says that the tier is sold at the base rates."""
    is_empty = nested(variant.get("prices", ABSENT), dict[str, Raw], "prices") == {}
    if tier in STANDARD_TIERS:
        if not is_empty:
            raise BadAmount(f"price_variants: other prices for the tier {tier}, which is the base")
    elif is_empty:
        yield ConditionalRates(When(service_tier=tier), {})
    else:
        when = When(service_tier=tier, hours=_hours(variant))
        yield from _conditional(variant, when, standard, ignored)


def _conditional(
    entry: Mapping[str, Raw], when: When, standard: Rates, ignored: Counter[str]
) -> Iterator[ConditionalRates]:
    base, tiers = _prices(entry, when, standard, ignored)
    if said := as_said(base, standard=standard):
        yield ConditionalRates(when, said)
    yield from tiers


def _prices(
    entry: Mapping[str, Raw], when: When, standard: Rates, ignored: Counter[str]
) -> tuple[dict[Meter, Rate], list[ConditionalRates]]:
    """The base rates of an entry, zeros included, and those of longer contexts, shortest first."""
    prices = nested(entry.get("prices", ABSENT), dict[str, Raw], "prices") or {}
    base: dict[str, Raw] = {}
    tiers: dict[int, dict[str, Raw]] = {}
    for key, raw in prices.items():
        base[key] = raw
        if bytes(raw).startswith(b"{") and key in FIELDS:
            base[key] = _split_tiers(raw, key, tiers)
    found = rates(base, FIELDS, ignored, "prices")
    return found, [
        ConditionalRates(
            replace(when, min_input_tokens=start + 1),
            as_said(rates(tiers[start], FIELDS, ignored, "prices"), standard={**standard, **found}),
        )
        for start in sorted(tiers)
    ]


def _split_tiers(raw: Raw, key: str, tiers: dict[int, dict[str, Raw]]) -> Raw:
    """The base of `{"base": …, "tiers": [{"start": …, "price": …}]}`; its tiers go to *tiers*.

    A tier's price applies to the whole request when its input is above the start, exclusive. Our
    condition is inclusive, so it is the start plus one token.
    """
    where = f"prices.{key}"
    tiered = nested(raw, dict[str, Raw], where) or {}
    steps = nested(tiered.get("tiers", ABSENT), list[dict[str, Raw]], f"{where}.tiers")
    if set(tiered) != {"base", "tiers"} or steps is None:
        raise BadAmount(f"{where}: not a base and its tiers")
    for step in steps:
        start = whole(step.get("start", ABSENT), f"{where}.tiers.start")
        if set(step) != {"start", "price"} or start is None or key in tiers.get(start, ()):
            raise BadAmount(f"{where}.tiers: not a start and its price")
        tiers.setdefault(start, {})[key] = step["price"]
    return tiered["base"]
