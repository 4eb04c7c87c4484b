"""Fixtures of the tests of the pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.demo.server import DemoServer
from pricing_sync.web import standalone

from server_process import READ, serving
from web.pages.history import filled
from web.pages.visitor import Visitor


@dataclass(frozen=True)
class Served:
    """A running service with a history."""

    pricing: PricingSync
    providers: DemoServer
    url: str

    def admin(self, **fields: str) -> Visitor:
        """Somebody who may decide."""
        visitor = Visitor(self.url)
        assert 303 == visitor.sign_in(**fields).status_code
        return visitor

    def reader(self) -> Visitor:
        """Somebody who may only look."""
        visitor = Visitor(self.url)
        assert 303 == visitor.sign_in(READ).status_code
        return visitor


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while Visitor.made:
        Visitor.made.pop().http.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service that a module shares: its tests leave to each other what they need."""
    with DemoServer() as providers:
        pricing = filled(tmp_path_factory.mktemp("pages"), providers)
        with serving(standalone(pricing)) as url:
            yield Served(pricing, providers, url)
