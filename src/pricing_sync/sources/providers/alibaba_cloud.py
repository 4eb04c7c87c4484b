"""Alibaba Cloud Model Studio: price lists by length of input, type of price and time of day.

An answer names no currency: the host in Singapore bills dollars, the one in Beijing yuan. Prices
come as words (`Per 1M tokens`, `每百万tokens`), and what is not known by name is refused. A failure
is told with status 200. Read 2026-10 off the official pages and independent readers; apart from one
model's prices of 2026-09-19, no recorded answer is public.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise

from msgspec import Raw, Struct, field

from pricing_sync.prices.rates import (
    ConditionalRates,
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
    BadAmount,
    Incomplete,
    Malformed,
    Page,
    envelope,
    nested,
    rate,
    read_rows,
    shorten,
)

#: What a unit counts, and how many of it.
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
#: The types of price, less `thinking_` before them and `_batch` behind.
TYPES: Mapping[str, Meter] = {
    "input_token": Meter.INPUT,
    "text_input_token": Meter.INPUT,
    "omni_input_token": Meter.INPUT,
    "omni_no_audio_input_token": Meter.INPUT,
    "embedding_token": Meter.INPUT,
    "output_token": Meter.OUTPUT,
    "omni_output_token": Meter.OUTPUT,
    "omni_no_audio_output_token": Meter.OUTPUT,
    # Text after text, and text after pictures or sound: one price, or none we can tell.
    "purein_text_output_token": Meter.OUTPUT,
    "multiin_text_output_token": Meter.OUTPUT,
    "input_token_cache": Meter.CACHE_READ,
    "text_input_token_cache": Meter.CACHE_READ,
    "omni_input_token_cache": Meter.CACHE_READ,
    "audio_input_token_cache": Meter.CACHE_READ_AUDIO,
    "input_token_cache_read": Meter.CACHE_READ,  # see `_metered`
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
_COUNTED = {Meter.IMAGE: "image", Meter.SECOND: "second", Meter.CHARACTER: "character"}
# Known, and told in no meter of ours: resolutions, qualities, voices, batches in a conversation.
_OTHERWISE = re.compile(
    r"video_.+|.+_no_audio|image_.+|qima_.+|tts_vc_model|vision_input_token_cache|.+_batch_chat"
)
_RANGE = re.compile(
    r"(?:([0-9]{1,9})([km]?)<)?(?:input|token|输入)(?:<=|≤)([0-9]{1,9})([km]?)", re.IGNORECASE
)
# The pages do not say whether 1k is 1,000 or 1,024; every reader seen says 1,000 (2026-10). If that
# is wrong, requests of up to 2.4 % more than a bound are priced one range too high, none too low.
_THOUSANDS = {"": 1, "k": 1_000, "m": 1_000_000}


class _Item(Struct):
    type: str
    price: Raw = ABSENT
    price_unit: str | None = None
    time_band: str | None = None

    @property
    def name(self) -> str:
        return self.type.removeprefix("thinking_").removesuffix("_batch")

    @property
    def is_standard(self) -> bool:
        return self.time_band in (None, "", "standard")

    @property
    def is_metered(self) -> bool:
        """Whether it is a price of ours to read, be it of a type that nobody knows."""
        return self.is_standard and (self.name in TYPES or not _OTHERWISE.fullmatch(self.name))


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
    """One page of models, priced in *currency* by *units*."""
    output = _output(body)
    read_row = partial(listing, currency=currency, units=units)
    return read_rows(output.models, Row, read_row, output.total)


def _output(body: bytes) -> _Output:
    answer = envelope(body, _Answer)
    if not answer.success or answer.output is None:
        words = (answer.code or "no code", answer.message or "no message")
        raise Malformed("body", ": ".join(shorten(word.encode()) for word in words))
    return answer.output


def listing(row: Row, ignored: Counter[str], *, currency: str, units: Units) -> Listing:
    """What Model Studio says of one model: a set of rates for each range and service tier."""
    ranges = nested(row.prices, list[_Range], "prices") or []
    items = [item for told in ranges for item in told.prices]
    ignored.update(f"prices.{item.type}" for item in items if not item.is_metered)
    if not items:
        return Unpriced(Why.NOT_PUBLISHED)
    if not any(item.is_standard for item in items):
        # The bands' hours are not in the answer, and neither band is the price of every hour.
        return Unpriced(Why.VARIES, "priced by the time of day")
    if not any(item.is_metered for item in items):
        return Unpriced(Why.NOT_PER_TOKEN, f"priced by {items[0].type}")
    begins = _begin(ranges)
    standard = _alike([_rates(told.prices, units, batch=False) for told in begins.values()])
    batch = _alike([_rates(told.prices, units, batch=True) for told in begins.values()])
    if not standard[0] and not batch[0]:
        return Unpriced(Why.NOT_PER_TOKEN, "listed at zero, with nothing that says it is free")
    conditional_rates = [
        ConditionalRates(
            When(min_input_tokens=begin + 1 if begin else None, service_tier=tier), rates
        )
        for tier, sets in ((None, standard), ("batch", batch))
        for begin, rates in zip(begins, sets, strict=True)
        if rates and (begin or tier)
    ]
    return RateCard(standard[0], tuple(conditional_rates), currency)


def _begin(ranges: Iterable[_Range]) -> dict[int, _Range]:
    """The ranges by the number of input tokens above which they apply, from zero and without gaps.

    Raises:
        BadAmount: a range that cannot be read, or that does not join the one before it.
    """
    told = sorted(((*_bounds(told.range_name), told) for told in ranges), key=lambda part: part[:2])
    ends = [0, *(end for _, end, _ in told)]
    for (begin, _, part), end in zip(told, ends, strict=False):
        if begin != end:
            raise BadAmount(f"prices: range {part.range_name!r} does not begin at {end}")
    return {begin: part for begin, _, part in told}


def _bounds(name: str | None) -> tuple[int, int]:
    """The tokens above which a range begins, and up to which it goes; the default's end is -1,
    where no other range can begin."""
    compact = "".join((name or "").split())
    if compact.lower() in ("", "default"):
        return 0, -1
    match = _RANGE.fullmatch(compact)
    if match is None:
        raise BadAmount(f"prices: range {name!r} is not known")
    begin = int(match[1] or 0) * _THOUSANDS[(match[2] or "").lower()]
    end = int(match[3]) * _THOUSANDS[match[4].lower()]
    if end <= begin:
        raise BadAmount(f"prices: range {name!r} holds nothing")
    return begin, end


def _alike(sets: Sequence[dict[Meter, Rate]]) -> Sequence[dict[Meter, Rate]]:
    """*sets*, if all name the same meters: one that a range does not name would be priced like
    those of shorter requests."""
    for one, another in pairwise(sets):
        if one.keys() != another.keys():
            odd = ", ".join(sorted(one.keys() ^ another.keys()))
            raise BadAmount(f"prices: {odd}: priced in some ranges only")
    return sets


def _rates(items: Iterable[_Item], units: Units, *, batch: bool) -> dict[Meter, Rate]:
    """The rates that one range names for batches, or for all else.

    A model that only thinks has only `thinking_` prices, and they are its prices. One that does
    both has a second price of output, for what it says after thinking and for the thoughts: they
    are told as reasoning, so an answer that was thought about is priced like one that was not.
    """
    plain: dict[str, Rate] = {}
    thinking: dict[str, Rate] = {}
    for item in items:
        if not item.is_metered:
            continue
        said = _rate(item, units)
        if not said or item.type.endswith("_batch") is not batch:
            continue
        kind = thinking if item.type.startswith("thinking_") else plain
        if kind.setdefault(item.name, said) != said:
            raise BadAmount(f"prices.{item.type}: {kind[item.name]} and {said}")
    found, thought = _metered(plain), _metered(thinking)
    if Meter.OUTPUT in found and Meter.OUTPUT in thought:
        thought[Meter.REASONING] = thought.pop(Meter.OUTPUT)
    for meter, said in thought.items():
        if found.setdefault(meter, said) != said:
            raise BadAmount(f"prices: {meter} is {found[meter]}, and {said} when thinking")
    return found


def _rate(item: _Item, units: Units) -> Rate | None:
    unit = " ".join((item.price_unit or "").lower().replace(",", "").split())
    if item.name not in TYPES:
        raise BadAmount(f"prices.{item.type}: not a type that is known")
    counted, per = units.get(unit, ("", Per.ONE))
    if counted != _COUNTED.get(TYPES[item.name], "token"):
        raise BadAmount(f"prices.{item.type}: {item.price_unit!r} is not its unit here")
    return rate(item.price, f"prices.{item.type}", per)


def _metered(named: Mapping[str, Rate]) -> dict[Meter, Rate]:
    """Rates by meter. Where hits of the cache that a request asked for are cheaper than those that
    happen by themselves, the latter's rate is told: they cannot be switched off."""
    found: dict[Meter, Rate] = {}
    for name, said in named.items():
        if name == "input_token_cache_read" and "input_token_cache" in named:
            continue
        if found.setdefault(TYPES[name], said) != said:
            raise BadAmount(f"prices.{name}: {TYPES[name]} is {found[TYPES[name]]} and {said}")
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
    # A unit in Chinese on this host may be a price in yuan.
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
