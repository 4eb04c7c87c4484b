"""The schedule: its status, and manual runs."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urljoin

from fastapi import Body, Header, Request, Response
from pydantic import Field, StrictBool

from pricing_sync.changes.run import run_summary
from pricing_sync.json_views.providers import Status
from pricing_sync.json_views.runs import Triggered
from pricing_sync.web.auth import Scope
from pricing_sync.web.prefer import wait_preference
from pricing_sync.web.request_types import Name, RequestBody
from pricing_sync.web.routes import Pricing, Routes

routes = Routes("schedule")


class TriggerRequest(RequestBody):
    """Which providers to read, and how."""

    providers: Annotated[list[Name], Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="By default those in the settings.", examples=[["openrouter"]]
    )
    dry_run: StrictBool = Field(default=False, description="Read and judge, but change no price.")


@routes.get("/admin/pricing/scheduler/status", Scope.READ, response_model=Status)
def scheduler_status(pricing: Pricing) -> dict[str, Any]:
    """The state of the schedule."""
    return pricing.status()


@routes.post(
    "/admin/pricing/sync/trigger",
    Scope.ADMIN,
    response_model=Triggered,
    responses={202: {"model": Triggered, "description": "The run continues; poll the `Location`."}},
)
async def trigger_sync(
    pricing: Pricing,
    request: Request,
    response: Response,
    body: Annotated[TriggerRequest | None, Body()] = None,
    prefer: Annotated[
        list[str] | None,
        Header(description="`wait=SECONDS` or `respond-async` (RFC 7240)."),
    ] = None,
) -> dict[str, Any]:
    """Read providers now, and wait a limited time for the run to end."""
    options = body or TriggerRequest()
    wait = wait_preference(prefer or (), pricing.settings.trigger_wait_seconds)
    run, merged = await pricing.trigger(
        options.providers, dry_run=options.dry_run, started_by="api"
    )
    run, readings = await pricing.wait(run.id, wait.wait_seconds)
    if wait.applied:
        response.headers["Preference-Applied"] = wait.applied
    if run.finished_at is None:
        response.status_code = 202
        response.headers["Location"] = urljoin(_path(request), f"../runs/{run.id}")
    return run_summary(run, readings) | {"merged": merged}


def _path(request: Request) -> str:
    """The path as the caller sees it, with the prefix that the app is mounted under."""
    root, path = request.scope.get("root_path", ""), request.scope["path"]
    return path if path.startswith(root) else f"{root}{path}"
