"""The gate: which changes wait for a person. It has no off switch.

This is the least that always holds. A change that is held leaves the stored price in force.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from pricing_sync.diff import Change, Kind
from pricing_sync.price import Meter, Rate, RateCard, Unpriced


class Rule(StrEnum):
    """Why a change waits."""

    #: Zero is a lie most of the time: 242 of 259 falls to zero seen in APIs were false.
    NEWLY_ZERO = "newly_zero"
    #: No chat model of 11,122 with a positive price was ever sold outside these bounds.
    OUT_OF_BOUNDS = "out_of_bounds"
    #: A price that is no longer published is not a price of zero.
    WITHDRAWN = "withdrawn"
    #: A card that no longer names a price for what it used to count.
    METER_GONE = "meter_gone"
    #: Half a catalogue does not vanish in one reading; half an answer does.
    MASS_VANISH = "mass_vanish"
    #: A catalog says otherwise than the page that a person read.
    CURATED = "differs_from_curated"


#: The currency per million tokens, from and to. Read 2026-08 off 5,181 live models.
BOUNDS: Mapping[Meter, tuple[Rate, Rate]] = {
    Meter.INPUT: (Rate(2_000_000), Rate(200_000_000_000)),
    Meter.OUTPUT: (Rate(5_000_000), Rate(800_000_000_000)),
    Meter.REASONING: (Rate(5_000_000), Rate(800_000_000_000)),
    Meter.CACHE_READ: (Rate(200_000), Rate(100_000_000_000)),
    Meter.CACHE_WRITE: (Rate(2_000_000), Rate(250_000_000_000)),
    Meter.CACHE_WRITE_1H: (Rate(2_000_000), Rate(500_000_000_000)),
}
#: A yuan buys about a seventh of a dollar's worth, so its upper bounds are wider by this factor.
_COINS_TO_THE_DOLLAR = {"USD": 1, "CNY": 8}
_CORE = (Meter.INPUT, Meter.OUTPUT)
_FEW_MODELS, _MASS_SHARE = 5, 0.3


def judge(
    changes: Sequence[Change], listed_before: int, curated: Mapping[str, RateCard] | None = None
) -> dict[str, list[str]]:
    """The rules that hold each change, by model; a model that is not there passes.

    *listed_before* counts the models in force before the reading.
    """
    vanished = sum(change.kind is Kind.VANISHED for change in changes)
    mass = vanished >= _FEW_MODELS and vanished >= _MASS_SHARE * listed_before
    verdicts: dict[str, list[str]] = {}
    for change in changes:
        if change.kind is Kind.VANISHED:
            held = [Rule.MASS_VANISH] if mass else []
        else:
            held = list(_held(change, (curated or {}).get(change.model)))
        if held:
            verdicts[change.model] = [rule.value for rule in held]
    return verdicts


def _held(change: Change, curated: RateCard | None) -> Iterator[Rule]:
    old, new = change.old, change.new
    if isinstance(new, RateCard):
        if any(_is_out_of_bounds(meter, rate, new.currency) for _, meter, rate in new.every_rate()):
            yield Rule.OUT_OF_BOUNDS
        if isinstance(old, RateCard):
            if any(_falls_to_zero(meter, rate, old) for _, meter, rate in new.every_rate()):
                yield Rule.NEWLY_ZERO
            if any(meter in old.rates and meter not in new.rates for meter in _CORE):
                yield Rule.METER_GONE
        if curated is not None and any(
            new.rates.get(meter) != rate for meter, rate in curated.rates.items()
        ):
            yield Rule.CURATED
    elif isinstance(old, RateCard) and isinstance(new, Unpriced):
        yield Rule.WITHDRAWN


def _is_out_of_bounds(meter: Meter, rate: Rate, currency: str) -> bool:
    """Zero is not judged here: whether it is a price is what the provider's file knows."""
    if meter not in BOUNDS or not rate:
        return False
    low, high = BOUNDS[meter]
    return not low <= rate <= high * _COINS_TO_THE_DOLLAR.get(currency, 1)


def _falls_to_zero(meter: Meter, rate: Rate, old: RateCard) -> bool:
    return not rate and bool(old.rates.get(meter, 0))
