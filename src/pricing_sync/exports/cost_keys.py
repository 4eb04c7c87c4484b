"""The price keys of LiteLLM's cost map, which Bifrost's datasheet has too: dollars per unit.

The keys are those of the reader, `sources/formats/litellm.py`. Which of them vary with a long
context or a service tier was read in the cost calculator of LiteLLM 1.110.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

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
_MAIN = frozenset({Meter.INPUT, Meter.OUTPUT, Meter.CACHE_READ, Meter.CACHE_WRITE})
_LONG = _MAIN | {Meter.CACHE_WRITE_1H, Meter.INPUT_AUDIO}
_FLEX = _MAIN | {Meter.REASONING, Meter.CACHE_READ_AUDIO, Meter.INPUT_AUDIO}
# The keys with a suffix that reach the calculator; it drops all others (1.110.2).
_TIERED = {
    "batch": _MAIN
    | {Meter.CACHE_WRITE_1H, Meter.CACHE_READ_AUDIO, Meter.OUTPUT_IMAGE}
    | {Meter.INPUT_AUDIO, Meter.INPUT_IMAGE, Meter.INPUT_VIDEO},
    "flex": _FLEX,
    "priority": _FLEX | {Meter.OUTPUT_IMAGE},
    "balanced": _MAIN - {Meter.CACHE_WRITE},
    "ultrafast": _MAIN,
}
_LONG_BATCH = _MAIN | {Meter.CACHE_WRITE_1H}
_LONG_TIERED = {
    ("flex", 200_001): frozenset({Meter.INPUT, Meter.OUTPUT, Meter.INPUT_AUDIO}),
    ("flex", 272_001): _MAIN,
    ("priority", 200_001): _MAIN - {Meter.CACHE_WRITE} | {Meter.INPUT_AUDIO},
    ("priority", 272_001): _MAIN,
    ("ultrafast", 272_001): _MAIN,
}
# In the blocks `off_peak_pricing` and `tiered_pricing`.
_OFF_PEAK = _BLOCK = _MAIN | {Meter.REASONING}
#: The end of the last range, which has none.
_ENDLESS = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Calculator:
    """How LiteLLM calculates the costs of one provider: some have a calculator of their own."""

    #: Whether a long context begins at the threshold, and not above it.
    is_inclusive: bool = False
    #: Whether it knows long contexts: by keys, or by the block `tiered_pricing`.
    has_long_keys: bool = True
    has_long_block: bool = False
    tiers: frozenset[str] = frozenset(_SUFFIXES)
    meters: frozenset[Meter] = frozenset({*KEYS, Meter.WEB_SEARCH})
    #: Meters to state even where another rate stands in: it bills them otherwise without a key.
    spelled_out: tuple[Meter, ...] = (Meter.CACHE_WRITE_1H, Meter.CACHE_READ_AUDIO)

    def says(self, when: When) -> bool:
        """Whether it applies a condition; hours and weekdays only by themselves."""
        if when.region is not None:
            return False
        if when.hours is not None or when.weekdays is not None:
            is_alone = when.service_tier is None and when.min_input_tokens is None
            return is_alone and when.time_zone in litellm.OFFSETS
        if when.min_input_tokens is not None and not (self.has_long_keys or self.has_long_block):
            return False
        return when.service_tier is None or when.service_tier in self.tiers


_BATCH_ONLY = frozenset({"batch"})
_ALIBABA = Calculator(
    has_long_keys=False,
    has_long_block=True,
    tiers=frozenset(),
    meters=_BLOCK | {Meter.WEB_SEARCH},
    spelled_out=(),
)
#: By `litellm_provider`. All others have the common one.
CALCULATORS = {
    "dashscope": _ALIBABA,
    "fireworks_ai": Calculator(
        tiers=_BATCH_ONLY, spelled_out=(*Calculator().spelled_out, Meter.CACHE_READ)
    ),
    "perplexity": Calculator(has_long_keys=False, tiers=_BATCH_ONLY),
    "qwen_ai_platform": _ALIBABA,
    "qwencloud": _ALIBABA,
    "xai": Calculator(is_inclusive=True),
}
COMMON = Calculator()


def price_keys(
    source: Source,
    price: Price,
    calculator: Calculator = COMMON,
    more: Mapping[Meter, str] = {},
) -> dict[str, object] | None:
    """The price keys of a model; None if the map would state a wrong price for it.

    *more* are the keys of the meters that have two, one for input and one for output.
    """
    meters = calculator.meters | more.keys()
    card = fit(source, price, Abilities(meters=meters, says=calculator.says, needs=frozenset()))
    if card is None:
        return None
    spelled_out = calculator.spelled_out
    if any(meter is Meter.INPUT_AUDIO for _, meter, _ in card.every_rate()):
        # Without it, a batch bills cached audio as text.
        spelled_out = (*spelled_out, Meter.CACHE_READ)
    found = _without_repetitions(cells(card, spelled_out))
    lost = list(_lost(found, calculator))
    dearer = next((f"{why} is dearer" for why, is_dearer in lost if is_dearer), None)
    if dearer is not None:
        source.leave_out(price, Part.MODEL, dearer)
        return None
    for why, _ in lost:
        source.leave_out(price, Part.CONDITION, why)
    written: dict[str, object] = {}
    for when, rates in found:
        is_in_block = calculator.has_long_block and when.min_input_tokens is not None
        if when.hours is None and when.weekdays is None and not is_in_block:
            written |= _flat(when, rates, calculator)
    written |= _block(found) if calculator.has_long_block else {}
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
                cell.rates.pop(part, None)
    return found


def _varying(when: When, calculator: Calculator) -> frozenset[Meter]:
    """The meters that can have a rate of their own under a condition."""
    if when.hours is not None or when.weekdays is not None:
        return _OFF_PEAK
    if when.service_tier is None:
        return _BLOCK if calculator.has_long_block else _LONG
    if when.min_input_tokens is None:
        return _TIERED[when.service_tier]
    if when.service_tier == "batch":
        return _LONG_BATCH
    return _LONG_TIERED.get((when.service_tier, when.min_input_tokens), frozenset())


def _lost(found: list[Cell], calculator: Calculator) -> Iterator[tuple[str, bool]]:
    """What the keys cannot say of the cells, and whether the seller would lose on it unasked."""
    base = found[0].rates
    with_keys = {
        cell.when.service_tier
        for cell in found
        if cell.rates.keys() & _varying(cell.when, calculator)
    }
    for tier in dict.fromkeys(cell.when.service_tier for cell in found):
        if tier is not None and tier not in with_keys:
            # What it costs may be right, but a reader does not see that the tier exists.
            yield f"service tier {tier} has no keys", False
    for when, rates in found[1:]:
        for meter, rate in rates.items():
            billed = _billed(when, meter, found)
            if meter in _varying(when, calculator) or billed == rate:
                continue
            name = f"{meter} in {_condition(when)}"
            yield name, when.service_tier is None and (billed is None or rate > billed)
        for meter in base.keys() - rates.keys():
            yield (
                f"{meter} has no price in {_condition(when)}, and is billed at the usual one",
                False,
            )


def _billed(when: When, meter: Meter, found: list[Cell]) -> Rate | None:
    """What the calculator bills for a meter that has no key under a condition.

    A long request of a batch has the batch's flat rate, one of another tier the usual long rate.
    """
    instead = When()
    if when.service_tier is not None and when.min_input_tokens is not None:
        is_batch = when.service_tier == "batch"
        long = When(min_input_tokens=when.min_input_tokens)
        instead = When(service_tier=when.service_tier) if is_batch or meter not in _LONG else long
    rates = next((cell.rates for cell in found if cell.when == instead), found[0].rates)
    return rates.get(meter)


def _condition(when: When) -> str:
    tier = f"service tier {when.service_tier}" if when.service_tier else ""
    long = f"long context from {when.min_input_tokens}" if when.min_input_tokens else ""
    return ", ".join(filter(None, (tier, long))) or "off-peak hours"


def _flat(when: When, rates: Mapping[Meter, Rate], calculator: Calculator) -> dict[str, object]:
    """The keys of one cell: `input_cost_per_token_above_200k_tokens_flex`."""
    suffix = ""
    if when.min_input_tokens is not None:
        above = when.min_input_tokens - (not calculator.is_inclusive)
        count = f"{above // 1000}k" if above % 1000 == 0 else str(above)
        suffix += f"_above_{count}_tokens"
    if when.service_tier is not None:
        suffix += f"_{_SUFFIXES[when.service_tier]}"
    meters = _varying(when, calculator) if suffix else KEYS.keys()
    written: dict[str, object] = {
        key + suffix: number(rates[meter], Per.ONE)
        for meter, key in KEYS.items()
        if meter in rates and meter in meters
    }
    one_hour = written.pop(KEYS[Meter.CACHE_WRITE_1H] + suffix, None)
    if one_hour is not None:
        # The calculator reads the key of a batch only with a threshold: one token.
        any_length = "_above_1_tokens" if suffix == "_batches" else ""
        written[KEYS[Meter.CACHE_WRITE_1H] + any_length + suffix] = one_hour
    return written


def _block(found: list[Cell]) -> dict[str, object]:
    """The block of long contexts: each range of input tokens with all of its rates."""
    steps = [cell for cell in found if cell.when.service_tier is None]
    if len(steps) == 1 or steps[-1].when.min_input_tokens is None:
        return {}
    starts = [(cell.when.min_input_tokens or 1) - 1 for cell in steps]
    return {
        "tiered_pricing": [
            {"range": [start, end]}
            | {
                KEYS[m]: number(cell.rates[m], Per.ONE)
                for m in KEYS
                if m in cell.rates and m in _BLOCK
            }
            for cell, start, end in zip(steps, starts, [*starts[1:], _ENDLESS], strict=True)
        ]
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
    zones = {cell.when.time_zone for cell in timed if cell.when.weekdays is not None}
    if zones:
        zone = {"weekday_timezone": min(zones)}
        return {"off_peak_pricing": {"windows": windows} | zone | rates}
    return {"off_peak_pricing": {"hours_utc": [w["hours_utc"] for w in windows]} | rates}


def _window(when: When) -> dict[str, object]:
    offset = litellm.OFFSETS[when.time_zone] if when.hours is not None else 0
    start, end = ((minute - offset) % 1440 for minute in when.hours or (0, 0))
    hours = f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
    days = {"weekdays": sorted(when.weekdays)} if when.weekdays is not None else {}
    return {"hours_utc": hours, **days}
