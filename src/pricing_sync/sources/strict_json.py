"""Strict decoding of JSON price lists: exact amounts, and rows that fail one at a time.

A price field stays raw JSON text (`msgspec.Raw`) until it is decoded here, because general parsers
accept too much: `Decimal` accepts "1_000" and Arabic digits, `float` loses the exact price, and
both accept "NaN". Only a JSON number, bare or in a string, is accepted as a price.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, lru_cache
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin

import msgspec
from msgspec import Raw, Struct

from pricing_sync.prices.model_ids import is_named_free
from pricing_sync.prices.rates import (
    STANDARD_TIERS,
    ConditionalRates,
    CurrencyUnit,
    Listing,
    Meter,
    Notice,
    Per,
    Rate,
    RateCard,
    Rates,
    Scheduled,
    Unpriced,
    Unreadable,
    Why,
)
from pricing_sync.prices.usage import PARENTS

__all__ = [
    "Amount",
    "Page",
    "envelope",
    "rates",
    "read_rows",
    "without_zeros",
]

#: The value of an absent field. Like `null`, it means that there is no price.
ABSENT = Raw()
_ABSENT_OR_NULL = (b"", b"null")

_NUMBER = re.compile(
    rb'(?P<quote>"?)(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?P=quote)'
)
_LONGEST_NUMBER = 80
_LARGEST_EXPONENT = 60
_LARGEST_COUNT = 10**12

# Printable ASCII without quotes, angle brackets and backslashes, and with single spaces at most,
# none of them before a sign that a shell or a sheet would act on. All 5,000 recorded model ids
# match. A text that matches is safe in a log, a URL, a CSV file and a web page.
_MODEL_ID = re.compile(
    r"[A-Za-z0-9@~_](?: (?=[A-Za-z0-9])|[!#$%&()*+,./0-9:;=?@A-Z\[\]^_a-z{|}~-]){0,199}"
)

# The words of a key that may hold a price, or something that changes one. "rate" alone is left out:
# lists have limits of requests under that word.
_PRICE_WORDS = frozenset(
    b"price prices priced pricing cost costs fee fees tariff usd charge charges billing cents"
    b" discount discounts discounted surcharge multiplier uplift markup promotion promo".split()
)
_WORD = re.compile(rb"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_KEY = re.compile(rb'"([A-Za-z0-9_.-]{1,80})"\s*:')
_DEEPEST = 5

#: Meters that a model sells beside something else. A card of these alone prices no request.
_SIDE_METERS = frozenset(
    {
        Meter.CACHE_READ,
        Meter.CACHE_READ_AUDIO,
        Meter.CACHE_WRITE,
        Meter.CACHE_WRITE_1H,
        Meter.REASONING,
        Meter.WEB_SEARCH,
    }
)
#: A service tier: a name such as `flex` or `ultra-fast`, which a request or a response states.
TIER_NAME = r"[a-z][a-z0-9_-]{0,39}"
_TIER = re.compile(TIER_NAME)

#: What a model is that is listed without a price, and one that is listed at zero where a zero is no
#: price.
NOT_PUBLISHED = Unpriced(Why.NOT_PUBLISHED)
NOT_FREE = Unpriced(Why.NOT_PER_TOKEN, "listed at zero, with nothing that says it is free")

#: What msgspec raises for bytes that are not JSON, or not of the type that is asked for.
MISREAD = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)

RowType = TypeVar("RowType", bound=Struct)
Nested = TypeVar("Nested")
Key = TypeVar("Key")


class Malformed(ValueError):
    """The whole answer, or one page of it, is not in the expected format."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")
        self.where = where
        self.why = why


class Incomplete(Malformed):
    """A part of the answer is missing."""


class BadAmount(ValueError):
    """One field does not hold a valid amount."""


