"""The usages that every card is priced with: each kind of part, at and beside each threshold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pricing_sync.prices.rates import RateCard
from pricing_sync.prices.usage import Usage

from referee.verdicts import Verdicts

_SHORT = 1_000


@dataclass(frozen=True, slots=True)
class Sample:
    """Which models are compared: each one, or one of every so many."""

    every: int = 1

    def takes(self, found: Verdicts) -> bool:
        """Whether the next model is one of the sample. What it leaves out is counted in *found*."""
        found.models += 1
        if (found.models - 1) % self.every == 0:
            return True
        found.left_out += 1
        return False


SHAPES = {
    "plain": Usage(input=_SHORT, output=500),
    "input only": Usage(input=_SHORT),
    "output only": Usage(output=500),
    "cache read": Usage(input=_SHORT, output=500, cache_read=400),
    "all cached": Usage(input=_SHORT, cache_read=_SHORT),
    "cache write": Usage(input=_SHORT, output=500, cache_write=300),
    "1 h write": Usage(input=_SHORT, output=500, cache_write=300, cache_write_1h=300),
    "all caches": Usage(
        input=_SHORT, output=500, cache_read=400, cache_write=300, cache_write_1h=100
    ),
    "audio in": Usage(input=_SHORT, output=500, input_audio=200),
    "cached audio": Usage(
        input=_SHORT, output=500, cache_read=400, cache_read_audio=100, input_audio=200
    ),
    "image in": Usage(input=_SHORT, output=500, input_image=200),
    "video in": Usage(input=_SHORT, output=500, input_video=200),
    "reasoning": Usage(input=_SHORT, output=500, reasoning=300),
    "audio out": Usage(input=_SHORT, output=500, output_audio=200),
    "image out": Usage(input=_SHORT, output=500, output_image=200),
    "video out": Usage(input=_SHORT, output=500, output_video=200),
    "web search": Usage(input=_SHORT, output=500, web_search=3),
}


def usages(card: RateCard, tier: str | None) -> Iterator[tuple[str, Usage]]:
    """The shapes in a service tier, short and with as many input tokens as each threshold."""
    thresholds = {entry.when.min_input_tokens for entry in card.conditional_rates}
    lengths = [_SHORT, *sorted({at + step for at in thresholds if at for step in (-1, 0, 1)})]
    for name, usage in SHAPES.items():
        for length in lengths if usage.input else (0,):
            yield name, replace(usage, input=max(length, usage.input), service_tier=tier)
