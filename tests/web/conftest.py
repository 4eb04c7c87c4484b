"""Fixtures of the tests of the HTTP API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pricing_sync.demo.server import DemoServer

from server_process import Api, api


@pytest.fixture
def providers() -> Iterator[DemoServer]:
    """Every provider, simulated on loopback."""
    with DemoServer() as running:
        yield running


@pytest.fixture(name="api")
def api_fixture(tmp_path: Path, providers: DemoServer) -> Iterator[Api]:
    """A service with two providers, before the first reading."""
    with api(tmp_path, providers) as running:
        yield running