@dataclass(frozen=True, slots=True)
class Amount:
    """The meaning of a price field: its meter, and the units and currency unit of its number."""

    meter: Meter
    per: Per
    currency_unit: CurrencyUnit = CurrencyUnit.WHOLE


#: The price fields of one object. None marks a known field that is not a rate.
Fields = Mapping[str, Amount | None]


@dataclass(slots=True)
class Page:
    """One decoded page of an answer."""

    #: The model id and the listing of each row; the id is None if the row has no usable one.
    rows: list[tuple[str | None, Listing]]
    #: The number of all models, as the provider states it; None if it does not.
    total: int | None = None
    #: How often each key occurred that may hold a price and is not read.
    ignored: Counter[str] = field(default_factory=Counter)
    #: What is said about models beside their prices, by model.
    notices: dict[str, Notice] = field(default_factory=dict)
    #: By model, the listings that replace the one of its row from an instant on, earliest first.
    #: Those of the past too: an answer is read for one instant, see `provider.read_answer`.
    dated: dict[str, tuple[Scheduled, ...]] = field(default_factory=dict)


def is_named(raw: Raw) -> bool:
    """Whether the field is present and not null."""
    return bytes(raw) not in _ABSENT_OR_NULL


def number(raw: Raw, where: str) -> Decimal | None:
    """The exact number in a field; None when the field is absent or null.

    Raises:
        BadAmount: it is neither a JSON number nor a string that holds one.
    """
    text = bytes(raw)
    if text in _ABSENT_OR_NULL:
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
    # A number outside these bounds is neither a price nor a count, and could fill the memory.
    if abs(Decimal(literal).adjusted()) > _LARGEST_EXPONENT:
        raise ValueError(f"{shorten(text)} is not a plausible number")
    return literal


