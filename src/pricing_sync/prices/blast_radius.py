"""What recorded usage would have cost under another listing: the blast radius of a held change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from pricing_sync.errors import NoPrice
from pricing_sync.prices.cost import cost_of_requests
from pricing_sync.prices.rates import RateCard
from pricing_sync.prices.usage_sums import SumKey, UsageSum, add_known, total_usage


@dataclass(slots=True)
class Amounts:
    """The cost in one currency before and after a change; None where no request has a price."""

    old: Decimal | None = None
    new: Decimal | None = None

    @property
    def at_stake(self) -> Decimal:
        """By how much they differ. If one is not known, all of the other one is at stake."""
        if self.old is None or self.new is None:
            return self.old or self.new or Decimal(0)
        return abs(self.new - self.old)


@dataclass(slots=True)
class BlastRadius:
    """What a model's traffic costs before and after a change."""

    requests: int = 0
    #: How many of them the old and the new listing have no price for.
    without_old_price: int = 0
    without_new_price: int = 0
    amounts: dict[str, Amounts] = field(default_factory=dict)

    @property
    def at_stake(self) -> Decimal:
        """The largest difference in any currency. It only sorts: nothing is converted."""
        return max((amounts.at_stake for amounts in self.amounts.values()), default=Decimal(0))


def blast_radius(
    old: object, new: object, traffic: Iterable[tuple[SumKey, UsageSum]]
) -> BlastRadius:
    """The cost of that traffic under the old and the new listing, neither with overrides.

    The requests of a sum count as if each had the same input: exact when the two cards have the
    same long-context thresholds, an estimate when they do not.
    """
    found = BlastRadius()
    for key, of in traffic:
        found.requests += of.requests
        before, after = _cost(old, key, of), _cost(new, key, of)
        if before is None:
            found.without_old_price += of.requests
        else:
            amounts = found.amounts.setdefault(before[0], Amounts())
            amounts.old = add_known(amounts.old, before[1])
        if after is None:
            found.without_new_price += of.requests
        else:
            amounts = found.amounts.setdefault(after[0], Amounts())
            amounts.new = add_known(amounts.new, after[1])
    return found


def _cost(listing: object, key: SumKey, of: UsageSum) -> tuple[str, Decimal] | None:
    """The currency and the cost of a sum; None when the listing has no price for it."""
    if not isinstance(listing, RateCard):
        return None
    try:
        cost = cost_of_requests(listing, total_usage(key, of), of.requests, key.hour)
    except NoPrice:
        return None
    return cost.currency, cost.total
