"""A demo service with something in every metric, and a real Prometheus that scrapes it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from ports import free_port
from pricing_sync.app import PricingSync
from pricing_sync.demo.show import running
from pricing_sync.errors import NoPrice
from pricing_sync.prices.usage import Usage
from pricing_sync.settings.push import LiteLLMNode, PushSettings
from pricing_sync.settings.webhooks import WebhookSettings
from pricing_sync.store.peers import CatalogRead, ReadStatus
from pricing_sync.web import standalone

from debian_tools import tool
from server_process import ADMIN, READ, caller, serving
from usage_rows import row

DEPLOY = Path(__file__).parents[1] / "deploy"
RULES = DEPLOY / "prometheus" / "pricing-sync.rules.yml"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "pricing-sync.json"
#: What Prometheus itself adds to a scrape, and its own series.
TARGET_LABELS = {"job", "instance"}
OF_PROMETHEUS = {
    "ALERTS": {"alertname", "alertstate", "severity", "provider", "target", "endpoint"},
    "scrape_duration_seconds": set[str](),
}


@dataclass(frozen=True)
class Scrape:
    """What a service exports."""

    #: The labels of each sample name.
    labels: Mapping[str, set[str]]
    #: Metric, label and value of every sample.
    values: set[tuple[str, str, str]]


def alerts() -> list[dict[str, Any]]:
    """Every alert of the rules."""
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Every panel of the dashboard that is not the title of a row."""
    found = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    return [panel for panel in found if panel["type"] != "row"]


@contextmanager
def demo_service(folder: Path) -> Iterator[tuple[PricingSync, str]]:
    """The service of the demo after its changes, and its address.

    It is read every three seconds. One list is in another unit, some providers fail, one node for
    pushes and one webhook are down, traffic is without a price, and catalogs and exchange rates
    were read.
    """
    node = LiteLLMNode(url="http://127.0.0.1:9", name="litellm-eu", key_env="LITELLM_KEY")
    webhook = WebhookSettings(
        name="billing", url="http://127.0.0.1:9", secret_env="WEBHOOK_SECRET", allow_private=True
    )
    with running(f"sqlite:///{folder / 'prices.db'}") as demo:
        demo.read()
        demo.make_changes()
        demo.read()
        pricing = demo.as_service()
        changes = {
            "admin_token": SecretStr(ADMIN),
            "read_token": SecretStr(READ),
            "interval_hours": 3 / 3600,
            "first_delay_seconds": 0,
            "export_currency": "USD",
            "push": PushSettings(litellm=(node,)),
            "webhook": (webhook,),
        }
        pricing.settings = pricing.settings.model_copy(update=changes)
        with serving(standalone(pricing)) as url:
            _use(pricing, url)
            yield pricing, url


def _use(pricing: PricingSync, url: str) -> None:
    """Ask for prices, with and without success, and send usage that has none."""
    now = datetime.now(UTC)
    yesterday = now.date() - timedelta(days=1)
    pricing.store.exchange_rates.add({yesterday: {"USD": Decimal("1.15"), "CNY": Decimal(8)}}, now)
    pricing.store.peers.add_read(
        CatalogRead(catalog="models.dev", at=now, status=ReadStatus.READ, decoder="tests")
    )
    with pytest.raises(NoPrice):
        pricing.cost("openrouter", "maker/unknown", Usage(input=1))
    with caller(url, ADMIN) as admin:
        known = row("openai/gpt-4o", now, cost="1", currency="USD")
        answer = admin.post("/v1/usage", json={"rows": [known, row("maker/unknown", now)]})
        assert 200 == answer.status_code, answer.text
        answer = admin.get("/export/genai-prices")
        assert 200 == answer.status_code, answer.text


def scrape(url: str) -> Scrape:
    """What the service exports now, by its read token."""
    with caller(url, READ) as reader:
        text = reader.get("/metrics").text
    labels: dict[str, set[str]] = {}
    values: set[tuple[str, str, str]] = set()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
            values.update((sample.name, *pair) for pair in sample.labels.items())
    return Scrape(labels, values)


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    client: httpx.Client

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an expression now."""
        answer = self.client.get("/api/v1/query", params={"query": expression}).json()
        assert "success" == answer["status"], f"{expression}: {answer}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def wait_for(self, expression: str, seconds: float = 60) -> list[dict[str, Any]]:
        """The series of an expression as soon as there are any."""
        end = time.monotonic() + seconds
        while not (found := self.query(expression)):
            assert time.monotonic() < end, f"{expression}: nothing in {seconds} s"
            time.sleep(0.1)
        return found


@contextmanager
def prometheus(folder: Path, service_url: str) -> Iterator[Prometheus]:
    """A Prometheus with our configuration, but for addresses and intervals, and our rules."""
    program, address = tool("prometheus"), f"127.0.0.1:{free_port()}"
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8")
    for ours, here in (
        ("30s", "1s"),
        ("pricing-sync:8080", service_url.removeprefix("http://")),
        ("alertmanager:9093", "127.0.0.1:9"),
        ("pricing-sync.rules.yml", str(RULES)),
    ):
        assert ours in text
        text = text.replace(ours, here)
    config = folder / "prometheus.yml"
    config.write_text(text, "utf-8")
    (folder / "secrets").mkdir()
    (folder / "secrets" / "pricing-sync-read-token").write_text(READ, "utf-8")
    command = [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        with caller(f"http://{address}") as client:
            wait_until_ready(process, client, folder / "log")
            yield Prometheus(client)
    finally:
        process.terminate()
        process.wait(30)


def wait_until_ready(process: subprocess.Popen[bytes], client: httpx.Client, log: Path) -> None:
    """Wait until a Prometheus or an Alertmanager answers."""
    end = time.monotonic() + 60
    while True:
        assert process.poll() is None, log.read_text("utf-8")
        assert time.monotonic() < end, log.read_text("utf-8")
        try:
            if client.get("/-/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
