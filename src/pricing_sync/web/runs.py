"""Runs: list, show, cancel, follow."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

from fastapi import Header, Query, Request
from fastapi.responses import StreamingResponse

from pricing_sync.changes.run import Reading, Run, run_summary
from pricing_sync.json_views.runs import RunState
from pricing_sync.scheduling.run_steps import step_states
from pricing_sync.store import Store
from pricing_sync.web.auth import Scope
from pricing_sync.web.events import follow
from pricing_sync.web.pagination import page
from pricing_sync.web.problems import Problem
from pricing_sync.web.request_types import Cursor, ProviderFilter
from pricing_sync.web.routes import Pricing, Routes
from pricing_sync.web.schemas import Page
from pricing_sync.web.streams import Stream

routes = Routes("runs")

_Status: TypeAlias = Literal["running", "success", "partial", "failed", "skipped"]
_EVENTS = {
    200: {
        "description": "`step` and `reading` events; a `run` event at the end.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


class _EventStream(StreamingResponse):
    media_type = "text/event-stream"


@routes.get("/admin/pricing/runs", Scope.READ, response_model=Page[RunState])
def list_runs(
    pricing: Pricing,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Cursor = None,
    status: _Status | None = None,
    provider: ProviderFilter = None,
) -> dict[str, Any]:
    """The runs, newest first."""
    store = pricing.store
    found = store.runs(limit + 1, cursor, provider=provider, status=status)
    return page(found, limit, lambda entry: entry[0].id, lambda entry: _run_json(store, *entry))


@routes.get("/admin/pricing/runs/{run_id}", Scope.READ, response_model=RunState)
def get_run(pricing: Pricing, run_id: str) -> dict[str, Any]:
    """One run with its progress."""
    return _run_json(pricing.store, *pricing.store.run(run_id))


@routes.post("/admin/pricing/runs/{run_id}/cancel", Scope.ADMIN, response_model=RunState)
async def cancel_run(pricing: Pricing, run_id: str) -> dict[str, Any]:
    """Cancel a run: queued providers are not read, and readings in progress are stopped."""
    run, _ = await asyncio.to_thread(pricing.store.run, run_id)
    if run.finished_at is not None:
        raise Problem(409, f"run {run_id} has ended already")
    await pricing.cancel(run_id)
    return await asyncio.to_thread(get_run, pricing, run_id)


@routes.get(
    "/admin/pricing/runs/{run_id}/events",
    Scope.READ,
    response_class=_EventStream,
    responses=_EVENTS,
)
async def follow_run(
    pricing: Pricing,
    request: Request,
    run_id: str,
    last_event_id: Annotated[str, Header(description="The id of the last received event.")] = "",
) -> StreamingResponse:
    """The progress of a run as server-sent events, until it ends."""
    run, _ = await asyncio.to_thread(pricing.store.run, run_id)
    return _EventStream(follow(pricing, run, last_event_id, Stream(pricing, request)))


def _run_json(store: Store, run: Run, readings: Sequence[Reading]) -> dict[str, Any]:
    return run_summary(run, readings) | {"steps": step_states(store, run, readings)}
