"""A provider: its settings, its readings, its errors, when it is read next."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse

from pricing_sync.app import PricingSync
from pricing_sync.errors import UnknownName
from pricing_sync.scheduling.provider_states import ProviderFacts
from pricing_sync.timetable import next_due
from pricing_sync.web.auth import Scope
from pricing_sync.web.model_states import State, model_entries
from pricing_sync.web.pages.door import OfSession, SentForm, first
from pricing_sync.web.pages.health import ProviderRow
from pricing_sync.web.pages.links import Links
from pricing_sync.web.pages.rendering import render
from pricing_sync.web.routes import Pricing, Routes

routes = Routes("pages")

_SLOTS, _READINGS, _MODELS = 5, 20, 200


@routes.get("/providers/{provider}", Scope.READ)
def provider_page(
    pricing: Pricing,
    request: Request,
    provider: str,
    state: State | None = None,
    after: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    """One provider."""
    name, now = pricing.provider_id(provider), datetime.now(UTC)
    entry = ProviderFacts.of(pricing.store).state(name, pricing.settings, pricing.access)
    entries = model_entries(pricing, name)
    wanted = (
        one for one in entries if state in (None, one.state) and (not after or one.model > after)
    )
    shown = list(islice(wanted, _MODELS + 1))
    runs = pricing.store.runs(_READINGS, provider=name)
    return render(
        request,
        "provider.html",
        row=ProviderRow.of(entry, pricing.settings, now),
        provider=name,
        url=_url(pricing, name),
        slots=_slots(pricing, name, entry.next_due),
        readings=[
            (run, reading)
            for run, readings in runs
            for reading in readings
            if reading.provider == name
        ],
        unread=pricing.store.unread_keys().get(name, {}),
        entries=shown[:_MODELS],
        next_after=shown[_MODELS - 1].model if len(shown) > _MODELS else None,
        counts=Counter(one.state for one in entries),
        state=state,
    )


def _url(pricing: PricingSync, name: str) -> str | None:
    """Where the provider is read; None for one that only the ledger knows."""
    try:
        return pricing.access.provider(name).page
    except UnknownName:
        return None


def _slots(pricing: PricingSync, name: str, due: datetime | None) -> list[datetime]:
    """When it is read next, if all goes well."""
    if due is None:
        return []
    plan, found = pricing.settings.plan(name), [due]
    while len(found) < _SLOTS:
        found.append(next_due(plan, name, found[-1], due))
    return found


@routes.post("/read", Scope.ADMIN)
async def read_now(
    pricing: Pricing, request: Request, session: OfSession, form: SentForm
) -> Response:
    """Queue a run of one provider, or of all of the settings, and show it."""
    name = first(form, "provider")
    run, _ = await pricing.trigger(
        [name] if name else None,
        dry_run="dry_run" in form,
        started_by=session.author if session else "",
    )
    return RedirectResponse(Links(request).run(run.id), status_code=303)
