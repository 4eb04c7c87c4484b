"""new-api's `GET /api/ratio_config`: a ratio of 1 is 2 dollars per million input tokens.

The other ratios are relative to input or output, so many prices have none that ends: those, and
prices with a long context, are billing expressions, whose numbers are dollars per million. Source:
expressions in new-api's own tests, read 2026-11; confidence medium for expressions.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Raw

from pricing_sync.exports.amounts import decimal_text, json_object, number
from pricing_sync.exports.cells import Cell, cells
from pricing_sync.exports.document import Export, Part, Source
from pricing_sync.exports.fitting import Abilities, fit
from pricing_sync.prices.book import Price
from pricing_sync.prices.rates import Meter, Per, Rate, RateCard, When

#: A ratio of 1, as a rate: 2 dollars per million.
_ONE = 2 * 10**9
_MOST_PLACES = 30
#: The ratio of each meter, and the meter that it is relative to.
_RATIOS = {
    Meter.OUTPUT: ("completion_ratio", Meter.INPUT),
    Meter.CACHE_READ: ("cache_ratio", Meter.INPUT),
    Meter.CACHE_WRITE: ("create_cache_ratio", Meter.INPUT),
    Meter.INPUT_AUDIO: ("audio_ratio", Meter.INPUT),
}
# In an expression: tokens that have a price of their own are not in `p`.
_VARIABLES = {
    Meter.INPUT: "p",
    Meter.OUTPUT: "c",
    Meter.CACHE_READ: "cr",
    Meter.CACHE_WRITE: "cc",
    Meter.CACHE_WRITE_1H: "cc1h",
}


def _says(when: When) -> bool:
    return when == When(min_input_tokens=when.min_input_tokens) and bool(when.min_input_tokens)


_BY_RATIO = Abilities(meters=frozenset({Meter.INPUT, *_RATIOS}), says=_says)
_BY_EXPRESSION = Abilities(meters=frozenset(_VARIABLES), says=_says)
_BY_REQUEST = Abilities(
    meters=frozenset({Meter.REQUEST}), says=lambda _: False, needs=frozenset({Meter.REQUEST})
)
_TABLES = (
    "model_ratio",
    "completion_ratio",
    "cache_ratio",
    "create_cache_ratio",
    "image_ratio",
    "audio_ratio",
    "audio_completion_ratio",
    "model_price",
    "billing_mode",
    "billing_expr",
)


def write(source: Source) -> Export:
    """The tables of ratios, prices and expressions, by the name of the model."""
    tables: dict[str, dict[str, object]] = {name: {} for name in _TABLES}
    count = 0
    for price in source.prices:
        entries = _entries(source, price)
        for table, entry in entries.items():
            tables[table][source.name(price)] = entry
        count += bool(entries)
    rows = [
        (table, json_object([(name, msgspec.json.encode(e)) for name, e in entries.items()]))
        for table, entries in tables.items()
    ]
    envelope = [("success", b"true"), ("message", b'""'), ("data", json_object(rows))]
    return source.export(json_object(envelope), count)


def _entries(source: Source, price: Price) -> dict[str, object]:
    """What each table says of a model; empty if they can say nothing."""
    rates = getattr(price.listing, "rates", {})
    if Meter.INPUT not in rates and Meter.REQUEST in rates:
        card = fit(source, price, _BY_REQUEST)
        return {"model_price": number(card.rates[Meter.REQUEST], Per.ONE)} if card else {}
    draft = Source([price])
    ratios = _ratios(fit(draft, price, _BY_RATIO))
    if ratios is not None:
        source.left_out += draft.left_out
        return ratios
    card = fit(source, price, _BY_EXPRESSION)
    if card is None:
        return {}
    found = cells(card, (Meter.CACHE_WRITE_1H,))
    if any(cell.rates.keys() != found[0].rates.keys() for cell in found):
        source.leave_out(price, Part.MODEL, "a meter has a price only under a condition")
        return {}
    return {"billing_mode": "tiered_expr", "billing_expr": _expression(found)}


def _ratios(card: RateCard | None) -> dict[str, object] | None:
    """The ratios of a card; None if a condition or an endless ratio needs an expression."""
    if card is None or card.conditional_rates:
        return None
    written: dict[str, object] = {}
    ratio = _quotient(card.rates[Meter.INPUT], _ONE)
    written["model_ratio"] = ratio
    for meter, (table, parent) in _RATIOS.items():
        if meter in card.rates:
            written[table] = _quotient(card.rates[meter], card.rates[parent])
    return None if None in written.values() else written


def _quotient(rate: int, divisor: int) -> Raw | None:
    """The exact decimal of a quotient; None if it has no end within 30 places."""
    if divisor == 0:
        return Raw(b"0") if rate == 0 else None
    scaled, rest = divmod(rate * 10**_MOST_PLACES, divisor)
    if rest:
        return None
    digits = str(scaled).rjust(_MOST_PLACES + 1, "0")
    whole, part = digits[:-_MOST_PLACES], digits[-_MOST_PLACES:].rstrip("0")
    return Raw((f"{whole}.{part}" if part else whole).encode())


def _expression(found: list[Cell]) -> str:
    """`len <= 200000 ? tier("base", p * 1.25 + c * 10) : tier("from 200001", …)`."""
    shortest, *longer = found
    text, name = "", "base"
    cell = shortest
    for following in longer:
        tokens = following.when.min_input_tokens or 0
        text += f"len <= {tokens - 1} ? {_tier(name, cell)} : "
        name, cell = f"from {tokens}", following
    return text + _tier(name, cell)


def _tier(name: str, cell: Cell) -> str:
    return f'tier("{name}", {" + ".join(_terms(cell))})'


def _terms(cell: Cell) -> Iterable[str]:
    for meter, variable in _VARIABLES.items():
        rate: Rate | None = cell.rates.get(meter)
        if rate is not None:
            yield f"{variable} * {decimal_text(rate, Per.MILLION)}"
