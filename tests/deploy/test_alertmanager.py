"""The example for Alertmanager: it is valid, and alerts arrive where they should."""

from __future__ import annotations

import re

import pytest
import yaml

from debian_tools import output_of
from monitoring import DEPLOY, alerts

CONFIG = DEPLOY / "alertmanager" / "alertmanager.yml"


def test_the_example_is_valid() -> None:
    """As Alertmanager's own tool checks it."""
    assert "SUCCESS" in output_of("amtool", "check-config", CONFIG)


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        (["alertname=PricingEverythingHeld", "severity=critical"], "pagerduty,slack"),
        (["alertname=PricingProviderStale", "severity=warning"], "slack"),
        (["alertname=Watchdog", "severity=none"], "dead-mans-switch"),
    ],
)
def test_an_alert_is_routed_by_its_severity(labels: list[str], receivers: str) -> None:
    """Critical alerts wake somebody up and are in Slack, too."""
    found = output_of("amtool", "config", "routes", "test", f"--config.file={CONFIG}", *labels)
    assert receivers in found.splitlines()


def test_every_alert_that_it_names_exists() -> None:
    """An inhibition by an alert that was renamed would do nothing."""
    rules = yaml.safe_load(CONFIG.read_text("utf-8"))["inhibit_rules"]
    text = str(rules)
    named = set(re.findall(r"\bPricing[A-Z]\w+", text))
    assert len(named) > 5
    assert set() == named - {rule["alert"] for rule in alerts()}


def test_no_secret_is_in_it() -> None:
    """Each is read from a file."""
    text = CONFIG.read_text("utf-8")
    assert 3 == len(re.findall(r"_file: secrets/", text))
    assert [] == re.findall(r"^ +(api_url|routing_key|credentials):", text, re.MULTILINE)
