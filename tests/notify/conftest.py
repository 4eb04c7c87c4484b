"""A service that sends events to receivers of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.notify import deliverer
from pricing_sync.settings import Settings, WebhookSettings
from pricing_sync.sync.access import ProviderAccess

from notified import Make
from receivers import SECRET, Receiver
from service import KEYS, RecordingListener


@pytest.fixture(autouse=True)
def quick(apprise_loaded: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """Short waits."""
    monkeypatch.setattr(deliverer, "_POLL_SECONDS", 0.02)
    monkeypatch.setattr(deliverer, "_WAITS", (timedelta(seconds=0.05),) * 8)
    monkeypatch.setattr(deliverer, "_FIRST_PAUSE", timedelta(seconds=0.05))
    monkeypatch.setattr(deliverer, "_LONGEST_PAUSE", timedelta(seconds=0.1))


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def found(
        *receivers: Receiver,
        listener: RecordingListener | None = None,
        environment: Mapping[str, str] | None = None,
        options: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> PricingSync:
        table = {"secret_env": "HOOK_SECRET", "allow_private": True, **(options or {})}
        defaults: dict[str, Any] = {
            "database": f"sqlite:///{tmp_path / 'prices.db'}",
            "enabled": False,
            "reference_hours": 0,
            "webhook": tuple(
                WebhookSettings(**{"name": f"hook-{number}", "url": one.url, **table})
                for number, one in enumerate(receivers)
            ),
        }
        given = Settings(**{**defaults, **settings})
        keys = {**KEYS, "HOOK_SECRET": SECRET, **(environment or {})}
        listeners = [listener] if listener else []
        access = ProviderAccess(given, environment=keys)
        app = PricingSync(given, access=access, listeners=listeners).open()
        # They are known from before all events of a test.
        names = {one.name: "" for one in app._parts.deliverer.endpoints}
        app.store.deliveries.note_endpoints(names, datetime(2020, 1, 1, tzinfo=UTC))
        return app

    return found
