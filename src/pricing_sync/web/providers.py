"""Providers and their models: last success, counts, errors, due times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query

from pricing_sync.app import PricingSync
from pricing_sync.changes.run import Reading
from pricing_sync.errors import UnknownName
from pricing_sync.json_views import instant_json
from pricing_sync.prices.age import age_seconds
from pricing_sync.settings import show_duration
from pricing_sync.store import Store
from pricing_sync.store.review import HeldCount
from pricing_sync.store.store import ModelCounts
from pricing_sync.timetable import Due, Plan
from pricing_sync.web.auth import Scope
from pricing_sync.web.model_states import ModelEntry, State, model_entries
from pricing_sync.web.pagination import page
from pricing_sync.web.request_types import Cursor
from pricing_sync.web.routes import Pricing, Routes
from pricing_sync.web.schemas import ModelState, Page, ProviderState, ProviderStates

routes = Routes("providers")


@dataclass(frozen=True, slots=True)
class _Facts:
    """The facts about all providers in the database."""

    counts: Mapping[str, ModelCounts]
    held: Mapping[str, HeldCount]
    successes: Mapping[str, datetime]
    failing: Mapping[str, Reading]
    skipped: Mapping[str, str]
    dues: Mapping[str, Due]
    now: datetime

    @classmethod
    def of(cls, store: Store) -> _Facts:
        return cls(
            store.model_counts(),
            store.review.held_counts(),
            store.latest_successes(),
            store.failing(),
            store.skipped(),
            store.queue.due_times(),
            datetime.now(UTC),
        )


@routes.get("/admin/pricing/providers", Scope.READ, response_model=ProviderStates)
def list_providers(pricing: Pricing) -> dict[str, Any]:
    """The scheduled providers, and those in the ledger."""
    facts = _Facts.of(pricing.store)
    known = {*pricing.settings.providers, *facts.counts, *facts.successes, *facts.failing}
    known.update(pricing.store.overridden_providers())
    return {"items": [_provider_json(pricing, facts, name) for name in sorted(known)]}


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
    return page(found, limit, lambda entry: entry.model, ModelEntry.record)


# After the route of the models: a provider's name may have a slash.
@routes.get("/admin/pricing/providers/{provider:path}", Scope.READ, response_model=ProviderState)
def get_provider(pricing: Pricing, provider: str) -> dict[str, Any]:
    """One provider."""
    facts = _Facts.of(pricing.store)
    return _provider_json(pricing, facts, pricing.provider_id(provider))


def _provider_json(pricing: PricingSync, facts: _Facts, name: str) -> dict[str, Any]:
    counts = facts.counts.get(name)
    success, due, failed = facts.successes.get(name), facts.dues.get(name), facts.failing.get(name)
    held = facts.held.get(name)
    return {
        "provider": name,
        "is_scheduled": name in pricing.settings.providers,
        "models": {
            "priced": counts.priced if counts else 0,
            "unpriced": counts.unpriced if counts else 0,
            "unreadable": counts.unreadable if counts else 0,
            "missing": counts.missing if counts else 0,
        },
        "last_success": instant_json(success),
        "age_seconds": age_seconds(success, facts.now),
        "next_due": instant_json(due.at) if due else None,
        "is_retry": due is not None and due.at == due.retry_at,
        "failures": due.failures if due else 0,
        "last_error": _error(failed) if failed else None,
        "skipped": facts.skipped.get(name),
        "held": held.count if held else 0,
        "oldest_held": instant_json(held.oldest) if held else None,
        "plan": _plan(pricing.settings.plan(name)),
        **_access_json(pricing, name),
    }


def _error(reading: Reading) -> dict[str, Any]:
    return {
        "at": instant_json(reading.finished_at),
        "kind": reading.error_kind,
        "message": reading.error,
        "run_id": reading.run_id,
    }


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "every": None if plan.cron else show_duration(plan.every),
        "cron": plan.cron,
        "window": str(plan.window) if plan.window else None,
        "time_zone": plan.time_zone,
        "dry_run": plan.dry_run,
    }


def _access_json(pricing: PricingSync, name: str) -> dict[str, Any]:
    """The provider's name and source, and whether its key is set; never the key itself."""
    try:
        provider = pricing.access.provider(name)
    except UnknownName:
        # The ledger keeps the cards of a provider whose plug-in was removed.
        return {"name": name, "source": None, "key_set": None, "missing_variables": []}
    has_key = pricing.access.credentials(provider).key is not None
    return {
        "name": provider.name,
        "source": provider.source.value,
        "key_set": has_key if provider.key else None,
        "missing_variables": pricing.access.missing_variables(provider),
    }
