"""LiteLLM's cost map: one flat object of models, US dollars per single unit.

A key is LiteLLM's own name of a model, usually with the provider's prefix (`groq/…`), and is kept
unchanged. The conditions are those of LiteLLM 1.109.1. Where the keys alone do not define them, its
cost calculator was read (2026-10).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from msgspec import Raw, Struct

from pricing_sync.prices.model_ids import is_model_id
from pricing_sync.prices.rates import (
    ConditionalRates,
    Listing,
    Meter,
    Per,
    Rate,
    Rates,
    Unpriced,
    Unreadable,
    When,
    Why,
)
from pricing_sync.sources.listings import (
    NOT_FREE,
    NOT_PUBLISHED,
    Amount,
    Fields,
    as_listing,
    as_said,
    free_if_named_so,
    joined,
    rates,
    without_zeros,
)
from pricing_sync.sources.objects import nested
from pricing_sync.sources.rows import Page
from pricing_sync.sources.strict_json import (
    ABSENT,
    BadAmount,
    Incomplete,
    envelope,
    is_named,
    rate,
    shorten,
    whole,
)

FIELDS: Fields = {
    "input_cost_per_token": Amount(Meter.INPUT, Per.ONE),
    "output_cost_per_token": Amount(Meter.OUTPUT, Per.ONE),
    "output_cost_per_reasoning_token": Amount(Meter.REASONING, Per.ONE),
    "cache_read_input_token_cost": Amount(Meter.CACHE_READ, Per.ONE),
    "input_cost_per_token_cache_hit": Amount(Meter.CACHE_READ, Per.ONE),
    "cache_read_input_audio_token_cost": Amount(Meter.CACHE_READ_AUDIO, Per.ONE),
    "cache_creation_input_token_cost": Amount(Meter.CACHE_WRITE, Per.ONE),
    "cache_creation_input_token_cost_above_1hr": Amount(Meter.CACHE_WRITE_1H, Per.ONE),
    "input_cost_per_audio_token": Amount(Meter.INPUT_AUDIO, Per.ONE),
    "output_cost_per_audio_token": Amount(Meter.OUTPUT_AUDIO, Per.ONE),
    "input_cost_per_image_token": Amount(Meter.INPUT_IMAGE, Per.ONE),
    "output_cost_per_image_token": Amount(Meter.OUTPUT_IMAGE, Per.ONE),
    "input_cost_per_video_token": Amount(Meter.INPUT_VIDEO, Per.ONE),
    "output_cost_per_video_token": Amount(Meter.OUTPUT_VIDEO, Per.ONE),
    "input_cost_per_query": Amount(Meter.REQUEST, Per.ONE),
    "input_cost_per_request": Amount(Meter.REQUEST, Per.ONE),
    "ocr_cost_per_page": Amount(Meter.PAGE, Per.ONE),
}
# One meter with a key for input and one for output. For xAI, the price of a generated image is in
# `input_cost_per_image`.
INPUT_OR_OUTPUT = {
    Meter.IMAGE: ("input_cost_per_image", "output_cost_per_image"),
    Meter.SECOND: ("input_cost_per_second", "output_cost_per_second"),
    Meter.CHARACTER: ("input_cost_per_character", "output_cost_per_character"),
}
WEB_SEARCH = "search_context_cost_per_query"
_KNOWN: Fields = {
    **FIELDS,
    **{key: None for keys in INPUT_OR_OUTPUT.values() for key in keys},
    WEB_SEARCH: None,
    "tiered_pricing": None,
    "off_peak_pricing": None,
}
#: The suffix of each service tier.
TIERS = {
    "batches": "batch",
    "flex": "flex",
    "priority": "priority",
    "balanced": "balanced",
    "ultrafast": "ultrafast",
}
PRICE_KEY = re.compile(
    rf"(?P<field>{'|'.join(FIELDS)})"
    r"(?:_above_(?P<above>[1-9][0-9]{0,8})(?P<thousands>k?)_tokens)?"
    rf"(?:_(?P<tier>{'|'.join(TIERS)}))?"
)
_PRICE_WORDS = ("cost", "pricing", "multiplier")
# Multipliers by region and speed: `{"us": 1.1, "fast": 6}`.
_MULTIPLIERS = "provider_specific_entry"

# `sample_spec` explains the format, `fallback_generalizations` holds patterns. Neither is a model.
NOT_MODELS = ("sample_spec", "fallback_generalizations")

# For these providers a threshold is inclusive; for all others it is exclusive.
_INCLUSIVE = frozenset({"xai"})

_DAY = 24 * 60
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
#: Minutes ahead of UTC in zones with the same offset all year. LiteLLM states `weekdays` in such a
# zone and hours in UTC, while a `When` has one zone.
OFFSETS = {"UTC": 0, "Asia/Shanghai": 8 * 60}


# An alias may name another alias; of a longer chain, or a circle, nothing is read.
_LONGEST_CHAIN = 5


class _Head(Struct):
    litellm_provider: str | None = None
    alias_of: str | None = None


def providers(body: bytes) -> list[str]:
    """The values of `litellm_provider` in the map.

    Raises:
        Malformed: it is not an object.
    """
    return sorted({provider for _, _, provider in _rows(body) if provider is not None})


def read(body: bytes, provider_id: str) -> Page:
    """The models whose `litellm_provider` is *provider_id*, and the rows without a provider.

    Raises:
        Malformed: the map is not an object.
        Incomplete: it contains no model of that provider.
    """
    page = Page([])
    found = False
    for model, raw, row_provider_id in _rows(body):
        if row_provider_id is None:
            page.rows.append(_ownerless(model))
        elif row_provider_id == provider_id:
            found = True
            page.rows.append(_row(model, raw, provider_id, page.ignored))
    if not found:
        raise Incomplete("body", f"no model of {provider_id}")
    return page


def read_all(body: bytes) -> dict[str, Page]:
    """The models of every provider in the map; the rows without a provider are under `""`.

    Raises:
        Malformed: the map is not an object.
    """
    pages: dict[str, Page] = {}
    for model, raw, provider_id in _rows(body):
        page = pages.setdefault(provider_id or "", Page([]))
        if provider_id is None:
            page.rows.append(_ownerless(model))
        else:
            page.rows.append(_row(model, raw, provider_id, page.ignored))
    return pages


def _rows(body: bytes) -> Iterator[tuple[str, Raw, str | None]]:
    """The key, the row and the `litellm_provider` of each model; None if it has no provider.

    An alias has the row and the provider of the model that it names.
    """
    models = envelope(body, dict[str, Raw])
    for model, raw in models.items():
        if model not in NOT_MODELS:
            yield model, *_resolved(raw, models)


def _resolved(raw: Raw, models: Mapping[str, Raw]) -> tuple[Raw, str | None]:
    """A row, or the one that it is an alias of, and its provider."""
    for _ in range(_LONGEST_CHAIN):
        try:
            head = nested(raw, _Head, "row")
        except BadAmount:
            break
        if head is None or head.alias_of is None or head.litellm_provider is not None:
            return raw, head.litellm_provider if head else None
        if head.alias_of not in models:
            break
        raw = models[head.alias_of]
    return raw, None


def _ownerless(model: str) -> tuple[None, Unreadable]:
    return None, Unreadable(f"{shorten(model.encode())}: no litellm_provider")


def _row(
    model: str, raw: Raw, provider_id: str, ignored: Counter[str]
) -> tuple[str | None, Listing]:
    if not is_model_id(model):
        return None, Unreadable(f"{shorten(model.encode())} is not a model id")
    try:
        fields = nested(raw, dict[str, Raw], "row") or {}
        prices = {key: value for key, value in fields.items() if _is_price(key)}
        multipliers = nested(fields.get(_MULTIPLIERS, ABSENT), dict[str, Raw], _MULTIPLIERS) or {}
        ignored.update(f"row.{_MULTIPLIERS}.{name}" for name in multipliers)
        return model, _listing(model, prices, provider_id, ignored)
    except BadAmount as error:
        return model, Unreadable(str(error))


def _is_price(key: str) -> bool:
    return any(word in key for word in _PRICE_WORDS)


def _listing(
    model: str, prices: Mapping[str, Raw], provider_id: str, ignored: Counter[str]
) -> Listing:
    """The listing of one model. Zero is a price only when the id ends in `:free` or `-free`."""
    _refuse_strings(prices, "row")
    tiers = nested(prices.get("tiered_pricing", ABSENT), list[dict[str, Raw]], "tiered_pricing")
    if tiers and "max_results_range" in tiers[0]:
        return Unpriced(Why.VARIES, "priced by how many results a search returns")
    flat, conditional_rates = _flat(prices, provider_id, ignored)
    base = joined(flat, _input_or_output(prices, ignored), _web_search(prices, ignored))
    if tiers:
        base, conditional_rates = _tiered(base, tiers, conditional_rates, ignored)
    conditional_rates += _off_peak(prices, base, ignored)
    if not base and not conditional_rates:
        return NOT_PUBLISHED
    return free_if_named_so(as_listing(base, NOT_FREE, conditional_rates), model)


def _refuse_strings(prices: Mapping[str, Raw], where: str) -> None:
    """Raise BadAmount for a price in quotes: LiteLLM itself fails on it at the first request."""
    for key, raw in prices.items():
        if bytes(raw).startswith(b'"'):
            raise BadAmount(f"{where}.{key}: {shorten(bytes(raw))} is not a number")


def _flat(
    prices: Mapping[str, Raw], provider_id: str, ignored: Counter[str]
) -> tuple[dict[Meter, Rate], list[ConditionalRates]]:
    """The base rates, and the conditional rates of keys with a suffix."""
    groups: dict[When, dict[str, Raw]] = {}
    for key, raw in prices.items():
        match = PRICE_KEY.fullmatch(key)
        when = _when(match, provider_id) if match else When()
        groups.setdefault(when, {})[match["field"] if match else key] = raw
    base = rates(groups.pop(When(), {}), _KNOWN, ignored, "row")
    conditional_rates = [
        ConditionalRates(when, as_said(rates(groups[when], _KNOWN, ignored, "row"), standard=base))
        for when in sorted(groups, key=_precedence)
    ]
    return base, [conditional for conditional in conditional_rates if conditional.rates]


def _when(match: re.Match[str], provider_id: str) -> When:
    above = match["above"] and int(match["above"]) * (1000 if match["thousands"] else 1)
    return When(
        min_input_tokens=above + (provider_id not in _INCLUSIVE) if above else None,
        service_tier=TIERS.get(match["tier"]),
    )


def _precedence(when: When) -> tuple[int, int]:
    """A sort key: of two conditions that match, the later one wins, as in LiteLLM.

    LiteLLM bills a long request without a long price of its service tier at the standard long price
    if the tier is not `batch`, and at the flat batch price if it is.
    """
    if when.min_input_tokens is None:
        return (2 if when.service_tier == "batch" else 0), 0
    return (3 if when.service_tier else 1), when.min_input_tokens


def _input_or_output(prices: Mapping[str, Raw], ignored: Counter[str]) -> dict[Meter, Rate]:
    """The rates of meters that have one key for input and one for output.

    A meter with different prices in the two keys is left out and counted in *ignored*.
    """
    found: dict[Meter, Rate] = {}
    for meter, keys in INPUT_OR_OUTPUT.items():
        published = [rate(prices.get(key, ABSENT), key, Per.ONE) for key in keys]
        above_zero = {rate for rate in published if rate}
        if len(above_zero) > 1:
            ignored[f"row.{keys[1]}"] += 1
        elif any(rate is not None for rate in published):
            found[meter] = above_zero.pop() if above_zero else Rate(0)
    return found


def _web_search(prices: Mapping[str, Raw], ignored: Counter[str]) -> dict[Meter, Rate]:
    """The rate of a web search, if it is the same for every size of the search context."""
    sizes = nested(prices.get(WEB_SEARCH, ABSENT), dict[str, Raw], WEB_SEARCH) or {}
    _refuse_strings(sizes, WEB_SEARCH)
    published = {rate(raw, f"{WEB_SEARCH}.{size}", Per.ONE) for size, raw in sizes.items()}
    if len(published) > 1:
        ignored[f"row.{WEB_SEARCH}"] += 1
    only = published.pop() if len(published) == 1 else None
    return {} if only is None else {Meter.WEB_SEARCH: only}


def _tiered(
    base: Mapping[Meter, Rate],
    tiers: list[dict[str, Raw]],
    conditional_rates: list[ConditionalRates],
    ignored: Counter[str],
) -> tuple[dict[Meter, Rate], list[ConditionalRates]]:
    """The base rates and the conditional rates of `tiered_pricing`.

    A tier's prices apply to the whole request when its input is above the lower bound and not above
    the upper bound. The last tier has no upper bound. The first one may repeat the flat prices.
    """
    if conditional_rates:
        raise BadAmount("tiered_pricing: listed with other conditional prices, in an unknown order")
    first: dict[Meter, Rate] = {}
    higher: list[ConditionalRates] = []
    end = 0
    for index, tier in enumerate(tiers):
        where = f"tiered_pricing[{index}]"
        start, stop = _range(tier, where)
        if start != end or stop <= start:
            raise BadAmount(f"{where}.range: {start} to {stop} does not continue from {end}")
        end = stop
        published = as_said(_block(tier, ("range",), ignored, where), standard=first)
        if start:
            higher.append(ConditionalRates(When(min_input_tokens=start + 1), published))
        else:
            first = published
    return {**base, **joined(without_zeros(base), first)}, higher


def _range(tier: Mapping[str, Raw], where: str) -> tuple[int, int]:
    bounds = nested(tier.get("range", ABSENT), list[Raw], f"{where}.range")
    counts = [whole(bound, f"{where}.range") for bound in bounds or ()]
    if len(counts) != 2 or counts[0] is None or counts[1] is None:
        raise BadAmount(f"{where}.range: not a lower and an upper bound")
    return counts[0], counts[1]


def _off_peak(
    prices: Mapping[str, Raw], base: Rates, ignored: Counter[str]
) -> list[ConditionalRates]:
    """The rates of certain hours. They replace all other rates, so they come last."""
    where = "off_peak_pricing"
    block = nested(prices.get(where, ABSENT), dict[str, Raw], where)
    if not block:
        return []
    conditions = ("hours_utc", "windows", "weekday_timezone")
    found = as_said(_block(block, conditions, ignored, where), standard=base)
    windows = nested(block.get("windows", ABSENT), list[dict[str, Raw]], f"{where}.windows") or []
    if is_named(block.get("hours_utc", ABSENT)):
        windows.append({"hours_utc": block["hours_utc"]})
    if not windows or not found:
        raise BadAmount(f"{where}: no hours, or no price in them")
    published = nested(block.get("weekday_timezone", ABSENT), str, f"{where}.weekday_timezone")
    zone = "UTC" if published is None else published
    return [
        ConditionalRates(when, found) for window in windows for when in _window(window, zone, where)
    ]


def _block(
    block: Mapping[str, Raw], conditions: tuple[str, ...], ignored: Counter[str], where: str
) -> dict[Meter, Rate]:
    """The rates next to *conditions*. An unknown key is an error, because it may limit them."""
    prices = {key: raw for key, raw in block.items() if key not in conditions}
    unknown = [key for key in prices if not _is_price(key)]
    if unknown:
        raise BadAmount(f"{where}.{unknown[0]}: neither a price nor a condition that is known")
    _refuse_strings(prices, where)
    return rates(prices, FIELDS, ignored, where)


def _window(window: Mapping[str, Raw], zone: str, where: str) -> Iterator[When]:
    """The conditions of one window: its hours and weekdays, both in the zone of the weekdays."""
    if set(window) - {"hours_utc", "weekdays"}:
        raise BadAmount(f"{where}.windows: {sorted(window)} are not hours and weekdays")
    days = nested(window.get("weekdays", ABSENT), list[int], f"{where}.weekdays")
    if days is not None and (not days or not set(days) <= set(range(1, 8))):
        raise BadAmount(f"{where}.weekdays: {days} are not 1 … 7")
    if days is not None and zone not in OFFSETS:
        raise BadAmount(f"{where}.weekday_timezone: the offset of {zone[:40]!r} is not known")
    when = When(
        weekdays=None if days is None else frozenset(days),
        time_zone="UTC" if days is None else zone,
    )
    for hours in _hours(window.get("hours_utc", ABSENT), f"{where}.hours_utc"):
        yield _with_hours(when, hours, where)


def _with_hours(when: When, hours: tuple[int, int], where: str) -> When:
    """*when* with hours that are given in UTC, moved to its time zone."""
    start, end = hours
    if start == end:  # the whole day
        if when.weekdays is None:
            raise BadAmount(f"{where}: every hour of every day is not off-peak")
        return when
    offset = OFFSETS[when.time_zone]
    return replace(when, hours=((start + offset) % _DAY, (end + offset) % _DAY or _DAY))


def _hours(raw: Raw, where: str) -> list[tuple[int, int]]:
    """One window such as "16:30-00:30", or a list of them, in minutes since midnight UTC."""
    texts = nested(raw, str | list[str], where)  # type: ignore[arg-type]
    windows = [texts] if isinstance(texts, str) else texts
    if not windows:
        raise BadAmount(f"{where}: missing")
    return [_minutes(text, where) for text in windows]


def _minutes(text: str, where: str) -> tuple[int, int]:
    times = [_TIME.fullmatch(part.strip()) for part in text.split("-")]
    match times:
        case [re.Match() as start, re.Match() as end]:
            return int(start[1]) * 60 + int(start[2]), int(end[1]) * 60 + int(end[2])
    raise BadAmount(f"{where}: {shorten(text.encode())} is not a window of hours")
