"""Rolling a provider back: what is restored, what is kept, and what does not come back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.errors import NoPrice, SettingsError, UnknownName
from pricing_sync.prices.rates import Meter, RateCard
from pricing_sync.settings import Settings
from pricing_sync.sync.recorded import RecordedAnswer

from built import openrouter, priced
from databases import database_url

DAY = datetime(2026, 7, 17, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WHO: dict[str, Any] = {"author": "me", "reason": "a wrong list"}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[PricingSync]:
    settings = Settings(database=database_url(tmp_path), reference_hours=0)
    with PricingSync(settings, create=True) as opened:
        yield opened


def read(app: PricingSync, at: datetime, **models: str) -> None:
    """A reading that lists each model at a price of input, in dollars per million."""
    rows = {
        f"maker/{name}": priced(f"{float(price) / 1_000_000:.9f}") for name, price in models.items()
    }
    asyncio.run(app.replay("openrouter", [RecordedAnswer(openrouter(rows), at=at)]))


def input_of(app: PricingSync, model: str, **when: datetime) -> str:
    card = app.price("openrouter", f"maker/{model}", **when).listing
    assert isinstance(card, RateCard)
    return str(card.rates[Meter.INPUT])


def state_of(app: PricingSync, model: str) -> str:
    (state,) = app.store.model_states("openrouter", f"maker/{model}").values()
    return state.state.value


def test_the_cards_of_an_instant_are_in_force_again(app: PricingSync) -> None:
    """From that instant on; what was believed in between can still be asked for."""
    read(app, DAY, a="2.5", b="1")
    read(app, DAY + HOUR, a="2.6", b="1")
    read(app, DAY + 2 * HOUR, a="2.7", b="1")
    known = datetime.now(UTC)
    (done,) = app.rollback("openrouter", DAY + HOUR / 2, **WHO)
    assert "maker/a" == done.model
    assert "2.5" == input_of(app, "a") == input_of(app, "a", at=DAY + 3 * HOUR)
    assert "2.5" == input_of(app, "a", at=DAY + HOUR)
    assert "2.6" == input_of(app, "a", at=DAY + HOUR, known_at=known)
    assert "2.7" == input_of(app, "a", at=DAY + 3 * HOUR, known_at=known)
    assert "1" == input_of(app, "b")
    assert ("rejected", "confirmed") == (state_of(app, "a"), state_of(app, "b"))
    assert DAY == app.price("openrouter", "maker/a").confirmed_at


def test_what_was_undone_does_not_come_back(app: PricingSync) -> None:
    """Neither of the prices since then, until a person withdraws the rejection."""
    read(app, DAY, a="2.5")
    read(app, DAY + HOUR, a="2.6")
    read(app, DAY + 2 * HOUR, a="2.7")
    app.rollback("openrouter", DAY + HOUR / 2, **WHO)
    for hours, price in ((3, "2.7"), (4, "2.6")):
        read(app, DAY + hours * HOUR, a=price)
        assert "2.5" == input_of(app, "a")
        assert "rejected" == state_of(app, "a")
    read(app, DAY + 5 * HOUR, a="2.55")
    assert ("2.55", "confirmed") == (input_of(app, "a"), state_of(app, "a"))


def test_a_withdrawn_rejection_is_judged_again(app: PricingSync) -> None:
    """The price was right after all."""
    read(app, DAY, a="2.5")
    read(app, DAY + HOUR, a="2.6")
    app.rollback("openrouter", DAY + HOUR / 2, **WHO)
    app.reconsider("openrouter", "maker/a", author="me", reason="it was right")
    read(app, DAY + 2 * HOUR, a="2.6")
    assert ("2.6", "confirmed") == (input_of(app, "a"), state_of(app, "a"))


def test_a_model_that_came_since_has_no_price(app: PricingSync) -> None:
    """And its first price stays away; one that was there keeps its own."""
    read(app, DAY, a="2.5")
    read(app, DAY + HOUR, a="2.5", new="3")
    app.rollback("openrouter", DAY + HOUR / 2, **WHO)
    with pytest.raises(NoPrice):
        app.price("openrouter", "maker/new")
    read(app, DAY + 2 * HOUR, a="2.5", new="3")
    with pytest.raises(NoPrice, match="rejected"):
        app.price("openrouter", "maker/new")
    assert "2.5" == input_of(app, "a")


def test_a_model_that_was_retired_since_has_its_price_again(app: PricingSync) -> None:
    """Until two readings say again that it is gone."""
    read(app, DAY, a="2.5", gone="3")
    for hours in (1, 2):
        read(app, DAY + hours * HOUR, a="2.5")
    assert "retired" == state_of(app, "gone")
    app.rollback("openrouter", DAY + HOUR / 2, **WHO)
    assert ("3", "missing") == (input_of(app, "gone"), state_of(app, "gone"))
    read(app, DAY + 3 * HOUR, a="2.5")
    assert "retired" == state_of(app, "gone")


def test_only_one_model_when_it_is_named(app: PricingSync) -> None:
    """The others keep what they have."""
    read(app, DAY, a="2.5", b="1")
    read(app, DAY + HOUR, a="2.6", b="1.1")
    app.rollback("openrouter", DAY + HOUR / 2, model="maker/a", **WHO)
    assert ("2.5", "1.1") == (input_of(app, "a"), input_of(app, "b"))


def test_a_dry_run_changes_nothing(app: PricingSync) -> None:
    """It says what would be done, to the digit."""
    read(app, DAY, a="2.5")
    read(app, DAY + HOUR, a="2.6")
    revision = app.store.revision()
    (found,) = app.rollback("openrouter", DAY + HOUR / 2, dry_run=True, **WHO)
    assert isinstance(found.old, RateCard)
    assert isinstance(found.new, RateCard)
    assert ("2.6", "2.5") == tuple(str(card.rates[Meter.INPUT]) for card in (found.old, found.new))
    assert revision == app.store.revision()
    assert "2.6" == input_of(app, "a")


def test_a_rollback_is_in_the_audit_log_and_told(app: PricingSync) -> None:
    """Who, why, until when, and both listings."""
    read(app, DAY, a="2.5")
    read(app, DAY + HOUR, a="2.6")
    app.rollback("openrouter", DAY + HOUR / 2, **WHO)
    entry = app.store.audit_log.entries(1)[0]
    assert ("rollback", "me", "a wrong list") == (entry.action, entry.who, entry.reason)
    assert ("2.6", "2.5") == tuple(entry.what[side]["rates"]["input"] for side in ("old", "new"))
    _, kind, payload = app.store.outbox.pending()[-1]
    assert ("price.changed", "me") == (kind, payload["rolled_back_by"])


@pytest.mark.parametrize(
    ("to", "model", "error", "why"),
    [
        (DAY + 5 * HOUR, None, UnknownName, "nothing has changed since 2026-07-17T17"),
        (DAY, "maker/x", UnknownName, "no such model was ever listed"),
        (DAY - HOUR, None, UnknownName, "it had no prices at 2026-07-17T11"),
        (datetime(2100, 1, 1, tzinfo=UTC), None, SettingsError, "is not in the past"),
        (datetime(2026, 7, 17), None, ValueError, "has no time zone"),  # noqa: DTZ001
    ],
)
def test_what_cannot_be_rolled_back_is_an_error(
    app: PricingSync, to: datetime, model: str | None, error: type[Exception], why: str
) -> None:
    """And nothing is stored."""
    read(app, DAY, a="2.5")
    read(app, DAY + HOUR, a="2.6")
    with pytest.raises(error, match=why):
        app.rollback("openrouter", to, model=model, **WHO)
    assert "2.6" == input_of(app, "a")


def test_a_rollback_needs_a_reason(app: PricingSync) -> None:
    """As any decision of a person."""
    read(app, DAY, a="2.5")
    read(app, DAY + HOUR, a="2.6")
    with pytest.raises(SettingsError, match="it needs an author and a reason"):
        app.rollback("openrouter", DAY + HOUR / 2, author="me", reason=" ")


def test_a_rollback_can_be_rolled_back(app: PricingSync) -> None:
    """The ledger forgets nothing: the prices from before it are in force again."""
    read(app, DAY, a="2.5")
    read(app, DAY + HOUR, a="2.6")
    before = datetime.now(UTC)
    app.rollback("openrouter", DAY + HOUR / 2, **WHO)
    app.rollback("openrouter", before, **WHO)
    assert "2.6" == input_of(app, "a")
    assert "2.5" == input_of(app, "a", at=DAY + 2 * HOUR)
