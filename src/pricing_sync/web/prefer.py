"""The header `Prefer` of RFC 7240: how long to wait for what was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

LONGEST_WAIT_SECONDS = 600

_PREFERENCE = re.compile(r'\s*([a-z-]+)\s*(?:=\s*"?([^";]*)"?\s*)?(?:;.*)?', re.IGNORECASE)
_WHOLE = re.compile("[0-9]{1,9}")


class WaitPreference(NamedTuple):
    """How long to wait, and the preferences that this follows."""

    wait_seconds: float
    applied: str


def wait_preference(headers: Iterable[str], default_seconds: float) -> WaitPreference:
    """How long whoever sent these headers wants to wait. Of a preference said twice, the first
    counts; one that makes no sense does not count at all."""
    said: dict[str, str] = {}
    for part in ",".join(headers).split(","):
        if match := _PREFERENCE.fullmatch(part):
            said.setdefault(match[1].lower(), match[2] or "")
    wait, is_async = said.get("wait", ""), "respond-async" in said
    applied = ["respond-async"] if is_async else []
    seconds = 0 if is_async else default_seconds
    if _WHOLE.fullmatch(wait):
        seconds = min(int(wait), LONGEST_WAIT_SECONDS)
        applied.append(f"wait={seconds}")
    return WaitPreference(seconds, ", ".join(applied))
