"""A usage has whole quantities that are not below zero, and parts that fit their totals."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pricing_sync.prices.usage import Usage


@pytest.mark.parametrize(
    ("quantities", "why"),
    [
        ({"input": 10, "cache_read": 11}, "input: its parts are 1 more than the total"),
        ({"cache_read": 1}, "input: its parts are 1 more"),
        ({"input": 10, "cache_read": 6, "cache_write": 5}, "input: its parts are 1 more"),
        ({"input": 9, "cache_write": 2, "cache_write_1h": 3}, "cache_write: its parts are 1 more"),
        ({"input": 9, "cache_read_audio": 2}, "cache_read: its parts are 2 more"),
        ({"input": 9, "input_video": 10}, "input: its parts are 1 more"),
        ({"output": 9, "output_video": 10}, "output: its parts are 1 more"),
        ({"output": 4, "reasoning": 3, "output_audio": 3}, "output: its parts are 2 more"),
    ],
)
def test_parts_larger_than_their_total_are_refused(quantities: dict[str, Any], why: str) -> None:
    """A total includes its parts, so such quantities are no totals."""
    with pytest.raises(ValueError, match=why):
        Usage(**quantities)


@pytest.mark.parametrize("quantity", [1.0, 0.0, True, False, None, "1", Decimal(1)])
def test_a_quantity_is_an_int(quantity: object) -> None:
    """None is refused too: an unknown quantity is not zero."""
    with pytest.raises(TypeError, match=r"^page: .* is not a whole number$"):
        Usage(page=quantity)  # type: ignore[arg-type]  # the case


def test_a_quantity_is_not_below_zero() -> None:
    """A negative quantity would give a negative cost."""
    with pytest.raises(ValueError, match=r"^output: -1 is below zero$"):
        Usage(output=-1)
