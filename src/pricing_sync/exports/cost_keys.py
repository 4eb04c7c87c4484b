"""The price keys of LiteLLM's cost map, which Bifrost's datasheet has too: dollars per unit.

The keys are those of the reader, `sources/formats/litellm.py`. Which of them vary with a long
context or a service tier was read in the cost calculator of LiteLLM 1.110.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pricing_sync.exports.amounts import number
from pricing_sync.exports.cells import Cell, cells
from pricing_sync.exports.document import Part, Source
from pricing_sync.exports.fitting import Abilities, fit
from pricing_sync.prices.book import Price
from pricing_sync.prices.rates import Meter, Per, Rate, RateCard, When
from pricing_sync.prices.usage import PARENTS
from pricing_sync.sources.formats import litellm

#: The key of each meter. Of two keys with one meter, the first is the usual one.
KEYS: dict[Meter, str] = {}
for _key, _amount in litellm.FIELDS.items():
    if _amount is not None:
        KEYS.setdefault(_amount.meter, _key)
# The calculator reads no price of a request (`input_cost_per_query` is that of a search).
del KEYS[Meter.REQUEST]

_SUFFIXES = {tier: suffix for suffix, tier in litellm.TIERS.items()}
_LONG = frozenset(
    {
        Meter.INPUT,
        Meter.OUTPUT,
        Meter.CACHE_READ,
        Meter.CACHE_WRITE,
        Meter.CACHE_WRITE_1H,
        Meter.INPUT_AUDIO,
    }
)
_LONG_IN_TIER = _LONG - {Meter.INPUT_AUDIO}
_TIERED = (_LONG | {Meter.REASONING, Meter.CACHE_READ_AUDIO, Meter.INPUT_IMAGE}) | {
    Meter.INPUT_VIDEO,
    Meter.OUTPUT_IMAGE,
}
# Reasoning is part of the output of a batch, and is not told apart there.
_BATCH = _TIERED - {Meter.REASONING, Meter.OUTPUT_IMAGE}
_OFF_PEAK = frozenset(
    {Meter.INPUT, Meter.OUTPUT, Meter.CACHE_READ, Meter.CACHE_WRITE, Meter.REASONING}
)
#: Stated even where another rate stands in: the calculator bills them too low without a key.
_SPELLED_OUT = (Meter.CACHE_WRITE_1H, Meter.CACHE_READ_AUDIO)
#: Weekdays are stated in this zone, and hours in UTC.
_ZONES = frozenset({"UTC"})


def _says(when: When) -> bool:
    """Long contexts, service tiers with a suffix, and hours in UTC."""
    if when.region is not None or when.time_zone not in _ZONES:
        return False
    is_timed = when.hours is not None or when.weekdays is not None
    if is_timed:
        return when.service_tier is None and when.min_input_tokens is None
    return when.service_tier is None or when.service_tier in _SUFFIXES


def abilities(more: frozenset[Meter] = frozenset()) -> Abilities:
    """What the keys can say, with *more* meters beside those that always have a key."""
    return Abilities(
        meters=frozenset({*KEYS, Meter.WEB_SEARCH}) | more, says=_says, needs=frozenset()
    )


def price_keys(
    source: Source, price: Price, *, inclusive: bool, more: Mapping[Meter, str] = {}
) -> dict[str, object] | None:
    """The price keys of a model; None if the map would state a wrong price for it.

    *inclusive*: whether a long context begins at the threshold, and not above it. *more*: the keys
    of the meters that have two, one for input and one for output.
    """
    card = fit(source, price, abilities(frozenset(more)))
    if card is None:
        return None
    found = _without_repetitions(cells(card, _SPELLED_OUT))
    lost = list(_lost(found))
    dearer = next((f"{why} is dearer" for why, is_dearer in lost if is_dearer), None)
    if dearer is not None:
        source.leave_out(price, Part.MODEL, dearer)
        return None
    for why, _ in lost:
        source.leave_out(price, Part.CONDITION, why)
    written: dict[str, object] = {}
    for when, rates in found:
        if when.hours is None and when.weekdays is None:
            written |= _flat(when, rates, inclusive=inclusive)
    written |= {key: number(card.rates[m], Per.ONE) for m, key in more.items() if m in card.rates}
    written |= _web_search(card)
    return written | _off_peak(found)


def _without_repetitions(found: list[Cell]) -> list[Cell]:
    """The cells without the parts that have their parent's rate in each of them, if that varies.

    Such a part is billed like its parent without a key, also where it could not have one.
    """
    for part in (Meter.REASONING, Meter.INPUT_IMAGE, Meter.CACHE_READ_AUDIO):
        own = {cell.rates.get(part) for cell in found}
        if len(own) > 1 and all(c.rates.get(part) == c.rates.get(PARENTS[part]) for c in found):
            for cell in found:
                del cell.rates[part]
    return found


def _varying(when: When) -> frozenset[Meter]:
    """The meters that can have a rate of their own under a condition."""
    if when.hours is not None or when.weekdays is not None:
        return _OFF_PEAK
    if when.service_tier is None:
        return _LONG
    if when.min_input_tokens is not None:
        return _LONG_IN_TIER
    return _BATCH if when.service_tier == "batch" else _TIERED


def _lost(found: list[Cell]) -> Iterator[tuple[str, bool]]:
    """What the keys cannot say of the cells, and whether the seller would lose on it unasked."""
    base = found[0].rates
    for when, rates in found[1:]:
        for meter, rate in rates.items():
            billed = _billed(when, meter, found)
            if meter in _varying(when) or billed == rate:
                continue
            name = f"{meter} in {_condition(when)}"
            yield name, when.service_tier is None and (billed is None or rate > billed)
        for meter in base.keys() - rates.keys():
            yield (
                f"{meter} has no price in {_condition(when)}, and is billed at the usual one",
                False,
            )


def _billed(when: When, meter: Meter, found: list[Cell]) -> Rate | None:
    """What the calculator bills for a meter that has no key under a condition."""
    if when.service_tier is not None and when.min_input_tokens is not None:
        flat = When(service_tier=when.service_tier)
        rates = next((cell.rates for cell in found if cell.when == flat), found[0].rates)
        return rates.get(meter)
    return found[0].rates.get(meter)


def _condition(when: When) -> str:
    tier = f"service tier {when.service_tier}" if when.service_tier else ""
    long = f"long context from {when.min_input_tokens}" if when.min_input_tokens else ""
    return ", ".join(filter(None, (tier, long))) or "off-peak hours"


def _flat(when: When, rates: Mapping[Meter, Rate], *, inclusive: bool) -> dict[str, object]:
    """The keys of one cell: `input_cost_per_token_above_200k_tokens_flex`."""
    suffix = ""
    if when.min_input_tokens is not None:
        above = when.min_input_tokens - (not inclusive)
        count = f"{above // 1000}k" if above % 1000 == 0 else str(above)
        suffix += f"_above_{count}_tokens"
    if when.service_tier is not None:
        suffix += f"_{_SUFFIXES[when.service_tier]}"
    meters = _varying(when) if suffix else KEYS.keys()
    return {
        key + suffix: number(rates[meter], Per.ONE)
        for meter, key in KEYS.items()
        if meter in rates and meter in meters
    }


def _web_search(card: RateCard) -> dict[str, object]:
    """The price of a search, which is the same for every size of the search context."""
    rate = card.rates.get(Meter.WEB_SEARCH)
    if rate is None:
        return {}
    sizes = ("low", "medium", "high")
    return {litellm.WEB_SEARCH: {f"search_context_size_{s}": number(rate, Per.ONE) for s in sizes}}


def _off_peak(found: list[Cell]) -> dict[str, object]:
    """The block of rates in certain hours."""
    timed = [
        cell for cell in found if cell.when.hours is not None or cell.when.weekdays is not None
    ]
    if not timed:
        return {}
    rates: dict[str, object] = {
        KEYS[meter]: number(rate, Per.ONE)
        for meter, rate in timed[0].rates.items()
        if meter in _OFF_PEAK
    }
    windows = [_window(cell.when) for cell in timed]
    if any(cell.when.weekdays for cell in timed):
        return {"off_peak_pricing": {"windows": windows, "weekday_timezone": "UTC"} | rates}
    return {"off_peak_pricing": {"hours_utc": [w["hours_utc"] for w in windows]} | rates}


def _window(when: When) -> dict[str, object]:
    start, end = when.hours or (0, 0)
    hours = f"{start // 60 % 24:02}:{start % 60:02}-{end // 60 % 24:02}:{end % 60:02}"
    days = {"weekdays": sorted(when.weekdays)} if when.weekdays is not None else {}
    return {"hours_utc": hours, **days}
