"""What all tests share."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from pricing_sync.observe.logs import LOGGERS
from pricing_sync.store.sqlite import SqliteConnection

# Tests do not time. A slow machine is no failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# No test reads the public catalogs. Those of the tests are named by the tests that need them.
os.environ["PRICING_SYNC_REFERENCE_HOURS"] = "0"

# No test cuts the power. Waiting for the disk would take most of the time of the whole suite.
SqliteConnection.synchronous = "OFF"


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Commands that a test runs in this process configure the loggers: only for that test."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(list(one.handlers), one.level, one.propagate) for one in loggers]
    yield
    for one, (handlers, level, propagate) in zip(loggers, before, strict=True):
        one.handlers[:], one.propagate = handlers, propagate
        one.setLevel(level)
