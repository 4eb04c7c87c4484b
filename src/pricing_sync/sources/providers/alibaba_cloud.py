"""Alibaba Cloud Model Studio: prices by length of input, type of price and time of day.

An answer names no currency: the host in Singapore bills in dollars, the one in Beijing in yuan.
Units are text (`Per 1M tokens`, `每百万tokens`); an unknown unit, type or range makes the model
unreadable. A failure has HTTP status 200. Read 2026-10 in the official documentation and in
independent clients. No recorded answer is public, except one model's prices of 2026-09-19.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from msgspec import Raw, Struct, field

from pricing_sync.prices.rates import (
    ConditionalRates,
    Listing,
    Meter,
    Per,
    Rate,
    Rates,
    Unpriced,
    When,
    Why,
)
from pricing_sync.prices.usage import PARENTS
from pricing_sync.sources.listings import NOT_FREE, NOT_PUBLISHED, add_rate, as_listing, as_said
from pricing_sync.sources.objects import nested
from pricing_sync.sources.provider import Key, Pin, Provider
from pricing_sync.sources.rows import Page, read_rows
from pricing_sync.sources.strict_json import (
    ABSENT,
    BadAmount,
    Incomplete,
    Malformed,
    envelope,
    rate,
    shorten,
)

#: By the text of a unit: what it counts, and how many of it.
Units = Mapping[str, tuple[str, Per]]

ENGLISH: Units = {
    "per 1m tokens": ("token", Per.MILLION),
    "per million tokens": ("token", Per.MILLION),
    "per image": ("image", Per.ONE),
    "per second": ("second", Per.ONE),
    "per 10000 characters": ("character", Per.TEN_THOUSAND),
}
CHINESE: Units = {
    "每百万tokens": ("token", Per.MILLION),
    "每张": ("image", Per.ONE),
    "每秒": ("second", Per.ONE),
    "每万字符": ("character", Per.TEN_THOUSAND),
}
#: The types of price, without the prefix `thinking_` and the suffix `_batch`.
TYPES: Mapping[str, Meter] = {
    "input_token": Meter.INPUT,
    "text_input_token": Meter.INPUT,
    "omni_input_token": Meter.INPUT,
    "omni_no_audio_input_token": Meter.INPUT,
    "embedding_token": Meter.INPUT,
    "output_token": Meter.OUTPUT,
    "omni_output_token": Meter.OUTPUT,
    "omni_no_audio_output_token": Meter.OUTPUT,
    # Text output for text input, and for image or audio input. No condition separates the two,
    # so different prices make the model unreadable.
    "purein_text_output_token": Meter.OUTPUT,
    "multiin_text_output_token": Meter.OUTPUT,
    "input_token_cache": Meter.CACHE_READ,
    "text_input_token_cache": Meter.CACHE_READ,
    "omni_input_token_cache": Meter.CACHE_READ,
    "audio_input_token_cache": Meter.CACHE_READ_AUDIO,
    "input_token_cache_read": Meter.CACHE_READ,  # see `_by_meter`
    "input_token_cache_creation_5m": Meter.CACHE_WRITE,
    "input_token_cache_creation_1h": Meter.CACHE_WRITE_1H,
    "vision_input_token": Meter.INPUT_IMAGE,
    "embedding_image_token": Meter.INPUT_IMAGE,
    "audio_input_token": Meter.INPUT_AUDIO,
    "omni_audio_input_token": Meter.INPUT_AUDIO,
    "omni_audio_output_token": Meter.OUTPUT_AUDIO,
    "multi_output_token": Meter.OUTPUT_AUDIO,
    "qwen_tts_multi_output_token": Meter.OUTPUT_AUDIO,
    "image_number": Meter.IMAGE,
    "content_duration": Meter.SECOND,
    "cosy_tts_number": Meter.CHARACTER,
}
# All other meters count tokens.
_UNITS = {Meter.IMAGE: "image", Meter.SECOND: "second", Meter.CHARACTER: "character"}
# Known types that no meter counts: by resolution, quality or voice, and batches in a chat.
_UNCOUNTED = re.compile(
    r"video_.+|.+_no_audio|image_.+|qima_.+|tts_vc_model|vision_input_token_cache|.+_batch_chat"
)
_RANGE = re.compile(
    r"(?:([0-9]{1,9})([km]?)<)?(?:input|token|输入)(?:<=|≤)([0-9]{1,9})([km]?)", re.IGNORECASE
)
# The documentation does not state whether 1k is 1,000 or 1,024; every client checked uses 1,000
# (2026-10). If it is 1,024, requests of up to 2.4 % more than a bound are priced one range too
# high, and none too low.
_THOUSANDS = {"": 1, "k": 1_000, "m": 1_000_000}


class _Item(Struct):
    type: str
    price: Raw = ABSENT
    price_unit: str | None = None
    time_band: str | None = None
    #: A label of the price for people.
    price_name: Raw = ABSENT

    @property
    def name(self) -> str:
        return self.type.removeprefix("thinking_").removesuffix("_batch")

    @property
    def is_standard(self) -> bool:
        return self.time_band in (None, "", "standard")

    @property
    def is_metered(self) -> bool:
        """Whether the price must be read: a standard price of a known meter or an unknown type."""
        return self.is_standard and (self.name in TYPES or not _UNCOUNTED.fullmatch(self.name))


class _Range(Struct):
    prices: list[_Item]
    range_name: str | None = None


class Row(Struct):
    id: str = field(name="model")
    prices: Raw = ABSENT


class _Output(Struct):
    total: int
    page_no: int
    page_size: int
    models: list[Raw]


class _Answer(Struct):
    success: bool
    code: str | None = None
    message: str | None = None
    output: _Output | None = None


def read(body: bytes, *, currency: str, units: Units) -> Page:
    """One page of models, with prices in *currency* and units of *units*."""
    output = _output(body)
    read_row = partial(listing, currency=currency, units=units)
    return read_rows(output.models, Row, read_row, output.total)


def _output(body: bytes) -> _Output:
    answer = envelope(body, _Answer)
    if not answer.success or answer.output is None:
        parts = (answer.code or "no code", answer.message or "no message")
        raise Malformed("body", ": ".join(shorten(part.encode()) for part in parts))
    return answer.output


def listing(row: Row, ignored: Counter[str], *, currency: str, units: Units) -> Listing:
    """The listing of one model: a set of rates for each range and service tier."""
    ranges = nested(row.prices, list[_Range], "prices", ignored) or []
    items = [item for part in ranges for item in part.prices]
    ignored.update(f"prices.{item.type}" for item in items if not item.is_metered)
    if not items:
        return NOT_PUBLISHED
    if not any(item.is_standard for item in items):
        # The answer does not state the hours of the bands, and no band's price holds all day.
        return Unpriced(Why.VARIES, "priced by the time of day")
    if not any(item.is_metered for item in items):
        return Unpriced(Why.NOT_PER_TOKEN, f"priced by {items[0].type}")
    by_start = _by_start(ranges)
    standard, batch = (
        [_rates(part.prices, units, ignored, batch=batch) for part in by_start.values()]
        for batch in (False, True)
    )
    if not any(
        published for sets in (standard, batch) for one in sets for published in one.values()
    ):
        return as_listing(standard[0], currency=currency)
    standard = _complete(standard, {})
    try:
        batch = _complete(batch, standard[0])
    except BadAmount:
        # Requests in batch have no price then, whatever their length.
        ignored["prices.batch"] += 1
        batch = []
    conditional_rates = [
        ConditionalRates(
            When(min_input_tokens=start + 1 if start else None, service_tier=tier), rates
        )
        for tier, sets in ((None, standard), ("batch", batch))
        for start, rates in zip(by_start, sets, strict=False)
        if rates and (start or tier)
    ]
    return as_listing(standard[0], NOT_FREE, conditional_rates, currency=currency)


def _by_start(ranges: Iterable[_Range]) -> dict[int, _Range]:
    """The ranges by the number of input tokens above which they apply, from zero and without gaps.

    Raises:
        BadAmount: a range cannot be read, or does not start where the one before it ends.
    """
    bounded = [(*_bounds(part.range_name), part) for part in ranges]
    bounded.sort(key=lambda item: item[:2])
    ends = [0, *(end for _, end, _ in bounded)]
    for (start, _, part), end in zip(bounded, ends, strict=False):
        if start != end:
            raise BadAmount(f"prices: range {part.range_name!r} does not begin at {end}")
    return {start: part for start, _, part in bounded}


def _bounds(name: str | None) -> tuple[int, int]:
    """The number of input tokens above which a range starts, and the last number in it.

    The default range ends at -1, so that no other range can follow it.
    """
    compact = "".join((name or "").split())
    if compact.lower() in ("", "default"):
        return 0, -1
    match = _RANGE.fullmatch(compact)
    if match is None:
        raise BadAmount(f"prices: range {name!r} is not known")
    start = int(match[1] or 0) * _THOUSANDS[(match[2] or "").lower()]
    end = int(match[3]) * _THOUSANDS[match[4].lower()]
    if end <= start:
        raise BadAmount(f"prices: range {name!r} holds nothing")
    return start, end


def _complete(sets: Sequence[dict[Meter, Rate]], standard: Rates) -> list[dict[Meter, Rate]]:
    """*sets*, from the shortest requests on, where each one prices what those before it price.

    A meter that a range leaves out would be priced at the rate of shorter requests. A part of the
    input or output has no price of its own there, so it gets the rate of the whole in that range.
    The first one replaces *standard*, if it is for batches.

    Raises:
        BadAmount: a range leaves out a meter that is not a part of another one.
    """
    found: list[dict[Meter, Rate]] = []
    for one in sets:
        complete = as_said(one, standard=found[-1] if found else standard)
        for meter in Meter:  # a parent comes before its parts
            if not found or meter in complete or meter not in found[-1]:
                continue
            whole = PARENTS.get(meter)
            if whole is None or whole not in complete:
                raise BadAmount(f"prices: {meter}: priced in some ranges only")
            complete[meter] = complete[whole]
        found.append(complete)
    return found


def _rates(
    items: Iterable[_Item], units: Units, ignored: Counter[str], *, batch: bool
) -> dict[Meter, Rate]:
    """The rates of one range, for batches or for all other requests.

    A model that always thinks has only `thinking_` prices, and they are its prices. A model with
    both modes has a second output price, for its thoughts and for the answer after them. That
    price is stored as reasoning, so the answer after them is priced like one without thinking.
    """
    plain: dict[str, Rate] = {}
    thinking: dict[str, Rate] = {}
    for item in items:
        if not item.is_metered:
            continue
        published = _rate(item, units)
        if published is None or item.type.endswith("_batch") is not batch:
            continue
        kind = thinking if item.type.startswith("thinking_") else plain
        add_rate(kind, item.name, published, f"prices.{item.type}")
    found, found_thinking = _by_meter(plain, ignored), _by_meter(thinking, ignored)
    if Meter.OUTPUT in found and Meter.OUTPUT in found_thinking:
        found_thinking[Meter.REASONING] = found_thinking.pop(Meter.OUTPUT)
    for meter, published in found_thinking.items():
        add_rate(found, meter, published, f"prices: {meter} when thinking")
    return found


def _rate(item: _Item, units: Units) -> Rate | None:
    unit = " ".join((item.price_unit or "").lower().replace(",", "").split())
    if item.name not in TYPES:
        raise BadAmount(f"prices.{item.type}: not a type that is known")
    counted, per = units.get(unit, ("", Per.ONE))
    if counted != _UNITS.get(TYPES[item.name], "token"):
        raise BadAmount(f"prices.{item.type}: {item.price_unit!r} is not its unit here")
    return rate(item.price, f"prices.{item.type}", per)


def _by_meter(by_type: Mapping[str, Rate], ignored: Counter[str]) -> dict[Meter, Rate]:
    """The rates by meter.

    Hits of the explicit cache (`input_token_cache_read`) may be cheaper than hits of the automatic
    one (`input_token_cache`). Where both have a price, the automatic one's is used: the automatic
    cache cannot be switched off. The other one is counted in *ignored*.
    """
    found: dict[Meter, Rate] = {}
    for name, published in by_type.items():
        if name == "input_token_cache_read" and "input_token_cache" in by_type:
            if published != by_type["input_token_cache"]:
                ignored[f"prices.{name}"] += 1
            continue
        add_rate(found, TYPES[name], published, f"prices.{name}")
    return found


def _following(body: bytes, count: int) -> Mapping[str, str] | None:
    output = _output(body)
    if output.page_no != count:
        raise Incomplete("output", f"page {output.page_no}, where page {count} was asked for")
    if output.page_no * output.page_size >= output.total:
        return None
    if not output.models:
        raise Incomplete("output", f"page {count} is empty, of {output.total} models")
    return {"page_no": str(count + 1)}


PROVIDER = Provider(
    id="alibaba-cloud",
    name="Alibaba Cloud Model Studio",
    url=(
        "https://dashscope-intl.aliyuncs.com/api/v1/models"
        "?page_no=1&page_size=100&language=en-US&service_site=international"
    ),
    # On this host a Chinese unit may mean a price in yuan, so only English units are read.
    decode=partial(read, currency="USD", units=ENGLISH),
    following=_following,
    key=Key(
        (
            "DASHSCOPE_API_KEY",
            "ALIBABA_CLOUD_API_KEY_INTERNATIONAL",
            "ALIBABA_CLOUD_API_KEY",
        )
    ),
    pin=Pin("qwen3-max", Meter.INPUT, rate="1.2", read_on="2026-05-14"),
    page="https://www.alibabacloud.com/help/en/model-studio/model-pricing",
)

PROVIDER_CN = Provider(
    id="alibaba-cloud-cn",
    name="Alibaba Cloud Model Studio (Beijing)",
    url=(
        "https://dashscope.aliyuncs.com/api/v1/models"
        "?page_no=1&page_size=100&language=en-US&service_site=asia-pacific-china"
    ),
    decode=partial(read, currency="CNY", units={**ENGLISH, **CHINESE}),
    following=_following,
    currency="CNY",
    key=Key(
        (
            "ALIBABA_CLOUD_API_KEY_CHINA",
            "DASHSCOPE_API_KEY",
            "ALIBABA_CLOUD_API_KEY",
        )
    ),
    pin=Pin("MiniMax-M2.1", Meter.INPUT, rate="2.1", read_on="2026-09-19"),
    page="https://help.aliyun.com/zh/model-studio/model-pricing",
)
