"""The alert rules: they name what exists, each is tested, and each has a runbook entry."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from debian_tools import output_of
from monitoring import DEPLOY, OF_PROMETHEUS, RULES, TARGET_LABELS, Scrape, alerts, panels
from promql import Names, names_in

ROOT = Path(__file__).parents[2]
RULE_TESTS = sorted((DEPLOY / "prometheus" / "tests").glob("*.yml"))
#: It always fires.
WITHOUT_A_SILENT_CASE = {"Watchdog"}


def cases() -> list[dict[str, Any]]:
    """Every case of the rule tests."""
    return [
        case for file in RULE_TESTS for case in yaml.safe_load(file.read_text("utf-8"))["tests"]
    ]


def all_names() -> dict[str, Names]:
    """What each alert, panel and rule test names."""
    found = {rule["alert"]: names_in(rule["expr"]) for rule in alerts()}
    for panel in panels():
        for target in panel["targets"]:
            found[f"{panel['title']} {target['refId']}"] = names_in(target["expr"])
    for case in cases():
        for series in case["input_series"]:
            found[f"{case['name']}: {series['series']}"] = names_in(series["series"])
    return found


def test_the_rules_and_the_example_are_valid(tmp_path: Path) -> None:
    """As Prometheus itself checks them, with the token's file in its place."""
    folder = tmp_path / "prometheus"
    shutil.copytree(DEPLOY / "prometheus", folder)
    (folder / "secrets").mkdir()
    (folder / "secrets" / "pricing-sync-read-token").write_text("token")
    assert "SUCCESS: 20 rules found" in output_of("promtool", "check", "rules", RULES)
    output_of("promtool", "check", "config", folder / "prometheus.yml")


def test_every_case_of_the_rule_tests_holds() -> None:
    """Which alerts fire, with their labels and texts."""
    assert len(RULE_TESTS) > 3
    output_of("promtool", "test", "rules", *RULE_TESTS)


@pytest.mark.parametrize("alert", [rule["alert"] for rule in alerts()])
def test_an_alert_has_a_firing_and_a_silent_case(alert: str) -> None:
    """In the rule tests."""
    expected = [
        bool(check["exp_alerts"])
        for case in cases()
        for check in case["alert_rule_test"]
        if check["alertname"] == alert
    ]
    assert True in expected
    assert (False in expected) is (alert not in WITHOUT_A_SILENT_CASE)


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_says_what_whose_and_what_to_do(rule: dict[str, Any]) -> None:
    """Severity, texts with the value and the provider, and an entry of the runbook."""
    assert rule["labels"]["severity"] in {"critical", "warning", "none"}
    texts = rule["annotations"]
    assert {"summary", "description", "runbook_url"} == texts.keys()
    assert "$value" in texts["description"]
    if "by (job, provider)" in rule["expr"] and "avg by (job)" not in rule["expr"]:
        assert "$labels.provider" in texts["description"]
    page, _, anchor = texts["runbook_url"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
    assert rule["alert"] in headings
    assert rule["alert"].lower() == anchor


def test_the_runbook_has_no_entry_without_an_alert() -> None:
    """An alert that was renamed must not leave one behind."""
    text = (ROOT / "docs" / "runbook.md").read_text("utf-8")
    assert {rule["alert"] for rule in alerts()} == set(
        re.findall(r"^### (\w+)$", text, re.MULTILINE)
    )


def test_every_metric_and_label_that_is_named_is_exported(exported: Scrape) -> None:
    """By a real service after a demo run: in rules, panels and rule tests."""
    known = {**OF_PROMETHEUS, **exported.labels}
    problems = []
    for where, names in all_names().items():
        for metric, labels in names.metrics.items():
            if metric not in known:
                problems.append(f"{where}: {metric} is not exported")
            elif unknown := labels - known[metric] - TARGET_LABELS:
                problems.append(f"{where}: {metric} has no label {', '.join(sorted(unknown))}")
        of_all = set().union(TARGET_LABELS, *(known.get(name, set()) for name in names.metrics))
        if unknown := names.groupings - of_all:
            problems.append(f"{where}: groups by {', '.join(sorted(unknown))}")
    assert [] == problems


def test_every_label_value_in_a_rule_or_panel_is_exported(exported: Scrape) -> None:
    """A status or state that is misspelled would match nothing, and never fire."""
    named = {value for names in all_names().values() for value in names.values}
    closed = {value for value in named if value[1] in {"status", "state"}}
    assert {value[2] for value in closed} >= {"failed", "success", "updated", "priced", "held"}
    assert set() == closed - exported.values


def test_a_name_that_is_not_exported_is_found() -> None:
    """In an expression with everything that ours use."""
    names = names_in(
        'time() - max by (job) (pricing_typo{stat="held", job="$job"} offset 8h) > bool 2e3'
        " unless on (provider) rate(other_total[5m])"
    )
    assert {"pricing_typo": {"stat", "job"}, "other_total": set()} == names.metrics
    assert {"job", "provider"} == names.groupings
    assert {("pricing_typo", "stat", "held")} == names.values
