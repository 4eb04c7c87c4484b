"""How single values are written: durations, windows, names, secrets."""

from __future__ import annotations

import re
from datetime import time, timedelta
from functools import partial
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from pricing_sync.timetable import Plan, Window

#: 999,999 days from now is still a date that Python knows.
_DURATION = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", re.ASCII)
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)
_WINDOW = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)", re.ASCII)
_DSN = re.compile(r"https?://[^@/\s]+@[^@/\s]+/\S+")
_SHORTEST_TOKEN = 16


def duration(written: object) -> timedelta:
    """A span of time: `90s`, `15m`, `6h`, `1d`, `1h30m`; a bare whole number is seconds.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(written, timedelta) and written >= timedelta(0):
        return written
    text = str(written) if type(written) in (int, str) else ""
    if _SECONDS.fullmatch(text):
        return timedelta(seconds=int(text))
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError("expected a duration such as 90s, 15m, 6h, 1d or 1h30m")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def show_duration(span: timedelta) -> str:
    """As `duration` reads it, to the second."""
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


def window(written: object) -> Window | None:
    """Between which times of the day: `22:00-06:00`; nothing when it is blank.

    Raises:
        ValueError: it is not that.
    """
    if written is None or isinstance(written, Window):
        return written
    if written == "":
        return None
    match = _WINDOW.fullmatch(written) if isinstance(written, str) else None
    try:
        if match is not None:
            first, last = (time(int(match[n]), int(match[n + 1])) for n in (1, 3))
            return Window(opens=first, closes=last)
    except ValueError:
        pass
    raise ValueError("expected HH:MM-HH:MM, such as 22:00-06:00, from 00:00 to 23:59")


def _names(written: Any) -> Any:
    if isinstance(written, str):
        written = written.split(",")
    if isinstance(written, (list, tuple)) and all(isinstance(name, str) for name in written):
        return tuple(dict.fromkeys(name.strip() for name in written if name.strip()))
    return written


def _hours(number: float) -> float:
    """A whole number stays one: it is shown as 6, not as 6.0."""
    _part("every", timedelta(hours=number))
    return int(number) if number == int(number) else number


def _part(name: str, value: Any) -> Any:
    """A part of a plan that is right by itself."""
    try:
        Plan(**{name: value})
    except ValueError as error:
        raise ValueError(str(error).removeprefix(f"{name}: ")) from None
    return value


def _wait(span: timedelta) -> timedelta:
    if not span:
        raise ValueError("should be above zero")
    return span


def _cron(text: str) -> str | None:
    return _part("cron", text) if text else None


def _token(secret: SecretStr) -> SecretStr | None:
    """None when it is blank. The message must not repeat it, nor how long it is."""
    text = secret.get_secret_value()
    if not text.strip():
        return None
    if len(text) < _SHORTEST_TOKEN or not all("!" <= character <= "~" for character in text):
        raise ValueError(
            f"expected {_SHORTEST_TOKEN} or more printable ASCII characters, no spaces"
        )
    return secret


def _dsn(secret: SecretStr) -> SecretStr | None:
    text = secret.get_secret_value().strip()
    if not text:
        return None
    if not _DSN.fullmatch(text):
        raise ValueError("expected a DSN such as https://KEY@HOST/PROJECT")
    return SecretStr(text)


def _lower(written: Any) -> Any:
    return written.lower() if isinstance(written, str) else written


Names: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_names)]
Hours: TypeAlias = Annotated[
    float, Field(gt=0, le=8760, allow_inf_nan=False), AfterValidator(_hours)
]
Duration: TypeAlias = Annotated[timedelta, BeforeValidator(duration)]
Wait: TypeAlias = Annotated[timedelta, BeforeValidator(duration), AfterValidator(_wait)]
Every: TypeAlias = Annotated[
    timedelta, BeforeValidator(duration), AfterValidator(partial(_part, "every"))
]
Cron: TypeAlias = Annotated[str, AfterValidator(_cron)]
TimeZone: TypeAlias = Annotated[str, AfterValidator(partial(_part, "time_zone"))]
Between: TypeAlias = Annotated[Window | None, BeforeValidator(window)]
Token: TypeAlias = Annotated[SecretStr, AfterValidator(_token)]
Dsn: TypeAlias = Annotated[SecretStr, AfterValidator(_dsn)]
LogFormat: TypeAlias = Annotated[Literal["text", "json"], BeforeValidator(_lower)]
LogLevel: TypeAlias = Annotated[
    Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(_lower)
]
