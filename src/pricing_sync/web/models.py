"""The prices in OpenRouter's format, for programs that read it already."""

from __future__ import annotations

from typing import Any

from fastapi.responses import JSONResponse

from pricing_sync.prices.book import Price
from pricing_sync.prices.rates import RateCard
from pricing_sync.sources.formats import openrouter
from pricing_sync.web.auth import Scope
from pricing_sync.web.current_prices import prices_now
from pricing_sync.web.request_types import ProviderFilter
from pricing_sync.web.routes import Pricing, Routes
from pricing_sync.web.schemas import Models

routes = Routes("prices")


@routes.get("/v1/models", Scope.READ, response_model=Models)
def list_openrouter_models(pricing: Pricing, provider: ProviderFilter = None) -> JSONResponse:
    """The models whose price fits OpenRouter's format, in US dollars per single unit.

    With `provider` the ids are that provider's; without, they are `provider/model`.
    """
    prices = prices_now(pricing, provider, None)
    models = (_model(price, is_prefixed=provider is None) for price in prices)
    return JSONResponse({"data": [model for model in models if model is not None]})


def _model(price: Price, *, is_prefixed: bool) -> dict[str, Any] | None:
    pricing = openrouter.write(price.listing) if isinstance(price.listing, RateCard) else None
    if pricing is None:
        return None
    model = f"{price.provider}/{price.model}" if is_prefixed else price.model
    return {
        "id": model,
        "canonical_slug": model,
        "name": price.model,
        "created": int(price.since.timestamp()),
        "pricing": pricing,
    }
