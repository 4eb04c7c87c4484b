"""A run as it goes on: server-sent events, worked out from what the database says.

The id of an event is all that its reader has seen so far: a letter for each provider of the run,
in their order. So any process can go on where another left off, and none has to remember anything.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from time import monotonic
from typing import Any

from pricing_sync.app import PricingSync
from pricing_sync.changes.run import Reading, Run, run_summary
from pricing_sync.errors import StoreError
from pricing_sync.store import Store
from pricing_sync.web.run_steps import step_states

LOOK_SECONDS, HEARTBEAT_SECONDS = 0.3, 15.0

_UNSEEN = "-"
_LETTERS = {
    "queued": "q",
    "reading": "r",
    "read": "d",
    "unchanged": "u",
    "failed": "f",
    "cancelled": "c",
}
_GOING_ON = ("queued", "reading")


class Seen:
    """What a reader of a run's events has been told."""

    def __init__(self, providers: Sequence[str], last_event_id: str) -> None:
        """*last_event_id* is what it says it was told last; nothing if that makes no sense."""
        known = set(last_event_id) <= {_UNSEEN, *_LETTERS.values()}
        fits = known and len(last_event_id) == len(providers)
        self._letters = list(last_event_id) if fits else [_UNSEEN] * len(providers)
        self._providers = tuple(providers)

    @property
    def id(self) -> str:
        return "".join(self._letters)

    def news(
        self, run: Run, readings: Sequence[Reading], states: Mapping[str, str]
    ) -> Iterator[str]:
        """The events that have not been told: what changed, and the end of the run."""
        summary = run_summary(run, readings)
        for place, provider in enumerate(self._providers):
            state, reading = states[provider], summary["results"].get(provider)
            has_just_ended = state not in _GOING_ON and reading is None
            if self._letters[place] == _LETTERS[state] or (has_just_ended and not run.finished_at):
                continue  # of what has just ended the next look finds the reading
            # Told before its step: who is cut off in between is told of it again.
            if reading is not None:
                yield _event("reading", self.id, {"provider": provider, **reading})
            self._letters[place] = _LETTERS[state]
            yield _event("step", self.id, {"provider": provider, "state": state})
        if run.finished_at is not None:
            yield _event("run", self.id, summary)


async def follow(
    pricing: PricingSync, run: Run, last_event_id: str, is_gone: Callable[[], Any]
) -> AsyncIterator[str]:
    """The events of a run until it ends, its reader goes, or this process stops."""
    seen = Seen(run.providers, last_event_id)
    was_running, told_at = pricing.is_running, monotonic()
    yield "retry: 1000\n\n"
    while not await is_gone() and pricing.is_running == was_running:
        try:
            found = await asyncio.to_thread(_look, pricing.store, run.id)
        except StoreError:
            return  # the reader asks again, with the id of what it was told last
        for event in seen.news(*found):
            told_at = monotonic()
            yield event
        if found[0].finished_at is not None:
            return
        if monotonic() - told_at >= HEARTBEAT_SECONDS:
            told_at = monotonic()
            yield ": still running\n\n"
        await asyncio.sleep(LOOK_SECONDS)


def _look(store: Store, run_id: str) -> tuple[Run, list[Reading], dict[str, str]]:
    run, readings = store.run(run_id)
    return run, readings, step_states(store, run, readings)


def _event(name: str, seen: str, content: Mapping[str, Any]) -> str:
    return f"id: {seen}\nevent: {name}\ndata: {json.dumps(content)}\n\n"
