"""The keys of JSON objects: those that are named twice, and those that hold a price unread."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin

import msgspec
from msgspec import Raw, Struct

from pricing_sync.sources.strict_json import (
    ABSENT_OR_NULL,
    MISREAD,
    NUMBER,
    BadAmount,
    is_named,
    shorten,
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

Nested = TypeVar("Nested")


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
    if isinstance(value, dict) and (key := repeated_in(bytes(raw))):
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
    if not _looks_like_price(key.encode()) or text in ABSENT_OR_NULL or text == b"false":
        return False
    return not text.startswith(b'"') or NUMBER.fullmatch(text) is not None


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
def price_keys(kind: type[Struct]) -> list[bytes]:
    """The keys of a row that may hold prices, as quoted JSON text."""
    return [
        f'"{field.encode_name}"'.encode()
        for field in msgspec.structs.fields(kind)
        if not set(get_args(field.type) or (field.type,)) <= _PLAIN
    ]


def repeated_key(row: bytes, price_keys: Sequence[bytes]) -> str | None:
    """A key that the row, or an object of prices in it, names twice; None if there is none."""
    for key in price_keys:
        start = row.find(key)
        if start < 0:
            continue
        if row.find(key, start + 1) > 0:  # a repeated key, or the same text in another place
            return repeated_in(row)
        opening = _NESTED.match(row, start + len(key))
        if opening and (name := repeated_in(row, opening.end() - 1)):
            return name
    return None


def repeated_in(text: bytes, start: int = 0) -> str | None:
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
