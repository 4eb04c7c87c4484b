"""Our costs beside those that providers reported: ratios, their spread, and the rates behind them.

Only requests are compared that have both costs in one currency. Everything is exact: ratios and
rates are fractions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from math import lcm
from operator import mul
from statistics import median
from typing import NamedTuple, TypeAlias

from pricing_sync.prices.rates import Meter
from pricing_sync.prices.usage_sums import SumKey, UsageSum, add_known

Sum: TypeAlias = tuple[SumKey, UsageSum]


class RateConditions(NamedTuple):
    """What requests with the same rates have in common."""

    card_id: str | None
    service_tier: str | None
    region: str | None
    min_input_tokens: int


@dataclass(frozen=True, slots=True)
class ImpliedRate:
    """The rate of a meter that the reported costs imply, beside ours, per million units."""

    meter: Meter
    conditions: RateConditions
    stored: Fraction
    implied: Fraction
    #: How many hours it is solved from.
    hours: int
    #: Whether the implied rates explain each reported cost to the last digit.
    is_exact: bool


@dataclass(frozen=True, slots=True)
class Compared:
    """Requests that have both costs, with their sums in one currency."""

    provider: str
    #: None for all models of the provider.
    model: str | None
    currency: str
    requests: int
    cost: Decimal
    reported_cost: Decimal
    #: Of the ratio of each hour; None if our cost was zero in every hour.
    low: Fraction | None
    median: Fraction | None
    high: Fraction | None
    hours: int
    rates: tuple[ImpliedRate, ...] = ()

    @property
    def ratio(self) -> Fraction | None:
        """The reported cost for each unit of ours; None if ours is zero."""
        return ratio(self.reported_cost, self.cost)

    def drifts(self, most: Fraction) -> bool:
        """Whether the reported cost differs from ours by more than this share of ours."""
        return drifts(self.reported_cost, self.cost, most)


@dataclass(frozen=True, slots=True)
class NotCompared:
    """Requests with a reported cost that cannot be compared with ours."""

    provider: str
    #: Without a price of ours.
    without_price: int
    #: With both costs, in different currencies.
    other_currency: int


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What the reported costs of a time say about our prices."""

    providers: tuple[Compared, ...]
    models: tuple[Compared, ...]
    not_compared: tuple[NotCompared, ...]


def reconcile(sums: Iterable[Sum]) -> Reconciliation:
    """Compare the costs of these sums. Those without a reported cost are left out."""
    reported = [entry for entry in sums if entry[0].reported_currency is not None]
    both = [e for e in reported if e[0].currency == e[0].reported_currency]
    rest = [e for e in reported if e[0].currency != e[0].reported_currency]
    return Reconciliation(
        tuple(
            _compared(provider, None, currency, of)
            for (provider, currency), of in _grouped(both, "provider", "currency")
        ),
        tuple(
            _compared(provider, model, currency, of)
            for (provider, model, currency), of in _grouped(both, "provider", "model", "currency")
        ),
        tuple(
            NotCompared(
                provider,
                sum(of.requests for key, of in entries if key.currency is None),
                sum(of.requests for key, of in entries if key.currency is not None),
            )
            for (provider,), entries in _grouped(rest, "provider")
        ),
    )


def ratio(reported: Decimal, ours: Decimal) -> Fraction | None:
    """The reported cost for each unit of ours; None if ours is zero."""
    return Fraction(reported) / Fraction(ours) if ours else None


def drifts(reported: Decimal, ours: Decimal, most: Fraction) -> bool:
    """Whether the reported cost differs from ours by more than this share of ours."""
    found = ratio(reported, ours)
    return bool(reported) if found is None else abs(found - 1) > most


def _grouped(sums: Iterable[Sum], *names: str) -> list[tuple[tuple[str, ...], list[Sum]]]:
    def group(entry: Sum) -> tuple[str, ...]:
        return tuple(str(getattr(entry[0], name)) for name in names)

    return [(key, list(entries)) for key, entries in groupby(sorted(sums, key=group), group)]


def _compared(provider: str, model: str | None, currency: str, sums: Sequence[Sum]) -> Compared:
    by_hour: dict[datetime, UsageSum] = {}
    for key, of in sums:
        by_hour.setdefault(key.hour, UsageSum()).add(of)
    every = UsageSum()
    for of in by_hour.values():
        every.add(of)
    ratios = sorted(
        found
        for of in by_hour.values()
        if (found := ratio(_known(of.reported_cost), _known(of.cost))) is not None
    )
    return Compared(
        provider,
        model,
        currency,
        every.requests,
        _known(every.cost),
        _known(every.reported_cost),
        ratios[0] if ratios else None,
        median(ratios) if ratios else None,
        ratios[-1] if ratios else None,
        len(by_hour),
        () if model is None else tuple(_implied_rates(sums)),
    )


def _known(amount: Decimal | None) -> Decimal:
    assert amount is not None, "a sum that is compared has both costs"  # noqa: S101
    return amount


def _implied_rates(sums: Iterable[Sum]) -> Iterable[ImpliedRate]:
    """The rates of each card and its conditions, where the hours determine every one of them."""
    by_conditions: dict[RateConditions, dict[datetime, UsageSum]] = {}
    for key, of in sums:
        conditions = RateConditions(key.card_id, key.service_tier, key.region, key.min_input_tokens)
        hours = by_conditions.setdefault(conditions, {})
        hours.setdefault(key.hour, UsageSum()).add(of)
    for conditions, hours in by_conditions.items():
        yield from _solved(conditions, list(hours.values()))


