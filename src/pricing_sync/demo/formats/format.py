"""What a format is: the paths a provider answers at, and its list as it would send it.

The formats beside this file are written from the formats' descriptions, independently of the
readers, which are tested against them. Fields that no reader of prices needs are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TypeAlias

import msgspec

from pricing_sync.demo.facts import Model, Prices
from pricing_sync.prices.rates import Meter, When

Json: TypeAlias = object
Row: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question for a list."""

    parameters: Mapping[str, str]
    #: The most rows on a page, whatever is asked for.
    page_size: int
    #: Whether the rows after the first page are withheld, though still counted.
    ends_early: bool = False
    #: What every provider of the catalog sells.
    catalog: Mapping[str, Sequence[Model]] = field(default_factory=dict)

    def number(self, name: str, otherwise: int) -> int:
        text = self.parameters.get(name, "")
        return int(text) if text.isdecimal() and len(text) < 10 else otherwise

    def page(self, models: Sequence[Model], start: int) -> Sequence[Model]:
        """The models from *start* on that fit on a page."""
        return () if start and self.ends_early else models[start : start + self.page_size]


Render: TypeAlias = Callable[[Sequence[Model], Asked], Json]
#: Why a request is turned away, by its headers: a status and what is said; None if it is not.
Refuse: TypeAlias = Callable[[Mapping[str, str]], tuple[int, Json] | None]


def anyone(_headers: Mapping[str, str]) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Format:
    """One provider's way of answering."""

    #: By the whole path, a regular expression.
    paths: Mapping[str, Render]
    #: The key of an input price, which a change of schema renames.
    price_key: str
    refuse: Refuse = anyone
    has_etag: bool = False


_ENCODER = msgspec.json.Encoder(decimal_format="number")


def encode(answer: Json) -> bytes:
    """JSON, in which a Decimal is a number to its last digit."""
    return _ENCODER.encode(answer)


def plain(amount: Decimal) -> str:
    """The amount without exponent or trailing zeros."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def per_one(per_million: Decimal) -> str:
    return plain(per_million.scaleb(-6))


def whole(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal(1), rounding=ROUND_HALF_EVEN)


def ten_thousandths(per_million: Decimal) -> Decimal:
    """A whole number where it is one, without an exponent."""
    return Decimal(plain(per_million.scaleb(4)))


def named(prices: Prices, keys: Mapping[str, Meter]) -> Iterator[tuple[str, Decimal]]:
    return ((key, prices[meter]) for key, meter in keys.items() if meter in prices)


def above(when: When) -> int:
    """The tokens above which a condition holds."""
    return (when.min_input_tokens or 1) - 1


def key_required(said: Json) -> Refuse:
    """Turn away whoever shows no key; any key will do."""

    def refuse(headers: Mapping[str, str]) -> tuple[int, Json] | None:
        return None if headers.get("authorization") else (401, said)

    return refuse
