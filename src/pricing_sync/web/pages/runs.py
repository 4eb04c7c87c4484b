"""Runs: the list, one with its progress, and its end."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse

from pricing_sync.scheduling.run_steps import step_states
from pricing_sync.web.auth import Scope
from pricing_sync.web.pages.links import Links
from pricing_sync.web.pages.rendering import render
from pricing_sync.web.problems import Problem
from pricing_sync.web.routes import Pricing, Routes

routes = Routes("pages")

_SHOWN = 50


@routes.get("/runs", Scope.READ)
def runs(
    pricing: Pricing, request: Request, before: Annotated[str | None, Query(max_length=100)] = None
) -> Response:
    """The runs, newest first."""
    found = pricing.store.runs(_SHOWN + 1, before)
    return render(
        request,
        "runs.html",
        runs=found[:_SHOWN],
        before=before,
        next_before=found[_SHOWN - 1][0].id if len(found) > _SHOWN else None,
    )


@routes.get("/runs/{run_id}", Scope.READ)
def run_page(pricing: Pricing, request: Request, run_id: str) -> Response:
    """One run with its progress."""
    run, readings = pricing.store.run(run_id)
    return render(
        request,
        "run.html",
        run=run,
        steps=step_states(pricing.store, run, readings),
        readings={reading.provider: reading for reading in readings},
    )


@routes.post("/runs/{run_id}/cancel", Scope.ADMIN)
async def cancel(pricing: Pricing, request: Request, run_id: str) -> Response:
    """End a run: what is queued is not read, what is being read is stopped."""
    run, _ = await asyncio.to_thread(pricing.store.run, run_id)
    if run.finished_at is not None:
        raise Problem(409, f"run {run_id} has ended already")
    await pricing.cancel(run_id)
    return RedirectResponse(Links(request).run(run_id), status_code=303)
