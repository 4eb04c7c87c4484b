"""What becomes true by time alone: stale providers, traffic without a price, the digest."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.changes.events import EventKind
from pricing_sync.demo.server import DemoServer
from pricing_sync.notify.watch import Watch, last_time
from pricing_sync.store.conditions import STALE

from service import service, settings_of

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer() as found:
        yield found


def opened(folder: Path, server: DemoServer, **settings: Any) -> PricingSync:
    """A service whose two providers were read, and which has led once."""
    app = service(settings_of(folder, server, **settings)).open()
    asyncio.run(app.sync(app.settings.providers))
    app._parts.runs.scheduler.tick(datetime.now(UTC))
    return app


def told(app: PricingSync, kind: EventKind) -> list[dict[str, Any]]:
    return [payload for _, each, payload in app.store.outbox.pending(1000) if each == kind]


def look(app: PricingSync, now: datetime, running_since: datetime = LONG_AGO) -> None:
    Watch(app.settings, app.store).look(now, running_since=running_since)


def test_a_provider_is_stale_after_three_intervals(tmp_path: Path, server: DemoServer) -> None:
    """By its own plan, once until it is read again, and then that it is."""
    hourly = {"novita": {"cron": "0 * * * *"}}
    with opened(tmp_path, server, interval_hours=6, tables=hourly) as app:
        now = datetime.now(UTC)
        look(app, now + 2 * HOUR)
        assert [] == told(app, EventKind.PROVIDER_STALE)
        for hours in (4, 5, 6):
            look(app, now + hours * HOUR)
        assert ["novita"] == [event["provider"] for event in told(app, EventKind.PROVIDER_STALE)]
        look(app, now + 11 * HOUR)
        assert 1 == len(told(app, EventKind.PROVIDER_STALE))
        look(app, now + 19 * HOUR)
        names = [event["provider"] for event in told(app, EventKind.PROVIDER_STALE)]
        assert ["novita", "openrouter"] == names
        assert "every 6h" == told(app, EventKind.PROVIDER_STALE)[1]["interval"]
        # The clock of the test was ahead: the conditions began in what is now the past.
        app.store._connection.execute(
            "UPDATE pricing_conditions SET since = :at", {"at": now.isoformat()}
        )
        asyncio.run(app.sync(app.settings.providers))
        recovered = told(app, EventKind.PROVIDER_RECOVERED)
        assert [["stale"], ["stale"]] == [event["was"] for event in recovered]
        assert {} == app.store.conditions.of_kind(STALE)


def test_nothing_is_stale_just_after_a_start(tmp_path: Path, server: DemoServer) -> None:
    """A service that was off for a week reads first, and complains after that."""
    with opened(tmp_path, server, first_delay_seconds=30) as app:
        later = datetime.now(UTC) + timedelta(days=7)
        look(app, later, running_since=later - timedelta(minutes=10))
        assert [] == told(app, EventKind.PROVIDER_STALE)
        look(app, later, running_since=later - timedelta(minutes=20))
        assert 2 == len(told(app, EventKind.PROVIDER_STALE))


def test_nothing_is_stale_that_is_not_scheduled(tmp_path: Path, server: DemoServer) -> None:
    """While the schedule is off, and for a provider that is only read for trial."""
    later = datetime.now(UTC) + timedelta(days=7)
    dry = {name: {"dry_run": True} for name in ("openrouter", "novita")}
    with opened(tmp_path, server, tables=dry) as app:
        look(app, later)
        off = app.settings.model_copy(update={"enabled": False})
        Watch(off, app.store).look(later, running_since=LONG_AGO)
        assert [] == told(app, EventKind.PROVIDER_STALE)


def test_traffic_without_a_price_is_told_once_for_each_model(
    tmp_path: Path, server: DemoServer
) -> None:
    """And again when it comes back after a week without."""
    with opened(tmp_path, server) as app:
        now = datetime.now(UTC)
        use(app, now, "unheard/of")
        look(app, now)
        look(app, now + HOUR)
        use(app, now, "unheard/of", "unheard/too")
        look(app, now + 2 * HOUR)
        first, second = told(app, EventKind.UNPRICED_TRAFFIC)
        assert ["unheard/of"] == [one["model"] for one in first["models"]]
        assert ["unheard/too"] == [one["model"] for one in second["models"]]
        assert ("unknown_model", 5) == (
            first["models"][0]["reason"],
            first["models"][0]["requests"],
        )
        look(app, now + 9 * DAY)
        look(app, now + 2 * HOUR)
        assert 3 == len(told(app, EventKind.UNPRICED_TRAFFIC))


def use(app: PricingSync, at: datetime, *models: str) -> None:
    rows = [
        {"provider": "openrouter", "model": model, "at": at.isoformat(), "usage": {"input": 100}}
        for model in models
        for _ in range(5)
    ]
    app.usage.add([json.dumps(row).encode() for row in rows])


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-26T08:30:00+00:00", "2026-11-26T08:00:00+00:00"),
        ("2026-11-26T08:00:00+00:00", "2026-11-26T08:00:00+00:00"),
        ("2026-11-26T07:59:59+00:00", "2026-11-25T08:00:00+00:00"),
        ("2026-07-26T07:30:00+00:00", "2026-07-26T07:00:00+00:00"),
    ],
)
def test_the_time_of_the_digest_is_that_of_the_wall_clock(now: str, expected: str) -> None:
    """In winter and in summer: 09:00 in Berlin."""
    found = last_time("09:00", "Europe/Berlin", datetime.fromisoformat(now))
    assert datetime.fromisoformat(expected) == found


def test_the_digest_says_once_a_day_what_changed(tmp_path: Path, server: DemoServer) -> None:
    """The first begins the series; a day without a change has none."""
    with opened(tmp_path, server, notify_digest="00:00") as app:
        now = datetime.now(UTC)
        look(app, now)
        assert [] == told(app, EventKind.DIGEST)
        server.set_rate("openrouter", "openai/gpt-4o", "input", "2.25")
        server.set_rate("novita", "moonshotai/kimi-k2-instruct", "input", "0.55")
        asyncio.run(app.sync(app.settings.providers))
        look(app, now + timedelta(seconds=1))
        assert [] == told(app, EventKind.DIGEST)
        for days in (1, 1, 2, 3):
            look(app, now + days * DAY)
        (digest,) = told(app, EventKind.DIGEST)
    assert {"openrouter", "novita"} == {one["provider"] for one in digest["providers"]}
    assert ("openrouter", "openai/gpt-4o") in {
        (change["provider"], change["model"]) for change in digest["changes"]
    }
    assert 0 == digest["omitted"]