def _solved(conditions: RateConditions, hours: Sequence[UsageSum]) -> Iterable[ImpliedRate]:
    """The rates that explain the hours of one set of rates; none if they are not determined."""
    meters = sorted({meter for of in hours for meter in of.quantities}, key=list(Meter).index)
    used = [[of.quantities.get(meter, 0) for meter in meters] for of in hours]
    ours = [Fraction(_known(of.cost)) for of in hours]
    reported = [Fraction(_known(of.reported_cost)) for of in hours]
    solution = least_squares(used, [ours, reported])
    # If our own rates do not explain our costs, they have changed in between, by the hour of the
    # day or by a person. Then neither do they stand for the provider's.
    if solution is None or not _explains(solution[0], used, ours):
        return
    stored, implied = solution
    is_exact = _explains(implied, used, reported)
    for meter, our_rate, their_rate in zip(meters, stored, implied, strict=True):
        yield ImpliedRate(
            meter, conditions, our_rate * 10**6, their_rate * 10**6, len(hours), is_exact
        )


def _explains(
    rates: Sequence[Fraction], used: Sequence[Sequence[int]], costs: Sequence[Fraction]
) -> bool:
    unit = lcm(*(value.denominator for value in (*rates, *costs)))
    whole = _whole(rates, unit)
    return all(
        sum(map(mul, row, whole)) == cost
        for row, cost in zip(used, _whole(costs, unit), strict=True)
    )


def least_squares(
    rows: Sequence[Sequence[int]], right_sides: Sequence[Sequence[Fraction]]
) -> list[list[Fraction]] | None:
    """For each right side the unknowns with the least sum of squared errors, exact.

    Each row has the factors of the unknowns. None when the rows do not determine all of them.
    """
    count = len(rows[0]) if rows else 0
    columns = [[row[place] for row in rows] for place in range(count)]
    # The normal equations, with one more column for each right side.
    system = [
        [Fraction(sum(map(mul, one, other))) for other in columns]
        + [_dot(one, right) for right in right_sides]
        for one in columns
    ]
    for place in range(count):
        pivot = next((row for row in range(place, count) if system[row][place]), None)
        if pivot is None:
            return None
        system[place], system[pivot] = system[pivot], system[place]
        head = system[place]
        for row in range(count):
            if row != place and system[row][place]:
                factor = system[row][place] / head[place]
                system[row] = [a - factor * b for a, b in zip(system[row], head, strict=True)]
    return [
        [system[place][count + side] / system[place][place] for place in range(count)]
        for side in range(len(right_sides))
    ]


def _dot(quantities: Sequence[int], amounts: Sequence[Fraction]) -> Fraction:
    unit = lcm(*(amount.denominator for amount in amounts))
    return Fraction(sum(map(mul, quantities, _whole(amounts, unit))), unit)


def _whole(values: Iterable[Fraction], unit: int) -> list[int]:
    """The values times *unit*, a multiple of each denominator: ten times as fast as fractions."""
    return [value.numerator * (unit // value.denominator) for value in values]


@dataclass(frozen=True, slots=True)
class Drift:
    """A model whose reported cost differs too much from ours."""

    provider: str
    model: str
    currency: str
    cost: Decimal
    reported_cost: Decimal

    @property
    def ratio(self) -> Fraction | None:
        """The reported cost for each unit of ours; None if ours is zero."""
        return ratio(self.reported_cost, self.cost)


@dataclass(slots=True)
class UnpricedModel:
    """Requests of one model that have no price, for one reason."""

    provider: str
    model: str
    #: `unknown_model`, `unpriced` or `no_rate`.
    reason: str
    requests: int
    #: The hours of the first and the last of them.
    first: datetime
    last: datetime
    quantities: Mapping[Meter, int]
    #: What the provider reported that they cost, by currency.
    reported: Mapping[str, Decimal]
    #: Why the newest of them has no price, in words.
    detail: str | None


def unpriced_models(sums: Iterable[Sum]) -> list[UnpricedModel]:
    """The models with requests without a price, those with the most requests first."""
    unpriced = [entry for entry in sums if entry[0].reason is not None]
    found = [
        _unpriced(provider, model, reason, sorted(of, key=lambda entry: entry[0].hour))
        for (provider, model, reason), of in _grouped(unpriced, "provider", "model", "reason")
    ]
    return sorted(found, key=lambda one: (-one.requests, one.provider, one.model, one.reason))


def _unpriced(provider: str, model: str, reason: str, sums: Sequence[Sum]) -> UnpricedModel:
    every, reported = UsageSum(), dict[str, Decimal]()
    for key, of in sums:
        every.add(of)
        if key.reported_currency is not None:
            amount = add_known(reported.get(key.reported_currency), of.reported_cost)
            reported[key.reported_currency] = _known(amount)
    return UnpricedModel(
        provider,
        model,
        reason,
        every.requests,
        sums[0][0].hour,
        sums[-1][0].hour,
        every.quantities,
        reported,
        every.detail,
    )
