"""What `doctor` finds in an answer."""

from __future__ import annotations

from pricing_sync.cli.doctor import _self_check
from pricing_sync.sources.providers import built_in

from built import openrouter, priced


def test_the_price_keys_that_are_not_read_are_named() -> None:
    """A new one may change the whole bill. They are no problem of the provider."""
    body = openrouter({f"maker/m{n}": priced(video="1") for n in range(2)})
    summary, problems = _self_check(built_in()["openrouter"], (body,))
    assert "not read: pricing.video in 2 rows" in summary
    assert problems == []
