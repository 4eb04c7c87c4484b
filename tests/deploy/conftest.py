"""Fixtures of the tests of what is deployed beside the service.

The service runs in this process, so it ends with the module: other tests listen to its log.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monitoring import Prometheus, Scrape, demo_service, prometheus, scrape


@pytest.fixture(scope="module")
def demo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a demo service that is read every three seconds."""
    with demo_service(tmp_path_factory.mktemp("service")) as (_, url):
        yield url


@pytest.fixture(scope="module")
def exported(demo_url: str) -> Scrape:
    """What that service exports."""
    return scrape(demo_url)


@pytest.fixture(scope="module")
def monitor(demo_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has scraped it, while runs have ended."""
    with prometheus(tmp_path_factory.mktemp("prometheus"), demo_url) as running:
        running.wait_for("sum(increase(pricing_scheduled_sync_runs_total[1m])) > 0")
        running.wait_for('ALERTS{alertname="PricingEverythingHeld"}')
        yield running