def whole(raw: Raw, where: str) -> int | None:
    """The count in a field, such as a number of tokens; None when the field is absent or null.

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
    if text in _ABSENT_OR_NULL:
        return None
    try:
        return _rate(text, per, currency_unit)
    except ValueError as error:
        raise BadAmount(f"{where}: {error}") from None


@lru_cache(maxsize=65_536)  # as for `_number`
def _rate(text: bytes, per: Per, currency_unit: CurrencyUnit) -> Rate:
    return Rate.of(_literal(text), per, currency_unit)


def nested(
    raw: Raw, kind: type[Nested], where: str, ignored: Counter[str] | None = None
) -> Nested | None:
    """The list, object or text in a field; None when the field is absent or null.

    The keys in it that may hold a price, and are not fields of *kind*, are counted in *ignored*.

    Raises:
        BadAmount: it is not of type *kind*, or an object in it names a key twice.
    """
    if not is_named(raw):
        return None
    try:
        value = msgspec.json.decode(raw, type=kind)
    except MISREAD as error:
        raise BadAmount(f"{where}: {error}") from None
    if isinstance(value, dict) and (key := _repeated_in(bytes(raw))):
        raise BadAmount(f"{where}: {key} is named twice")
    if ignored is not None:
        count_unread(raw, kind, ignored, where)
    return value


def count_unread(raw: Raw, kind: Any, ignored: Counter[str], where: str = "") -> None:
    """Count in *ignored* the keys of a JSON value that may hold a price and that *kind* lacks.

    A key whose value is null, false or text without a number is not counted. Fields of type `Raw`
    and objects of type `dict` are left to the function that decodes them.
    """
    text = bytes(raw)
    # To walk through a row costs more than to read it, and few rows have such a key.
    keys = [key for key in _KEY.findall(text) if _looks_like_price(key)]
    if len(set(keys)) == len(keys) and _known_keys(kind).issuperset(keys):
        return
    ignored.update(set(_unread(text, kind, where, 0)))


def _unread(text: bytes, kind: Any, where: str, depth: int) -> Iterator[str]:
    start = text.lstrip()[:1]
    if depth > _DEEPEST or start not in (b"{", b"["):
        return
    try:
        if start == b"[":
            item_kind = _item_kind(kind)
            for item in msgspec.json.decode(text, type=list[Raw]):
                yield from _unread(bytes(item), item_kind, where, depth + 1)
            return
        members = _OBJECT(text)
    except MISREAD:
        return
    known = _known_fields(kind)
    for key, raw in members.items():
        path = f"{where}.{key}" if where else key
        if key in known:
            if known[key] is not None:
                yield from _unread(bytes(raw), known[key], path, depth + 1)
        elif not _looks_like_price(key.encode()):
            yield from _unread(bytes(raw), None, path, depth + 1)
        elif may_hold_price(key, raw):
            yield shorten(path.encode(), 80)


@cache
def _known_fields(kind: Any) -> Mapping[str, Any]:
    """The fields of a struct by JSON key; None for those that another function decodes."""
    structs = [part for part in (kind, *get_args(kind)) if _is_struct(part)]
    if not structs:
        return {}
    return {
        one.encode_name: one.type if _names_struct(one.type) else None
        for one in msgspec.structs.fields(structs[0])
    }


@cache
def _known_keys(kind: Any) -> frozenset[bytes]:
    fields = _known_fields(_item_kind(kind) or kind)
    inside = (_known_keys(field_kind) for field_kind in fields.values() if field_kind is not None)
    return frozenset(key.encode() for key in fields).union(*inside)


@cache
def _item_kind(kind: Any) -> Any:
    """The type of the items of a list type, which may be optional; None for any other type."""
    lists = [part for part in (kind, *get_args(kind)) if get_origin(part) is list]
    return get_args(lists[0])[0] if lists else None


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _names_struct(kind: Any) -> bool:
    return _is_struct(kind) or any(_names_struct(part) for part in get_args(kind))


@lru_cache(maxsize=4096)
def _looks_like_price(key: bytes) -> bool:
    return any(word.lower() in _PRICE_WORDS for word in _WORD.findall(key))


def may_hold_price(key: str, raw: Raw) -> bool:
    """Whether the key has a word for prices, as `discount` or `costPerImage`, and a fitting value.

    Null, false, and text without a number do not fit.
    """
    text = bytes(raw)
    if not _looks_like_price(key.encode()) or text in _ABSENT_OR_NULL or text == b"false":
        return False
    return not text.startswith(b'"') or _NUMBER.fullmatch(text) is not None


def rates(
    prices: Mapping[str, Raw],
    fields: Fields,
    ignored: Counter[str],
    where: str = "pricing",
    *,
    zero_yields: bool = False,
) -> dict[Meter, Rate]:
    """The rates in an object of price fields, zeros included.

    Fields that are not in *fields* are counted in *ignored*, so that a new meter is noticed. If
    *zero_yields*, a zero gives way to the price of another field of the same meter.

    Raises:
        BadAmount: a known field is not a rate, or two fields state different rates of one meter.
    """
    found: dict[Meter, Rate] = {}
    for key, raw in prices.items():
        if key not in fields:
            if is_named(raw):
                ignored[f"{where}.{key}"] += 1
            continue
        amount = fields[key]
        published = (
            rate(raw, f"{where}.{key}", amount.per, amount.currency_unit) if amount else None
        )
        if amount is None or published is None:
            continue
        known = found.setdefault(amount.meter, published)
        if zero_yields and not (known and published):
            found[amount.meter] = known or published
        elif known != published:
            raise _priced_twice(f"{where}.{key}", known, published)
    return found


def add_rate(found: dict[Key, Rate], key: Key, published: Rate, where: str) -> None:
    """Add a rate to *found*.

    Raises:
        BadAmount: *found* has another rate under that key.
    """
    if (known := found.setdefault(key, published)) != published:
        raise _priced_twice(where, known, published)


def _priced_twice(where: str, known: Rate, published: Rate) -> BadAmount:
    return BadAmount(f"{where}: priced twice, {published} per million, and elsewhere {known}")


def joined(*sets: Rates) -> dict[Meter, Rate]:
    """One set of rates out of several, read from different keys of one row.

    Raises:
        BadAmount: two of them state different rates of one meter.
    """
    found: dict[Meter, Rate] = {}
    for one in sets:
        for meter, published in one.items():
            if (known := found.setdefault(meter, published)) != published:
                raise _priced_twice(meter, known, published)
    return found


def without_zeros(published: Rates) -> dict[Meter, Rate]:
    """The rates above zero, for sources whose zero means that there is no price."""
    return {meter: rate for meter, rate in published.items() if rate}


def as_said(
    published: Rates, *, unset: Collection[Meter] = (), standard: Rates | None = None
) -> dict[Meter, Rate]:
    """The rates above zero, and the zeros without which a meter would have another rate.

    A cached token listed at zero would be billed like any other token if the zero were left out;
    an output listed at zero would have no price, as for an embedding. *unset* are the meters
    whose zero the source documents as "no price of its own". *standard* are the rates that the
    published ones replace under a condition.
    """
    paid = without_zeros(published)
    others = {**(standard or {}), **paid}
    return {
        meter: rate
        for meter, rate in published.items()
        if rate or (meter not in unset and _would_inherit(meter, others))
    }


def _would_inherit(meter: Meter | None, others: Rates) -> bool:
    while meter is not None:
        if others.get(meter):
            return True
        meter = PARENTS.get(meter)
    return False


def as_listing(
    published: Rates,
    unpriced: Unpriced = NOT_FREE,
    conditional_rates: Sequence[ConditionalRates] = (),
    *,
    currency: str = "USD",
    unset: Collection[Meter] = (),
) -> Listing:
    """The card of the *published* rates; *unpriced* if nothing that the model sells has a price.

    *unpriced* then has the card of zeros that the row states, which is a price only where the
    settings declare the model free.
    """
    base = as_said(published, unset=unset)
    if _sells(base) or any(_sells(conditional.rates) for conditional in conditional_rates):
        return RateCard(base, tuple(conditional_rates), currency)
    if base:
        unpriced = Unpriced(Why.NOT_PER_TOKEN, f"priced only for {', '.join(base)}")
    if all(published.values()):
        return unpriced
    return replace(unpriced, at_zero=RateCard(dict(published), currency=currency))


def free_if_named_so(found: Listing, model: str) -> Listing:
    """*found*, or its zeros for input and output if the id of the model says that it is free."""
    if isinstance(found, Unpriced) and found.at_zero and is_named_free(model):
        listed = found.at_zero.rates
        core = {meter: listed[meter] for meter in (Meter.INPUT, Meter.OUTPUT) if meter in listed}
        return RateCard(core) if core else found
    return found


def _sells(rates: Rates) -> bool:
    return any(rate and meter not in _SIDE_METERS for meter, rate in rates.items())


def envelope(body: bytes, kind: type[Nested], where: str = "body") -> Nested:
    """The outermost object or list of an answer, or of a part of it.

    Raises:
        Malformed: it is not JSON, or not of type *kind*.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise Malformed(where, str(error)) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(where, f"not JSON ({error}): {shorten(body)}") from error


