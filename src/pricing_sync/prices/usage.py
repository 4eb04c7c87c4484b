"""The quantities of each meter that one request used. Each token is counted once."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter

from pricing_sync.prices import reported_usage
from pricing_sync.prices.rates import Meter

#: The parent of each subset meter: the parent's total includes the subset's quantity. One-hour
#: cache writes are part of all cache writes, as Anthropic reports them. What a subset costs without
#: a rate of its own is in `inheritance.py`.
PARENTS = {
    Meter.CACHE_READ: Meter.INPUT,
    Meter.CACHE_READ_AUDIO: Meter.CACHE_READ,
    Meter.CACHE_WRITE: Meter.INPUT,
    Meter.CACHE_WRITE_1H: Meter.CACHE_WRITE,
    Meter.INPUT_AUDIO: Meter.INPUT,
    Meter.INPUT_IMAGE: Meter.INPUT,
    Meter.INPUT_VIDEO: Meter.INPUT,
    Meter.REASONING: Meter.OUTPUT,
    Meter.OUTPUT_AUDIO: Meter.OUTPUT,
    Meter.OUTPUT_IMAGE: Meter.OUTPUT,
    Meter.OUTPUT_VIDEO: Meter.OUTPUT,
}

_METERS = tuple(Meter)
_totals = attrgetter(*_METERS)
_WHOLE_NUMBERS = {int}


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The total quantity of each meter that one request used.

    `input` includes cached tokens, audio, images and video; `output` includes reasoning, audio,
    images and video. The parts of one total do not overlap: cached audio is in `cache_read` (and in
    `cache_read_audio`), not in `input_audio`.

    Raises:
        TypeError: a quantity is not an int.
        ValueError: a quantity is below zero, or the parts of a total are more than the total.
    """

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_read_audio: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0
    input_audio: int = 0
    output_audio: int = 0
    input_image: int = 0
    output_image: int = 0
    input_video: int = 0
    output_video: int = 0
    image: int = 0
    request: int = 0
    web_search: int = 0
    character: int = 0
    second: int = 0
    page: int = 0
    #: A tier that the card declares. None, `default` and `standard` are the base rates.
    service_tier: str | None = None
    region: str | None = None
    #: For each meter its total without its subset meters. Zeros are left out.
    parts: tuple[tuple[Meter, int], ...] = field(init=False, repr=False, compare=False)

    @classmethod
    def reported_as(cls, convention: str, reported: object) -> Usage:
        """The usage that a provider reports: a response, its usage object, or that of its package.

        *convention* is one of `reported_usage.CONVENTIONS`, such as `openai` or `anthropic`.

        Raises:
            TypeError: *reported* is no such object.
            ValueError: a count is missing, is not a whole number, or contradicts another.
        """
        return cls(**reported_usage.CONVENTIONS[convention](reported))

    @classmethod
    def from_openai(cls, reported: object) -> Usage:
        """The usage of OpenAI and of what imitates it; errors as in `reported_as`."""
        return cls(**reported_usage.openai(reported))

    @classmethod
    def from_anthropic(cls, reported: object) -> Usage:
        """The usage of Anthropic's Messages; errors as in `reported_as`."""
        return cls(**reported_usage.anthropic(reported))

    @classmethod
    def from_gemini(cls, reported: object) -> Usage:
        """The usage of Google's Gemini; errors as in `reported_as`."""
        return cls(**reported_usage.gemini(reported))

    @classmethod
    def from_openrouter(cls, reported: object) -> Usage:
        """The usage of OpenRouter; errors as in `reported_as`."""
        return cls(**reported_usage.openrouter(reported))

    @classmethod
    def from_bedrock(cls, reported: object) -> Usage:
        """The usage of Amazon Bedrock's Converse; errors as in `reported_as`."""
        return cls(**reported_usage.bedrock(reported))

    @classmethod
    def from_xai(cls, reported: object) -> Usage:
        """The usage of xAI; errors as in `reported_as`."""
        return cls(**reported_usage.xai(reported))

    def __post_init__(self) -> None:
        totals = _totals(self)
        if set(map(type, totals)) != _WHOLE_NUMBERS or min(totals) < 0:
            raise _not_a_quantity(totals)
        used = [pair for pair in zip(_METERS, totals, strict=True) if pair[1]]
        object.__setattr__(self, "parts", _without_parts(used))


def _not_a_quantity(totals: tuple[object, ...]) -> TypeError | ValueError:
    for meter, total in zip(_METERS, totals, strict=True):
        if type(total) is not int:
            return TypeError(f"{meter}: {total!r} is not a whole number")
        if total < 0:
            return ValueError(f"{meter}: {total} is below zero")
    raise AssertionError(totals)


def _without_parts(used: list[tuple[Meter, int]]) -> tuple[tuple[Meter, int], ...]:
    """Each total minus the totals of its subset meters, without zeros."""
    rest = dict(used)
    for meter, total in used:
        if meter in PARENTS:
            parent = PARENTS[meter]
            rest[parent] = rest.get(parent, 0) - total
    for meter, quantity in rest.items():
        if quantity < 0:
            raise ValueError(f"{meter}: its parts are {-quantity} more than the total")
    return tuple(pair for pair in rest.items() if pair[1])
