"""Tables in Markdown, and what the source says about a name."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Any


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; a line break or a bar in a cell stays in it."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def code(text: object) -> str:
    return f"`{text}`"


def sentence(text: str) -> str:
    """A text with a capital at its beginning and a full stop at its end."""
    text = " ".join(text.split())
    return text and text[0].upper() + text[1:] + ("" if text[-1] in ".:?!…" else ".")


def comments(owner: Any) -> dict[str, str]:
    """What the `#:` lines of a class say about the names below them.

    A name without any has what the names before it have: such lines are about several.
    """
    found, text = {}, ""
    is_open = False
    for line in inspect.getsource(owner).splitlines():
        if match := re.fullmatch(r" {4}#: (.*)", line):
            text = f"{text} {match[1]}" if is_open else match[1]
            is_open = True
        elif match := re.match(r" {4}(\w+)(?::| =)", line):
            found[match[1]], is_open = text, False
    return found


def _cell(value: object) -> str:
    return re.sub(r"\s*\n\s*", " ", str(value)).replace("|", "\\|")
