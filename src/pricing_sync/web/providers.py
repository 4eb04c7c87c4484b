"""Providers and their models: last success, counts, errors, due times."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

from pricing_sync.json_views.providers import ProviderState
from pricing_sync.scheduling.provider_states import ProviderFacts
from pricing_sync.web.auth import Scope
from pricing_sync.web.model_states import ModelEntry, State, model_entries
from pricing_sync.web.pagination import page
from pricing_sync.web.request_types import Cursor
from pricing_sync.web.routes import Pricing, Routes
from pricing_sync.web.schemas import ModelState, Page, ProviderStates

routes = Routes("providers")


@routes.get("/admin/pricing/providers", Scope.READ, response_model=ProviderStates)
def list_providers(pricing: Pricing) -> dict[str, Any]:
    """The scheduled providers, and those in the ledger."""
    facts, settings = ProviderFacts.of(pricing.store), pricing.settings
    names = sorted({*settings.providers, *facts.providers()})
    return {"items": [facts.state(name, settings, pricing.access) for name in names]}


@routes.get(
    "/admin/pricing/providers/{provider:path}/models", Scope.READ, response_model=Page[ModelState]
)
def list_models(
    pricing: Pricing,
    provider: str,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Cursor = None,
    state: State | None = None,
    q: Annotated[str, Query(max_length=200, description="A part of the model's id.")] = "",
) -> dict[str, Any]:
    """Every model that a provider has ever listed, with its state."""
    entries = model_entries(pricing, pricing.provider_id(provider))
    part = q.lower()
    found = (
        entry
        for entry in entries
        if entry.model > (cursor or "")
        and (state is None or entry.state == state)
        and part in entry.model.lower()
    )
    return page(found, limit, lambda entry: entry.model, ModelEntry.view)


# After the route of the models: a provider's name may have a slash.
@routes.get("/admin/pricing/providers/{provider:path}", Scope.READ, response_model=ProviderState)
def get_provider(pricing: Pricing, provider: str) -> ProviderState:
    """One provider."""
    facts, name = ProviderFacts.of(pricing.store), pricing.provider_id(provider)
    return facts.state(name, pricing.settings, pricing.access)
