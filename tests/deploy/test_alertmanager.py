"""The example for Alertmanager: it is valid, and alerts arrive where they should."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from ports import free_port

from debian_tools import output_of, tool
from monitoring import DEPLOY, alerts, wait_until_ready
from server_process import caller

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
    assert 3 == len(re.findall(r"_file: /etc/alertmanager/secrets/", text))
    assert [] == re.findall(r"^ +(api_url|routing_key|credentials):", text, re.MULTILINE)


@contextmanager
def receiver() -> Iterator[tuple[str, dict[str, Any]]]:
    """A server that keeps the last body of each path, and its address."""
    bodies: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            bodies[self.path] = json.loads(body) | {"": self.headers.get("Authorization")}
            self.send_response(202)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", bodies
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@contextmanager
def alertmanager(folder: Path, receiver_url: str) -> Iterator[httpx.Client]:
    """An Alertmanager with our example, which waits for nothing, and sends to *receiver_url*."""
    text = re.sub(r"group_wait: \w+", "group_wait: 0s", CONFIG.read_text("utf-8"))
    text = text.replace("https://dead-mans-switch.example", receiver_url)
    text = text.replace("/etc/alertmanager", str(folder))
    text += f"\nglobal:\n  pagerduty_url: {receiver_url}/pagerduty\n"
    (folder / "alertmanager.yml").write_text(text, "utf-8")
    (folder / "secrets").mkdir()
    for name, secret in (
        ("slack-webhook-url", f"{receiver_url}/slack"),
        ("pagerduty-routing-key", "routing-key"),
        ("dead-mans-switch-token", "token"),
    ):
        (folder / "secrets" / name).write_text(secret, "utf-8")
    address = f"127.0.0.1:{free_port()}"
    command = [
        tool("prometheus-alertmanager"),
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'state'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        with caller(f"http://{address}") as client:
            wait_until_ready(process, client, folder / "log")
            yield client
    finally:
        process.terminate()
        process.wait(30)


def test_the_messages_are_readable(tmp_path: Path) -> None:
    """What a real Alertmanager sends to Slack, PagerDuty and the watchdog's watchdog."""
    texts = {
        "summary": "Nearly all prices of together are held",
        "description": "together: the change of 93% of the prices is held.",
        "runbook_url": "docs/runbook.md#pricingeverythingheld",
    }
    held = {"alertname": "PricingEverythingHeld", "severity": "critical", "job": "pricing-sync"}
    watchdog = {"alertname": "Watchdog", "severity": "none"}
    posted = [
        {"labels": held | {"provider": "together"}, "annotations": texts},
        {"labels": watchdog, "annotations": {}},
    ]
    with receiver() as (url, bodies), alertmanager(tmp_path, url) as client:
        assert 200 == client.post("/api/v2/alerts", json=posted).status_code
        end = time.monotonic() + 60
        while len(bodies) < 3:
            assert time.monotonic() < end, (tmp_path / "log").read_text("utf-8")
            time.sleep(0.05)
    (message,) = bodies["/slack"]["attachments"]
    assert "1 × PricingEverythingHeld" == message["title"]
    text = "• together: the change of 93% of the prices is held.\nRunbook: docs/runbook.md#pricing"
    assert message["text"].startswith(text), message["text"]
    page = bodies["/pagerduty"]
    assert "routing-key" == page["routing_key"]
    assert ("critical", f"PricingEverythingHeld: {texts['summary']}") == (
        page["payload"]["severity"],
        page["payload"]["summary"],
    )
    assert "Bearer token" == bodies["/pricing-sync"][""]
