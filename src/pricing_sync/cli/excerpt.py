"""The part of a raw answer that speaks of one model, short enough to be read."""

from __future__ import annotations

import json
import re

#: Around the model's id, in characters.
_LONGEST = 480
#: Objects that begin before a model's id and end before it too: its siblings, mostly.
_TRIES = 40
_DECODER = json.JSONDecoder()
#: A string too long to be a price: a description, a template.
_LONG_STRING = re.compile(r'"((?:[^"\\]|\\.){40})(?:[^"\\]|\\.){20,}"')
_KEY = re.compile(r"\s*:\s*(?={)")
_PRICES = re.compile(r'"[^"]*(?:pric|cost|rate)[^"]*"\s*:', re.IGNORECASE)


def excerpt(body: bytes, model: str) -> str | None:
    """The innermost JSON object around *model*'s id, on one line; None where it is not named.

    Long strings are cut, and so is the rest but for its beginning and its prices.
    """
    text = body.decode("utf-8", errors="replace")
    found = _named(text, model)
    if found is None:
        return None
    start, end = _keyed(text, *found) or _enclosing(text, *found)
    row = " ".join(_LONG_STRING.sub(r'"\1…"', text[start:end]).split())
    return "".join(c if c.isprintable() else "\ufffd" for c in _shortened(row))


def _named(text: str, model: str) -> tuple[int, int] | None:
    """Where the model's id begins and ends."""
    quoted = [json.dumps(model), json.dumps(model, ensure_ascii=False)]
    for spelling in (*quoted, quoted[0].replace("/", r"\/"), model):
        at = text.find(spelling)
        if at >= 0:
            return at, at + len(spelling)
    return None


def _keyed(text: str, at: int, after: int) -> tuple[int, int] | None:
    """The id and its value, where the id is the key of an object."""
    key = _KEY.match(text, after)
    if key is None:
        return None
    try:
        return at, _DECODER.raw_decode(text, key.end())[1]
    except (ValueError, RecursionError):
        return None


def _enclosing(text: str, at: int, after: int) -> tuple[int, int]:
    """Where the innermost object that holds the id begins and ends; else a window around it."""
    start = at
    for _ in range(_TRIES):
        start = text.rfind("{", 0, start)
        if start < 0:
            break
        try:
            _, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if end > at:
            return start, end
    return max(0, at - _LONGEST // 4), after + _LONGEST


def _shortened(row: str) -> str:
    if len(row) <= _LONGEST:
        return row
    half = _LONGEST // 2
    prices = _PRICES.search(row, half)
    if prices is None:
        return f"{row[:_LONGEST]} …"
    tail = row[prices.start() : prices.start() + half]
    rest = "" if row.endswith(tail) else " …"
    return f"{row[:half]} … {tail}{rest}"
