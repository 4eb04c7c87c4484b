"""How the providers are, in one line."""

from __future__ import annotations

from collections import Counter

import pytest

from pricing_sync.web.pages.health import Health, headline


@pytest.mark.parametrize(
    ("healths", "said"),
    [
        ("FRESH FRESH", "Prices are fresh"),
        ("FRESH UNSCHEDULED", "Prices are fresh"),
        ("FRESH FAILING", "1 provider needs a look"),
        ("FAILING STALE NEVER", "2 providers need a look"),
        ("FRESH NEVER", "1 provider was never read"),
        ("FRESH SKIPPED SKIPPED", "2 providers were skipped"),
        ("UNSCHEDULED", "No provider is read on schedule"),
        ("", "No provider is read on schedule"),
    ],
)
def test_prices_are_fresh_only_if_all_that_are_scheduled_are(healths: str, said: str) -> None:
    """One that is skipped or was never read has no fresh price."""
    assert said == headline(Counter(Health[name] for name in healths.split()))
