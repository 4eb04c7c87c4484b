"""Prices to export, and the readers of what comes out, for the tests of exports."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from pricing_sync.exports.document import Export, Source
from pricing_sync.prices.book import Price
from pricing_sync.prices.rates import Listing, Meter, Per, Rate, RateCard
from pricing_sync.serving.export_formats import FORMATS
from pricing_sync.sources.formats import genai_prices, litellm, models_dev, openrouter

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
#: The smallest upstream map: two rows, of which one is LiteLLM's explanation of the format.
UPSTREAM = (
    b'{"sample_spec": {"mode": "one of chat"},'
    b' "maker/other": {"litellm_provider": "maker", "input_cost_per_token": 1e-06}}'
)


def usd(per_million: str) -> Rate:
    return Rate.of(per_million, Per.MILLION)


def price(card: RateCard, model: str = "m", provider: str = "openrouter") -> Price:
    return Price(
        provider=provider,
        model=model,
        listing=card,
        since=AT,
        recorded_at=AT,
        source="api",
        card_id="c1",
    )


def flat(**rates: str) -> RateCard:
    """A card of base rates: `flat(input="2.5")`."""
    return RateCard({Meter(meter): usd(amount) for meter, amount in rates.items()})


def export(format_name: str, prices: Iterable[Price], *, one_provider: bool = False) -> Export:
    upstream = UPSTREAM if format_name == "litellm" else None
    source = Source([*prices], upstream=upstream, is_of_one_provider=one_provider)
    return FORMATS[format_name].write(source)


def _read_openrouter(body: bytes, provider: str) -> dict[str | None, Listing]:
    rows = dict(openrouter.read(body).rows)
    return {(model or "").removeprefix(f"{provider}/"): row for model, row in rows.items()}


def _read_litellm(body: bytes, provider: str) -> dict[str | None, Listing]:
    rows = litellm.read(body, provider).rows
    return {(model or "").removeprefix(f"{provider}/"): row for model, row in rows}


#: The reader of each format that this program also reads: the listings of a provider, by model.
READERS: dict[str, Callable[[bytes, str], dict[str | None, Listing]]] = {
    "litellm": _read_litellm,
    "genai-prices": lambda body, provider: dict(genai_prices.read(body, provider).rows),
    "models.dev": lambda body, provider: dict(models_dev.read(body, provider).rows),
    "openrouter": _read_openrouter,
}


def read_back(format_name: str, body: bytes, model: str = "m") -> Listing | None:
    """The listing of a model of OpenRouter in a document; None if it is not there."""
    if b"openrouter" not in body:
        return None
    return READERS[format_name](body, "openrouter").get(model)
