"""What the commands print with `--json`, and what the API answers: the same, key by key."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from pricing_sync.demo.server import DemoServer
from pricing_sync.gate import Announced
from pricing_sync.prices.rates import Meter, Per, Rate, When

from command import Run
from server_process import Api, api
from service import TWO

#: What depends on the moment, or on the process.
MOVING = {
    *("age_seconds", "seconds_ago", "seconds_until", "at", "stale_since"),
    *("is_this_process", "missing_variables", "key_set"),
}


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory,
    database_kind: str,  # noqa: ARG001  a service for each
) -> Iterator[Api]:
    """A service with prices, runs, a held change, an override and an announcement."""
    with DemoServer() as providers, api(tmp_path_factory.mktemp("same"), providers) as service:
        service.sync()
        providers.set_rate("openrouter", "openai/gpt-4o", "input", "2500")
        service.sync()
        rate = Rate.of("0.1", Per.MILLION)
        when = When(service_tier="batch")
        service.pricing.set_override(
            "openrouter", "openai/gpt-4o", {Meter.INPUT: rate}, author="a", reason="r", when=when
        )
        service.pricing.store.announcements.add(
            "openrouter",
            Announced(
                model="openai/gpt-4o",
                meter=Meter.OUTPUT,
                old=None,
                new=rate,
                not_before=datetime(2030, 1, 1, tzinfo=UTC),
            ),
            author="a",
            reason="r",
            now=datetime.now(UTC),
        )
        yield service


@pytest.fixture
def run(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("PRICING_SYNC_PROVIDERS", ",".join(TWO))
    return run


def same(command_line: Any, answer: Any, where: str = "") -> None:
    """Every key of the API's answer is in that of the command, with the same value."""
    if isinstance(answer, dict):
        assert answer.keys() <= command_line.keys(), where
        for key in answer.keys() - MOVING:
            same(command_line[key], answer[key], f"{where}.{key}")
    elif isinstance(answer, list):
        assert len(answer) == len(command_line), where
        for place, pair in enumerate(zip(command_line, answer, strict=True)):
            same(*pair, f"{where}[{place}]")
    else:
        assert answer == command_line, where


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (("prices",), "/v1/prices?limit=1000"),
        (("history", "openrouter", "openai/gpt-4o"), "/v1/prices/openrouter/openai/gpt-4o/history"),
        (("held",), "/admin/pricing/held"),
        (("runs",), "/admin/pricing/runs"),
        (("override", "list"), "/admin/pricing/overrides"),
        (("announcements",), "/admin/pricing/announcements"),
    ],
)
def test_a_list_has_the_entries_of_the_api(
    running: Api, run: Run, arguments: tuple[str, ...], path: str
) -> None:
    """All of them, in the same order, with at least the same keys."""
    items = running.get(path)["items"]
    assert items
    same(printed(running, run, *arguments), items)


def test_the_state_of_the_schedule_is_that_of_the_api(running: Api, run: Run) -> None:
    """As an object with the same keys."""
    shown, answer = printed(running, run, "status"), running.get("/admin/pricing/scheduler/status")
    assert answer.keys() == shown.keys()
    own = {"interval_hours"}  # a setting of the process
    same(shown, {key: value for key, value in answer.items() if key not in own})


def test_each_provider_has_the_state_of_the_api(running: Api, run: Run) -> None:
    """Those that were never read are listed too."""
    shown = {entry["provider"]: entry for entry in printed(running, run, "providers")}
    for entry in running.get("/admin/pricing/providers")["items"]:
        schedule = {"is_scheduled", "plan", "next_due"}  # of the settings of another process
        same(shown[entry["provider"]], {k: v for k, v in entry.items() if k not in schedule})
    assert {"priced": 0, "unpriced": 0, "unreadable": 0, "missing": 0} == shown["venice"]["models"]


def test_a_decision_prints_what_the_api_answers(running: Api, run: Run) -> None:
    """The change with the decision about it."""
    (item,) = running.get("/admin/pricing/held")["items"]
    arguments = ("reject", "openrouter", "--all", "--reason", "no", "--author", "ann")
    (decided,) = printed(running, run, *arguments)
    answer = running.get(f"/admin/pricing/held/{item['id']}")
    same({key: answer[key] for key in decided}, decided)
    assert ("rejected", "ann", "no") == tuple(
        decided[key] for key in ("state", "decided_by", "decision")
    )


def printed(running: Api, run: Run, *arguments: str) -> Any:
    database = running.pricing.settings.database
    result = run("--database", database, *arguments, "--json")
    assert 0 == result.code, result.err
    return result.json
