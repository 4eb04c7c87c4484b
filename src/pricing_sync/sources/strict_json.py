"""Reading JSON price lists: strict amounts, and rows that fail one at a time.

A price field is kept as the raw JSON text (`msgspec.Raw`) and read here, because every general
parser is too kind: `Decimal` takes "1_000" and Arabic digits, `float` loses the price, and both
take "NaN". What is accepted is a JSON number, bare or as a string. Nothing else is a price.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache, lru_cache
from types import NoneType
from typing import Any, TypeVar, get_args

import msgspec
from msgspec import Raw, Struct

from pricing_sync.prices.rates import (
    CurrencyUnit,
    Listing,
    Meter,
    Per,
    Rate,
    Unpriced,
    Unreadable,
    Why,
)

#: An absent field, as opposed to one that is `null`. Both mean that no price is named.
ABSENT = Raw()
_NOTHING = (b"", b"null")

_NUMBER = re.compile(
    rb'(?P<quote>"?)(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?P=quote)'
)
_LONGEST_NUMBER = 80
_LARGEST_EXPONENT = 60
_LARGEST_COUNT = 10**12

# Printable ASCII without spaces, quotes, angle brackets and backslashes. Every model id seen in
# 5,000 recorded ones fits, and nothing that fits can hurt a log, a URL, a CSV or a page.
_MODEL_ID = re.compile(r"[A-Za-z0-9@~_][!#$%&()*+,./0-9:;=?@A-Z\[\]^_a-z{|}~-]{0,199}")

RowType = TypeVar("RowType", bound=Struct)
Nested = TypeVar("Nested")


class Malformed(ValueError):
    """A whole answer that is not in the expected format: where, and why."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")
        self.where = where
        self.why = why


class Incomplete(Malformed):
    """A whole answer with a part missing."""


class BadAmount(ValueError):
    """One field that is no amount of money: where, and why."""


@dataclass(frozen=True, slots=True)
class Amount:
    """What a price field counts: its meter, and the units and coins its number is told in."""

    meter: Meter
    per: Per
    currency_unit: CurrencyUnit = CurrencyUnit.WHOLE


#: The price fields of one object. None marks a field that is known and is not a rate.
Fields = Mapping[str, Amount | None]


@dataclass(slots=True)
class Page:
    """What one page of an answer says, row by row."""

    rows: list[tuple[str | None, Listing]]
    #: How many models the provider says it has in all; None if it does not say.
    total: int | None = None
    #: Price keys that were there and that nobody translates, with how often.
    ignored: Counter[str] = field(default_factory=Counter)


def is_named(raw: Raw) -> bool:
    """Whether the field is there and not null."""
    return bytes(raw) not in _NOTHING


def number(raw: Raw, where: str) -> Decimal | None:
    """The number in a field, exact; None when the field is absent or null.

    Raises:
        BadAmount: it is anything but a JSON number or a string that holds one.
    """
    text = bytes(raw)
    if text in _NOTHING:
        return None
    try:
        return _number(text)
    except ValueError as error:
        raise BadAmount(f"{where}: {error}") from None


@lru_cache(maxsize=65_536)  # a list of thousands of models repeats a few hundred prices
def _number(text: bytes) -> Decimal:
    return Decimal(_literal(text))


def _literal(text: bytes) -> str:
    """The digits of a JSON number, bare or in a string."""
    match = _NUMBER.fullmatch(text) if len(text) <= _LONGEST_NUMBER else None
    if match is None:
        raise ValueError(f"{shorten(text)} is not a number")
    literal = match[2].decode("ascii")
    # Beyond these a number is no price and no count, and expanding it would fill the memory.
    if abs(Decimal(literal).adjusted()) > _LARGEST_EXPONENT:
        raise ValueError(f"{shorten(text)} is not a plausible number")
    return literal


def whole(raw: Raw, where: str) -> int | None:
    """The count in a field (of tokens, of digits); None when the field is absent or null.

    Raises:
        BadAmount: it is not a whole number from 0 to a trillion.
    """
    value = number(raw, where)
    if value is None:
        return None
    if value != value.to_integral_value() or not 0 <= value <= _LARGEST_COUNT:
        raise BadAmount(f"{where}: {value} is not a count")
    return int(value)


def rate(
    raw: Raw, where: str, per: Per, currency_unit: CurrencyUnit = CurrencyUnit.WHOLE
) -> Rate | None:
    """The rate in a price field; None when the field is absent or null.

    Raises:
        BadAmount: it is not a number, or not a rate (below zero, or out of bounds).
    """
    text = bytes(raw)
    if text in _NOTHING:
        return None
    try:
        return _rate(text, per, currency_unit)
    except ValueError as error:
        raise BadAmount(f"{where}: {error}") from None


