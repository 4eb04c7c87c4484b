"""The definition of a wire format: the paths that a provider serves, and how it writes its list.

The other files of this folder are written from descriptions of the formats, independently of the
decoders, which are tested against them. Fields that no decoder of prices needs are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TypeAlias

import msgspec

from pricing_sync.demo.facts import Model, Prices
from pricing_sync.prices.rates import Meter, When

Json: TypeAlias = object
Row: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class ListRequest:
    """One request for a list."""

    parameters: Mapping[str, str]
    #: The most rows on a page; a page size in the request is ignored.
    page_size: int
    #: Whether the rows after the first page are left out but still counted.
    ends_early: bool = False
    #: The models of every catalog provider.
    catalog: Mapping[str, Sequence[Model]] = field(default_factory=dict)

    def number(self, name: str, default: int) -> int:
        text = self.parameters.get(name, "")
        return int(text) if text.isdecimal() and len(text) < 10 else default

    def page(self, models: Sequence[Model], start: int) -> Sequence[Model]:
        """The models from *start* on that fit on a page."""
        return () if start and self.ends_early else models[start : start + self.page_size]


Render: TypeAlias = Callable[[Sequence[Model], ListRequest], Json]
#: Checks the headers of a request: the status and answer of a refusal; None if it is accepted.
Refuse: TypeAlias = Callable[[Mapping[str, str]], tuple[int, Json] | None]


def accept_all(_headers: Mapping[str, str]) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Format:
    """The wire format of one provider."""

    #: By a regular expression that matches the whole path.
    paths: Mapping[str, Render]
    #: The key of the input price, which the fault `schema_change` renames.
    price_key: str
    refuse: Refuse = accept_all
    has_etag: bool = False


_ENCODER = msgspec.json.Encoder(decimal_format="number")


def encode(answer: Json) -> bytes:
    """JSON in which a Decimal is a number with all its digits."""
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
    """The price in units of 10⁻⁴, written without an exponent or trailing zeros."""
    return Decimal(plain(per_million.scaleb(4)))


def written(
    prices: Prices, keys: Mapping[str, Meter], write: Callable[[Decimal], object] | None = None
) -> Row:
    """The prices of the meters that have one, by key; *write* turns the amount per million."""
    listed = {key: prices[meter] for key, meter in keys.items() if meter in prices}
    return {key: write(amount) if write else amount for key, amount in listed.items()}


def data_list(row: Callable[[Model], Row]) -> Render:
    """The list `{"object": "list", "data": [...]}`, with one row for each model."""
    return lambda models, _request: {"object": "list", "data": [row(model) for model in models]}


def threshold(when: When) -> int:
    """The number of input tokens above which a condition applies."""
    return (when.min_input_tokens or 1) - 1


def key_required(error: Json) -> Refuse:
    """Refuse requests without a key, with status 401 and *error*; any key is accepted."""

    def refuse(headers: Mapping[str, str]) -> tuple[int, Json] | None:
        return None if headers.get("authorization") else (401, error)

    return refuse