def parse(
    raws: Sequence[Raw], kind: type[RowType], ignored: Counter[str]
) -> Iterator[tuple[str | None, RowType | Unreadable]]:
    """Each row with its model id: the field `id` of *kind*, which may have another name in JSON.

    The keys of a readable row that may hold a price, and are not in *kind*, are counted in
    *ignored*.

    A row that is not of type *kind*, or whose prices name a key twice, is `Unreadable` under its
    id. A row without a usable id is `Unreadable` under None.
    """
    decoder, price_keys = msgspec.json.Decoder(kind), _price_keys(kind)
    id_key = next(f.encode_name for f in msgspec.structs.fields(kind) if f.name == "id")
    for index, raw in enumerate(raws):
        try:
            row = decoder.decode(raw)
        except MISREAD as error:
            yield _id_of(raw, id_key), Unreadable(f"row {index}: {error}")
            continue
        model: str = row.id  # type: ignore[attr-defined]  # every row type has an `id`
        if not is_model_id(model):
            yield None, Unreadable(f"row {index}: {shorten(model.encode())} is not a model id")
        elif key := _repeated(bytes(raw), price_keys):
            yield model, Unreadable(f"row {index}: {key} is named twice")
        else:
            count_unread(raw, kind, ignored)
            yield model, row


