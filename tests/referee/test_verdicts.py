"""The table of the referee, and the usages that it compares."""

from __future__ import annotations

from pricing_sync.prices.rates import ConditionalRates, Meter, Rate, RateCard, When

from referee.grid import SHAPES, Sample, usages
from referee.verdicts import EQUAL, UNEXPLAINED, Verdicts


def test_a_difference_without_a_reason_is_counted_and_shown() -> None:
    """Only such a difference makes the referee fail."""
    found = Verdicts("peer")
    found.add(EQUAL, "a")
    found.add("theirs: a reason", "b: ours 1, theirs 2")
    assert 0 == found.unexplained
    found.add(UNEXPLAINED, "c: ours 3, theirs 4")
    assert 1 == found.unexplained
    assert "            c: ours 3, theirs 4" in found.lines()


def test_every_kind_of_part_is_priced_at_and_beside_each_threshold() -> None:
    """Also in a service tier."""
    long = ConditionalRates(When(min_input_tokens=5_000), {Meter.INPUT: Rate(2)})
    grid = list(usages(RateCard({Meter.INPUT: Rate(1)}, (long,)), "flex"))
    assert {"flex"} == {usage.service_tier for _, usage in grid}
    assert {0, 1_000, 4_999, 5_000, 5_001} == {usage.input for _, usage in grid}
    assert SHAPES.keys() == {name for name, _ in grid}


def test_what_a_sample_leaves_out_is_printed() -> None:
    """The first of every three is compared."""
    found = Verdicts("peer")
    assert [True, False, False, True] == [Sample(3).takes(found) for _ in range(4)]
    assert "         2  of 4 models are left out (--every)" in found.lines()
    assert all(Sample().takes(found) for _ in range(4))