@lru_cache(maxsize=65_536)  # as above
def _rate(text: bytes, per: Per, currency_unit: CurrencyUnit) -> Rate:
    return Rate.of(_literal(text), per, currency_unit)


def nested(raw: Raw, kind: type[Nested], where: str) -> Nested | None:
    """The list, object or text in a field; None when the field is absent or null.

    Raises:
        BadAmount: it is not of that shape, or an object in it names a key twice.
    """
    if not is_named(raw):
        return None
    try:
        found = msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BadAmount(f"{where}: {error}") from None
    if isinstance(found, dict) and (key := _repeated_in(bytes(raw))):
        raise BadAmount(f"{where}: {key} is named twice")
    return found


def rates(
    prices: Mapping[str, Raw], fields: Fields, ignored: Counter[str], where: str = "pricing"
) -> dict[Meter, Rate]:
    """The rates that an object of price fields names, zeros included.

    Fields that *fields* does not know are counted in *ignored*: a new meter must not pass unseen.

    Raises:
        BadAmount: a known field is not a rate, or two fields give one meter different rates.
    """
    found: dict[Meter, Rate] = {}
    for key, raw in prices.items():
        if key not in fields:
            if is_named(raw):
                ignored[f"{where}.{key}"] += 1
            continue
        unit = fields[key]
        published = rate(raw, f"{where}.{key}", unit.per, unit.currency_unit) if unit else None
        if unit is None or published is None:
            continue
        if found.setdefault(unit.meter, published) != published:
            raise BadAmount(f"{where}.{key}: {published} per million, and elsewhere another rate")
    return found


def without_zeros(published: Mapping[Meter, Rate]) -> dict[Meter, Rate]:
    """The rates above zero, for sources whose zero means that nothing is quoted."""
    return {meter: rate for meter, rate in published.items() if rate}


