"""The progress of a run."""

from __future__ import annotations

from collections.abc import Sequence

from pricing_sync.changes.run import Reading, Run, Status
from pricing_sync.store import Store


def step_states(store: Store, run: Run, readings: Sequence[Reading]) -> dict[str, str]:
    """The state of each provider of a run: `queued`, `reading`, or the state of its reading."""
    states = {reading.provider: reading.state for reading in readings}
    if run.finished_at is None:
        states = {step.provider: step.state for step in store.queue.steps(run.id)} | states
    # A process that was killed may have left no reading.
    return {provider: states.get(provider, Status.FAILED.value) for provider in run.providers}
