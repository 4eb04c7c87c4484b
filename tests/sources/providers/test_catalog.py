"""Providers that are read from the catalog, and the curated tables that check them."""

from __future__ import annotations

import csv
import json
from datetime import date
from decimal import Decimal

import pytest

from pricing_sync.errors import DecodeError, IncompleteAnswer
from pricing_sync.prices.rates import Meter, Rate, RateCard, Source
from pricing_sync.sources.formats import litellm, models_dev
from pricing_sync.sources.provider import Curated, Provider, read_answer
from pricing_sync.sources.providers import catalog, google_vertex, groq
from pricing_sync.sources.providers.catalog import catalog_provider

from recorded import needs_samples, sample

RECORDED = "models.dev/2026-05-14-api.json"
BODY = json.dumps(
    {
        "acme": {"models": {"m": {"cost": {"input": 1, "output": 2}}}},
        "other": {"models": {"m": {"cost": {"input": 9, "output": 9}}}},
        "empty": {"models": {}},
    }
).encode()

with_table = pytest.mark.parametrize(
    "provider", [groq.PROVIDER, google_vertex.PROVIDER], ids=lambda provider: provider.id
)


def curated(provider: Provider) -> Curated:
    assert provider.curated is not None
    return provider.curated


def test_a_catalog_provider_reads_only_its_own_models() -> None:
    """All catalog providers read one document, and their source is the catalog."""
    provider = catalog_provider("acme")
    card = RateCard({Meter.INPUT: Rate(1_000_000_000), Meter.OUTPUT: Rate(2_000_000_000)})
    assert {"m": card} == read_answer(provider, [BODY]).listings
    assert provider.id == provider.name == "acme"
    assert provider.url == "https://models.dev/api.json"
    assert provider.source is Source.CATALOG
    assert provider.key is None


def test_a_catalog_without_the_provider_is_incomplete() -> None:
    """So is a catalog without models of the provider. Neither makes a model vanish."""
    for name in ("nobody", "empty"):
        with pytest.raises(IncompleteAnswer, match=name):
            read_answer(catalog_provider(name), [BODY])


def test_an_answer_in_another_format_is_an_error() -> None:
    """The whole answer is refused."""
    with pytest.raises(DecodeError, match="acme: body: not JSON"):
        read_answer(catalog_provider("acme"), [b"<html>"])


@with_table
def test_a_curated_table_has_its_page_and_its_date(provider: Provider) -> None:
    """Only with both can a person check the table."""
    table = curated(provider)
    assert table.page.startswith("https://")
    assert date.fromisoformat(table.read_on) > date(2026, 1, 1)
    assert provider.page == table.page
    assert 8 <= len(table.cards) <= 12


@with_table
def test_no_price_in_a_curated_table_is_a_thousand_times_off(provider: Provider) -> None:
    """A wrong unit would make every price of the table wrong."""
    for card in curated(provider).cards.values():
        assert all(0 < rate.per_million < 50 for _, meter, rate in card.every_rate())


@needs_samples
def test_the_groq_table_equals_the_recorded_page() -> None:
    """The table has every amount of the page, and no other."""
    text = sample("groq/2026-10-05-price-table.csv").decode()
    facts = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    listed = {
        (fact["model"], "tokens" if "tokens" in fact["per"] else fact["per"], fact["meter"]): (
            fact["amount"]
        )
        for fact in facts
        if fact["amount"] != "contact sales"
    }
    curated_rates = {
        (model, unit_of(meter), direction_of(meter)): rate
        for model, card in curated(groq.PROVIDER).cards.items()
        for meter, rate in card.rates.items()
    }
    assert listed.keys() == curated_rates.keys()
    for place, amount in listed.items():
        millions = Decimal(amount) / 3600 * 1_000_000 if place[1] == "hour" else Decimal(amount)
        assert millions.quantize(Decimal("1e-9")) == curated_rates[place].per_million, place


def unit_of(meter: Meter) -> str:
    return {Meter.SECOND: "hour", Meter.CHARACTER: "1M characters"}.get(meter, "tokens")


def direction_of(meter: Meter) -> str:
    return {Meter.SECOND: "input_audio", Meter.CHARACTER: "input"}.get(meter, str(meter))


@needs_samples
def test_the_vertex_table_agrees_with_litellm() -> None:
    """Each of its rates, including long contexts, is in LiteLLM's map of 2026-10."""
    body = sample("litellm/2026-10-model-prices.json")
    litellm_listings = {
        model.removeprefix("vertex_ai/"): listing
        for owner in litellm.providers(body)
        if owner.startswith("vertex_ai")
        for model, listing in litellm.read(body, owner).rows
        if model
    }
    for model, card in curated(google_vertex.PROVIDER).cards.items():
        listing = litellm_listings[model]
        assert isinstance(listing, RateCard)
        stated = set(listing.every_rate())
        assert [] == [rate for rate in card.every_rate() if rate not in stated], model


@needs_samples
def test_the_known_ids_are_those_of_the_recorded_catalog() -> None:
    """The recorded catalog has each of them, and each can be read."""
    body = sample(RECORDED)
    assert catalog.IDS < set(models_dev.providers(body))
    for name in catalog.IDS:
        assert read_answer(catalog_provider(name), [body]).listings


@needs_samples
@with_table
def test_the_recorded_catalog_prices_most_of_the_table(provider: Provider) -> None:
    """The table and the catalog use the same ids. Otherwise the table would check nothing."""
    listings = read_answer(provider, [sample(RECORDED)]).listings
    known = [model for model in curated(provider).cards if model in listings]
    assert len(known) >= len(curated(provider).cards) - 1
