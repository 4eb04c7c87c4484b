"""Every error that this package raises on purpose. The class shows what the caller should do.

PricingSyncError
├── SettingsError            fix the environment or pricing-sync.toml
│   ├── MissingKey           set the provider's key
│   └── BadUsage             mend the rows of usage that it names, and send the batch again
├── UnknownName              ask for a provider or model that exists
├── NoPrice                  do not bill: the price of what was used is not known
├── ReadingError             one reading of one provider failed; its stored prices stay in force
│   ├── TransportError       try again later
│   ├── Refused              look at the key, the plan or the address
│   ├── DecodeError          the provider's answer no longer has the format that we read
│   ├── IncompleteAnswer     part of the list is missing, so a model that is absent may still exist
│   ├── OversizedAnswer      the answer is larger than the cap
│   └── OlderAnswer          a newer answer is already stored
├── PriceBookUnavailable     the file or the server of a price book cannot be read; try again
├── PushFailed               a node of another tool has other prices; the push is tried again
├── DeliveryFailed           an endpoint did not take an event, which is sent again
├── LostClaim                stop: this process no longer has the claim of the reading
├── StaleHeldChange          read the held change again: it, or its model, has changed
└── StoreError               look at the database
    └── StoreBusy            try again: another process is writing
"""

from __future__ import annotations

import re
from typing import Any

__all__ = [
    "BadUsage",
    "DecodeError",
    "DeliveryFailed",
    "IncompleteAnswer",
    "MissingKey",
    "NoPrice",
    "OlderAnswer",
    "OversizedAnswer",
    "PriceBookUnavailable",
    "PricingSyncError",
    "PushFailed",
    "ReadingError",
    "Refused",
    "SettingsError",
    "StaleHeldChange",
    "StoreBusy",
    "StoreError",
    "TransportError",
    "UnknownName",
]

#: A user and a password, up to the last @, since a password may contain the characters :/?#.
_USER = re.compile(r"(?<=://)(?:([^:@/?#]+):.*@|[^/?#]*@)", re.DOTALL)
_SECRET = re.compile(r"(?<=[?&])([^=&#]*(?:pass|key|token|secret)[^=&#]*=)[^&#]*", re.IGNORECASE)


def masked(url: str) -> str:
    """The URL without its secrets, for people: `postgresql://user:***@host/db`.

    A user without a password is one: keys are put there too. So is all before the last @ of a text
    that is no URL.
    """
    if "://" not in url and "@" in url:
        return f"***@{url.rpartition('@')[2]}"
    url = _USER.sub(lambda user: f"{user[1]}:***@" if user[1] else "***@", url)
    return _SECRET.sub(r"\1***", url)


class PricingSyncError(Exception):
    """Base of all errors raised on purpose."""


class SettingsError(PricingSyncError):
    """A setting has a value that cannot be used."""


class MissingKey(SettingsError):
    """A provider needs a variable that is not set."""

    def __init__(self, provider: str, variables: tuple[str, ...]) -> None:
        super().__init__(f"{provider}: key: {' or '.join(variables)} is not set")
        self.provider = provider
        self.variables = variables

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.provider, self.variables)


class BadUsage(SettingsError):
    """A batch of usage that cannot be read. Nothing of it is stored."""

    def __init__(self, why: str, rows: tuple[tuple[int, str], ...] = ()) -> None:
        super().__init__(why)
        #: The number of each bad row, from 1 on, and what is wrong with it.
        self.rows = rows

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.rows)


class UnknownName(PricingSyncError):
    """A provider or model that is not known here."""


class NoPrice(PricingSyncError):
    """The price of something that was used is not known. It is not zero."""


class PriceBookUnavailable(PricingSyncError):
    """There is no price book: its file or its server cannot be read, or says something else."""


class PushFailed(PricingSyncError):
    """A node of another tool does not have the prices in force: where, and why."""

    def __init__(self, where: str, why: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"{where}: {why}")
        self.where = where
        self.why = why
        self.retry_after_seconds = retry_after_seconds

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.where, self.why, self.retry_after_seconds)


class DeliveryFailed(PricingSyncError):
    """An endpoint did not take an event: where, and why."""

    def __init__(
        self,
        where: str,
        why: str,
        retry_after_seconds: float | None = None,
        *,
        is_gone: bool = False,
    ) -> None:
        super().__init__(f"{where}: {why}")
        self.where = where
        self.why = why
        self.retry_after_seconds = retry_after_seconds
        #: Whether the endpoint wants no event any more.
        self.is_gone = is_gone

    def __reduce__(self) -> tuple[Any, ...]:
        return _delivery_failed, (self.where, self.why, self.retry_after_seconds, self.is_gone)


def _delivery_failed(*values: Any) -> DeliveryFailed:
    *arguments, is_gone = values
    return DeliveryFailed(*arguments, is_gone=is_gone)


class ReadingError(PricingSyncError):
    """One reading of one provider failed: who, where, why."""

    kind = "failed"

    def __init__(self, provider: str, where: str, why: str) -> None:
        super().__init__(f"{provider}: {where}: {why}")
        self.provider = provider
        self.where = where
        self.why = why

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.provider, self.where, self.why)


class TransportError(ReadingError):
    """The provider could not be reached, or required a pause before the next request."""

    kind = "transport"

    def __init__(
        self, provider: str, where: str, why: str, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(provider, where, why)
        self.retry_after_seconds = retry_after_seconds

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.provider, self.where, self.why, self.retry_after_seconds)


class Refused(ReadingError):
    """The provider understood the request and refused it."""

    kind = "refused"


class DecodeError(ReadingError):
    """The body is not in the format that we read from this provider."""

    kind = "decode"


class IncompleteAnswer(ReadingError):
    """Part of the provider's list is missing."""

    kind = "incomplete"


class OversizedAnswer(ReadingError):
    """The body is larger than the cap."""

    kind = "oversized"


class OlderAnswer(ReadingError):
    """A newer answer of this provider is already stored."""

    kind = "older"


class LostClaim(PricingSyncError):
    """The claim of a reading was cancelled, or expired and was taken over by another process."""


class StaleHeldChange(PricingSyncError):
    """A held change that is no longer open, or whose model has changed since it was judged."""


class StoreError(PricingSyncError):
    """The database cannot be opened, read or written."""


class RedisUnavailable(PricingSyncError):
    """Redis cannot be used. What it is for is done without it."""


class StoreBusy(StoreError):
    """Another process holds the database's write lock."""
