"""The demo, end to end: every provider is read twice over HTTP into a ledger."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from pricing_sync.changes.run import Outcome, Status
from pricing_sync.demo.facts import FACTS
from pricing_sync.demo.show import running
from pricing_sync.prices.rates import RateCard, Unpriced


def test_every_stored_price_equals_the_facts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last digit, through eighteen wire formats and a database."""
    monkeypatch.chdir(tmp_path)
    with running() as demo:
        finished = demo.read()
        assert Outcome.SUCCESS is finished.outcome
        stored = {(p.provider, p.model): p.listing for p in demo.app.prices()}
        held = {(item.provider, item.change.model) for item in demo.app.store.review.held()}
        for provider in demo.app.settings.providers:
            currency = demo.app.access.provider(provider).currency
            for model in FACTS[provider]:
                expected = model.listing(currency)
                for name in (model.id, *model.aliases):
                    if (provider, name) in held:
                        continue
                    found = stored[provider, name]
                    if isinstance(expected, Unpriced):
                        assert isinstance(found, Unpriced), name
                    else:
                        assert expected == found, name
        assert len(held) < 3
        assert sum(isinstance(listing, RateCard) for listing in stored.values()) > 200


def test_changes_doubts_and_faults_have_different_outcomes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changes apply, doubtful ones are held, faults fail, and no price becomes wrong."""
    monkeypatch.chdir(tmp_path)
    with running() as demo:
        demo.read()
        before = {(p.provider, p.model): p.listing for p in demo.app.prices()}
        demo.make_changes()
        finished = demo.read()
        after = {(p.provider, p.model): p.listing for p in demo.app.prices()}
        by_provider = {result.reading.provider: result for result in finished.results}
    assert Outcome.PARTIAL is finished.outcome
    assert {"xai", "cerebras"} == {
        name for name, result in by_provider.items() if result.reading.is_failed
    }
    assert {("openrouter", "openai/gpt-4o"), ("deepinfra", "moonshotai/Kimi-K2.5")} == {
        key for key, listing in after.items() if before.get(key) != listing
    }
    assert ["moonshotai/kimi-k2-instruct"] == list(by_provider["novita"].plan.missing)
    held = Counter(
        {name: result.reading.changes.get("held", 0) for name, result in by_provider.items()}
    )
    assert (14, 12, 7) == (held["together"], held["chutes"], held["venice"])
    assert Status.UNCHANGED is by_provider["featherless"].reading.status
    assert Status.UNCHANGED is by_provider["nebius"].reading.status