def envelope(body: bytes, kind: type[Nested], where: str = "body") -> Nested:
    """The outermost object or list of an answer, or of a part of it.

    Raises:
        Malformed: it is not JSON, or not of that shape.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise Malformed(where, str(error)) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(where, f"not JSON ({error}): {shorten(body)}") from error


def parse(
    raws: Sequence[Raw], kind: type[RowType]
) -> Iterator[tuple[str | None, RowType | Unreadable]]:
    """Each row with its model id: the field called `id` in *kind*, whatever its name on the wire.

    A row that is not of the shape, or whose prices name a key twice, is unreadable under its id;
    without a usable id, under None.
    """
    decoder, price_keys = msgspec.json.Decoder(kind), _price_keys(kind)
    id_key = next(f.encode_name for f in msgspec.structs.fields(kind) if f.name == "id")
    for index, raw in enumerate(raws):
        try:
            row = decoder.decode(raw)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            yield _id_of(raw, id_key), Unreadable(f"row {index}: {error}")
            continue
        model: str = row.id  # type: ignore[attr-defined]  # each kind of row has one, see above
        if not is_model_id(model):
            yield None, Unreadable(f"row {index}: {shorten(model.encode())} is not a model id")
        elif key := _repeated(bytes(raw), price_keys):
            yield model, Unreadable(f"row {index}: {key} is named twice")
        else:
            yield model, row


# Of a key that an object names twice the parser keeps the last, without a word. To look for them in
# all of a row doubles the time of a reading; in the fields that hold prices it adds a fifth.

_PLAIN = {str, int, float, bool, NoneType}
_NESTED = re.compile(rb"\s*:\s*[\[{]")
_OBJECT = msgspec.json.Decoder(dict[str, Raw]).decode


class _Repeated(Exception):
    """A key that is named twice."""


def _unique(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise _Repeated(shorten(max(names, key=names.count).encode()))


_PAIRS = json.JSONDecoder(object_pairs_hook=_unique, parse_int=str, parse_float=str).raw_decode


@cache
def _price_keys(kind: type[Struct]) -> list[bytes]:
    """The keys of a row that may hold prices, as they are written."""
    return [
        f'"{field.encode_name}"'.encode()
        for field in msgspec.structs.fields(kind)
        if not set(get_args(field.type) or (field.type,)) <= _PLAIN
    ]


def _repeated(row: bytes, price_keys: Sequence[bytes]) -> str | None:
    """A key that the row, or an object of prices in it, names twice; None if there is none."""
    for key in price_keys:
        at = row.find(key)
        if at < 0:
            continue
        if row.find(key, at + 1) > 0:  # a repeated key, or the same word in another place
            return _repeated_in(row)
        opening = _NESTED.match(row, at + len(key))
        if opening and (name := _repeated_in(row, opening.end() - 1)):
            return name
    return None


def _repeated_in(text: bytes, start: int = 0) -> str | None:
    """A key that is named twice by the object at *start*, or by one in the list that is there."""
    flat = text[start : text.find(b"}", start) + 1]
    try:
        # As many colons as keys: nothing is repeated, and nothing is nested.
        if len(_OBJECT(flat)) == flat.count(b":"):
            return None
    except msgspec.MsgspecError:  # nested, or a list
        pass
    try:
        _PAIRS(text[start:].decode("utf-8", "replace"))
    except _Repeated as found:
        return str(found)
    except RecursionError:
        return "something too deep to read"
    return None


def _id_of(raw: Raw, id_key: str) -> str | None:
    try:
        model = msgspec.json.decode(msgspec.json.decode(raw, type=dict[str, Raw])[id_key], type=str)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, KeyError):
        return None
    return model if is_model_id(model) else None


def is_model_id(model: str) -> bool:
    """Whether *model* is safe to store and to show: printable ASCII, at most 200 characters."""
    return _MODEL_ID.fullmatch(model) is not None


def read_rows(
    raws: Sequence[Raw],
    kind: type[RowType],
    listing: Callable[[RowType, Counter[str]], Listing],
    total: int | None = None,
) -> Page:
    """A page of one model a row, read by *listing*; a bad amount spoils only its row."""
    page = Page([], total)
    for model, row in parse(raws, kind):
        page.rows.append(
            (model, row if isinstance(row, Unreadable) else guard(listing, row, page.ignored))
        )
    return page


def read_keyed(
    raws: Mapping[str, Raw],
    kind: type[RowType],
    listing: Callable[[str, RowType, Counter[str]], Listing],
) -> Page:
    """A page of one model a key, read by *listing*; what is wrong with a row spoils only it."""
    page, price_keys = Page([]), _price_keys(kind)
    for model, raw in raws.items():
        if not is_model_id(model):
            page.rows.append((None, Unreadable(f"{shorten(model.encode())} is not a model id")))
            continue
        try:
            row = nested(raw, kind, "row")
            said = Unreadable("row: null") if row is None else listing(model, row, page.ignored)
        except BadAmount as error:
            said = Unreadable(str(error))
        if key := _repeated(bytes(raw), price_keys):
            said = Unreadable(f"row: {key} is named twice")
        page.rows.append((model, said))
    return page


def guard(
    listing: Callable[[RowType, Counter[str]], Listing], row: RowType, ignored: Counter[str]
) -> Listing:
    """What *listing* makes of a row, or that the row is unreadable and why."""
    try:
        return listing(row, ignored)
    except Malformed:
        raise
    except ValueError as error:  # a bad amount, or a card that names no rate
        return Unreadable(str(error))


def differ(_first: Listing, _second: Listing) -> Listing:
    """What two different listings of one model make: nobody can say which is meant."""
    return Unreadable("listed twice, with different prices")


def merge(
    pages: Iterable[Page], join: Callable[[Listing, Listing], Listing] = differ
) -> tuple[dict[str, Listing], list[str], Counter[str]]:
    """The listings of all pages, the rows without a name, and the ignored keys.

    A model listed twice in the same words is one listing; in different words it is what *join*
    makes of them.

    Raises:
        Incomplete: there are fewer rows than the provider says it has models.
    """
    listings: dict[str, Listing] = {}
    nameless: list[str] = []
    ignored: Counter[str] = Counter()
    rows, total = 0, 0
    for page in pages:
        rows += len(page.rows)
        total = max(total, page.total or 0)
        ignored.update(page.ignored)
        for model, listing in page.rows:
            if model is None:
                nameless.append(str(listing))
            elif listings.setdefault(model, listing) != listing:
                listings[model] = join(listings[model], listing)
    if rows < total:
        raise Incomplete("body", f"{rows} of {total} models")
    # A list that shifts while it is paged shows some rows twice and others never.
    hidden = total - len(listings) - len(nameless)
    if hidden > 0:
        nameless.append(f"{hidden} of {total} rows repeat others, so as many may be missing")
    return listings, nameless, ignored


def refuse_priceless(page: Page, why: str) -> Page:
    """*page*, unless no listing of it that can be read has a price: then it is another list.

    Raises:
        Incomplete: with *why*.
    """
    readable = [said for _, said in page.rows if not isinstance(said, Unreadable)]
    if readable and all(said == Unpriced(Why.NOT_PUBLISHED) for said in readable):
        raise Incomplete("body", why)
    return page


def shorten(text: bytes) -> str:
    """The beginning of a text, safe to show on one line."""
    shown = text[:40].decode("utf-8", "replace")
    return ascii(shown)[1:-1] + ("…" if len(text) > 40 else "")