# When an object names a key twice, the parser silently keeps the last value. A search for such keys
# in whole rows doubles the time of a reading; a search in the price fields adds a fifth.

_PLAIN = {str, int, float, bool, NoneType}
_NESTED = re.compile(rb"\s*:\s*[\[{]")
_OBJECT = msgspec.json.Decoder(dict[str, Raw]).decode


class _Repeated(Exception):
    """An object names a key twice."""


def _unique(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise _Repeated(shorten(max(names, key=names.count).encode()))


_PAIRS = json.JSONDecoder(object_pairs_hook=_unique, parse_int=str, parse_float=str).raw_decode


@cache
def _price_keys(kind: type[Struct]) -> list[bytes]:
    """The keys of a row that may hold prices, as quoted JSON text."""
    return [
        f'"{field.encode_name}"'.encode()
        for field in msgspec.structs.fields(kind)
        if not set(get_args(field.type) or (field.type,)) <= _PLAIN
    ]


def _repeated(row: bytes, price_keys: Sequence[bytes]) -> str | None:
    """A key that the row, or an object of prices in it, names twice; None if there is none."""
    for key in price_keys:
        start = row.find(key)
        if start < 0:
            continue
        if row.find(key, start + 1) > 0:  # a repeated key, or the same text in another place
            return _repeated_in(row)
        opening = _NESTED.match(row, start + len(key))
        if opening and (name := _repeated_in(row, opening.end() - 1)):
            return name
    return None


def _repeated_in(text: bytes, start: int = 0) -> str | None:
    """A key that is named twice in the object, or list of objects, at *start*; None if none is."""
    flat = text[start : text.find(b"}", start) + 1]
    try:
        # As many colons as keys: no key is repeated, and no object is nested.
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
    except (*MISREAD, KeyError):
        return None
    return model if is_model_id(model) else None


def is_model_id(model: str) -> bool:
    """Whether *model* is safe to store and to show: printable ASCII, at most 200 characters."""
    return _MODEL_ID.fullmatch(model) is not None


def is_tier(name: str) -> bool:
    """Whether *name* can be a service tier with rates of its own: a short lower-case word."""
    return name not in STANDARD_TIERS and _TIER.fullmatch(name) is not None


def read_rows(
    raws: Sequence[Raw],
    kind: type[RowType],
    listing: Callable[[RowType, Counter[str]], Listing],
    total: int | None = None,
    notice: Callable[[RowType], Notice | None] | None = None,
    dated: Callable[[RowType, Counter[str]], tuple[Scheduled, ...]] | None = None,
) -> Page:
    """A page with one model per row, decoded by *listing*; a bad amount affects only its row."""
    page = Page([], total)
    for model, row in parse(raws, kind, page.ignored):
        if isinstance(row, Unreadable):
            page.rows.append((model, row))
            continue
        ignored: Counter[str] = Counter()
        page.rows.append((model, guard(listing, row, ignored)))
        if model and notice and (said := notice(row)):
            page.notices[model] = said
        if model and dated:
            _add_dated(page, model, dated(row, ignored))
        page.ignored.update(ignored)
    return page


class PricedRow(Struct):
    """A row with an id and one object of prices."""

    id: str
    pricing: dict[str, Raw] | None = None


class DataList(Struct):
    """The list `{"data": [...]}` of OpenAI, which many have."""

    data: list[Raw]


def read_data(
    body: bytes,
    kind: type[RowType],
    listing: Callable[[RowType, Counter[str]], Listing],
    notice: Callable[[RowType], Notice | None] | None = None,
    dated: Callable[[RowType, Counter[str]], tuple[Scheduled, ...]] | None = None,
) -> Page:
    """The page of a `DataList`: see `read_rows`."""
    return read_rows(envelope(body, DataList).data, kind, listing, notice=notice, dated=dated)


def _add_dated(page: Page, model: str, dated: tuple[Scheduled, ...]) -> None:
    """Add the dated listings of a row. Two rows of a model must agree on them."""
    if page.dated.setdefault(model, dated) != dated:
        conflict = reject_conflict(Unreadable(""), Unreadable(""))
        page.dated[model] = (Scheduled(datetime.min.replace(tzinfo=UTC), conflict),)


def read_keyed(
    raws: Mapping[str, Raw],
    kind: type[RowType],
    listing: Callable[[str, RowType, Counter[str]], Listing],
    notice: Callable[[RowType], Notice | None] | None = None,
) -> Page:
    """A page with one model per key, decoded by *listing*; an error in a row affects only it."""
    page, price_keys = Page([]), _price_keys(kind)
    for model, raw in raws.items():
        if not is_model_id(model):
            page.rows.append((None, Unreadable(f"{shorten(model.encode())} is not a model id")))
            continue
        try:
            row = nested(raw, kind, "row")
            read = Unreadable("row: null") if row is None else listing(model, row, page.ignored)
            count_unread(raw, kind, page.ignored)
            if row is not None and notice and (said := notice(row)):
                page.notices[model] = said
        except BadAmount as error:
            read = Unreadable(str(error))
        if key := _repeated(bytes(raw), price_keys):
            read = Unreadable(f"row: {key} is named twice")
        page.rows.append((model, read))
    return page


def guard(
    listing: Callable[[RowType, Counter[str]], Listing], row: RowType, ignored: Counter[str]
) -> Listing:
    """The listing of a row, or `Unreadable` with the reason when *listing* raises ValueError."""
    try:
        return listing(row, ignored)
    except Malformed:
        raise
    except ValueError as error:  # a bad amount, or a card without rates
        return Unreadable(str(error))


def reject_conflict(_first: Listing, _second: Listing) -> Listing:
    """An unreadable listing, in place of two that contradict each other."""
    return Unreadable("listed twice, with different prices")


def merge(
    pages: Iterable[Page], join: Callable[[Listing, Listing], Listing] = reject_conflict
) -> tuple[dict[str, Listing], list[str], Counter[str]]:
    """The listings of all pages, the reasons of rows without a model id, and the ignored keys.

    Two equal listings of a model count once. *join* combines two that differ.

    Raises:
        Incomplete: there are fewer rows than the total that the provider states.
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
    # A list that changes between two pages may repeat some rows and omit others.
    hidden = total - len(listings) - len(nameless)
    if hidden > 0:
        nameless.append(f"{hidden} of {total} rows repeat others, so as many may be missing")
    return listings, nameless, ignored


def refuse_priceless(page: Page, why: str) -> Page:
    """*page*, unless it has readable listings and all of them are `NOT_PUBLISHED`.

    Raises:
        Incomplete: all of them are, so this is another list without prices; *why* is the message.
    """
    readable = [listing for _, listing in page.rows if not isinstance(listing, Unreadable)]
    if readable and all(listing == NOT_PUBLISHED for listing in readable):
        raise Incomplete("body", why)
    return page


def shorten(text: bytes, longest: int = 40) -> str:
    """The first bytes of a text as one line of ASCII, and an ellipsis if there are more."""
    start = text[:longest].decode("utf-8", "replace")
    return ascii(start)[1:-1] + ("…" if len(text) > longest else "")
