"""`cost` keeps what it has worked out of a card. Here every usage is priced from scratch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from pricing_sync.errors import NoPrice
from pricing_sync.prices.cost import Item, cost
from pricing_sync.prices.inheritance import Found, TierRates, replace_rates, substitute
from pricing_sync.prices.rates import Meter, Rate, RateCard, When
from pricing_sync.prices.usage import PARENTS, Usage

from generated import CARDS, INSTANTS, MONDAY, usages


def plain_matches(when: When, usage: Usage, at: datetime) -> bool:
    """Whether every part of a condition holds."""
    local = at.astimezone(ZoneInfo(when.time_zone))
    minute = local.hour * 60 + local.minute
    checks = [
        when.min_input_tokens is None or usage.input >= when.min_input_tokens,
        when.service_tier is None or when.service_tier == usage.service_tier,
        when.region is None or when.region == usage.region,
        when.weekdays is None or local.isoweekday() in when.weekdays,
    ]
    if when.hours is not None:
        start, end = (edge % 1440 for edge in when.hours)
        passed = (minute - start) % 1440
        checks.append(passed < ((end - start) % 1440 or 1440))
    return all(checks)


def plain_items(card: RateCard, usage: Usage, at: datetime) -> list[Item]:
    """The items of a usage, each rate looked for among all that match."""
    standard, named = dict(card.rates), dict[Meter, Rate]()
    matching = [c for c in card.conditional_rates if plain_matches(c.when, usage, at)]
    for conditional in matching:
        if conditional.when.service_tier is None:
            replace_rates(standard, conditional.rates)
            named = {meter: rate for meter, rate in named.items() if meter not in conditional.rates}
        else:
            replace_rates(named, conditional.rates)
    tier = usage.service_tier not in (None, "default", "standard")
    if tier and not any(conditional.when.service_tier for conditional in matching):
        raise NoPrice(f"service tier {usage.service_tier}: the card names no rates for it")
    items = []
    for meter in Meter:
        subsets = [part for part, parent in PARENTS.items() if parent is meter]
        quantity = getattr(usage, meter) - sum(getattr(usage, part) for part in subsets)
        if not quantity:
            continue
        if tier:
            found = TierRates(named, standard).find(meter)
        elif meter in standard:
            found = Found(standard[meter], meter)
        else:
            found = substitute(meter, standard)
        if found is None:
            of_tier = " in this service tier" if tier else ""
            raise NoPrice(f"{meter}: {quantity} used, and the card names no rate for it{of_tier}")
        items.append(Item(meter, quantity, *found))
    return items


@given(CARDS, st.lists(st.tuples(usages(), INSTANTS), min_size=1, max_size=6))
def test_what_is_kept_of_a_card_never_changes_a_cost(
    card: RateCard, requests: list[tuple[Usage, datetime]]
) -> None:
    """Several requests are priced by one card, one after the other, as each is priced alone."""
    for usage, at in requests:
        assert outcome(lambda u=usage, t=at: plain_items(card, u, t)) == (  # type: ignore[misc]
            outcome(lambda u=usage, t=at: list(cost(card, u, t).items))  # type: ignore[misc]
        )


@given(CARDS, usages(), INSTANTS)
def test_the_total_is_that_of_the_items(card: RateCard, usage: Usage, at: datetime) -> None:
    """Worked out apart from them, and exact."""
    with suppress(NoPrice):
        priced = cost(card, usage, at)
        assert Fraction(priced.total) == sum(
            item.quantity * Fraction(item.rate, 10**15) for item in priced.items
        )


def outcome(priced: Callable[[], list[Item]]) -> list[Item] | str:
    """The items, or why there is no price."""
    try:
        return priced()
    except NoPrice as error:
        return str(error)


@given(usages())
def test_a_usage_is_the_same_whatever_the_order_of_its_meters(usage: Usage) -> None:
    """Equal usages have equal parts, in the order of the meters, so that costs are equal too."""
    totals: dict[str, Any] = {meter.value: getattr(usage, meter) for meter in Meter}
    again = Usage(**totals, service_tier=usage.service_tier, region=usage.region)
    assert (usage, usage.parts, hash(usage)) == (again, again.parts, hash(again))


def test_a_total_of_any_size_is_exact() -> None:
    """Sixty digits, and none is rounded."""
    card = RateCard({Meter.INPUT: Rate(2**63 - 1)})
    quantity = 10**41 + 1
    assert Decimal("922337203685477580700000000000000000000009223.372036854775807") == (
        cost(card, Usage(input=quantity), MONDAY).total
    )
