"""The records of the ledger: statements (what was true, and when it was known) and overrides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pricing_sync.prices.rates import Meter, Rate, RateCard, Unpriced


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A row of the ledger: in force from `since` until `until`, known from `recorded_at` on."""

    card_id: str
    provider: str
    model: str
    since: datetime
    #: None while it is in force.
    until: datetime | None
    recorded_at: datetime
    #: None while no later row replaces this one.
    superseded_at: datetime | None
    source: str
    url: str
    reading_id: str
    digest: str | None
    listing: RateCard | Unpriced


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterOverride:
    """A person's rate for one meter of one model."""

    id: str
    provider: str
    model: str
    meter: Meter
    rate: Rate
    currency: str
    since: datetime
    until: datetime | None
    recorded_at: datetime
    superseded_at: datetime | None
    author: str
    reason: str
    #: The provider's rate when the override was set; None when its card had none.
    upstream_rate: Rate | None


@dataclass(frozen=True, slots=True)
class ModelState:
    """The state of a model that a provider has listed at some time."""

    provider: str
    model: str
    first_seen: datetime
    missing_since: datetime | None
    retired_at: datetime | None
    #: Why its listing cannot be read; None when it can.
    unreadable: str | None
