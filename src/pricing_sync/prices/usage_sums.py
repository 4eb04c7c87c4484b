"""Usage as sums: what was used in an hour of one model at one card, and what that cost.

A request is added once, with its cost, and is not kept by itself. What a sum has in common is its
key, so each sum has one currency, and either a cost or a reason why there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact
from functools import reduce
from typing import NamedTuple

from pricing_sync.prices.rates import STANDARD_TIERS, Meter, RateCard
from pricing_sync.prices.usage import PARENTS, Usage

#: Sums of amounts are exact: an amount that would be rounded is an error.
_EXACT = Context(prec=400, traps=[Inexact])


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """The usage of one request, and what its provider says that it cost."""

    provider: str
    model: str
    at: datetime
    usage: Usage
    #: None if the provider did not say it.
    reported_cost: Decimal | None = None
    reported_currency: str | None = None


class SumKey(NamedTuple):
    """What the requests of one sum have in common."""

    #: The beginning of the hour, UTC.
    hour: datetime
    provider: str
    model: str
    #: None for a model without a card in the ledger.
    card_id: str | None
    #: None for the base rates.
    service_tier: str | None
    region: str | None
    #: The long-context threshold of the card that they reached; 0 for none.
    min_input_tokens: int
    #: Of our cost; None for requests without a price.
    currency: str | None
    #: `unknown_model`, `unpriced` or `no_rate`: why they have no price; None if they have one.
    reason: str | None
    #: Of the cost that the provider reported; None if it reported none.
    reported_currency: str | None


@dataclass(slots=True)
class UsageSum:
    """The requests of one key, added up."""

    requests: int = 0
    #: By meter, the quantity without that of its subset meters.
    quantities: dict[Meter, int] = field(default_factory=dict)
    #: None for requests without a price.
    cost: Decimal | None = None
    #: None if the provider reported none.
    reported_cost: Decimal | None = None
    #: Why the newest of them has no price, in words.
    detail: str | None = None

    def add(self, other: UsageSum) -> None:
        """Add the requests of another sum of the same key."""
        self.requests += other.requests
        for meter, quantity in other.quantities.items():
            self.quantities[meter] = self.quantities.get(meter, 0) + quantity
        self.cost = add_known(self.cost, other.cost)
        self.reported_cost = add_known(self.reported_cost, other.reported_cost)
        self.detail = other.detail or self.detail


def add_known(total: Decimal | None, amount: Decimal | None) -> Decimal | None:
    """The exact sum of the amounts that are known; None if neither is."""
    if total is None or amount is None:
        return amount if total is None else total
    return _EXACT.add(total, amount)


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """The sum of amounts, none of which is unknown; zero if there are none."""
    return reduce(_EXACT.add, amounts, Decimal(0))


def plain(amount: Decimal) -> str:
    """An exact amount without an exponent and without trailing zeros."""
    return f"{amount.normalize(_EXACT):f}"


def key_of(
    row: UsageRow,
    *,
    model: str,
    card_id: str | None,
    listing: object,
    currency: str | None,
    reason: str | None,
) -> SumKey:
    """The key of a row, given the model and the card by which it is priced."""
    tier = row.usage.service_tier
    return SumKey(
        hour=row.at.astimezone(UTC).replace(minute=0, second=0, microsecond=0),
        provider=row.provider,
        model=model,
        card_id=card_id,
        service_tier=None if tier in STANDARD_TIERS else tier,
        region=row.usage.region,
        min_input_tokens=_reached(listing, row.usage.input),
        currency=currency,
        reason=reason,
        reported_currency=row.reported_currency,
    )


def _reached(listing: object, input_tokens: int) -> int:
    """The highest threshold of a card that a request of so many input tokens reaches, or 0."""
    if not isinstance(listing, RateCard):
        return 0
    return max(
        (
            least
            for entry in listing.conditional_rates
            if (least := entry.when.min_input_tokens) is not None and least <= input_tokens
        ),
        default=0,
    )


def total_usage(key: SumKey, of: UsageSum) -> Usage:
    """The usage of all requests of a sum together, in the totals that a `Usage` names."""
    totals: dict[Meter, int] = {}
    for part, quantity in of.quantities.items():
        meter: Meter | None = part
        while meter is not None:
            totals[meter] = totals.get(meter, 0) + quantity
            meter = PARENTS.get(meter)
    named = {meter.value: total for meter, total in totals.items()}
    return Usage(**named, service_tier=key.service_tier, region=key.region)


def costs_by_currency(sums: Iterable[tuple[SumKey, UsageSum]]) -> Mapping[str, Decimal]:
    """Our cost of the requests that have a price, by currency."""
    found: dict[str, list[Decimal]] = {}
    for key, of in sums:
        if key.currency is not None and of.cost is not None:
            found.setdefault(key.currency, []).append(of.cost)
    return {currency: exact_sum(costs) for currency, costs in found.items()}
