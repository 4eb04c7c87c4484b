"""Every error this package raises on purpose, chosen by what the caller should do.

PricingSyncError
├── SettingsError            fix the environment or pricing-sync.toml
│   └── MissingKey           set the provider's key
├── UnknownName              ask for a provider or model that exists
├── NoPrice                  do not bill: the price of what was used is not known
├── ReadingError             one reading of one provider came to nothing; its stored prices stand
│   ├── TransportError       try again later
│   ├── Refused              look at the key, the plan or the address
│   ├── DecodeError          the provider no longer speaks the format we read
│   ├── IncompleteAnswer     part of the list is missing, so absence in it means nothing
│   ├── OversizedAnswer      the answer is larger than the cap
│   └── OlderAnswer          something newer is already stored
├── LostClaim                stop: the reading is no longer this process's to take
├── StaleHeldChange          look at the held change again: it is no longer what was judged
└── StoreError               look at the database
    └── StoreBusy            try again: another process is writing
"""

from __future__ import annotations

from typing import Any


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


class UnknownName(PricingSyncError):
    """A provider or model that nobody here has heard of."""


class NoPrice(PricingSyncError):
    """The price of something that was used is not known. It is not zero."""


class ReadingError(PricingSyncError):
    """One reading of one provider came to nothing: who, where, why."""

    kind = "failed"

    def __init__(self, provider: str, where: str, why: str) -> None:
        super().__init__(f"{provider}: {where}: {why}")
        self.provider = provider
        self.where = where
        self.why = why

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.provider, self.where, self.why)


class TransportError(ReadingError):
    """The provider could not be reached, or asked to be left alone for a while."""

    kind = "transport"

    def __init__(
        self, provider: str, where: str, why: str, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(provider, where, why)
        self.retry_after_seconds = retry_after_seconds

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.provider, self.where, self.why, self.retry_after_seconds)


class Refused(ReadingError):
    """The provider understood the request and will not answer it."""

    kind = "refused"


class DecodeError(ReadingError):
    """The body is not in the format that this provider speaks."""

    kind = "decode"


class IncompleteAnswer(ReadingError):
    """Part of the provider's list is missing."""

    kind = "incomplete"


class OversizedAnswer(ReadingError):
    """The body is larger than the cap."""

    kind = "oversized"


class OlderAnswer(ReadingError):
    """A newer observation of this provider is already stored."""

    kind = "older"


class LostClaim(PricingSyncError):
    """A reading that was cancelled, or given up for dead and taken over."""


class StaleHeldChange(PricingSyncError):
    """A held change that is no longer open, or whose model has moved since it was judged."""


class StoreError(PricingSyncError):
    """The database cannot be opened, read or written."""


class StoreBusy(StoreError):
    """Another process holds the database's write lock."""
