"""A scheduler with a simulated clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pricing_sync.changes.run import Reading, Status
from pricing_sync.scheduling.scheduler import FinishClaim, Scheduler
from pricing_sync.settings import Settings
from pricing_sync.sources.providers import find
from pricing_sync.store import Store, open_store
from pricing_sync.store.queue import Claim

from service import settings_of

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


class Clockwork:
    """A scheduler with a simulated clock, and providers that answer at once."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        at: datetime = START,
        leads_as: str | None = None,
    ) -> None:
        self.now = at
        self.settings, self.store = settings, store
        self.scheduler = Scheduler(settings, store, find, at, leads_as=leads_as)
        #: When each provider was read.
        self.read: list[tuple[str, datetime]] = []
        #: Providers that fail, with their error.
        self.failing: dict[str, Exception] = {}

    def pass_time(self, span: timedelta, step: timedelta = SECOND) -> None:
        """Move the clock; once a *step*, tick and run every reading that can be claimed."""
        end = self.now + span
        while self.now < end:
            self.tick(self.now + step)

    def tick(self, now: datetime) -> None:
        """Tick, and run every reading that can be claimed, one after the other."""
        self.now = now
        self.scheduler.tick(now)
        while claims := self.scheduler.claim(now, most=1, runs=None):
            self.read_once(*claims)

    def read_once(self, claim: Claim) -> bool:
        """Store a claimed reading, failed or read; returns whether the run ended with it."""
        error = self.failing.get(claim.provider)
        reading = Reading(
            id=f"{claim.run_id}-{claim.provider}",
            run_id=claim.run_id,
            provider=claim.provider,
            at=self.now,
            started_at=self.now,
            finished_at=self.now,
            status=Status.FAILED if error else Status.READ,
            dry_run=claim.dry_run,
            listings={"priced": 5, "unpriced": 1, "unreadable": 1},
            changes={"added": 2, "held": 1},
            error_kind="transport" if error else None,
            error=str(error) if error else None,
        )
        self.read.append((claim.provider, self.now))
        finish = FinishClaim(claim, self.settings.plan(claim.provider), jitter=1)
        with self.store.transaction():
            self.store.add_reading(reading)
            return finish(self.store, reading, error)

    def restart(self) -> None:
        """The process dies suddenly, and another one starts when its lease has ended."""
        self.now += timedelta(seconds=self.settings.lease_seconds)
        self.scheduler = Scheduler(self.settings, self.store, find, self.now)

    def times(self, provider: str = "openrouter") -> list[timedelta]:
        """When a provider was read, as time since the start."""
        return [at - START for name, at in self.read if name == provider]


@contextmanager
def clockwork(folder: Path, **more: Any) -> Iterator[Clockwork]:
    settings = settings_of(folder, None, **{"first_delay_seconds": 30} | more)
    with open_store(settings.database, create=True) as store:
        yield Clockwork(settings, store)
