"""No request reads a table from end to end that grows with time."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pricing_sync.demo.server import DemoServer
from pricing_sync.json_views.changes import version
from pricing_sync.settings import WebhookSettings
from pricing_sync.store.connection import Values
from pricing_sync.store.sqlite import SqliteConnection
from pricing_sync.web.document import document
from pricing_sync.web.pages.router import declared_pages

from server_process import Api, api
from web.pages.visitor import Visitor

pytestmark = pytest.mark.sqlite("those of PostgreSQL: store/test_postgres_plans.py")
PRICES = "/v1/prices/openrouter/openai/gpt-4o"
MODEL = {"provider": "openrouter", "model": "openai/gpt-4o"}
SIGNATURE = {"author": "ann", "reason": "test"}
#: The tables that get rows as time goes by.
GROWING = {
    "pricing_audit",
    "pricing_deliveries",
    "pricing_evidence",
    "pricing_held",
    "pricing_ledger",
    "pricing_outbox",
    "pricing_queue",
    "pricing_readings",
    "pricing_reference_reads",
    "pricing_revisions",
    "pricing_runs",
    "pricing_usage",
    "pricing_usage_batches",
}
#: Indexes of what is in force, open or waiting. Their size does not grow with time.
BOUNDED = {
    "pricing_deliveries_dead",
    "pricing_deliveries_waiting",
    "pricing_held_open",
    "pricing_ledger_current",
    "pricing_ledger_ending",
    "pricing_outbox_waiting",
    "pricing_queue_open",
    "pricing_queue_reading",
    "pricing_runs_open",
}
_COMMENT = re.compile(r"^ *--.*$", re.MULTILINE)
_TABLE = re.compile(r"(?:FROM|JOIN|UPDATE|INTO)\s+(pricing_\w+)(?:\s+(?:AS\s+)?([a-z]\w*))?\b")
_SCAN = re.compile(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?")


class Statements:
    """Every statement that the stores of this process ran, with values that it ran with."""

    def __init__(self) -> None:
        self.seen: dict[str, Values] = {}

    def scans(self, path: Path) -> set[str]:
        """What reads a growing table from end to end, with its statement."""
        with closing(sqlite3.connect(path)) as database:
            database.execute(
                "CREATE TEMP TABLE pricing_touched"
                " (provider TEXT, model TEXT, at TEXT, PRIMARY KEY (provider, model))"
            )
            return {
                f"{step} in {sql}"
                for sql, values in self.seen.items()
                for step in _scans(database, sql, values)
            }


def _scans(database: sqlite3.Connection, sql: str, values: Values) -> list[str]:
    sql = _COMMENT.sub("", sql)
    if not sql.lstrip().upper().startswith(("SELECT", "INSERT", "UPDATE", "DELETE")):
        return []  # the schema
    plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    names = {alias or table: table for table, alias in _TABLE.findall(sql)}
    # A walk in the order of an index that ends at a limit reads no more rows than it returns.
    is_limited = "LIMIT :limit" in sql and not any("TEMP B-TREE" in step for step in plan)
    return [
        step
        for step in plan
        if (scan := _SCAN.match(step))
        and names.get(scan[1]) in GROWING
        and scan[2] not in BOUNDED
        and not (is_limited and scan[2])
    ]


@pytest.fixture(scope="module")
def statements() -> Iterator[Statements]:
    recorded, patch = Statements(), pytest.MonkeyPatch()

    def record(name: str, *, many: bool = False) -> None:
        real = getattr(SqliteConnection, name)

        def run(self: SqliteConnection, sql: str, values: Any) -> Any:
            recorded.seen[sql] = values[0] if many else values
            return real(self, sql, values)

        patch.setattr(SqliteConnection, name, run)

    record("fetch_all")
    record("execute")
    record("execute_many", many=True)
    yield recorded
    patch.undo()


@pytest.fixture(scope="module")
def busy(
    tmp_path_factory: pytest.TempPathFactory, statements: Statements
) -> Iterator[tuple[Api, Path, Statements]]:
    """A service with prices, runs, held changes and a person's decisions."""
    folder = tmp_path_factory.mktemp("plans")
    with DemoServer() as providers, api(folder, providers, webhook=(HOOK,)) as service:
        service.sync()
        providers.set_rate("openrouter", "openai/gpt-4o", "input", "2500")
        providers.set_rate("openrouter", "anthropic/claude-sonnet-4.5", "input", "1500")
        providers.set_rate("openrouter", "moonshotai/kimi-k3", "input", "1700")
        service.sync()
        yield service, folder / "prices.db", statements


