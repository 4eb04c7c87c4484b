"""The prices in OpenRouter's format, for programs that read it already."""

from __future__ import annotations

from fastapi import Request, Response

from pricing_sync.serving.exports import Wanted
from pricing_sync.web.auth import Scope
from pricing_sync.web.exports import DOCUMENT_RESPONSES, export_response, rendered_export
from pricing_sync.web.request_types import ProviderFilter
from pricing_sync.web.routes import Pricing, Routes
from pricing_sync.web.schemas import Models

routes = Routes("prices")


@routes.get("/v1/models", Scope.READ, response_model=Models, responses=DOCUMENT_RESPONSES)
async def list_openrouter_models(
    pricing: Pricing, request: Request, provider: ProviderFilter = None
) -> Response:
    """The models whose price fits OpenRouter's format, in US dollars per single unit.

    With `provider` the ids are that provider's; without, they are `provider/model`. It is the
    export `openrouter`: a model without a price of its input or its output is not in it.
    """
    return export_response(await rendered_export(pricing, Wanted("openrouter", provider)), request)
