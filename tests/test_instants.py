"""Every public function that takes an instant refuses one without a time zone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pricing_sync import PriceBook, Usage, cost
from pricing_sync.app import PricingSync
from pricing_sync.prices.cost import effective_rates
from pricing_sync.prices.rates import Meter, Rate, RateCard
from pricing_sync.settings import Settings
from pricing_sync.sync.recorded import RecordedAnswer

from databases import database_url

NAIVE = datetime(2026, 7, 17, 12)  # noqa: DTZ001
CARD = RateCard({Meter.INPUT: Rate(1)})
MODEL = ("openrouter", "maker/model-0")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[PricingSync]:
    with PricingSync(Settings(database=database_url(tmp_path))) as opened:
        override(opened, since=datetime.now(UTC) - timedelta(1))
        yield opened


def override(
    app: PricingSync, since: datetime | None = None, until: datetime | None = None
) -> object:
    return app.set_override(
        *MODEL, CARD.rates, author="me", reason="test", since=since, until=until
    )


CALLS: dict[str, Callable[[PricingSync], object]] = {
    "prices at": lambda app: app.prices(at=NAIVE),
    "prices known_at": lambda app: app.prices(known_at=NAIVE),
    "price at": lambda app: app.price(*MODEL, at=NAIVE),
    "price known_at": lambda app: app.price(*MODEL, known_at=NAIVE),
    "cost": lambda app: app.cost(*MODEL, Usage(input=1), at=NAIVE),
    "cost of an unknown model": lambda app: app.cost("x", "y", Usage(input=1), at=NAIVE),
    "changes": lambda app: app.changes(NAIVE),
    "set_override since": lambda app: override(app, since=NAIVE),
    "set_override until": lambda app: override(app, until=NAIVE),
    "set_override both": lambda app: override(app, NAIVE, NAIVE + timedelta(1)),
    "end_override": lambda app: app.end_override(*MODEL, at=NAIVE),
    "end_override of none": lambda app: app.end_override("openrouter", "other", at=NAIVE),
    "recorded answer": lambda _: RecordedAnswer(b"", NAIVE),
    "book": lambda _: PriceBook([], [], read_at=NAIVE),
    "book of a span": lambda app: app.book(NAIVE),
    "book since": lambda _: PriceBook([], [], read_at=datetime.now(UTC), since=NAIVE),
    "book find": lambda app: app.book().find(*MODEL, NAIVE),
    "book find of an unknown model": lambda app: app.book().find("x", "y", NAIVE),
    "book price": lambda app: app.book().price(*MODEL, NAIVE),
    "book cost": lambda app: app.book().cost(*MODEL, Usage(input=1), NAIVE),
    "price's cost": lambda app: app.price(*MODEL).cost(Usage(input=1), NAIVE),
    "cost by a card": lambda _: cost(CARD, Usage(input=1), NAIVE),
    "effective rates": lambda _: effective_rates(CARD, input_tokens=1, at=NAIVE),
}


@pytest.mark.parametrize("name", CALLS)
def test_an_instant_without_a_time_zone_is_refused(app: PricingSync, name: str) -> None:
    """It would be read in the time zone of the machine, and nothing would say so."""
    with pytest.raises(ValueError, match="2026-07-17 12:00:00 has no time zone"):
        CALLS[name](app)
    assert 1 == len(app.override_report())
