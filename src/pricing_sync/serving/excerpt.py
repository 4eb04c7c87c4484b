"""The part of a raw answer that speaks of one model, short enough to be read."""

from __future__ import annotations

import json
import re
from itertools import islice

#: By default, in characters.
_LONGEST = 480
#: So many places that name the model are compared.
_MOST_PLACES = 50
#: The keys under which providers list a model; under any other, another model's row names it.
_ID_KEYS = frozenset({"id", "name", "model", "modelId", "model_id", "model_name", "slug"})
_KEY_BEFORE = re.compile(r'"([^"\\]*)"\s*:\s*$')
#: Objects that begin before a model's id and end before it too: its siblings, mostly.
_TRIES = 40
_DECODER = json.JSONDecoder()
#: A string too long to be a price: a description, a template.
_LONG_STRING = re.compile(r'"((?:[^"\\]|\\.){40})(?:[^"\\]|\\.){20,}"')
_KEY = re.compile(r"\s*:\s*(?={)")
_PRICES = re.compile(r'"[^"]*(?:pric|cost|rate)[^"]*"\s*:', re.IGNORECASE)


def excerpt(body: bytes, model: str, longest: int = _LONGEST) -> str | None:
    """The JSON object that lists *model*, on one line; None where the answer does not name it.

    Long strings are cut, and so is the rest but for its beginning and its prices.
    """
    text = body.decode("utf-8", errors="replace")
    places = sorted(_places(text, model), key=lambda place: _rank(text, *place))
    if not places:
        return None
    start, end = _keyed(text, *places[0]) or _enclosing(text, *places[0])
    row = " ".join(_LONG_STRING.sub(r'"\1…"', text[start:end]).split())
    return "".join(c if c.isprintable() else "\ufffd" for c in _shortened(row, longest))


def _places(text: str, model: str) -> list[tuple[int, int]]:
    """Where the model's id begins and ends, in the first spelling that the answer uses."""
    quoted = [json.dumps(model), json.dumps(model, ensure_ascii=False)]
    for spelling in (*quoted, quoted[0].replace("/", r"\/"), model):
        found = re.finditer(re.escape(spelling), text)
        if places := [match.span() for match in islice(found, _MOST_PLACES)]:
            return places
    return []


def _rank(text: str, at: int, after: int) -> int:
    """Lowest for the model's own row: under an id's key, or as the key of an object."""
    before = _KEY_BEFORE.search(text, max(0, at - 80), at)
    if before is None:
        return 1 if _KEY.match(text, after) else 2
    return 0 if before[1] in _ID_KEYS else 3


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


def _shortened(row: str, longest: int) -> str:
    """The beginning of a row, then its prices."""
    if len(row) <= longest:
        return row
    head = longest // 3
    prices = _PRICES.search(row, head)
    if prices is None:
        return f"{row[:longest]} …"
    tail = row[prices.start() : prices.start() + longest - head]
    rest = "" if row.endswith(tail) else " …"
    return f"{row[:head]} … {tail}{rest}"
