"""The header `Prefer` (RFC 7240): how long the caller waits for the result."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

LONGEST_WAIT_SECONDS = 600

_PREFERENCE = re.compile(r'\s*([a-z-]+)\s*(?:=\s*"?([^";]*)"?\s*)?(?:;.*)?', re.IGNORECASE)
_WHOLE = re.compile("[0-9]{1,9}")


class WaitPreference(NamedTuple):
    """How long to wait, and the preferences that were applied."""

    wait_seconds: float
    applied: str


def wait_preference(headers: Iterable[str], default_seconds: float) -> WaitPreference:
    """The wait that these headers request.

    If a preference is given twice, the first one counts. An invalid one is ignored.
    """
    preferences: dict[str, str] = {}
    for part in ",".join(headers).split(","):
        if match := _PREFERENCE.fullmatch(part):
            preferences.setdefault(match[1].lower(), match[2] or "")
    wait, is_async = preferences.get("wait", ""), "respond-async" in preferences
    applied = ["respond-async"] if is_async else []
    seconds = 0 if is_async else default_seconds
    if _WHOLE.fullmatch(wait):
        seconds = min(int(wait), LONGEST_WAIT_SECONDS)
        applied.append(f"wait={seconds}")
    return WaitPreference(seconds, ", ".join(applied))
