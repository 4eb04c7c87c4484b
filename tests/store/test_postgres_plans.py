"""PostgreSQL reads few rows of a long ledger for a price, and those by an index."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pricing_sync.prices.rates import Meter, Rate, RateCard
from pricing_sync.store import Store, open_store

from databases import database_url

pytestmark = pytest.mark.postgres

MODELS, CARDS = 200, 250
#: A day for each card of a model; each has a superseded row, as after a reading.
FIRST = datetime(2025, 1, 1, tzinfo=UTC)
MODEL = ("acme", "m7")
GROWING = {
    *("pricing_audit", "pricing_evidence", "pricing_held", "pricing_ledger", "pricing_outbox"),
    *("pricing_queue", "pricing_readings", "pricing_runs", "pricing_usage"),
}
BEGAN = f"TIMESTAMPTZ '{FIRST}'"
_LEDGER = f"""
INSERT INTO pricing_models (provider, model, first_seen)
SELECT 'acme', 'm' || n, '{FIRST}' FROM generate_series(1, {MODELS}) n;
INSERT INTO pricing_ledger (
    card_id, provider, model, since, until, recorded_at, superseded_at, source, url, reading_id,
    currency, input
)
SELECT n || '-' || d, 'acme', 'm' || n, {BEGAN} + d * INTERVAL '1 day',
    CASE WHEN known = 1 AND d < {CARDS} - 1 THEN {BEGAN} + (d + 1) * INTERVAL '1 day' END,
    {BEGAN}
        + CASE WHEN d < {CARDS} - 1 THEN d + known ELSE d END * INTERVAL '1 day',
    CASE WHEN known = 0 THEN {BEGAN} + (d + 1) * INTERVAL '1 day' END,
    'api', '', 'r' || d, 'USD', d
FROM generate_series(1, {MODELS}) n, generate_series(0, {CARDS} - 1) d, generate_series(0, 1) known
WHERE known = 1 OR d < {CARDS} - 1;
INSERT INTO pricing_runs (id, started_by, started_at, finished_at, outcome, dry_run, providers)
SELECT lpad(to_hex(n), 14, '0'), 'schedule', {BEGAN} + n * INTERVAL '1 hour',
    {BEGAN} + n * INTERVAL '1 hour', 'success', 0, '["acme"]' FROM generate_series(1, 5000) n;
INSERT INTO pricing_readings (
    id, run_id, provider, at, started_at, finished_at, status, dry_run, source, url, decoder,
    size_bytes, listings, changes, ignored
)
SELECT id, id, 'acme', started_at, started_at, started_at, 'unchanged', 0, 'api', '', '1', 0,
    '{{}}', '{{}}', '{{}}' FROM pricing_runs;
INSERT INTO pricing_queue (run_id, provider, state, priority, queued_at)
SELECT id, 'acme', 'unchanged', 0, started_at FROM pricing_runs;
ANALYZE;
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, database_kind: str) -> Iterator[Store]:  # noqa: ARG001
    """A ledger of 100,000 rows."""
    with open_store(database_url(tmp_path_factory.mktemp("plans"))) as opened:
        opened._connection.execute_script(_LEDGER)
        yield opened


@contextmanager
def plans(store: Store) -> Iterator[list[dict[str, Any]]]:
    """How the database finds the rows of each query inside, and how many it reads."""
    connection, found = store._connection, []
    real = connection.fetch_all

    def fetch_all(sql: str, values: Any) -> Any:
        explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}"
        ((plan,),) = real(explain, values)
        (top,) = json.loads(plan) if isinstance(plan, str) else plan
        found.append({"sql": sql, **top["Plan"]})
        return real(sql, values)

    connection.fetch_all = fetch_all  # type: ignore[method-assign]
    try:
        yield found
    finally:
        del connection.fetch_all


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def rows_read(plan: dict[str, Any]) -> int:
    """The rows of the tables that grow that are looked at."""
    return sum(
        round((one["Actual Rows"] + one.get("Rows Removed by Filter", 0)) * one["Actual Loops"])
        for one in nodes(plan)
        if one.get("Relation Name") in GROWING
    )


AT = FIRST + timedelta(days=100, hours=5)
LATELY = FIRST + timedelta(days=CARDS - 1, hours=-1)
ONE = {
    "now": lambda store: store.statements(*MODEL),
    "at": lambda store: store.statements(*MODEL, at=AT),
    "known at": lambda store: store.statements(*MODEL, at=AT, known_at=AT),
    "now as known at": lambda store: store.statements(*MODEL, known_at=AT),
    "state": lambda store: store.model_states(*MODEL),
    "name": lambda store: store.names.target("acme", "x", AT),
    "revision": lambda store: store.revision(),
    "peers": lambda store: store.peers.quotes("other", ["maker/M7", "m8"]),
    "the anchors": lambda store: store.ledger.anchors("acme", AT, ["m7"]),
    "last reading": lambda store: store.last_reading("acme"),
    "newest runs": lambda store: store.runs(5),
    "newest runs of a provider": lambda store: store.runs(5, provider="acme"),
    "last successes": lambda store: store.latest_successes(),
    "last attempts": lambda store: store.queue.last_attempts(),
    "an idle poll": lambda store: store.queue.pending_work(),
    "what can be claimed": lambda store: store.queue.claim("x", AT, AT, most=5),
    "changes of a model": lambda store: store.changes.since(
        LATELY, provider="acme", model="m7", limit=5
    ),
    "failing providers": lambda store: store.failing(),
    "skipped providers": lambda store: store.skipped(),
    "scheduled prices": lambda store: store.scheduled.changes(LATELY, limit=5),
    "prices that began": lambda store: store.scheduled.tell_begun(AT, AT + timedelta(hours=1)),
    "overrides": lambda store: store.overrides(*MODEL),
}


@pytest.mark.parametrize("question", ONE)
def test_few_rows_are_read(store: Store, question: str) -> None:
    """However long the history is."""
    with plans(store) as found:
        ONE[question](store)
    assert found
    for plan in found:
        scans = [one for one in nodes(plan) if one["Node Type"] == "Seq Scan"]
        scanned = {one["Relation Name"] for one in scans if one["Actual Rows"] > 5} & GROWING
        assert (set(), True) == (scanned, rows_read(plan) < 60), json.dumps(plan, indent=1)


ALL = {
    "all prices at an instant": lambda store: store.statements("acme", at=AT),
    "the models of a provider": lambda store: store.ledger.known_models("acme"),
    "the book": lambda store: store.book(),
    "what changed": lambda store: store.changes.since(LATELY, limit=5),
    "the counts": lambda store: store.model_counts(),
}


@pytest.mark.parametrize("question", ALL)
def test_the_rows_that_are_read_are_those_in_force(store: Store, question: str) -> None:
    """A few for each model, of the 500 that it has."""
    with plans(store) as found:
        ALL[question](store)
    assert found
    for plan in found:
        assert rows_read(plan) < MODELS * 12, json.dumps(plan, indent=1)


def test_the_last_price_is_the_right_one(store: Store) -> None:
    """The rows that the plans are of are a valid ledger."""
    (now,) = store.statements(*MODEL)
    (then,) = store.statements(*MODEL, at=AT)
    (before,) = store.statements(*MODEL, at=AT, known_at=AT)
    cards = [RateCard({Meter.INPUT: Rate(number)}) for number in (CARDS - 1, 100, 100)]
    assert cards == [one.listing for one in (now, then, before)]
