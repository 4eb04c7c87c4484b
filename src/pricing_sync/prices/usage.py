"""The quantities of each meter that one request used. Each token is counted once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

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

_ORDER = tuple(Meter)
#: By the name of a meter: the meter, its place in the order of all, and that of its parent.
_METERS = {
    meter.value: (meter, place, _ORDER.index(PARENTS[meter]) if meter in PARENTS else None)
    for place, meter in enumerate(_ORDER)
}
_OTHER_FIELDS = ("service_tier", "region")
_set = object.__setattr__


# Without slots, because the class has the zeros of the meters that were not used: an instance holds
# what it was given and no more, which makes it three to six times faster to create.
@dataclass(frozen=True, kw_only=True)
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

    if not TYPE_CHECKING:  # the signature is the one that dataclasses give: the fields above

        def __init__(self, **given: object) -> None:
            given["parts"] = _parts(given)
            _set(self, "__dict__", given)


def _parts(given: Mapping[str, object]) -> tuple[tuple[Meter, int], ...]:
    """For each meter its total without its subset meters, in the order of the meters."""
    used: list[tuple[Meter, int]] = []
    rest: dict[int, int] = {}
    last, is_plain = -1, True
    for name, total in given.items():
        known = _METERS.get(name)
        if known is None:
            _refuse_unknown(name)
        elif type(total) is not int or total < 0:
            raise _not_a_quantity(name, total)
        elif total:
            meter, place, parent = known
            used.append((meter, total))
            rest[place] = rest.get(place, 0) + total
            if parent is not None:
                rest[parent] = rest.get(parent, 0) - total
            is_plain = is_plain and parent is None and place > last
            last = place
    return tuple(used) if is_plain else _in_order(rest)


def _in_order(rest: Mapping[int, int]) -> tuple[tuple[Meter, int], ...]:
    """The quantities by place in the order of the meters, without zeros."""
    parts = []
    for place in sorted(rest):
        quantity = rest[place]
        if quantity < 0:
            raise ValueError(f"{_ORDER[place]}: its parts are {-quantity} more than the total")
        if quantity:
            parts.append((_ORDER[place], quantity))
    return tuple(parts)


def _refuse_unknown(name: str) -> None:
    if name not in _OTHER_FIELDS:
        raise TypeError(f"Usage has no meter {name!r}")


def _not_a_quantity(name: str, total: object) -> TypeError | ValueError:
    if type(total) is not int:
        return TypeError(f"{name}: {total!r} is not a whole number")
    return ValueError(f"{name}: {total} is below zero")
