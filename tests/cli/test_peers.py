"""The commands that show what others charge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from built import openrouter, priced
from catalogs import GENAI_PRICES, LITELLM, MODELS_DEV, CatalogServer, litellm, models_dev, serving
from command import Run

BODIES = {
    MODELS_DEV: models_dev({"novita-ai": {"a": (1.0, 4.0)}, "zai": {"a": (2.0, 8.0)}}),
    LITELLM: litellm({"baseten": {"a": (5.0, 20.0)}, "wandb": {"a": (500_000.0, 500_000.0)}}),
    GENAI_PRICES: b"[]",
}


@pytest.fixture
def server(run: Run) -> Iterator[CatalogServer]:  # noqa: ARG001  first the empty folder
    with serving(BODIES) as served:
        Path("pricing-sync.toml").write_text(served.toml())
        yield served


def read_openrouter(run: Run) -> None:
    Path("answer.json").write_bytes(openrouter({"maker/a": priced(), "maker/b": priced()}))
    assert 0 == run("sync", "openrouter", "--answer", "answer.json").code


def catalog(records: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(record for record in records if record["catalog"] == name)


@pytest.mark.usefixtures("server")
def test_references_reads_what_is_due_and_says_what_failed(run: Run) -> None:
    """Partly done is exit code 3, and the reason is in the table."""
    result = run("references")
    assert 3 == result.code
    assert "models.dev" in result.out
    assert "catalog:genai-prices: body: lists no models" in result.out


@pytest.mark.usefixtures("server")
def test_references_as_json_have_the_published_shape(run: Run) -> None:
    """What was asked, what became of it, and what stands."""
    records = run("references", "--json").json
    record = catalog(records, LITELLM)
    assert record.pop("last_good").endswith("Z")
    assert record.pop("age_seconds") < 60
    assert {
        "catalog": "litellm",
        "asked": True,
        "status": "read",
        "models": 2,
        "unreadable": 0,
        "prices": 4,
        "ignored": {},
        "ignored_share": "0",
        "error": None,
    } == record
    failed = catalog(records, GENAI_PRICES)
    assert ("failed", None, 0) == (failed["status"], failed["last_good"], failed["models"])


def test_references_say_which_prices_are_not_read(run: Run, server: CatalogServer) -> None:
    """The share of all prices, and the names, also when the same bytes come again."""
    rows = json.loads(BODIES[LITELLM])
    for row in rows.values():
        row |= {"fedramp_uplift_multiplier": 1.2, "input_cost_per_pixel": 1e-8}
    next(iter(rows.values()))["input_cost_per_token_turbo"] = 1
    server.bodies[LITELLM] = json.dumps(rows).encode()
    table = run("references").out
    assert "55.6 %" in table
    assert (
        "litellm: not read: row.fedramp_uplift_multiplier 2, row.input_cost_per_pixel 2, 1 more"
        in table
    )
    for records in (run("references", "--json").json, run("references", "--force", "--json").json):
        record = catalog(records, LITELLM)
        assert (4, "0.5556") == (record["prices"], record["ignored_share"])
        assert {
            "row.fedramp_uplift_multiplier": 2,
            "row.input_cost_per_pixel": 2,
            "row.input_cost_per_token_turbo": 1,
        } == record["ignored"]


def test_references_that_are_not_due_are_not_asked(run: Run, server: CatalogServer) -> None:
    """Unless they are to be; then the same bytes are not read again."""
    run("references")
    again = run("references", "--json")
    assert (0, 3) == (again.code, len(server.answers))
    assert [False, False, False] == [record["asked"] for record in again.json]
    forced = run("references", "--force", "--json")
    assert (3, "unchanged") == (forced.code, catalog(forced.json, LITELLM)["status"])


def test_references_that_all_fail_fail(run: Run, server: CatalogServer) -> None:
    """Nothing was read, so the exit code is 1."""
    server.bodies.clear()
    assert 1 == run("references").code


@pytest.mark.usefixtures("server")
def test_peers_shows_quotes_their_spread_and_the_own_price(run: Run) -> None:
    """What is out of bounds is shown, and not believed."""
    read_openrouter(run)
    run("references")
    found = run("peers", "openrouter", "maker/a", "--json").json
    assert {"currency": "USD", "rates": {"input": "2.5", "output": "10"}} == found["own"]
    assert {("novita", "models.dev", True), ("zai", "models.dev", True)} | {
        ("baseten", "litellm", True),
        ("wandb", "litellm", False),
    } == {(quote["lineage"], quote["source"], quote["believed"]) for quote in found["quotes"]}
    assert {
        "meter": "input",
        "count": 3,
        "low": "1",
        "median": "2",
        "high": "5",
        "own": "2.5",
        "of_median": "1.25",
    } == found["meters"][0]
    table = run("peers", "openrouter", "maker/a").out
    assert "not believed" in table
    assert "x1.25" in table


@pytest.mark.usefixtures("server")
def test_peers_of_a_model_that_is_not_in_the_ledger(run: Run) -> None:
    """They are there before it is; there is no own price to compare."""
    run("references")
    found = run("peers", "together", "zai-org/a", "--json").json
    assert (None, 4) == (found["own"], len(found["quotes"]))
    assert {None} == {meter["of_median"] for meter in found["meters"]}


def test_a_model_without_peers_is_no_error(run: Run) -> None:
    """The table is empty, and says why on standard error."""
    read_openrouter(run)
    result = run("peers", "openrouter", "maker/b")
    assert (0, "") == (result.code, result.out)
    assert "no peers" in result.err
    assert {"quotes": [], "meters": []} == {
        key: value
        for key, value in run("peers", "openrouter", "maker/b", "--json").json.items()
        if key != "own"
    }


def test_peers_of_a_provider_that_there_is_not(run: Run) -> None:
    """One line and exit code 2."""
    read_openrouter(run)
    result = run("peers", "no-such-provider", "maker/b")
    assert 2 == result.code
    assert 1 == len(result.err.splitlines())
