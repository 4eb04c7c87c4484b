"""Answers of built rows, and what is read from them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from pricing_sync.prices.rates import (
    Answer,
    ConditionalRates,
    Listing,
    Meter,
    Rate,
    RateCard,
    Rates,
    Unreadable,
)
from pricing_sync.sources.provider import Provider, read_answer


def answer_of(
    provider: Provider, *rows: Any, key: str | None = "data", at: datetime | None = None
) -> Answer:
    """The answer of the list `{"data": rows}`; with a *key* of None, of the rows alone."""
    body = json.dumps(rows if key is None else {key: rows}).encode()
    return read_answer(provider, [body], at)


def card(input_: int, output: int, *conditional_rates: ConditionalRates) -> RateCard:
    """The card of these nano-dollars per million tokens."""
    return RateCard({Meter.INPUT: Rate(input_), Meter.OUTPUT: Rate(output)}, conditional_rates)


def why(listing: Listing) -> str:
    """Why the listing is unreadable."""
    assert isinstance(listing, Unreadable), listing
    return listing.why


def rates_of(listing: Listing) -> Rates:
    """The base rates of the listing, which is a card."""
    assert isinstance(listing, RateCard), listing
    return listing.rates
