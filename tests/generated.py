"""Cards, usages and instants that Hypothesis generates, with every condition that cards have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from pricing_sync.prices.rates import ConditionalRates, Meter, Rate, RateCard, When
from pricing_sync.prices.usage import PARENTS, Usage

MONDAY = datetime(2026, 10, 19, tzinfo=UTC)
TIERS = ("batch", "flex", "priority")
LENGTHS = (0, 1, 1_000, 200_000, 200_001)


def rates(meters: st.SearchStrategy[Meter]) -> st.SearchStrategy[dict[Meter, Rate]]:
    return st.dictionaries(meters, st.sampled_from([0, 1, 7, 10**9, 2**63 - 1]).map(Rate))


METERS = st.sampled_from(list(Meter))
WHEN = st.builds(
    When,
    min_input_tokens=st.sampled_from([None, None, 1, 200_001]),
    service_tier=st.sampled_from([None, *TIERS[:2]]),
    hours=st.none() | st.tuples(st.sampled_from([0, 600, 1440]), st.sampled_from([60, 600, 1380])),
    weekdays=st.none() | st.frozensets(st.integers(1, 7)),
    time_zone=st.sampled_from(["UTC", "Asia/Shanghai", "Europe/Berlin"]),
    region=st.sampled_from([None, None, "eu"]),
)
CARDS = st.builds(
    RateCard,
    rates(METERS).map(lambda named: {Meter.INPUT: Rate(3), **named}),
    st.lists(st.builds(ConditionalRates, WHEN, rates(METERS)), max_size=4).map(tuple),
)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Usages of a few meters, given in any order."""
    totals: dict[Meter, int] = {Meter.INPUT: draw(st.sampled_from(LENGTHS))}
    parts = draw(st.dictionaries(METERS, st.integers(0, 10**6), max_size=4))
    for meter, quantity in parts.items():
        above: Meter | None = meter
        while above is not None:
            totals[above] = totals.get(above, 0) + quantity
            above = PARENTS.get(above)
    named = draw(st.permutations([(meter.value, total) for meter, total in totals.items()]))
    quantities: dict[str, Any] = dict(named)
    return Usage(
        **quantities,
        service_tier=draw(st.sampled_from([None, None, "default", "standard", *TIERS])),
        region=draw(st.sampled_from([None, "eu", "us"])),
    )


INSTANTS = st.integers(0, 8 * 24 * 60).map(lambda minutes: MONDAY + timedelta(minutes=minutes))
