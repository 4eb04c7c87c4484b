"""What a meter costs for which a card names no rate: one table, decided by who would lose.

A part that its sellers price above its parent has no price without a rate of its own: the parent's
rate would be too low. A part that costs no more than its parent has the parent's rate, and the item
says so. The counts below are of the cards that name both rates, in three recorded catalogs:
LiteLLM's map of 2026-10 (4,291 cards), models.dev of 2026-05-14 (3,895), genai-prices of 2026-08-21
(1,309). "Without" counts the cards that name the parent and not the part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pricing_sync.prices.rates import LARGEST_RATE, Meter, Rate, Rates
from pricing_sync.prices.usage import PARENTS


@dataclass(frozen=True, slots=True)
class Substitute:
    """The rate that is charged for a part without one: *times* the rate of *meter*."""

    meter: Meter
    times: int = 1
    #: The card must name this rate too.
    needs: Meter | None = None


#: The parts that have a price without a rate of their own. All others raise `NoPrice`:
#:
#: - `cache_write`: 928 of 1,044 cards charge more than for input (usually 1.25 times), 67 as much.
#:   Without: 7,767; OpenAI before GPT-5.6, for one, which makes no charge and reports no writes
#:   (developers.openai.com/api/docs/guides/prompt-caching, read 2026-11-25).
#: - `input_audio`: 160 of 191 cards charge more than for input (up to 67 times), 29 as much.
#:   Without: 8,620.
#: - `output_audio`: 95 of 111 cards charge more than for output, 15 as much. Without: 8,395.
#: - `output_image`: all 38 cards charge more than for output (3 to 20 times). Without: 8,468.
#: - `input_video`, `output_video`: all 15 cards of LiteLLM's map charge more than for input, and 5
#:   of 6 more than for output.
SUBSTITUTES: Mapping[Meter, Substitute] = {
    # 3,519 of 3,580 cards charge less than for input and 57 as much; the 4 that charge more resell
    # gpt-3.5-turbo and mimo-v2-flash. No maker charges more for a hit than for a miss. Without:
    # 5,231.
    Meter.CACHE_READ: Substitute(Meter.INPUT),
    # 27 of 44 cards charge more than for cached text, and none more than for fresh audio. So fresh
    # audio stands in for cached audio, as fresh tokens do for cached ones. Of the 149 cards with a
    # rate for audio and none for cached audio, genai-prices bills its 9 the same way.
    Meter.CACHE_READ_AUDIO: Substitute(Meter.INPUT_AUDIO),
    # Anthropic's own rule: a one-hour write is 2 times input, a five-minute write 1.25 times, and
    # both multiply with the discount of a tier
    # (platform.claude.com/docs/en/build-with-claude/prompt-caching, read 2026-11-25). It holds for
    # 247 of the 249 cards with this rate, and the two others round. Only makers with this rule
    # report such writes. Without, though they sell cache writes: 795 cards, 404 of them of Claude.
    Meter.CACHE_WRITE_1H: Substitute(Meter.INPUT, times=2, needs=Meter.CACHE_WRITE),
    # Makers count the tokens of an image as input tokens (ai.google.dev/gemini-api/docs/tokens and
    # platform.openai.com/docs/guides/images-vision, read 2026-11-25). The 74 of 128 cards that
    # charge more are of models that draw, talk or embed, and name the rate. Without: 8,683.
    Meter.INPUT_IMAGE: Substitute(Meter.INPUT),
    # Makers count reasoning as output tokens (openrouter.ai/docs/use-cases/reasoning-tokens, read
    # 2026-11-25). 94 of 145 cards charge as much; the 46 that charge more are Alibaba's Qwen models
    # of 2025, and name the rate. Without: 8,361.
    Meter.REASONING: Substitute(Meter.OUTPUT),
}

#: Fees for what is not computed. No service tier of the recorded catalogs (1,198) names them, and
#: they are the same in every tier.
_FEES = frozenset({Meter.REQUEST, Meter.WEB_SEARCH})


class Found(NamedTuple):
    """The rate of a meter for which a card or a service tier names none."""

    rate: Rate
    #: The meter that has the rate in the card, and how many times that rate is charged.
    meter: Meter
    times: int = 1
    #: Whether it is the standard rate, because the service tier names none.
    is_standard: bool = False


def substitute(meter: Meter, rates: Rates) -> Found | None:
    """The rate for a meter that *rates* does not name; None when there is no price for it."""
    rule = SUBSTITUTES.get(meter)
    if rule is None or rule.meter not in rates:
        return None
    if rule.needs is not None and rule.needs not in rates:
        return None
    return _found(rule, rates[rule.meter])


def _found(rule: Substitute, rate: Rate, *, is_standard: bool = False) -> Found | None:
    """What stands in for a meter; None if it is more than a rate can be, and so is not known."""
    product = rule.times * rate
    if product > LARGEST_RATE:
        return None
    return Found(Rate(product), rule.meter, rule.times, is_standard)


@dataclass(frozen=True, slots=True)
class StandardRates:
    """The rates of one request without a service tier."""

    named: Rates

    def find(self, meter: Meter) -> Found | None:
        """The rate of *meter*; None when there is no price for it."""
        own = self.named.get(meter)
        return substitute(meter, self.named) if own is None else Found(own, meter)

    def meters(self) -> Iterable[Meter]:
        """The meters that the card names."""
        return self.named


@dataclass(frozen=True, slots=True)
class TierRates:
    """The rates of one request in a service tier, which may name only some meters.

    Of the 1,198 tiers of LiteLLM's map, those of 294 cards leave out a meter that the card names,
    besides fees. 293 of these 526 meters have a rate within the tier (112 of them are reasoning, at
    the rate of output), 212 have the standard rate, and 21 no price.
    """

    #: The rates that the tier names.
    named: Rates
    #: The rates that the same request would have without the tier.
    standard: Rates

    def find(self, meter: Meter) -> Found | None:
        """The rate of *meter* in the tier; None when there is no price for it.

        A part that has its parent's standard rate has the parent's rate in the tier. For the
        others the rate is not known, so the lowest one is taken that is certainly not too low: the
        standard rate if the tier is not dearer, and that of the substitute within the tier.
        """
        if meter in self.named:
            return Found(self.named[meter], meter)
        own = self.standard.get(meter)
        if own is None:
            return self._substitute(meter)
        parent = PARENTS.get(meter)
        if parent and parent in self.named and own == self.standard.get(parent):
            return Found(self.named[parent], parent)
        standard = Found(own, meter, is_standard=True)
        if meter in _FEES:
            return standard
        within = self._within(meter, own)
        if self._is_dearer():
            return within
        return within if within is not None and within.rate <= own else standard

    def meters(self) -> Iterable[Meter]:
        """The meters that the card names, with this tier or without."""
        return {**self.standard, **self.named}

    def _substitute(self, meter: Meter) -> Found | None:
        """What stands in for a meter that neither the tier nor the card names."""
        rule = SUBSTITUTES.get(meter)
        if rule is None or not (rule.needs is None or self.find(rule.needs)):
            return None
        found = self.find(rule.meter)
        if found is None:
            return None
        return _found(rule, found.rate, is_standard=found.is_standard)

    def _within(self, meter: Meter, own: Rate) -> Found | None:
        """The substitute's rate in the tier, if its standard rate is not below the meter's own."""
        rule = SUBSTITUTES.get(meter)
        if rule is None or rule.meter not in self.named:
            return None
        standard = self.standard.get(rule.meter)
        if standard is None or own > rule.times * standard:
            return None
        return _found(rule, self.named[rule.meter])

    def _is_dearer(self) -> bool:
        """Whether the tier charges more than the standard rate for anything."""
        return any(
            rate > self.standard[meter]
            for meter, rate in self.named.items()
            if meter in self.standard
        )


class Charges(dict[Meter, Found | None]):
    """What is charged for each meter when certain conditions hold, found when it is looked up."""

    __slots__ = ("_rates", "of_tier")

    def __init__(self, rates: StandardRates | TierRates) -> None:
        self._rates = rates
        #: Whether they are those of a service tier that the card names.
        self.of_tier = isinstance(rates, TierRates)

    def __missing__(self, meter: Meter) -> Found | None:
        found = self[meter] = self._rates.find(meter)
        return found

    def of_named_meters(self) -> dict[Meter, Rate]:
        """The rates of the meters that the card names."""
        found = ((meter, self[meter]) for meter in self._rates.meters())
        return {meter: charge.rate for meter, charge in found if charge is not None}


def replace_rates(rates: dict[Meter, Rate], new: Rates) -> None:
    """Put *new* into *rates*. A part with its parent's rate goes with it if *new* does not name it.

    So a long-context rate for output is also that of reasoning, if both had one rate before.
    """
    if not rates.keys() <= new.keys():
        for part in PARENTS.keys() & (rates.keys() - new.keys()):
            parent = PARENTS[part]
            if parent in new and rates[part] == rates.get(parent):
                rates[part] = new[parent]
    rates.update(new)
