"""What a change does to the cost of recorded traffic."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from pricing_sync.prices.blast_radius import blast_radius
from pricing_sync.prices.rates import ConditionalRates, Meter, Rate, RateCard, Unpriced, When, Why
from pricing_sync.prices.usage_sums import SumKey, UsageSum

HOUR = datetime(2026, 7, 17, 12, tzinfo=UTC)
DOLLAR = 10**9
#: 2 dollars per million tokens, from 200 tokens on 4.
LONG = When(min_input_tokens=200)


def card(rate: int, *conditional: ConditionalRates, currency: str = "USD") -> RateCard:
    return RateCard({Meter.INPUT: Rate(rate * DOLLAR)}, conditional, currency)


def traffic(
    tokens: int, *, requests: int = 10, tier: str | None = None, least: int = 0
) -> tuple[SumKey, UsageSum]:
    key = SumKey(HOUR, "p", "m", "card", tier, None, least, "USD", None, None)
    return key, UsageSum(requests, {Meter.INPUT: tokens})


def test_the_cost_before_and_after() -> None:
    """A factor of a thousand costs a thousand times as much."""
    found = blast_radius(card(2), card(2000), [traffic(10**6), traffic(2 * 10**6)])
    amounts = found.amounts["USD"]
    assert (20, Decimal(6), Decimal(6000), Decimal(5994)) == (
        found.requests,
        amounts.old,
        amounts.new,
        found.at_stake,
    )
    assert (0, 0) == (found.without_old_price, found.without_new_price)


def test_a_listing_without_a_price_leaves_the_cost_unknown() -> None:
    """Not zero. All of the cost that is known is at stake."""
    for old, new in ((card(2), None), (card(2), Unpriced(Why.VARIES))):
        found = blast_radius(old, new, [traffic(10**6)])
        amounts = found.amounts["USD"]
        assert (Decimal(2), None, Decimal(2)) == (amounts.old, amounts.new, found.at_stake)
        assert (0, 10) == (found.without_old_price, found.without_new_price)
    found = blast_radius(None, card(3), [traffic(10**6)])
    assert (None, Decimal(3), 10) == (
        *(found.amounts["USD"].old, found.amounts["USD"].new, found.without_old_price),
    )
    assert (Decimal(0), {}) == (blast_radius(None, None, [traffic(1)]).at_stake, {})


def test_a_tier_that_the_new_card_does_not_name_has_no_price() -> None:
    """Nor has a meter."""
    batch = ConditionalRates(When(service_tier="batch"), {Meter.INPUT: Rate(DOLLAR)})
    found = blast_radius(card(2, batch), card(2), [traffic(10**6, tier="batch"), traffic(10**6)])
    assert (Decimal(3), Decimal(2), 10) == (
        *(found.amounts["USD"].old, found.amounts["USD"].new, found.without_new_price),
    )


def test_a_change_of_the_currency_shows_both() -> None:
    """Nothing is converted."""
    found = blast_radius(card(2), card(14, currency="CNY"), [traffic(10**6)])
    assert {"USD": (Decimal(2), None), "CNY": (None, Decimal(14))} == {
        currency: (amounts.old, amounts.new) for currency, amounts in found.amounts.items()
    }


def test_requests_keep_the_threshold_that_they_reached() -> None:
    """The sum has a million tokens, and each request fewer than the threshold, or more."""
    dearer = ConditionalRates(LONG, {Meter.INPUT: Rate(4 * DOLLAR)})
    short, long = traffic(10**6, requests=10**4), traffic(10**6, requests=5000, least=200)
    found = blast_radius(card(2, dearer), card(3, dearer), [short, long])
    assert (Decimal(6), Decimal(7)) == (found.amounts["USD"].old, found.amounts["USD"].new)
