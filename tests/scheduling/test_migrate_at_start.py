"""Whether a service migrates the database at its start."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.errors import StoreError
from pricing_sync.store import connect
from pricing_sync.store.connection import newest_version

from service import settings_of

pytestmark = pytest.mark.sqlite("PostgreSQL has no older version yet")


def started(folder: Path, **settings: Any) -> int:
    """The version of the tables in a running service."""

    async def work() -> int:
        async with (pricing := PricingSync(settings_of(folder, None, **settings))).lifespan():
            return pricing.store.version

    return asyncio.run(work())


def older(folder: Path) -> None:
    with connect(f"sqlite:///{folder / 'prices.db'}", create=True) as store:
        store.migrate(upto=17)


def test_a_service_migrates_at_its_start(tmp_path: Path) -> None:
    """Nobody has to do it."""
    older(tmp_path)
    assert newest_version("sqlite") == started(tmp_path)


def test_a_service_that_is_told_not_to_refuses_older_tables(tmp_path: Path) -> None:
    """It changes none, and it makes none."""
    with pytest.raises(StoreError, match="does not exist"):
        started(tmp_path, migrate=False, database=f"sqlite:///{tmp_path / 'missing.db'}")
    assert [] == list(tmp_path.iterdir())
    older(tmp_path)
    with pytest.raises(StoreError, match=r"schema 17, needed .*: run `pricing-sync migrate`"):
        started(tmp_path, migrate=False)


def test_a_command_does_not_migrate(tmp_path: Path) -> None:
    """The service of another version may be running on the database."""
    older(tmp_path)
    with pytest.raises(StoreError, match="run `pricing-sync migrate`"):
        PricingSync(settings_of(tmp_path, None)).open()
