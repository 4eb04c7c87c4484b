"""The types of single settings: durations, windows, names, secrets."""

from __future__ import annotations

import re
from datetime import time, timedelta
from functools import partial
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from pricing_sync.sources.providers import CATALOG
from pricing_sync.timetable import Plan, Window

#: Six digits: 999,999 days from now is still a valid date in Python.
_DURATION = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", re.ASCII)
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)
_WINDOW = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)", re.ASCII)
_REDIS = ("redis://", "rediss://", "unix://")
_DSN = re.compile(r"https?://[^@/\s]+@[^@/\s]+/\S+")
_CURRENCY = re.compile(r"[A-Za-z]{3}", re.ASCII)
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_SHORTEST_TOKEN = 16
_IN_PATH = re.compile(r"[A-Za-z0-9._-]{16,200}")


def duration(value: object) -> timedelta:
    """The duration for `90s`, `15m`, `6h`, `1d` or `1h30m`. A whole number alone is seconds.

    Raises:
        ValueError: *value* is none of these, or a negative timedelta.
    """
    if isinstance(value, timedelta) and value >= timedelta(0):
        return value
    text = str(value) if type(value) in (int, str) else ""
    if _SECONDS.fullmatch(text):
        return timedelta(seconds=int(text))
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError("expected a duration such as 90s, 15m, 6h, 1d or 1h30m")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def show_duration(span: timedelta) -> str:
    """The text that `duration` reads back, rounded to seconds."""
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


def window(value: object) -> Window | None:
    """The window for `22:00-06:00`; None for an empty text.

    Raises:
        ValueError: *value* has another form, or its times are not valid.
    """
    if value is None or isinstance(value, Window):
        return value
    if value == "":
        return None
    match = _WINDOW.fullmatch(value) if isinstance(value, str) else None
    try:
        if match is not None:
            first, last = (time(int(match[n]), int(match[n + 1])) for n in (1, 3))
            return Window(opens=first, closes=last)
    except ValueError:
        pass
    raise ValueError("expected HH:MM-HH:MM, such as 22:00-06:00, from 00:00 to 23:59")


def read_names(value: Any) -> Any:
    """The names of a text with commas or of a list, each once; anything else as it is."""
    if isinstance(value, str):
        value = value.split(",")
    if isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value):
        return tuple(dict.fromkeys(name.strip() for name in value if name.strip()))
    return value


def _provider_names(value: Any) -> Any:
    """The ids of providers, by whichever of their names. Their form is checked elsewhere."""
    names = read_names(value)
    if not isinstance(names, tuple):
        return names
    return tuple(dict.fromkeys(name.removeprefix(CATALOG) for name in names))


def _hours(number: float) -> float:
    """The hours, as an int when they are a whole number: status shows 6, not 6.0."""
    _check_plan_field("every", timedelta(hours=number))
    return int(number) if number == int(number) else number


def _check_plan_field(name: str, value: Any) -> Any:
    """*value*, after a check that `Plan` accepts it in the field *name*."""
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
    return _check_plan_field("cron", text) if text else None


def _token(secret: SecretStr) -> SecretStr | None:
    """The token; None when it is blank. The message must not show the token or its length."""
    text = secret.get_secret_value()
    if not text.strip():
        return None
    if len(text) < _SHORTEST_TOKEN or not all("!" <= character <= "~" for character in text):
        raise ValueError(
            f"expected {_SHORTEST_TOKEN} or more printable ASCII characters, no spaces"
        )
    return secret


def _path_secret(secret: SecretStr) -> SecretStr | None:
    """The secret; None when it is blank. It is a part of an address."""
    text = secret.get_secret_value()
    if text.strip() and not _IN_PATH.fullmatch(text):
        raise ValueError(f"expected {_SHORTEST_TOKEN} or more letters, digits, -, . and _")
    return _token(secret)


def _dsn(secret: SecretStr) -> SecretStr | None:
    text = secret.get_secret_value().strip()
    if not text:
        return None
    if not _DSN.fullmatch(text):
        raise ValueError("expected a DSN such as https://KEY@HOST/PROJECT")
    return SecretStr(text)


def _redis_url(text: str) -> str | None:
    if not text.strip():
        return None
    if not text.startswith(_REDIS):
        raise ValueError(f"expected an address that begins with {', '.join(_REDIS)}")
    return text


def _currency(text: str) -> str | None:
    """The code of a currency in capitals; None if it is blank."""
    if not text.strip():
        return None
    if not _CURRENCY.fullmatch(text):
        raise ValueError("expected the code of a currency, such as USD")
    return text.upper()


def _base_url(text: str) -> str:
    """The address without a slash at its end. A key in it would be shown wherever it is named."""
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    else:
        usable = usable and parts.scheme in ("http", "https") and "@" not in parts.netloc
        usable = usable and not parts.query and not parts.fragment
    if not usable or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("expected an address such as https://host:4000, without a key in it")
    return text.rstrip("/")


def _clock(text: str) -> str | None:
    """A time of a day as HH:MM; None if it is blank."""
    if not text.strip():
        return None
    if not _CLOCK.fullmatch(text):
        raise ValueError("expected a time such as 09:00")
    return text


def _notify_urls(secret: SecretStr) -> SecretStr | None:
    return secret if secret.get_secret_value().strip() else None


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


RedisUrl: TypeAlias = Annotated[str, AfterValidator(_redis_url)]
Currency: TypeAlias = Annotated[str, AfterValidator(_currency)]
BaseUrl: TypeAlias = Annotated[str, AfterValidator(_base_url)]
Clock: TypeAlias = Annotated[str, AfterValidator(_clock)]
NotifyUrls: TypeAlias = Annotated[SecretStr, AfterValidator(_notify_urls)]
Names: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(read_names)]
ProviderNames: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_provider_names)]
Hours: TypeAlias = Annotated[
    float, Field(gt=0, le=8760, allow_inf_nan=False), AfterValidator(_hours)
]
Duration: TypeAlias = Annotated[timedelta, BeforeValidator(duration)]
Wait: TypeAlias = Annotated[timedelta, BeforeValidator(duration), AfterValidator(_wait)]
Every: TypeAlias = Annotated[
    timedelta, BeforeValidator(duration), AfterValidator(partial(_check_plan_field, "every"))
]
Cron: TypeAlias = Annotated[str, AfterValidator(_cron)]
TimeZone: TypeAlias = Annotated[str, AfterValidator(partial(_check_plan_field, "time_zone"))]
OptionalWindow: TypeAlias = Annotated[Window | None, BeforeValidator(window)]
Token: TypeAlias = Annotated[SecretStr, AfterValidator(_token)]
PathSecret: TypeAlias = Annotated[SecretStr, AfterValidator(_path_secret)]
Dsn: TypeAlias = Annotated[SecretStr, AfterValidator(_dsn)]
LogFormat: TypeAlias = Annotated[Literal["text", "json"], BeforeValidator(_lower)]
LogLevel: TypeAlias = Annotated[
    Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(_lower)
]
