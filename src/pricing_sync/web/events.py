"""The progress of a run as server-sent events, derived from the database.

The id of an event encodes the states that its reader has received: one letter for each provider of
the run, in order. Any process can therefore continue a stream, and none keeps state for it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from time import monotonic
from typing import Any

from pricing_sync.app import PricingSync
from pricing_sync.changes.run import Reading, Run, run_summary
from pricing_sync.errors import StoreError
from pricing_sync.scheduling.run_steps import step_states
from pricing_sync.store import Store
from pricing_sync.web.streams import Stream

POLL_SECONDS, HEARTBEAT_SECONDS = 0.3, 15.0

_UNSENT = "-"
_LETTERS = {
    "queued": "q",
    "reading": "r",
    "read": "d",
    "unchanged": "u",
    "failed": "f",
    "cancelled": "c",
}
_UNFINISHED = ("queued", "reading")


class Position:
    """The position of a reader in the events of a run: the last state it has of each provider."""

    def __init__(self, providers: Sequence[str], last_event_id: str) -> None:
        """*last_event_id* is the last id that the reader received; an invalid one is ignored."""
        known = set(last_event_id) <= {_UNSENT, *_LETTERS.values()}
        fits = known and len(last_event_id) == len(providers)
        self._letters = list(last_event_id) if fits else [_UNSENT] * len(providers)
        self._providers = tuple(providers)

    @property
    def id(self) -> str:
        return "".join(self._letters)

    def new_events(
        self, run: Run, readings: Sequence[Reading], states: Mapping[str, str]
    ) -> Iterator[str]:
        """The events after this position: new states and readings, and the end of the run."""
        summary = run_summary(run, readings)
        for place, provider in enumerate(self._providers):
            state, reading = states[provider], summary["results"].get(provider)
            has_just_ended = state not in _UNFINISHED and reading is None
            if self._letters[place] == _LETTERS[state] or (has_just_ended and not run.finished_at):
                continue  # the next poll finds the reading of a step that has just ended
            # Sent before its step: a reader that is cut off in between receives it again.
            if reading is not None:
                yield _event("reading", self.id, {"provider": provider, **reading})
            self._letters[place] = _LETTERS[state]
            yield _event("step", self.id, {"provider": provider, "state": state})
        if run.finished_at is not None:
            yield _event("run", self.id, summary)


async def follow(
    pricing: PricingSync, run: Run, last_event_id: str, stream: Stream
) -> AsyncIterator[str]:
    """The events of a run until it ends, the reader disconnects, or this process stops."""
    position = Position(run.providers, last_event_id)
    sent_at = monotonic()
    yield "retry: 1000\n\n"
    while await stream.is_open():
        try:
            progress = await asyncio.to_thread(_poll, pricing.store, run.id)
        except StoreError:
            return  # the reader connects again, with the id of the last event it received
        for event in position.new_events(*progress):
            sent_at = monotonic()
            yield event
        if progress[0].finished_at is not None:
            return
        if monotonic() - sent_at >= HEARTBEAT_SECONDS:
            sent_at = monotonic()
            yield ": still running\n\n"
        await stream.pause(POLL_SECONDS)


def _poll(store: Store, run_id: str) -> tuple[Run, list[Reading], dict[str, str]]:
    run, readings = store.run(run_id)
    return run, readings, step_states(store, run, readings)


def _event(name: str, event_id: str, content: Mapping[str, Any]) -> str:
    return f"id: {event_id}\nevent: {name}\ndata: {json.dumps(content)}\n\n"