def requests(service: Api) -> Iterator[tuple[str, str, str]]:
    """Make a request of every operation and filter: its method, its path, and where it is."""
    held = [item["id"] for item in service.get("/admin/pricing/held")["items"]]
    run = service.get("/admin/pricing/runs")["items"][0]["run_id"]
    at = "2026-01-01T00:00:00Z"
    override = {**MODEL, **SIGNATURE, "rates": {"input": "2"}}
    move = {**MODEL, **SIGNATURE, "meter": "input", "old": "2.5", "new": "3", "not_before": at}
    gets = [
        ("/health", "/health"),
        ("/ready", "/ready"),
        ("/metrics", "/metrics"),
        ("/v1/models", "/v1/models"),
        ("/v1/book", "/v1/book"),
        *(("/v1/unpriced", f"/v1/unpriced{query}") for query in ("", "?days=30")),
        *(("/v1/reconcile", f"/v1/reconcile{q}") for q in ("", "?provider=novita", USED)),
        *(("/v1/scheduled", f"/v1/scheduled{query}") for query in ("", "?provider=openrouter")),
        *(("/v1/prices", f"/v1/prices{query}") for query in ("", "?provider=openrouter")),
        *(("/v1/prices", f"/v1/prices?{q}at={at}") for q in ("", "provider=openrouter&")),
        *(("/v1/prices/{provider}/{model}", PRICES + q) for q in ("", f"?at={at}")),
        ("/v1/prices/{provider}/{model}", f"{PRICES}?known_at={at}"),
        ("/v1/prices/{provider}/{model}/history", f"{PRICES}/history"),
        *(("/admin/pricing/runs", f"/admin/pricing/runs{q}") for q in RUN_FILTERS),
        ("/admin/pricing/runs/{run_id}", f"/admin/pricing/runs/{run}"),
        ("/admin/pricing/runs/{run_id}/events", f"/admin/pricing/runs/{run}/events"),
        *(("/admin/pricing/held", f"/admin/pricing/held{q}") for q in ("", "?provider=novita")),
        ("/admin/pricing/held/{held_id}", f"/admin/pricing/held/{held[0]}"),
        *((f"/admin/pricing/{one}", f"/admin/pricing/{one}") for one in LISTS),
        ("/admin/pricing/providers/{provider}", "/admin/pricing/providers/openrouter"),
        (
            "/admin/pricing/providers/{provider}/models",
            "/admin/pricing/providers/openrouter/models",
        ),
        ("/admin/pricing/webhooks/{name}/dead", "/admin/pricing/webhooks/hook/dead"),
    ]
    exports = [
        *(("/export/{format}" + end, "/export/csv" + end) for end in ("", ".sha256", "/report")),
        *((path, path) for path in ("/api.json", "/api/v1/models", "/api/ratio_config")),
        ("/pricing/{provider}.json", "/pricing/openrouter.json"),
    ]
    # With a secret they are the same, and without the right one they are not found.
    secret = [("/s/{secret}" + path, "/s/wrong" + at) for path, at in exports if "report" not in at]
    for operation, path in [*gets, *exports, *secret]:
        assert service.admin.get(path).status_code in (200, 404), path
        yield "get", operation, path
    used = {**MODEL, "at": f"{datetime.now(UTC)}", "usage": {"input": 1000}}
    batch = {"rows": [used, {**used, "model": "unknown", "cost": "1", "currency": "USD"}]}
    posts: list[tuple[str, str, Any]] = [
        ("/v1/usage", "", batch),
        ("/admin/pricing/sync/trigger", "", {}),
        ("/admin/pricing/runs/{run_id}/cancel", run, {}),
        ("/admin/pricing/overrides", "", override),
        ("/admin/pricing/overrides/end", "", MODEL),
        ("/admin/pricing/announcements", "", move),
        ("/admin/pricing/webhooks/{name}/test", "hook", {}),
        ("/admin/pricing/webhooks/{name}/replay", "hook", {}),
    ]
    for name, one in zip(("accept", "reject"), held, strict=False):
        body = {**SIGNATURE, "version": service.get(f"/admin/pricing/held/{one}")["version"]}
        posts.append((f"/admin/pricing/held/{{held_id}}/{name}", one, body))
    first = service.get("/v1/prices/openrouter/openai/gpt-4o/history")["items"][0]["recorded_at"]
    undo = {**SIGNATURE, "provider": "openrouter", "to": first, "dry_run": True}
    posts.append(("/admin/pricing/rollback", "", undo))
    for operation, filled, body in posts:
        path = re.sub(r"\{\w+\}", filled, operation)
        answer = service.admin.post(path, json=body, headers=HEADERS)
        assert answer.status_code in (200, 201, 409), f"{path}: {answer.text}"
        yield "post", operation, path
    (announced,) = service.get("/admin/pricing/announcements")["items"]
    path = f"/admin/pricing/announcements/{announced['id']}/end"
    assert 200 == service.admin.post(path, json=SIGNATURE).status_code
    yield "post", "/admin/pricing/announcements/{announcement_id}/end", path


