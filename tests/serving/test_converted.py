"""Exports in another currency than that of the cards: the rate and its day are named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.exports.document import Part
from pricing_sync.prices.rates import Meter, Per, Rate
from pricing_sync.serving.exports import Wanted
from pricing_sync.settings import Settings

from databases import database_url
from exported import usd

YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).date()
#: One yuan is a seventh of a dollar, one euro 1.4 of them.
RATES = {"USD": Decimal("1.4"), "CNY": Decimal("9.8")}
OPENLIT = Wanted("openlit", currency="USD")


def own(app: PricingSync, model: str, currency: str, amount: str = "7") -> None:
    rates = {Meter.INPUT: usd(amount), Meter.OUTPUT: usd("14")}
    app.set_override("own", model, rates, currency=currency, author="a", reason="r")
    look_again(app)


def look_again(app: PricingSync) -> None:
    app._refresh_book()
    app.exports._fresh_until = 0.0


@pytest.fixture(name="app")
def app_fixture(tmp_path: Path) -> Iterator[PricingSync]:
    """A model in dollars, one in yuan, and one in yen, of which no rate is stored."""
    with PricingSync(Settings(database=database_url(tmp_path))) as app:
        app.store.exchange_rates.add({YESTERDAY: RATES}, datetime.now(UTC))
        for model, currency in (("dollars", "USD"), ("yuan", "CNY"), ("yen", "JPY")):
            own(app, model, currency)
        yield app


def prompt_prices(body: bytes) -> dict[str, object]:
    chat = json.loads(body, parse_float=Decimal)["chat"]
    return {name: row["promptPrice"] for name, row in chat.items()}


def test_without_a_currency_nothing_is_converted(app: PricingSync) -> None:
    """A format of dollars leaves the others out, and says their currencies."""
    rendered = app.exports.get(Wanted("openlit"))
    assert {"own/dollars": Decimal("0.007")} == prompt_prices(rendered.body)
    assert () == rendered.rates
    assert {("yuan", "the currency is CNY"), ("yen", "the currency is JPY")} == {
        (entry.model, entry.why) for entry in rendered.left_out
    }


def test_cards_are_converted_on_request(app: PricingSync) -> None:
    """Exactly; the rate is named with its day, and a model without a rate is left out by name."""
    rendered = app.exports.get(OPENLIT)
    assert {"own/dollars": Decimal("0.007"), "own/yuan": Decimal("0.001")} == (
        prompt_prices(rendered.body)
    )
    assert [f"1 CNY = 0.1428571429 USD (ECB, {YESTERDAY})"] == [*map(str, rendered.rates)]
    [yen] = rendered.left_out
    assert ("yen", Part.MODEL) == (yen.model, yen.part)
    assert yen.why.startswith("no exchange rate of JPY to USD from the 7 days before ")


def test_a_format_of_any_currency_is_converted_too(app: PricingSync) -> None:
    """All rows are in the one that was wanted."""
    rows = app.exports.get(Wanted("csv", currency="EUR")).body.decode()
    assert ",EUR," in rows
    assert ",USD," not in rows
    assert ",CNY," not in rows


def test_the_setting_is_for_requests_without_a_currency(app: PricingSync) -> None:
    """It counts for pushes, too."""
    settings = Settings(database=app.settings.database, export_currency="usd")
    with PricingSync(settings) as other:
        assert {"own/dollars", "own/yuan"} == (
            prompt_prices(other.exports.get(Wanted("openlit")).body).keys()
        )
        assert 1 == other.exports.left_out["openlit"]["model"]


def test_new_exchange_rates_are_a_new_document(app: PricingSync) -> None:
    """Though no price has changed; a document that was not converted stays."""
    plain, first = app.exports.get(Wanted("openlit")), app.exports.get(OPENLIT)
    look_again(app)
    assert first is app.exports.get(OPENLIT)
    today = datetime.now(UTC).date()
    app.store.exchange_rates.add({today: RATES | {"JPY": Decimal(140)}}, datetime.now(UTC))
    look_again(app)
    assert first is not app.exports.get(OPENLIT)
    assert plain is app.exports.get(Wanted("openlit"))


def test_the_rate_is_that_of_the_instant(app: PricingSync) -> None:
    """Prices of an earlier day are converted by that day's rate; here there was none."""
    at = datetime.now(UTC) - timedelta(days=30)
    app.set_override(
        *("own", "older", {Meter.INPUT: usd("7"), Meter.OUTPUT: usd("14")}),
        currency="CNY",
        author="a",
        reason="r",
        since=at - timedelta(days=1),
    )
    look_again(app)
    rendered = app.exports.get(OPENLIT._replace(at=at))
    assert () == rendered.rates
    assert {"older"} == {entry.model for entry in rendered.left_out}


def test_a_rate_that_would_be_zero_leaves_the_model_out(app: PricingSync) -> None:
    """A price above zero never becomes free."""
    rates = {Meter.INPUT: Rate.of("0.000000000000001", Per.ONE), Meter.OUTPUT: usd("1")}
    app.set_override("own", "tiny", rates, currency="CNY", author="a", reason="r")
    look_again(app)
    rendered = app.exports.get(OPENLIT)
    [tiny] = [entry for entry in rendered.left_out if entry.model == "tiny"]
    assert "is finer than" in tiny.why
