"""The price books that the exports are made of: the cards of a peer's own list, times three.

With rates that nobody has, a peer that falls back on its own list differs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from pricing_sync.prices.book import PriceBook
from pricing_sync.prices.rates import ConditionalRates, Listing, Rate, RateCard, Rates
from pricing_sync.prices.statements import Statement
from pricing_sync.sources.formats import genai_prices, litellm
from pricing_sync.sources.provider import read_answer
from pricing_sync.sources.providers.catalog import genai_prices_provider

from cards import statement

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
_TIMES = 3


def book(kind: str, body: bytes) -> PriceBook:
    """The price book of the cards in a list of a peer."""
    return PriceBook(
        (_statement(*named) for named in _cards(kind, body)), (), read_at=AT, revision="1"
    )


def _cards(kind: str, body: bytes) -> Iterator[tuple[str, str, RateCard]]:
    seen: set[tuple[str, str]] = set()
    for provider, model, listing in _listings(kind, body):
        if isinstance(listing, RateCard) and model and (provider, model) not in seen:
            seen.add((provider, model))
            yield provider, model, _scaled(listing)


def _listings(kind: str, body: bytes) -> Iterator[tuple[str, str | None, Listing]]:
    if kind == "litellm":
        for provider, page in litellm.read_all(body).items():
            for model, listing in page.rows:
                yield provider, model, listing
    else:
        for provider in genai_prices.providers(body):
            answer = read_answer(genai_prices_provider(provider), [body], AT)
            for name, listing in answer.listings.items():
                yield provider, name, listing


def _scaled(card: RateCard) -> RateCard:
    return replace(
        card,
        rates=_times(card.rates),
        conditional_rates=tuple(
            ConditionalRates(entry.when, _times(entry.rates)) for entry in card.conditional_rates
        ),
    )


def _times(rates: Rates) -> Rates:
    return {meter: Rate(_TIMES * int(rate)) for meter, rate in rates.items()}


def _statement(provider: str, model: str, card: RateCard) -> Statement:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    return statement(
        model, card, since, card_id=f"{provider}/{model}", provider=provider, source="catalog"
    )