def open_pages(service: Api) -> Iterator[tuple[str, str]]:
    """Open every page and send every form: its method and its path."""
    ann = Visitor(service.url)
    ann.sign_in()
    run = service.get("/admin/pricing/runs")["items"][0]["run_id"]
    item = service.pricing.held()[0]
    gets = [
        *(("/" + one, "/" + one) for one in ("", "audit-log", "search?q=gpt", "sign-in")),
        *(("/review", f"/review{query}") for query in ("", "?provider=openrouter")),
        *(("/rejected", f"/rejected{query}") for query in ("", "?provider=openrouter")),
        *(("/changes", f"/changes{q}") for q in ("", "?provider=openrouter&model=x&added=true")),
        *(("/models", f"/models{q}") for q in ("", "?provider=openrouter")),
        *(("/models/{provider}/{model:path}", f"/models/{one}") for one in PAGE_MODELS),
        ("/evidence/{digest}", f"/evidence/{item.digest}"),
        ("/providers/{provider}", "/providers/openrouter"),
        *(("/runs", f"/runs{q}") for q in ("", f"?before={run}")),
        ("/runs/{run_id}", f"/runs/{run}"),
        ("/audit-log", "/audit-log?before=ffffffffffffffffffffff"),
        ("/static/{name}", "/static/style.css"),
    ]
    for page, path in gets:
        assert ann.get(path).status_code in (200, 303, 404), path
        yield "GET", page.partition("?")[0]
    ann.seen_by_live()
    yield "GET", "/live"
    reason = {"reason": "test"}
    forms = [
        ("/override", {**MODEL, **reason, "rate_input": "2"}),
        ("/override/end", {**MODEL, "meter": "input"}),
        ("/review", {"change": f"{item.id} {version(item)}", "decision": "reject", **reason}),
        ("/reconsider", {"provider": item.provider, "model": item.change.model, **reason}),
        ("/read", {"provider": "novita"}),
    ]
    for path, fields in forms:
        answer = ann.post(path, fields)
        assert 303 == answer.status_code, f"{path}: {answer.text}"
        yield "POST", path
    assert 409 == ann.post(f"/runs/{run}/cancel").status_code
    yield "POST", "/runs/{run_id}/cancel"
    yield "POST", "/sign-in"
    assert 303 == ann.post("/sign-out").status_code
    yield "POST", "/sign-out"
    ann.http.close()


PAGE_MODELS = ("openrouter/openai/gpt-4o", "openrouter/none")
HEADERS = {"Prefer": "wait=120", "Idempotency-Key": "one"}
USED = "?provider=openrouter&model=openai/gpt-4o"
LISTS = ("announcements", "overrides", "providers", "scheduler/status", "webhooks")
#: Nobody listens there.
HOOK = WebhookSettings(
    name="hook", url="http://127.0.0.1:9/", secret_env="HOOK_SECRET", allow_private=True
)
RUN_FILTERS = (
    *("", "?status=failed", "?status=running", "?provider=novita"),
    *("?provider=novita&status=success", "?cursor=ffffffffffffffffffffff"),
)


def test_no_request_scans_a_table_that_grows(busy: tuple[Api, Path, Statements]) -> None:
    """Of every page, of every operation in the document, and of the schedule beside them."""
    service, path, statements = busy
    opened = set(open_pages(service))
    assert {(page.method, page.path) for page in declared_pages()} == opened
    requested = {(method, operation) for method, operation, _ in requests(service)}
    documented = {
        (method, operation)
        for operation, methods in json.loads(document())["paths"].items()
        for method in methods
        if method != "head"
    }
    assert documented == requested
    assert len(statements.seen) > 60
    assert [] == sorted(statements.scans(path))
