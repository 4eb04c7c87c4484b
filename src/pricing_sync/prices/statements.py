"""The records of the ledger: statements (what was true, and when it was known) and overrides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pricing_sync.prices.age import LATELY
from pricing_sync.prices.rates import Meter, Rate, RateCard, Rates, Unpriced, When

__all__ = [
    "MeterOverride",
    "ModelState",
    "PriceState",
    "Statement",
]


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
    #: Each override that is set has a higher number than those set before it for the model. Of
    #: those of a meter that are in force, the highest counts, until it ends.
    layer: int = 0
    #: The condition of the rate that it replaces; None for the base rate.
    when: When | None = None
    #: Whether the base rate holds under every condition of the card below.
    is_flat: bool = False

    def listed_rate(self, listing: RateCard | Unpriced | None) -> Rate | None:
        """The rate that this override replaces in *listing*; None if it has none to replace."""
        if not isinstance(listing, RateCard) or listing.currency != self.currency:
            return None
        rates: list[Rates] = [listing.rates] if self.when is None else []
        rates += [entry.rates for entry in listing.conditional_rates if entry.when == self.when]
        return next((named[self.meter] for named in reversed(rates) if self.meter in named), None)

    def covers(self, older: MeterOverride) -> bool:
        """Whether *older* does not count while both are in force."""
        if self.meter is not older.meter:
            return False
        return self.is_flat or (not older.is_flat and self.when == older.when)


def begin_and_end(
    record: Statement | MeterOverride, now: datetime
) -> tuple[datetime, datetime | None]:
    """From when until when *record* counts.

    What a clock that was ahead has dated in the future counts from `LATELY` before now on. What
    begins or ends later than it was recorded was meant to.
    """
    since, until, recorded_at = record.since, record.until, record.recorded_at
    begin = now - LATELY if now < since <= recorded_at else since
    end = now - LATELY if until is not None and now < until <= recorded_at else until
    return begin, end


class PriceState(StrEnum):
    """What the last successful reading of a provider says about a model's price in force."""

    #: It lists the model at this price.
    CONFIRMED = "confirmed"
    #: It lists the model otherwise, and the change is held for a person.
    HELD = "held"
    #: It lists the model otherwise, and a person has rejected the change.
    REJECTED = "rejected"
    #: Its listing of the model cannot be read.
    UNREADABLE = "unreadable"
    #: It does not list the model.
    MISSING = "missing"
    #: It does not list the model, as the one before: the model has no price any more.
    RETIRED = "retired"


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
    state: PriceState = PriceState.CONFIRMED
    #: When the provider last listed the price in force; None if it never did.
    confirmed_at: datetime | None = None
    #: Why a change is held or rejected; None in other states.
    doubt: str | None = None

    @property
    def reason(self) -> str | None:
        """`held: band: …`: the state and why it is so; None for a confirmed price."""
        gone = self.missing_since or self.retired_at
        absent = gone and f"not listed since {gone:%Y-%m-%d %H:%MZ}"
        why = {
            PriceState.HELD: self.doubt,
            PriceState.REJECTED: self.doubt,
            PriceState.UNREADABLE: self.unreadable,
            PriceState.MISSING: absent,
            PriceState.RETIRED: absent,
        }
        if self.state is PriceState.CONFIRMED:
            return None
        return f"{self.state}: {why[self.state] or 'no reason is stored'}"


@dataclass(frozen=True, slots=True)
class Confirmations:
    """What the last successful readings say about the prices in force."""

    #: By provider, when it was last read successfully.
    read_at: Mapping[str, datetime] = field(default_factory=dict)
    #: By provider and model, the models whose price is not confirmed.
    unconfirmed: Mapping[tuple[str, str], ModelState] = field(default_factory=dict)
